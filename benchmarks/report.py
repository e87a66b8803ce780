"""docs/results.md and its figures, from the JSON in benchmarks/results: nothing in it is typed by hand.

python benchmarks/report.py            # write them
python benchmarks/report.py --check    # exit code 1 where they are not what the results say
"""

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import surefoot  # noqa: F401  # isort: skip

from adaptation_tables import adaptation
from common import RESULTS, ROOT
from learning import table as learning_table
from tables import Result, measured, number, percent, read, section

DOCS = ROOT / "docs"


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
    figures: dict[str, str] = {}
    rooms = {"Learning": learning(), "Adaptation": adaptation(figures), "Speed": speed(), "Replay": replay()}
    for title, parts in rooms.items():
        lines += ["", f"## {title}", *parts]
    return {
        DOCS / "results.md": "\n".join(lines) + "\n",
        **{DOCS / "results" / name: svg for name, svg in figures.items()},
    }


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


if __name__ == "__main__":
    main()
