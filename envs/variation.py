"""Tasks and distributions over tasks: which robot, exactly, does each world hold?"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from ..robots import SurefootError
from ..robots.parameters import ParameterTable

LAWS = ("uniform", "loguniform", "choice")


@dataclass(frozen=True)
class Task:
    """One draw: a goal plus the parameter values that differ from nominal.

    Attributes:
        parameters: e.g. {"payload": 6.0, "motor_strength.front_left": 0.4, "dead_actuator": "rear_left_calf"}.
        goal: what is asked, by name; `velocity` reads vx, vy (m/s) and yaw (rad/s) as a fixed command.
    """

    parameters: Mapping[str, float | str] = field(default_factory=dict)
    goal: Mapping[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        settings = [f"{k}={v}" for k, v in {**self.parameters, **self.goal}.items()]
        return ", ".join(settings) or "nominal"


@dataclass(frozen=True)
class Term:
    """The law of one parameter: uniform and loguniform on [low, high], or a choice among `options`.

    With `each`, every element is drawn by itself; otherwise one value is shared by all that `key` names.
    """

    key: str
    law: Literal["uniform", "loguniform", "choice"]
    low: float = 0.0
    high: float = 0.0
    options: tuple[float | str, ...] = ()
    each: bool = False


@dataclass(frozen=True)
class Variation:
    """A distribution over tasks: independent terms, applied in order.

    >>> Variation.parse({"motor_strength.*": "0.8:1.2", "payload": "0:3", "friction": "log:0.3:1.5"})
    """

    terms: tuple[Term, ...] = ()

    @classmethod
    def parse(cls, settings: Mapping[str, str]) -> "Variation":
        """From the command line's grammar, {key: law}.

        `low:high` is uniform, `log:low:high` log-uniform, `a|b|c` a choice (numbers, or names for a flag; `none` is
        nominal), a single number fixes the value. A key that ends with `.*` draws each element by itself.
        """
        return cls(tuple(_parse_term(key, text) for key, text in settings.items()))

    def sample(self, rng: np.random.Generator, n: int, table: ParameterTable) -> np.ndarray:
        """Values (n, K) of `n` tasks; columns without a term are nominal."""
        values = np.repeat(table.nominal[None], n, axis=0)
        for term in self.terms:
            self._draw(term, rng, values, table)
        return values

    def check(self, table: ParameterTable) -> None:
        """Raise `SurefootError` for a key or a range that `table` does not allow."""
        for term in self.terms:
            bounds: tuple[float | str, ...] = term.options or (term.low, term.high)
            for bound in bounds:
                table.values({_without_star(term.key): bound})

    @staticmethod
    def _draw(term: Term, rng: np.random.Generator, values: np.ndarray, table: ParameterTable) -> None:
        columns = table.columns(_without_star(term.key))
        shape = (len(values), len(columns) if term.each else 1)
        if term.law == "choice":
            picks = rng.integers(len(term.options), size=shape)
            if any(isinstance(o, str) for o in term.options):
                rows = np.repeat(table.nominal[None], len(term.options), axis=0)
                for row, option in zip(rows, term.options, strict=True):
                    table.assign(row, _without_star(term.key), option)
                every = table.columns(term.key.split(".")[0])
                values[:, every] = rows[picks[:, 0]][:, every]
            else:
                values[:, columns] = np.array(term.options, dtype=float)[picks]
        elif term.law == "loguniform":
            values[:, columns] = np.exp(rng.uniform(np.log(term.low), np.log(term.high), shape))
        else:
            values[:, columns] = rng.uniform(term.low, term.high, shape)


def _without_star(key: str) -> str:
    return key.removesuffix(".*")


def _parse_term(key: str, text: str) -> Term:
    each = key.endswith(".*")
    if "|" in text:
        return Term(key, "choice", options=tuple(_number_or_name(o.strip()) for o in text.split("|")), each=each)
    law, parts = "uniform", text.split(":")
    if parts[0] == "log":
        law, parts = "loguniform", parts[1:]
    try:
        numbers = [float(p) for p in parts]
    except ValueError:
        if len(parts) == 1 and law == "uniform":
            return Term(key, "choice", options=(text,), each=each)
        numbers = []
    if len(numbers) == 1 and law == "uniform":
        numbers *= 2
    if len(numbers) != 2:
        raise SurefootError(f"range {text!r} for {key!r}: expected low:high, log:low:high, a|b|c or a single value")
    low, high = numbers
    if not low <= high or not np.isfinite(numbers).all():
        raise SurefootError(f"range {text!r} for {key!r}: expected low <= high, both finite")
    if law == "loguniform" and low <= 0:
        raise SurefootError(f"range {text!r} for {key!r}: a log-uniform range must start above 0")
    return Term(key, "loguniform" if law == "loguniform" else "uniform", low, high, each=each)


def _number_or_name(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
