"""How near the truth are the parameters that a simulation is fitted to, from four seconds of walking?

    python benchmarks/identification.py              # the 32 robots of the test split, twice: about 10 minutes of one free core

The shipped quadruped walks on robots of suite quadruped-payload's split `test`, with new commands each time; its sensors' log
(`simulated_log.NOISE`) is all that the fit sees. What the suite varies is fitted. Each robot is written down when it is done,
and not done again.
"""

import argparse
import itertools
import json
import time
from typing import Any

import surefoot  # noqa: F401  # isort: skip

import numpy as np
from common import RESULTS, write_result

from surefoot.api import load
from surefoot.controllers.adaptation.sysid import identify
from surefoot.controllers.simulated_log import walk
from surefoot.envs.suites import load_suite

SUITE, CONTROLLER = "quadruped-payload", "quadruped-velocity"
LEGS = ("front_left", "front_right", "rear_left", "rear_right")
FIT = ("payload", "friction", *(f"motor_strength.{leg}" for leg in LEGS))
SEEDS = 1000  # more than the split has robots: each walk has commands and noise of its own
FILE = RESULTS / "adaptation" / "identification.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--walks", type=int, default=2, help="walks of each robot")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of a walk, s")
    parser.add_argument("--out", default=str(FILE), help="result file")
    args = parser.parse_args()
    tasks, controller = load_suite(SUITE).tasks("test"), load(CONTROLLER)
    fits = known(args.out, args.seconds)
    for seed in range(args.walks):
        for number, task in enumerate(tasks):
            if (seed, number) in fits:
                continue
            walked = walk(controller, task, args.seconds, seed=SEEDS * seed + number)
            started = time.process_time()
            found = identify(controller.config.robot, walked.log, FIT, seed=SEEDS * seed + number)
            fits[seed, number] = {
                "walk": seed, "task": number, "cpu_seconds": round(time.process_time() - started, 2),
                "fitted": {p.name: [p.true, p.value, p.error, *p.interval] for p in found.fitted},
            }  # fmt: skip
            print(fits[seed, number], flush=True)
            write_result(args.out, figures(list(fits.values()), args.seconds), seed=seed)
    found = figures(list(fits.values()), args.seconds)
    for row in found["parameters"]:
        print(row)
    write_result(args.out, found, seed=args.walks - 1)


def known(path: str, seconds: float) -> dict[tuple[int, int], dict[str, Any]]:
    """The fits that the result file holds already, by walk and number of the task."""
    try:
        with open(path, encoding="utf-8") as file:
            before = json.load(file)["figures"]
    except FileNotFoundError:
        return {}
    fits = before["fits"] if before["seconds"] == seconds else []
    return {(one["walk"], one["task"]): one for one in fits}


def figures(fits: list[dict[str, Any]], seconds: float) -> dict[str, Any]:
    """By walk and parameter, as `benchmarks/adaptation.py` has it for the regression; `coverage` is of all intervals."""
    rows = []
    for seed, name in itertools.product(sorted({one["walk"] for one in fits}), FIT):
        true, value, _, low, high = np.array([one["fitted"][name] for one in fits if one["walk"] == seed]).T
        error = np.abs(value - true)
        rows.append({
            "seed": seed, "parameter": name, "median_error": float(np.median(error)),
            "median_error_over_true": float(np.median(error / np.abs(true))),
            "median_error_over_range": float(np.median(error) / max(np.ptp(true), 1e-9)),
            "coverage": float(((low <= true) & (true <= high)).mean()),
        })  # fmt: skip
    return {
        "about": f"6: parameters from {seconds:g} seconds, by simulation", "seconds": seconds, "robots": len(fits),
        "coverage": float(np.mean([row["coverage"] for row in rows])),
        "median_cpu_seconds": float(np.median([one["cpu_seconds"] for one in fits])), "parameters": rows, "fits": fits,
    }  # fmt: skip


if __name__ == "__main__":
    main()
