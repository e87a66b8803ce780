"""System identification by regression: a few seconds of motion, then the parameters, with how sure it is of each.

A policy that is told its robot's parameters (`search`) walks for four seconds with those of an average robot; a regression that
has learnt from such walks of many robots estimates the true ones (as in Yu et al., 2017); from then on the policy is told them.
"""

import dataclasses
import math
import sys
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...envs.batch_env import BatchEnv
from ...envs.suites import TaskSuite, load_suite
from ...envs.typed import Range, check_ranges
from ...envs.variation import Task, Variation
from ...robots import SurefootError
from .. import threads
from ..config import TrainConfig, from_settings
from ..controller import Controller
from ..evaluation import finish_episodes
from ..identifier import DIRECTIONS, STEPS, Identifier, folds
from ..policy import Policy
from ..worlds import robot_of, worlds_of
from .base import Adaptation, Budget, Estimate, Point
from .search import meta_train as train_told
from .search import told_in_training

WINDOWS = (1, 2, 15)  # of STEPS control steps, after which the curve is drawn
COLLECTING = 0.4  # of the learning's seconds, at most


@dataclasses.dataclass(frozen=True)
class Learning:
    """How an identifier learns.

    Attributes:
        worlds: robots that walk at once. kept: windows that it learns from at most, as all are in memory.
        held_out: windows that each of half as many other robots walks, which calibrate it.
        updates, batch_size, learning_rate: of the network's learning from all that was collected (Adam); the rate falls to 0.
        share: of the training's steps (and seconds) that it has.
    """

    worlds: int = 512
    kept: int = 6144
    held_out: int = 4
    updates: int = 2000
    batch_size: int = 256
    learning_rate: float = 1e-3
    share: float = 0.4

    def __post_init__(self) -> None:
        ranges: tuple[Range, ...] = (
            ("1 or more", lambda x: x >= 1, ("worlds", "kept", "held_out", "updates", "batch_size")),
            ("between 0 and 1", lambda x: 0 < x < 1, ("learning_rate", "share")),
        )
        check_ranges("meta setting", self, ranges)


def meta_train(robot: str, task: str, **asked: Any) -> Controller:
    """Train as `training.train` does, whose arguments these are: the policy that is told, then the identifier.

    The identifier's part comes on top of `steps`, and out of `seconds`. `meta` changes settings of `Learning`.
    """
    plan, seconds = from_settings("meta setting", Learning, asked.get("meta") or {}), asked.get("seconds")
    asked["seconds"] = None if seconds is None else (1 - plan.share) * seconds
    controller = train_told(robot, task, **asked)
    controller.config = controller.config.model_copy(update={"method": "identify"})
    steps = round(plan.share / (1 - plan.share) * controller.config.steps)
    errors = learn(controller, steps, None if seconds is None else plan.share * seconds, plan)
    if asked.get("progress", True):
        worst = ", ".join(f"{name} {100 * error:.0f} %" for name, error in errors.items())
        print(f"median error over the spread in training: {worst}", file=sys.stderr)
    if asked.get("out") is not None:
        controller.config.save(Path(asked["out"]) / "config.json")
        controller.save(Path(asked["out"]) / "controller.safetensors")
    return controller


