"""docs/results.md and its figures, from the JSON in benchmarks/results: nothing in it is typed by hand.

python benchmarks/report.py            # write them
python benchmarks/report.py --check    # exit code 1 where they are not what the results say
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import surefoot  # noqa: F401  # isort: skip

import numpy as np
from common import RESULTS, ROOT
from learning import table as learning_table
from one_by_one import GO_ON

from surefoot.controllers.statistics import bootstrap, gap_closed, mean
from surefoot.replay.figures import comparison_figure

DOCS = ROOT / "docs"
Result = Mapping[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing, and say whether the files are up to date")
    args = parser.parse_args()
    stale = []
    for path, text in pages().items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(path)
            if not args.check:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
                print(f"wrote {path.relative_to(ROOT)}")
    if args.check and stale:
        sys.exit(f"not what the results say (python benchmarks/report.py): {', '.join(p.name for p in stale)}")


def pages() -> dict[Path, str]:
    """Every file that is generated, by its path."""
    lines = [
        "# Results",
        "",
        "Made by `python benchmarks/report.py` from `benchmarks/results`, whose files hold command, versions and machine.",
        "Square brackets: 95 % intervals, over seeds where there are several.",
    ]
    figures: dict[Path, str] = {}
    rooms = {"Learning": learning(), "Adaptation": adaptation(figures), "Speed": speed(), "Replay": replay()}
    for title, parts in rooms.items():
        lines += ["", f"## {title}", *parts]
    return {DOCS / "results.md": "\n".join(lines) + "\n", **figures}


def read(name: str) -> Result | None:
    """A result, or None where it has not been measured."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def section(
    title: str, result: Result, columns: Sequence[str], rows: Sequence[Sequence[Any]], note: str = ""
) -> list[str]:
    """A heading, where the figures come from, and a table."""
    cells = [[str(cell) for cell in row] for row in rows]
    lines = ["", f"### {title}", "", *([note, ""] if note else [])]
    lines += [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns), *(f"| {' | '.join(row)} |" for row in cells)]
    return [*lines, "", f"`{result['command']}`, {result['date'][:10]}, {result['machine']['cpu']}"]


def learning() -> Iterator[str]:
    if list((RESULTS / "learning").glob("*.json")):
        yield from ["", "### Returns of the presets on Gymnasium's v5 tasks", ""]
        yield "100 deterministic episodes a seed; zoo: rl-baselines3-zoo; goal: the best published entry."
        yield from ["", *learning_table().splitlines(), "", "`python benchmarks/learning.py ROW --share 2`, a row each"]
    for name in ("train_speed", "train_speed_ppo"):
        if result := read(name):
            yield from time_to_return(result)
    for robot in ("quadruped", "go1"):
        if result := read(f"walking_{robot}"):
            f = result["figures"]
            rows = [[s["seed"], s["tracking"], f"{100 * s['falls']:.1f} %", s["symmetry_index"], s["trot_share"],
                     s["standing_speed"], s["seconds_to_0.8"], of_asked(s["speed_reached"])]
                    for s in f[robot]["seeds"]]  # fmt: skip
            asked = f"% of the speed at {', '.join(f[robot]['seeds'][0]['speed_reached'])}"
            columns = ["seed", "tracking", "falls", "symmetry index", "trot", "standing m/s", "s to tracking .8", asked]
            note = f"{f['training_seconds']:g} s of training on {f['cpus']} CPU, {f['evaluation_episodes']} episodes."
            yield from section(f"Time to walk: {robot}", result, columns, rows, note)
    if result := read("held_out"):
        rows = [
            [name, label, case["episodes"], measured(case, "return", 1), percent(case["success"]), number(case["tracking"]),
             percent(case["falls"]), f"{f['training']['steps'] / 1e6:.1f} M", f"{f['training']['training_seconds'] / 60:.0f}"]
            for name, f in result["figures"].items() for label, case in f["cases"].items()
        ]  # fmt: skip
        columns = ["controller", "robots", "episodes", "return", "success", "tracking", "falls", "steps", "minutes"]
        note = "Held-out episodes of shipped controllers, one seed each. Success: within 2 cm (reach), 5 cm (push), for .25 s."
        yield from section("Arm and hexapod", result, columns, rows, note)
    if result := read("planner"):
        f = result["figures"]
        rows = [[r["seed"], where, name, v["tracking"], f"{100 * v['lift']:+.0f} %", f"{100 * v['falls']:.0f} %"]
                for r in f["runs"] for where in ("nominal", "payload") for name, v in r[where].items()]  # fmt: skip
        columns = ["seed", "robot", "controller", "tracking", "over the policy", "falls"]
        note = f"A quarter-trained quadruped; payload {f['payload_kg']:g} kg."
        yield from section("Planning with policy and value", result, columns, rows, note)


