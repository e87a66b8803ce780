"""The adaptation methods on the published families and on our own suites: train, measure, write one JSON a row.

    python benchmarks/adaptation.py cheetah-vel                  # one row: three seeds of each of its methods
    python benchmarks/adaptation.py cheetah-vel --seeds 1        # or fewer
    python benchmarks/adaptation.py cheetah-vel --first 1 --seeds 2   # two more, beside the first in the row's file
    python benchmarks/adaptation.py quadruped-rma --only rma     # one method; the figures of the others stay
    python benchmarks/adaptation.py --share 2 --train cheetah-dir   # train alone, beside another such process

Trainings are kept in --runs, SUITE/METHOD/seed_K, and found there again; one that was interrupted begins anew. Results:
results/adaptation/ROW.json, of which `benchmarks/report.py` makes docs/results.md, and for rows that compare episodes these,
results/adaptation/episodes. Rows:
"""

import argparse
import dataclasses
import itertools
import json
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import surefoot  # noqa: F401  # isort: skip
# ^ before anything loads torch: it limits the spinning of torch's threads

import numpy as np
import torch
from common import RESULTS, command, commit, date, write_result
from episodes import keep, read
from one_by_one import GO_ON, ONE_BY_ONE, figures_of

from surefoot.controllers import threads
from surefoot.controllers.adaptation import META_TRAIN, Budget, maml
from surefoot.controllers.adaptation.continual import STOPS, continual
from surefoot.controllers.adaptation.identify import walk_and_identify
from surefoot.controllers.adaptation.maml import Actor
from surefoot.controllers.adaptation.online import POINTS, walk_and_judge
from surefoot.controllers.comparison import Comparison
from surefoot.controllers.controller import Controller
from surefoot.controllers.envelope import TRACKING
from surefoot.controllers.splits import evaluate_suite
from surefoot.controllers.training import train
from surefoot.envs.suites import TaskSuite, load_suite
from surefoot.envs.variation import Task
from surefoot.robots import SurefootError, get_robot, unknown

FOLDER = RESULTS / "adaptation"
EPISODES, STARTS = FOLDER / "episodes", 1000  # and the seed of their start states
BASELINE, ORACLE = "randomised", "oracle"  # a policy without memory, and the one that rma's teacher is
NI_MARKOV, NI_ORACLE = -351.7, -79.7  # facts/protocols.md: cheetah-vel, sum of two episodes
SAMI = {  # facts/protocols.md: the best of its methods on train, moderate, extreme; and the factor that the last two ask for
    "ant-cripple": ((2638, 2379, 2131), 1.25),
    "ant-cripple-sami": ((2638, 2379, 2131), 1.25),
    "cheetah-cripple": ((4583, 2442, 1599), 1.5),
    "cheetah-mass-damping": ((7430, 4058, 1780), 1.25),
}


@dataclass(frozen=True)
class Training:
    """How one method's controller is made; `method` "" is plain training.

    `of` is another method whose controllers this one takes.
    """

    method: str = ""
    algo: str = "ppo"
    steps: int | None = None
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    meta: Mapping[str, Any] = field(default_factory=dict)
    of: str = ""


@dataclass(frozen=True)
class Row:
    """A suite, the methods that are trained on it, and what is measured.

    `measure` gets the row, the controllers of each method by seed, and the figures that the row's file has. It gives the
    figures, of `splits` or of all but `train` and `validation`; those of other methods and of the seeds before stay. Where
    methods have budgets, `only` names those of the splits that are measured now.
    """

    about: str
    suite: str
    trainings: Mapping[str, Training]
    measure: Callable[["Row", "Seeds", "Figures"], dict[str, Any]]
    trial: int = 1
    episodes: int = 10
    motor: str = ""  # that dies in mid-walk
    splits: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    tuning: float = 60.0  # s of computing that `GO_ON`'s methods have for each robot


AHEAD = {"vx": 0.6, "vy": 0.0, "yaw": 0.0}
CALF = "front_left_calf"
LOST = (CALF, "front_right_hip", "rear_left_thigh")
SUCCESS = f"no fall and tracking of {TRACKING} or more"
Seeds = Mapping[str, Mapping[int, Controller]]
Figures = Mapping[str, Any]


def beside(known: Sequence[Any], found: Mapping[int, Any]) -> list[Any]:
    """The seeds before those found, as the row's file has them, and those."""
    if len(known) < min(found):
        raise SurefootError(f"seed {len(known)} has no figures yet: measure it before seed {min(found)}")
    return [*known[: min(found)], *found.values()]