def identify(
    controller: Controller, task: Task, budget: Budget, *, seed: int = 0, episodes: int = 50, points: int = 4
) -> Adaptation:
    """Estimate the parameters from four seconds of motion, and tell the policy; more motion, a better estimate."""
    controller = controller.copy()
    dt = robot_of(controller.config).control_dt
    limit = budget.limit(dt, least_steps(controller)) or WINDOWS[-1] * STEPS
    windows = min(limit // STEPS, WINDOWS[-1])
    stops = {*(k for k in WINDOWS[:points] if k < windows), windows}
    found = walk_and_identify(controller, task, episodes, stops, seed=seed, seconds=budget.seconds)
    controller.told = dict(zip(found.names, found.mean[0].tolist(), strict=True))
    rows = zip(found.names, found.mean[0], found.std[0], found.true[0], strict=True)
    inferred = {name: Estimate(float(mean), float(std), float(true)) for name, mean, std, true in rows}
    controller.told_std = {name: estimate.std for name, estimate in inferred.items()}
    return Adaptation("identify", task, controller, found.curve, inferred)


def least_steps(controller: Controller) -> int:
    """Control steps of motion that an identifier looks at."""
    return STEPS


@dataclasses.dataclass(frozen=True)
class Identified:
    """What N robots were taken for, by name: means, standard deviations and the truth, (N, K); and the curve."""

    names: list[str]
    mean: np.ndarray
    std: np.ndarray
    true: np.ndarray
    curve: tuple[Point, ...]


def walk_and_identify(
    controller: Controller,
    tasks: Task | list[Task],
    worlds: int,
    stops: Collection[int],
    *,
    seed: int = 0,
    seconds: float | None = None,
    **where: Any,
) -> Identified:
    """Robots, one on each task or all on the same, that are told what each was found to be; judged after `stops` windows.

    `where` are arguments of `worlds_of`, such as another robot. Ends early after `seconds` of wall-clock.
    """
    identifier = controller.identifier
    assert identifier is not None
    seen = worlds_of(controller.config, worlds, tasks=tasks, seed=2000 + seed, trial=10**9, **where)
    judged = worlds_of(controller.config, worlds, tasks=tasks, autoreset=False, **where)
    dt, names = seen.robot.control_dt, list(identifier.names)
    spent = 0.0
    curve: list[Point] = []

    def measure(windows: int, told: np.ndarray | None = None) -> None:
        judged.inputs.believed[:] = center if told is None else told
        judged.reset(seed=1000 + seed)
        result = finish_episodes(judged, controller)
        steps = windows * STEPS
        curve.append(Point(steps, int(seen.episode.sum()) // worlds, steps * dt, spent, result))

    center = told_in_training(controller, len(names))[0]
    measure(0)
    seen.inputs.believed[:] = center
    seen.reset()
    walks = identified_walks(seen, controller, identifier)
    for k in range(1, max(stops) + 1):
        started = time.perf_counter()
        found = next(walks)
        spent += time.perf_counter() - started
        late = seconds is not None and spent > seconds
        if k in stops or late:
            measure(k, found.mean)
        if late:
            break
    std = np.where(found.whole[:, None] > 0, identifier.of_average(found.std, found.whole), identifier.scale.numpy())
    return Identified(names, found.mean, std, truth(seen), tuple(curve))


@dataclasses.dataclass(frozen=True)
class Seen:
    """What N robots look like after some windows of a walk.

    Attributes:
        window: (N, STEPS, size), the last. whole: (N,), windows without a fall: one says little about the rest of its window.
        mean, std: (N, E), averages over those; of a robot without any, the mean in training, and 0.
    """

    window: torch.Tensor
    whole: np.ndarray
    mean: np.ndarray
    std: np.ndarray


def identified_walks(env: BatchEnv, controller: Controller, identifier: Identifier) -> Iterator[Seen]:
    """Let robots walk, and tell the policy after each window what they were found to be by then."""
    center = identifier.center.numpy().astype(float)
    sums, whole = np.zeros((2, env.num_envs, len(center))), np.zeros(env.num_envs, np.int64)
    while True:
        window, stood = walk(env, controller)
        with torch.no_grad():
            found = np.stack([part.numpy() for part in identifier(window)])
        sums, whole = sums + np.where(stood[:, None], found, 0.0), whole + stood
        mean, std = sums / np.maximum(whole, 1)[:, None]
        mean[whole == 0] = center
        env.inputs.believed[:] = mean
        yield Seen(window, whole, mean, std)


def walk(env: BatchEnv, controller: Controller) -> tuple[torch.Tensor, np.ndarray]:
    """The next STEPS control steps: what was seen and done, (N, STEPS, size); and who did not end, (N,)."""
    window = empty_window(env)
    whole = np.ones(env.num_envs, bool)
    for t in range(STEPS):
        actions = controller.act(env.observation)
        fill(window[t], env, env.observation, actions)
        env.step(actions)
        whole &= ~env.fell
    return window.transpose(0, 1), whole


def both_sides(controller: Controller, windows: torch.Tensor, true: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Windows (n, STEPS, size) and standardised parameters (n, E); with a symmetric policy their mirror images (2n) as well."""
    policy = controller.policy
    if not (isinstance(policy, Policy) and policy.mirrored):
        return windows, true
    own = windows.shape[2] - len(policy.mirror_action)
    index = torch.cat([policy.mirror_observation[:own], own + policy.mirror_action])
    sign = torch.cat([policy.mirror_observation_sign[:own], policy.mirror_action_sign])
    image = true[:, policy.mirror_observation[own:] - own] * policy.mirror_observation_sign[own:]
    return torch.cat([windows, windows[:, :, index] * sign]), torch.cat([true, image])


def empty_window(env: BatchEnv) -> torch.Tensor:
    """(STEPS, N, size): what the robots see of themselves (not what they are told) and do, a row a control step."""
    return torch.zeros(STEPS, env.num_envs, env.step_size - len(env.inputs.known) + env.num_actions)


def fill(row: torch.Tensor, env: BatchEnv, observation: np.ndarray, actions: np.ndarray) -> None:
    """Write one control step into `row` (N, size) of a window."""
    own = env.step_size - len(env.inputs.known)
    row[:, :own] = torch.as_tensor(observation[:, -env.step_size :][:, :own])
    row[:, own:] = torch.as_tensor(actions)


def held_out(suite: TaskSuite, seed: int) -> tuple[TaskSuite, list[Task]]:
    """The suite to learn in, and tasks to calibrate on: split `validation`, else a fifth of `train`, which is then left out.

    Fewer than five tasks are all learnt from: they are calibrated on as well, on walks of their own.
    """
    if "validation" in suite.splits and "validation" not in suite.robots:
        return suite, suite.tasks("validation")
    rows, tasks = suite.splits["train"], suite.tasks("train")
    order = np.random.default_rng(seed).permutation(len(rows))
    out, kept = order[: len(rows) // 5], np.sort(order[len(rows) // 5 :])
    suite = suite.model_copy(update={"splits": {**suite.splits, "train": tuple(rows[i] for i in kept)}})
    return suite, [tasks[i] for i in out] or tasks


def learning_worlds(config: TrainConfig, plan: Learning) -> tuple[BatchEnv, BatchEnv]:
    """Worlds to learn in, and half as many of other robots to calibrate on. Robots stay what they are (no `redraw`)."""
    variation = Variation.parse(config.vary) if config.vary else None
    tasks = Task(config.parameters) if config.parameters else None
    suite: TaskSuite | None = None
    others: Task | list[Task] | None = tasks
    half = max(1, plan.worlds // 2)
    if config.suite:
        suite, dealt = held_out(load_suite(config.suite, config.suite_sha256), config.seed)
        others = [dealt[i % len(dealt)] for i in range(half)]
    same: dict[str, Any] = {"variation": variation, "trial": 10**9}
    env = worlds_of(config, plan.worlds, suite=suite, tasks=tasks, seed=config.seed + 1, **same)
    return env, worlds_of(config, half, tasks=others, seed=config.seed + 2, **same)


def learn(
    controller: Controller, steps: int, seconds: float | None = None, plan: Learning | None = None
) -> dict[str, float]:
    """Give `controller` an identifier of the parameters that it is told, from so many environment steps of its walking.

    Half of the robots are told their true parameters and half those of an average robot, as before identification. Returns
    the median error on other robots after one window, over the parameter's spread in training.
    """
    plan, started = plan or Learning(), time.monotonic()
    env, others = learning_worlds(controller.config, plan)
    names, held = env.inputs.known, plan.held_out * others.num_envs
    env.inputs.believed[::2] = told_in_training(controller, len(names))[0]
    rounds = max(1, min(round((steps / STEPS - held) / plan.worlds), plan.kept // plan.worlds))
    windows, true = collect(env, controller, rounds, None if seconds is None else started + COLLECTING * seconds)
    took, late = time.monotonic() - started, None if seconds is None else started + seconds
    left = None if late is None else late - took * held / len(windows)  # less what the walks that calibrate will take
    torch.set_num_threads(threads.UPDATE_THREADS)
    identifier = fit(env, controller, windows, true, plan, left)
    torch.set_num_threads(1)
    controller.identifier = identifier.eval()
    errors = calibrate(others, controller, identifier, plan.held_out, late)
    controller.seconds += time.monotonic() - started
    return errors


def collect(
    env: BatchEnv, controller: Controller, rounds: int, late: float | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Windows (n, STEPS, size) and parameters (n, E) of robots that neither fell nor changed; none begins when it is `late`.

    Robots set out in every other window and walk on in the others, which look different and are identified, too. The steps
    are the controller's training, too.
    """
    found: list[tuple[torch.Tensor, torch.Tensor]] = []
    while len(found) < rounds and not (found and late is not None and time.monotonic() > late):
        if len(found) % 2 == 0:
            env.reset()
        true = truth(env)
        window, whole = walk(env, controller)
        controller.timesteps += env.num_envs * STEPS
        whole &= (truth(env) == true).all(1)
        if not whole.any():
            raise none_stood(env)
        found.append((window[whole], torch.as_tensor(true[whole])))
    windows, known = (torch.cat(part) for part in zip(*found, strict=True))
    return windows, known


def fit(
    env: BatchEnv,
    controller: Controller,
    windows: torch.Tensor,
    true: torch.Tensor,
    plan: Learning,
    late: float | None,
) -> Identifier:
    """An identifier, from walks (n, STEPS, size) and parameters (n, E): the regression, then Adam, which ends when `late`."""
    names = env.inputs.known
    center, scale = (torch.as_tensor(part) for part in told_in_training(controller, len(names)))
    fold = folds(true)
    windows, true = both_sides(controller, windows, ((true - center) / scale).float())
    fold = fold.repeat(len(true) // len(fold))  # the mirror image of a robot is with it
    with torch.random.fork_rng():
        torch.manual_seed(controller.config.seed)
        # No more features than half of the walks, which also keeps the time short where there are few.
        directions = min(DIRECTIONS, max(1, math.isqrt(len(windows)) - 1))
        identifier = Identifier(windows.shape[2], names, windows.shape[2] - env.num_actions, directions)
    identifier.center[:], identifier.scale[:] = center, scale
    features = identifier.prepare(windows)
    regressed = identifier.regress(features, true, fold)
    generator = torch.Generator().manual_seed(controller.config.seed)
    optimizer = torch.optim.Adam(identifier.head.parameters(), plan.learning_rate)
    started = time.monotonic()
    for k in range(plan.updates):
        share = k / plan.updates
        if late is not None:
            share = max(share, (time.monotonic() - started) / max(late - started, 1e-9))
        if share >= 1:
            break
        optimizer.param_groups[0]["lr"] = plan.learning_rate * (1 - share)
        pick = torch.randint(len(features), (plan.batch_size,), generator=generator)
        mean, log_std = identifier.corrected(features[pick], regressed[pick])
        loss = (log_std + 0.5 * ((true[pick] - mean) * torch.exp(-log_std)).square()).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return identifier


def calibrate(
    env: BatchEnv, controller: Controller, identifier: Identifier, windows: int, late: float | None
) -> dict[str, float]:
    """Make 90 % intervals hold 90 % of the robots of `env`, after one window of their walk and after `windows`, or when `late`.

    The steps are the controller's training, too.
    Returns the median error after one, over the spread in training.
    """
    env.inputs.believed[:] = identifier.center
    env.reset()
    true, walks = truth(env), identified_walks(env, controller, identifier)
    wide: list[np.ndarray] = []  # (E,), by how much intervals after so many windows are too narrow
    median = np.zeros(len(identifier.names))
    while len(wide) < windows and not (wide and late is not None and time.monotonic() > late):
        found = next(walks)
        controller.timesteps += env.num_envs * STEPS
        stood = (found.whole > len(wide)) & (truth(env) == true).all(1)  # in all of them
        if not stood.any():
            break
        error = np.abs(found.mean - true)[stood]
        if not wide:
            median = np.median(error, axis=0) / identifier.scale.numpy()
        wide.append(np.quantile(error / found.std[stood], 0.9, axis=0) / 1.645)
    if not wide:
        raise none_stood(env)
    identifier.stretch[:] = torch.as_tensor(wide[0])
    if (k := len(wide)) > 1:  # else an average counts as no surer than a single window
        identifier.shared[:] = torch.as_tensor(np.maximum(k * (wide[-1] / wide[0]) ** 2 - 1, 0) / (k - 1))
    return dict(zip(identifier.names, median.tolist(), strict=True))


def truth(env: BatchEnv) -> np.ndarray:
    """What the policy would be told if nothing were hidden, (N, E)."""
    return env.inputs.truth(env.values, env.task.command())


def none_stood(env: BatchEnv) -> SurefootError:
    motion = f"{STEPS * env.robot.control_dt:g} s of motion"
    return SurefootError(
        f"method 'identify' learns from {motion}, and none of {env.num_envs} robots stayed up so long, or the same: train for "
        "more --steps, or with more worlds (--meta worlds=…)"
    )
