"""The curves of adaptations, out of what recordings say of the controllers that drove them."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from .recording import Recording

Curve = dict[str, Any]  # as `page.make_page` and `figures.curves_figure` take it


def adaptation_curves(adapted: Mapping[str, Any], label: str) -> list[Curve]:
    """Return and, where there is one, tracking, over wall-clock or over the time that robots have walked.

    `adapted` is `controllers.adapted.Adapted` as JSON. It may come from a stranger's file: [] where it is none.
    """
    names = ("seconds", "robot_seconds", "returns", "tracking")
    x, robot, returns, tracking = (_numbers(adapted.get(name)) for name in names)
    if not x or not len(x) == len(robot) == len(returns):
        return []
    shared: Curve = {"label": label, "x": x, "xlabel": "seconds of adaptation (wall-clock)"}
    shared |= {"also": {"seconds of robot time": robot}}
    method = str(adapted.get("method"))
    curves = [{**shared, "y": returns, "ylabel": f"return while adapting ({method})"}]
    if len(tracking) == len(x):
        curves.append({**shared, "y": tracking, "ylabel": f"tracking while adapting ({method}), 1 is perfect"})
    return curves


def curves_of(recordings: Sequence[Recording]) -> list[Curve]:
    """The curves of all adapted controllers, each once: the worlds of one file share theirs."""
    found: list[tuple[Any, list[Curve]]] = []
    for recording in recordings:
        adapted = recording.controller.get("adapted")
        if isinstance(adapted, Mapping) and adapted not in [known for known, _ in found]:
            found.append((adapted, adaptation_curves(adapted, recording.label)))
    return [curve for _, curves in found for curve in curves]


def _numbers(values: Any) -> list[float]:
    """Finite numbers, or [] for anything else."""
    if not isinstance(values, list | tuple) or not all(isinstance(v, int | float) for v in values):
        return []
    return [float(v) for v in values] if all(map(math.isfinite, values)) else []
