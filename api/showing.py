"""What happened: recording, replaying, screening, and the page of an adaptation."""

import dataclasses
import math
import re
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..controllers.adaptation import Adaptation
from ..controllers.adaptation.base import Estimate
from ..controllers.evaluation import AnyController
from ..controllers.gym_ids import needs_robot
from ..controllers.latents import latent_of
from ..controllers.onnx_controller import OnnxController
from ..controllers.planner import driver
from ..controllers.screening import Finding, Log, Screening, claimed_world
from ..controllers.screening import screen as _screen
from ..controllers.shipped import find
from ..controllers.worlds import worlds_of
from ..envs.batch_env import BatchEnv
from ..envs.variation import Task, Variation
from ..replay.adapting import adaptation_curves
from ..replay.chunks import SUFFIX, RecordingFile, RecordingWarning
from ..replay.notebook import Recordings
from ..replay.page import make_page, title_of, write_page
from ..replay.recording import Recording, load_many, read_unchecked, read_world, save_worlds
from ..replay.rollout import TOUR, Act, Script, recording, roll
from ..replay.rollout import record as _record
from ..replay.video import Pictures
from ..report import summary_table
from ..robots import SurefootError
from ..robots.files import check_name
from .sources import Plan, Settings, Source, commands_of, load, load_adapted, load_any, task_of


def record(
    source: Source | AnyController,
    *,
    parameters: Settings | Task | None = None,
    seconds: float = 20.0,
    seed: int = 0,
    label: str = "controller",
    script: Script | None = TOUR,
    plan: Plan = None,
    inferred: Mapping[str, Estimate] | None = None,
) -> Recording:
    """Roll a controller out on one robot and keep everything. `script` sets the commands of a `velocity` task.

    `inferred` is what its adaptation made out of the robot, to be kept with it, as far as it says how sure it is; an adapted
    controller knows it itself.
    """
    controller = load_any(source, plan)
    task = task_of(parameters, commands_of(controller))
    env, act, kept = _rolled(controller, 1, seed, tasks=task)
    believed = {name: (controller.told[name], std) for name, std in controller.told_std.items()}
    believed |= {
        name: (estimate.mean, estimate.std)
        for name, estimate in (inferred or {}).items()
        if not math.isnan(estimate.std)
    }
    return _record(
        act,
        env,
        label=label,
        seconds=seconds,
        seed=seed,
        script=script,
        begin=controller.reset,
        inferred=believed,
        **kept,
    )


def record_worlds(
    source: Source | AnyController,
    out: str | Path,
    *,
    parameters: Settings | Task | None = None,
    vary: Mapping[str, str] | None = None,
    worlds: int = 1,
    seconds: float | None = None,
    episodes: int | None = None,
    seed: int = 0,
    label: str = "controller",
    plan: Plan = None,
) -> RecordingFile:
    """Roll a controller out in many worlds and write what happens into one file as it does, however long.

    Each world has `episodes` whole episodes, or begins new ones for `seconds` (20 where neither is given); with both, whichever
    ends first. Robots have `parameters`, or draw them by `vary` for each episode; commands are drawn as the task does.
    """
    if vary and parameters:
        raise SurefootError("give either a variation (--vary) or parameters (--set), not both")
    for name, number in (("worlds", worlds), ("episodes", episodes)):
        if number is not None and number < 1:
            raise SurefootError(f"{name} {number}: expected 1 or more")
    controller = load_any(source, plan)
    seconds = 20.0 if seconds is None and episodes is None else seconds
    robots = {"variation": Variation.parse(vary)} if vary else {"tasks": task_of(parameters, commands_of(controller))}
    env, act, kept = _rolled(controller, worlds, seed, **robots)
    with recording(env, out, label=label, seed=seed, begin=controller.reset, episodes=episodes, **kept) as recorder:
        roll(act, recorder, seconds=seconds)
    return RecordingFile(out)


