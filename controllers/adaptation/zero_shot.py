"""No adaptation: the trained controller as it is. The baseline that every method must beat."""

from ...envs.variation import Task
from ..controller import Controller
from ..evaluation import evaluate
from .base import Adaptation, Budget, Point
from .search import as_begun


def zero_shot(
    controller: Controller, task: Task, budget: Budget, *, seed: int = 0, episodes: int = 50, points: int = 4
) -> Adaptation:
    """Evaluate and return the controller unchanged."""
    controller = as_begun(controller)
    point = Point(0, 0, 0.0, 0.0, evaluate(controller, task=task, episodes=episodes, seed=1000 + seed))
    return Adaptation("zero-shot", task, controller.copy(), (point,))
