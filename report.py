"""What happened, as columns, rows and curves: what the command line prints and what the pages show."""

import csv
import dataclasses
import inspect
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .controllers.adaptation import METHODS, Adaptation
from .controllers.adaptation.continual import FOLLOWS, STOPS, TOLD, Change
from .controllers.adaptation.sysid import LogFit
from .controllers.algorithms import ALGORITHMS
from .controllers.evaluation import Evaluation
from .controllers.logs import SI_UNITS
from .controllers.presets import PRESETS, REACHED
from .controllers.safety import CRITERIA, Safety
from .controllers.screening import Screening
from .controllers.seeds import SeedSummary
from .controllers.shipped import card_of, names
from .controllers.splits import ELSEWHERE, SplitResult
from .controllers.statistics import WORST, cvar, iqm
from .envs import rewards
from .envs.registration import TASKS as BY_TASK
from .envs.tasks import TASKS
from .replay.chunks import ABSENT, RUNNING, TERMINATED, RecordingFile
from .replay.recording import Recording
from .robots import ROBOTS, SurefootError, get_robot, unknown
from .robots.parameters import ParameterTable

if TYPE_CHECKING:  # needs the extra surefoot[tune]
    from .controllers.tuning import Tuning

Columns = Sequence[str]
Rows = list[list[Any]]
SIMULATES = "planner: it simulates what the controller is told or identifies, else (model=own) {} itself"
BATCH_COLUMNS = ["return", "95 % interval", "tracking", "falls"]


def evaluation_cells(result: Evaluation, interval: tuple[float, float] | None = None) -> list[str]:
    """One evaluation under its `evaluation_columns`, with an interval of the mean other than its own if given."""
    low, high = interval or result.interval()
    tracking = "-" if np.isnan(result.tracking) else f"{result.tracking:.2f}"
    cells = [f"{result.mean:.1f}", f"{low:.1f} to {high:.1f}", tracking, f"{100 * result.fell.mean():.0f} %"]
    return cells if result.success is None else [*cells, f"{100 * result.success:.1f} %"]


def evaluation_columns(result: Evaluation) -> list[str]:
    """`BATCH_COLUMNS`, and how many succeeded where the task says what that is."""
    return BATCH_COLUMNS if result.success is None else [*BATCH_COLUMNS, "success"]


def evaluation_table(result: Evaluation) -> dict[str, Any]:
    """One evaluation as columns and rows of text."""
    if not result.terms:  # an environment of Gymnasium: what ends its episodes may be a fall or success
        low, high = result.interval()
        row = [len(result.returns), f"{result.mean:.1f}", f"{low:.1f} to {high:.1f}", f"{result.lengths.mean():.0f}"]
        columns = ["episodes", *BATCH_COLUMNS[:2], "mean length", "terminated"]
        return {"columns": columns, "rows": [[*row, f"{100 * result.fell.mean():.0f} %"]]}
    row = [result.by_episode.size, *evaluation_cells(result), duration(result.robot_seconds), *_by_episode(result)]
    columns = ["episodes", *evaluation_columns(result), "robot time"] + ["by episode of a trial"] * (
        len(result.by_episode) > 1
    )
    return {"columns": columns, "rows": [row]}


def _by_episode(result: Evaluation) -> list[str]:
    """One cell, where there are trials."""
    means = " ".join(f"{value:.1f}" for value in result.by_episode.mean(axis=1))
    return [means] if len(result.by_episode) > 1 else []


def split_table(results: Sequence[SplitResult]) -> dict[str, Any]:
    """One row a split."""
    rows = []
    for result in results:
        means = result.returns.mean(axis=1)
        worst = int(means.argmin())
        cells = [
            *evaluation_cells(result.evaluation, result.interval()),
            f"{iqm(means[None]):.1f}",
            f"{cvar(means[None]):.1f}",
        ]
        worst_task = f"{means[worst]:.1f}: {result.tasks[worst]}"
        rows.append([result.split, len(means), *cells, *_by_episode(result.evaluation), worst_task])
    episodes = results[0].returns.shape[1]
    resampled = "tasks" if episodes == 1 else "episodes within tasks"
    note = f"suite {results[0].suite}, {episodes} episodes a task; intervals by resampling {resampled}"
    note += f"; {ELSEWHERE}" if results[0].elsewhere else ""
    note += f"\nIQM: mean of the middle half of the tasks; CVaR: of the worst {WORST:.0%}"
    trial = ["by episode of a trial"] * (len(results[0].evaluation.by_episode) > 1)
    return {
        "columns": ["split", "tasks", *evaluation_columns(results[0].evaluation), "IQM", "CVaR", *trial, "worst task"],
        "rows": rows,
        "note": note,
    }


