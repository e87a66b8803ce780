"""How much of the gap between the randomised controller and an oracle a method closes, of curves by budget.

`methods` are the figures of a split in a row's file: by method, a curve for each seed. `key` names what a point has of each
task: returns, or the share of its robots that succeeded.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from one_by_one import GO_ON

from surefoot.controllers.statistics import bootstrap, gap_closed, mean

# Of the randomised controller's return or success: of a smaller lead any share is noise, since trainings differ by more.
LEAST = 0.01
RETURNS, SUCCESS = "task_returns", "task_success"


def gains_by_task(
    methods: Mapping[str, Any], method: str, seed: int, point: Mapping[str, Any], key: str = RETURNS
) -> dict[int, float]:
    """By how much a point of a method's curve is better than the randomised controller on the same robots, a task each."""
    start = methods[method][seed][0] if method in GO_ON else methods["randomised"][seed][-1]
    before = dict(zip(start["tasks"], start[key], strict=True))
    return {task: r - before[task] for task, r in zip(point["tasks"], point[key], strict=True)}


def oracle_of(
    methods: Mapping[str, Any], names: Sequence[str] = ("oracle", "finetune"), key: str = RETURNS
) -> tuple[str, dict[int, float]]:
    """Of those that were told, or trained on, the true robot, who gains most on the tasks that all met; mean over seeds."""
    found = {}
    for name in names:
        if curves := methods.get(name):
            gained = [gains_by_task(methods, name, k, curve[-1], key) for k, curve in enumerate(curves)]
            found[name] = {task: float(np.mean([g[task] for g in gained])) for task in gained[0]}
    if not found:
        return "nobody", {}
    met = set.intersection(*(set(one) for one in found.values()))
    return max(found.items(), key=lambda item: np.mean([item[1][task] for task in met]))


def is_gap(methods: Mapping[str, Any], best: Mapping[int, float], key: str = RETURNS) -> bool:
    """Whether `oracle_of`'s lead is one: its interval over tasks lies above 0, and it is `LEAST` of what is there anyway."""
    if not best:
        return False
    lead, usual = np.array(list(best.values())), np.mean([curve[-1][key] for curve in methods["randomised"]])
    return bool(bootstrap(mean, lead)[0] > 0 and lead.mean() >= LEAST * abs(usual))


def closed_by(
    methods: Mapping[str, Any],
    method: str,
    points: Sequence[Mapping[str, Any]],
    best: Mapping[int, float],
    key: str = RETURNS,
) -> np.ndarray:
    """The share of `oracle_of`'s lead that a method has at a point of its curves, one a seed: (S,)."""
    gained = [gains_by_task(methods, method, k, p, key) for k, p in enumerate(points)]
    met = [task for task in gained[0] if task in best]  # where a method has met only some
    ours = np.mean([[g[task] for task in met] for g in gained], axis=1)
    return gap_closed(ours, 0.0, np.mean([best[t] for t in met]))
