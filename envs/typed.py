"""Settings by name, as the command line and files have them, with the types that their dataclass says."""

import math
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from ..robots import SurefootError


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
            raise SurefootError(f"{kind} {name}={settings[name]!r}: {problem}") from error
        if isinstance(out[name], float) and not math.isfinite(out[name]):
            raise SurefootError(f"{kind} {name}={settings[name]!r}: expected a finite number")
    return out
