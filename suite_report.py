"""Suites, comparisons and robustness maps as columns and rows: what the command line prints."""

from collections.abc import Mapping, Sequence
from typing import Any

from .controllers.splits import ELSEWHERE
from .envs.suites import TaskSuite

Rows = list[list[Any]]


def comparison_tables(content: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """A title and a table for each split of a comparison (`Comparison.content`), one row a method."""
    roles = {content["baseline"]: "baseline", content["oracle"]: "oracle"}
    tables = []
    for split, found in content["splits"].items():
        columns = {"IQM": "iqm", "mean": "mean", "CVaR": "cvar", "gap closed": "gap_closed"}
        columns |= {"beats baseline": "probability_of_improvement", "OOD gap": "out_of_distribution_gap"}
        if content["baseline"] is None:  # else the gap closed says as much, and the table is wide
            columns |= {"oracle gap": "oracle_gap"}
        columns |= {"success": "success"}
        has = {key for figures in found["methods"].values() for key in figures}
        columns = {title: key for title, key in columns.items() if key in has}
        rows = []
        for name, figures in found["methods"].items():
            label = f"{name} ({roles[name]})" if name in roles else name
            cells = [_with_interval(figures, key) for key in columns.values()]
            trial = [f"{value:,.1f}" for value in figures.get("by_episode", ())]
            rows.append([label, figures["seeds"], *cells, *trial, f"{100 * figures['safety']['falls']:.1f} %"])
        tasks = len(found["tasks"])
        title = f"{split}: {tasks} task{'s' * (tasks > 1)}"
        trial = [f"episode {k + 1}" for k in range(content["trial"])] if content["trial"] > 1 else []
        tables.append((title, {"columns": ["run", "seeds", *columns, *trial, "falls"], "rows": rows}))
    note = (
        f"suite {content['suite']}, {content['episodes']} episodes a task and seed, the same for all; figures are returns\n"
        "in brackets: 95 % intervals by resampling whole seeds, or episodes within tasks where there is one seed\n"
        f"IQM: mean of the middle half; CVaR: of the worst {content['cvar_share']:.0%} of the tasks"
    )
    if content.get("inside") is not None:  # files of earlier versions do not say
        note += f"; OOD gap: what is lost against {content['inside']}, whose robots are as in training"
    if content.get("elsewhere"):
        note += f"\n{', '.join(content['elsewhere'])}: {ELSEWHERE}"
    if content["baseline"] is not None:
        note += (
            "\nbeats baseline: probability on a task; gap closed: 0 is as good as the baseline, 1 as the oracle; "
            "no gap: the oracle may be no better"
        )
    elif content["oracle"] is not None:
        note += "\noracle gap: what is lost against the oracle"
    methods = next(iter(content["splits"].values()))["methods"]
    costs = [
        f"{name} {figures['training_steps'] / 1e6:.3g} M steps in {figures['training_seconds'] / 60:.3g} min"
        for name, figures in methods.items() if "training_steps" in figures
    ]  # fmt: skip
    note += f"\ntrained, a seed: {', '.join(costs)}" if costs else ""
    tables[-1][1]["note"] = note
    return tables


def _with_interval(figures: Mapping[str, Any], key: str) -> str:
    value, interval = figures.get(key), figures.get(f"{key}_interval")
    if value is None:
        return "-"
    if key == "gap_closed" and interval is not None and None in interval:
        return "no gap"
    digits = 2 if key in ("gap_closed", "probability_of_improvement", "success") else 1
    text = f"{value:,.{digits}f}"
    if key in ("mean", "cvar") or interval is None or None in interval:
        return text
    return f"{text} [{interval[0]:,.{digits}f}, {interval[1]:,.{digits}f}]"


def envelope_tables(content: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """A title and a heat map for each controller of an envelope (`Envelope.content`): success in %, highest y first."""
    x, y = content["x"], content["y"]
    inside = {name: [_in_range(v, axis["trained"]) for v in axis["values"]] for name, axis in (("x", x), ("y", y))}
    tables = []
    for name, found in content["maps"].items():
        rows: Rows = []
        for j in reversed(range(len(y["values"]))):
            cells = []
            for i, share in enumerate(found["success"][j]):
                text = f"{' ░▒▓█'[round(4 * share)]}{100 * share:3.0f}"
                cells.append(f"[{text}]" if inside["x"][i] and inside["y"][j] else f" {text} ")
            rows.append([_number(y["values"][j]), *cells])
        columns = [f"{y['key']} \\ {x['key']}", *(f" {_number(v)}" for v in x["values"])]
        tables.append((name, {"columns": columns, "rows": rows}))
    tables[-1][1]["note"] = (
        f"success in % of {content['episodes']} episodes: {content['criterion']}; in brackets: within the range of the training"
    )
    return tables


def _in_range(value: float | str, trained: Sequence[float] | None) -> bool:
    return trained is not None and not isinstance(value, str) and trained[0] <= value <= trained[1]


def _number(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.3g}"


def suites_table(suites: Sequence[TaskSuite]) -> dict[str, Any]:
    """One row a suite."""
    rows = []
    for suite in suites:
        splits = ", ".join(f"{split} {len(tasks)}" for split, tasks in suite.splits.items())
        rows.append([suite.family, suite.version, suite.robot, suite.task, splits, suite.sha256[:16]])
    return {"columns": ["suite", "version", "robot", "task", "tasks by split", "sha256"], "rows": rows}


def suite_table(suite: TaskSuite) -> dict[str, Any]:
    """What varies in each split, with the range of values that its tasks have."""
    rows = []
    for split in suite.splits:
        tasks = suite.tasks(split)
        settings = [{**task.parameters, **task.goal} for task in tasks]
        names = dict.fromkeys(name for setting in settings for name in setting)
        shown = [f"{name} {_spread([s[name] for s in settings if name in s])}" for name in names]
        on = f" on {suite.robots[split]}" if split in suite.robots else ""
        rows.append([f"{split}{on}", len(tasks), "; ".join(shown) or "nominal"])
    return {"columns": ["split", "tasks", "values"], "rows": rows, "note": suite.about}


def tasks_table(suite: TaskSuite, split: str) -> dict[str, Any]:
    """One row a task of a split."""
    rows = [[i, task] for i, task in enumerate(suite.tasks(split))]
    return {"columns": ["task", "parameters and goal"], "rows": rows, "note": f"split {split} of suite {suite}"}


def _spread(values: Sequence[float | str]) -> str:
    numbers = [v for v in values if not isinstance(v, str)]
    if len(numbers) < len(values):
        return "|".join(dict.fromkeys(map(str, values)))
    return f"{min(numbers):g}" if len(set(numbers)) == 1 else f"{min(numbers):g} to {max(numbers):g}"
