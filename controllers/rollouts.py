"""On-policy rollouts of thousands of batched worlds, for SB3's on-policy classes.

What is replaced is the loop whose per-world Python would cost more than the physics: arrays come straight from `BatchEnv`
and stay where they are for the update. On any other environment SB3's own loop runs.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.buffers import BaseBuffer, RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from ..envs.batch_env import BatchEnv
from ..envs.sb3 import SB3VecEnv
from .normalization import RunningNorm
from .policy import Policy


@dataclass
class Rollout:
    """T steps of N worlds as torch tensors; `features` are observations normalised as the policy saw them."""

    features: torch.Tensor  # (T, N, observation_size)
    actions: torch.Tensor  # (T, N, nu)
    log_probs: torch.Tensor  # (T, N)
    values: torch.Tensor  # (T, N)
    rewards: torch.Tensor  # (T, N), scaled once the rollout is complete
    dones: torch.Tensor  # (T, N), 1 where the step ended the episode
    cut_values: torch.Tensor  # (T, N), value of the last state where a time limit cut the episode, else 0
    advantages: torch.Tensor  # (T, N)

    @classmethod
    def empty(cls, steps: int, worlds: int, observation: int, actions: int) -> "Rollout":
        tn = (steps, worlds)
        return cls(
            torch.zeros(*tn, observation), torch.zeros(*tn, actions), *(torch.zeros(tn) for _ in range(6))
        )  # fmt: skip

    def compute_advantages(self, last_values: torch.Tensor, gamma: float, gae_lambda: float) -> None:
        """Generalised advantage estimation (Schulman et al., 2016)."""
        advantage = torch.zeros_like(last_values)
        following = last_values
        for t in reversed(range(len(self.rewards))):
            alive = 1.0 - self.dones[t]
            # A time limit is not an end: there the return goes on with the value of the state that was cut.
            delta = self.rewards[t] + gamma * (following * alive + self.cut_values[t]) - self.values[t]
            advantage = delta + gamma * gae_lambda * alive * advantage
            self.advantages[t] = advantage
            following = self.values[t]


class NoBuffer(BaseBuffer):
    """Stands in for SB3's rollout buffer, which would hold every rollout a second time."""

    def __init__(self, *args: Any, **kwargs: Any):
        self.full = True

    def _get_samples(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("the rollout is in PPO.rollout")


def core_of(model: BaseAlgorithm) -> BatchEnv:
    """The worlds that `model` learns in."""
    assert isinstance(model.env, SB3VecEnv)
    return model.env.core


class BatchedRollouts(OnPolicyAlgorithm):
    """An SB3 on-policy algorithm whose rollouts are batched; needs `policy.Policy` on an `SB3VecEnv`.

    `train` finds the rollout in `self.rollout`, which is None on any other environment.
    """

    policy: Policy
    rollout: Rollout | None

    def __init__(self, *args: Any, **kwargs: Any):
        self.return_norm = RunningNorm(1)
        self.rollout = None
        super().__init__(*args, **kwargs)

    def _setup_model(self) -> None:
        batched = isinstance(self.env, SB3VecEnv)
        if batched:
            self.rollout_buffer_class = NoBuffer  # type: ignore[assignment]
        super()._setup_model()
        if batched:
            core = core_of(self)
            self.rollout = Rollout.empty(self.n_steps, self.n_envs, core.observation_size, core.num_actions)
            self._discounted = torch.zeros(self.n_envs)

    def collect_rollouts(
        self, env: VecEnv, callback: BaseCallback, rollout_buffer: RolloutBuffer, n_rollout_steps: int
    ) -> bool:
        if not isinstance(env, SB3VecEnv):
            return super().collect_rollouts(env, callback, rollout_buffer, n_rollout_steps)
        core, policy, data = env.core, self.policy, self.rollout
        assert data is not None
        assert isinstance(self.action_space, Box)
        norm = policy.features_extractor.norm
        low, high = self.action_space.low, self.action_space.high
        terms = np.zeros(len(core.task.terms))
        policy.set_training_mode(False)
        torch.set_num_threads(1)
        callback.on_rollout_start()
        with torch.no_grad():
            if norm.count == 0:
                policy.update_statistics(torch.as_tensor(core.observation))
            for t in range(n_rollout_steps):
                features = data.features[t] = norm(torch.as_tensor(core.observation))
                mean, data.values[t] = policy.heads(features)
                distribution = policy.distribution(mean)
                actions = distribution.get_actions()
                data.actions[t], data.log_probs[t] = actions, distribution.log_prob(actions)
                core.step(np.clip(actions.numpy(), low, high))
                terms += core.terms.mean(axis=0)
                self._store_outcome(data, t)
                self.num_timesteps += env.num_envs
                if len(core.ended) and self.ep_info_buffer is not None:
                    self.ep_info_buffer.extend(
                        {"r": r, "l": n, "t": 0.0} for r, n in zip(core.ended_return, core.ended_length, strict=True)
                    )
                if not callback.on_step():
                    return False
            self._scale_rewards(data)
            last = policy.heads(norm(torch.as_tensor(core.observation)))[1]
            data.compute_advantages(last, self.gamma, self.gae_lambda)
            self._update_statistics(norm, data)
        for name, value in zip(core.task.terms, terms / n_rollout_steps, strict=True):
            self.logger.record(f"reward/{name}", float(value))
        self.logger.record("rollout/diverged", core.diverged)
        callback.on_rollout_end()
        return True

    def _store_outcome(self, data: Rollout, t: int) -> None:
        core = core_of(self)
        data.rewards[t] = torch.from_numpy(core.reward)
        data.dones[t] = torch.from_numpy(core.terminated | core.truncated)
        data.cut_values[t] = 0.0
        cut = np.flatnonzero(core.truncated)
        if len(cut):
            final = torch.as_tensor(core.final_observation[cut])
            data.cut_values[t, cut] = self.policy.heads(self.policy.features_extractor(final))[1]

    def _scale_rewards(self, data: Rollout) -> None:
        """Divide by the standard deviation of discounted returns, as SB3's VecNormalize does, but once a rollout."""
        returns = torch.empty_like(data.rewards)
        for t in range(len(returns)):
            self._discounted = returns[t] = self._discounted * self.gamma + data.rewards[t]
            self._discounted = self._discounted * (1.0 - data.dones[t])
        self.return_norm.update(returns.view(-1, 1))
        data.rewards.div_(torch.sqrt(self.return_norm.var + 1e-8).float()).clamp_(-10, 10)

    def _update_statistics(self, norm: RunningNorm, data: Rollout) -> None:
        # After the rollout, so that all of it was seen with the same statistics.
        newest = data.features[..., -len(norm.mean) :]
        self.policy.update_statistics(norm.inverse(newest.flatten(0, 1)))

    def _setup_learn(self, *args: Any, **kwargs: Any) -> Any:
        prepared = super()._setup_learn(*args, **kwargs)
        if isinstance(self.env, SB3VecEnv):
            self.env.core.stagger()
        return prepared
