"""System identification by regression: a few seconds of motion, then the parameters, with how sure it is of each.

A policy that is told its robot's parameters (`search`) walks for four seconds with those of an average robot; a network that
was trained on such walks of many robots estimates the true ones (as in Yu et al., 2017); from then on the policy is told them.
"""

import dataclasses
import sys
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...envs.batch_env import BatchEnv
from ...envs.variation import Task
from ...robots import SurefootError, get_robot
from .. import threads
from ..config import Range, check_ranges, from_settings
from ..controller import Controller
from ..evaluation import finish_episodes
from ..identifier import STEPS, Identifier
from ..policy import Policy
from ..training import make_env
from ..worlds import worlds_of
from .base import Adaptation, Budget, Estimate, Point
from .search import meta_train as train_told
from .search import told_in_training

WINDOWS = (1, 2, 15)  # of STEPS control steps, after which the curve is drawn


@dataclasses.dataclass(frozen=True)
class Learning:
    """How an identifier learns.

    Attributes:
        worlds: robots that walk at once. kept: rounds of them that it learns from. held_out: rounds that calibrate it.
        epochs, batch_size, learning_rate: of each round's learning from all that is kept (Adam).
        share: of the training's steps (and seconds) that it has.
    """

    worlds: int = 512
    kept: int = 12
    held_out: int = 2
    epochs: int = 4
    batch_size: int = 256
    learning_rate: float = 1e-3
    share: float = 0.4

    def __post_init__(self) -> None:
        ranges: tuple[Range, ...] = (
            ("1 or more", lambda x: x >= 1, ("worlds", "kept", "held_out", "epochs", "batch_size")),
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
    dt = get_robot(controller.config.robot).control_dt
    limit = budget.limit(dt) or WINDOWS[-1] * STEPS
    if limit < STEPS:
        raise SurefootError(
            f"method 'identify' looks at {STEPS * dt:g} s of motion: the budget ends after {limit * dt:g} s"
        )
    windows = min(limit // STEPS, WINDOWS[-1])
    stops = {*(k for k in WINDOWS[:points] if k < windows), windows}
    found = walk_and_identify(controller, task, episodes, stops, seed=seed, seconds=budget.seconds)
    controller.told = dict(zip(found.names, found.mean[0].tolist(), strict=True))
    rows = zip(found.names, found.mean[0], found.std[0], found.true[0], strict=True)
    inferred = {name: Estimate(*(float(value) for value in values)) for name, *values in rows}
    controller.told_std = {name: estimate.std for name, estimate in inferred.items()}
    return Adaptation("identify", task, controller, found.curve, inferred)


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
    center = np.tile(told_in_training(controller, len(names))[0], (worlds, 1))
    told, spent = center.copy(), 0.0
    means: list[np.ndarray] = []
    stds: list[np.ndarray] = []
    curve: list[Point] = []

    def measure(windows: int) -> None:
        judged.inputs.believed[:] = told
        judged.reset(seed=1000 + seed)
        result = finish_episodes(judged, controller)
        steps = windows * STEPS
        curve.append(Point(steps, int(seen.episode.sum()) // worlds, steps * dt, spent, result))

    measure(0)
    seen.inputs.believed[:] = told
    seen.reset()
    for k in range(1, max(stops) + 1):
        started = time.perf_counter()
        window, whole = walk(seen, controller)
        with torch.no_grad():
            mean, std = (found.numpy().astype(float) for found in identifier(window))
        means.append(np.where(whole[:, None], mean, np.nan))  # a fall says little about the rest
        stds.append(std)
        known = ~np.isnan(means)
        told = np.where(known.any(0), np.where(known, means, 0.0).sum(0) / np.maximum(known.sum(0), 1), center)
        seen.inputs.believed[:] = told
        spent += time.perf_counter() - started
        late = seconds is not None and spent > seconds
        if k in stops or late:
            measure(k)
        if late:
            break
    true = seen.inputs.truth(seen.values, seen.task.command())
    return Identified(names, told, np.mean(stds, axis=0), true, tuple(curve))


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


def learn(
    controller: Controller, steps: int, seconds: float | None = None, plan: Learning | None = None
) -> dict[str, float]:
    """Give `controller` an identifier of the parameters that it is told, from so many environment steps of its walking.

    Half of the robots are told their true parameters and half those of an average robot, as before identification. Returns
    the median error on held-out robots over the parameter's spread in training.
    """
    plan = plan or Learning()
    seed = controller.config.seed
    env = make_env(controller.config, plan.worlds, seed=seed + 1)
    names = env.inputs.known
    center, scale = told_in_training(controller, len(names))
    env.inputs.believed[::2] = center
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        size = env.step_size - len(names) + env.num_actions
        identifier = Identifier(size, names)
    identifier.center[:], identifier.scale[:] = torch.as_tensor(center), torch.as_tensor(scale)
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(identifier.parameters(), plan.learning_rate)

    def round_of_walks() -> tuple[torch.Tensor, torch.Tensor]:
        torch.set_num_threads(1)
        env.reset()
        true = torch.as_tensor((env.inputs.truth(env.values, env.task.command()) - center) / scale, dtype=torch.float32)
        window, whole = walk(env, controller)
        torch.set_num_threads(threads.UPDATE_THREADS)
        if not whole.any():
            raise SurefootError(
                f"method 'identify' learns from {STEPS * env.robot.control_dt:g} s of motion, and none of {plan.worlds} robots "
                "stayed up so long: train for more --steps, or with more worlds (--meta worlds=…)"
            )
        return both_sides(controller, window[whole], true[whole])

    rounds: list[tuple[torch.Tensor, torch.Tensor]] = []
    started, number = time.monotonic(), max(1, round(steps / (plan.worlds * STEPS)) - plan.held_out)
    for k in range(number):
        rounds = [*rounds, round_of_walks()][-plan.kept :]
        identifier.norm.update(rounds[-1][0].flatten(0, 1))
        windows, true = (torch.cat(part) for part in zip(*rounds, strict=True))
        for _ in range(plan.epochs):
            for pick in torch.randperm(len(windows), generator=generator).split(plan.batch_size):
                mean, log_std = identifier.standard(windows[pick])
                loss = (log_std + 0.5 * ((true[pick] - mean) * torch.exp(-log_std)).square()).mean()
                optimizer.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(identifier.parameters(), 1.0)
                optimizer.step()
        share = (time.monotonic() - started) / seconds if seconds else 0.0
        if share >= 1:
            break
        for group in optimizer.param_groups:
            group["lr"] = plan.learning_rate * max(0.05, 1 - max(share, (k + 1) / number))
    windows, true = (torch.cat(part) for part in zip(*(round_of_walks() for _ in range(plan.held_out)), strict=True))
    with torch.no_grad():
        mean, log_std = identifier.standard(windows)
    error = (true - mean).abs()
    identifier.stretch[:] = torch.quantile(error * torch.exp(-log_std), 0.9, dim=0) / 1.645
    torch.set_num_threads(1)
    controller.identifier = identifier.eval()
    return dict(zip(identifier.names, error.median(0).values.tolist(), strict=True))
