"""Options of a task by name: which there are, and what they may be."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from ..robots import SurefootError, unknown
from .tasks import CONFIGS
from .typed import Range, check_ranges, typed

RANGES: tuple[Range, ...] = (
    ("more than 0 s, at most 1e6", lambda x: 0 < x <= 1e6, ("episode_seconds", "period")),
    ("more than 0 s", lambda x: x > 0, ("mean_hold",)),  # infinite: the whole episode
    ("more than 0 Hz, at most 50", lambda x: 0 < x <= 50, ("gait_frequency",)),
    ("0 or more", lambda x: x >= 0, (
        "vx", "vy", "yaw", "noise", "push_interval", "push_speed", "swing_height", "reference_gait", "spread", "start", "stay",
        "least", "distance", "radius", "area",
    )),
    ("more than 0", lambda x: x > 0, ("success", "pace")),
    ("three probabilities, 0 to 1 each", lambda x: all(0 <= p <= 1 for p in x), ("active",)),
    ("1 at most, where the robot is upright", lambda x: x <= 1, ("min_up",)),
    ("the lowest and the highest, more than 0 m", lambda x: 0 < x[0] <= x[1], ("heights",)),
)  # fmt: skip


def checked_options(task: str, options: Mapping[str, Any], where: str = "") -> dict[str, Any]:
    """Options as a file or the command line has them, with the types that the task's configuration gives them.

    Raises `SurefootError` as `configured` does, and for values that cannot be converted; `where` is said first.
    """
    found = dict(options)
    if task in CONFIGS:
        found = typed(f"{where}option of task {task!r}", found, CONFIGS[task])
    configured(task, **found)
    return found


def configured(task: str, **options: Any) -> Any:
    """The task's configuration with some fields changed.

    Raises `SurefootError` for unknown names, with the nearest, and for values out of their ranges.
    """
    if task not in CONFIGS:
        if options:
            raise SurefootError(f"task {task!r} has no options, so {next(iter(options))!r} cannot be set")
        return None
    fields = {f.name for f in dataclasses.fields(CONFIGS[task])}
    for name in options:
        if name not in fields:
            raise unknown(f"option of task {task!r}", name, fields)
    config = CONFIGS[task](**options)
    check_ranges(f"option of task {task!r}", config, RANGES)
    return config
