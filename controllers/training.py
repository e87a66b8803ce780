"""Training: environment and algorithm from a configuration, a run folder with everything in it, resumable."""

import dataclasses
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import configure
from stable_baselines3.common.vec_env import VecEnv

from ..envs.batch_env import BatchEnv
from ..envs.inputs import REMEMBERED, mirror_image
from ..envs.options import checked_options
from ..envs.samplers import make_sampler
from ..envs.sb3 import SB3VecEnv
from ..envs.spaces import action_space
from ..envs.suites import TaskSuite, load_suite, table_of
from ..envs.tasks import FAMILIES, Legged, Run
from ..envs.typed import typed
from ..envs.variation import Task, Variation
from ..envs.views import VIEWS
from ..robots import SurefootError, get_robot
from ..robots.parameters import ParameterTable
from ..robots.source import is_file_name
from . import gym_ids
from .algorithms import find_algorithm
from .best import Best
from .checks import check_memory
from .config import TrainConfig, checked_config
from .controller import Controller, controller_file
from .discrete import grid_for
from .policies import pictures_of, policy_kwargs
from .policy import Mirror
from .presets import preset_of, settings_for
from .replayed import BatchedReplay
from .rollouts import BatchedRollouts, core_of
from .settings import OURS, OnPolicySettings, Settings
from .worlds import worlds_of

CHECKPOINT_SECONDS = 60.0
WHOLE = ("rma", "identify", "maml", "reptile")  # methods whose training is more than an algorithm's `learn`
TELL_SECONDS = 10.0  # between two lines of progress where there is no terminal for the bar


def make_env(config: TrainConfig, num_envs: int, *, seed: int | None = None) -> BatchEnv:
    """The environment that `config` describes: its variation, its fixed parameters, or its suite's training tasks."""
    if config.vary and config.parameters:
        raise SurefootError("give either a variation (--vary) or fixed parameters (--set), not both")
    if config.suite and (config.vary or config.parameters):
        raise SurefootError(
            "a suite (--suite) has its own tasks: give no variation (--vary) or parameters (--set) with it"
        )
    settings = settings_for(config.robot, config.task, config.algo, config.hyperparameters)
    env = worlds_of(
        config,
        num_envs,
        variation=Variation.parse(config.vary) if config.vary else None,
        tasks=Task(config.parameters) if config.parameters else None,
        suite=load_suite(config.suite, config.suite_sha256) if config.suite else None,
        seed=config.seed if seed is None else seed,
        trial=settings.trial,
        redraw=settings.redraw if config.vary or config.suite else 0.0,  # fine-tuning has one robot
    )
    if settings.sampler != "uniform" and env.variation is not None:
        env.sampler = make_sampler(settings.sampler, env.variation, env.table, settings.adr_low, settings.adr_high)
    return env


def make_worlds(config: TrainConfig, num_envs: int, *, seed: int | None = None) -> BatchEnv | VecEnv:
    """What `config` trains on: the batched worlds of a robot, or environments of Gymnasium."""
    if gym_ids.is_gym(config.robot):
        return gym_ids.make_env(config, num_envs, seed=seed)
    return make_env(config, num_envs, seed=seed)


def make_algorithm(config: TrainConfig, env: BatchEnv | VecEnv) -> BaseAlgorithm:
    """The SB3 algorithm of `config` on `env`."""
    algorithm = find_algorithm(config.algo)
    settings = settings_for(config.robot, config.task, config.algo, config.hyperparameters)
    torch.set_num_threads(1)
    mirror = None
    if isinstance(env, BatchEnv) and isinstance(settings, OnPolicySettings) and settings.mirror:
        mirror = mirror_map(env)
    space = env.action_space if isinstance(env, VecEnv) else action_space(env)
    grid = grid_for(config.algo, settings, space, repr(config.robot))
    worlds: VecEnv
    if not isinstance(env, VecEnv):
        worlds = SB3VecEnv(env, grid)
    else:
        worlds = env if grid is None else gym_ids.GridVecEnv(env, grid)
    size = (worlds.observation_space.shape or (1,))[0]
    check_memory(settings, size)
    pictures = pictures_of(config, settings)
    policy, kwargs = gym_ids.policy_on(config, algorithm, policy_kwargs(settings, size, mirror, grid, pictures))
    return algorithm.model(
        policy=policy,
        env=worlds,
        learning_rate=_schedule(settings),
        policy_kwargs=kwargs,
        seed=config.seed,
        device="cpu",
        **{f.name: getattr(settings, f.name) for f in dataclasses.fields(settings) if f.name not in OURS},
    )


