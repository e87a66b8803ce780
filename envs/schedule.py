"""Changes in mid-episode: at a time, or at a step that chance picks, some parameters of a robot become others.

Settings say so in their key (`robots.moments`): `payload@5` in `--vary`, `--set`, a `Task`, a `Variation` or a suite. Each
change happens once an episode; the next episode begins with the robot as it was at first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..robots.moments import Moment, split_moment
from ..robots.parameters import ParameterTable
from .simulation import Simulation


@dataclass(frozen=True)
class Later:
    """What n tasks change later on: at each of M moments, values (n, M, K), NaN where a parameter stays as it is."""

    moments: tuple[Moment, ...] = ()
    values: np.ndarray = field(default_factory=lambda: np.zeros((0, 0, 0)))


def later_of(settings: Sequence[Mapping[str, float | str]], table: ParameterTable) -> Later:
    """What tasks with these settings change in mid-episode. Raises `SurefootError` for illegal names or values."""
    found = [{key: split_moment(key) for key in row if "@" in key} for row in settings]
    moments = tuple(sorted({moment for row in found for _, moment in row.values() if moment is not None}))
    values = np.full((len(settings), len(moments), len(table.names)), np.nan)
    for i, (row, said) in enumerate(zip(settings, found, strict=True)):
        table.values(row)
        for key, (name, moment) in said.items():
            if moment is not None:
                table.assign(values[i, moments.index(moment)], name, row[key])
    return Later(moments, values)


class Schedule:
    """What the worlds of one environment change in mid-episode, and what of it has happened.

    Attributes:
        active: whether any world changes anything. moments: M, when. done: (N, M) bool, in this episode.
    """

    def __init__(self, num_worlds: int, control_dt: float):
        self.num_worlds, self.control_dt = num_worlds, control_dt
        self.active = False
        self._use(())

    def _use(self, moments: tuple[Moment, ...], columns: int = 0) -> None:
        shape = (self.num_worlds, len(moments))
        self.moments, self.done = moments, np.ones(shape, bool)
        self._values, self._start = np.full((*shape, columns), np.nan), np.zeros((self.num_worlds, columns))
        self._at = np.array([np.inf if m.probability else m.seconds for m in moments])
        self._chance = np.array([m.probability for m in moments])

    def set(
        self, ids: np.ndarray, start: np.ndarray, settings: Sequence[Mapping[str, float | str]], table: ParameterTable
    ) -> None:
        """Worlds `ids` (n,) have tasks with these settings, and begin with parameters `start` (n, K)."""
        if self.active or any("@" in key for row in settings for key in row):
            self.take(ids, start, later_of(settings, table), np.arange(len(ids)))

    def take(self, ids: np.ndarray, start: np.ndarray, later: Later, rows: np.ndarray) -> None:
        """Worlds `ids` (n,) change later what `rows` (n,) of `later` say, and begin with parameters `start` (n, K)."""
        if later.moments != self.moments:
            self._use(later.moments, start.shape[1])
            self.active = bool(later.moments)
        if self.active:
            self._values[ids], self._start[ids] = later.values[rows], start
            self.done[ids] = np.isnan(later.values[rows]).all(axis=2)

    def begin(self, ids: np.ndarray, sim: Simulation) -> None:
        """Worlds `ids` begin an episode: what has changed is as it was."""
        if not self.active:
            return
        nothing = np.isnan(self._values[ids]).all(axis=2)
        changed = ids[(self.done[ids] & ~nothing).any(axis=1)]
        if len(changed):
            sim.set_parameters(changed, self._start[changed])
        self.done[ids] = nothing

    def advance(self, lengths: np.ndarray, sim: Simulation, rng: np.random.Generator) -> None:
        """After a control step, of which the episodes (N,) now have `lengths`: change what is due."""
        due = ~self.done & (lengths[:, None] * self.control_dt >= self._at - 1e-9)
        if self._chance.any():
            due |= ~self.done & (rng.random(due.shape) < self._chance)
        for moment in range(len(self.moments)):
            ids = np.flatnonzero(due[:, moment])
            if len(ids):
                rows, new = sim.values[ids], self._values[ids, moment]
                rows[:, sim.table.columns("impulse")] = 0.0  # a blow is not dealt again because something else changes
                sim.set_parameters(ids, np.where(np.isnan(new), rows, new))
        self.done |= due
