"""Methods that meet one robot at a time, and the figures of a point on an adaptation curve; for `adaptation.py`."""

import hashlib
import json
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from common import ROOT

from surefoot.controllers.adaptation import Adapter, Budget, finetune, maml, planner, search, twin
from surefoot.controllers.adaptation.base import Point
from surefoot.controllers.controller import Controller
from surefoot.controllers.envelope import TRACKING
from surefoot.controllers.transfer import moved
from surefoot.envs.suites import TaskSuite
from surefoot.envs.variation import Task

GO_ON = ("twin", "finetune")  # from the randomised controller, whose returns on their robots are the first point
DONE = ROOT / "runs" / "one_by_one"  # robots that are done already


def searched(
    controller: Controller, suite: TaskSuite, split: str, seed: int, seconds: float, tasks: int = 8
) -> list[dict[str, Any]]:
    """CMA-ES for each of `tasks` robots by itself, for 64 s of motion; points where all have one. None for another robot."""
    if suite.robot_of(split) != controller.config.robot:
        return []
    every = suite.tasks(split)
    chosen = some(every, tasks)
    budget = Budget(seconds=None, robot_seconds=64.0)
    curves = [search(controller, every[i], budget, seed=seed, episodes=8).curve for i in chosen]
    return [figures_of(points, chosen) for points in zip(*curves, strict=False)]


def adapted(
    method: Adapter,
    motion: float | None,
    controller: Controller,
    suite: TaskSuite,
    split: str,
    seed: int,
    seconds: float,
    tasks: int = 8,
    episodes: int = 8,
) -> list[dict[str, Any]]:
    """`method` for each of `tasks` robots by itself, before and after so much `motion` and `seconds` of computing.

    A robot that is done is kept in `DONE` for this very controller, and not done again. A split's robot may be another;
    there a controller that is told its robot's parameters has no figures.
    """
    if suite.robot_of(split) != controller.config.robot:
        if controller.identifier:
            return []
        controller = moved(controller, suite.robot_of(split))
    every, curves = suite.tasks(split), []
    weights = b"".join(part.detach().numpy().tobytes() for part in controller.policy.parameters())
    name = getattr(method, "__name__", "")
    budget = Budget(seconds=seconds, robot_seconds=motion)
    folder = DONE / f"{name}-{seconds:g}s-{suite.family}-{split}-{hashlib.sha256(weights).hexdigest()[:12]}"
    for i in some(every, tasks):
        file = folder / f"task_{i}.json"
        if not file.exists():
            found = method(controller, every[i], budget, seed=seed, episodes=episodes, points=1)
            curve = [figures_of([point], [i]) for point in (found.before, found.after)]
            print(name, split, i, every[i], [(p["seconds"], round(p["return"], 1)) for p in curve], flush=True)
            folder.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(curve), encoding="utf-8")
        curves.append(json.loads(file.read_text(encoding="utf-8")))
    return [together(points) for points in zip(*curves, strict=True)]


def some(tasks: Sequence[Task], number: int) -> list[int]:
    """Which of the tasks stand for all of them, where each is costly: the middle ones of as many equal parts."""
    number = min(number, len(tasks))
    return [int((k + 0.5) * len(tasks) / number) for k in range(number)]


def together(points: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One point of as many robots, whose evaluations are of as many episodes each."""
    means = {
        key: float(np.mean([point[key] for point in points]))
        for key in ("robot_seconds", "seconds", "return", "tracking", "falls", "success")
    }
    lists = ("tasks", "task_returns", "task_success")
    return means | {key: [one for point in points for one in point[key]] for key in lists}


def figures_of(points: Sequence[Point], tasks: list[int]) -> dict[str, Any]:
    """What robots on `tasks` reached after the same motion, in one evaluation or in one each."""
    returns, tracked, fell = (
        np.concatenate([getattr(p.evaluation, name) for p in points]) for name in ("returns", "tracked", "fell")
    )
    done = [p.evaluation.succeeded for p in points]  # where the task says what success is
    success = (~fell & (tracked >= TRACKING)) if done[0] is None else np.concatenate(done)
    return {
        "robot_seconds": points[0].robot_seconds, "seconds": round(float(np.mean([p.seconds for p in points])), 2),
        "return": float(returns.mean()), "tracking": float(tracked.mean()), "falls": float(fell.mean()),
        "success": float(np.mean(success)),
        "tasks": tasks, "task_returns": returns.reshape(len(tasks), -1).mean(axis=1).tolist(),
        "task_success": np.asarray(success, float).reshape(len(tasks), -1).mean(axis=1).tolist(),
    }  # fmt: skip


ONE_BY_ONE = {
    "search": searched,
    "twin": partial(adapted, twin, 10.0),
    "finetune": partial(adapted, finetune, None),
    "maml": partial(adapted, maml, 64.0),  # two gradient steps
    # Around the policy that is told what `identify` found; slower than any other by two orders of magnitude.
    "planner": partial(adapted, planner, 4.0, episodes=2),
}