def safety_table(found: Mapping[str, Safety]) -> dict[str, Any]:
    """One row a criterion, one column an evaluation."""
    return safety_figures_table({name: safety.figures() for name, safety in found.items()})


def safety_figures_table(figures: Mapping[str, Mapping[str, float | None]]) -> dict[str, Any]:
    """The same of `Safety.figures`, or of what JSON keeps of them, where None is what cannot be measured."""
    rows = [
        [name, *(_figure(found.get(name), c.unit) for found in figures.values()), c.doc] for name, c in CRITERIA.items()
    ]
    return {"columns": ["safety criterion", *figures, "meaning"], "rows": rows}


def _figure(value: float | None, unit: str) -> str:
    return "-" if value is None or np.isnan(value) else f"{value:.3g}" if unit == "1" else f"{value:.4g} {unit}"


def validation_table(found: Sequence[tuple[Path, SplitResult]]) -> dict[str, Any]:
    """One row a controller, best first."""
    rows = [[file.name, *evaluation_cells(result.evaluation, result.interval())] for file, result in found]
    return {
        "columns": ["controller", *evaluation_columns(found[0][1].evaluation)],
        "rows": rows,
        "note": f"best on validation: {found[0][0]}",
    }


def summary_table(adaptation: Adaptation) -> dict[str, Any]:
    """Before and after: how good, and at what cost."""
    rows = []
    for name, point in (("before", adaptation.before), ("after", adaptation.after)):
        cost = [f"{point.episodes:,}", f"{point.steps:,}", duration(point.robot_seconds), duration(point.seconds)]
        rows.append([name, *evaluation_cells(point.evaluation), *cost])
    columns = [
        "",
        *evaluation_columns(adaptation.before.evaluation),
        "episodes",
        "environment steps",
        "robot time",
        "wall-clock",
    ]
    note = f"{adaptation.method} on {adaptation.task}"
    if adaptation.method == "planner":
        note += "\n" + SIMULATES.format("the robot")
    return {"columns": columns, "rows": rows, "note": note}


def inferred_table(adaptation: Adaptation) -> dict[str, Any]:
    """What the method believes of the robot, or has chosen to tell the policy, beside the truth: one row a parameter."""
    rows = []
    for name, estimate in adaptation.inferred.items():
        low, high = estimate.interval()
        true = "-" if estimate.true is None else f"{estimate.true:.3g}"
        around = "-" if np.isnan(low) else f"{low:.3g} to {high:.3g}"
        rows.append([name, f"{estimate.mean:.3g}", around, true])
    return {"columns": ["parameter", "inferred", "90 % interval", "true"], "rows": rows}


