"""The search for the parameters whose simulations come nearest to the windows of a log.

Two things stand in the way of plain least squares (as of
`mujoco.sysid`). A measured start is noisy, and a noisy start spoils its window: so the starts are unknowns as well, bound to
their rows by the sensors' noise. And the simulation jumps: a foot that is a tenth of a millimetre lower lands one physics
step earlier, so derivatives at a point say little, and a line search ends between two jumps.

Therefore each round simulates every window with as many draws of parameters and starts as twice their number, and
fits a linear model to the residuals; what it cannot explain is the jumps' share, and counts as noise of that shape
(statistical linearisation: Garcia-Fernandez et al., "Posterior linearization filter", IEEE TSP 63, 2015). Starts are
eliminated window by window, which leaves a Gauss-Newton step in the parameters; starts are then drawn anew from what
is now known of them. The first rounds trust the predictions less (`COOLING`), so that nothing is settled while much
is wrong, and draw far apart (`WIDE`): between near draws the jumps are most of what differs, and slopes that are
mostly noise make steps short (errors in variables). Rounds go on until a step is within its own uncertainty. Each
signal weighs as its noise allows, which is estimated from the residuals (variance components). The covariance is the
mean of two: that of clusters, one a window (Liang and Zeger, "Longitudinal data analysis using generalized linear
models", Biometrika 73, 1986), and what the noise alone would give.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from .windows import Windows

STARTS = 32  # points from which the search may begin, beside the nominal robot
COOLING = (256.0, 64.0, 16.0, 4.0)  # factors on the noise's variance in the first rounds
WIDE = 0.1  # how far about z they draw, as a share of the range
ROUNDS = (5, 12)  # that follow: so many at least, at most
POOLED = 4  # of the last rounds, whose linear models together give the result
JUMPS = 3.0  # factor on what the linear models cannot explain: some tens of draws tell a jump's size only roughly
FEWEST = 24  # draws of a round: they have to tell one unknown from another
FARTHEST = 0.2  # step of a round, as a share of the range
NOISE = {  # where the estimation of the sensors' noise begins, in SI units; those of `logs.UNITS`
    "position": 0.005, "velocity": 0.1, "orientation": 0.01, "angular_velocity": 0.05, "acceleration": 1.0,
    "linear_velocity": 0.1, "height": 0.01,
}  # fmt: skip
LEAST_NOISE = 1e-3  # of these


@dataclass(frozen=True)
class Unknown:
    """One number to fit: the columns of a parameter table that share it, and where to look for it.

    The search moves in z, 0 at `low` and 1 at `high`, evenly in the value or in its logarithm.
    """

    name: str
    columns: np.ndarray
    low: float
    high: float
    log: bool = False

    def value(self, z: Any) -> Any:
        """The value at z."""
        if self.log:
            return self.low * (self.high / self.low) ** z
        return self.low + (self.high - self.low) * z

    def z(self, value: float) -> float:
        """Where `value` is, within the range."""
        value = min(max(value, self.low), self.high)
        if self.log:
            return float(np.log(value / self.low) / np.log(self.high / self.low))
        return (value - self.low) / (self.high - self.low)


class Search:
    """The rounds. W windows of R residuals, p parameters, D directions of a start, M draws."""

    def __init__(self, windows: Windows, wanted: list[Unknown], nominal: np.ndarray, rng: np.random.Generator):
        self.windows, self.wanted, self.nominal, self.rng = windows, wanted, nominal, rng
        self.starts = np.zeros((windows.count, 2 * windows.model.nv))
        self.noise = {name: NOISE[name] for name in windows.names}
        # Starts are drawn as mean + factor x standard normal; a draw of the parameters is about z +- reach.
        self.factor = np.repeat(np.diag(windows.start_noise(self.noise))[None], windows.count, axis=0)
        self.reach = np.full(len(wanted), WIDE)

    def values(self, z: np.ndarray) -> np.ndarray:
        """Parameters (C, K) of candidates (C, p)."""
        rows = np.repeat(self.nominal[None], len(z), axis=0)
        for i, unknown in enumerate(self.wanted):
            rows[:, unknown.columns] = unknown.value(z[:, i : i + 1])
        return rows

    def run(self) -> tuple[np.ndarray, np.ndarray]:
        """The parameters (p,) and the covariance of their errors (p, p), in z."""
        middle = np.array([np.clip(u.z(float(self.nominal[u.columns].mean())), 0, 1) for u in self.wanted])
        z = self._begin(middle)
        kept = []
        for heat in (*COOLING, *[1.0] * ROUNDS[1]):
            self._linearise(z)
            self._eliminate(heat)
            kept.append((z, self.curvature, self.slope))
            total = self.curvature.sum(0)
            step = _bounded(total, self.slope.sum(0), np.maximum(-z, -FARTHEST), np.minimum(1 - z, FARTHEST))
            self._move(step)
            z = z + step
            if len(kept) < len(COOLING):
                continue
            if heat == 1:
                self._estimate_noise(step)
            self.reach = np.clip(2 * np.sqrt(np.diag(_inverse(total))), 2e-3, 0.05)
            if len(kept) >= len(COOLING) + ROUNDS[0] and step @ total @ step < len(z):
                break
        return self._pool(kept[-POOLED:])

    def _begin(self, nominal: np.ndarray) -> np.ndarray:
        """The nominal robot or the best of `STARTS` others, spread evenly over each range (Latin hypercube)."""
        self._linearise(nominal)
        self._eliminate(COOLING[0])
        order = self.rng.permuted(np.tile(np.arange(STARTS), (len(nominal), 1)), axis=1).T
        candidates = np.vstack([nominal, (order + self.rng.random(order.shape)) / STARTS])
        r = self.windows.residuals(self.values(candidates), np.repeat(self.starts[None], len(candidates), axis=0))
        r *= self._weights(COOLING[0])
        b = np.einsum("wri,cwr->cwi", self.B, r)
        cost = np.square(r).sum((1, 2)) - np.einsum("cwi,wij,cwj->c", b, self.inverse, b)
        return candidates[cost.argmin()]

    def _weights(self, heat: float = 1.0) -> np.ndarray:
        """(R,) by which residuals are multiplied. The first row is never trusted less: a start stays within its noise."""
        w = self.windows
        deviation = np.array([*self.noise.values(), 1.0])[w.group]
        return 1 / (deviation * np.where(w.first, 1.0, np.sqrt(heat)))

    def _linearise(self, z: np.ndarray) -> None:
        """r = offset + S xi + J (z' - z) + E eta, with xi and eta standard normal, from draws of xi and z'."""
        w, p, d = self.windows, len(z), len(self.windows.directions)
        half = max(1 + p + d, FEWEST // 2)
        xi = self.rng.standard_normal((half, w.count, d))
        xi = np.concatenate([xi, -xi])
        side = self.rng.uniform(-1.5, 1.5, (half, p))
        draws = np.clip(z + self.reach * np.concatenate([side, self.rng.permutation(-side)]), 0, 1)
        starts = np.repeat(self.starts[None], 2 * half, axis=0)
        starts[:, :, w.directions] += np.einsum("wij,mwj->mwi", self.factor, xi)
        r = np.moveaxis(w.residuals(self.values(draws), starts), 0, 1)  # (W, M, R)
        shift = np.repeat(((draws - z) / self.reach)[None], w.count, axis=0)
        x = np.concatenate([np.ones((w.count, 2 * half, 1)), np.moveaxis(xi, 0, 1), shift], axis=2)
        q, triangle = np.linalg.qr(x)
        slopes = np.linalg.solve(triangle, np.swapaxes(q, 1, 2) @ r)
        rest = (r - x @ slopes) * (JUMPS / np.sqrt(2 * half - x.shape[2]))  # by the degrees of freedom
        self.offset = slopes[:, 0]
        self.S, self.J = np.swapaxes(slopes[:, 1 : 1 + d], 1, 2), np.swapaxes(slopes[:, 1 + d :], 1, 2) / self.reach
        self.E = np.swapaxes(rest, 1, 2)

    def _eliminate(self, heat: float) -> None:
        """Curvature (W, p, p) and slope (W, p) of half the squared residuals in z, least over starts and jumps."""
        weights, d = self._weights(heat), self.S.shape[2]
        self.r, self.K = self.offset * weights, self.J * weights[:, None]
        self.B = np.concatenate([self.S, self.E], axis=2) * weights[:, None]
        bt = np.swapaxes(self.B, 1, 2)
        normal = bt @ self.B  # what is known of a start beforehand is in its first row's residuals
        normal[:, range(d, normal.shape[1]), range(d, normal.shape[1])] += 1.0
        self.inverse = np.linalg.inv(normal)
        self.cross, self.b = bt @ self.K, bt @ self.r[..., None]
        # What is left of K and r, below it what it costs in jumps: its products are never negative.
        gone, spent = self.inverse @ self.cross, self.inverse @ self.b
        k = np.concatenate([self.K - self.B @ gone, -gone[:, d:]], axis=1)
        r = np.concatenate([self.r[..., None] - self.B @ spent, -spent[:, d:]], axis=1)
        self.b = self.b[..., 0]
        kt = np.swapaxes(k, 1, 2)
        self.curvature, self.slope = kt @ k, (kt @ r)[..., 0]

    def _move(self, step: np.ndarray) -> None:
        """Put the starts where they are likeliest after this step of z, and draw them from what is left to doubt."""
        d = self.S.shape[2]
        self.likeliest = -np.einsum("wij,wj->wi", self.inverse, self.b + self.cross @ step)
        xi = np.clip(self.likeliest[:, :d], -4, 4)
        self.starts[:, self.windows.directions] += np.einsum("wij,wj->wi", self.factor, xi)
        self.factor = self.factor @ np.linalg.cholesky(self.inverse[:, :d, :d] + 1e-12 * np.eye(d))

    def _estimate_noise(self, step: np.ndarray) -> None:
        """Of each signal, the median over windows of the variance that makes its residuals as large as they are."""
        left = np.square(self.r + self.K @ step + np.einsum("wri,wi->wr", self.B, self.likeliest))
        free = 1 - np.einsum("wri,wij,wrj->wr", self.B, self.inverse, self.B)  # degrees of freedom
        for i, name in enumerate(self.windows.names):
            at = self.windows.group == i
            ratio = left[:, at].sum(1) / np.maximum(free[:, at].sum(1), 1e-6)
            self.noise[name] = max(self.noise[name] * float(np.sqrt(np.median(ratio))), LEAST_NOISE * NOISE[name])

    def _pool(self, kept: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
        """Where the mean of several rounds' quadratic models is least, and the covariance from the windows' disagreement."""
        curvature = np.mean([a for _, a, _ in kept], axis=0)
        slope = np.mean([g - a @ z for z, a, g in kept], axis=0)  # at z = 0
        total, (count, p) = curvature.sum(0), slope.shape
        z = _bounded(total, slope.sum(0), np.zeros(p), np.ones(p))
        scores = slope + curvature @ z
        scores -= scores.mean(0)
        inverse = _inverse(total)
        between = inverse @ (scores.T @ scores) @ inverse * count / (count - p)
        # A few windows may agree by chance: what the noise alone would give counts as much (Smyth, "Linear models and empirical
        # Bayes methods", 2004). The larger of the two would be too large: each is uncertain.
        return z, (between + inverse) / 2


def _inverse(curvature: np.ndarray) -> np.ndarray:
    """Covariance of errors (p, p); where the log says nothing, the error is the whole range."""
    return np.linalg.inv(curvature + np.eye(len(curvature)))


def _bounded(curvature: np.ndarray, slope: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Where x'Ax/2 + g'x is least within [low, high], (p,), by fixing what would leave it."""
    x, free = np.clip(0.0, low, high), np.ones(len(slope), bool)
    ridge = 1e-9 * np.trace(curvature) / len(slope) + 1e-300
    for _ in range(len(slope)):
        a = curvature[np.ix_(free, free)] + ridge * np.eye(free.sum())
        x[free] = -np.linalg.solve(a, slope[free] + curvature[np.ix_(free, ~free)] @ x[~free])
        out = (x < low) | (x > high)
        x = np.clip(x, low, high)
        if not (out & free).any():
            break
        free &= ~out
    return x