def mirror_map(env: BatchEnv) -> Mirror:
    """Observation and action maps of the robot's mirror image. Raises `SurefootError` where there is none."""
    symmetry = env.robot.symmetry
    if symmetry is None or not (isinstance(env.task, Legged) or (isinstance(env.task, Run) and env.task.symmetric)):
        raise SurefootError(f"mirror=True needs a symmetry map: {env.robot.name!r} on {env.task_name!r} has none")
    index, sign = env.task.mirror()
    inputs, input_sign = env.inputs.mirror(symmetry)
    actions = np.array(symmetry.index), np.array(symmetry.sign)
    index, sign = np.concatenate([index, len(index) + inputs]), np.concatenate([sign, input_sign])
    for view in env.views:
        seen = view.mirror()
        index, sign = np.concatenate([index, len(index) + seen]), np.concatenate([sign, np.ones(len(seen), np.float32)])
    return index, sign, *actions


def _schedule(settings: Settings) -> float | Callable[[float], float]:
    if settings.linear_decay:
        return lambda remaining: settings.learning_rate * max(remaining, 0.02)
    return settings.learning_rate


class Monitor(BaseCallback):
    """Progress bar, checkpoints and the wall-clock limit of one training."""

    def __init__(self, config: TrainConfig, out: Path | None, bar: Progress | None, tell: bool, before: float = 0.0):
        super().__init__()
        self.before = before  # seconds of the sessions before this one
        self.config, self.out, self.bar, self.tell = config, out, bar, tell
        self.started = time.monotonic()
        self._saved = self._told = self.started
        self._first = 0
        self._task = bar.add_task("train", total=config.steps, info="") if bar else None

    def _on_training_start(self) -> None:
        self._first = self.num_timesteps

    def _on_step(self) -> bool:
        elapsed = time.monotonic() - self.started
        if self.bar is not None and self._task is not None:
            self.bar.update(self._task, completed=self.num_timesteps, info=self._info(elapsed))
        elif self.tell and time.monotonic() - self._told > TELL_SECONDS:
            self._told = time.monotonic()
            print(f"{elapsed:5.0f} s  {self.num_timesteps:,} steps  {self._info(elapsed)}", file=sys.stderr, flush=True)
        # Batched rollouts and replay log the means of many steps by themselves.
        if isinstance(self.model.env, SB3VecEnv) and not isinstance(self.model, BatchedRollouts | BatchedReplay):
            core = core_of(self.model)
            for name, value in zip(core.task.terms, core.terms.mean(axis=0), strict=True):
                self.logger.record_mean(f"reward/{name}", float(value))
        return self.config.seconds is None or elapsed < self.config.seconds

    def _info(self, elapsed: float) -> str:
        finished = self.model.ep_info_buffer or ()
        reward = f"{np.mean([e['r'] for e in finished]):.1f}" if finished else "-"
        return f"{(self.num_timesteps - self._first) / max(elapsed, 1e-9) / 1000:.1f} k steps/s  return {reward}"

    def _on_rollout_end(self) -> None:
        if isinstance(self.model.env, SB3VecEnv) and (sampler := core_of(self.model).sampler) is not None:
            for name, value in sampler.report().items():
                self.logger.record(f"sampler/{name}", value)
        if self.out is not None and time.monotonic() - self._saved > CHECKPOINT_SECONDS:
            self._saved = time.monotonic()
            self.save_checkpoint(self.out)

    def save_checkpoint(self, out: Path) -> None:
        self.controller().save(out / "checkpoints" / f"step_{self.num_timesteps:012d}.safetensors")

    def controller(self) -> Controller:
        """What was learnt until now."""
        found = Controller.from_algorithm(self.config, self.model)
        found.seconds = self.before + time.monotonic() - self.started
        return found


