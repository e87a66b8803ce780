"""Estimates a robot's parameters from a few seconds of its motion, and says how sure it is."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from .normalization import RunningNorm

STEPS = 200  # control steps that it looks at
# In which steps differ most. Features grow with the square of their number, and learning's time with the cube of theirs.
DIRECTIONS = 96
LEAST = 1e-6  # variance of a direction, of numbers with variance 1, below which it only repeats the others
RIDGES = (1.0, 10.0, 100.0, 1000.0)
FOLDS = 3
CHUNK = 256  # windows that are looked at together


class Identifier(nn.Module):
    """Mean and standard deviation of parameters from windows (n, STEPS, size) of observations and actions.

    It looks at means and second moments of the control steps and of their changes, from which a linear model of the motion
    would be fitted, so that it does not matter when something happened. The mean is a ridge regression on these. A network
    corrects it and says how sure it is, trained by the Gaussian likelihood (Nix & Weigend, 1994) on robots that the regression
    had not seen: on those that it had it errs by half as much.

    Attributes:
        names: of the E parameters. center, scale: (E,), their mean and spread in training, in their own units.
        stretch: (E,), factor on the standard deviations that makes 90 % intervals hold 90 % of held-out robots.
        shared: (E,), part of the error's variance that all windows of a robot share, and that no average takes away.
        changes: how many of the numbers, the first, are looked at with their changes.
        middle, directions: (size + changes,) and (size + changes, D), which make a step D numbers, uncorrelated, of variance 1.
        usual, spread: (F,), of the features.
        left: (E,), standard deviation of the regression's errors on robots that it had not seen, in `scale`.
    """

    center: torch.Tensor
    scale: torch.Tensor
    stretch: torch.Tensor
    shared: torch.Tensor
    middle: torch.Tensor
    directions: torch.Tensor
    usual: torch.Tensor
    spread: torch.Tensor
    left: torch.Tensor

    def __init__(self, size: int, names: Sequence[str], changes: int, directions: int = DIRECTIONS, width: int = 32):
        super().__init__()
        self.names, self.changes = tuple(names), changes
        self.norm = RunningNorm(size)
        rows, parameters = size + changes, len(self.names)
        columns = min(directions, rows)
        features = columns + columns * (columns + 1) // 2
        for name in ("center", "scale", "stretch", "shared", "left"):
            self.register_buffer(name, torch.full((parameters,), 0.0 if name == "center" else 1.0))
        self.register_buffer("middle", torch.zeros(rows))
        self.register_buffer("directions", torch.eye(rows)[:, :columns].clone())
        self.register_buffer("usual", torch.zeros(features))
        self.register_buffer("spread", torch.ones(features))
        self.linear = nn.Linear(features, parameters).requires_grad_(False)
        last = nn.Linear(width, 2 * parameters)
        nn.init.zeros_(last.weight)  # it starts from the regression as it is
        nn.init.zeros_(last.bias)
        self.head = nn.Sequential(nn.Linear(columns + parameters, width), nn.SiLU(), last)

    def forward(self, windows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation of the parameters, (n, E) each, in their own units."""
        features = self.features(windows)
        mean, log_std = self.corrected(features, self.linear(features))
        return self.center + self.scale * mean, self.scale * self.stretch * log_std.exp()

    def corrected(self, features: torch.Tensor, regressed: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and logarithm of the standard deviation, (n, E) each, in spreads from the centre; not stretched."""
        means = features[:, : self.directions.shape[1]]
        correction, log_std = self.head(torch.cat([means, regressed], 1)).chunk(2, 1)
        return regressed + self.left * correction, self.left.log() + log_std.clamp(-4.0, 4.0)

    def features(self, windows: torch.Tensor) -> torch.Tensor:
        """What is looked at (n, F), each with mean 0 and variance 1 in training."""
        return torch.cat(
            [((self._moments(part) - self.usual) / self.spread).clamp_(-5, 5) for part in windows.split(CHUNK)]
        )

    def of_average(self, std: np.ndarray, windows: np.ndarray) -> np.ndarray:
        """Standard deviations (n, E) of averages of `windows` (n,) estimates, whose own have the mean `std` (n, E)."""
        shared = self.shared.numpy()
        return std * np.sqrt(shared + (1 - shared) / np.maximum(windows, 1)[:, None])

    def prepare(self, windows: torch.Tensor) -> torch.Tensor:
        """Set all statistics from the windows that it learns from, and return their features (n, F)."""
        parts = windows.split(CHUNK)
        for part in parts:
            self.norm.update(part.flatten(0, 1))
        steps = torch.cat([self._steps(part).flatten(0, 1) for part in parts[:: max(1, len(parts) // 8)]]).double()
        self.middle[:] = steps.mean(0)
        variance, axes = torch.linalg.eigh(torch.cov(steps.T))
        variance, axes = (part.flip(-1)[..., : self.directions.shape[1]] for part in (variance, axes))
        self.directions[:] = torch.where(variance > LEAST, axes / variance.clamp(min=LEAST).sqrt(), 0.0)
        found = torch.cat([self._moments(part) for part in parts])
        self.usual[:] = found.mean(0)
        self.spread[:] = found.std(0, correction=0) + 1e-4
        return found.sub_(self.usual).div_(self.spread).clamp_(-5, 5)

    def regress(self, features: torch.Tensor, true: torch.Tensor, fold: torch.Tensor) -> torch.Tensor:
        """Fit the regression to standardised parameters (n, E); its strength, for each, is what serves the folds (n,) best.

        Returns what it says of each fold when it has seen only the others, (n, E).
        """
        middle = true.mean(0)
        products = [_products(features[fold == k], (true - middle)[fold == k]) for k in range(FOLDS)]
        gram, cross = (sum(parts[1:], parts[0]) for parts in zip(*products, strict=True))
        unseen = torch.zeros(len(RIDGES), *true.shape)
        for k, (own, of) in enumerate(products):
            for one, ridge in zip(unseen, RIDGES, strict=True):
                one[fold == k] = middle + features[fold == k] @ _solve(gram - own, cross - of, ridge)
        best = (unseen - true).square().mean(1).argmin(0)
        for i in set(best.tolist()):
            self.linear.weight[best == i] = _solve(gram, cross[:, best == i], RIDGES[i]).T
        self.linear.bias[:] = middle
        found = unseen.gather(0, best.expand(1, *true.shape))[0]
        self.left[:] = (found - true).std(0, correction=0).clamp(min=1e-3)
        return found

    def _steps(self, windows: torch.Tensor) -> torch.Tensor:
        """Normalised steps with their changes, (n, STEPS - 1, size + changes)."""
        x = self.norm(windows.flatten(1)).view(windows.shape)
        return torch.cat([x[:, :-1], x[:, 1:, : self.changes] - x[:, :-1, : self.changes]], 2)

    def _moments(self, windows: torch.Tensor) -> torch.Tensor:
        """Means and second moments over a window, (n, F)."""
        x = ((self._steps(windows) - self.middle) @ self.directions).clamp_(-10, 10)
        row, column = torch.triu_indices(x.shape[2], x.shape[2])
        return torch.cat([x.mean(1), (x.transpose(1, 2) @ x / x.shape[1])[:, row, column]], 1)


def _products(features: torch.Tensor, true: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(F, F) and (F, E); in double precision, as features are nearly collinear."""
    gram = torch.zeros(features.shape[1], features.shape[1], dtype=torch.float64)
    cross = torch.zeros(features.shape[1], true.shape[1], dtype=torch.float64)
    for part, known in zip(features.split(8 * CHUNK), true.split(8 * CHUNK), strict=True):
        exact = part.double()
        gram.addmm_(exact.T, exact)
        cross.addmm_(exact.T, known.double())
    return gram, cross


def _solve(gram: torch.Tensor, cross: torch.Tensor, ridge: float) -> torch.Tensor:
    """(F, E)."""
    factor = torch.linalg.cholesky(gram + ridge * torch.eye(len(gram), dtype=gram.dtype))
    return torch.cholesky_solve(cross, factor).float()


def folds(true: torch.Tensor) -> torch.Tensor:
    """Which fold each window is in (n,): all of a robot (n, E) in the same, where there are five robots or more."""
    _, robot = torch.unique(true, dim=0, return_inverse=True)
    return (robot if robot.max() >= 4 else torch.arange(len(true))) % FOLDS
