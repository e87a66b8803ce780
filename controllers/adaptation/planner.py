"""Planning instead of learning: the trained controller as it is, with a planner that simulates the new robot."""

import dataclasses

import numpy as np

from ...envs.variation import Task
from ...robots import SurefootError
from ..config import PlannerConfig
from ..controller import Controller
from ..evaluation import evaluate
from .base import Adaptation, Budget, Point
from .identify import identify


def planner(
    controller: Controller, task: Task, budget: Budget, *, seed: int = 0, episodes: int = 50, points: int = 4
) -> Adaptation:
    """Plan each step with the controller's policy and value in a simulation of the new robot.

    Nothing is learnt; what it costs is the computer's time in each step from then on. A controller with an identifier first
    spends the budget on that (`identify`) and plans with the parameters that were inferred. Any other is told the robot's
    true parameters, unless it already has settings for a planner that say otherwise.
    """
    if controller.identifier:
        found = identify(controller, task, budget, seed=seed, episodes=episodes, points=points)
        after, last = found.controller, found.after
        after.plan = controller.plan or PlannerConfig()
        curve, inferred = found.curve, found.inferred
    else:
        before, after = controller.copy(), controller.copy()
        before.plan, after.plan = None, controller.plan or PlannerConfig()
        start = Point(0, 0, 0.0, 0.0, evaluate(before, task=task, episodes=episodes, seed=1000 + seed))
        curve, last, inferred = (start,), start, {}
    judged = dataclasses.replace(last, evaluation=evaluate(after, task=task, episodes=episodes, seed=1000 + seed))
    return Adaptation("planner", task, after, (*curve, judged), inferred)


def unplannable(controller: Controller) -> str:
    """Why nothing can be planned with a controller, in one line; "" where it can."""
    if controller.config.options.get("terrain"):
        return "method 'planner' knows a level floor only; this controller's ground is a terrain"
    if controller.config.method in ("maml", "reptile"):  # whose value function is as it was drawn
        return f"method 'planner' needs a value function, which a training with {controller.config.method!r} leaves out"
    try:
        controller.value(np.zeros((1, *(controller.policy.observation_space.shape or ())), np.float32))
    except SurefootError as error:  # a memory, or nothing that was learnt about what actions are worth
        return f"method 'planner' cannot plan with this controller: {error}"
    return ""
