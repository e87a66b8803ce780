"""On-policy rollouts of thousands of batched worlds, for SB3's on-policy classes.

What is replaced is the loop whose per-world Python would cost more than the physics: arrays come straight from `BatchEnv`
and stay where they are for the update. On any other environment SB3's own loop runs.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.buffers import BaseBuffer, RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.type_aliases import RolloutBufferSamples
from stable_baselines3.common.vec_env import VecEnv

from ..envs.batch_env import BatchEnv
from ..envs.sb3 import SB3VecEnv
from . import threads
from .normalization import RunningNorm
from .policy import Policy

CHUNK = 4096  # rows of a rollout that are valued at once


@dataclass
class Rollout:
    """T steps of N worlds as torch tensors; `features` are observations normalised as the policy saw them."""

    features: torch.Tensor  # (T, N, observation_size)
    actions: torch.Tensor  # (T, N, nu)
    log_probs: torch.Tensor  # (T, N)
    values: torch.Tensor  # (T, N)
    rewards: torch.Tensor  # (T, N), scaled once the rollout is complete
    dones: torch.Tensor  # (T, N), 1 where the step ended the episode, or the trial: the memory ends there
    ends: torch.Tensor  # (T, N), 1 where the return ends: there, and in every fall
    cut_values: torch.Tensor  # (T, N), value of the last state where a time limit cut the episode, else 0
    advantages: torch.Tensor  # (T, N)
    latents: torch.Tensor  # (T, N, L), what the heads saw; the features themselves for a policy without a memory
    memory: torch.Tensor = field(default_factory=lambda: torch.zeros(0, 0, 0))  # the policy's, before the first step

    @classmethod
    def empty(cls, steps: int, worlds: int, observation: int, actions: int, latent: int) -> "Rollout":
        tn = (steps, worlds)
        features = torch.zeros(*tn, observation)
        latents = features if latent == observation else torch.zeros(*tn, latent)
        a, b, c, d, e, f, g = (torch.zeros(tn) for _ in range(7))
        return cls(features, torch.zeros(*tn, actions), a, b, c, d, e, f, g, latents)

    def compute_advantages(self, last_values: torch.Tensor, gamma: float, gae_lambda: float) -> None:
        """Generalised advantage estimation (Schulman et al., 2016)."""
        advantage = torch.zeros_like(last_values)
        following = last_values
        for t in reversed(range(len(self.rewards))):
            alive = 1.0 - self.ends[t]
            # A time limit is not an end: there the return goes on with the value of the state that was cut.
            delta = self.rewards[t] + gamma * (following * alive + self.cut_values[t]) - self.values[t]
            advantage = delta + gamma * gae_lambda * alive * advantage
            self.advantages[t] = advantage
            following = self.values[t]


class RolloutView(BaseBuffer):
    """A `Rollout` as SB3's own updates read it; SB3's buffer would hold everything a second time.

    What it calls observations are features: the statistics have moved on since the rollout, whose log-probabilities
    belong to the old ones. So an update that reads it sets `policy.sees_features`.
    """

    rollout: Rollout

    def __init__(self, *args: Any, **kwargs: Any):
        self.full = True

    @property
    def values(self) -> np.ndarray:
        return self.rollout.values.numpy()

    @property
    def returns(self) -> np.ndarray:
        return (self.rollout.advantages + self.rollout.values).numpy()

    def get(self, batch_size: int | None = None) -> Iterator[RolloutBufferSamples]:
        """The whole rollout in minibatches drawn at random, or at once."""
        data = self.rollout
        values, advantages = data.values.flatten(), data.advantages.flatten()
        whole = RolloutBufferSamples(
            data.features.flatten(0, 1), data.actions.flatten(0, 1), values, data.log_probs.flatten(), advantages,
            advantages + values,
        )  # fmt: skip
        if batch_size is None:
            yield whole
            return
        for pick in torch.randperm(len(values)).split(batch_size):
            yield RolloutBufferSamples(*(column[pick] for column in whole))

    def _get_samples(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("the rollout is read by get()")


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
    _memory: torch.Tensor  # the policy's, before the next step

    def __init__(self, *args: Any, clip_reward: float = 10.0, **kwargs: Any):
        self.clip_reward = clip_reward
        self.return_norm = RunningNorm(1)
        self.rollout = None
        super().__init__(*args, **kwargs)

    def _setup_model(self) -> None:
        batched = isinstance(self.env, SB3VecEnv)
        if batched:
            self.rollout_buffer_class = RolloutView  # type: ignore[assignment]
        super()._setup_model()
        if batched:
            core = core_of(self)
            features = torch.zeros(1, core.observation_size)
            latent = self.policy.remember(features, self.policy.initial_memory(1))[0].shape[1]
            self.rollout = Rollout.empty(self.n_steps, self.n_envs, core.observation_size, core.num_actions, latent)
            self._discounted = torch.zeros(self.n_envs)
            assert isinstance(self.rollout_buffer, RolloutView)
            self.rollout_buffer.rollout = self.rollout

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
            data.memory = self._memory
            for t in range(n_rollout_steps):
                features = data.features[t] = norm(torch.as_tensor(core.observation))
                data.latents[t], self._memory = policy.remember(features, self._memory)
                distribution = policy.distribution(policy.means(data.latents[t]))
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
            last = policy.remember(norm(torch.as_tensor(core.observation)), self._memory)[0]
            data.compute_advantages(self._values(data, last), self.gamma, self.gae_lambda)
            self._update_statistics(norm, data)
        for name, value in zip(core.task.terms, terms / n_rollout_steps, strict=True):
            self.logger.record(f"reward/{name}", float(value))
        self.logger.record("rollout/diverged", core.diverged)
        if core.ground is not None:
            self.logger.record("terrain/level", float(core.ground.level.mean()))
        callback.on_rollout_end()
        return True

    def _store_outcome(self, data: Rollout, t: int) -> None:
        core = core_of(self)
        data.rewards[t] = torch.from_numpy(core.reward)
        data.dones[t] = torch.from_numpy(core.terminated | core.truncated)
        # In mid-trial, too: if what the next episode earns were part of it, a robot that falls would lose nothing.
        data.ends[t] = torch.from_numpy(core.fell | core.truncated)
        data.cut_values[t] = 0.0
        cut = np.flatnonzero(core.truncated)
        if len(cut):
            final = self.policy.features_extractor(torch.as_tensor(core.final_observation[cut]))
            latent = self.policy.remember(final, self._memory[:, cut])[0]
            data.cut_values[t, cut] = self.policy.values(latent)
        self._memory = self._memory * (1.0 - data.dones[t])[:, None]

    def _values(self, data: Rollout, last: torch.Tensor) -> torch.Tensor:
        """Fill in the values of a whole rollout at once, with all threads; return those of the latents `last` (N, ...)."""
        torch.set_num_threads(threads.UPDATE_THREADS)
        for latents, values in zip(
            data.latents.flatten(0, 1).split(CHUNK), data.values.flatten().split(CHUNK), strict=True
        ):
            values[:] = self.policy.values(latents)
        torch.set_num_threads(1)
        return self.policy.values(last)

    def _scale_rewards(self, data: Rollout) -> None:
        """Divide by the standard deviation of discounted returns, as SB3's VecNormalize does, but once a rollout."""
        returns = torch.empty_like(data.rewards)
        for t in range(len(returns)):
            self._discounted = returns[t] = self._discounted * self.gamma + data.rewards[t]
            self._discounted = self._discounted * (1.0 - data.ends[t])
        self.return_norm.update(returns.view(-1, 1))
        data.rewards.div_(torch.sqrt(self.return_norm.var + 1e-8).float()).clamp_(-self.clip_reward, self.clip_reward)

    def _update_statistics(self, norm: RunningNorm, data: Rollout) -> None:
        # After the rollout, so that all of it was seen with the same statistics.
        newest = data.features[..., -len(norm.mean) :]
        self.policy.update_statistics(norm.inverse(newest.flatten(0, 1)))

    def _setup_learn(self, *args: Any, **kwargs: Any) -> Any:
        prepared = super()._setup_learn(*args, **kwargs)
        if isinstance(self.env, SB3VecEnv):
            self.env.core.stagger()
            self._memory = self.policy.initial_memory(self.n_envs)
        return prepared
