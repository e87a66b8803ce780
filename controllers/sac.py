"""SB3's SAC over a `BatchEnv`; what it adds is the observation statistics, which belong to the policy."""

from typing import Any

import numpy as np
import stable_baselines3
import torch
from stable_baselines3.common.buffers import ReplayBuffer

from .normalization import RunningNorm


class SAC(stable_baselines3.SAC):
    """SB3's SAC. Statistics grow with every transition until learning is well under way, then stay.

    A moving normaliser would shift under the replayed observations: after `10 * learning_starts` steps it changes nothing.
    """

    def _store_transition(
        self,
        replay_buffer: ReplayBuffer,
        buffer_action: np.ndarray,
        new_obs: Any,
        reward: np.ndarray,
        dones: np.ndarray,
        infos: list[dict[str, Any]],
    ) -> None:
        norm = self.policy.actor.features_extractor.norm
        assert isinstance(norm, RunningNorm)
        if self.num_timesteps < 10 * max(self.learning_starts, 1000):
            norm.update(torch.as_tensor(new_obs))
        super()._store_transition(replay_buffer, buffer_action, new_obs, reward, dones, infos)
