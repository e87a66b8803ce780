"""A controller that drives one robot for as long as one watches, and whose adapting can be switched off meanwhile.

Off is what the same controller would be without it: a memory is emptied before each step, and what an encoder or an identifier
has made of the robot stays what it was when it was switched off. Weights never change here.
"""

import numpy as np
import torch
from torch import nn

from ...envs.batch_env import BatchEnv
from ..context_sac import ContextPolicy
from ..evaluation import AnyController
from ..latents import latent_of
from ..networks import History
from ..onnx_controller import OnnxController
from ..planner import driver
from ..recurrent import RecurrentPolicy
from .continual import Drop
from .inference import Identification
from .search import told_in_training


class Switched:
    """Drives the worlds of `env`.

    Attributes:
        on: whether it adapts. available: whether it has anything that does. says: a sentence for people.
        names: of the E parameters that it infers, or is told. latent: (N, L), as it last acted; L may be 0.
    """

    def __init__(self, controller: AnyController, env: BatchEnv, *, seed: int = 0):
        """Raises `SurefootError` where the controller does not fit the environment."""
        controller = controller if isinstance(controller, OnnxController) else controller.copy()
        controller.check(env)
        controller.reset()
        self.controller, self.env, self.on = controller, env, True
        self.learner: Identification | None = None
        self.names: tuple[str, ...] = ()
        self._memory = self._believes = False
        self._held = dict[tuple[int, int], torch.Tensor]()
        self.watcher = Drop(env.num_envs, env.robot.control_dt)
        if not isinstance(controller, OnnxController):
            self._believes = isinstance(controller.policy, ContextPolicy)
            self._memory = self._believes or isinstance(controller.policy, RecurrentPolicy)
            encoders = [part for part in controller.policy.modules() if isinstance(part, History)]
            for part in encoders:
                part.register_forward_hook(self._hold)
            self.names = tuple(controller.told)
            if controller.identifier is not None:
                self.learner = Identification(env, controller)
                self.names = controller.identifier.names
                self._std = np.tile(told_in_training(controller, len(self.names))[1], (env.num_envs, 1))
        else:
            encoders = []
        self.available = self._memory or self.learner is not None or bool(encoders)
        self.says = self._sentence(bool(encoders))
        self._driver = driver(controller, env, seed)
        self.latent = latent_of(controller, env.observation)

    def _sentence(self, reads_history: bool) -> str:
        if self._memory:
            return "What it remembers tells it which robot it has. Off: its memory is empty in every step."
        if self.learner is not None:
            return "It identifies the robot from its motion, and again when it earns less. Off: what it believes stays."
        if reads_history:
            return "It infers the robot from its last steps. Off: what it inferred stays as it was."
        if self.names:
            return "It was told these parameters; it finds better ones by trials, not while it walks."
        if self.env.inputs.known:
            return "It is told the robot's true parameters, so there is nothing to infer."
        return "This controller does not adapt while it walks."

    def act(self, observation: np.ndarray) -> np.ndarray:
        """Actions (N, nu) for observations (N, O)."""
        if self._memory and not self.on:
            self.controller.reset()
        actions = self._driver.act(observation)
        if self.latent.size:
            self.latent = latent_of(self.controller, observation)
        if self.learner is not None:
            self.learner.see(observation, actions)
        return actions

    def learn(self) -> None:
        """After each control step of `env`."""
        if self.learner is None and not self._believes:
            return
        alarms = self.watcher.update(self.env.reward)
        if self.on and self._believes:  # all that it has seen speaks for the robot that it was
            self.controller.reset(np.flatnonzero(alarms))
        if self.on and self.learner is not None:
            self.learner.learn(alarms)
            changed = self.learner.changed
            self._std[changed] = self.learner.std

    def begin(self, ids: np.ndarray | None = None) -> None:
        """Worlds `ids`, or all, begin an episode: what was remembered of the last one is gone."""
        self._driver.reset(ids)
        self.controller.reset(ids)
        started = slice(None) if ids is None else ids
        self.watcher.begin(started)
        if self.learner is not None:
            self.learner.begin(started)

    def inferred(self) -> np.ndarray:
        """Mean, standard deviation and true value of what it infers (or is told), (N, 3, E)."""
        env, known = self.env, self.env.inputs.known
        if not self.names:
            return np.zeros((env.num_envs, 3, 0))
        at = [known.index(name) for name in self.names]
        true = env.inputs.truth(env.values, env.task.command())[:, at]
        std = self._std if self.learner is not None else np.zeros_like(true)
        return np.stack([env.inputs.believed[:, at], std, true], axis=1)

    def _hold(self, part: nn.Module, _: object, out: torch.Tensor) -> torch.Tensor | None:
        """Of an encoder's output beside the newest step: what it was when adapting was switched off."""
        if self.on:
            self._held.clear()
            return None
        size = part.size
        assert isinstance(size, int)
        code = self._held.setdefault((id(part), len(out)), out[:, size:].detach())
        return torch.cat([out[:, :size], code], dim=1)
