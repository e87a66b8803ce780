"""The verbs as plain Python functions; the command line calls these."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .controllers.adaptation import METHODS, Adaptation, Budget
from .controllers.comparison import Comparison, load_methods, method_name
from .controllers.comparison import compare as _compare
from .controllers.config import PlannerConfig
from .controllers.controller import Controller
from .controllers.envelope import Envelope
from .controllers.envelope import envelope as _envelope
from .controllers.evaluation import AnyController, Evaluation
from .controllers.evaluation import evaluate as _evaluate
from .controllers.gym_ids import needs_robot
from .controllers.metadata import Metadata
from .controllers.onnx_controller import OnnxController
from .controllers.planner import driver
from .controllers.screening import Finding, Log, Screening
from .controllers.screening import screen as _screen
from .controllers.seeds import SeedSummary, train_seeds
from .controllers.shipped import find
from .controllers.splits import SplitResult, validate
from .controllers.splits import evaluate_suite as _evaluate_suite
from .controllers.training import resume, train
from .controllers.worlds import worlds_of
from .envs.families import FAMILIES
from .envs.gym import make, make_vec
from .envs.suites import TaskSuite, load_suite, suite_names
from .envs.suites import make_suite as _make_suite
from .envs.suites import verify as _verify
from .envs.variation import Task
from .replay.figures import write as write_content
from .replay.page import write_page
from .replay.recording import SUFFIX, Recording, load_many, read_unchecked
from .replay.rollout import TOUR, Script
from .replay.rollout import record as _record
from .report import (
    adaptation_curves,
    catalogue,
    comparison_tables,
    curve_table,
    duration,
    envelope_tables,
    evaluation_table,
    recording_table,
    safety_table,
    screening_table,
    seeds_table,
    split_table,
    suite_table,
    suites_table,
    summary_table,
    tasks_table,
    training_curve,
    tuning_tables,
    validation_table,
)
from .robots import ROBOTS, SurefootError, unknown
from .robots.files import check_name

if TYPE_CHECKING:  # needs the extra surefoot[tune]
    from .controllers.tuning import Tuning

__all__ = [
    "SeedSummary", "adapt", "catalogue", "check_name", "choose", "compare", "comparison_tables", "curve_table", "duration",
    "envelope", "envelope_tables", "evaluate", "evaluate_suite", "evaluation_table", "export", "import_sb3", "list_robots",
    "list_suites", "load", "load_any", "load_suite", "make", "make_suite", "make_vec", "read_study", "record",
    "recording_table", "replay", "resume", "safety_table", "screen", "screening_table", "seeds_table", "split_table",
    "suite_table", "suites_table", "summary_table", "tasks_table", "train", "train_seeds", "training_curve", "tune",
    "tuning_tables", "validation_table", "verify_suites", "write_adaptation_page", "write_content",
]  # fmt: skip

Settings = Mapping[str, float | str]
Source = Controller | str | Path
Plan = bool | Mapping[str, Any] | PlannerConfig | None  # settings of a planner, True for the usual ones


def list_robots() -> list[str]:
    """Names of the catalogue's robots."""
    return sorted(ROBOTS)


def load(source: Source, plan: Plan = None) -> Controller:
    """A controller from a run folder, a controller file or by the name of a shipped one; a `Controller` as it is.

    With `plan` it is one that plans whenever it drives a robot (or, where `plan` is False, one that does not).
    """
    if isinstance(source, Controller):
        controller = source
    else:
        controller = Controller.load(find(source))
    if plan is None:
        return controller
    controller = controller.copy()
    if isinstance(plan, bool):
        controller.plan = PlannerConfig() if plan else None
    else:
        controller.plan = plan if isinstance(plan, PlannerConfig) else PlannerConfig.parse(plan)
    return controller


def load_any(source: Source | AnyController, plan: Plan = None) -> AnyController:
    """As `load`, and exported files (*.onnx) besides: whatever can be evaluated and recorded."""
    exported = isinstance(source, OnnxController) or (isinstance(source, str | Path) and Path(source).suffix == ".onnx")
    if not exported:
        assert not isinstance(source, OnnxController)
        return load(source, plan)
    if plan is not None:
        raise SurefootError(
            "an exported file (*.onnx) only acts: planning needs a run folder or a controller (*.safetensors)"
        )
    return source if isinstance(source, OnnxController) else OnnxController.load(str(source))


