"""SB3's actor-critic policy with an optional exact left-right symmetry."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.distributions import DiagGaussianDistribution, Distribution
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.type_aliases import Schedule

from .gaussian import Gaussian
from .networks import EncodedMlp, EncoderMaker, orthogonal
from .normalization import NormalizedExtractor

Mirror = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
PARTS = ("mlp_extractor", "action_net", "value_net")


class Policy(ActorCriticPolicy):
    """SB3's actor-critic policy, computed from normalised features in one place (`heads`).

    `encoder` makes what reads them before the hidden layers (`networks`); without it these do.

    With `mirror`, (observation index, observation sign, action index, action sign) such that mirrored = sign *
    original[index], it acts on a mirror image as the mirror image of what it does on the original, by construction:
    mean(s) = (f(s) + M_a f(M_s s)) / 2, value(s) = (v(s) + v(M_s s)) / 2, with statistics that are symmetric too. Twice
    the arithmetic, but what is learnt on the left also holds on the right. With `untied` as well, f and v of the mirror
    image are networks of their own, the statistics those of the original: a symmetric start that may lose its symmetry.
    """

    features_extractor: NormalizedExtractor
    action_net: torch.nn.Linear
    value_net: torch.nn.Linear
    mirror_observation: torch.Tensor
    mirror_observation_sign: torch.Tensor
    mirror_action: torch.Tensor
    mirror_action_sign: torch.Tensor
    sees_features = False  # while SB3's own updates give normalised features for observations (`rollouts.RolloutView`)

    def __init__(
        self,
        *args: Any,
        mirror: Mirror | None = None,
        untied: bool = False,
        encoder: EncoderMaker | None = None,
        **kwargs: Any,
    ):
        self.mirrored, self.untied, self.make_encoder = mirror is not None, mirror is not None and untied, encoder
        super().__init__(*args, **kwargs)
        if isinstance(self.action_dist, DiagGaussianDistribution):
            self.action_dist = Gaussian(self.action_dist.action_dim)
        if mirror is None:
            return
        o, so, a, sa = mirror
        self.register_buffer("mirror_observation", torch.as_tensor(np.asarray(o, np.int64)))
        self.register_buffer("mirror_observation_sign", torch.as_tensor(np.asarray(so, np.float32)))
        self.register_buffer("mirror_action", torch.as_tensor(np.asarray(a, np.int64)))
        self.register_buffer("mirror_action_sign", torch.as_tensor(np.asarray(sa, np.float32)))

    def _build(self, lr_schedule: Schedule) -> None:
        super()._build(lr_schedule)
        if self.untied:
            self.image = torch.nn.ModuleDict({name: copy.deepcopy(getattr(self, name)) for name in PARTS})
            self.optimizer = self.optimizer_class(self.parameters(), lr=lr_schedule(1), **self.optimizer_kwargs)  # type: ignore[call-arg]

    def _build_mlp_extractor(self) -> None:
        if self.make_encoder is None:
            super()._build_mlp_extractor()
            return
        encoder = self.make_encoder(self.observation_space)
        self.mlp_extractor = EncodedMlp(encoder, self.net_arch, self.activation_fn, self.device)

    @staticmethod
    def init_weights(module: torch.nn.Module, gain: float = 1) -> None:
        """SB3's orthogonal start, which leaves out the layers that encoders have."""
        orthogonal(module, gain)

    def reflected(self, x: torch.Tensor) -> torch.Tensor:
        """Mirror image of observations or features (n, O) or of histories of them (n, H*O)."""
        steps = x.reshape(-1, len(self.mirror_observation))
        return (steps[:, self.mirror_observation] * self.mirror_observation_sign).view(x.shape)

    def heads(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Action means (n, nu) and values (n,) of normalised features (n, O), or (n, H*O) of a history."""
        outputs, image = self._both(features, _outputs)
        if image is None:
            return outputs[:, :-1], outputs[:, -1]
        return self._average(outputs[:, :-1], image[:, :-1]), 0.5 * (outputs[:, -1] + image[:, -1])

    def means(self, features: torch.Tensor) -> torch.Tensor:
        """Action means (n, nu) of normalised features."""
        mean, image = self._both(features, _means)
        return mean if image is None else self._average(mean, image)

    def values(self, features: torch.Tensor) -> torch.Tensor:
        """Values (n,) of normalised features."""
        value, image = self._both(features, _values)
        return value if image is None else 0.5 * (value + image)

    def _both(
        self, features: torch.Tensor, output: Callable[[Any, torch.Tensor], torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """`output` of features and, with `mirror`, of their mirror image."""
        if not self.mirrored:
            return output(self, features), None
        seen, reflected = self.images(features)
        if self.untied:
            return output(self, seen), output(self.image, reflected)
        original, image = output(self, torch.cat([seen, reflected])).chunk(2)
        return original, image

    def images(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What a mirrored policy's networks see of `features`, and of their mirror image."""
        return features, self.reflected(features)

    def _average(self, mean: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
        return 0.5 * (mean + image[:, self.mirror_action] * self.mirror_action_sign)

    def initial_memory(self, worlds: int) -> torch.Tensor:
        """What a policy knows when an episode begins, (rows, worlds, width); nothing here, see `recurrent`."""
        return torch.zeros(0, worlds, 0)

    def remember(self, features: torch.Tensor, memory: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What `heads` takes (n, ...) of features (n, O) and of memory (rows, n, width), and the memory afterwards."""
        return features, memory

    def _features(self, obs: torch.Tensor) -> torch.Tensor:
        return obs if self.sees_features else self.features_extractor(obs)

    def distribution(self, mean: torch.Tensor) -> Distribution:
        """Of actions: Gaussian around `mean` (n, nu), or with these logits where the environment's are discrete."""
        if not isinstance(self.action_dist, DiagGaussianDistribution):
            return self.action_dist.proba_distribution(mean)
        std: torch.Tensor = self.log_std
        if self.mirrored and not self.untied:  # the mirror image of a joint explores as much as the joint
            std = 0.5 * (std + std[self.mirror_action])
        return self.action_dist.proba_distribution(mean, std)

    def entropy(self, distribution: Distribution) -> torch.Tensor:
        """Mean entropy of Gaussian actions, a scalar."""
        each = distribution.entropy()
        assert each is not None  # SB3 allows distributions without a closed form; the Gaussian has one
        return each.mean()

    def update_statistics(self, raw: torch.Tensor) -> None:
        """Merge raw observations (n, O) into the statistics; of histories (n, H*O), the newest."""
        if self.mirrored and not self.untied:
            raw = raw[:, -len(self.mirror_observation) :]
            raw = torch.cat([raw, self.reflected(raw)])
        self.features_extractor.norm.update(raw)

    def untie(self, twin: "Policy") -> None:
        """Make the untied `twin`, of the same networks, the same function."""
        assert self.mirrored
        assert twin.untied
        state = self.state_dict()
        twin.load_state_dict(state | {f"image.{k}": v for k, v in state.items() if k.split(".")[0] in PARTS})
        with torch.no_grad():
            twin.log_std.copy_(0.5 * (self.log_std + self.log_std[self.mirror_action]))

    def forward(
        self, obs: torch.Tensor, deterministic: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        mean, value = self.heads(self._features(obs))
        distribution = self.distribution(mean)
        actions = distribution.get_actions(deterministic=deterministic)
        return actions, value[:, None], distribution.log_prob(actions)

    def get_distribution(self, obs: Any) -> Distribution:
        return self.distribution(self.means(self._features(obs)))

    def predict_values(self, obs: Any) -> torch.Tensor:
        return self.values(self._features(obs))[:, None]

    def evaluate_actions(
        self, obs: Any, actions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        mean, value = self.heads(self._features(obs))
        distribution = self.distribution(mean)
        return value[:, None], distribution.log_prob(actions), distribution.entropy()


# Of one network, `Policy` itself or its `image`: action means, values (n,), and both side by side (n, nu + 1).


def _means(parts: Any, features: torch.Tensor) -> torch.Tensor:
    return parts.action_net(parts.mlp_extractor.forward_actor(features))


def _values(parts: Any, features: torch.Tensor) -> torch.Tensor:
    return parts.value_net(parts.mlp_extractor.forward_critic(features)).flatten()


def _outputs(parts: Any, features: torch.Tensor) -> torch.Tensor:
    latent_pi, latent_vf = parts.mlp_extractor(features)
    return torch.cat([parts.action_net(latent_pi), parts.value_net(latent_vf)], dim=1)
