"""The one exception that means "the input is wrong", and the nearest-name hint that goes with it."""

import difflib
from collections.abc import Iterable

MOST = 1e12  # of any number that people give; its square is still a float32


class SurefootError(ValueError):
    """Bad input, told in one line: the value, what was expected, the nearest valid choice.

    The command line prints it without a traceback and exits with code 2.
    """


def unknown(kind: str, name: str, choices: Iterable[str]) -> SurefootError:
    """Error for a name that is not among `choices`, with the nearest ones first."""
    return SurefootError(f"unknown {kind} {name!r}: {nearest(name, choices)}")


def nearest(name: str, choices: Iterable[str]) -> str:
    """The hint itself: the nearest names, or all of them where none is near."""
    choices = list(choices)
    if not choices:
        return "there is none"
    near = difflib.get_close_matches(name.lower(), choices, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(near)}?" if near else f"choose from {', '.join(sorted(choices)[:40])}"
