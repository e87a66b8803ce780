"""Which robots of a variation are trained on, and how that depends on what came of it.

Every sampler has `draw`, which gives the parameters of n robots and a number for each, and `feedback`, which is told that
number with the episode's return. `state` and `restore` make a training that is resumed go on as it would have; `report` is for
the log.

- `uniform`: as the variation's laws say. Kept for the common interface; without a sampler `BatchEnv` draws the same laws.
- `grid`: every combination of evenly spaced values of the ranges, in turn, in an order that is shuffled in each round.
- `plr`: prioritised level replay (Jiang, Grefenstette & Rocktaeschel, 2021), scored by regret.
- `adr`: automatic domain randomisation (OpenAI, 2019, "Solving Rubik's cube with a robot hand", section 5).
"""

import itertools
from typing import ClassVar, Protocol

import numpy as np

from ..robots import SurefootError, unknown
from ..robots.parameters import ParameterTable
from .variation import Term, Variation, without_star

Arrays = dict[str, np.ndarray]


class Sampler(Protocol):
    """What `BatchEnv` asks of a sampler."""

    def draw(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Parameter values (n, K) of `n` robots, and a number (n,) by which each is known to `feedback`; -1: not at all."""

    def feedback(self, which: np.ndarray, scores: np.ndarray) -> None:
        """Episodes on the robots `which` (n,) ended with these returns (n,)."""

    def state(self) -> Arrays:
        """What it has learnt, in arrays without NaN."""

    def restore(self, state: Arrays) -> None:
        """Take `state`. Raises `SurefootError` where that is of another variation."""

    def report(self) -> dict[str, float]:
        """Numbers for the log, by name."""


class Uniform:
    """As the variation's laws say."""

    def __init__(self, variation: Variation, table: ParameterTable):
        self.variation, self.table = variation, table

    def draw(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """See `Sampler`."""
        return self.variation.sample(rng, n, self.table), np.full(n, -1, np.int64)

    def feedback(self, which: np.ndarray, scores: np.ndarray) -> None:
        """Returns change nothing."""

    def state(self) -> Arrays:
        """Nothing."""
        return {}

    def restore(self, state: Arrays) -> None:
        """Nothing to take."""

    def report(self) -> dict[str, float]:
        """Nothing."""
        return {}


class Grid(Uniform):
    """Combinations of evenly spaced values (evenly in the law's own measure), each once a round.

    Attributes:
        rows: (R, K) parameter values of the combinations.
    """

    LARGEST: ClassVar[int] = 4096  # combinations

    def __init__(self, variation: Variation, table: ParameterTable):
        super().__init__(variation, table)
        terms = [t for t in variation.terms if "@" not in t.key]
        free = [t for t in terms if t.law != "choice" and t.low < t.high]
        fixed = int(np.prod([max(len(t.options), 1) for t in terms]))
        points = 1
        while fixed * (points + 1) ** len(free) <= self.LARGEST and points < 64 and free:
            points += 1
        if any(t.each for t in terms):
            raise SurefootError("a grid gives each parameter one value: expected keys without '.*'")
        if fixed > self.LARGEST or (free and points < 2):
            raise SurefootError(
                f"a grid over {len(terms)} parameters has more than {self.LARGEST} combinations: expected fewer of them"
            )
        choices = [_points(term, points, table) for term in terms]
        rows = []
        for combination in itertools.product(*choices):
            row = table.nominal.copy()
            for columns, value in combination:
                row[columns] = value
            rows.append(row)
        self.rows = np.array(rows)
        self._order, self._next = np.zeros(0, np.int64), 0

    def draw(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """See `Sampler`."""
        picks = np.empty(0, np.int64)
        while len(picks) < n:
            if self._next == len(self._order):
                self._order, self._next = rng.permutation(len(self.rows)), 0
            some = self._order[self._next : self._next + n - len(picks)]
            self._next += len(some)
            picks = np.concatenate([picks, some])
        return self.rows[picks], np.full(n, -1, np.int64)

    def state(self) -> Arrays:
        """Where in the round it is."""
        return {"order": self._order.copy(), "next": np.array([self._next])}

    def restore(self, state: Arrays) -> None:
        """See `Sampler`."""
        if len(state["order"]) not in (0, len(self.rows)):
            raise SurefootError(
                f"the sampler's state is of {len(state['order'])} combinations, not of {len(self.rows)}"
            )
        self._order, self._next = state["order"].astype(np.int64), int(state["next"][0])


class PrioritizedReplay(Uniform):
    """Prioritised level replay: with probability `REPLAY` a robot that was seen before, most likely one with much to learn on.

    A robot's score is its regret: the best return that any episode on it had, less that of the last one (MaxMC: Jiang et al.,
    2021, "Replay-guided adversarial environment design", from which capacity and replay probability are, too); of a robot
    seen once that is taken from the best return of all robots. P = (1 - STALENESS) P_S + STALENESS P_C; P_S is proportional to
    rank^(-1 / TEMPERATURE) of the scores, P_C to the number of draws since the robot was last played. When all places are
    taken, a new robot takes that of the one with the lowest P.

    Attributes:
        rows: (CAPACITY, K) robots. best, last: (CAPACITY,) returns. episodes: (CAPACITY,), ended on each; 0: not played yet.
        played: (CAPACITY,) draw in which each was last dealt. clock: draws so far. size: places taken.
    """

    CAPACITY: ClassVar[int] = 4000
    REPLAY: ClassVar[float] = 0.5
    TEMPERATURE: ClassVar[float] = 0.1
    STALENESS: ClassVar[float] = 0.3

    def __init__(self, variation: Variation, table: ParameterTable, capacity: int = CAPACITY):
        super().__init__(variation, table)
        self.capacity = capacity
        self.rows = np.zeros((capacity, len(table.names)))
        self.best, self.last, self.played = np.zeros(capacity), np.zeros(capacity), np.zeros(capacity)
        self.episodes, self.name = np.zeros(capacity, np.int64), np.full(capacity, -1, np.int64)
        self.size = self.clock = self.replayed = self._names = 0

    def scores(self) -> np.ndarray:
        """Regret of each of the robots that were played, (size,); 0 of those that were not."""
        n = self.size
        known = self.episodes[:n] > 0
        top = self.best[:n][known].max(initial=-np.inf)
        regret = np.where(self.episodes[:n] > 1, self.best[:n], top) - self.last[:n]
        return np.where(known, regret, 0.0)

    def probabilities(self) -> np.ndarray:
        """P of each robot, (size,); only those that were played can be replayed."""
        known = self.episodes[: self.size] > 0
        p = np.zeros(self.size)
        if not known.any():
            return p
        scores = self.scores()[known]
        rank = np.empty(len(scores))
        rank[np.argsort(-scores, kind="stable")] = np.arange(1, len(scores) + 1)
        by_score = rank ** (-1 / self.TEMPERATURE)
        stale = self.clock - self.played[: self.size][known]
        by_age = stale / stale.sum() if stale.sum() else np.full(len(stale), 1 / len(stale))
        p[known] = (1 - self.STALENESS) * by_score / by_score.sum() + self.STALENESS * by_age
        return p / p.sum()

    def draw(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """See `Sampler`; the number of a robot is never given to another one."""
        self.clock += 1
        p = self.probabilities()
        old = rng.random(n) < self.REPLAY if p.any() else np.zeros(n, bool)
        places = np.empty(n, np.int64)
        places[old] = rng.choice(self.size, size=int(old.sum()), p=p) if old.any() else 0
        self.replayed = int(old.sum())
        new = np.flatnonzero(~old)
        fresh = self.variation.sample(rng, len(new), self.table)
        values = np.empty((n, self.rows.shape[1]))
        values[old] = self.rows[places[old]]
        values[new] = fresh
        free = min(len(new), self.capacity - self.size)
        taken = np.arange(self.size, self.size + free)
        if len(new) > free:
            # Those that were played and promise least make room; beyond them a new robot is not kept.
            order = np.argsort(p, kind="stable")
            droppable = order[(self.episodes[order] > 0) & ~np.isin(order, places[old])]
            taken = np.concatenate([taken, droppable[: len(new) - free]])
        kept = new[: len(taken)]
        places[new] = -1
        places[kept] = taken
        self.size += free
        self.rows[taken], self.episodes[taken] = fresh[: len(taken)], 0
        self.best[taken] = self.last[taken] = 0.0
        self.name[taken] = self._names + np.arange(len(taken))
        self._names += len(taken)
        dealt = places[places >= 0]
        self.played[dealt] = self.clock
        return values, np.where(places >= 0, self.name[np.maximum(places, 0)], -1)

    def feedback(self, which: np.ndarray, scores: np.ndarray) -> None:
        """See `Sampler`."""
        place = {int(name): i for i, name in enumerate(self.name[: self.size])} if len(which) else {}
        for name, score in zip(which, scores, strict=True):  # of the few worlds that end in a step
            i = place.get(int(name), -1)
            if i >= 0 and np.isfinite(score):
                self.best[i] = score if self.episodes[i] == 0 else max(self.best[i], score)
                self.last[i] = score
                self.episodes[i] += 1

    def state(self) -> Arrays:
        """See `Sampler`."""
        n = self.size
        arrays = {k: getattr(self, k)[:n].copy() for k in ("rows", "best", "last", "played", "episodes", "name")}
        return arrays | {"counts": np.array([self.clock, self._names])}

    def restore(self, state: Arrays) -> None:
        """See `Sampler`. Robots that were not played when the state was saved are forgotten as unplayed ones."""
        if state["rows"].shape[1:] != self.rows.shape[1:] or len(state["rows"]) > self.capacity:
            raise SurefootError(f"the sampler's state is of robots with {state['rows'].shape[1]} parameters")
        self.size = len(state["rows"])
        for k in ("rows", "best", "last", "played", "episodes", "name"):
            getattr(self, k)[: self.size] = state[k]
        self.clock, self._names = (int(v) for v in state["counts"])

    def report(self) -> dict[str, float]:
        """See `Sampler`."""
        known = self.episodes[: self.size] > 0
        scores = self.scores()[known]
        if not len(scores):
            return {"plr/robots": float(self.size)}
        return {
            "plr/robots": float(self.size),
            "plr/regret_mean": float(scores.mean()),
            "plr/regret_max": float(scores.max()),
            "plr/staleness": float((self.clock - self.played[: self.size][known]).mean()),
        }


class AutomaticRandomisation(Uniform):
    """Automatic domain randomisation: ranges begin at the nominal robot and follow performance at their edges.

    A robot is drawn uniformly from the ranges; with probability `EDGE` one bound of one term is picked and its parameter set to
    it. When `BUFFER` episodes at a bound have ended, the bound moves: outwards by 1 / `STEPS` of the way from nominal to the
    variation's own bound where their mean return is `high` or more, inwards where it is `low` or less.

    Attributes:
        widths: (T, 2) how far each term's lower and upper bound have gone, 0 (nominal) to 1 (the variation's).
        returns: for each term and side, the returns that wait for a decision.
    """

    EDGE: ClassVar[float] = 0.5
    BUFFER: ClassVar[int] = 32  # OpenAI's 240 is for thousands of machines
    STEPS: ClassVar[int] = 20

    def __init__(self, variation: Variation, table: ParameterTable, low: float, high: float):
        super().__init__(variation, table)
        if not low < high:
            raise SurefootError(f"adr_low={low:g}, adr_high={high:g}: expected two returns, the first below the second")
        self.low, self.high = low, high
        self.terms = tuple(t for t in variation.terms if "@" not in t.key)
        for term in self.terms:
            if term.law == "choice":
                raise SurefootError(
                    f"sampler adr widens ranges: {term.key!r} is a choice, expected {term.key}=low:high"
                )
        self._columns = [table.columns(without_star(t.key)) for t in self.terms]
        self._bounds = np.array([[t.low, t.high] for t in self.terms])
        nominal = np.array([table.nominal[c[0]] for c in self._columns])
        # A range that does not hold the nominal value begins at the bound that is nearest to it.
        self._centre = np.clip(nominal, self._bounds[:, 0], self._bounds[:, 1])
        self.widths = np.zeros((len(self.terms), 2))
        self.returns: list[list[list[float]]] = [[[], []] for _ in self.terms]

    def ranges(self) -> np.ndarray:
        """The bounds of now, (T, 2)."""
        return self._centre[:, None] + self.widths * (self._bounds - self._centre[:, None])

    def draw(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """See `Sampler`; the number is 2 t + side for a robot at a bound."""
        ranges = self.ranges()
        values = np.repeat(self.table.nominal[None], n, axis=0)
        edges = np.where(rng.random(n) < self.EDGE, rng.integers(2 * len(self.terms), size=n), -1)
        for t, (term, columns) in enumerate(zip(self.terms, self._columns, strict=True)):
            inside = Term(term.key, term.law, float(ranges[t, 0]), float(ranges[t, 1]), each=term.each)
            values[:, columns] = inside.sample(rng, (n, len(columns) if term.each else 1))
            for side in (0, 1):
                values[np.ix_(edges == 2 * t + side, columns)] = ranges[t, side]
        return values, edges

    def feedback(self, which: np.ndarray, scores: np.ndarray) -> None:
        """See `Sampler`."""
        for edge, score in zip(which, scores, strict=True):  # of the few worlds that end in a step
            if edge < 0 or not np.isfinite(score):
                continue
            t, side = divmod(int(edge), 2)
            waiting = self.returns[t][side]
            waiting.append(float(score))
            if len(waiting) >= self.BUFFER:
                mean = float(np.mean(waiting))
                move = (mean >= self.high) - (mean <= self.low)
                self.widths[t, side] = np.clip(self.widths[t, side] + move / self.STEPS, 0.0, 1.0)
                waiting.clear()

    def state(self) -> Arrays:
        """See `Sampler`."""
        counts = np.array([[len(side) for side in term] for term in self.returns])
        waiting = np.array([score for term in self.returns for side in term for score in side])
        return {"widths": self.widths.copy(), "counts": counts, "returns": waiting}

    def restore(self, state: Arrays) -> None:
        """See `Sampler`."""
        if state["widths"].shape != self.widths.shape:
            raise SurefootError(f"the sampler's state is of {len(state['widths'])} ranges, not of {len(self.widths)}")
        self.widths[:] = state["widths"]
        waiting = iter(state["returns"].tolist())
        self.returns = [[list(itertools.islice(waiting, int(n))) for n in term] for term in state["counts"]]

    def report(self) -> dict[str, float]:
        """See `Sampler`."""
        found = {"adr/width": float(self.widths.mean())}
        for term, (low, high) in zip(self.terms, self.ranges(), strict=True):
            found |= {f"adr/{term.key}_low": float(low), f"adr/{term.key}_high": float(high)}
        return found


SAMPLERS = ("uniform", "grid", "plr", "adr")


def make_sampler(
    name: str, variation: Variation, table: ParameterTable, adr_low: float | None = None, adr_high: float | None = None
) -> Sampler:
    """A sampler by its name. `adr_low` and `adr_high`: mean returns at which ADR narrows and widens a range.

    Raises `SurefootError` for an unknown name, and for a variation that the sampler cannot draw from.
    """
    if name not in SAMPLERS:
        raise unknown("sampler", name, SAMPLERS)
    variation.check(table)
    if name == "adr":
        if adr_low is None or adr_high is None:
            raise SurefootError("sampler adr needs adr_low and adr_high: returns at which a range narrows and widens")
        return AutomaticRandomisation(variation, table, adr_low, adr_high)
    return {"uniform": Uniform, "grid": Grid, "plr": PrioritizedReplay}[name](variation, table)


def _points(term: Term, points: int, table: ParameterTable) -> list[tuple[np.ndarray, np.ndarray | float]]:
    """Columns and values of each of a term's grid points."""
    key = without_star(term.key)
    columns = table.columns(key)
    if any(isinstance(option, str) for option in term.options):
        every, found = table.columns(key.split(".")[0]), []
        for option in term.options:
            row = table.nominal.copy()
            table.assign(row, key, option)
            found.append((every, row[every]))
        return found
    if term.law == "choice":
        return [(columns, float(option)) for option in term.options]
    if term.low == term.high:
        return [(columns, term.low)]
    share = np.linspace(0, 1, points)
    if term.law == "loguniform":
        return [(columns, float(v)) for v in np.exp(np.log(term.low) + share * np.log(term.high / term.low))]
    if term.law == "area":
        return [(columns, float(v)) for v in np.sqrt(term.low**2 + share * (term.high**2 - term.low**2))]
    return [(columns, float(v)) for v in term.low + share * (term.high - term.low)]