# --- what is measured --------------------------------------------------------------------------------------------------


def families(row: Row, seeds: Seeds, known: Figures) -> dict[str, Any]:
    """The published protocol: every method on the same trials of every task of every split.

    Those that meet one robot at a time have some of them; where no others are asked, these stay as the row's file has them.
    """
    suite, splits = load_suite(row.suite), row.splits
    for name, found in seeds.items():
        if name in ONE_BY_ONE:
            continue
        files = {k: EPISODES / f"{row.suite}-{name}-seed_{k}.npz" for k in found}
        for file in set(episodes_of(row, name)) - set(beside(episodes_of(row, name), files)):
            file.unlink()
        for k, controller in found.items():
            results = evaluate_suite(
                controller, suite, splits, episodes=row.episodes, trial=row.trial, seed=STARTS, safety=True
            )
            keep(files[k], dict(zip(splits, results, strict=True)))
    kept = {name: [read(file, suite) for file in episodes_of(row, name)] for name in (*row.trainings, ORACLE)}
    results = {
        name: {split: tuple(one[split] for one in found) for split in splits} for name, found in kept.items() if found
    }
    if results:
        baseline, oracle = (name if name in results else None for name in (BASELINE, ORACLE))
        compared = Comparison(suite, splits, results, row.episodes, STARTS, baseline, oracle, row.trial).content()
    elif known:
        compared = known["comparison"]
    else:
        raise SurefootError(f"{row.suite} has no comparison yet: measure its other methods first, without --only")
    alone: dict[str, dict[str, Any]] = known.get("one_by_one", {})
    for split in (s for s in row.only or splits if s != "train"):
        of = alone.setdefault(split, {})
        for name in (n for n in seeds if n in ONE_BY_ONE):
            curves = {k: ONE_BY_ONE[name](c, suite, split, k, row.tuning) for k, c in seeds[name].items()}
            of[name] = beside(of.get(name, []), curves)
    return {"comparison": compared, "one_by_one": alone, "published": published(row, compared, alone)}


def episodes_of(row: Row, method: str) -> list[Path]:
    """The files of a method's seeds, in their order."""
    return sorted(EPISODES.glob(f"{row.suite}-{method}-seed_*.npz"), key=lambda f: int(f.stem.rpartition("_")[2]))


def published(row: Row, content: Mapping[str, Any], alone: Mapping[str, Any]) -> dict[str, Any]:
    """By method, what the published figures are compared with."""
    splits, figures = content["splits"], {}
    if row.suite == "cheetah-vel":
        for method, found in splits["test"]["methods"].items():
            total = sum(found["by_episode"])
            figures[method] = {"two_episodes": total, "gap_closed_ni": (total - NI_MARKOV) / (NI_ORACLE - NI_MARKOV)}
    if row.suite in SAMI:
        best, factor = SAMI[row.suite]
        asked = dict(zip(("train", "moderate", "extreme"), (best[0], factor * best[1], factor * best[2]), strict=True))
        for split, least in asked.items():
            means = {method: found["mean"] for method, found in splits[split]["methods"].items()}
            means |= {
                m: float(np.mean([c[-1]["return"] for c in curves])) for m, curves in alone.get(split, {}).items()
            }
            for method, value in means.items():
                figures.setdefault(method, {})[split] = {"over_asked": value / least, "asked": least}
    return figures


def by_budget(row: Row, seeds: Seeds, known: Figures) -> dict[str, Any]:
    """Every method at budgets of the robot's motion, each robot by itself, on `row.episodes` robots a task."""
    suite = load_suite(row.suite)
    result: dict[str, dict[str, Any]] = known.get("splits", {})
    for split in row.only or row.splits or [s for s in suite.splits if s not in ("train", "validation")]:
        of = result.setdefault(split, {})
        for name, found in seeds.items():
            if name == ORACLE and suite.robot_of(split) != suite.robot:
                continue  # it is told of parts that another robot calls by other names
            curves = {k: on_split(row, name, c, suite, split, k) for k, c in found.items()}
            of[name] = beside(of.get(name, []), curves)
            print(split, name, [[(p["robot_seconds"], round(p["return"], 1)) for p in c] for c in curves.values()])
    losses: dict[str, Any] = known.get("motor_loss", {})
    for name, found in seeds.items():
        if row.motor and name not in ("search", "planner", ORACLE):
            now = {k: loss_of(row.motor, c, k, name if name in STOPS else "") for k, c in found.items()}
            losses[name] = beside(losses.get(name, []), now)
    return {"splits": result, "motor_loss": losses, "robots_per_task": row.episodes, "success": SUCCESS}


