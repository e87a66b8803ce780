"""SB3's PPO over thousands of batched worlds.

Same class, policy, hyperparameters and `learn()`; what is replaced are the two loops whose per-world Python would cost
more than the physics: the rollout (arrays straight from `BatchEnv`) and the update (tensors that are already there).
On any other environment SB3's own loops run.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import stable_baselines3
import torch
from gymnasium.spaces import Box
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.buffers import BaseBuffer, RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.utils import explained_variance
from stable_baselines3.common.vec_env import VecEnv
from torch.nn import functional as F

from ..envs.batch_env import BatchEnv
from ..envs.sb3 import SB3VecEnv
from .normalization import RunningNorm
from .policy import Policy


@dataclass
class Rollout:
    """T steps of N worlds as torch tensors; `features` are observations normalised as the policy saw them."""

    features: torch.Tensor  # (T, N, O)
    actions: torch.Tensor  # (T, N, nu)
    log_probs: torch.Tensor  # (T, N)
    values: torch.Tensor  # (T, N)
    rewards: torch.Tensor  # (T, N), scaled
    dones: torch.Tensor  # (T, N), 1 where the step ended the episode
    advantages: torch.Tensor  # (T, N)

    @classmethod
    def empty(cls, steps: int, worlds: int, observation: int, actions: int) -> "Rollout":
        tn = (steps, worlds)
        return cls(
            torch.zeros(*tn, observation), torch.zeros(*tn, actions), *(torch.zeros(tn) for _ in range(5))
        )  # fmt: skip

    def compute_advantages(self, last_values: torch.Tensor, gamma: float, gae_lambda: float) -> None:
        """Generalised advantage estimation (Schulman et al., 2016)."""
        advantage = torch.zeros_like(last_values)
        following = last_values
        for t in reversed(range(len(self.rewards))):
            alive = 1.0 - self.dones[t]
            delta = self.rewards[t] + gamma * following * alive - self.values[t]
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


class PPO(stable_baselines3.PPO):
    """SB3's PPO with batched rollouts, and one option more.

    `adaptive_kl`: multiply or divide the learning rate by 1.5 to hold the policy change near this KL (as rsl_rl does).
    Batched rollouts need `policy.Policy`.
    """

    policy: Policy
    rollout: Rollout | None

    def __init__(
        self,
        *args: Any,
        adaptive_kl: float | None = None,
        max_learning_rate: float = 5e-3,
        update_threads: int = 2,
        **kwargs: Any,
    ):
        self.adaptive_kl, self.max_learning_rate = adaptive_kl, max_learning_rate
        self.update_threads = update_threads
        self._rate: float | None = None
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
            self.rollout = Rollout.empty(self.n_steps, self.n_envs, core.task.observation_size, core.num_actions)
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
                self._store_reward(data, t)
                self.num_timesteps += env.num_envs
                if len(core.ended) and self.ep_info_buffer is not None:
                    self.ep_info_buffer.extend(
                        {"r": r, "l": n, "t": 0.0} for r, n in zip(core.ended_return, core.ended_length, strict=True)
                    )
                if not callback.on_step():
                    return False
            last = policy.heads(norm(torch.as_tensor(core.observation)))[1]
            data.compute_advantages(last, self.gamma, self.gae_lambda)
            self._update_statistics(norm, data)
        for name, value in zip(core.task.terms, terms / n_rollout_steps, strict=True):
            self.logger.record(f"reward/{name}", float(value))
        self.logger.record("rollout/diverged", core.diverged)
        callback.on_rollout_end()
        return True

    def _store_reward(self, data: Rollout, t: int) -> None:
        core = core_of(self)
        reward = torch.as_tensor(core.reward).float()
        done = torch.as_tensor(core.terminated | core.truncated).float()
        self._discounted = self._discounted * self.gamma + reward
        self.return_norm.update(self._discounted[:, None])
        # Divided by the standard deviation of discounted returns, as by SB3's VecNormalize.
        data.rewards[t] = (reward / torch.sqrt(self.return_norm.var + 1e-8).float()).clamp_(-10, 10)
        data.dones[t] = done
        self._discounted *= 1.0 - done
        cut = np.flatnonzero(core.truncated)
        if len(cut):  # a time limit is not an end: bootstrap from the state in which the episode was cut
            final = torch.as_tensor(core.final_observation[cut])
            data.rewards[t, cut] += self.gamma * self.policy.heads(self.policy.features_extractor(final))[1]

    def _update_statistics(self, norm: RunningNorm, data: Rollout) -> None:
        # After the rollout, so that all of it was seen with the same statistics.
        self.policy.update_statistics(norm.inverse(data.features.flatten(0, 1)))

    def _setup_learn(self, *args: Any, **kwargs: Any) -> Any:
        prepared = super()._setup_learn(*args, **kwargs)
        if isinstance(self.env, SB3VecEnv):
            self.env.core.stagger()
        return prepared

    def train(self) -> None:
        if self.rollout is None:
            super().train()
            return
        torch.set_num_threads(self.update_threads)
        policy, data = self.policy, self.rollout
        policy.set_training_mode(True)
        assert callable(self.clip_range)
        clip = self.clip_range(self._current_progress_remaining)
        self._set_rate()
        features, actions = data.features.flatten(0, 1), data.actions.flatten(0, 1)
        log_probs, values = data.log_probs.flatten(), data.values.flatten()
        advantages = data.advantages.flatten()
        returns = advantages + values
        losses = []
        for _ in range(self.n_epochs):
            order = torch.randperm(len(features))
            for pick in order.split(self.batch_size):
                advantage = advantages[pick]
                advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
                x, a, old, target = features[pick], actions[pick], log_probs[pick], returns[pick]
                mean, value = policy.heads(x)
                distribution = policy.distribution(mean)
                log_ratio = distribution.log_prob(a) - old
                ratio = log_ratio.exp()
                policy_loss = -torch.min(advantage * ratio, advantage * ratio.clamp(1 - clip, 1 + clip)).mean()
                value_loss = F.mse_loss(target, value)
                entropy = policy.entropy(distribution)
                loss = policy_loss + self.vf_coef * value_loss - self.ent_coef * entropy
                policy.optimizer.zero_grad(set_to_none=True)
                loss.backward()
                torch.nn.utils.clip_grad_norm_(policy.parameters(), self.max_grad_norm)
                policy.optimizer.step()
                with torch.no_grad():
                    kl = ((ratio - 1) - log_ratio).mean().item()
                    fraction = ((ratio - 1).abs() > clip).float().mean().item()
                self._adapt_rate(kl)
                losses.append((policy_loss.item(), value_loss.item(), -entropy.item(), kl, fraction))
        self._n_updates += self.n_epochs
        torch.set_num_threads(1)
        names = ("policy_gradient_loss", "value_loss", "entropy_loss", "approx_kl", "clip_fraction")
        for name, value in zip(names, np.mean(losses, axis=0), strict=True):
            self.logger.record(f"train/{name}", float(value))
        self.logger.record("train/explained_variance", explained_variance(values.numpy(), returns.numpy()))
        self.logger.record("train/learning_rate", policy.optimizer.param_groups[0]["lr"])
        self.logger.record("train/std", policy.log_std.exp().mean().item())

    def _set_rate(self) -> None:
        if self.adaptive_kl is None:
            self._update_learning_rate(self.policy.optimizer)
        elif self._rate is None:
            self._rate = self.lr_schedule(1.0)

    def _adapt_rate(self, kl: float) -> None:
        if self.adaptive_kl is None:
            return
        assert self._rate is not None
        if kl > 2 * self.adaptive_kl:
            self._rate = max(self._rate / 1.5, 1e-5)
        elif kl < self.adaptive_kl / 2:
            self._rate = min(self._rate * 1.5, self.max_learning_rate)
        for group in self.policy.optimizer.param_groups:
            group["lr"] = self._rate
