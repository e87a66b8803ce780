"""PEARL: a policy with a belief of its task, inferred from transitions (Rakelly et al., 2019).

Trained by SAC over many tasks at once, of which each world keeps one (`controllers.context_sac`). At test time nothing is
learnt: an episode begins with a hypothesis drawn from the belief, which is the prior in the first, and the belief narrows with
every transition. It is the controller's memory: evaluation begins without one, the later episodes of a trial keep it.
"""

from typing import Any

from ...envs.tasks import FAMILIES
from ...envs.variation import Task
from ...robots import SurefootError
from ..controller import Controller
from ..training import train
from .base import Adaptation, Budget
from .online import adapt_online


def meta_train(robot: str, task: str, **asked: Any) -> Controller:
    """Train as `training.train` does, whose arguments these are.

    Raises `SurefootError` where all episodes would have the same task.
    """
    goals = FAMILIES[task].goals if task in FAMILIES else {}
    if not (asked.get("vary") or asked.get("suite") or goals):
        raise SurefootError(
            "method 'context' learns to tell tasks apart: give a variation (--vary) or a suite (--suite)"
        )
    return train(robot, task, **{**asked, "algo": "context_sac", "method": "context"})


def context(
    controller: Controller, task: Task, budget: Budget, *, seed: int = 0, episodes: int = 50, points: int = 4
) -> Adaptation:
    """PEARL: a belief of the task from all transitions so far, a hypothesis drawn from it for each episode; no gradients."""
    return adapt_online("context", controller, task, budget, seed, episodes, points)
