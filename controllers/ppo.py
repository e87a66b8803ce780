"""SB3's PPO over thousands of batched worlds: same class, policy, hyperparameters and `learn()`."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import stable_baselines3
import torch
from stable_baselines3.common.distributions import Distribution
from stable_baselines3.common.utils import explained_variance
from torch.nn import functional as F

from . import threads
from .gaussian import Gaussian
from .policy import Policy
from .rollouts import BatchedRollouts, Rollout

LOWEST_RATE, HIGHEST_RATE = 1e-5, 5e-3  # between which `adaptive_kl` moves the learning rate


class PPO(BatchedRollouts, stable_baselines3.PPO):
    """SB3's PPO with batched rollouts, an update on the tensors that are already there, and one option more.

    `adaptive_kl`: multiply or divide the learning rate by 1.5 to hold the policy change near this KL (as rsl_rl does).
    Where the learning rate has a schedule, this KL falls with it.

    Attributes:
        leash: weight of KL(policy || base) in the loss, and the base policy that holds it; None: none.
    """

    leash: tuple[float, Policy] | None = None

    def __init__(self, *args: Any, adaptive_kl: float | None = None, **kwargs: Any):
        self.adaptive_kl = adaptive_kl
        self._rate: float | None = None
        super().__init__(*args, **kwargs)

    def train(self) -> None:
        if self.rollout is None:
            super().train()
            return
        torch.set_num_threads(threads.UPDATE_THREADS)
        policy, data = self.policy, self.rollout
        policy.set_training_mode(True)
        assert callable(self.clip_range)
        clip = self.clip_range(self._current_progress_remaining)
        self._set_rate()
        actions = data.actions.flatten(0, 1)
        log_probs, values = data.log_probs.flatten(), data.values.flatten()
        advantages = data.advantages.flatten()
        returns = advantages + values
        losses = []
        for _ in range(self.n_epochs):
            for pick in self.minibatches(data):
                advantage = advantages[pick]
                if len(pick) > 1:  # what is left over of a rollout may be a single step, which has no deviation
                    advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
                a, old, target = actions[pick], log_probs[pick], returns[pick]
                latents = self.latents(data, pick)
                mean, value = policy.heads(latents)
                distribution = policy.distribution(mean)
                log_ratio = distribution.log_prob(a) - old
                ratio = log_ratio.exp()
                policy_loss = -torch.min(advantage * ratio, advantage * ratio.clamp(1 - clip, 1 + clip)).mean()
                value_loss = F.mse_loss(target, value)
                entropy = policy.entropy(distribution)
                loss = policy_loss + self.vf_coef * value_loss - self.ent_coef * entropy
                if self.leash is not None:
                    loss = loss + self.leash[0] * self._pull(distribution, self.leash[1], latents)
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

    @staticmethod
    def _pull(distribution: Distribution, base: Policy, latents: torch.Tensor) -> torch.Tensor:
        """How far the policy is from `base`, whose statistics are the same, on what the heads saw: a mean divergence."""
        with torch.no_grad():
            there = base.distribution(base.means(latents))
        assert isinstance(distribution, Gaussian)
        assert isinstance(there, Gaussian)
        return distribution.divergence(there).mean()

    def minibatches(self, data: Rollout) -> Iterable[torch.Tensor]:
        """One epoch: indices into the rollout, flattened step by step."""
        return torch.randperm(data.rewards.numel()).split(self.batch_size)

    def latents(self, data: Rollout, pick: torch.Tensor) -> torch.Tensor:
        """What the heads see (n, ...) at the indices `pick` (n,)."""
        return data.features.flatten(0, 1)[pick]

    def _set_rate(self) -> None:
        if self.adaptive_kl is None:
            self._update_learning_rate(self.policy.optimizer)
        else:
            self._hold_rate(self.lr_schedule(1.0) if self._rate is None else self._rate)

    def _hold_rate(self, rate: float) -> None:
        self._rate = rate
        for group in self.policy.optimizer.param_groups:  # after a resume these have the first rate
            group["lr"] = rate

    def _adapt_rate(self, kl: float) -> None:
        if self.adaptive_kl is None:
            return
        assert self._rate is not None
        target = self.adaptive_kl * self.lr_schedule(self._current_progress_remaining) / self.lr_schedule(1.0)
        if kl > 2 * target:
            self._hold_rate(max(self._rate / 1.5, LOWEST_RATE))
        elif kl < target / 2:
            self._hold_rate(min(self._rate * 1.5, HIGHEST_RATE))
