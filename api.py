"""The verbs as plain Python functions; the command line calls these."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .controllers.adaptation import METHODS, Adaptation, Budget
from .controllers.controller import Controller
from .controllers.evaluation import Evaluation
from .controllers.evaluation import evaluate as _evaluate
from .controllers.training import resume, train
from .envs.batch_env import BatchEnv, configured
from .envs.gym import make, make_vec
from .envs.variation import Task
from .replay.page import write_page
from .replay.recording import Recording, load_many
from .replay.rollout import TOUR, Script
from .replay.rollout import record as _record
from .robots import ROBOTS, SurefootError, unknown

__all__ = [
    "adapt", "evaluate", "list_robots", "load", "make", "make_vec", "record", "replay", "resume", "train",
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
) -> Adaptation:
    """Adapt a controller to the robot that `parameters` describe, within a budget of wall-clock seconds or steps.

    `episodes` are evaluated at each of `points` points of the curve after the first. With `out`, the adapted controller
    is saved there (a file, *.safetensors). Raises `SurefootError` for an unknown method or parameter.
    """
    if method not in METHODS:
        raise unknown("adaptation method", method, METHODS)
    task = task_of(parameters)
    budget = Budget(seconds, steps)
    adaptation = METHODS[method](load(source), task, budget, seed=seed, episodes=episodes, points=points)
    if out is not None:
        adaptation.controller.save(out)
    return adaptation


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
    env = BatchEnv(
        config.robot,
        config.task,
        1,
        tasks=task_of(parameters),
        seed=seed,
        config=configured(config.task, **config.options),
        autoreset=False,
    )
    return _record(controller.act, env, label=label, seconds=seconds, seed=seed, script=script)


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
    recordings = _recordings(source, parameters, adapted, seconds, seed)
    if save is not None:
        for recording in recordings:
            recording.save(Path(save) / f"{recording.label}.recording.npz")
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
        return load_many(source)
    label = "controller" if adapted is None else "before"
    found = [record(source, parameters=parameters, seconds=seconds, seed=seed, label=label)]
    if adapted is not None:
        found.append(record(adapted, parameters=parameters, seconds=seconds, seed=seed, label="after"))
    return found


def _holds_recordings(path: Path) -> bool:
    if not path.exists():
        raise SurefootError(f"nothing at {str(path)!r}: expected a run folder, a controller or a recording")
    return any(path.glob("*.recording.npz")) if path.is_dir() else path.suffix == ".npz"


def summary_table(adaptation: Adaptation) -> dict[str, Any]:
    """Before and after as columns and rows of text: what the command line prints and the page shows."""
    columns = ["", "return", "95 % interval", "falls", "episodes", "steps", "robot time", "wall-clock"]
    rows = []
    for name, point in (("before", adaptation.before), ("after", adaptation.after)):
        result = point.evaluation
        low, high = result.interval()
        row = [name, f"{result.mean:.1f}", f"{low:.1f} to {high:.1f}", f"{100 * result.fell.mean():.0f} %"]
        row += [f"{point.episodes:,}", f"{point.steps:,}", duration(point.robot_seconds), duration(point.seconds)]
        if not np.isnan(result.tracking):
            row.insert(3, f"{result.tracking:.2f}")
        rows.append(row)
    if not np.isnan(adaptation.before.evaluation.tracking):
        columns.insert(3, "tracking")
    return {"columns": columns, "rows": rows, "note": f"{adaptation.method} on: {adaptation.task}"}


def duration(seconds: float) -> str:
    """12 s, 3.4 min, 1.2 h."""
    for limit, unit, scale in ((120, "s", 1), (7200, "min", 60)):
        if seconds < limit:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds / 3600:.3g} h"
