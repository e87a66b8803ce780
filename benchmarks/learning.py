"""What the presets reach: train, judge by 100 deterministic episodes, and put it beside published returns.

    python benchmarks/learning.py half_cheetah-ppo --seeds 3     # one row of the table; hopper-ppo, ant-sac, ...
    python benchmarks/learning.py ant-ppo --share 2 &            # two rows (or seeds of one: --first) side by side,
                                                                 # each on half of the CPUs
    python benchmarks/learning.py --table                        # the table of all rows that there are, as Markdown

A row is ROBOT-ALGORITHM on the unmodified v5 task. Seeds that are done are kept, an interrupted one goes on from its last
checkpoint, and its seconds are those of all its sessions. Results: results/learning/ROW.json.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import surefoot  # noqa: F401  # isort: skip
# ^ before anything loads torch: it limits the spinning of torch's threads

import numpy as np
from common import RESULTS, write_result

from surefoot.controllers import threads
from surefoot.controllers.evaluation import evaluate
from surefoot.controllers.presets import settings_for
from surefoot.controllers.seeds import train_or_continue
from surefoot.controllers.statistics import bootstrap, mean
from surefoot.controllers.training import train_config
from surefoot.robots import SurefootError

# facts/locomotion.md: rl-baselines3-zoo (1 M steps, Humanoid 2 M), mjlab (PPO, 128-628 M steps), and the best published entry.
ZOO = {
    "ppo": {"half_cheetah": 5819, "ant": 1327, "hopper": 2410, "walker2d": 3479},
    "sac": {"half_cheetah": 9535, "ant": 4616, "hopper": 2326, "walker2d": 3863, "humanoid": 6232},
    "td3": {"half_cheetah": 9656, "ant": 5813, "hopper": 3606, "walker2d": 4718, "humanoid": 5567},
    "tqc": {"half_cheetah": 12090, "ant": 3339, "hopper": 3754, "walker2d": 4381, "humanoid": 7239},
    "trpo": {"half_cheetah": 1785, "ant": 4982, "hopper": 3618, "walker2d": 4933},
}
MJLAB = {"half_cheetah": 6490, "ant": 6294, "hopper": 3100, "walker2d": 7046, "humanoid": 12049}
GOAL = {"half_cheetah": 12090, "ant": 6294, "hopper": 4098, "walker2d": 7046, "humanoid": 8127}
# Of rows below their goal: what limits them, and what was tried.
SHORT = {
    "ant-ppo": "7 M steps, 39 minutes of one core; mjlab's 6,294 took 128 M or more; mirror=true learns twice as fast at first "
    "(4,288 in training after 2.1 M steps), and ends alike (5,705, 12 % falls)",
    "hopper-ppo": "larger steps, more of them, or a longer horizon, and it learns to stand still or to leap once",
    "walker2d-ppo": "two seeds learn to run (6,096 and 5,782, 1 % falls), one to limp (3,446, 69 % falls); "
    "mirror=true lifts that one to 4,727 and 30 %; an adaptive rate gave 5,180, 16 M steps of it 4,643",
}
FOLDER = RESULTS / "learning"


def one_seed(robot: str, algo: str, seed: int, steps: int | None, runs: Path, episodes: int) -> dict[str, Any]:
    """Train (or go on) and judge one seed."""
    config = train_config(robot, "run", algo=algo, seed=seed, steps=steps)
    controller = train_or_continue(config, runs / f"{robot}-{algo}" / f"seed_{seed}")
    result = evaluate(controller, episodes=episodes, seed=12345)
    low, high = result.interval()
    return {
        "seed": seed, "steps": controller.timesteps, "seconds": round(controller.seconds, 1), "return": round(result.mean, 1),
        "interval": [round(low, 1), round(high, 1)], "falls": float(result.fell.mean()), "cpus": threads.UPDATE_THREADS,
    }  # fmt: skip


def done(file: Path) -> list[dict[str, Any]]:
    """The seeds in the file of a row."""
    return json.loads(file.read_text())["figures"]["seeds"] if file.exists() else []


def one_row(name: str, seeds: list[int], steps: int | None, runs: Path, episodes: int) -> None:
    robot, _, algo = name.rpartition("-")
    settings_for(robot, "run", algo)  # a wrong name ends here
    file = FOLDER / f"{name}.json"
    for seed in seeds:
        if any(row["seed"] == seed for row in done(file)):
            continue
        new = one_seed(robot, algo, seed, steps, runs, episodes)
        print(name, new, flush=True)
        # Read again: another process may have finished a seed of this row meanwhile.
        rows = sorted([*done(file), new], key=lambda row: row["seed"])
        means = np.array([row["return"] for row in rows])
        figures = {
            "robot": robot, "algo": algo, "episodes": episodes, "mean": round(float(means.mean()), 1),
            "interval_over_seeds": np.round(bootstrap(mean, means), 1).tolist(), "seeds": rows,
        }  # fmt: skip
        write_result(file, figures, seed)


def table() -> str:
    """All rows as Markdown."""
    lines = [
        "| robot | algorithm | return (95 % interval over seeds) | seeds | steps | minutes (CPUs) | zoo | mjlab | goal |"
    ]
    lines.append("|" + "---|" * 9)
    short = []
    for file in sorted(FOLDER.glob("*.json")):
        f = json.loads(file.read_text())["figures"]
        low, high = f["interval_over_seeds"]
        around = f" ({low:,.0f}–{high:,.0f})" if len(f["seeds"]) > 1 else ""
        minutes = np.mean([row["seconds"] for row in f["seeds"]]) / 60
        steps = max(row["steps"] for row in f["seeds"]) / 1e6
        zoo = ZOO.get(f["algo"], {}).get(f["robot"], "–")
        lines.append(
            f"| {f['robot']} | {f['algo']} | {f['mean']:,.0f}{around} | {len(f['seeds'])} | {steps:.1f} M "
            f"| {minutes:.1f} ({f['seeds'][0]['cpus']}) | {zoo} | {MJLAB[f['robot']]} | {GOAL[f['robot']]} |"
        )
        if f["mean"] < GOAL[f["robot"]]:
            short.append(f"- {f['robot']}: {SHORT.get(file.stem, 'not looked into')}.")
    return "\n".join([*lines, *(["", "Below their goals, and why:", "", *short] if short else [])])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", help="ROBOT-ALGORITHM, such as half_cheetah-ppo")
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds")
    parser.add_argument("--first", type=int, default=0, help="the first of them, for seeds of a row side by side")
    parser.add_argument("--steps", type=int, help="instead of the preset's")
    parser.add_argument("--episodes", type=int, default=100, help="evaluation episodes of a seed")
    parser.add_argument("--runs", type=Path, default=Path("runs/learning"), help="folder of the runs")
    parser.add_argument("--share", type=int, default=1, help="so many of these processes share the CPUs")
    parser.add_argument("--table", action="store_true", help="print the table of all results")
    args = parser.parse_args()
    threads.share_cpus(args.share)
    for name in args.rows:
        try:
            one_row(name, list(range(args.first, args.first + args.seeds)), args.steps, args.runs, args.episodes)
        except SurefootError as error:
            sys.exit(str(error))
    if args.table:
        print(table())


if __name__ == "__main__":
    main()
