"""Strategy optimisation: a policy that is told parameters, and a search for what to tell it (Yu et al., 2019).

The policy was trained with its parameters among the inputs, on many robots. On a new one CMA-ES (Hansen, 2016) looks for the
parameters with which it earns most, from short trials: they need not be the true ones, only to make it walk. What it finds is
no estimate, so that nothing says how sure of it one may be. At last what was found and what the policy was told before meet the
same starts, and it keeps what earns more.
"""

import math
import time
from typing import Any

import numpy as np

from ...envs.variation import Task, without_star
from ...robots import SurefootError
from ...robots.parameters import ParameterTable
from ..controller import Controller
from ..evaluation import evaluate
from ..normalization import RunningNorm
from ..policies import known_inputs
from ..training import train
from ..worlds import robot_of, worlds_of
from .base import Adaptation, Budget, Estimate, Point
from .rma import told_everything
from .sysid import LogFit

TRIAL_SECONDS = 1.0
WIDEST = 2.5  # standard deviations of the parameters in training


def meta_train(robot: str, task: str, **asked: Any) -> Controller:
    """Train as `training.train` does, whose arguments these are, a policy that is told what the training varies."""
    asked["hyperparameters"] = {**told_everything(task), **(asked.get("hyperparameters") or {})}
    return train(robot, task, **{**asked, "algo": "ppo", "method": "search"})


