"""Observation statistics as a part of the network: saved, loaded and exported with it."""

import math

import torch
from gymnasium import spaces
from stable_baselines3.common.preprocessing import get_flattened_obs_dim
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import nn


class RunningNorm(nn.Module):
    """Mean and variance of everything seen, merged batch by batch (Chan et al., 1979); what is normalised is clipped.

    Rows (n, k*size) are normalised in k parts of `size` numbers, each with the same statistics: a history of observations.
    """

    mean: torch.Tensor
    var: torch.Tensor
    count: torch.Tensor

    def __init__(self, size: int, clip: float | None = 10.0):
        super().__init__()
        self.clip = math.inf if clip is None else clip
        self.register_buffer("mean", torch.zeros(size, dtype=torch.float64))
        self.register_buffer("var", torch.ones(size, dtype=torch.float64))
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))
        self._cache: tuple[torch.Tensor, torch.Tensor] | None = None

    def update(self, batch: torch.Tensor) -> None:
        """Merge a batch (n, k*size): the last `size` numbers, because in a history each step is once the newest."""
        batch = batch[:, -len(self.mean) :].double()
        n = len(batch)
        mean, var = batch.mean(0), batch.var(0, unbiased=False)
        total = self.count + n
        delta = mean - self.mean
        self.var.copy_((self.var * self.count + var * n + delta**2 * self.count * n / total) / total)
        self.mean += delta * n / total
        self.count.copy_(total)
        self._cache = None

    def _load_from_state_dict(self, *args, **kwargs) -> None:  # type: ignore[no-untyped-def]
        super()._load_from_state_dict(*args, **kwargs)
        self._cache = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self._cache is None:
            self._cache = self.mean.float(), (1.0 / torch.sqrt(self.var + 1e-8)).float()
        mean, scale = self._cache
        steps = x.float().reshape(-1, len(mean))
        return ((steps - mean) * scale).clamp_(-self.clip, self.clip).view(x.shape)

    def inverse(self, x: torch.Tensor) -> torch.Tensor:
        """What was normalised to `x` (n, size); where it was clipped, the clip."""
        return x * torch.sqrt(self.var + 1e-8).float() + self.mean.float()


class PixelNorm(RunningNorm):
    """Pixels 0 to 255 to -1 to 1, whatever was seen: a pixel that never changed must not count for much when it does."""

    def __init__(self) -> None:
        super().__init__(1)
        self.mean.fill_(127.5)
        self.var.fill_(127.5**2)
        self.count.fill_(1.0)

    def update(self, batch: torch.Tensor) -> None:
        """Nothing to learn."""


class NormalizedExtractor(BaseFeaturesExtractor):
    """SB3 features extractor: the flattened observation, normalised by statistics that it may share with others."""

    def __init__(self, observation_space: spaces.Space, norm: RunningNorm | None = None):
        size = get_flattened_obs_dim(observation_space)
        super().__init__(observation_space, size)
        self.norm = norm if norm is not None else RunningNorm(size)

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        return self.norm(observations.flatten(1))
