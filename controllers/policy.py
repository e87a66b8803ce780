"""SB3's actor-critic policy with an optional exact left-right symmetry."""

from typing import Any

import numpy as np
import torch
from stable_baselines3.common.distributions import DiagGaussianDistribution, Distribution
from stable_baselines3.common.policies import ActorCriticPolicy

from .gaussian import Gaussian
from .normalization import NormalizedExtractor

Mirror = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


class Policy(ActorCriticPolicy):
    """SB3's Gaussian MLP policy, computed from normalised features in one place (`heads`).

    With `mirror`, (observation index, observation sign, action index, action sign) such that mirrored = sign *
    original[index], it acts on a mirror image as the mirror image of what it does on the original, by construction:
    mean(s) = (f(s) + M_a f(M_s s)) / 2, value(s) = (v(s) + v(M_s s)) / 2, with statistics that are symmetric too. Twice
    the arithmetic, but what is learnt on the left also holds on the right.
    """

    features_extractor: NormalizedExtractor
    action_net: torch.nn.Linear
    value_net: torch.nn.Linear
    mirror_observation: torch.Tensor
    mirror_observation_sign: torch.Tensor
    mirror_action: torch.Tensor
    mirror_action_sign: torch.Tensor

    def __init__(self, *args: Any, mirror: Mirror | None = None, **kwargs: Any):
        super().__init__(*args, **kwargs)
        if isinstance(self.action_dist, DiagGaussianDistribution):
            self.action_dist = Gaussian(self.action_dist.action_dim)
        self.mirrored = mirror is not None
        if mirror is None:
            return
        o, so, a, sa = mirror
        self.register_buffer("mirror_observation", torch.as_tensor(np.asarray(o, np.int64)))
        self.register_buffer("mirror_observation_sign", torch.as_tensor(np.asarray(so, np.float32)))
        self.register_buffer("mirror_action", torch.as_tensor(np.asarray(a, np.int64)))
        self.register_buffer("mirror_action_sign", torch.as_tensor(np.asarray(sa, np.float32)))

    def heads(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Action means (n, nu) and values (n,) of normalised features (n, O)."""
        if not self.mirrored:
            latent_pi, latent_vf = self.mlp_extractor(features)
            return self.action_net(latent_pi), self.value_net(latent_vf).flatten()
        both = torch.cat([features, features[:, self.mirror_observation] * self.mirror_observation_sign])
        latent_pi, latent_vf = self.mlp_extractor(both)
        mean, reflected = self.action_net(latent_pi).chunk(2)
        value = self.value_net(latent_vf).flatten().view(2, -1).mean(0)
        return 0.5 * (mean + reflected[:, self.mirror_action] * self.mirror_action_sign), value

    def distribution(self, mean: torch.Tensor) -> Distribution:
        std: torch.Tensor = self.log_std
        if self.mirrored:  # the mirror image of a joint explores as much as the joint
            std = 0.5 * (std + std[self.mirror_action])
        assert isinstance(self.action_dist, DiagGaussianDistribution)
        return self.action_dist.proba_distribution(mean, std)

    def entropy(self, distribution: Distribution) -> torch.Tensor:
        """Mean entropy of Gaussian actions, a scalar."""
        each = distribution.entropy()
        assert each is not None  # SB3 allows distributions without a closed form; the Gaussian has one
        return each.mean()

    def update_statistics(self, raw: torch.Tensor) -> None:
        """Merge raw observations (n, O) into the statistics."""
        if self.mirrored:
            raw = torch.cat([raw, raw[:, self.mirror_observation] * self.mirror_observation_sign])
        self.features_extractor.norm.update(raw)

    def untie(self, twin: "Policy") -> None:
        """Make `twin`, of twice this network's width and without the mirror, the same function, now free to lose its symmetry.

        Its first half is this network, its second half this network on the mirror image; the heads average the two.
        """
        assert self.mirrored
        assert not twin.mirrored
        reflect = torch.zeros(len(self.mirror_observation), len(self.mirror_observation))
        reflect[torch.arange(len(reflect)), self.mirror_observation] = self.mirror_observation_sign
        with torch.no_grad():
            for name in ("policy_net", "value_net"):
                ours, theirs = getattr(self.mlp_extractor, name), getattr(twin.mlp_extractor, name)
                first = True
                for a, b in zip(ours, theirs, strict=True):
                    if not isinstance(a, torch.nn.Linear):
                        continue
                    b.bias.copy_(a.bias.repeat(2))
                    b.weight.copy_(
                        torch.cat([a.weight, a.weight @ reflect]) if first else torch.block_diag(a.weight, a.weight)
                    )
                    first = False
            w, bias = self.action_net.weight, self.action_net.bias
            sign, index = self.mirror_action_sign, self.mirror_action
            twin.action_net.weight.copy_(0.5 * torch.cat([w, w[index] * sign[:, None]], dim=1))
            twin.action_net.bias.copy_(0.5 * (bias + bias[index] * sign))
            twin.value_net.weight.copy_(0.5 * self.value_net.weight.repeat(1, 2))
            twin.value_net.bias.copy_(self.value_net.bias)
            twin.log_std.copy_(0.5 * (self.log_std + self.log_std[index]))
            twin.features_extractor.load_state_dict(self.features_extractor.state_dict())

    def forward(
        self, obs: torch.Tensor, deterministic: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        mean, value = self.heads(self.features_extractor(obs))
        distribution = self.distribution(mean)
        actions = distribution.get_actions(deterministic=deterministic)
        return actions, value[:, None], distribution.log_prob(actions)

    def get_distribution(self, obs: Any) -> Distribution:
        return self.distribution(self.heads(self.features_extractor(obs))[0])

    def predict_values(self, obs: Any) -> torch.Tensor:
        return self.heads(self.features_extractor(obs))[1][:, None]

    def evaluate_actions(
        self, obs: Any, actions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        mean, value = self.heads(self.features_extractor(obs))
        distribution = self.distribution(mean)
        return value[:, None], distribution.log_prob(actions), distribution.entropy()
