"""Tasks and distributions over tasks: which robot, exactly, does each world hold?"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from ..robots import SurefootError
from ..robots.moments import split_moment
from ..robots.parameters import ParameterTable
from .schedule import Later

LAWS = ("uniform", "loguniform", "area", "choice")


@dataclass(frozen=True)
class Task:
    """One draw: a goal plus the parameter values that differ from nominal.

    Attributes:
        parameters: e.g. {"payload": 6.0, "motor_strength.front_left": 0.4, "dead_actuator": "rear_left_calf"}; with a
            moment, what changes in mid-episode: {"dead_actuator@5": "rear_left_calf"} after 5 s (`robots.moments`).
        goal: what is asked, by name, as the task's `command_names` say; `velocity` reads vx, vy (m/s) and yaw (rad/s).
    """

    parameters: Mapping[str, float | str] = field(default_factory=dict)
    goal: Mapping[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        settings = [f"{k}={v}" for k, v in {**self.parameters, **self.goal}.items()]
        return ", ".join(settings) or "nominal"


@dataclass(frozen=True)
class Term:
    """The law of one parameter: uniform, loguniform or area on [low, high], or a choice among `options`.

    `area` is the law of the distance from the centre of points that are uniform over a disc or ring of these radii. With
    `each`, every element is drawn by itself; otherwise one value is shared by all that `key` names.
    """

    key: str
    law: Literal["uniform", "loguniform", "area", "choice"]
    low: float = 0.0
    high: float = 0.0
    options: tuple[float | str, ...] = ()
    each: bool = False

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Numbers of this law; options must be numbers."""
        if self.law == "choice":
            return np.array(self.options, dtype=float)[rng.integers(len(self.options), size=shape)]
        if self.law == "loguniform":
            return np.asarray(np.exp(rng.uniform(np.log(self.low), np.log(self.high), shape)))
        if self.law == "area":
            return np.asarray(np.sqrt(rng.uniform(self.low**2, self.high**2, shape)))
        return rng.uniform(self.low, self.high, shape)


@dataclass(frozen=True)
class Variation:
    """A distribution over tasks: independent terms, applied in order.

    >>> Variation.parse({"motor_strength.*": "0.8:1.2", "payload": "0:3", "friction": "log:0.3:1.5"})
    """

    terms: tuple[Term, ...] = ()

    @classmethod
    def parse(cls, settings: Mapping[str, str]) -> "Variation":
        """From the command line's grammar, {key: law}.

        `low:high` is uniform, `log:low:high` log-uniform, `area:low:high` a radius whose points are uniform over the ring,
        `a|b|c` a choice (numbers, or names for a flag; `none` is nominal), a single number fixes the value. A key that ends
        with `.*` draws each element by itself. `payload@5` is drawn with the rest and acts from 5 s on, `payload@p0.01` from a
        control step that comes with that probability.
        """
        return cls(tuple(_parse_term(key, text) for key, text in settings.items()))

    def sample(self, rng: np.random.Generator, n: int, table: ParameterTable) -> np.ndarray:
        """Values (n, K) of `n` tasks; columns without a term are nominal."""
        values = np.repeat(table.nominal[None], n, axis=0)
        for term in self.terms:
            if "@" not in term.key:
                self._draw(term, rng, values, table)
        return values

    @property
    def later(self) -> bool:
        """Whether anything changes in mid-episode."""
        return any("@" in term.key for term in self.terms)

    def sample_later(self, rng: np.random.Generator, n: int, table: ParameterTable) -> tuple[Later, np.ndarray]:
        """What `n` tasks change in mid-episode, and 0 to n - 1, which are which."""
        when = [(term, split_moment(term.key)[1]) for term in self.terms if "@" in term.key]
        moments = tuple(sorted({moment for _, moment in when if moment is not None}))
        values = np.full((n, len(moments), len(table.names)), np.nan)
        for term, moment in when:
            if moment is not None:
                self._draw(term, rng, values[:, moments.index(moment)], table)
        return Later(moments, values), np.arange(n)

    def check(self, table: ParameterTable) -> None:
        """Raise `SurefootError` for a key or a range that `table` does not allow."""
        table.check_keys(term.key for term in self.terms)
        for term in self.terms:
            if not term.options and term.low < term.high and table.parameter(without_star(term.key)).law == "flag":
                raise SurefootError(
                    f"range {term.low:g}:{term.high:g} for {term.key!r}: expected 0|1, or names of elements"
                )
            bounds: tuple[float | str, ...] = term.options or (term.low, term.high)
            for bound in bounds:
                table.values({without_star(term.key): bound})

    @staticmethod
    def _draw(term: Term, rng: np.random.Generator, values: np.ndarray, table: ParameterTable) -> None:
        columns = table.columns(without_star(term.key))
        shape = (len(values), len(columns) if term.each else 1)
        if any(isinstance(o, str) for o in term.options):
            picks = rng.integers(len(term.options), size=shape)
            rows = np.repeat(table.nominal[None], len(term.options), axis=0)
            for row, option in zip(rows, term.options, strict=True):
                table.assign(row, without_star(term.key), option)
            every = table.columns(without_star(term.key).split(".")[0])
            values[:, every] = rows[picks[:, 0]][:, every]
        else:
            values[:, columns] = term.sample(rng, shape)


def without_star(key: str) -> str:
    """The parameter's key, without what says that each element is drawn by itself, and without its moment."""
    return split_moment(key)[0].removesuffix(".*")


def _parse_term(key: str, text: str) -> Term:
    each = key.endswith(".*")
    if "|" in text:
        return Term(key, "choice", options=tuple(_number_or_name(o.strip()) for o in text.split("|")), each=each)
    law: Literal["uniform", "loguniform", "area"] = "uniform"
    parts = text.split(":")
    if parts[0] in ("log", "area"):
        law = "loguniform" if parts[0] == "log" else "area"
        parts = parts[1:]
    try:
        numbers = [float(p) for p in parts]
    except ValueError:
        if len(parts) == 1 and law == "uniform":
            return Term(key, "choice", options=(text,), each=each)
        numbers = []
    if len(numbers) == 1 and law == "uniform":
        numbers *= 2
    if len(numbers) != 2:
        raise SurefootError(
            f"range {text!r} for {key!r}: expected low:high, log:low:high, area:low:high, a|b|c or a single value"
        )
    low, high = numbers
    if not low <= high or not np.isfinite(numbers).all():
        raise SurefootError(f"range {text!r} for {key!r}: expected low <= high, both finite")
    if law == "loguniform" and low <= 0:
        raise SurefootError(f"range {text!r} for {key!r}: a log-uniform range must start above 0")
    if law == "area" and low < 0:
        raise SurefootError(f"range {text!r} for {key!r}: a radius must not be below 0")
    return Term(key, law, low, high, each=each)


def _number_or_name(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
