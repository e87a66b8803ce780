"""RL2: a recurrent policy that learns to find out which robot it drives (Duan et al., 2016; Wang et al., 2016).

Trained by PPO on trials, several episodes on one robot that the learner takes for one. The policy is told its last action,
reward and whether an episode has just ended; its memory is emptied only where the robot changes. Unlike the memory, the return
ends with every fall: a robot that would earn as much in its trial's next episode had no reason not to fall. At test time
nothing is learnt: the memory adapts, within the first steps of motion.
"""

from typing import Any

from ...envs.inputs import REMEMBERED
from ...envs.variation import Task
from ..controller import Controller
from ..training import train
from .base import Adaptation, Budget
from .online import adapt_online

# On top of the preset of recurrent_ppo.
RECURRENT: dict[str, Any] = {"inputs": REMEMBERED, "trial": 2, "cell": "gru"}


def meta_train(robot: str, task: str, **asked: Any) -> Controller:
    """Train as `training.train` does, whose arguments these are, on trials of two episodes."""
    asked["hyperparameters"] = {**RECURRENT, **(asked.get("hyperparameters") or {})}
    return train(robot, task, **{**asked, "algo": "recurrent_ppo", "method": "recurrent"})


def recurrent(
    controller: Controller, task: Task, budget: Budget, *, seed: int = 0, episodes: int = 50, points: int = 4
) -> Adaptation:
    """RL2: a memory that adapts while the robot moves, trained on trials of several episodes; no gradients."""
    return adapt_online("recurrent", controller, task, budget, seed, episodes, points)