def task_of(settings: Settings | Task | None, goal: Mapping[str, float] | None = None) -> Task:
    """A `Task` from settings such as {"payload": 6, "motor_strength.front_left": 0.4}."""
    return settings if isinstance(settings, Task) else Task(dict(settings or {}), dict(goal or {}))


def tune(robot: str, task: str, *, study: str | Path, **asked: Any) -> "Tuning":
    """Search for hyperparameters in a study that can be continued: see `controllers.tuning.tune`, whose arguments it takes."""
    return _tuning().tune(robot, task, study=study, **asked)


def read_study(path: str | Path) -> "Tuning":
    """What the study in a file knows now."""
    return _tuning().read_study(path)


def _tuning() -> Any:
    try:
        import optuna  # noqa: F401
    except ImportError as error:
        raise SurefootError("tune needs Optuna: pip install 'surefoot[tune]'") from error
    from .controllers import tuning

    return tuning


def evaluate(
    source: Source | AnyController,
    *,
    parameters: Settings | Task | None = None,
    vary: Mapping[str, str] | None = None,
    episodes: int = 50,
    seed: int = 1000,
    plan: Plan = None,
    safety: bool = False,
) -> Evaluation:
    """Whole episodes, exploration off, on one task (`parameters`, nominal by default) or on draws from `vary`.

    With `plan` (True, or a planner's settings), the controller plans each step with its policy and value function. With
    `safety`, limits, impacts and energy are watched: `Evaluation.safety`.
    """
    task = None if parameters is None else task_of(parameters)
    return _evaluate(load_any(source, plan), task=task, vary=vary, episodes=episodes, seed=seed, safety=safety)


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
    `envs.suites.make_suite` takes several laws a split.
    """
    if not vary:
        if robot or task or beyond or counts or options or name not in FAMILIES:
            ours = ", ".join(FAMILIES)
            raise SurefootError(f"suite {name!r} needs a robot, a task and a law (--vary), or to be one of {ours}")
        return _make_suite(name, **FAMILIES[name], seed=seed)
    if robot is None or task is None:
        raise SurefootError(f"suite {name!r} needs a robot and a task, for example --robot quadruped --task velocity")
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
    seed: int = 1000,
    safety: bool = False,
) -> list[SplitResult]:
    """`episodes` whole episodes on every task of each split of a suite (by default of all splits)."""
    return _evaluate_suite(load(source), load_suite(suite), splits, episodes=episodes, seed=seed, safety=safety)


def compare(
    sources: Sequence[str | Path],
    suite: str | Path,
    *,
    splits: Sequence[str] | None = None,
    baseline: str | Path | None = None,
    oracle: str | Path | None = None,
    episodes: int = 10,
    seed: int = 1000,
) -> Comparison:
    """Every source, a run or a folder of seeds, on the same episodes of a suite; `baseline` and `oracle` are sources, too."""
    frozen, every = load_suite(suite), [*sources, *(s for s in (baseline, oracle) if s is not None)]
    roles = [None if s is None else method_name(s, every) for s in (baseline, oracle)]
    methods = load_methods(every)
    return _compare(methods, frozen, splits, baseline=roles[0], oracle=roles[1], episodes=episodes, seed=seed)


def envelope(
    source: Source | AnyController,
    grid: Mapping[str, str],
    *,
    adapted: Source | AnyController | None = None,
    parameters: Settings | Task | None = None,
    cells: int = 12,
    episodes: int = 4,
    seed: int = 1000,
) -> Envelope:
    """Success on a grid of two parameters, such as {"payload": "0:12", "friction": "0.2:1.2"}, before and after adaptation."""
    controllers = {"before" if adapted is not None else "controller": load_any(source)}
    controllers |= {} if adapted is None else {"after": load_any(adapted)}
    return _envelope(controllers, grid, cells=cells, episodes=episodes, task=task_of(parameters), seed=seed)


def choose(
    run: str | Path, suite: str | Path, *, episodes: int = 10, seed: int = 1000
) -> list[tuple[Path, SplitResult]]:
    """Every checkpoint of a run on the suite's split `validation`, best first."""
    return validate(run, load_suite(suite), episodes=episodes, seed=seed)


