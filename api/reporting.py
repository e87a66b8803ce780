"""`surefoot report`: runs, comparisons and recordings as one HTML page, from files alone."""

import dataclasses
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..controllers.config import TrainConfig
from ..controllers.seeds import Outcome, SeedSummary
from ..controllers.shipped import Card, find
from ..controllers.statistics import bootstrap, mean
from ..replay.adapting import curves_of
from ..replay.document import Figure, Section, write_document
from ..replay.figures import comparison_figure, curves_figure, envelope_figure, gait_figure
from ..replay.gait import footfalls, gait_table
from ..replay.poster import poster
from ..replay.recording import SUFFIX, Recording, load_many
from ..replay.rendering import render_frames
from ..replay.video import Pictures, write_video
from ..report import duration, recording_table, safety_figures_table, seeds_table, training_log
from ..robots import SurefootError
from ..robots.files import check_name, parse_json
from ..suite_report import comparison_tables, envelope_tables
from .showing import record as roll_out
from .sources import load

POINTS = 80  # of a curve
ROW = 2  # recordings side by side in a video
STILL = 1.0  # s, what is seen of a video before it plays
WANTED = "run folder, controller, recording or comparison (*.json)"
Log = dict[str, tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Training:
    """The seeds of one training: their folders and logs, and one label for them."""

    label: str
    config: TrainConfig
    folders: tuple[Path, ...]
    logs: tuple[Log, ...]

    @property
    def columns(self) -> list[str]:
        """What every seed logged."""
        return [name for name in self.logs[0] if all(name in log for log in self.logs)]

    def curve(self, column: str, ylabel: str) -> dict[str, Any]:
        """The mean over seeds at the steps that all of them reached, as `curves_figure` takes it, and its 95 % interval."""
        found = [log[column] for log in self.logs]
        grid = np.linspace(max(x[0] for x, _ in found), min(x[-1] for x, _ in found), POINTS)
        seeds = np.array([np.interp(grid, x, y) for x, y in found])
        curve = {"label": self.label, "x": (grid / 1e6).tolist(), "y": seeds.mean(axis=0).tolist()}
        curve |= {"xlabel": "million environment steps", "ylabel": ylabel}
        if len(seeds) > 1:
            low, high = np.transpose([bootstrap(mean, seeds[:, k]) for k in range(POINTS)])
            curve |= {"low": low.tolist(), "high": high.tolist()}
        return curve


def write_report(
    sources: Sequence[str | Path],
    out: str | Path,
    *,
    record: bool = False,
    seconds: float = 20.0,
    seed: int = 0,
    videos: bool = False,
    title: str | None = None,
) -> Path:
    """Write one self-contained page about `sources`: run folders (also of several seeds), shipped controllers, recordings or
    folders of them, and what `surefoot compare --json` and `surefoot envelope --json` wrote.

    Runs of the same configuration are seeds of one training: their curves are means with 95 % bootstrap intervals. With
    `record` the first seed of each run is rolled out for `seconds` from `seed`, for gait and videos. With `videos` the page
    has a poster and an MP4 of the recordings in it. Raises `SurefootError` where a source is missing or there is nothing in it
    to report.
    """
    check_name(out, ".html")
    if not sources:
        raise SurefootError("nothing to report: give a run folder, a recording or a comparison (*.json)")
    if videos:
        Pictures(video="report.mp4", poster="report.png")  # says what is missing before the work
    runs: list[tuple[str, Path]] = []
    recordings: list[Recording] = []
    sections: list[Section] = []
    cards: dict[str, Card] = {}
    played: list[tuple[str, str | Path]] = []
    for source in sources:
        path = find(source, WANTED)
        if path.suffix == ".json":
            sections.append(_content(path))
        elif path.is_dir():
            found = _run_folders(path)
            held = load_many(path) if any(path.glob(f"[!.]*{SUFFIX}")) else []
            if not found and not held:
                raise SurefootError(
                    f"nothing to report in folder {str(path)!r}: expected a run, seeds of one, or recordings"
                )
            runs += [(path.resolve().name, folder) for folder in found]
            recordings += held
            sections += _seeds(path)
            played += [(path.resolve().name, folder) for folder in found[:1]]
        elif path.suffix == ".npz":
            recordings += load_many(path)
        else:
            controller = load(path)
            if controller.card is not None:
                cards[path.stem] = controller.card
            elif not record:
                raise SurefootError(
                    f"{str(source)!r} is a controller without a log: give its run folder, or add --record"
                )
            played.append((path.stem, path))
    trainings = _trainings(runs)
    if record:
        recordings += [roll_out(at, seconds=seconds, seed=seed, label=name) for name, at in played]
    parts = [*_training_sections(trainings), *_card_section(cards), *sections, *_recording_sections(recordings, videos)]
    names = [*(t.label for t in trainings), *cards, *(Path(s).stem for s in sources if Path(s).suffix == ".json")]
    heading = title or f"Report: {', '.join(dict.fromkeys(names or [Path(s).name for s in sources]))}"
    write_document(out, heading, parts)
    return Path(out)


def _run_folders(path: Path) -> list[Path]:
    """The folder itself where it is a run, or the seeds in it."""
    if (path / "config.json").is_file():
        return [path]
    seeds = [seed for seed in path.glob("seed_*") if (seed / "config.json").is_file()]
    return sorted(seeds, key=lambda seed: (len(seed.name), seed.name))


def _trainings(runs: Sequence[tuple[str, Path]]) -> list[Training]:
    """Runs by what they were asked to do, seeds together."""
    groups: dict[str, list[tuple[str, Path, TrainConfig, Log]]] = {}
    for name, folder in runs:
        file = folder / "config.json"
        try:
            config = TrainConfig.parse(file.read_text("utf-8"), repr(str(file)))
        except (OSError, UnicodeDecodeError) as error:
            raise SurefootError(f"cannot read {str(file)!r}: {error}") from error
        log = training_log(folder)
        if not log:
            raise SurefootError(
                f"run folder {str(folder)!r} has no log: expected log_*/progress.csv, which training writes"
            )
        key = config.model_dump_json(exclude={"seed"})
        groups.setdefault(key, []).append((name, folder, config, log))
    trainings: list[Training] = []
    for found in groups.values():
        labels = [t.label for t in trainings]
        name = found[0][0]
        label = name if name not in labels else f"{name} ({len(labels) + 1})"
        trainings.append(Training(label, found[0][2], tuple(f[1] for f in found), tuple(f[3] for f in found)))
    return trainings


def _training_sections(trainings: Sequence[Training]) -> list[Section]:
    if not trainings:
        return []
    rows = []
    for t in trainings:
        steps = max(float(x[-1]) for log in t.logs for x, _ in log.values())
        spent = [log["time/time_elapsed"][1].max() for log in t.logs if "time/time_elapsed" in log]
        vary = ", ".join(f"{key} {law}" for key, law in t.config.vary.items()) or (t.config.suite or "nothing")
        settings = ", ".join(f"{key}={value}" for key, value in t.config.hyperparameters.items()) or "preset"
        algorithm = " ".join(filter(None, (t.config.algo, t.config.method)))
        took = duration(float(np.mean(spent))) if spent else "-"
        row = [
            t.label,
            t.config.robot,
            t.config.task,
            algorithm,
            len(t.logs),
            f"{steps:,.0f}",
            took,
            _last(t),
            vary,
            settings,
        ]
        rows.append(row)
    columns = [
        "run",
        "robot",
        "task",
        "algorithm",
        "seeds",
        "steps",
        "time of a seed",
        "return at the end",
        "varied",
        "settings",
    ]
    note = "return at the end: of the last tenth of the log, with exploration; in brackets: 95 % interval over seeds"
    several = any(len(t.logs) > 1 for t in trainings)
    shown = [
        ("rollout/ep_rew_mean", "return in training"),
        ("rollout/ep_len_mean", "length of an episode (control steps)"),
    ]
    main = [t.curve(column, ylabel) for column, ylabel in shown for t in trainings if column in t.columns]
    terms = sorted({c for t in trainings for c in t.columns if c.startswith("reward/")})
    parts = [t.curve(c, f"reward term {c[7:]}, mean of a step") for c in terms for t in trainings if c in t.columns]
    band = "; band: 95 % bootstrap interval of the mean over seeds" if several else ""
    figures = [Figure(curves_figure(main).encode(), ".svg", f"Training, with exploration{band}")] if main else []
    if parts:
        drawn = curves_figure(parts).encode()
        figures.append(Figure(drawn, ".svg", f"What the reward is made of, term by term{band}", folded=True))
    said = "" if main else "No episode ended during the training, so that there is no curve of returns."
    return [Section("Training", [("", {"columns": columns, "rows": rows, "note": note})], figures, said)]


def _last(training: Training) -> str:
    """What the seeds earned in the last tenth of their steps."""
    column = "rollout/ep_rew_mean"
    if column not in training.columns:
        return "-"
    each = np.array([y[x >= 0.9 * x[-1]].mean() for x, y in (log[column] for log in training.logs)])
    if len(each) == 1:
        return f"{each[0]:,.1f}"
    low, high = bootstrap(mean, each)
    return f"{each.mean():,.1f} [{low:,.1f}, {high:,.1f}]"


def _seeds(folder: Path) -> list[Section]:
    """What `train --seeds` wrote down of the seeds' evaluation."""
    file = folder / "summary.json"
    if not file.is_file():
        return []
    found = _read(file)
    try:
        outcomes = tuple(Outcome(**seed) for seed in found["seeds"])
        config = TrainConfig.parse(json.dumps({**found["config"], "seed": 0}), repr(str(file)))
        table = seeds_table(SeedSummary(folder, config, int(found["episodes"]), outcomes))
    except (KeyError, TypeError, ValueError) as error:
        raise SurefootError(f"{str(file)!r} is not a summary of seeds: {' '.join(str(error).split())}") from error
    return [Section(f"Seeds of {folder.resolve().name}", [("Evaluation without exploration", table)])]


def _card_section(cards: dict[str, Card]) -> list[Section]:
    if not cards:
        return []
    rows = []
    for name, card in cards.items():
        low, high = card.interval
        falls, success = ("-" if share is None else f"{100 * share:.1f} %" for share in (card.falls, card.success))
        tracking = "-" if card.tracking is None else f"{card.tracking:.3f}"
        made = f"seed {card.seed} of {len(card.seeds)}, {duration(card.training_seconds)} on {card.machine}"
        on_suites = "; ".join(
            f"{suite}: {', '.join(f'{split} {value:,.1f}' for split, value in found.items())}"
            for suite, found in card.suites.items()
        )
        reached = [f"{card.mean_return:,.1f} [{low:,.1f}, {high:,.1f}]", tracking, falls, success, card.episodes]
        rows.append([name, card.robot, card.task, card.algo, f"{card.steps:,}", *reached, on_suites or "-", made])
    columns = [
        "controller",
        "robot",
        "task",
        "algorithm",
        "steps",
        "return",
        "tracking",
        "falls",
        "success",
        "episodes",
        "return on suites",
        "trained",
    ]
    note = "in brackets: 95 % bootstrap interval over episodes"
    return [Section("Controller cards", [("", {"columns": columns, "rows": rows, "note": note})])]


def _content(path: Path) -> Section:
    """A comparison or a robustness map."""
    found = _read(path)
    try:
        if "splits" in found:
            tables = [(f"Returns, {title}", table) for title, table in comparison_tables(found)]
            tables.append(("Safety", _safety(found["splits"])))
            figure = Figure(
                comparison_figure(found).encode(), ".svg", "Performance profiles, and the return on each task"
            )
            return Section(f"Comparison on {found['suite']}", tables, [figure])
        if "maps" in found:
            figure = Figure(
                envelope_figure(found).encode(), ".svg", "Share of the episodes that go well, by parameters"
            )
            return Section(f"Robustness of {found['robot']} {found['task']}", envelope_tables(found), [figure])
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, StopIteration) as error:
        raise SurefootError(f"{str(path)!r} is not a whole comparison: {type(error).__name__}: {error}") from error
    raise SurefootError(
        f"{str(path)!r} is no comparison and no robustness map: expected what surefoot compare --json writes"
    )