def time_to_return(result: Result) -> Iterator[str]:
    f = result["figures"]
    goals = [key.removeprefix("to ") for key in f if key.startswith("to ")]
    names = {"seconds_and_steps_to": "to {:,}", "training_episodes_to": "{:,} in training"}
    keys = {key: column for key, column in names.items() if key in f["runs"][0]}
    rows = []
    for run in f["runs"]:
        reached = [run[key].get(goal) for key in keys for goal in goals]
        rows.append([run["seed"], *(f"{x[0]:.0f} ({x[1] / 1e6:.2f} M)" if x else "–" for x in reached)])
    against = []
    for goal in goals:
        found = f[f"to {goal}"]
        stock = next(key for key in found if key.startswith("stock_sb3_"))
        slowest, mean = found["stock_over_slowest"], found["stock_over_mean"]
        times = f" ({slowest:.1f} times the slowest of ours, {mean:.1f} times their mean)" if slowest else ""
        algo = stock.removeprefix("stock_sb3_").upper()
        against.append(f"{found[stock]['seconds_for_1M_steps']:,.0f} s with {algo}{times}")
    judge = f.get("judged", "the last 100 training episodes, which explore,")
    training = "; in training: until the last 100 training episodes do" if len(keys) > 1 else ""
    note = (
        f"Seconds and steps until {judge} have this mean{training}. "
        f"Stock SB3's 1 M steps, which reach it, take {'; '.join(against)}."
    )
    columns = ["seed", *(column.format(int(g)) for column in keys.values() for g in goals)]
    yield from section(
        f"half_cheetah: time to {' and '.join(f'{int(g):,}' for g in goals)}", result, columns, rows, note
    )


def of_asked(reached: Mapping[str, float]) -> str:
    """Percent of what each command asks for, whose name ends in it, such as "vx -1.0"."""
    return ", ".join(f"{100 * speed / float(command.split()[-1]):.0f}" for command, speed in reached.items())


def adaptation(figures: dict[Path, str]) -> Iterator[str]:
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
        yield from training_costs(f.get("training_seconds_and_cpus", {}))


def compared(title: str, name: str, result: Result, figures: dict[Path, str]) -> Iterator[str]:
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
    yield from section(title, result, columns, rows)
    figures[DOCS / "results" / f"{name}.svg"] = comparison_figure(content)
    yield from ["", f"![{name}](results/{name}.svg)"]


def one_by_one(split: str, methods: Mapping[str, Any], figures: Result) -> Iterator[list[Any]]:
    """Rows of the methods that meet one robot at a time, some of the split's; their gain over where they began is the gap's."""
    lead = methods["oracle"]["mean"] - methods["randomised"]["mean"] if "oracle" in methods else 0.0
    for method, curves in figures.get("one_by_one", {}).get(split, {}).items():
        before, after = (np.array([curve[k]["return"] for curve in curves]) for k in (0, -1))
        last, said = curves[0][-1], figures["published"][method][split]
        closed = interval((after - before) / lead, 2) if lead > 0 else "–"
        budget = f"{last['robot_seconds']:,.0f} s of motion, {len(last['tasks'])} robots"
        beside = f"over asked {said['over_asked']:.2f}, asked {said['asked']:.2f}"
        yield [split, f"{method} ({budget})", len(curves), interval(after), "–", closed, "", "–", beside]


