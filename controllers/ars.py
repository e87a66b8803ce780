"""Augmented random search (Mania et al., 2018) with every candidate policy in worlds of its own, all at once."""

import copy
from contextlib import suppress
from typing import Any, Self

import numpy as np
import sb3_contrib
import torch
from gymnasium import spaces
from sb3_contrib.ars import policies
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import nn

from ..envs.sb3 import SB3VecEnv
from .normalization import NormalizedExtractor, RunningNorm


class ARSPolicy(policies.ARSPolicy):
    """A linear map of the normalised observation without a bias, or (with `net_arch`) an MLP; actions are clipped."""

    def __init__(
        self,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        lr_schedule: Any = None,
        net_arch: list[int] | None = None,
        activation_fn: type[nn.Module] = nn.Tanh,
        features_extractor_class: type[BaseFeaturesExtractor] = NormalizedExtractor,
        features_extractor_kwargs: dict[str, Any] | None = None,
    ):
        """`lr_schedule` is for the likeness to SB3's other policies: there is no optimiser."""
        net = net_arch or []
        super().__init__(observation_space, action_space, net, activation_fn, with_bias=bool(net), squash_output=False)
        self.features_extractor = features_extractor_class(observation_space, **(features_extractor_kwargs or {}))

    def act_each(self, candidates: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        """Actions (P, E, nu) of P policies, rows of parameters in `candidates` (P, K), for features (P, E, O)."""
        x, start = features, 0
        for layer in self.action_net:
            if not isinstance(layer, nn.Linear):
                x = layer(x)
                continue
            outputs, inputs = layer.weight.shape
            stop = start + outputs * inputs
            x = x @ candidates[:, start:stop].view(-1, outputs, inputs).transpose(1, 2)
            start = stop
            if layer.bias is not None:
                x = x + candidates[:, None, start : start + outputs]
                start += outputs
        return x


class _Stopped(Exception):
    """A callback ended the training amid a population."""


class ARS(sb3_contrib.ARS):
    """sb3-contrib's ARS. Candidates live in equal shares of a `BatchEnv`'s worlds, one episode in each world.

    States are normalised as in the paper's V2: by the statistics of all states of earlier iterations.
    """

    policy: ARSPolicy

    def __init__(self, policy: Any, env: Any, gamma: float = 1.0, **kwargs: Any):
        """`gamma` discounts the returns by which candidates are compared."""
        self.gamma = gamma
        # A linear policy starts from zero; an MLP would have no gradient there.
        kwargs.setdefault("zero_policy", not (kwargs.get("policy_kwargs") or {}).get("net_arch"))
        super().__init__(policy, env, **kwargs)

    @property  # type: ignore[override]  # SB3 declares it as None
    def weights(self) -> torch.Tensor:
        """The policy's parameters (K,): held there only, so that a loaded controller goes on from its own."""
        return nn.utils.parameters_to_vector(self.policy.parameters()).detach()

    @weights.setter
    def weights(self, vector: torch.Tensor | None) -> None:
        if vector is not None:  # SB3's constructor declares it before there is a policy
            self.policy.load_from_vector(vector.numpy())

    def evaluate_candidates(
        self, candidate_weights: torch.Tensor, callback: BaseCallback, async_eval: Any
    ) -> torch.Tensor:
        """Mean returns (P,) of the candidates (P, K). `num_timesteps` counts the steps of unfinished episodes."""
        if not isinstance(self.env, SB3VecEnv):
            return super().evaluate_candidates(candidate_weights, callback, async_eval)
        assert isinstance(self.action_space, spaces.Box)
        core, low, high = self.env.core, self.action_space.low, self.action_space.high
        core.autoreset = False
        seen = self.policy.features_extractor.norm
        assert isinstance(seen, RunningNorm)
        norm = copy.deepcopy(seen)
        running, returns, weight = np.ones(core.num_envs, bool), np.zeros(core.num_envs), 1.0
        episodes: list[dict[str, float]] = []
        self.ep_info_buffer = episodes  # type: ignore[assignment]
        callback.on_rollout_start()
        core.reset()
        while running.any():
            observation = torch.as_tensor(core.observation)
            seen.update(observation[torch.as_tensor(running)])
            features = norm(observation).view(len(candidate_weights), -1, observation.shape[1])
            actions = self.policy.act_each(candidate_weights, features).flatten(0, 1)
            core.step(np.clip(actions.numpy(), low, high))
            returns[running] += weight * (core.reward[running] + self.alive_bonus_offset)
            weight *= self.gamma
            self.num_timesteps += int(running.sum())
            ended = running & (core.terminated | core.truncated)
            finished = zip(core.returns[ended], core.lengths[ended], strict=True)
            episodes.extend({"r": r, "l": n, "t": 0.0} for r, n in finished)
            running &= ~ended
            if not callback.on_step():
                raise _Stopped
        callback.on_rollout_end()
        return torch.as_tensor(returns.reshape(len(candidate_weights), -1).mean(axis=1), dtype=torch.float32)

    def learn(self, *args: Any, **kwargs: Any) -> Self:
        with suppress(_Stopped):
            super().learn(*args, **kwargs)
        return self

    def _update_current_progress_remaining(self, num_timesteps: int, total_timesteps: int) -> None:
        # sb3-contrib passes the steps of this call, but a resumed run has earlier ones.
        super()._update_current_progress_remaining(num_timesteps, self._total_timesteps)