def adapt(
    source: Source,
    parameters: Settings | Task,
    *,
    method: str = "finetune",
    seconds: float | None = 60.0,
    steps: int | None = None,
    episodes: int = 50,
    points: int = 4,
    seed: int = 0,
    out: str | Path | None = None,
    html: str | Path | None = None,
    plan: Plan = None,
) -> Adaptation:
    """Adapt a controller to the robot that `parameters` describe, within a budget of wall-clock seconds or steps.

    `episodes` are evaluated at each of `points` points of the curve after the first. With `out`, the adapted controller
    is saved there (a file, *.safetensors); with `html`, a page shows before and after. `plan` holds the settings of method
    "planner". Raises `SurefootError` for an unknown method or parameter.
    """
    if method not in METHODS:
        raise unknown("adaptation method", method, METHODS)
    check_name(out, ".safetensors")
    check_name(html, ".html")
    task = task_of(parameters)
    budget = Budget(seconds, steps)
    if plan is not None and method != "planner":
        raise SurefootError(f"method {method!r} does not plan: expected method 'planner' with settings of a planner")
    controller = load(source, plan)
    needs_robot(controller.config, "adapt")
    adaptation = METHODS[method](controller, task, budget, seed=seed, episodes=episodes, points=points)
    if out is not None:
        adaptation.controller.save(out)
    if html is not None:
        write_adaptation_page(html, controller, adaptation, seed=seed)
    return adaptation


def export(source: Source, *, onnx: str | Path | None = None, torchscript: str | Path | None = None) -> Metadata:
    """Write a controller as ONNX (*.onnx), TorchScript (*.pt) or both: normaliser, network and limits, with metadata.

    Returns the metadata. Raises `SurefootError` where a package is missing or the algorithm cannot be exported.
    """
    from .controllers.export import export as _export

    controller = load(source)
    needs_robot(controller.config, "export")
    return _export(controller, onnx=onnx, torchscript=torchscript)


def import_sb3(
    file: str | Path,
    robot: str,
    task: str,
    *,
    runs_code: bool = False,
    vecnormalize: str | Path | None = None,
    out: str | Path | None = None,
) -> Controller:
    """A PPO or SAC controller from a Stable-Baselines3 zip, and the `VecNormalize` pickle that was saved with it.

    Reading either runs the code that is in it, so `runs_code` must say that this is wanted. With `out`, the controller is
    saved there (*.safetensors), and from then on nothing runs. Raises `SurefootError` for what does not fit.
    """
    from .controllers.import_sb3 import import_sb3 as _import_sb3

    check_name(out, ".safetensors")
    controller = _import_sb3(file, robot, task, runs_code=runs_code, vecnormalize=vecnormalize)
    if out is not None:
        controller.save(out)
    return controller


def record(
    source: Source | AnyController,
    *,
    parameters: Settings | Task | None = None,
    seconds: float = 20.0,
    seed: int = 0,
    label: str = "controller",
    script: Script | None = TOUR,
    plan: Plan = None,
) -> Recording:
    """Roll a controller out on one robot and keep everything. `script` sets the commands of a `velocity` task."""
    controller = load_any(source, plan)
    config = controller.config
    needs_robot(config, "replay")
    env = worlds_of(config, 1, tasks=task_of(parameters), seed=seed, autoreset=False)
    controller.check(env)
    act = driver(controller, env, seed).act
    return _record(act, env, label=label, seconds=seconds, seed=seed, script=script, begin=controller.reset)


def replay(
    source: Source | AnyController | Recording | Sequence[Recording],
    *,
    html: str | Path | None = None,
    video: str | Path | None = None,
    parameters: Settings | Task | None = None,
    adapted: Source | AnyController | None = None,
    seconds: float = 20.0,
    seed: int = 0,
    save: str | Path | None = None,
    plan: Plan = None,
) -> list[Recording]:
    """Show what happened: open recordings, or roll a controller out, and write a page and/or a video.

    `source` is a controller, a run folder, a recording, the path of any of them, or the name of a shipped controller.
    With `adapted`, a second controller does the same on the same robot, as "after" beside "before". `save` keeps the
    recordings in a folder. With `plan` (True, or a planner's settings), the controllers plan.
    """
    check_name(html, ".html")
    check_name(video, ".mp4")
    recordings = _recordings(source, parameters, adapted, seconds, seed, plan)
    if save is not None:
        for i, recording in enumerate(recordings):
            name = re.sub(r"[^\w-]+", "_", recording.label) or "recording"  # a label may come from a file
            twin = any(recording.label == other.label for other in recordings[:i])
            recording.save(Path(save) / f"{name}{f'_{i}' if twin else ''}.recording.npz")
    first = recordings[0]
    if html is not None:
        write_page(html, recordings, title=f"{first.robot} {first.task}")
    if video is not None:
        from .replay.video import write_video

        write_video(video, recordings, size=(480 * min(len(recordings), 2), 480))
    return recordings