def search(
    controller: Controller, task: Task, budget: Budget, *, seed: int = 0, episodes: int = 50, points: int = 4
) -> Adaptation:
    """Look for the parameters to tell the policy by CMA-ES over trials of a second; no gradients, and no truth.

    A round is as many trials as CMA-ES takes by default; the last one of the budget compares what was found with the beginning.
    """
    try:
        import cma
    except ImportError as error:
        raise SurefootError("method 'search' needs the package cma: pip install 'surefoot[adapt]'") from error
    controller = as_begun(controller).copy()
    number, candidates = len(known_inputs(controller.settings)), candidates_of(controller)
    env = worlds_of(controller.config, candidates, tasks=task, seed=2000 + seed, autoreset=False)
    names = env.inputs.known
    center, scale = told_in_training(controller, number)
    first = np.array([controller.told.get(name, usual) for name, usual in zip(names, center.tolist(), strict=True)])
    controller.told = dict(zip(names, first.tolist(), strict=True))
    legal = [env.inputs.truth(limit[None], np.full((1, len(env.inputs.commands)), sign))[0]
             for limit, sign in ((env.table.low, -np.inf), (env.table.high, np.inf))]  # fmt: skip
    steps = round(TRIAL_SECONDS / env.robot.control_dt)
    round_steps = candidates * steps
    limit = budget.limit(env.robot.control_dt, least_steps(controller))
    strategy = cma.CMAEvolutionStrategy(
        np.clip((first - center) / np.maximum(scale, 1e-9), -WIDEST, WIDEST), 0.8,
        {"bounds": [-WIDEST, WIDEST], "popsize": candidates, "seed": seed + 1, "verbose": -9},
    )  # fmt: skip

    def told(x: np.ndarray) -> np.ndarray:
        return np.clip(center + scale * np.asarray(x), *legal)

    def measure(used: int, seconds: float) -> Point:
        result = evaluate(controller, task=task, episodes=episodes, seed=1000 + seed)
        return Point(used, used // steps, used * env.robot.control_dt, seconds, result)

    curve, used, seconds, last = [measure(0, 0.0)], 0, 0.0, 0.0
    together = np.zeros(candidates, int)  # all from one start
    # Each time there is room for this round and for the one that compares.
    while not used or (
        (limit is None or used + 2 * round_steps <= limit)
        and (budget.seconds is None or seconds + 2 * last <= budget.seconds)
    ):
        started = time.perf_counter()
        asked = strategy.ask()
        env.inputs.believed[:] = [told(x) for x in asked]
        strategy.tell(asked, -_returns(env, controller, steps, together))
        last = time.perf_counter() - started
        used, seconds = used + round_steps, seconds + last
        controller.told = dict(zip(names, told(strategy.result.xfavorite).tolist(), strict=True))
        share = max(used / limit if limit else 0.0, seconds / budget.seconds if budget.seconds else 0.0)
        if len(curve) < points and share >= len(curve) / points:
            curve.append(measure(used, seconds))
    started = time.perf_counter()
    found = told(strategy.result.xfavorite)
    pairs = np.arange(candidates) // 2  # from one start each, where the number is odd but for the last
    env.inputs.believed[:] = np.where(np.arange(candidates)[:, None] % 2, found, first)
    before, after = _returns(env, controller, steps, pairs)[: candidates // 2 * 2].reshape(-1, 2).mean(axis=0)
    if after <= before:
        controller.told = dict(zip(names, first.tolist(), strict=True))
    used, seconds = used + round_steps, seconds + time.perf_counter() - started
    curve.append(measure(used, seconds))
    controller.told_std = {}
    true = env.inputs.truth(env.values, env.task.command())[0]
    inferred = {name: Estimate(controller.told[name], true=float(t)) for name, t in zip(names, true, strict=True)}
    return Adaptation("search", task, controller, tuple(curve), inferred)


def candidates_of(controller: Controller) -> int:
    """Trials of a round: the default of CMA-ES (Hansen, 2016, table 1)."""
    return 4 + int(3 * math.log(len(known_inputs(controller.settings))))


def least_steps(controller: Controller) -> int:
    """Control steps of a round of trials and of the one that compares."""
    return 2 * candidates_of(controller) * round(TRIAL_SECONDS / robot_of(controller.config).control_dt)


def told_in_training(controller: Controller, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of the last `number` inputs, as they were in training, (number,) each."""
    norm = controller.policy.features_extractor.norm
    assert isinstance(norm, RunningNorm)
    return norm.mean[-number:].numpy().copy(), np.sqrt(norm.var[-number:].numpy())


def as_begun(controller: Controller) -> Controller:
    """What `search` and `identify` begin with: the controller, told what an average robot of its training is.

    By itself, in simulation, it is told the truth, which is what adapting has to find out: that is an oracle, and nothing that
    an adapted one could be compared with. Controllers of other methods, and those that are told something, are as they are.
    """
    if controller.config.method not in ("search", "identify") or controller.told:
        return controller
    names, found = known_inputs(controller.settings), controller.copy()
    found.told = dict(zip(names, told_in_training(found, len(names))[0].tolist(), strict=True))
    return found


def check_told(controller: Controller, robot: str) -> None:
    """Raise `SurefootError` where a controller cannot be told what a log of `robot` says."""
    if not known_inputs(controller.settings):
        raise SurefootError(
            "this controller is told no parameters: expected one that was trained with --method identify or search"
        )
    if robot != controller.config.robot:
        raise SurefootError(f"the log is of robot {robot!r}, the controller drives {controller.config.robot!r}")


def as_fitted(controller: Controller, fit: LogFit) -> Controller:
    """The controller, told what a log says of its robot; what was neither fitted nor known is as on the nominal robot.

    Raises `SurefootError` for a log of another robot, and for a controller that is told no parameters.
    """
    check_told(controller, fit.robot)
    names, robot = known_inputs(controller.settings), robot_of(controller.config)
    table, found = ParameterTable(robot, robot.compile()), as_begun(controller).copy()
    values = dict(zip(table.names, table.values(fit.parameters).tolist(), strict=True))
    found.told |= {name: values[name] for name in names if name in values}
    found.told_std = {}
    for part in fit.fitted:
        elements = [table.names[c] for c in table.columns(without_star(part.name))]
        found.told_std |= {name: part.std for name in elements if name in names}
    return found


def _returns(env: Any, controller: Controller, steps: int, starts: np.ndarray) -> np.ndarray:
    """What the worlds earn in `steps` control steps (N,), from the starts and with the commands of worlds `starts` (N,)."""
    env.reset()
    env.copy_from(env, starts)
    observation, alive, total = env.observe(), np.ones(env.num_envs, bool), np.zeros(env.num_envs)
    controller.reset()
    for _ in range(steps):
        observation, reward, terminated, _ = env.step(controller.act(observation))
        total += reward * alive
        alive &= ~terminated
    return total