def budgets(title: str, result: Result) -> Iterator[str]:
    rows, leads = [], []
    for split, methods in result["figures"]["splits"].items():
        oracle, best = oracle_of(methods)
        lead = np.array(list(best.values()))
        gap = len(lead) > 0 and bootstrap(mean, lead)[0] > 0
        leads.append(f"{split} {interval(lead)} ({oracle})" if len(lead) else f"{split} not measured")
        for method, curves in methods.items():
            for points in zip(*curves, strict=True):
                values = {k: np.array([p[k] for p in points]) for k in ("return", "tracking", "success")}
                closed = "no gap" if len(lead) else "–"
                if gap:
                    gained = [gains_by_task(methods, method, k, p) for k, p in enumerate(points)]
                    met = [task for task in gained[0] if task in best]  # where a method has met only some
                    ours = np.mean([[g[task] for task in met] for g in gained], axis=1)
                    closed = interval(gap_closed(ours, 0.0, np.mean([best[t] for t in met])), 2)
                rows.append([split, method, len(points), f"{points[0]['robot_seconds']:g} s", interval(values["return"]),
                             number(values["tracking"].mean()), f"{100 * values['success'].mean():.1f} %", closed])  # fmt: skip
    columns = ["split", "method", "seeds", "robot time", "return", "tracking", "success", "gap closed"]
    success = "the task is done" if all(row[5] == "–" for row in rows) else result["figures"]["success"]
    note = (
        f"Success: {success}. The oracle of a split is the better of the policy that is told the truth "
        f"and fine-tuning on the true robot. Its lead over the randomised controller on the same robots is the gap to close "
        f"(95 % interval over tasks; none where it may be 0): {'; '.join(leads)}."
    )
    yield from section(title, result, columns, rows, note)
    yield from motor_losses(title, result)


def motor_losses(title: str, result: Result) -> Iterator[str]:
    """What became of robots that lost a motor while they walked, where that was measured."""
    shares = {
        "recovered": "recovered", "within 2 s": "recovered_within_2_s", "follows": "follows",
        "follows within 2 s": "follows_within_2_s", "falls": "falls",
    }  # fmt: skip
    rows = [[method, len(found),
             *("–" if found[0].get(k) is None else share([f[k] for f in found]) for k in shares.values()),
             *(f"{np.mean(times):.2f} s" if times else "–" for times in (
                 [f[k] for f in found if f[k] is not None] for k in ("seconds_to_recover", "seconds_to_notice")))]
            for method, found in result["figures"].get("motor_loss", {}).items()]  # fmt: skip
    columns = ["a motor dies at 4 s", "seeds", *shares, "recovered after", "noticed after"]
    if rows:
        yield from section(f"{title}: a motor dies in mid-walk", result, columns, rows)


def gains_by_task(methods: Mapping[str, Any], method: str, seed: int, point: Mapping[str, Any]) -> dict[int, float]:
    """By how much a point of a method's curve is better than the randomised controller on the same robots, a task each."""
    start = methods[method][seed][0] if method in GO_ON else methods["randomised"][seed][-1]
    before = dict(zip(start["tasks"], start["task_returns"], strict=True))
    return {task: r - before[task] for task, r in zip(point["tasks"], point["task_returns"], strict=True)}


def oracle_of(methods: Mapping[str, Any]) -> tuple[str, dict[int, float]]:
    """Of those that were told, or trained on, the true robot, who gains most on the tasks that all met; mean over seeds."""
    found = {}
    for name in ("oracle", "finetune"):
        if curves := methods.get(name):
            gained = [gains_by_task(methods, name, k, curve[-1]) for k, curve in enumerate(curves)]
            found[name] = {task: float(np.mean([g[task] for g in gained])) for task in gained[0]}
    if not found:
        return "nobody", {}
    met = set.intersection(*(set(one) for one in found.values()))
    return max(found.items(), key=lambda item: np.mean([item[1][task] for task in met]))


def share(values: Sequence[float]) -> str:
    return f"{100 * float(np.mean(values)):.0f} %"


def training_costs(costs: Mapping[str, Sequence[str]]) -> Iterator[str]:
    by_method: dict[str, list[float]] = {}
    for run, (seconds, _) in costs.items():
        by_method.setdefault(run.split("/")[0], []).append(float(seconds) / 60)
    cpus = sorted({cpu for _, cpu in costs.values()})
    if by_method:
        said = ", ".join(f"{name} {np.mean(minutes):.1f}" for name, minutes in by_method.items())
        yield from ["", f"Minutes of training ({' or '.join(cpus)} busy CPU): {said}."]


