"""The verbs as plain Python functions; the command line calls these."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .controllers.adaptation import METHODS, Adaptation, Budget
from .controllers.controller import Controller
from .controllers.evaluation import Evaluation
from .controllers.evaluation import evaluate as _evaluate
from .controllers.gym_ids import needs_robot
from .controllers.seeds import SeedSummary, train_seeds
from .controllers.training import resume, train
from .envs.batch_env import BatchEnv, configured
from .envs.gym import make, make_vec
from .envs.variation import Task
from .replay.page import write_page
from .replay.recording import Recording, load_many
from .replay.rollout import TOUR, Script
from .replay.rollout import record as _record
from .report import (
    adaptation_curves,
    catalogue,
    curve_table,
    duration,
    evaluation_table,
    recording_table,
    seeds_table,
    summary_table,
    training_curve,
    tuning_tables,
)
from .robots import ROBOTS, SurefootError, unknown

if TYPE_CHECKING:  # needs the extra surefoot[tune]
    from .controllers.tuning import Tuning

__all__ = [
    "SeedSummary", "adapt", "catalogue", "curve_table", "duration", "evaluate", "evaluation_table", "list_robots", "load",
    "make", "make_vec", "read_study", "record", "recording_table", "replay", "resume", "seeds_table", "summary_table", "train",
    "train_seeds", "training_curve", "tune", "tuning_tables", "write_adaptation_page",
]  # fmt: skip

Settings = Mapping[str, float | str]
Source = Controller | str | Path


def list_robots() -> list[str]:
    """Names of the catalogue's robots."""
    return sorted(ROBOTS)


def load(source: Source) -> Controller:
    """A controller from a run folder or a controller file; a `Controller` is returned as it is."""
    return source if isinstance(source, Controller) else Controller.load(source)


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
    source: Source,
    *,
    parameters: Settings | Task | None = None,
    vary: Mapping[str, str] | None = None,
    episodes: int = 50,
    seed: int = 1000,
) -> Evaluation:
    """Whole episodes, exploration off, on one task (`parameters`, nominal by default) or on draws from `vary`."""
    task = None if parameters is None else task_of(parameters)
    return _evaluate(load(source), task=task, vary=vary, episodes=episodes, seed=seed)


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
) -> Adaptation:
    """Adapt a controller to the robot that `parameters` describe, within a budget of wall-clock seconds or steps.

    `episodes` are evaluated at each of `points` points of the curve after the first. With `out`, the adapted controller
    is saved there (a file, *.safetensors); with `html`, a page shows before and after. Raises `SurefootError` for an unknown
    method or parameter.
    """
    if method not in METHODS:
        raise unknown("adaptation method", method, METHODS)
    _check_name(out, ".safetensors")
    _check_name(html, ".html")
    task = task_of(parameters)
    budget = Budget(seconds, steps)
    controller = load(source)
    needs_robot(controller.config, "adapt")
    adaptation = METHODS[method](controller, task, budget, seed=seed, episodes=episodes, points=points)
    if out is not None:
        adaptation.controller.save(out)
    if html is not None:
        write_adaptation_page(html, controller, adaptation, seed=seed)
    return adaptation


def _check_name(path: str | Path | None, suffix: str) -> None:
    """Before the work, not after it."""
    if path is not None and Path(path).suffix != suffix:
        raise SurefootError(f"cannot write {str(path)!r}: expected a name that ends in {suffix}")


def record(
    source: Source,
    *,
    parameters: Settings | Task | None = None,
    seconds: float = 20.0,
    seed: int = 0,
    label: str = "controller",
    script: Script | None = TOUR,
) -> Recording:
    """Roll a controller out on one robot and keep everything. `script` sets the commands of a `velocity` task."""
    controller = load(source)
    config = controller.config
    needs_robot(config, "replay")
    env = BatchEnv(
        config.robot,
        config.task,
        1,
        tasks=task_of(parameters),
        seed=seed,
        config=configured(config.task, **config.options),
        autoreset=False,
        history=controller.settings.history,
    )
    return _record(controller.act, env, label=label, seconds=seconds, seed=seed, script=script, begin=controller.reset)


def replay(
    source: Source | Recording | Sequence[Recording],
    *,
    html: str | Path | None = None,
    video: str | Path | None = None,
    parameters: Settings | Task | None = None,
    adapted: Source | None = None,
    seconds: float = 20.0,
    seed: int = 0,
    save: str | Path | None = None,
) -> list[Recording]:
    """Show what happened: open recordings, or roll a controller out, and write a page and/or a video.

    `source` is a controller, a run folder, a recording, or the path of any of them. With `adapted`, a second controller
    does the same on the same robot, as "after" beside "before". `save` keeps the recordings in a folder.
    """
    _check_name(html, ".html")
    _check_name(video, ".mp4")
    recordings = _recordings(source, parameters, adapted, seconds, seed)
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
    source: Source | Recording | Sequence[Recording],
    parameters: Settings | Task | None,
    adapted: Source | None,
    seconds: float,
    seed: int,
) -> list[Recording]:
    if isinstance(source, Recording):
        return [source]
    if isinstance(source, Sequence) and not isinstance(source, str):
        return list(source)
    if isinstance(source, str | Path) and _holds_recordings(Path(source)):
        if parameters is not None or adapted is not None:
            raise SurefootError(
                f"{str(source)!r} is a recording, which has its robot: --set and --adapted need a controller"
            )
        return load_many(source)
    label = "controller" if adapted is None else "before"
    found = [record(source, parameters=parameters, seconds=seconds, seed=seed, label=label)]
    if adapted is not None:
        found.append(record(adapted, parameters=parameters, seconds=seconds, seed=seed, label="after"))
    return found


def _holds_recordings(path: Path) -> bool:
    if not path.exists():
        raise SurefootError(f"nothing at {str(path)!r}: expected a run folder, a controller or a recording")
    return any(path.glob("[!.]*.recording.npz")) if path.is_dir() else path.suffix == ".npz"


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
