"""Sections, tables and numbers of docs/results.md; for `report.py` and `adaptation_tables.py`."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from common import RESULTS

from surefoot.controllers.statistics import bootstrap, mean

Result = Mapping[str, Any]


def read(name: str) -> Result | None:
    """A result, or None where it has not been measured."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def section(
    title: str, result: Result, columns: Sequence[str], rows: Sequence[Sequence[Any]], note: str = ""
) -> list[str]:
    """A heading, where the figures come from, and a table."""
    lines = ["", f"### {title}", "", *([note, ""] if note else []), *table(columns, rows)]
    return [*lines, "", f"`{result['command']}`, {result['date'][:10]}, {result['machine']['cpu']}"]


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """Lines of Markdown."""
    head, *lines = (f"| {' | '.join(map(str, row))} |" for row in (columns, *rows))
    return [head, "|" + "---|" * len(columns), *lines]


def share(values: Sequence[float]) -> str:
    return f"{100 * float(np.mean(values)):.0f} %"


def interval(values: np.ndarray, digits: int = 1) -> str:
    """Mean and 95 % interval over seeds (S,)."""
    values = np.asarray(values, float)
    text = f"{values.mean():,.{digits}f}"
    if len(values) < 2:
        return text
    low, high = bootstrap(mean, values)
    return f"{text} [{low:,.{digits}f}, {high:,.{digits}f}]"


def measured(figures: Mapping[str, Any], key: str, digits: int) -> str:
    """A value and its interval, which stands beside it as `interval`."""
    low, high = figures["interval"]
    return f"{figures[key]:,.{digits}f} [{low:,.{digits}f}, {high:,.{digits}f}]"


def percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"


def number(value: float | None) -> str:
    return "–" if value is None or np.isnan(value) else f"{value:.3f}"


def bracketed(figures: Mapping[str, Any], key: str, digits: int) -> str:
    value, around = figures.get(key), figures.get(f"{key}_interval")
    if value is None:
        return "–"
    if key == "gap_closed" and around and None in around:  # in some draws the oracle is no better
        return "no gap"
    text = f"{value:,.{digits}f}"
    return text if not around or None in around else f"{text} [{around[0]:,.{digits}f}, {around[1]:,.{digits}f}]"
