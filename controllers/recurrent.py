"""PPO with a memory: an LSTM or GRU beside the observation, trained on whole segments of episodes.

The memory of N worlds is one tensor (rows, N, width), its rows being the layers' hidden states and, for an LSTM, their
cells. It is emptied where an episode ends, in the rollout, in the update and (by `Controller.reset`) in use. So an
environment whose episodes hold several attempts at one task, RL2's trials, needs nothing more; its returns end with each fall
(`rollouts.Rollout.ends`).
"""

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box
from stable_baselines3.common.torch_layers import MlpExtractor
from torch import nn

from ..envs.sb3 import SB3VecEnv
from ..robots import SurefootError
from .policy import Policy
from .ppo import PPO
from .rollouts import Rollout

CELLS: dict[str, type[nn.LSTM | nn.GRU]] = {"lstm": nn.LSTM, "gru": nn.GRU}


class RecurrentPolicy(Policy):
    """A `Policy` whose heads see the normalised observation and what the recurrent layers make of all since `reset`.

    With `mirror` it has two memories of the same layers, side by side: of what it saw, and of the mirror image of that.
    """

    def __init__(self, *args: Any, cell: str = "lstm", hidden: int = 128, layers: int = 1, **kwargs: Any):
        self.cell, self.hidden, self.layers = cell, hidden, layers
        super().__init__(*args, **kwargs)

    def _build_mlp_extractor(self) -> None:  # before SB3 gives all parameters to the optimiser
        self.recurrent = CELLS[self.cell](self.features_dim, self.hidden, self.layers)
        self.mlp_extractor = MlpExtractor(
            self.features_dim + self.hidden, self.net_arch, self.activation_fn, device=self.device
        )

    def initial_memory(self, worlds: int) -> torch.Tensor:
        rows = self.layers * (2 if self.cell == "lstm" else 1)
        return torch.zeros(rows, worlds, self.hidden * (2 if self.mirrored else 1))

    def remember(self, features: torch.Tensor, memory: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        seen, memory = self._run(features[None], memory)
        return seen[0], memory

    def remember_rollout(self, features: torch.Tensor, memory: torch.Tensor, dones: torch.Tensor) -> torch.Tensor:
        """What the heads see (T, n, ...) of T steps: as T calls of `remember`, each world's memory emptied after its done.

        `features` (T, n, O), `memory` (rows, n, width) before the first step, `dones` (T, n) in {0, 1}.
        """
        ends = dones[:-1].any(dim=1).nonzero().flatten().tolist()
        parts = []
        for start, stop in pairwise([0, *(t + 1 for t in ends), len(features)]):  # between ends, one fused call
            if start:
                memory = memory * (1.0 - dones[start - 1])[:, None]
            seen, memory = self._run(features[start:stop], memory)
            parts.append(seen)
        return torch.cat(parts)

    def _run(self, x: torch.Tensor, memory: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What `heads` takes (T, n, ...) of features (T, n, O) and, with `mirror`, of their image; and the memory after."""
        if self.mirrored:
            x, memory = torch.cat([x, self.reflected(x)], dim=1), torch.cat(memory.chunk(2, dim=2), dim=1)
        if self.cell == "gru":
            out, memory = self.recurrent(x, memory)
        else:
            out, state = self.recurrent(x, tuple(memory.chunk(2)))
            memory = torch.cat(state)
        seen = torch.cat([x, out], dim=-1)
        if self.mirrored:
            seen, memory = torch.cat(seen.chunk(2, dim=1), dim=-1), torch.cat(memory.chunk(2, dim=1), dim=2)
        return seen, memory

    def images(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        seen, image = features.chunk(2, dim=-1)
        return seen, image

    def predict(
        self,
        observation: Any,
        state: tuple[np.ndarray, ...] | None = None,
        episode_start: np.ndarray | None = None,
        deterministic: bool = False,
    ) -> tuple[np.ndarray, tuple[np.ndarray, ...] | None]:
        """SB3's interface: actions and the memory afterwards. Raises `SurefootError` for a memory of other worlds."""
        self.set_training_mode(False)
        obs, many = self.obs_to_tensor(observation)
        assert isinstance(obs, torch.Tensor)
        assert isinstance(self.action_space, Box)
        memory = self.initial_memory(len(obs)) if state is None else torch.as_tensor(state[0])
        if memory.shape[1] != len(obs):
            raise SurefootError(
                f"{len(obs)} observations, but a memory of {memory.shape[1]} worlds: expected as many, or a reset before"
            )
        if episode_start is not None:
            memory = memory * torch.as_tensor(~np.asarray(episode_start, bool))[:, None]
        with torch.no_grad():
            latent, memory = self.remember(self.features_extractor(obs), memory)
            actions = self.distribution(self.means(latent)).get_actions(deterministic).numpy()
        actions = np.clip(actions, self.action_space.low, self.action_space.high)
        return (actions if many else actions[0]), (memory.numpy(),)


class RecurrentPPO(PPO):
    """Our PPO with a `RecurrentPolicy`. Minibatches are the whole segments of some worlds; memories start as they did then."""

    policy: RecurrentPolicy

    def _setup_model(self) -> None:
        if not isinstance(self.env, SB3VecEnv):
            raise SurefootError(
                "recurrent_ppo learns on Surefoot's robots only: elsewhere use sb3_contrib.RecurrentPPO"
            )
        super()._setup_model()

    def minibatches(self, data: Rollout) -> Iterable[torch.Tensor]:
        steps, worlds = data.rewards.shape
        for some in torch.randperm(worlds).split(max(1, self.batch_size // steps)):
            yield (torch.arange(steps)[:, None] * worlds + some).flatten()

    def latents(self, data: Rollout, pick: torch.Tensor) -> torch.Tensor:
        some = pick[: len(pick) // len(data.rewards)]  # the first step's indices are the worlds
        seen = self.policy.remember_rollout(data.features[:, some], data.memory[:, some], data.dones[:, some])
        return seen.flatten(0, 1)
