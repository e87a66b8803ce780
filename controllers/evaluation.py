"""How good is a controller on a task? One episode in each of as many worlds as episodes are asked for."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ..envs.batch_env import BatchEnv
from ..envs.suites import load_suite
from ..envs.tasks import VelocityConfig
from ..envs.variation import Task, Variation
from ..robots import SurefootError
from .controller import Controller
from .gym_ids import is_gym, needs_robot
from .gym_ids import run_episodes as run_gym_episodes
from .onnx_controller import OnnxController
from .planner import Driver, driver
from .safety import Meter, Safety
from .statistics import bootstrap, mean
from .worlds import worlds_of

AnyController = Controller | OnnxController


@dataclass(frozen=True)
class Evaluation:
    """Results of E robots, of an episode each, or of a trial of K episodes in a row.

    Attributes:
        returns: (E,), sum of rewards of an episode; the mean of a trial's. lengths: (E,), number of control steps.
        fell: (E,) bool, an episode ended by termination instead of its time limit.
        terms: mean of each reward term per step, weighted as in the reward.
        tracked: (E,), mean of exp(-e^2/.25) of the horizontal velocity error, 0 from a fall to the episode's planned end, so
            that falling early never looks good; NaN for other tasks than `velocity`.
        robot_seconds: motion that it took.
        by_episode: (K, E), returns of the trials' episodes: how much more a controller earns as it learns which robot it has.
        by_step: (S,), mean reward of each control step since the start, over all robots: one that has fallen earns nothing any
            more. Over those that still move it would rise whenever a weak one falls.
        safety: limits, impacts and energy, where they were asked for.
        succeeded: (E,) bool, what a task calls success came about; None for tasks that do not say what that is.
    """

    returns: np.ndarray
    lengths: np.ndarray
    fell: np.ndarray
    terms: Mapping[str, float] = field(default_factory=dict)
    tracked: np.ndarray = field(default_factory=lambda: np.full(1, np.nan))
    robot_seconds: float = 0.0
    by_episode: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    by_step: np.ndarray = field(default_factory=lambda: np.zeros(0))
    safety: Safety | None = None
    succeeded: np.ndarray | None = None

    @property
    def mean(self) -> float:
        return float(self.returns.mean())

    @property
    def tracking(self) -> float:
        """Mean of `tracked`."""
        return float(self.tracked.mean())

    @property
    def success(self) -> float | None:
        """Share of `succeeded`."""
        return None if self.succeeded is None else float(self.succeeded.mean())

    def interval(self, seed: int = 0) -> tuple[float, float]:
        """95 % bootstrap interval of the mean return."""
        return bootstrap(mean, self.returns, seed=seed)


def evaluate(
    controller: AnyController,
    *,
    task: Task | list[Task] | None = None,
    vary: Mapping[str, str] | None = None,
    episodes: int = 50,
    seed: int = 1000,
    deterministic: bool = True,
    options: Mapping[str, object] | None = None,
    trial: int = 1,
    safety: bool = False,
) -> Evaluation:
    """Run `episodes` whole episodes on one task (nominal by default), on one for each, or on draws from a variation.

    A controller with settings for a planner (`Controller.plan`) plans, which is slow: see `planner.Planner`.

    `options` change the task's options that the controller was trained with. Same seed, same start states and commands.
    With `trial` K each robot has K episodes in a row, and the controller remembers what it has seen in the earlier ones.
    `safety` watches limits, impacts and energy, too, which costs some percent of the time.
    """
    if episodes < 1:
        raise SurefootError(f"number of episodes {episodes}: expected 1 or more")
    if vary and task is not None:
        raise SurefootError("give either a variation (--vary) or a task (--set), not both")
    config = controller.config
    if is_gym(config.robot):
        plan = getattr(controller, "plan", None)
        flags = {"--set": task, "--vary": vary, "--terrain": options, "--trial": trial > 1, "--plan": plan}
        for flag, given in flags.items():
            if given:
                needs_robot(config, flag)
        return Evaluation(*run_gym_episodes(config, lambda seen: controller.act(seen, deterministic), episodes, seed))
    env = worlds_of(
        config,
        episodes,
        options=options,
        told=controller.told,
        variation=Variation.parse(vary) if vary else None,
        tasks=task,
        seed=seed,
        trial=trial,
        autoreset=False,  # a reset would draw random numbers, and the other worlds would get other commands from then on
    )
    controller.check(env)
    return run_episodes(env, driver(controller, env, seed), deterministic=deterministic, safety=safety)


def evaluate_as_trained(controller: Controller, *, episodes: int = 50, seed: int = 1000) -> Evaluation:
    """On the robots that the controller was trained on: its own variation, parameters or suite, options and trials.

    A suite's tasks of split `validation` are dealt in turn, or those of `train` where it has none on the controller's robot.
    """
    config = controller.config
    task: Task | list[Task] | None = Task(config.parameters) if config.parameters else None
    if config.suite:
        suite = load_suite(config.suite, config.suite_sha256)
        chosen = suite.splits.get("validation") and "validation" not in suite.robots
        tasks = suite.tasks("validation" if chosen else "train")
        task = [tasks[i % len(tasks)] for i in range(episodes)]
    trial = controller.settings.trial
    return evaluate(controller, task=task, vary=config.vary or None, episodes=episodes, seed=seed, trial=trial)


def run_episodes(env: BatchEnv, controller: Driver, *, deterministic: bool = True, safety: bool = False) -> Evaluation:
    """One episode, or trial, in each world of `env`, which resets none by itself (`autoreset=False`)."""
    env.reset()
    controller.reset()
    return finish_episodes(env, controller, deterministic=deterministic, safety=safety)


def finish_episodes(
    env: BatchEnv, controller: Driver, *, deterministic: bool = True, safety: bool = False
) -> Evaluation:
    """The rest of the episode (or trial) that each world of `env` has begun; controller and worlds remember what was before."""
    n = env.num_envs
    everyone, running = np.arange(n), np.ones(n, bool)
    returns, lengths, fell = np.zeros((env.trial, n)), np.zeros(n, np.int64), np.zeros(n, bool)
    by_step: list[float] = []
    goal = getattr(env.task, "succeeded", None)
    succeeded = None if goal is None else np.zeros(n, bool)
    terms = np.zeros_like(env.terms, dtype=float)
    observation = env.observation
    meter = Meter(env, running) if safety else None
    env.watcher = None if meter is None else meter.watch
    while running.any():
        episode = env.episode.copy()
        observation, reward, terminated, truncated = env.step(controller.act(observation, deterministic))
        returns[episode, everyone] += reward * running
        by_step.append(float((reward * running).mean()))
        lengths += running
        terms += env.terms * running[:, None]
        fell |= env.fell & running
        if succeeded is not None:
            succeeded |= goal & running
        running &= ~(terminated | truncated)
    env.watcher = None
    names, steps = env.task.terms, int(lengths.sum())
    means = {name: float(v) for name, v in zip(names, terms.sum(axis=0) / steps, strict=True)}
    tracked = np.full(n, np.nan)
    weight = env.config.weights.get("tracking_lin_vel") if isinstance(env.config, VelocityConfig) else None
    if weight:
        tracked = terms[:, names.index("tracking_lin_vel")] / weight / (env.episode_steps * env.trial)
    watched = None if meter is None else meter.result(lengths)
    seconds = steps * env.robot.control_dt
    return Evaluation(
        returns.mean(axis=0), lengths, fell, means, tracked, seconds, returns, np.array(by_step), watched, succeeded
    )