def _recordings(
    source: Source | AnyController | Recording | Sequence[Recording],
    parameters: Settings | Task | None,
    adapted: Source | AnyController | None,
    seconds: float,
    seed: int,
    plan: Plan,
) -> list[Recording]:
    if isinstance(source, Recording):
        return [source]
    if isinstance(source, Sequence) and not isinstance(source, str):
        return list(source)
    if isinstance(source, str | Path) and _holds_recordings(find(source, "run folder, controller or recording")):
        if parameters is not None or adapted is not None or plan is not None:
            raise SurefootError(
                f"{str(source)!r} is a recording, which has its robot: --set, --adapted and --plan need a controller"
            )
        return load_many(source)
    label = "controller" if adapted is None else "before"
    found = [record(source, parameters=parameters, seconds=seconds, seed=seed, label=label, plan=plan)]
    if adapted is not None:
        found.append(record(adapted, parameters=parameters, seconds=seconds, seed=seed, label="after", plan=plan))
    return found


def _holds_recordings(path: Path) -> bool:
    return any(path.glob("[!.]*.recording.npz")) if path.is_dir() else path.suffix == ".npz"


def screen(
    sources: Sequence[str | Path], *, out: str | Path | None = None, tolerance: float | None = None
) -> tuple[Screening, list[Recording]]:
    """Check recordings before anything learns from them: the findings, and what is left of each recording without them.

    `sources` are recordings or folders of them; with `out`, what is left is saved there under the files' names. A file that
    cannot be read is a finding too. Raises `SurefootError` when there is no file.
    """
    files = [file for source in sources for file in _recording_files(Path(source))]
    if out is not None and Path(out).resolve() in {file.parent.resolve() for file in files}:
        raise SurefootError(f"--out {str(out)!r} holds the recordings themselves: choose another folder")
    if out is not None and len({file.name for file in files}) < len(files):
        raise SurefootError("two recordings have the same file name: screen their folders one by one")
    found: list[tuple[Path, Recording]] = []
    logs: list[Log] = []
    unreadable: list[Finding] = []
    for file in files:
        try:
            recording, raw = read_unchecked(file)
        except SurefootError as error:
            unreadable.append(Finding(-1, str(file), 0, 0, "unreadable", str(error)))
            continue
        found.append((file, recording))
        logs.append(Log.of(raw, label=str(file)))
    screening = _screen(logs, **({} if tolerance is None else {"tolerance": tolerance}))
    left = [
        (file, recording.rows(keep))
        for (file, recording), keep in zip(found, screening.keep, strict=True)
        if keep.any()
    ]
    if out is not None:
        for file, recording in left:
            recording.save(Path(out) / file.name)
    screening = dataclasses.replace(screening, findings=(*unreadable, *screening.findings))
    return screening, [recording for _, recording in left]


def _recording_files(path: Path) -> list[Path]:
    if not path.exists():
        raise SurefootError(f"nothing at {str(path)!r}: expected a recording (*{SUFFIX}) or a folder of them")
    found = sorted(path.glob(f"[!.]*{SUFFIX}")) if path.is_dir() else [path]
    if not found:
        raise SurefootError(f"no recording in folder {str(path)!r}: expected files named *{SUFFIX}")
    return found


def write_adaptation_page(
    path: str | Path,
    before: Source,
    adaptation: Adaptation,
    *,
    title: str | None = None,
    note: str | None = None,
    curves: Sequence[Mapping[str, Any]] = (),
    seconds: float = 20.0,
    seed: int = 0,
) -> list[Recording]:
    """Record the controller before and after on the same robot, commands and start, and write the page that compares them.

    `note` is a sentence below the title, `curves` are shown after the adaptation's own. Returns the two recordings.
    """
    both = (("before", load(before)), ("after", adaptation.controller))
    recordings = [
        record(controller, parameters=adaptation.task, seconds=seconds, seed=seed, label=label)
        for label, controller in both
    ]
    config = adaptation.controller.config
    summary = summary_table(adaptation)
    write_page(
        path,
        recordings,
        title=title or f"{config.robot} {config.task}: adapted to {adaptation.task}",
        summary={**summary, "note": note or summary["note"]},
        curves=[*adaptation_curves(adaptation), *curves],
    )
    return recordings
