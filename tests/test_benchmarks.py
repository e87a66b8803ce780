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


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("adaptation_tables")


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


def test_losses_are_judged_by_the_worst_motor(criteria: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    losses = {"rma, calf": (0.8,), "rma, hip": (0.1, 0.5), "recurrent, hip": (1.0,), "oracle, hip": (1.0,)}
    figures = {"motor_loss": {loss: [{"follows_within_2_s": v} for v in of] for loss, of in losses.items()}}
    monkeypatch.setattr(criteria, "figures", {"motor-loss": figures}.__getitem__)
    assert criteria.after_losses("follows_within_2_s") == {"rma": (0.3, 2), "recurrent": (1.0, 1)}


def test_the_gap_of_methods_that_meet_few_robots_is_that_on_these_robots(tables: ModuleType) -> None:
    """Three robots, of which the last two are met; the told oracle gains 50 there, fine-tuning 300: that is the gap."""
    methods = {"randomised": {"mean": 100, "task_returns": [[0, 100, 200]]},
               "oracle": {"mean": 150, "task_returns": [[50, 150, 250]]}}  # fmt: skip

    def curve(*returns: float) -> list[list[dict[str, Any]]]:
        point = {"robot_seconds": 10.0, "tasks": [1, 2]}
        return [[{**point, "return": sum(r) / 2, "task_returns": r} for r in ([110.0, 190.0], list(returns))]]

    alone = {"twin": curve(260, 280), "finetune": curve(400, 500), "search": curve(190, 230)}
    asked = {method: {"extreme": {"over_asked": 1.0, "asked": 1.0}} for method in alone}

    def closed(alone: dict[str, Any], methods: dict[str, Any]) -> dict[str, str]:
        found = {"one_by_one": {"extreme": alone}, "published": asked}
        return {row[1].split()[0]: row[5] for row in tables.one_by_one("extreme", methods, found)}

    # twin and finetune gain over where they began, search over the randomised controller on the same robots.
    assert closed(alone, methods) == {"twin": "0.40", "finetune": "the oracle here", "search": "0.20"}
    del alone["finetune"]
    assert closed(alone, methods) == {"twin": "2.40", "search": "1.20"}
    assert closed(alone, {"randomised": methods["randomised"]}) == {"twin": "–", "search": "–"}
    methods["oracle"]["task_returns"] = [[900, 0, 200]]  # no better on these, whatever it is on the others
    assert closed(alone, methods) == {"twin": "no gap", "search": "no gap"}
