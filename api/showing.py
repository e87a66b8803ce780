"""What happened: recording, replaying, screening, and the page of an adaptation."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..controllers.adaptation import Adaptation
from ..controllers.evaluation import AnyController
from ..controllers.gym_ids import needs_robot
from ..controllers.planner import driver
from ..controllers.screening import Finding, Log, Screening
from ..controllers.screening import screen as _screen
from ..controllers.shipped import find
from ..controllers.worlds import worlds_of
from ..envs.variation import Task
from ..replay.page import write_page
from ..replay.recording import SUFFIX, Recording, load_many, read_unchecked
from ..replay.rollout import TOUR, Script
from ..replay.rollout import record as _record
from ..report import (
    adaptation_curves,
    summary_table,
)
from ..robots import SurefootError
from ..robots.files import check_name
from .sources import Plan, Settings, Source, commands_of, load, load_any, task_of


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
    env = worlds_of(
        config, 1, told=controller.told, tasks=task_of(parameters, commands_of(controller)), seed=seed, autoreset=False
    )
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
        from ..replay.video import write_video

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
