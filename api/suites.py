"""Suites, and how controllers are judged on them and on grids of parameters."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..controllers.comparison import Comparison, load_methods, method_name
from ..controllers.comparison import compare as _compare
from ..controllers.envelope import Envelope, usual_motion
from ..controllers.envelope import envelope as _envelope
from ..controllers.evaluation import AnyController
from ..controllers.splits import SplitResult, validate
from ..controllers.splits import evaluate_suite as _evaluate_suite
from ..envs.batch_env import BatchEnv
from ..envs.families import FAMILIES
from ..envs.options import checked_options, configured
from ..envs.suites import TaskSuite, load_suite, suite_names
from ..envs.suites import make_suite as _make_suite
from ..envs.suites import verify as _verify
from ..envs.variation import Task
from ..report import safety_figures_table
from ..robots import SurefootError, unknown
from .sources import Plan, Settings, Source, commands_of, load, load_any, task_of


def list_suites() -> list[TaskSuite]:
    """The task suites that come with Surefoot."""
    return [load_suite(name) for name in suite_names()]


def verify_suites(sources: Sequence[str | Path] = ()) -> list[TaskSuite]:
    """Load suites (by default all that come with Surefoot) and draw them again from their laws and seeds.

    Raises `SurefootError` for the first whose hash does not match, whose splits share a task or that comes out otherwise.
    """
    suites = [load_suite(source) for source in sources or suite_names()]
    for suite in suites:
        _verify(suite)
    return suites


def make_suite(
    name: str,
    robot: str | None = None,
    task: str | None = None,
    *,
    vary: Mapping[str, str] | None = None,
    beyond: Mapping[str, Mapping[str, str]] | None = None,
    counts: Mapping[str, int] | None = None,
    options: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> TaskSuite:
    """A suite whose splits train, validation and test follow one law, `vary`: other draws of it, no task twice.

    `beyond` has a law for each split further out, {"moderate": {"payload": "3:6"}}, over those of `vary`; `counts` says how
    many tasks (100 in train, 20 elsewhere). Without `vary`, `name` is one of the suites that come with Surefoot.
    `envs.suites.make_suite` takes several laws a split. Raises `SurefootError` for unknown names and options, for a robot that
    the task is not for, and for laws that cannot be drawn from.
    """
    if not vary:
        if robot or task or beyond or counts or options or name not in FAMILIES:
            ours = ", ".join(FAMILIES)
            raise SurefootError(f"suite {name!r} needs a robot, a task and a law (--vary), or to be one of {ours}")
        return _make_suite(name, **FAMILIES[name], seed=seed)
    if robot is None or task is None:
        raise SurefootError(f"suite {name!r} needs a robot and a task, for example --robot quadruped --task velocity")
    # Whatever the task or the robot refuses is refused here, and not by whoever is measured on the suite.
    options = checked_options(task, options or {})
    BatchEnv(robot, task, 1, config=configured(task, **options))
    laws = {split: dict(vary) for split in ("train", "validation", "test")}
    laws |= {split: {**vary, **law} for split, law in (beyond or {}).items()}
    for split in counts or {}:
        if split not in laws:
            raise unknown("split", split, laws)
    wanted = {split: 100 if split == "train" else 20 for split in laws} | dict(counts or {})
    splits = {split: [(law, wanted[split])] for split, law in laws.items() if wanted[split] or split == "train"}
    return _make_suite(name, robot, task, splits, seed=seed, options=options)


def evaluate_suite(
    source: Source,
    suite: str | Path,
    splits: Sequence[str] | None = None,
    *,
    episodes: int = 10,
    trial: int = 1,
    seed: int = 1000,
    plan: Plan = None,
    safety: bool = False,
) -> list[SplitResult]:
    """`episodes` whole episodes, or trials of K, on every task of each split of a suite (by default of all splits).

    With `plan` (True, or a planner's settings), the controller plans each step.
    """
    frozen = load_suite(suite)
    return _evaluate_suite(load(source, plan), frozen, splits, episodes=episodes, trial=trial, seed=seed, safety=safety)


def as_comparison(results: Sequence[SplitResult], suite: str | Path, name: str, *, seed: int = 1000) -> Comparison:
    """What `evaluate_suite` found with this seed as the comparison of one method, whose content is what is written."""
    first = results[0]
    return Comparison(
        load_suite(suite),
        tuple(result.split for result in results),
        {name: {result.split: (result,) for result in results}},
        first.returns.shape[1],
        seed,
        trial=len(first.evaluation.by_episode),
    )


def compare(
    sources: Sequence[str | Path],
    suite: str | Path,
    *,
    splits: Sequence[str] | None = None,
    baseline: str | Path | None = None,
    oracle: str | Path | None = None,
    episodes: int = 10,
    trial: int = 1,
    seed: int = 1000,
) -> Comparison:
    """Every source, a run or a folder of seeds, on the same episodes of a suite; `baseline` and `oracle` are sources, too.

    With `trial` K they are trials: K episodes in a row, of which a controller remembers the earlier ones.
    """
    frozen, every = load_suite(suite), [*sources, *(s for s in (baseline, oracle) if s is not None)]
    roles = [None if s is None else method_name(s, every) for s in (baseline, oracle)]
    methods = load_methods(every)
    first, best = roles
    return _compare(methods, frozen, splits, baseline=first, oracle=best, episodes=episodes, trial=trial, seed=seed)


def comparison_safety(content: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """A title and the safety criteria for each split of a comparison, one column a method; the last says what they mean."""
    tables = []
    for split, found in content["splits"].items():
        table = safety_figures_table({name: figures["safety"] for name, figures in found["methods"].items()})
        *columns, _ = table["columns"]
        tables.append((split, {"columns": columns, "rows": [row[:-1] for row in table["rows"]]}))
    tables[-1][1]["note"] = "\n".join(f"{row[0]}: {row[-1]}" for row in table["rows"])
    return tables


def envelope(
    source: Source | AnyController,
    grid: Mapping[str, str],
    *,
    adapted: Source | AnyController | None = None,
    motion: float | None = None,
    parameters: Settings | Task | None = None,
    cells: int = 12,
    episodes: int = 4,
    seed: int = 1000,
) -> Envelope:
    """Success on a grid of two parameters, such as {"payload": "0:12", "friction": "0.2:1.2"}, before and after adaptation.

    What "after" is: the controller `adapted`; or of a controller that adapts while it walks (recurrent, rma, context, identify)
    itself, in every cell after `motion` seconds there: where nobody says `usual_motion`, mostly 10; 0 for no such map.
    """
    controller = load_any(source)
    controllers: dict[str, AnyController] = {"controller": controller}
    if motion is None:
        motion = usual_motion(controller) if adapted is None else 0.0
    if motion and adapted is not None:
        raise SurefootError(f"motion of {motion:g} s and an adapted controller: expected one of the two")
    moved = f"after {motion:g} s of motion"
    if adapted is not None:
        controllers = {"before": controller, "after": load_any(adapted)}
    elif motion:
        controllers = {"before": controller, moved: controller}
    task = task_of(parameters, commands_of(controller))
    moving = {moved: motion} if motion else {}
    return _envelope(controllers, grid, cells=cells, episodes=episodes, task=task, seed=seed, motion=moving)


def choose(
    run: str | Path, suite: str | Path, *, episodes: int = 10, seed: int = 1000
) -> list[tuple[Path, SplitResult]]:
    """Every checkpoint of a run on the suite's split `validation`, best first."""
    return validate(run, load_suite(suite), episodes=episodes, seed=seed)
