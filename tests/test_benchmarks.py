"""What benchmarks make of their figures: the tables of docs/results.md."""

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture
def criteria(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("criteria")


def fitted(coverages: dict[str, tuple[float, ...]]) -> dict[str, Any]:
    rows = [
        {"seed": seed, "parameter": name, "median_error_over_true": 0.01, "coverage": value}
        for name, values in coverages.items() for seed, value in enumerate(values)
    ]  # fmt: skip
    return {"parameters": rows}


def test_intervals_are_judged_by_the_worst_parameter(criteria: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """One too wide and one too narrow are not right on average; of several seeds the mean of each parameter counts."""
    files = {
        "identification": fitted({"payload": (1.0,), "friction": (0.8,), "motor_strength.a": (0.94,)}),
        "identify": fitted({"payload": (0.86, 0.98), "friction": (0.9, 0.9), "motor_strength.a": (0.9, 0.9)}),
    }
    monkeypatch.setattr(criteria, "figures", files.__getitem__)
    *_, last = criteria.parameters()
    assert {name: value for name, (value, _) in last.reached.items()} == pytest.approx({"fit": 0.1, "identify": 0.02})
    assert last.what.endswith("of the worst parameter")
    assert last.cells()[-1] == "met"