def loss_of(motor: str, controller: Controller, seed: int, method: str = "") -> dict[str, float | None]:
    """What becomes of 50 robots that walk ahead when a motor dies."""
    lost = Task({"dead_actuator": motor}, AHEAD)
    return continual(controller, lost, Task({}, AHEAD), seed=seed, method=method).figures()


def motor_losses(row: Row, seeds: Seeds, known: Figures) -> dict[str, Any]:
    """As `by_budget` measures it, for several motors."""
    methods = (*row.trainings, ORACLE)
    losses = {key: v for key, v in known.get("motor_loss", {}).items() if key.split(",")[0] in methods}
    for name, found in seeds.items():
        for motor in LOST:
            now = {k: loss_of(motor, c, k) for k, c in found.items()}
            losses[f"{name}, {motor}"] = beside(losses.get(f"{name}, {motor}", []), now)
    return {"motor_loss": losses}


def on_split(
    row: Row, name: str, controller: Controller, suite: TaskSuite, split: str, seed: int
) -> list[dict[str, Any]]:
    """The curve of one controller of one method on a split."""
    every = suite.tasks(split)
    tasks = [task for task in every for _ in range(row.episodes)]
    where = {"robot": suite.robot_of(split), "options": suite.options}
    if name in ONE_BY_ONE:
        return ONE_BY_ONE[name](controller, suite, split, seed, row.tuning)
    if name == "identify":
        points = walk_and_identify(controller, tasks, len(tasks), (1, 2, 15), seed=seed, **where).curve
    else:
        dt, adapts = get_robot(suite.robot_of(split)).control_dt, name in ("recurrent", "rma", "context")
        stops = [0, *(round(t / dt) for t in POINTS)] if adapts else [0]
        points = walk_and_judge(controller, tasks, len(tasks), stops, seed=seed, **where)
    return [figures_of([point], list(range(len(every)))) for point in points]


def identification(row: Row, seeds: Seeds, known: Figures) -> dict[str, Any]:
    """How near the truth the parameters are after four seconds, and how often the 90 % interval holds it."""
    suite = load_suite(row.suite)
    rows = [r for r in known.get("parameters", []) if r["seed"] < min(seeds["identify"])]
    for seed, controller in seeds["identify"].items():
        tasks = [task for task in suite.tasks("test") for _ in range(row.episodes)]
        found = walk_and_identify(controller, tasks, len(tasks), (1,), seed=seed)
        error, inside = np.abs(found.mean - found.true), np.abs(found.mean - found.true) <= 1.645 * found.std
        for k, name in enumerate(found.names):
            spread = float(np.ptp(found.true[:, k]))
            rows.append({
                "seed": seed, "parameter": name, "median_error": float(np.median(error[:, k])),
                "median_error_over_true": float(np.median(error[:, k] / np.abs(found.true[:, k]))),
                "median_error_over_range": float(np.median(error[:, k])) / spread, "coverage": float(inside[:, k].mean()),
            })  # fmt: skip
    return {"parameters": rows, "robots": len(suite.tasks("test")) * row.episodes}


RATES = (0.01, 0.03, 0.1, 0.3, 1.0)  # step sizes for a controller that has learnt none


