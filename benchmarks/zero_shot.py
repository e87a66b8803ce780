"""What do the splits of a suite cost a trained controller that does not adapt? The gap that adaptation must close.

    python benchmarks/zero_shot.py                        # every pair below, about 15 minutes on one core
    python benchmarks/zero_shot.py arm-payload --share 2  # these suites alone; the others' figures stay

Shipped controllers, exploration off, on every task of the splits `test`, `moderate`, `extreme` and `structural`. Kept: the mean
return over that on the nominal robot (on level ground). The returns are written on the controllers' cards, too.
"""

import argparse
import json
from typing import Any

import surefoot  # noqa: F401  # isort: skip
# ^ before anything loads torch: it limits the spinning of torch's threads

from common import RESULTS, write_result

from surefoot.controllers import threads
from surefoot.controllers.controller import Controller
from surefoot.controllers.evaluation import Evaluation, evaluate
from surefoot.controllers.shipped import find
from surefoot.controllers.splits import evaluate_suite
from surefoot.envs.suites import load_suite

# Suite: a shipped controller for its robot and task.
PAIRS = {
    "quadruped-payload": "quadruped-velocity",
    "quadruped-damage": "quadruped-velocity",
    "quadruped-morphology": "quadruped-velocity",
    "quadruped-terrain": "quadruped-velocity",
    "hexapod-damage": "hexapod-velocity",
    "arm-payload": "arm-reach",
}
SPLITS = ("test", "moderate", "extreme", "structural")
NOMINAL_TASKS = 32  # so many times the episodes of a task: as many as of most splits


def measure(name: str, episodes: int, seed: int) -> dict[str, Any]:
    """One suite's splits, by name, beside the nominal robot."""
    suite, controller = load_suite(name), Controller.load(find(PAIRS[name]))
    usual = evaluate(controller, episodes=NOMINAL_TASKS * episodes, seed=seed)
    splits = {"nominal": row(usual, usual, usual.interval(), 1)}
    for found in evaluate_suite(controller, suite, SPLITS, episodes=episodes, seed=seed):
        splits[found.split] = row(found.evaluation, usual, found.interval(), len(found.tasks))
    card = controller.card
    trained = {} if card is None else {"vary": card.vary, "commit": card.commit, "date": card.date}
    return {
        "controller": PAIRS[name],
        "trained": trained,
        "sha256": suite.sha256,
        "episodes": episodes,
        "splits": splits,
    }


def row(e: Evaluation, usual: Evaluation, interval: tuple[float, float], tasks: int) -> dict[str, object]:
    """What is kept of the episodes on so many tasks."""
    return {
        "tasks": tasks,
        "return": round(e.mean, 2),
        "interval": [round(x, 2) for x in interval],
        "kept": round(e.mean / usual.mean, 3),
        "tracking": None if e.tracking != e.tracking else round(e.tracking, 3),
        "success": None if e.success is None else round(e.success, 3),
        "falls": round(float(e.fell.mean()), 3),
    }


def note_on_card(suite: str, figures: dict[str, Any]) -> None:
    """Write the returns on the suite's splits on the card of the controller that has just been measured."""
    file = find(figures["controller"])
    controller = Controller.load(file)
    assert controller.card is not None
    suites = {**controller.card.suites, suite: {split: row["return"] for split, row in figures["splits"].items()}}
    controller.save(file, card=controller.card.model_copy(update={"suites": suites}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"which: {', '.join(PAIRS)}; none: all")
    parser.add_argument("--episodes", type=int, default=5, help="episodes on each task")
    parser.add_argument("--seed", type=int, default=1000, help="seed of start states and commands")
    parser.add_argument("--share", type=int, default=1, help="so many such processes share the CPUs")
    args = parser.parse_args()
    unknown = [name for name in args.suites if name not in PAIRS]
    if unknown:
        parser.error(f"unknown suite {unknown[0]!r}: expected {', '.join(PAIRS)}")
    threads.share_cpus(args.share)
    file = RESULTS / "zero_shot.json"
    figures = json.loads(file.read_text(encoding="utf-8"))["figures"] if args.suites and file.exists() else {}
    for name in args.suites or PAIRS:
        figures[name] = measure(name, args.episodes, args.seed)
        print(name, {split: row["return"] for split, row in figures[name]["splits"].items()}, flush=True)
        write_result(file, {name: figures[name] for name in PAIRS if name in figures}, seed=args.seed)
        note_on_card(name, figures[name])


if __name__ == "__main__":
    main()
