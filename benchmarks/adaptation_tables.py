"""The part of docs/results.md on adaptation: a table of what was asked, and a section a result; for `report.py`."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import criteria
import numpy as np
from common import RESULTS
from gaps import LEAST, closed_by, is_gap, oracle_of
from tables import Result, bracketed, interval, measured, number, percent, read, section, share, table

from surefoot.controllers.adaptation.continual import TOLD
from surefoot.replay.figures import comparison_figure


def adaptation(figures: dict[str, str]) -> Iterator[str]:
    columns = ["criterion", "of", "asked", "reached: best three methods", "seeds", "verdict"]
    note = (
        "Means over seeds, of which three are asked; intervals, and how a figure comes about, are below. "
        "No gap: the oracle may be no better than the randomised controller, or is by less than 1 %."
    )
    yield from ["", "### What was asked", "", note, "", *table(columns, criteria.rows())]
    if result := read("zero_shot"):
        rows = [
            [name, f["controller"], split, v["tasks"], measured(v, "return", 1), f"{v['kept']:.2f}", percent(v["success"]),
             number(v["tracking"]), percent(v["falls"])]
            for name, f in result["figures"].items() for split, v in f["splits"].items()
        ]  # fmt: skip
        columns = ["suite", "controller", "split", "tasks", "return", "of nominal", "success", "tracking", "falls"]
        note = (
            "Shipped controllers that do not adapt, on the splits of their suites: the gap that adaptation must close."
        )
        yield from section("Zero-shot", result, columns, rows, note)
    if result := read("finetune"):
        f = result["figures"]
        rows = [[r["seed"], *(f"{r[n]:.1f}" for n in ("nominal", "zero_shot", "finetune", "scratch")), f"{r['recovered']:.2f}",
                 r["finetune_steps"], f"{r['finetune_seconds']:.0f}"] for r in f["runs"]]  # fmt: skip
        columns = ["seed", "nominal", "zero-shot", "finetune", "scratch", "recovered", "steps", "seconds"]
        yield from section(
            f"finetune: {f['task']}", result, columns, rows, "Recovered: of the gap from zero-shot to scratch."
        )
    for path in sorted((RESULTS / "adaptation").glob("*.json")):
        result = json.loads(path.read_text(encoding="utf-8"))
        f, title = result["figures"], f"{path.stem} (criterion {result['figures']['about']})"
        if "comparison" in f:
            yield from compared(title, path.stem, result, figures)
        elif "splits" in f:
            yield from budgets(title, result)
        elif "motor_loss" in f:
            yield from motor_losses(title, result)
        elif "parameters" in f:
            rows = [[p["seed"], p["parameter"], *(f"{100 * p[k]:.1f} %" for k in (
                "median_error_over_true", "median_error_over_range", "coverage"))] for p in f["parameters"]]  # fmt: skip
            columns = ["seed", "parameter", "median error", "over its range", "within the 90 % interval"]
            note = f"{f['robots']} robots of the test split."
            if "coverage" in f:
                note += f" Of all intervals together {percent(f['coverage'])} hold the truth."
            yield from section(title, result, columns, rows, note)
        elif "means" in f:
            rows = [[name, *(interval(np.array(runs)[:, :, k].mean(axis=1)) for k in range(4))]
                    for name, runs in f["returns"].items()]  # fmt: skip
            best = f"{f['rate_of_the_baseline']:g}"
            note = f"Return after so many gradient steps; the baseline's are of the size that suits it best, {best}."
            yield from section(title, result, ["method", "0", "1", "2", "3"], rows, note)
        yield from origins(f)


def compared(title: str, name: str, result: Result, figures: dict[str, str]) -> Iterator[str]:
    content = result["figures"]["comparison"]
    rows = []
    for split, found in content["splits"].items():
        for method, v in found["methods"].items():
            published = result["figures"]["published"].get(method, {})
            said = published.get(split, published if split == "test" else {})
            rows.append([
                split, method, v["seeds"], bracketed(v, "mean", 1), bracketed(v, "iqm", 1), bracketed(v, "gap_closed", 2),
                " ".join(f"{e:.1f}" for e in v.get("by_episode", ())), f"{v['cvar']:.1f}",
                ", ".join(f"{k.replace('_', ' ')} {x:.2f}" for k, x in said.items() if not isinstance(x, dict)),
            ])  # fmt: skip
        rows += one_by_one(split, found["methods"], result["figures"])
    columns = [
        "split",
        "method",
        "seeds",
        "mean",
        "IQM",
        "gap closed",
        "by episode",
        "CVaR",
        "beside what was published",
    ]
    note = (
        "Methods that meet one robot at a time have met some of the split. The gap that they close is the one on those: what "
        "the policy that is told the truth gains there, or fine-tuning on the true robot, whichever is more."
    )
    yield from section(title, result, columns, rows, note if result["figures"].get("one_by_one") else "")
    figures[f"{name}.svg"] = comparison_figure(content)
    yield from ["", f"![{name}](results/{name}.svg)"]


def one_by_one(split: str, methods: Mapping[str, Any], figures: Result) -> Iterator[list[Any]]:
    """Rows of the methods that meet one robot at a time, some of the split's: the gap that counts is that on those."""
    alone = figures.get("one_by_one", {}).get(split, {})
    met = [t for t in range(len(methods["randomised"]["task_returns"][0]))
           if all(t in curves[0][-1]["tasks"] for curves in alone.values())]  # fmt: skip
    told = {
        name: [[{"tasks": met, "task_returns": [returns[t] for t in met]}] for returns in methods[name]["task_returns"]]
        for name in ("randomised", "oracle") if name in methods
    }  # fmt: skip
    oracle, best = oracle_of({**told, **alone})
    for method, curves in alone.items():
        said = figures["published"][method][split]
        points = [curve[-1] for curve in curves]
        closed = "no gap" if best else "–"
        if is_gap(told, best):
            closed = interval(closed_by({**told, **alone}, method, points, best), 2)
        motion = np.mean([point["robot_seconds"] for point in points])
        budget = f"{motion:,.0f} s of motion, {len(points[0]['tasks'])} robots"
        beside = f"over asked {said['over_asked']:.2f}, asked {said['asked']:.2f}"
        after = interval(np.array([point["return"] for point in points]))
        closed = "the oracle here" if method == oracle else closed
        yield [split, f"{method} ({budget})", len(curves), after, "–", closed, "", "–", beside]


