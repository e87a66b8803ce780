"""Planning instead of learning: the trained controller as it is, with a planner that simulates the new robot."""

from ...envs.variation import Task
from ..config import PlannerConfig
from ..controller import Controller
from ..evaluation import evaluate
from .base import Adaptation, Budget, Point


def planner(
    controller: Controller, task: Task, budget: Budget, *, seed: int = 0, episodes: int = 50, points: int = 4
) -> Adaptation:
    """Plan each step with the controller's policy and value in a simulation of the new robot.

    Nothing is learnt and no budget is spent: what it costs is the computer's time in each step from then on. The planner
    knows the new robot's parameters, unless the controller already has settings for a planner that say otherwise.
    """
    before, after = controller.copy(), controller.copy()
    before.plan, after.plan = None, controller.plan or PlannerConfig()
    curve = tuple(
        Point(0, 0, 0.0, 0.0, evaluate(each, task=task, episodes=episodes, seed=1000 + seed))
        for each in (before, after)
    )
    return Adaptation("planner", task, after, curve)