def gradient_steps(row: Row, seeds: Seeds, known: Figures) -> dict[str, Any]:
    """Return after 0, 1, 2 and 3 gradient steps on each task, all methods with as much motion a step.

    The baseline steps with the constant size that serves it best over all tasks and seeds after three steps.
    """
    suite = load_suite(row.suite)
    tasks = suite.tasks("train")  # a family of two tasks, which are also what papers test on
    budget = Budget(seconds=None, steps=10**9)
    returns, rates = dict(known.get("returns", {})), dict(known.get("returns_by_rate", {}))

    def curve(controller: Controller, seed: int) -> list[list[float]]:
        """(tasks, steps)."""
        how: dict[str, Any] = {"seed": seed, "episodes": row.episodes, "points": 3, "steps": 3}
        return [[p.evaluation.mean for p in maml(controller, task, budget, **how).curve] for task in tasks]

    for name, found in seeds.items():
        if name == BASELINE:
            for rate in RATES:
                now = {k: curve(with_rates(c, rate), k) for k, c in found.items()}
                rates[f"{rate:g}"] = beside(rates.get(f"{rate:g}", []), now)
        else:
            returns[name] = beside(returns.get(name, []), {k: curve(c, k) for k, c in found.items()})
    if not rates:
        raise SurefootError(f"{BASELINE!r} has no figures by step size yet: measure it as well")
    best = max(rates, key=lambda rate: np.mean(rates[rate], axis=(0, 1))[3])
    returns[BASELINE] = rates[best]
    means = {name: np.mean(found, axis=(0, 1)).round(1).tolist() for name, found in returns.items()}
    print(means, f"finetune's step size {best}")
    said = {"tasks": [str(t) for t in tasks], "rate_of_the_baseline": float(best), "returns_by_rate": rates}
    return said | {"returns": returns, "means": means}


def with_rates(controller: Controller, rate: float) -> Controller:
    controller = controller.copy()
    weights = Actor(controller.policy).weights()
    controller.training |= {f"inner_rate.{name}": torch.full_like(w, rate) for name, w in weights.items()}
    return controller


# --- the rows ----------------------------------------------------------------------------------------------------------