def _safety(splits: Mapping[str, Any]) -> dict[str, Any]:
    """One row a split and run, one column a criterion."""
    rows: list[list[Any]] = []
    criteria: list[str] = []
    said = ""
    for split, content in splits.items():
        table = safety_figures_table({name: figures["safety"] for name, figures in content["methods"].items()})
        criteria, *each, meanings = (list(column) for column in zip(*table["rows"], strict=True))
        rows += [[split, name, *cells] for name, cells in zip(content["methods"], each, strict=True)]
        said = "; ".join(f"{name}: {meaning}" for name, meaning in zip(criteria, meanings, strict=True))
    return {"columns": ["split", "run", *(name.replace("_", " ") for name in criteria)], "rows": rows, "note": said}


def _read(path: Path) -> dict[str, Any]:
    try:
        found = parse_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise SurefootError(f"cannot read {str(path)!r}: {' '.join(str(error).split())}") from error
    if not isinstance(found, dict):
        raise SurefootError(f"{str(path)!r} holds no JSON object")
    return found


def _recording_sections(recordings: Sequence[Recording], videos: bool) -> list[Section]:
    if not recordings:
        return []
    named = _told_apart(recordings)
    tables = [("", recording_table(named)), ("Gait", gait_table(named))]
    walked = [recording for recording in named if recording.foot_names]
    figures = []
    if walked:
        drawn = gait_figure([footfalls(recording) for recording in walked])
        figures.append(Figure(drawn.encode(), ".svg", "Gait diagram: a bar wherever a foot is on the ground"))
    if followed := _commands(named):
        figures.append(
            Figure(curves_figure(followed).encode(), ".svg", "Commanded and measured, means over a fifth of a second")
        )
    if adapting := curves_of(named):
        figures.append(Figure(curves_figure(adapting).encode(), ".svg", "What adapting has brought"))
    if videos:
        for i in range(0, len(named), ROW):
            figures += _moving(named[i : i + ROW])
    return [Section("Recordings", tables, figures)]