def change_table(change: Change) -> dict[str, Any]:
    """What became of the robots that changed in mid-walk: one row."""
    found = change.figures()

    def share(name: str) -> str:
        value = found[name]
        return "-" if value is None else f"{100 * value:.0f} %"

    def time(name: str) -> str:
        return "-" if found[name] is None else f"{found[name]:.2f} s"

    cells = {
        "method": change.method,
        "recovered": share("recovered"), "recovered within 2 s": share("recovered_within_2_s"),
        "median": time("seconds_to_recover"),
    }  # fmt: skip
    error, follows = "how far the reward is below the best of these walks", ""
    if change.follows is not None:
        cells |= {"follows": share("follows"), "follows within 2 s": share("follows_within_2_s")}
        error = "how far the velocity is from the command"
        follows = (
            f"follows: it is under\n{FOLLOWS:.2f} m/s, as in an episode that counts as a success, and stays there; "
        )
    cells |= {
        "noticed": share("noticed"), "noticed after": time("seconds_to_notice"), "false alarms": share("false_alarms"),
        "falls": share("falls"),
    }  # fmt: skip
    if change.method in STOPS:
        cells["stop"] = duration(change.stop)
    note = (
        f"{len(change.fell)} robots, {change.before} until {change.at:g} s, then {change.after}; recovered: the error,\n"
        f"{error}, is back under twice what it was in the two seconds before,\n"
        f"and stays there; {follows}noticed: by the drop in reward"
    )
    if change.method in STOPS:
        note += "\nstop: motion and computing that adapting took, part of the times to recover and to follow"
    if change.method == "planner":
        note += "\n" + SIMULATES.format("the changed robot")
    if change.method in TOLD:
        note += f"\n{change.method} is told what broke: it learns in a simulation of the changed robot"
    return {"columns": list(cells), "rows": [list(cells.values())], "note": note}


def identification_tables(found: LogFit) -> list[dict[str, Any]]:
    """What was fitted to a log, and how far predictions are from what was measured."""
    told = any(part.true is not None for part in found.fitted)
    rows: Rows = []
    for part in found.fitted:
        low, high = part.interval
        cells = [f"{part.nominal:.4g}", f"{part.value:.4g}", f"{low:.4g} to {high:.4g}"]
        cells += ["-" if part.true is None else f"{part.true:.4g}"] * told
        rows.append([part.name, *cells, part.unit, part.remark])
    settings = [
        " ".join(f"{flag} {key}={value if isinstance(value, str) else f'{value:.4g}'}" for key, value in given.items())
        for flag, given in (("--set", found.parameters), ("--vary", found.vary))
    ]
    note = [f"this robot: {settings[0]}", f"robots that may be it: {settings[1]}"]
    note += [f"the log hardly tells {one} from {other}: fit one of them" for one, other in found.alike()]
    columns = ["parameter", "nominal", "fitted", "90 % interval", *["true"] * told, "unit", ""]
    parameters = {"columns": columns, "rows": rows, "note": "\n".join(note)}
    errors: Rows = [
        [name, f"{found.before[name]:.3g}", f"{after:.3g}", f"{found.noise[name]:.3g}" if found.noise else "-", unit]
        for (name, after), unit in ((item, SI_UNITS[item[0]]) for item in found.after.items())
    ]
    columns = ["prediction error (RMS)", "nominal", "fitted", "sensors' noise", "unit"]
    used = f"{duration(found.seconds)} of motion, cut into windows of {found.window:.3g} s: {found.windows} fitted"
    followed = f"{used}, {found.held_out} held out, which these errors are of"
    return [parameters, {"columns": columns, "rows": errors, "note": followed}]


def curve_table(adaptation: Adaptation) -> tuple[Columns, Rows]:
    """The adaptation curve, with a bar a point."""
    means = [point.evaluation.mean for point in adaptation.curve]
    low, span = min(0.0, *means), max(0.0, *means) - min(0.0, *means) or 1.0
    rows: Rows = []
    for point, mean in zip(adaptation.curve, means, strict=True):
        cells = evaluation_cells(point.evaluation)
        spent = duration(point.seconds), duration(point.robot_seconds), f"{point.steps:,}"
        rows.append([*spent, *cells, "█" * round(30 * (mean - low) / span)])
    return [
        "adapted for",
        "robot time",
        "environment steps",
        *evaluation_columns(adaptation.before.evaluation),
        "",
    ], rows


def training_curve(run: str | Path) -> list[dict[str, Any]]:
    """Return of training episodes over steps, from the logs of a run folder; [] where no episode ended."""
    steps, values = training_log(run).get("rollout/ep_rew_mean", (np.empty(0), np.empty(0)))
    if not len(steps):
        return []
    keep = np.unique(np.linspace(0, len(steps) - 1, min(len(steps), 400)).round().astype(int))
    found = {"label": "training", "x": (steps[keep] / 1e6).tolist(), "y": values[keep].tolist()}
    return [{**found, "xlabel": "million environment steps", "ylabel": "return in training"}]