_GRADIENTS = {
    BASELINE: Training(steps=2_000_000),
    "maml": Training("maml", steps=6_000_000),
    "maml-first-order": Training("maml", steps=6_000_000, meta={"order": 1}),
    "reptile": Training("reptile", steps=6_000_000),
}
_MEMORY = Training("recurrent", "recurrent_ppo")
_GOALS = {
    BASELINE: Training(steps=2_000_000),
    "rma": Training("rma", steps=4_000_000, meta={"share": 0.3}),  # a goal is harder to see than a load
    "recurrent": _MEMORY,
    "context": Training("context", "context_sac"),
}
# Two tasks only: fewer worlds, which learn more often.
_TWO_TASKS = {"num_envs": 32, "tasks": 8, "batch_size": 512, "gradient_steps": 6}
_DIRECTIONS = {
    **_GOALS,
    "recurrent": dataclasses.replace(_MEMORY, steps=10_000_000),
    "context": Training("context", "context_sac", steps=300_000, hyperparameters=_TWO_TASKS),
}
_GO_ON = {name: Training(of=BASELINE) for name in GO_ON}
_DYNAMICS = {
    BASELINE: Training(steps=4_000_000),
    "recurrent": _MEMORY,
    "rma": Training("rma", steps=4_000_000),
    **_GO_ON,
}
# After 5 M steps three trainings have 7,240 on the robots of the training, and still rise.
_MASSES = {**_DYNAMICS, "recurrent": dataclasses.replace(_MEMORY, steps=8_000_000)}
# The same left and right: what the loss of one leg has taught holds for the leg across from it.
_MIRROR = {"mirror": True}
_ANT = {
    BASELINE: Training(steps=7_000_000, hyperparameters=_MIRROR),
    "rma": Training("rma", steps=7_000_000, hyperparameters=_MIRROR),
    **_GO_ON,
}
_REDRAW = {"redraw": 0.004}  # as in RMA's training
_QUADRUPED = {
    BASELINE: Training(steps=6_000_000, hyperparameters=_REDRAW),
    "recurrent": Training("recurrent", "recurrent_ppo", steps=6_000_000, hyperparameters=_REDRAW),
    "rma": Training("rma", steps=6_000_000, hyperparameters=_REDRAW),
    "identify": Training("identify", steps=2_000_000),
    "search": Training(of="identify"),  # whose policy is told the same
}
_LEGS = {**_QUADRUPED, **_GO_ON}
# Without a memory the return in training stands still from 4.5 M steps on, with one it still rises at 9 M.
_RMA = {**_LEGS, "recurrent": dataclasses.replace(_QUADRUPED["recurrent"], steps=12_000_000)}
# As the published families', whose rewards are fifty times as large; a world for each of a suite's tasks.
_LEGS_CONTEXT = {
    "num_envs": 128, "net": (128, 128), "learning_rate": 5e-4, "batch_size": 512, "gradient_steps": 14, "gamma": 0.97,
    "tau": 0.01, "reward_scale": 50.0,
}  # fmt: skip
# By itself it does not learn to walk in 6 M steps; rates of a policy that has much to lose.
_LEGS_MAML = {"pretrain": 4_000_000, "tasks": 10, "inner_rate": 0.01, "rate": 3e-4}
_EVERY = {
    **_LEGS,
    "planner": Training(of="identify"),
    "context": Training("context", "context_sac", steps=500_000, hyperparameters=_LEGS_CONTEXT),
    "maml": Training("maml", steps=6_000_000, hyperparameters=_REDRAW, meta=_LEGS_MAML),
}
_TERRAIN = {name: plan for name, plan in _LEGS.items() if name != "twin"}  # which knows robots, not grounds
_LOSSES = {name: _QUADRUPED[name] for name in (BASELINE, "recurrent", "rma")}
_IDENTIFY = {"identify": _QUADRUPED["identify"]}
# Of their papers' splits.
_SAMI, _AND_TEST = ("train", "moderate", "extreme"), ("train", "test", "moderate", "extreme")
ROWS = {
    "cheetah-vel": Row(
        "1: gap closed after two episodes",
        "cheetah-vel",
        _GOALS,
        families,
        trial=2,
        episodes=4,
        splits=_AND_TEST,
    ),
    "cheetah-dir": Row(
        "2: return of 200 steps", "cheetah-dir", _DIRECTIONS, families, trial=2, episodes=20, splits=("train",)
    ),
    "cheetah-cripple": Row("3: a dead joint", "cheetah-cripple", _DYNAMICS, families, splits=_SAMI),
    "ant-cripple": Row("3: a dead leg", "ant-cripple", _ANT, families, splits=_AND_TEST, tuning=180.0),
    "ant-cripple-sami": Row(
        "3: a dead leg, with the reward of SaMI's figures",
        "ant-cripple-sami",
        _ANT,
        families,
        splits=_AND_TEST,
        tuning=180.0,
    ),  # ants are slow: 3 k steps/s
    "cheetah-mass-damping": Row(
        "3: other masses and damping", "cheetah-mass-damping", _MASSES, families, splits=_SAMI, episodes=4
    ),
    "quadruped-rma": Row(
        "4: success on RMA's test ranges", "quadruped-rma", _RMA, by_budget, episodes=12, motor=CALF, splits=("test",)
    ),
    "quadruped-payload": Row("5: loads", "quadruped-payload", _EVERY, by_budget, episodes=4, motor=CALF),
    "quadruped-damage": Row("5: weak and dead motors", "quadruped-damage", _EVERY, by_budget, episodes=4, motor=CALF),
    "motor-loss": Row("4: any of three motors", "quadruped-damage", _LOSSES, motor_losses),
    "identify": Row("6: parameters from four seconds", "quadruped-payload", _IDENTIFY, identification, episodes=8),
    "gradients-cheetah-dir": Row(
        "7: one and three gradient steps", "cheetah-dir", _GRADIENTS, gradient_steps, episodes=20
    ),
    "gradients-ant-dir": Row("7: the same", "ant-forward-backward", _GRADIENTS, gradient_steps, episodes=20),
    "go1-transfer": Row("5: from the primitive quadruped to Go1", "go1-transfer", _EVERY, by_budget, episodes=4),
    "quadruped-morphology": Row("issue 6: other bodies", "quadruped-morphology", _LEGS, by_budget, episodes=4),
    "quadruped-terrain": Row("issue 6: uneven ground", "quadruped-terrain", _TERRAIN, by_budget, episodes=4),
    "hexapod-damage": Row("issue 6: six legs, weak and dead motors", "hexapod-damage", _LEGS, by_budget, episodes=4),
    "arm-payload": Row("issue 6: loads in the hand", "arm-payload", _LEGS, by_budget, episodes=4),
}


# --- training ----------------------------------------------------------------------------------------------------------


def trained(row: Row, method: str, seed: int, folder: Path) -> None:
    """Train one seed of one method, unless its folder holds the finished controller."""
    method = row.trainings[method].of or method
    out = folder / method / f"seed_{seed}"
    if (out / "controller.safetensors").exists():
        return
    shutil.rmtree(out, ignore_errors=True)
    plan, suite = row.trainings[method], load_suite(row.suite)
    asked: dict[str, Any] = {
        "suite": row.suite, "seed": seed, "steps": plan.steps, "out": out, "hyperparameters": dict(plan.hyperparameters)
    }  # fmt: skip
    print(f"{folder.name}/{method}/seed_{seed}", file=sys.stderr)
    started = time.perf_counter()
    if plan.method:
        META_TRAIN[plan.method](suite.robot, suite.task, **asked, meta=dict(plan.meta))
    else:
        train(suite.robot, suite.task, algo=plan.algo, **asked)
    (out / "seconds").write_text(f"{time.perf_counter() - started:.1f} {threads.UPDATE_THREADS}")