def check_exports(minari: str | None, rerun: str | Path | None) -> None:
    """Raise `SurefootError` where an export could not be written: asked before the work, not after it."""
    from ..replay import export

    check_name(rerun, ".rrd")
    if minari is not None:
        export.check_minari(minari)
    if rerun is not None:
        export.check_rerun()


def recording_of(source: Source) -> Path | None:
    """The file, where `source` is a recording and no controller."""
    return Path(source) if isinstance(source, str | Path) and Path(source).name.endswith(SUFFIX) else None


def export_recording(path: str | Path, *, minari: str | None = None, rerun: str | Path | None = None) -> list[Path]:
    """Write a recording as a Minari dataset and/or a file of the rerun viewer; the paths of what was written.

    A dataset is there to learn from, so episodes that screening finds unfit are left out, and a `RecordingWarning` says how
    many, and why. Raises `SurefootError` when none is left.
    """
    from ..replay import export

    written = []
    if minari is not None:
        file = RecordingFile(path)
        written.append(export.write_minari(minari, file.header, _fit_to_learn_from(file)))
    if rerun is not None:
        export.write_rerun(rerun, load_many(path))
        written.append(Path(rerun))
    return written


def _fit_to_learn_from(file: RecordingFile) -> Iterator[Recording]:
    """What is left of each world without the episodes that are unfit; all of it where the robot cannot be simulated here."""
    left_out: Counter[str] = Counter()
    episodes = 0
    for world in range(file.header.worlds):
        one, raw = read_unchecked(file, world)
        spans, logs = one.spans(), [log for _, log in _spans(one, raw, file.name)]
        if world == 0 and isinstance(reason := claimed_world(dataclasses.replace(logs[0], parameters={})), str):
            warnings.warn(f"{file.name!r} is not screened: {reason}", RecordingWarning)
            yield from (read_world(file, i) for i in range(file.header.worlds))
            return
        unfit: dict[int, str] = {}
        for found in _screen(logs).findings:
            rows = np.flatnonzero(spans[found.log])[list(logs[found.log].episodes())[found.episode]]
            # Within one recording alike is not copied: poles stand upright in all episodes.
            if found.reason != "duplicated":
                unfit.setdefault(int(one.episode[rows[0]]), found.reason)
        left_out.update(unfit.values())
        episodes += int(one.episode[-1]) + 1
        keep = ~np.isin(one.episode, list(unfit))
        if keep.any():
            yield one.rows(keep)
    said = ", ".join(f"{count} {reason}" for reason, count in left_out.items())
    if left_out.total() == episodes:
        raise SurefootError(f"{file.name!r}: none of its {episodes} episodes is fit to learn from: {said}")
    if left_out:
        warnings.warn(f"{file.name!r}: left out {left_out.total()} of {episodes} episodes: {said}", RecordingWarning)


def info(path: str | Path) -> RecordingFile:
    """A recording on disk, of which only what is asked for is read; `info_table` says what is in it."""
    return RecordingFile(path)


def _rolled(controller: AnyController, worlds: int, seed: int, **robots: Any) -> tuple[BatchEnv, Act, dict[str, Any]]:
    """Its worlds, what drives it in them, and what a recorder keeps of it."""
    config = controller.config
    needs_robot(config, "replay")
    env = worlds_of(config, worlds, told=controller.told, seed=seed, autoreset=False, **robots)
    controller.check(env)
    controller.reset()  # it may remember other worlds
    drive, latent = driver(controller, env, seed).act, latent_of(controller, env.observation)

    def act(observation: np.ndarray) -> np.ndarray:
        actions = drive(observation)
        if latent.size:
            latent[:] = latent_of(controller, observation)
        return actions

    return env, act, {"controller": described(controller), "latent": lambda: latent}


def described(controller: AnyController) -> dict[str, Any]:
    """What a recording says of what drove it (JSON): its training, its card, what it plans with and is told."""
    found: dict[str, Any] = {"config": controller.config.model_dump(mode="json"), "told": dict(controller.told)}
    if not isinstance(controller, OnnxController):
        found["timesteps"] = controller.timesteps
        found["adapted"] = None if controller.adapted is None else controller.adapted.model_dump(mode="json")
        found["card"] = None if controller.card is None else controller.card.model_dump(mode="json")
        found["plan"] = None if controller.plan is None else dataclasses.asdict(controller.plan)
    suite = found["config"]["suite"]
    found["config"]["suite"] = suite and Path(suite).name  # no folder of this machine
    return found