def training_log(run: str | Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """What a run folder's logs say: by column, such as "rollout/ep_rew_mean", environment steps and values, (n,) both.

    Raises `SurefootError` for a log that is not one; {} where there is none.
    """
    found: dict[str, list[tuple[float, float]]] = {}
    for log in sorted(
        Path(run).glob("log_[0-9]*/progress.csv"), key=lambda path: (len(path.parent.name), path.parent.name)
    ):
        try:
            with log.open(newline="") as file:
                for row in csv.DictReader(file):
                    if steps := row.get("time/total_timesteps"):
                        for name, value in row.items():
                            if value and name != "time/total_timesteps":
                                at = int(float(steps))  # which NaN and infinity are not
                                found.setdefault(name, []).append((at, float(value)))
        except (OSError, ValueError, OverflowError, TypeError, csv.Error) as error:
            raise SurefootError(f"cannot read the log {str(log)!r}: {' '.join(str(error).split())}") from error
    pairs = {name: np.array(values) for name, values in found.items()}
    return {name: (values[:, 0], values[:, 1]) for name, values in pairs.items()}


def seeds_table(summary: SeedSummary) -> dict[str, Any]:
    """One row a seed; what they reach together is the note."""
    rows: Rows = []
    for o in summary.outcomes:
        if o.error:
            rows.append([o.seed, "failed", "-", "-", "-", o.error])
            continue
        tracking = "-" if o.tracking is None else f"{o.tracking:.3f}"
        rows.append([o.seed, f"{o.value:.1f}", tracking, f"{100 * (o.falls or 0.0):.0f} %", f"{o.steps:,}", ""])
    said = [_over_seeds("return", summary.statistics(), 1)]
    if any(o.tracking is not None for o in summary.outcomes):
        said.append(_over_seeds("tracking", summary.statistics(lambda o: o.tracking), 3))
    done = sum(not o.error for o in summary.outcomes)
    note = f"{done} of {len(summary.outcomes)} seeds, {summary.episodes} episodes each: {'; '.join(said)}"
    return {"columns": ["seed", "return", "tracking", "falls", "steps", ""], "rows": rows, "note": note}


def _over_seeds(name: str, found: dict[str, Any], digits: int) -> str:
    mean, low, high, iqm = (f"{v:.{digits}f}" for v in (found["mean"], *found["interval"], found["iqm"]))
    return f"{name} {mean} (95 % interval {low} to {high}, interquartile mean {iqm})"


def tuning_tables(tuning: "Tuning", best: int = 10) -> list[dict[str, Any]]:
    """The best trials, and where there are enough of them the importance of each hyperparameter."""
    from .controllers.tuning import as_text

    what = "tracking" if tuning.config.task == "velocity" else "return"
    rows: Rows = []
    for t in tuning.ranking[:best]:
        values = ", ".join(f"{name}={as_text(value)}" for name, value in t.hyperparameters.items())
        rows.append([t.number, f"{t.value:.4g}", f"{t.steps:,}", duration(t.seconds), values])
    states = Counter(t.state for t in tuning.trials)
    note = f"{len(tuning.trials)} trials: {', '.join(f'{n} {state}' for state, n in states.items())}; trial 0 is the preset"
    tables = [{"columns": ["trial", what, "steps", "training", "hyperparameters"], "rows": rows, "note": note}]
    if tuning.importance:
        shares = [[name, f"{100 * share:.0f} %"] for name, share in tuning.importance.items()]
        tables.append({"columns": ["hyperparameter", "importance"], "rows": shares})
    return tables


def recording_table(recordings: Sequence[Recording]) -> dict[str, Any]:
    """One row a recording."""
    rows = []
    for r in recordings:
        settings = ", ".join(f"{k}={v:g}" for k, v in r.parameters.items()) or "nominal"
        falls = int((r.done == TERMINATED).sum())
        rows.append([r.label, r.robot, r.task, f"{len(r) * r.dt:.1f} s", f"{r.reward.sum():.1f}", falls, settings])
    return {"columns": ["label", "robot", "task", "length", "reward", "falls", "parameters"], "rows": rows}


def info_table(file: RecordingFile) -> dict[str, Any]:
    """What is in a recording; its steps are read chunk by chunk, and of them only what is counted."""
    header, falls, ended, total, steps = file.header, 0, 0, 0.0, 0
    for i in range(len(file.starts)):
        chunk = file.chunk(i, ("done", "reward"))
        there = chunk["done"] != ABSENT
        falls += int((chunk["done"] == TERMINATED).sum())
        ended += int((there & (chunk["done"] != RUNNING)).sum())
        total += float(chunk["reward"][there].sum(dtype=float))
        steps += int(there.sum())
    training = header.controller.get("config", {})
    drove = " ".join(str(training[key]) for key in ("algo", "method") if training.get(key)) or "not named"
    if timesteps := header.controller.get("timesteps"):
        drove += f", {timesteps:,} steps of training"
    _, values = file.changes(0)
    changed = {
        name: f"{column.min():g}" if column.min() == column.max() else f"{column.min():g} to {column.max():g}"
        for name, column, nominal in zip(header.parameter_names, values.T, header.nominal, strict=True)
        if np.isfinite(column).all() and (column != nominal).any()
    }
    columns = {name: k for name, k in (header.floats | header.flags).items() if k}
    size = file.size
    rows = [
        ["robot", header.robot],
        ["task", header.task],
        ["label", header.label],
        ["worlds", f"{header.worlds:,}"],
        ["length", f"{file.seconds:.1f} s in steps of {header.dt:g} s"],
        ["chunks", f"{len(file.starts):,}" + ("" if file.whole else ", then it breaks off")],
        ["size", f"{size / 1e6:.2f} MB, {size / max(steps * header.dt, 1e-9) / 1e3:.1f} kB a world-second"],
        ["episodes ended", f"{ended:,}, {falls:,} of them by a fall"],
        ["reward", f"{total / max(steps, 1):.4g} a step"],
        ["reward terms", ", ".join(header.term_names) or "none"],
        ["parameters at the start", ", ".join(f"{k}={v}" for k, v in changed.items()) or "nominal"],
        ["controller", drove],
        ["inferred", ", ".join(header.inferred_names) or "nothing"],
        ["numbers a step", ", ".join(f"{name} {k}" for name, k in columns.items())],
    ]
    return {"columns": ["", Path(file.name).name], "rows": rows}


def screening_table(screening: Screening) -> dict[str, Any]:
    """One row an episode that is left out."""
    rows = [[f.label, f.episode, f.step, f.reason, f.detail] for f in screening.findings]
    kept, steps = sum(int(keep.sum()) for keep in screening.keep), sum(len(keep) for keep in screening.keep)
    note = "\n".join((f"kept {kept:,} of {steps:,} steps", *screening.notes))
    return {"columns": ["recording", "episode", "from step", "reason", "what is wrong"], "rows": rows, "note": note}


def catalogue(what: str, robot: str = "quadruped") -> tuple[Columns, Rows]:
    """Columns and rows of what there is by name: robots, tasks, rewards, algorithms, methods, controllers (that are
    shipped, with their cards), parameters (of `robot`), presets."""
    kinds = {
        "robots": _robots,
        "tasks": lambda: (["task", "what is asked"], [[name, _first_line(kind)] for name, kind in TASKS.items()]),
        "algorithms": lambda: (
            ["algorithm", "settings"],
            [[n, _first_line(a.settings)] for n, a in ALGORITHMS.items()],
        ),
        "rewards": _rewards,
        "methods": lambda: (["method", "how"], [[name, _first_line(method)] for name, method in METHODS.items()]),
        "controllers": _controllers,
        "parameters": lambda: _parameters(robot),
        "presets": _presets,
    }
    if what not in kinds:
        raise unknown("catalogue", what, kinds)
    return kinds[what]()


def _rewards() -> tuple[Columns, Rows]:
    """The functions of `envs/rewards.py`, and the tasks whose source calls them."""
    rows = []
    for name, function in vars(rewards).items():
        if inspect.isfunction(function):
            using = [task for task, kind in TASKS.items() if name in _called(kind)]
            rows.append([name, _first_line(function), ", ".join(using)])
    return ["reward term", "what it is", "tasks"], rows


def _called(kind: type) -> set[str]:
    """Names of the reward functions that a task calls, itself or by what it inherits."""
    sources = [inspect.getsource(base) for base in kind.__mro__ if base.__module__ != "builtins"]
    return {name for source in sources for name in re.findall(r"\brewards\.(\w+)\(", source)}


def _first_line(thing: object) -> str:
    return (thing.__doc__ or "").strip().split("\n\n")[0].split(". ")[0].split(".\n")[0].removesuffix(".")


def _robots() -> tuple[Columns, Rows]:
    rows = []
    for name, robot in ROBOTS.items():
        tasks = [task for task, (_, robots, _) in BY_TASK.items() if name in robots.values()]
        rows.append([name, robot.control, f"{1 / robot.control_dt:.0f} Hz", ", ".join(tasks)])
    return ["robot", "actions", "control rate", "tasks"], rows


def _controllers() -> tuple[Columns, Rows]:
    rows: Rows = []
    for name in names():
        card = card_of(name)
        low, high = card.interval
        tracking = "-" if card.tracking is None else f"{card.tracking:.2f}"
        falls, success = ("-" if share is None else f"{100 * share:.0f} %" for share in (card.falls, card.success))
        chosen = f"seed {card.seed}" + (f" of {', '.join(map(str, card.seeds))}" if len(card.seeds) > 1 else "")
        trained = f"{card.steps:,} steps in {duration(card.training_seconds)} on {card.machine}; {chosen}"
        made = f"{trained}; {card.episodes} episodes; {card.date}, {card.commit}"
        rows.append(
            [name, card.algo, f"{card.mean_return:.1f}", f"{low:.1f} to {high:.1f}", tracking, falls, success, made]
        )
    return ["controller", "algorithm", "return", "95 % interval", "tracking", "falls", "success", "made"], rows


def _parameters(name: str) -> tuple[Columns, Rows]:
    robot = get_robot(name)
    table = ParameterTable(robot, robot.compile())
    rows: Rows = []
    for p in table.parameters:
        columns = table.columns(p.name)
        elements = [table.names[k].partition(".")[2] for k in columns]
        low, high = table.low[columns[0]], table.high[columns[0]]
        shown = "" if elements == [""] else f"{len(elements)}: {', '.join(elements[:2])}{', …' * (len(elements) > 2)}"
        rows.append([p.name, p.unit, f"{table.nominal[columns[0]]:g}", f"{low:g} to {high:g}", shown, p.doc])
    if robot.groups:
        rows.append(["", "", "", "", "motor groups", f"motor_strength.GROUP and the like: {', '.join(robot.groups)}"])
    return ["parameter", "unit", "nominal", "legal", "elements", "meaning"], rows


def _presets() -> tuple[Columns, Rows]:
    rows: Rows = []
    for (robot, task, algo), settings in PRESETS.items():
        values = dataclasses.asdict(settings)
        steps = f"{values.pop('steps'):,}"
        reached = _reached(robot, task, algo)
        rows.append([robot, task, algo, reached, steps, ", ".join(f"{k}={v}" for k, v in values.items())])
    return ["robot", "task", "algorithm", "reaches", "steps", "hyperparameters (--hyper NAME=VALUE)"], rows


def _reached(robot: str, task: str, algo: str) -> str:
    found = REACHED.get((robot, task, algo))
    if found is None:
        return "-"
    what = {"velocity": "tracking", "reach": "success", "push": "success"}.get(task, "return")
    seeds = f"{found.seeds} seed{'s' * (found.seeds > 1)}"
    return f"{what} {found.value:,.4g} in {duration(found.seconds)}\n{seeds}, {found.machine}"


def duration(seconds: float) -> str:
    """12 s, 3.4 min, 1.2 h."""
    for limit, unit, scale in ((120, "s", 1), (7200, "min", 60)):
        if seconds < limit:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds / 3600:.3g} h"
