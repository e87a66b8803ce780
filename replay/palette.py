"""One colour a recording, the same on the page, in pictures and in videos."""

from collections.abc import Sequence
from itertools import cycle

# (on light, on dark) backgrounds: Okabe and Ito's colours, which the colour-blind tell apart, darkened or lightened until
# text in them is readable (contrast 4.5 or more on the page's background).
_ROLES = {"before": ("#b25000", "#f09a3e"), "after": ("#00629b", "#5ab4ec"), "oracle": ("#00704f", "#33c296")}
_OTHERS = (
    ("#9a4a7d", "#dd92bf"),  # purple
    ("#6b5b00", "#d9c63a"),  # yellow
    ("#54575c", "#b4b8bf"),  # grey
)


def colours(labels: Sequence[str]) -> list[tuple[str, str]]:
    """(on light, on dark) hex colours: "before" orange, "after" blue, "oracle" green, others in order of appearance."""
    chosen: list[tuple[str, str]] = []
    others = cycle(_OTHERS)
    for label in labels:
        role = _ROLES.get(label.lower())
        chosen.append(next(others) if role is None or role in chosen else role)
    return chosen