def _told_apart(recordings: Sequence[Recording]) -> list[Recording]:
    """With labels that differ."""
    found: list[Recording] = []
    for recording in recordings:
        same = sum(recording.label == other.label for other in recordings[: len(found)])
        found.append(dataclasses.replace(recording, label=f"{recording.label} ({same + 1})") if same else recording)
    return found


def _commands(recordings: Sequence[Recording]) -> list[dict[str, Any]]:
    """Curves of what was commanded and what was measured, by name."""
    curves = []
    for recording in recordings:
        size = max(1, round(0.2 / recording.dt))
        length = len(recording) // size
        if not length:
            continue

        def over(values: np.ndarray, size: int = size, length: int = length) -> list[float]:
            return np.asarray(values[: size * length], float).reshape(length, size).mean(axis=1).tolist()

        for k, name in enumerate(recording.command_names):
            axes: dict[str, Any] = {
                "xlabel": "seconds",
                "ylabel": f"{name} ({'rad/s' if name == 'yaw' else 'm/s'})",
                "x": over(recording.times),
            }
            curves.append({**axes, "label": recording.label, "y": over(recording.actual[:, k])})
            asked = {**axes, "label": "commanded", "commanded": True, "y": over(recording.command[:, k])}
            if asked not in curves:
                curves.append(asked)
    return curves


def _moving(recordings: Sequence[Recording]) -> list[Figure]:
    """A poster, and a video, of recordings side by side."""
    names = " and ".join(f"{r.label} ({r.robot} {r.task})" for r in recordings)
    with tempfile.TemporaryDirectory() as folder:
        strip, film, still = (Path(folder) / name for name in ("strip.webp", "film.mp4", "still.webp"))
        poster(recordings).save(strip, quality=85)
        size = (480 * len(recordings), 360)
        write_video(film, recordings, size)
        (frame,) = render_frames(recordings, size, times=[STILL])
        Image.fromarray(frame).save(still, quality=80)
        return [
            Figure(strip.read_bytes(), ".webp", f"{names}: several moments of one stretch, the last one solid"),
            Figure(film.read_bytes(), ".mp4", f"{names}, at real speed", still=still.read_bytes()),
        ]