def train_config(
    robot: str,
    task: str,
    *,
    algo: str = "ppo",
    steps: int | None = None,
    seconds: float | None = None,
    seed: int = 0,
    vary: dict[str, str] | None = None,
    parameters: dict[str, float | str] | None = None,
    suite: str | Path | None = None,
    options: dict[str, Any] | None = None,
    hyperparameters: dict[str, Any] | None = None,
    preset: str | None = None,
    method: str = "",
    meta: dict[str, Any] | None = None,
) -> TrainConfig:
    """The configuration that `train` makes of its arguments, checked."""
    own = get_robot(robot) if is_file_name(robot) else None  # the user's: a controller must know it again
    robot = own.name if own else robot
    hyperparameters = (preset_of(preset, task, algo) if preset else {}) | (hyperparameters or {})
    hyperparameters = typed("hyperparameter", hyperparameters, find_algorithm(algo).settings)
    options = options or {} if gym_ids.is_gym(robot) else checked_options(task, options or {})
    settings = settings_for(robot, task, algo, hyperparameters)
    tasks = load_suite(suite) if suite else None
    if set(settings.inputs) - {*REMEMBERED, *VIEWS}:
        ground = {**(tasks.options if tasks else {}), **(options or {})}
        mirrored = getattr(settings, "mirror", False)
        hyperparameters["inputs"] = _by_column(
            settings.inputs, table_of(robot, ground), task, vary or {}, tasks, mirrored
        )
    config = checked_config(
        robot=robot,
        task=task,
        algo=algo,
        steps=settings.steps if steps is None else int(steps),
        seconds=seconds,
        seed=seed,
        vary=vary or {},
        parameters=parameters or {},
        options={**(tasks.options if tasks else {}), **(options or {})},
        hyperparameters=hyperparameters,
        method=method,
        meta=meta or {},
        suite=str(suite) if tasks else None,
        suite_sha256=tasks.sha256 if tasks else None,
        robot_sha256=own.digest if own else None,
    )
    if settings.redraw and not (vary or tasks):
        raise SurefootError(
            f"redraw={settings.redraw:g} draws robots in mid-episode: give a variation (--vary) or a suite to draw from"
        )
    if settings.sampler != "uniform" and not vary:
        raise SurefootError(f"sampler={settings.sampler} picks robots of a variation: give one (--vary)")
    if gym_ids.is_gym(robot):
        gym_ids.check_config(config)
    return config


def _by_column(
    inputs: tuple[str, ...],
    table: ParameterTable,
    task: str,
    vary: dict[str, str],
    suite: TaskSuite | None,
    mirrored: bool,
) -> tuple[str, ...]:
    """`inputs` with a name for each number: every motor's, and what the training varies and its goals for "parameters".

    A `mirrored` network is told what is varied on the other side, too.
    """
    found: list[str] = []
    for name in inputs:
        if name == "parameters":
            varied = _varied(table, task, vary, suite)
            symmetric = mirrored and table.robot.symmetry is not None
            images = {mirror_image(full, table)[0] for full in varied} if symmetric else set()
            found += varied + [full for full in table.names if full in images.difference(varied)]
        elif name.split(".")[0] in {full.split(".")[0] for full in table.names}:
            found += [table.names[k] for k in table.columns(name.removesuffix(".*"))]
        else:
            found.append(name)
    # Whoever is told something finds it at the end of the numbers, and pictures behind those.
    return tuple(sorted(found, key=lambda name: 0 if name in REMEMBERED else 2 if name in VIEWS else 1))


def _varied(table: ParameterTable, task: str, vary: dict[str, str], suite: TaskSuite | None) -> list[str]:
    """Names of the parameters that differ between the training's robots, and of its goals."""
    if suite:
        values = suite.rows("train", table)[0]
    else:
        variation = Variation.parse(vary)
        values = variation.sample(np.random.default_rng(0), 64, table)
        for later in np.moveaxis(variation.sample_later(np.random.default_rng(0), 64, table)[0].values, 1, 0):
            values[1::2] = np.where(np.isnan(later), values, later)[1::2]  # before and after the change
    varied = [table.names[k] for k in np.flatnonzero((values != values[0]).any(axis=0))]
    varied += FAMILIES[task].goals if task in FAMILIES else ()
    if not varied:
        raise SurefootError(
            "input 'parameters' stands for what the training varies: give a variation (--vary) or a suite"
        )
    return varied


def new_folder(out: str | Path | None) -> Path | None:
    """The folder of a run that begins. Raises `SurefootError` where there is one in it already, which stays as it is."""
    folder = Path(out) if out is not None else None
    if folder is not None and (folder / "config.json").exists():
        begun = (folder / "controller.safetensors").exists() or any((folder / "checkpoints").glob("step_*.safetensors"))
        remedy = "continue it with --resume" if begun else "delete this one, which has no checkpoint to go on from"
        raise SurefootError(f"{str(folder)!r} already holds a run: choose another folder, or {remedy}")
    return folder


