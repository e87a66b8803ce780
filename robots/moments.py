"""When a setting acts: `payload` from the start, `payload@5` from 5 s on, `payload@p0.01` from a step that chance picks."""

from dataclasses import dataclass

import numpy as np

from .errors import SurefootError


@dataclass(frozen=True, order=True)
class Moment:
    """When in an episode something changes: `seconds` after its start, or with `probability` at each control step."""

    seconds: float = 0.0
    probability: float = 0.0

    def __str__(self) -> str:
        return f"p{self.probability:g}" if self.probability else f"{self.seconds:g}"


def split_moment(key: str) -> tuple[str, Moment | None]:
    """("payload", Moment(5)) of "payload@5", ("payload", None) of "payload"; "@5.*" counts as the element's ".*".

    Raises `SurefootError` for a moment that is neither seconds nor a probability.
    """
    name, at, when = key.partition("@")
    if not at:
        return key, None
    if when.endswith(".*"):
        name, when = name + ".*", when[:-2]
    try:
        number = float(when.removeprefix("p"))
    except ValueError:
        number = np.nan
    chance = when.startswith("p")
    if not (0 < number <= 1 if chance else 0 < number < np.inf):
        raise SurefootError(
            f"{key!r}: expected {name}@5 (5 seconds into each episode) or {name}@p0.01 (with that probability a step)"
        )
    return name, Moment(probability=number) if chance else Moment(number)