def speed() -> Iterator[str]:
    if result := read("throughput"):
        rows = []
        for name, f in result["figures"].items():
            ratio = next((k for k in f if "/" in k), None) if isinstance(f, dict) else None
            if ratio:
                low, high = f[ratio]["quartiles"]
                rows.append(
                    [name, f"{f['steps_per_s']['surefoot']:,.0f}", f"{f[ratio]['median']:.2f} ({low:.2f}–{high:.2f})"]
                )
        yield from section("Steps of the environment", result, ["what", "steps/s", "ratio (quartiles)"], rows)
    if result := read("update_speed"):
        f = result["figures"]
        rows = [[name, f"{v['ms']:.0f}", f"{v['speed']:.2f}"] for name, v in f["ppo update"].items()]
        note = (
            "PPO's preset on half_cheetah, one rollout, one thread; 4 x and 16 x: larger minibatches, so fewer steps."
        )
        yield from section("What might make the update faster", result, ["changed", "ms", "speed"], rows, note)
    if result := read("time_shares"):
        parts = ("physics", "update", "policy", "environment", "bookkeeping")
        rows = [[name, *(f"{100 * f['shares'][k]:.0f} %" for k in parts),
                 f"{f['steps_per_s']:,}", f"{f['over_ceiling']:.2f}"]
                for name, f in result["figures"].items() if isinstance(f, dict) and "shares" in f]  # fmt: skip
        columns = ["PPO at 1,024 worlds", *parts, "steps/s", "over Batch.step"]
        yield from section("Where the time of training goes", result, columns, rows)

    if result := read("dynamics"):
        rows = []
        for name, f in result["figures"]["robots"].items():
            ratio, cost = f["surefoot/physics"], (f["draw_steps"], f["reset_1_percent_steps"])
            low, high = ratio["quartiles"]
            rows.append([name, f"{f['steps_per_s']['surefoot']:,.0f}", f"{ratio['median']:.2f} ({low:.2f}–{high:.2f})",
                         f"{cost[0]:.2f}", f"{cost[1]:.3f}", f"{f['memory_mib_4096_worlds']:.0f}"])  # fmt: skip
        columns = ["robot", "steps/s", "over Batch.step (quartiles)", "new parameters for all, steps",
                   "reset of 1 %, steps", "MiB at 4,096 worlds"]  # fmt: skip
        note = "Each world has another body and other dynamics: sizes, masses, contacts, motors, sensors, wind, pushes."
        yield from section("Robots that all differ", result, columns, rows, note)
    if result := read("terrain"):
        rows = []
        for name, f in result["figures"].items():
            if isinstance(f, dict) and "steps_per_s" in f:
                over, level = f["surefoot/physics"], f["surefoot/physics on a level floor"]
                rows.append(
                    [name, f"{f['steps_per_s']['surefoot']:,.0f}", f"{over['median']:.2f}", f"{level['median']:.2f}"]
                )
        columns = ["quadruped", "steps/s", "over Batch.step on the same ground", "on a level floor"]
        yield from section("Mixed terrain with a height scan", result, columns, rows)


def replay() -> Iterator[str]:
    if result := read("replay"):
        f = result["figures"]
        rows = [[f"{f['page_mb']} MB", f"{f['export_s']} s", f"{f['script_ms'] / 1e3:.2f} s"]]
        yield from section(
            "A page of 20 s of go1, before and after", result, ["size", "export", "script until it shows"], rows
        )
    if result := read("live"):
        rows = [[name, f["frames_per_second"], f["longest_gap_ms"], f["real_time"], f"{f['steps_per_second']:,}", f["needed"]]
                for name, f in result["figures"].items()]  # fmt: skip
        columns = ["live page of", "frames/s", "longest gap, ms", "of real time", "steps/s it could do", "needed"]
        yield from section("The live page", result, columns, rows)
    if result := read("recording"):
        rows = [[name, f"{f['throughput_recorded_over_plain']:.3f}", f"{f['bytes_per_world_second'] / 1e3:.1f}"]
                for name, f in result["figures"].items() if name != "hour"]  # fmt: skip
        yield from section(
            "What recording costs", result, ["256 worlds", "throughput over that without", "kB a robot second"], rows
        )
    if result := read("video"):
        f = result["figures"]
        rows = [[f"{f['robot_seconds']:.0f} s at {f['size'][0]} × {f['size'][1]}", f"{f['fast']['seconds']:.1f} s"]]
        yield from section("A video of the quadruped", result, ["length", "time"], rows)


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
    text = f"{value:,.{digits}f}"
    return text if not around or None in around else f"{text} [{around[0]:,.{digits}f}, {around[1]:,.{digits}f}]"


if __name__ == "__main__":
    main()
