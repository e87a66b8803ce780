"""Methods that adapt while they act: the controller's memory or history is all that changes, and nothing is learnt.

Shared by those of `ONLINE`, which differ in how such a controller is trained.
"""

import time
from collections.abc import Sequence
from typing import Any

from ...envs.variation import Task
from ..controller import Controller
from ..evaluation import finish_episodes
from ..worlds import robot_of, worlds_of
from .base import Adaptation, Budget, Point

ONLINE = ("recurrent", "rma", "context")
POINTS = (
    1.0,
    10.0,
    60.0,
)  # seconds of motion after which the curve is drawn, as far as the budget goes, and at its end


def adapt_online(
    method: str, controller: Controller, task: Task, budget: Budget, seed: int, episodes: int, points: int
) -> Adaptation:
    """Let the robot walk for the budget, 60 s where it does not say, and evaluate whole episodes after spells of that.

    Each of `episodes` robots adapts by itself; steps and seconds of motion are those of one of them.
    """
    controller = controller.copy()
    dt = robot_of(controller.config).control_dt
    limit = budget.limit(dt) or round(POINTS[-1] / dt)
    stops = [*(stop for t in POINTS if (stop := round(t / dt)) < limit), limit]
    curve = walk_and_judge(controller, task, episodes, [0, *stops[-points:]], seed=seed, seconds=budget.seconds)
    controller.reset()
    return Adaptation(method, task, controller, curve)


def walk_and_judge(
    controller: Controller,
    tasks: Task | list[Task],
    worlds: int,
    stops: Sequence[int],
    *,
    seed: int = 0,
    seconds: float | None = None,
    **where: Any,
) -> tuple[Point, ...]:
    """Robots, one on each task or all on the same, each evaluated for an episode after `stops` control steps.

    What a robot has seen before an evaluation it still knows in it; what it sees there is forgotten again. `where` are
    arguments of `worlds_of`, such as another robot. Ends early after `seconds` of wall-clock.
    """
    env = worlds_of(controller.config, worlds, tasks=tasks, autoreset=False, **where)
    # Episodes without end of one trial, which the robot never leaves.
    seen = worlds_of(controller.config, worlds, tasks=tasks, seed=2000 + seed, trial=10**9, **where)
    dt = env.robot.control_dt
    curve: list[Point] = []
    spent = 0.0
    controller.reset()
    observation = seen.reset()
    for stop in stops:
        started = time.perf_counter()
        for _ in range(stop - (curve[-1].steps if curve else 0)):
            observation, *_ = seen.step(controller.act(observation))
        spent += time.perf_counter() - started if stop else 0.0
        memory = None if controller.memory is None else tuple(part.copy() for part in controller.memory)
        env.reset(seed=1000 + seed)  # the same starts each time
        if stop:
            env.recall(seen)
        result = finish_episodes(env, controller)
        controller.memory = memory
        curve.append(Point(stop, int(seen.episode.sum()) // worlds, stop * dt, spent, result))
        if seconds is not None and spent > seconds:
            break
    return tuple(curve)
