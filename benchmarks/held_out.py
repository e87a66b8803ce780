"""Do the shipped controllers of arm and hexapod do their task, on episodes that neither training nor choice has seen?

    python benchmarks/held_out.py                     # all of them, about 5 minutes on one core

Exploration off, seed 5000 (training: 0, choice: 2000, card: 1000), so start states, goals and robots are others. Success:
the tool was within 2 cm of its target (reach), the object within 5 cm of its goal (push), for 5 control steps.
"""

import argparse
import json

import surefoot  # noqa: F401  # isort: skip
# ^ before anything loads torch: it limits the spinning of torch's threads

from common import RESULTS, write_result

from surefoot.controllers import threads
from surefoot.controllers.controller import Controller
from surefoot.controllers.evaluation import evaluate
from surefoot.controllers.shipped import card_of, find

NOMINAL, LOADS = "as it is", "payload 0 to 3 kg"
THINGS = "and other objects"  # of .5 to 2 times the mass and .6 to 1.4 times the friction
LOADED = {"payload": "0:3"}
# Shipped controller: on which robots, by label, as a variation.
CASES: dict[str, dict[str, dict[str, str]]] = {
    "arm-reach": {NOMINAL: {}, LOADS: LOADED},
    "arm-push": {
        NOMINAL: {}, LOADS: LOADED, THINGS: {**LOADED, "mass.object": "0.5:2", "friction.object_foot": "0.6:1.4"}
    },
    "hexapod-velocity": {NOMINAL: {}, LOADS: LOADED},
}  # fmt: skip


def measure(name: str, episodes: int, seed: int) -> dict[str, object]:
    """One controller on its cases, and what its card says of its training."""
    controller, card, cases = Controller.load(find(name)), card_of(name), {}
    for label, vary in CASES[name].items():
        e = evaluate(controller, vary=vary or None, episodes=episodes, seed=seed)
        cases[label] = {
            "vary": vary,
            "episodes": episodes,
            "return": round(e.mean, 2),
            "interval": [round(x, 2) for x in e.interval()],
            "tracking": None if e.tracking != e.tracking else round(e.tracking, 4),
            "success": None if e.success is None else round(e.success, 4),
            "falls": round(float(e.fell.mean()), 4),
        }
        print(name, label, cases[label], flush=True)
    training = {key: getattr(card, key) for key in ("steps", "training_seconds", "machine", "vary", "commit")}
    return {"training": training, "cases": cases}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(CASES)}; none: all")
    parser.add_argument("--episodes", type=int, default=1000, help="episodes of an arm; a fifth of them of legs")
    parser.add_argument("--seed", type=int, default=5000, help="seed of start states, goals and robots")
    parser.add_argument("--share", type=int, default=1, help="so many such processes share the CPUs")
    args = parser.parse_args()
    unknown = [name for name in args.names if name not in CASES]
    if unknown:
        parser.error(f"unknown controller {unknown[0]!r}: expected {', '.join(CASES)}")
    threads.share_cpus(args.share)
    file = RESULTS / "held_out.json"
    figures = json.loads(file.read_text(encoding="utf-8"))["figures"] if args.names and file.exists() else {}
    for name in args.names or CASES:
        figures[name] = measure(name, args.episodes // (5 if name.endswith("velocity") else 1), args.seed)
        write_result(file, {name: figures[name] for name in CASES if name in figures}, seed=args.seed)


if __name__ == "__main__":
    main()
