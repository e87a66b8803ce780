"""Settings by name, as the command line and files have them, with the types that their dataclass says."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from ..robots import SurefootError
from ..robots.errors import MOST

Range = tuple[str, Callable[[Any], bool], tuple[str, ...]]  # in words, as a test, and the names that it is for


def typed(kind: str, settings: dict[str, Any], model: type) -> dict[str, Any]:
    """Settings with each value as the type that dataclass `model` gives its field; other names are left to the caller.

    Raises `SurefootError` naming the first value that cannot be converted; `kind` says of what it is.
    """
    types = get_type_hints(model)
    out = dict(settings)
    for name in settings.keys() & types.keys():
        alone = types[name] == tuple[str, ...] and isinstance(settings[name], str)  # a list of one on the command line
        try:
            out[name] = TypeAdapter(types[name]).validate_python([settings[name]] if alone else settings[name])
        except ValidationError as error:
            problem = error.errors()[0]["msg"].lower()
            raise SurefootError(f"{kind} {name}={shown(settings[name])}: {problem}") from error
        if not _sound(out[name]):
            what = "a finite number" if isinstance(out[name], int | float) else "finite numbers"
            raise SurefootError(f"{kind} {name}={shown(settings[name])}: expected {what}, at most {MOST:g}")
    return out


def _sound(value: Any) -> bool:
    """Whether every number in a setting, be it in a list or a mapping, is finite and not beyond all measure."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return all(map(_sound, value))
    return not isinstance(value, int | float) or abs(value) <= MOST


def shown(value: Any) -> str:
    """A setting as people are told it, cut where it is long."""
    text = f"{value:g}" if isinstance(value, int | float) and MOST < abs(value) < 1e308 else repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"


def check_ranges(kind: str, settings: Any, ranges: Sequence[Range]) -> None:
    """Raise `SurefootError` for the first of a dataclass's settings that is out of its range; `kind` says of what they are."""
    for expected, fits, names in ranges:
        for name in names:
            value = getattr(settings, name, None)  # where None is allowed, it leaves something out
            if value is not None and not fits(value):
                raise SurefootError(f"{kind} {name}={value}: expected {expected}")
