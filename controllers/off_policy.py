"""SB3's SAC, TD3 and DDPG and sb3-contrib's TQC and CrossQ over a `BatchEnv`, each with the same update for less work.

Less work, not another algorithm: from the same minibatch and random numbers an update gives the parameters that the stock
class gives, to rounding (`tests/controllers/test_off_policy.py`). What the stock update spends and this does not: gradients
of the critic in the actor's step, autograd where the gradient is one mean (temperature, quantile loss), a Python loop over
parameter tensors (Adam, Polyak).
"""

from collections.abc import Sequence
from typing import Any

import sb3_contrib
import stable_baselines3
import torch
from sb3_contrib.common.torch_layers import BatchRenorm1d
from sb3_contrib.crossq import policies
from stable_baselines3.common.type_aliases import ReplayBufferSamples, Schedule
from torch.nn import functional as F

from .gaussian import LOG_2PI
from .replayed import BatchedReplay, descend, follow

Scalars = dict[str, torch.Tensor]


class MaximumEntropy(BatchedReplay):
    """What SAC, TQC and CrossQ share: a temperature that holds the entropy at a target (Haarnoja et al., 2018b)."""

    log_ent_coef: torch.Tensor | None
    ent_coef_tensor: torch.Tensor
    ent_coef_optimizer: Any
    target_entropy: Any

    def _setup_model(self) -> None:
        super()._setup_model()
        if self.log_ent_coef is not None:
            self.ent_coef_optimizer = torch.optim.Adam([self.log_ent_coef], lr=self.lr_schedule(1.0), fused=True)

    def optimizers(self) -> list[torch.optim.Optimizer]:
        return super().optimizers() + ([self.ent_coef_optimizer] if self.ent_coef_optimizer else [])

    def act(self, observations: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Actions (B, nu) and the logarithms of their densities (B,): `actor.action_log_prob` in a third of the operations."""
        if self.use_sde:
            actions, log_prob = self.actor.action_log_prob(observations)
            return actions, log_prob
        mean, log_std, _ = self.actor.get_action_dist_params(observations)
        noise = torch.randn_like(mean)
        actions = torch.tanh(mean + log_std.exp() * noise)
        # One sum over everything: `log_density` beside it takes a sixth more time.
        squashed = torch.log(1 - actions**2 + self.actor.action_dist.epsilon)
        return actions, (-0.5 * (noise**2 + LOG_2PI) - log_std - squashed).sum(1)

    def temperature(self) -> torch.Tensor:
        return self.ent_coef_tensor if self.log_ent_coef is None else self.log_ent_coef.detach().exp()

    def adapt_temperature(self, log_prob: torch.Tensor) -> Scalars:
        """One step on -log(temperature) * mean(log_prob + target entropy): its gradient is that mean."""
        if self.log_ent_coef is None:
            return {}
        gradient = -(log_prob.detach() + self.target_entropy).mean().reshape(1)
        loss = gradient * self.log_ent_coef.detach()
        self.log_ent_coef.grad = gradient
        self.ent_coef_optimizer.step()
        return {"ent_coef_loss": loss}


class SoftActorCritic(MaximumEntropy):
    """The update of SAC and of TQC, which differ in what they read from the critics."""

    critic_target: Any
    target_update_interval: int

    def update(self, batch: ReplayBufferSamples) -> Scalars:
        actions, log_prob = self.act(batch.observations)
        temperature = self.temperature()
        logged = self.adapt_temperature(log_prob)
        with torch.no_grad():
            next_actions, next_log_prob = self.act(batch.next_observations)
            following = self.pessimistic(self.critic_target(batch.next_observations, next_actions))
            target = bootstrapped(batch, following - temperature * next_log_prob[:, None], self.gamma)
        critic_loss = self.critic_loss(self.critic(batch.observations, batch.actions), target)
        descend(self.critic.optimizer, critic_loss)
        value = self.actor_value(self.critic(batch.observations, actions))
        actor_loss = (temperature * log_prob[:, None] - value).mean()
        descend(self.actor.optimizer, actor_loss)
        if self._n_updates % self.target_update_interval == 0:
            follow(self.critic_target, self.critic, self.tau)
        return logged | {"ent_coef": temperature, "critic_loss": critic_loss, "actor_loss": actor_loss}

    def pessimistic(self, judged: Any) -> torch.Tensor:
        """Of the target critics' output: values (B, 1), or quantiles (B, k)."""
        raise NotImplementedError

    def critic_loss(self, judged: Any, target: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError

    def actor_value(self, judged: Any) -> torch.Tensor:
        """Of the critics' output: what the actor climbs, (B, 1)."""
        raise NotImplementedError


class SAC(SoftActorCritic, stable_baselines3.SAC):
    """Soft actor-critic (Haarnoja et al., 2018)."""

    def pessimistic(self, judged: Sequence[torch.Tensor]) -> torch.Tensor:
        return torch.cat(list(judged), dim=1).amin(1, keepdim=True)

    def critic_loss(self, judged: Sequence[torch.Tensor], target: torch.Tensor) -> torch.Tensor:
        return 0.5 * squared_errors(judged, target)

    def actor_value(self, judged: Sequence[torch.Tensor]) -> torch.Tensor:
        return self.pessimistic(judged)


class TQC(SoftActorCritic, sb3_contrib.TQC):
    """Truncated quantile critics (Kuznetsov et al., 2020): the critics' highest quantiles are left out of the target."""

    def pessimistic(self, judged: torch.Tensor) -> torch.Tensor:
        kept = self.critic.quantiles_total - self.top_quantiles_to_drop_per_net * self.critic.n_critics
        return judged.flatten(1).sort()[0][:, :kept]

    def critic_loss(self, judged: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        loss: torch.Tensor = QuantileHuber.apply(judged, target)
        return loss

    def actor_value(self, judged: torch.Tensor) -> torch.Tensor:
        return judged.mean(2).mean(1, keepdim=True)


class CrossQ(MaximumEntropy, sb3_contrib.CrossQ):
    """CrossQ (Bhatt et al., 2024): no target networks, but batch normalisation over this and the next state together."""

    def update(self, batch: ReplayBufferSamples) -> Scalars:
        actor, critic, temperature = self.actor, self.critic, self.temperature()
        actor.set_bn_training_mode(False)
        with torch.no_grad():
            next_actions, next_log_prob = self.act(batch.next_observations)
        critic.set_bn_training_mode(True)
        states = torch.cat([batch.observations, batch.next_observations])
        judged = critic(states, torch.cat([batch.actions, next_actions]))
        critic.set_bn_training_mode(False)
        now, following = zip(*(values.chunk(2) for values in judged), strict=True)
        least = torch.cat(following, dim=1).detach().amin(1, keepdim=True)
        target = bootstrapped(batch, least - temperature * next_log_prob[:, None], self.gamma)
        critic_loss = 0.5 * squared_errors(now, target)
        descend(critic.optimizer, critic_loss)
        logged = {"ent_coef": temperature, "critic_loss": critic_loss}
        if self._n_updates % self.policy_delay == 0:
            actor.set_bn_training_mode(True)
            actions, log_prob = self.act(batch.observations)
            actor.set_bn_training_mode(False)
            logged |= self.adapt_temperature(log_prob)
            value = torch.cat(critic(batch.observations, actions), dim=1).amin(1, keepdim=True)
            actor_loss = (temperature * log_prob[:, None] - value).mean()
            descend(actor.optimizer, actor_loss)
            logged["actor_loss"] = actor_loss
        return logged


class FusedRenorm(BatchRenorm1d):
    """sb3-contrib's batch renormalisation with torch's own kernels, which take a fifth of the time; same numbers, to rounding.

    That class divides by sqrt(v + eps) with the unbiased variance v = n / (n - 1) * biased; torch's kernel takes the biased
    one, so eps and scale are converted. After `warmup_steps` updates the formula is another one, left to that class.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mean, var = self.get_buffer("ra_mean"), self.get_buffer("ra_var")
        if not self.training:
            return F.batch_norm(x, mean, var, self.scale, self.bias, False, 0.0, self.eps)
        if self.get_buffer("steps") > self.warmup_steps:
            return super().forward(x)
        self.get_buffer("steps").add_(1)
        share = (len(x) - 1) / len(x)
        return F.batch_norm(x, mean, var, self.scale * share**0.5, self.bias, True, self.momentum, self.eps * share)


class CrossQPolicy(policies.CrossQPolicy):
    """sb3-contrib's policy with `FusedRenorm` layers."""

    def _build(self, lr_schedule: Schedule) -> None:
        super()._build(lr_schedule)
        for module in self.modules():
            if isinstance(module, BatchRenorm1d):
                module.__class__ = FusedRenorm  # SB3 builds the layers inside functions that take no other class


class TD3(BatchedReplay, stable_baselines3.TD3):
    """Twin delayed deep deterministic policy gradient (Fujimoto et al., 2018)."""

    def update(self, batch: ReplayBufferSamples) -> Scalars:
        with torch.no_grad():
            noise = torch.empty_like(batch.actions).normal_(0, self.target_policy_noise)
            noise = noise.clamp_(-self.target_noise_clip, self.target_noise_clip)
            next_actions = (self.actor_target(batch.next_observations) + noise).clamp_(-1, 1)
            judged = self.critic_target(batch.next_observations, next_actions)
            target = bootstrapped(batch, torch.cat(judged, dim=1).amin(1, keepdim=True), self.gamma)
        critic_loss = squared_errors(self.critic(batch.observations, batch.actions), target)
        descend(self.critic.optimizer, critic_loss)
        logged = {"critic_loss": critic_loss}
        if self._n_updates % self.policy_delay == 0:
            actor_loss = -self.critic.q1_forward(batch.observations, self.actor(batch.observations)).mean()
            descend(self.actor.optimizer, actor_loss)
            follow(self.critic_target, self.critic, self.tau)
            follow(self.actor_target, self.actor, self.tau)
            logged["actor_loss"] = actor_loss
        return logged


class DDPG(TD3, stable_baselines3.DDPG):
    """Deep deterministic policy gradient (Lillicrap et al., 2016): TD3 with one critic, no delay, no noise on the target."""


def bootstrapped(batch: ReplayBufferSamples, following: torch.Tensor, gamma: float) -> torch.Tensor:
    """Rewards plus the discounted future (B, k), without future where the episode ended."""
    discount = gamma if batch.discounts is None else batch.discounts
    return batch.rewards + (1 - batch.dones) * discount * following


def squared_errors(judged: Sequence[torch.Tensor], target: torch.Tensor) -> torch.Tensor:
    """Mean squared error of each critic's values (B, 1), summed over the critics."""
    return torch.stack([F.mse_loss(values, target) for values in judged]).sum()


class QuantileHuber(torch.autograd.Function):
    """Mean Huber loss of quantile regression over all pairs of quantiles (B, K, M) and targets (B, k) (Dabney et al., 2018).

    With difference d = target - quantile and c = d clipped to [-1, 1], Huber's loss is c (d - c / 2) and its derivative by the
    quantile -c: both weighted by the quantile's share, or by one minus it where d < 0.
    """

    @staticmethod
    def forward(ctx: Any, quantiles: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        number = quantiles.shape[-1]
        share = ((torch.arange(number) + 0.5) / number)[:, None]
        difference = target[:, None, None, :] - quantiles[..., None]
        clipped = difference.clamp(-1, 1)
        weighted = torch.where(difference < 0, 1 - share, share).mul_(clipped)
        ctx.save_for_backward(weighted.sum(-1).div_(-weighted.numel()))
        return difference.sub_(clipped, alpha=0.5).mul_(weighted).mean()

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        (gradient,) = ctx.saved_tensors
        return gradients[0] * gradient, None