Shown = Source | AnyController | Recording


def replay(
    source: Shown | Sequence[Shown],
    *,
    html: str | Path | None = None,
    video: str | Path | None = None,
    webp: str | Path | None = None,
    gif: str | Path | None = None,
    poster: str | Path | None = None,
    camera: str | None = None,
    size: str | tuple[int, int] | None = None,
    quality: str = "fast",
    parameters: Settings | Task | None = None,
    adapted: Source | AnyController | None = None,
    start: float | None = None,
    seconds: float | None = None,
    seed: int = 0,
    save: str | Path | None = None,
    plan: Plan = None,
) -> Recordings:
    """Show what happened: open recordings, or roll controllers out, and write a page, videos, a poster.

    `view` opens a viewer; a notebook shows the page of what is returned.

    `source` is a controller, a run folder, a recording, the path of any of them, or the name of a shipped controller; or
    several, which are shown together, in step by time. With `adapted`, a second controller does the same on the same robot, as
    "after" beside "before". `seconds` of robot time are rolled out (20 where it is None), or read of a recording from second
    `start` on (None: all, up to five minutes). `save` keeps the recordings in a folder. With `plan` (True, or a planner's
    settings), the controllers plan. `webp`, `gif`, `poster`, `camera`, `size` and `quality` as in `Pictures`.
    """
    check_name(html, ".html")
    pictures = Pictures(
        video=video, webp=webp, gif=gif, poster=poster, camera=camera, size=size, quality=quality
    )  # says what is wrong before the work
    one = isinstance(source, str) or not isinstance(source, Sequence)
    sources: Sequence[Shown] = [source] if one else source  # type: ignore[list-item, assignment]
    if not sources:
        raise SurefootError("nothing to replay: expected a run, a controller or a recording")
    recordings = Recordings(_recordings(sources, parameters, adapted, start, seconds, seed, plan))
    if save is not None:
        for i, recording in enumerate(recordings):
            name = re.sub(r"[^\w-]+", "_", recording.label) or "recording"  # a label may come from a file
            twin = any(recording.label == other.label for other in recordings[:i])
            recording.save(Path(save) / f"{name}{f'_{i}' if twin else ''}.recording.npz")
    if html is not None:
        write_page(html, recordings, title=title_of(recordings))
    pictures.write(recordings)
    return recordings


def view(recordings: Sequence[Recording], *, host: str = "127.0.0.1", port: int = 8080, browser: bool = True) -> None:
    """Serve the page of `recordings` and, where there is a browser, open it; returns at Ctrl-C.

    The next free port where `port` is in use. A `host` other than this machine's own asks visitors for a token.
    """
    from ..replay.server import serve_page

    serve_page(make_page(recordings, title=title_of(recordings)), host=host, port=port, browser=browser)