def train(
    robot: str,
    task: str = "",
    *,
    out: str | Path | None = None,
    progress: bool = True,
    callback: BaseCallback | None = None,
    **asked: Any,
) -> Controller:
    """Train a controller.

    `robot` and `task` are names (`surefoot list`), or `robot` is a Gymnasium id such as "gym:CartPole-v1", which has no
    task. `asked` are `train_config`'s other arguments: `algo` is a name ("ppo" by default); `steps` defaults to the preset's;
    `seconds` is a wall-clock limit; `seed` is that of robots, networks and exploration. `vary` draws each robot anew at
    every episode ({"payload": "0:3"}), `parameters` fixes it ({"payload": 6}), `suite` (a name, or a file) takes each
    episode's task from the suite's split `train`. `options` are the task's ({"vx": 1.0}). `preset` names another robot whose
    preset is used, `hyperparameters` change single values. `method` and `meta` note for which adaptation method this is
    (`adaptation.META_TRAIN`). `out` is the run folder: configuration, checkpoints, TensorBoard log, controller. Raises
    `SurefootError` for any name or value that is wrong, before anything is written.
    """
    config = train_config(robot, task, **asked)
    settings = settings_for(config.robot, task, config.algo, config.hyperparameters)
    folder = new_folder(out)
    model = make_algorithm(config, make_worlds(config, settings.num_envs))
    if folder is not None:
        config.save(folder / "config.json")
    return _learn(config, model, folder, progress, callback)


def resume(
    out: str | Path,
    *,
    steps: int | None = None,
    seconds: float | None = None,
    progress: bool = True,
    callback: BaseCallback | None = None,
) -> Controller:
    """Continue the run in folder `out` from its newest controller, up to `steps` in total.

    Weights, optimiser, statistics and step count continue; the worlds start new episodes, seeded by seed and step count, and
    off-policy algorithms fill a new replay buffer before they learn on. Raises `SurefootError` for a run that is complete, and
    for methods whose training has parts that this would leave out.
    """
    folder = Path(out)
    controller = Controller.load(controller_file(folder))
    if (method := controller.config.method) in WHOLE:
        raise SurefootError(f"a training for method {method!r} cannot be continued: train anew, with more --steps")
    fields = controller.config.model_dump()
    fields |= {"seconds": seconds, "steps": fields["steps"] if steps is None else int(steps)}
    config = checked_config(**fields)
    if controller.timesteps >= config.steps:
        raise SurefootError(f"{str(out)!r} is complete at {controller.timesteps} steps: give a larger --steps to go on")
    seed = config.seed + controller.timesteps  # SB3 seeds the worlds anew with what it is given
    env = make_worlds(config, controller.settings.num_envs, seed=seed)
    model = make_algorithm(config.model_copy(update={"seed": seed}), env)
    controller.give_to(model)
    config.save(folder / "config.json")
    return _learn(config, model, folder, progress, callback, controller.seconds)


def _learn(
    config: TrainConfig,
    model: BaseAlgorithm,
    out: Path | None,
    progress: bool,
    callback: BaseCallback | None,
    before: float = 0.0,
) -> Controller:
    if out is not None:
        with _disk(out):
            model.set_logger(configure(str(out / f"log_{model.num_timesteps}"), ["csv", "tensorboard"]))
    else:
        model.set_logger(configure(None, []))
    bar = _progress_bar() if progress and sys.stderr.isatty() else None
    with bar or nullcontext():
        monitor = Monitor(config, out, bar, tell=progress, before=before)
        evaluations = settings_for(config.robot, config.task, config.algo, config.hyperparameters).evaluations
        best = Best(config, evaluations) if evaluations else None
        others = [c for c in (best, callback) if c is not None]
        callbacks: list[BaseCallback] = [monitor, *gym_ids.callbacks(config), *others]
        remaining = config.steps - model.num_timesteps
        try:
            with _disk(out):
                model.learn(remaining, callback=callbacks, reset_num_timesteps=False)
                model.logger.close()
        except KeyboardInterrupt:
            if out is not None and model.num_timesteps:
                monitor.save_checkpoint(out)
            raise
    controller = monitor.controller()
    if best is not None:
        controller = best.of(controller)
    controller.policy.set_training_mode(False)
    if out is not None:
        controller.save(out / "controller.safetensors")
    diverged = core_of(model).diverged if isinstance(model.env, SB3VecEnv) else 0
    if diverged:
        print(f"{diverged} worlds diverged during training and were reset alone", file=sys.stderr)
    return controller


@contextmanager
def _disk(out: Path | None) -> Iterator[None]:
    """Say in one line that the log in `out` cannot be written, for example because the disk is full.

    TensorBoard writes from a thread, whose error comes back to us: the traceback that it prints as well is kept quiet.
    """
    told = threading.excepthook
    threading.excepthook = lambda args: None if isinstance(args.exc_value, OSError) else told(args)
    try:
        yield
    except OSError as error:
        raise SurefootError(f"cannot write the log of {str(out)!r}: {error.strerror or error}") from error
    finally:
        threading.excepthook = told


def _progress_bar() -> Progress:
    from rich.console import Console

    return Progress(
        TextColumn("[bold]train"),
        BarColumn(),
        TextColumn("{task.completed:,.0f}/{task.total:,.0f} steps"),
        TextColumn("{task.fields[info]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
