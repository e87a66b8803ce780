"""An identifier at work while the robot walks: what it finds is what the policy is told from then on."""

from typing import Any

import numpy as np
import torch

from ...envs.batch_env import BatchEnv
from ..controller import Controller
from ..identifier import STEPS
from .identify import empty_window, fill
from .search import told_in_training


def infers(controller: Controller) -> bool:
    """Whether it finds out what its robot is while it walks, as nobody has told it yet."""
    return controller.identifier is not None and not controller.told and controller.plan is None


class Identification:
    """Tells the policy what its robots are, from the last `STEPS` control steps, and again `STEPS` after each alarm.

    Attributes:
        changed: (N,) bool, of which robots the last `learn` has inferred anew; std: (n, E) how sure it is of those.
    """

    def __init__(self, env: Any, controller: Controller):
        self.env, self.identifier = env, controller.identifier
        self.window = empty_window(env)
        self.since = np.zeros(env.num_envs, np.int64)
        self.steps = 0
        env.inputs.believed[:] = told_in_training(controller, len(env.inputs.known))[0]

    def see(self, observation: np.ndarray, action: np.ndarray) -> None:
        fill(self.window[self.steps % STEPS], self.env, observation, action)
        self.steps += 1

    def begin(self, ids: np.ndarray | slice) -> None:
        """Robots `ids` set out anew: none is inferred from steps before and after."""
        self.since[ids] = 0

    def learn(self, alarms: np.ndarray) -> None:
        """After a control step."""
        self.since = np.where(alarms, 0, self.since + 1)
        self.changed = now = (self.since > 0) & (self.since % STEPS == 0)
        self.std = np.zeros((0, len(self.env.inputs.known)))
        if now.any() and self.identifier is not None:
            order = torch.arange(self.steps, self.steps + STEPS) % STEPS  # oldest first
            with torch.no_grad():
                mean, std = self.identifier(self.window[order].transpose(0, 1)[now])
            self.env.inputs.believed[now], self.std = mean.numpy(), std.numpy()


class Inferring:
    """Drives the worlds of `env` with a controller that is told what `Identification` finds, an average robot at first.

    What a world's episode has shown is kept for the later ones of its trial, and no window begins in one and ends in another
    (or before a `reset` and after it).
    """

    def __init__(self, controller: Controller, env: BatchEnv):
        self.controller, self.env = controller, env
        self.reset()

    def reset(self, ids: np.ndarray | None = None) -> None:
        """Know nothing of the robots of the worlds `ids`, or of all."""
        self.controller.reset(ids)
        believed = self.env.inputs.believed.copy()
        self.learner, self.episode = Identification(self.env, self.controller), self.env.episode.copy()
        if ids is not None:
            others = np.setdiff1d(np.arange(self.env.num_envs), ids)
            self.env.inputs.believed[others] = believed[others]

    def act(self, observation: np.ndarray, deterministic: bool = True) -> np.ndarray:
        """Actions (N, nu) for observations (N, O)."""
        if self.learner.steps:
            self.learner.learn(np.zeros(self.env.num_envs, bool))
            self.learner.begin(np.flatnonzero(self.env.episode != self.episode))
            self.episode[:] = self.env.episode
        action = self.controller.act(observation, deterministic)
        self.learner.see(observation, action)
        return action