def budgets(title: str, result: Result) -> Iterator[str]:
    rows, leads = [], []
    for split, methods in result["figures"]["splits"].items():
        oracle, best = oracle_of(methods)
        lead = np.array(list(best.values()))
        leads.append(f"{split} {interval(lead)} ({oracle})" if len(lead) else f"{split} not measured")
        for method, curves in methods.items():
            for points in zip(*curves, strict=True):
                values = {k: np.array([p[k] for p in points]) for k in ("return", "tracking", "success")}
                closed = "no gap" if best else "–"
                if is_gap(methods, best) and not np.isnan(share := closed_by(methods, method, points, best)).any():
                    closed = interval(share, 2)
                motion = np.mean([point["robot_seconds"] for point in points])
                rows.append([split, method, len(points), f"{motion:.6g} s", interval(values["return"]),
                             number(values["tracking"].mean()), f"{100 * values['success'].mean():.1f} %", closed])  # fmt: skip
    columns = ["split", "method", "seeds", "robot time", "return", "tracking", "success", "gap closed"]
    success = "the task is done" if all(row[5] == "–" for row in rows) else result["figures"]["success"]
    note = (
        f"Success: {success}. The oracle of a split is the better of the policy that is told the truth "
        f"and fine-tuning on the true robot. Its lead over the randomised controller on the same robots is the gap to close "
        f"(95 % interval over tasks; none where it may be 0 or is below {100 * LEAST:g} % of what that one earns): "
        f"{'; '.join(leads)}."
    )
    yield from section(title, result, columns, rows, note)
    yield from motor_losses(title, result)


def motor_losses(title: str, result: Result) -> Iterator[str]:
    """What became of robots that lost a motor while they walked, where that was measured."""
    shares = {
        "recovered": "recovered", "within 2 s": "recovered_within_2_s", "follows": "follows",
        "follows within 2 s": "follows_within_2_s", "falls": "falls",
    }  # fmt: skip
    rows = [[f"{method} (told what broke)" if method in TOLD else method, len(found),
             *("–" if found[0].get(k) is None else share([f[k] for f in found]) for k in shares.values()),
             *(f"{np.mean(times):.2f} s" if times else "–" for times in (
                 [f[k] for f in found if f[k] is not None] for k in ("seconds_to_recover", "seconds_to_notice")))]
            for method, found in result["figures"].get("motor_loss", {}).items()]  # fmt: skip
    columns = ["a motor dies at 4 s", "seeds", *shares, "recovered after", "noticed after"]
    if rows:
        yield from section(f"{title}: a motor dies in mid-walk", result, columns, rows)


def origins(figures: Result) -> Iterator[str]:
    """A row's tasks, how long each method was trained, and by which commits figures that were measured in parts were made."""
    if "suite_sha256" in figures:
        suite = f"{figures['suite']} v{figures['suite_version']}"
        yield from ["", f"Tasks: suite {suite}, SHA-256 {figures['suite_sha256'][:16]}…."]
    costs: Mapping[str, Sequence[str]] = figures.get("training_seconds_and_cpus", {})
    by_method: dict[str, list[float]] = {}
    for run, (seconds, _) in costs.items():
        by_method.setdefault(run.split("/")[0], []).append(float(seconds) / 60)
    cpus = sorted({cpu for _, cpu in costs.values()})
    if by_method:
        said = ", ".join(f"{name} {np.mean(minutes):.1f}" for name, minutes in by_method.items())
        yield from ["", f"Minutes of training ({' or '.join(cpus)} busy CPU): {said}."]
    made: dict[str, list[str]] = {}
    for method, of in figures.get("measured", {}).items():
        made.setdefault(f"{of['date'][:10]}, commit {of['commit']}", []).append(method)
    if made:
        yield from ["", f"Measured: {'; '.join(f'{when}: ' + ', '.join(methods) for when, methods in made.items())}."]