def _recordings(
    sources: Sequence[Shown],
    parameters: Settings | Task | None,
    adapted: Source | AnyController | None,
    start: float | None,
    seconds: float | None,
    seed: int,
    plan: Plan,
) -> list[Recording]:
    """The recordings of all sources; those with one label are told apart by their sources' names."""
    paths = [_path_of(source) for source in sources]
    rolled = sum(
        path is None and not isinstance(source, Recording) for source, path in zip(sources, paths, strict=True)
    )
    if not rolled and (parameters is not None or adapted is not None or plan is not None):
        raise SurefootError(
            f"{str(sources[0])!r} is a recording, which has its robot: --set, --adapted and --plan need a controller"
        )
    if start is not None and rolled:
        raise SurefootError(
            f"start {start:g} s: a controller is rolled out from its beginning; --start is for recordings"
        )
    if adapted is not None and rolled > 1:
        raise SurefootError(f"--adapted needs one controller to compare with, not {rolled}")
    named: list[tuple[str, Recording]] = []
    length = 20.0 if seconds is None else seconds
    for source, path in zip(sources, paths, strict=True):
        if isinstance(source, Recording):
            named.append((source.label, source))
            continue
        if path is not None:
            found = load_many(path, start or 0.0, seconds)
        else:
            label = "controller" if adapted is None else "before"
            before = load_any(source, plan)
            found = [record(before, parameters=parameters, seconds=length, seed=seed, label=label)]
            if adapted is not None:
                after = load_adapted(adapted, before, plan)
                found.append(record(after, parameters=parameters, seconds=length, seed=seed, label="after"))
        name = ""
        if isinstance(source, str | Path):
            here = Path(source).resolve()
            twin = [Path(s).name for s in sources if isinstance(s, str | Path)].count(here.name) > 1
            name = f"{here.parent.name}/{here.name}" if twin else here.name
            name = name.removesuffix(SUFFIX)
        named += [(name, recording) for recording in found]
    return _told_apart(named)


def _told_apart(named: Sequence[tuple[str, Recording]]) -> list[Recording]:
    """Recordings with labels of their own: where sources have the same, these sources' names stand before it."""
    sources: dict[str, set[str]] = {}
    for name, one in named:
        sources.setdefault(one.label, set()).add(name)
    return [
        one
        if len(sources[one.label]) == 1
        else dataclasses.replace(one, label=name if name.endswith(one.label) else f"{name} {one.label}")
        for name, one in named
    ]


def _path_of(source: Shown) -> Path | None:
    """Where a source's recordings are; None for what is a recording or has to be rolled out."""
    if isinstance(source, Recording) or not isinstance(source, str | Path):
        return None
    path = find(source, "run folder, controller or recording")
    return path if _holds_recordings(path) else None


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
    found: list[tuple[Path, list[Recording]]] = []
    logs: list[Log] = []
    unreadable: list[Finding] = []
    for file in files:
        try:
            opened = RecordingFile(file)
            worlds = [read_unchecked(opened, world) for world in range(opened.header.worlds)]
        except SurefootError as error:
            unreadable.append(Finding(-1, str(file), 0, 0, "unreadable", str(error)))
            continue
        names = [str(file) if len(worlds) == 1 else f"{file} {one.label}" for one, _ in worlds]
        spans = [span for (one, raw), name in zip(worlds, names, strict=True) for span in _spans(one, raw, name)]
        found.append((file, [part for part, _ in spans]))
        logs += [log for _, log in spans]
    screening = _screen(logs, **({} if tolerance is None else {"tolerance": tolerance}))
    keep = iter(screening.keep)
    left: list[Recording] = []
    for file, parts in found:
        clean = [part.rows(kept) for part, kept in zip(parts, keep, strict=False) if kept.any()]
        left += clean
        if out is not None and clean:
            save_worlds(Path(out) / file.name, clean)
    screening = dataclasses.replace(screening, findings=(*unreadable, *screening.findings))
    return screening, left


def _spans(one: Recording, raw: Mapping[str, Any], name: str) -> Iterator[tuple[Recording, Log]]:
    """The spans of a world on the same parameters, and what each claims, with the numbers as they are in the file.

    A log each, because a claim is tested with one robot.
    """
    for rows in one.spans():
        part = one.rows(rows)
        arrays = {key: value[rows] for key, value in raw.items() if isinstance(value, np.ndarray)}
        yield part, Log.of({**vars(part), **arrays}, label=name)


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
        record(
            controller,
            parameters=adaptation.task,
            seconds=seconds,
            seed=seed,
            label=label,
            inferred=adaptation.inferred if label == "after" else None,
        )
        for label, controller in both
    ]
    config = adaptation.controller.config
    summary = summary_table(adaptation)
    write_page(
        path,
        recordings,
        title=title or f"{config.robot} {config.task}: adapted to {adaptation.task}",
        summary={**summary, "note": note or summary["note"]},
        curves=[*adaptation_curves(adaptation.record().model_dump(), "after"), *curves],
    )
    return recordings