def load(folder: Path, methods: Mapping[str, Training], seeds: Sequence[int]) -> dict[str, dict[int, Controller]]:
    """The seeds that there are, by method; rma's teachers, who know the truth, are the oracle."""
    found: dict[str, dict[int, Controller]] = {}
    for name, plan in methods.items():
        files = {k: folder / (plan.of or name) / f"seed_{k}" / "controller.safetensors" for k in seeds}
        found[name] = {k: Controller.load(file) for k, file in files.items() if file.exists()}
        if name == "rma":
            teachers = {k: file.parent / "teacher" / file.name for k, file in files.items() if file.exists()}
            found[ORACLE] = {k: Controller.load(file) for k, file in teachers.items()}
    return {name: controllers for name, controllers in found.items() if controllers}


def costs(row: Row, folder: Path, known: Figures) -> dict[str, list[str]]:
    """Seconds of each training, and the number of CPUs that it had: METHOD/seed_K."""
    now = {f"{f.parent.parent.name}/{f.parent.name}": f.read_text().split() for f in folder.glob("*/seed_*/seconds")}
    every: dict[str, list[str]] = known.get("training_seconds_and_cpus", {}) | now
    return {run: every[run] for run in sorted(every) if run.split("/")[0] in row.trainings}


def origins(known: Figures, methods: Sequence[str], splits: Sequence[str]) -> dict[str, Any]:
    """Where each method's figures are from: METHOD, or METHOD on SPLIT where that alone was measured later."""
    now = [f"{method} on {split}" for method in methods for split in splits] or methods
    before = {
        name: of for name, of in known.get("measured", {}).items() if splits or name.split(" on ")[0] not in methods
    }
    origin = {"command": command(), "date": date(), "commit": commit()}
    return before | dict.fromkeys(now, origin)


def main() -> None:
    about = "\n".join(f"  {name:22} {row.about}" for name, row in ROWS.items())
    parser = argparse.ArgumentParser(description=__doc__ + about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "rows", nargs="*", metavar="ROW", help="as listed above; hours each, so none where none is named"
    )
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds")
    parser.add_argument(
        "--first", type=int, default=0, help="the first of them; those before it stay in the row's file"
    )
    parser.add_argument("--only", nargs="+", metavar="METHOD", help="train and measure these methods alone")
    parser.add_argument("--splits", nargs="+", metavar="SPLIT", help="measure these alone, where methods have budgets")
    parser.add_argument("--train", action="store_true", help="train, and measure nothing")
    parser.add_argument("--measure", action="store_true", help="measure what is trained already")
    parser.add_argument("--runs", type=Path, default=Path("runs/adaptation"), help="folder of the trainings")
    parser.add_argument("--share", type=int, default=1, help="so many of these processes share the CPUs")
    args = parser.parse_args()
    threads.share_cpus(args.share)
    try:
        for name in args.rows:
            if name not in ROWS:
                raise unknown("row", name, ROWS)
            row = ROWS[name]
            folder, file = args.runs / row.suite, FOLDER / f"{name}.json"
            seeds = range(args.first, args.first + args.seeds)
            methods = args.only or list(row.trainings)
            for method in methods:
                if method not in row.trainings:
                    raise unknown(f"method of row {name!r}", method, row.trainings)
            for seed, method in itertools.product(() if args.measure else seeds, methods):
                trained(row, method, seed, folder)
            if not args.train:
                known = json.loads(file.read_text(encoding="utf-8"))["figures"] if file.exists() else {}
                asked = dataclasses.replace(row, only=tuple(args.splits or ()))
                figures = row.measure(asked, load(folder, {m: row.trainings[m] for m in methods}, seeds), known)
                suite = load_suite(row.suite)
                figures |= {
                    "about": row.about,
                    "suite": row.suite,
                    "suite_version": suite.version,
                    "suite_sha256": suite.sha256,
                    "training_seconds_and_cpus": costs(row, folder, known),
                    "measured": origins(known, methods, asked.only),
                }
                write_result(file, figures, seed=seeds[-1])
    except SurefootError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
