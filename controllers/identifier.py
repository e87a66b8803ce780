"""A network that estimates a robot's parameters from a few seconds of its motion, and says how sure it is."""

from collections.abc import Sequence

import torch
from torch import nn

from .normalization import RunningNorm

STEPS = 200  # control steps that it looks at


class Identifier(nn.Module):
    """Mean and standard deviation of parameters from windows (n, STEPS, size) of observations and actions.

    Convolutions over time, averaged over the window, so that it does not matter when something happened; trained by the
    Gaussian likelihood (Nix & Weigend, 1994).

    Attributes:
        names: of the parameters. center, scale: (E,), their mean and spread in training, in their own units.
        stretch: (E,), factor on the standard deviations that makes 90 % intervals hold 90 % of held-out robots.
    """

    center: torch.Tensor
    scale: torch.Tensor
    stretch: torch.Tensor

    def __init__(self, size: int, names: Sequence[str], width: int = 64):
        super().__init__()
        self.names = tuple(names)
        self.norm = RunningNorm(size)
        for name, value in (("center", 0.0), ("scale", 1.0), ("stretch", 1.0)):
            self.register_buffer(name, torch.full((len(self.names),), value))
        self.convolutions = nn.Sequential(
            nn.Conv1d(size, width, 8, 4), nn.SiLU(),
            nn.Conv1d(width, width, 5, 2), nn.SiLU(),
            nn.Conv1d(width, width, 5, 1), nn.SiLU(),
        )  # fmt: skip
        self.head = nn.Sequential(nn.Linear(2 * width, width), nn.SiLU(), nn.Linear(width, 2 * len(self.names)))

    def standard(self, windows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and logarithm of the standard deviation, (n, E) each, in spreads from the centre; not stretched."""
        found = self.convolutions(self.norm(windows.flatten(1)).view(windows.shape).transpose(1, 2))
        mean, log_std = self.head(torch.cat([found.mean(2), found.std(2)], 1)).chunk(2, 1)
        return mean, log_std.clamp(-6.0, 2.0)

    def forward(self, windows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation of the parameters, (n, E) each, in their own units."""
        mean, log_std = self.standard(windows)
        return self.center + self.scale * mean, self.scale * self.stretch * log_std.exp()
