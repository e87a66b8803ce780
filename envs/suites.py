"""Task suites: frozen, hashed splits of tasks, so that a result names the exact tasks that it was measured on.

A suite is made from laws and a seed: the same file, byte for byte, on every machine. What learns sees split `train` alone;
models are chosen on `validation` and reported on the others.
"""

import dataclasses
import hashlib
import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..robots import SurefootError, get_robot, unknown
from ..robots.files import parse_json, replacing
from ..robots.moments import split_moment
from ..robots.parameters import ParameterTable
from .options import checked_options
from .schedule import later_of
from .tasks import TASKS
from .terrain import TerrainOptions, on_terrain
from .variation import Task, Term, Variation

FORMAT = 1
FOLDER = Path(__file__).resolve().parent.parent / "assets" / "suites"
Split = Literal["train", "validation", "test", "moderate", "extreme", "structural"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test", "moderate", "extreme", "structural")
DIGITS = 6  # significant, of every value that is drawn: short files, and no last bit that depends on a machine
ATTEMPTS = 50  # draws in a row that give nothing new, for each task that is wanted, before a law counts as exhausted

Number = Annotated[float, Field(allow_inf_nan=False)]
Laws = Sequence[
    tuple[Mapping[str, str], int]
]  # of one split: (variation in the command line's grammar, number of tasks)


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Law(_Frozen):
    """`count` different tasks drawn from a variation; keys that the task knows as goals (vx, vy, yaw) become goals."""

    vary: dict[str, str]
    count: int = Field(gt=0)


class _Row(_Frozen):
    """A `Task` in the file."""

    parameters: dict[str, Number | str] = {}
    goal: dict[str, Number] = {}


class TaskSuite(_Frozen):
    """Splits of tasks for one robot on one task, as `make_suite` and `load_suite` give them.

    Attributes:
        family, version: its name; a suite whose tasks change gets another version.
        about: one sentence, with the source of its ranges.
        robot, task, options: what the tasks are for, and the options that the task is measured with.
        robots: splits whose tasks are for another robot, by split: what is learnt on `robot` is tested there.
        seed, laws: what the tasks were drawn from, by split.
        masses_alone: factors of mass and inertia are drawn as those of codes in which a heavier part turns as easily. Here
            inertia follows mass, and what is drawn for it is divided by that of the mass.
        splits: the tasks themselves, by split; no task is in two.
        sha256: over all of this.
    """

    format: Literal[1] = 1
    family: str
    version: int = Field(default=1, gt=0)
    about: str = ""
    robot: str
    task: str
    options: dict[str, Any] = {}
    robots: dict[Split, str] = {}
    seed: int = Field(default=0, ge=0)
    laws: dict[Split, tuple[Law, ...]]
    masses_alone: bool = False
    splits: dict[Split, tuple[_Row, ...]]
    sha256: str

    def __str__(self) -> str:
        return f"{self.family} v{self.version}" + (f", seed {self.seed}" if self.seed else "")

    def tasks(self, split: str) -> list[Task]:
        """The tasks of a split, in the file's order. Raises `SurefootError` for a split that the suite does not have."""
        rows = next((rows for name, rows in self.splits.items() if name == split), None)
        if rows is None:
            raise unknown(f"split of suite {self.family!r}", split, self.splits)
        return [Task(row.parameters, row.goal) for row in rows]

    def robot_of(self, split: str) -> str:
        """Name of the robot that the tasks of a split are for."""
        return next((robot for name, robot in self.robots.items() if name == split), self.robot)

    def follows_training(self, split: str) -> bool:
        """Whether a split's tasks are drawn from laws that `train` has as well, for the same robot."""
        laws: dict[str, list[dict[str, str]]] = {name: [law.vary for law in of] for name, of in self.laws.items()}
        return self.robot_of(split) == self.robot and all(law in laws["train"] for law in laws[split])

    def rows(self, split: str, table: ParameterTable) -> tuple[np.ndarray, np.ndarray]:
        """A split as parameter values (tasks, K) and goals (tasks, G), NaN where a task leaves a goal open."""
        tasks = self.tasks(split)
        values = np.array([table.values(task.parameters) for task in tasks])
        return values, np.array([_goal_row(self.task, task.goal) for task in tasks])

    def check_for(self, robot: str, task: str) -> None:
        """Raise `SurefootError` unless the suite is for controllers of this robot and task."""
        if (robot, task) != (self.robot, self.task):
            raise SurefootError(f"suite {self.family!r} is for {self.robot} {self.task}, not for {robot} {task}")

    def check(self, table: ParameterTable) -> None:
        """Raise `SurefootError` for a value that the robot does not allow, or a task that appears twice.

        Of the splits for the table's robot: another robot's tasks are other tasks, and its model may not be installed.
        """
        seen: dict[bytes, str] = {}
        for split in (s for s in self.splits if self.robot_of(s) == table.robot.name):
            rows = zip(self.tasks(split), *self.rows(split, table), strict=True)
            for i, (task, values, goal) in enumerate(rows):
                here, key = f"{split} task {i}", _identity(values, goal, task.parameters)
                if key in seen:
                    raise SurefootError(f"suite {self.family!r}: {here} is {seen[key]} again: splits may share no task")
                seen[key] = here

    def remade(self) -> "TaskSuite":
        """The suite that its laws and its seed give."""
        laws: dict[str, Laws] = {split: [(law.vary, law.count) for law in laws] for split, laws in self.laws.items()}
        names = ("robot", "task", "options", "robots", "seed", "version", "about", "masses_alone")
        fields = {k: getattr(self, k) for k in names}
        return make_suite(self.family, splits=laws, **fields)

    def text(self) -> str:
        """The file: one line a task."""
        return _pretty(self.model_dump(mode="json", exclude_unset=True)) + "\n"

    def save(self, path: str | Path) -> None:
        """Write the file, whole or not at all."""
        with replacing(path) as temporary:
            temporary.write_bytes(self.text().encode())


def make_suite(
    name: str,
    robot: str,
    task: str,
    splits: Mapping[str, Laws],
    *,
    seed: int = 0,
    version: int = 1,
    options: Mapping[str, Any] | None = None,
    robots: Mapping[str, str] | None = None,
    about: str = "",
    masses_alone: bool = False,
) -> TaskSuite:
    """Draw the tasks of each split from its laws: a pure function of the arguments, the same on every machine.

    A draw is a number made of the SHA-256 of its address (family, seed, split, law, attempt, key), so that more tasks, or
    another split, leave those that are there as they are. `robots` names the robot of each split that is not for `robot`;
    split `train` always is. Raises `SurefootError` for unknown names, for illegal values, and for a law that cannot give as
    many different tasks as are asked for.

    >>> make_suite("loads", "quadruped", "velocity", {"train": [({"payload": "0:3"}, 99)], "test": [({"payload": "3:6"}, 9)]})
    """
    if task not in TASKS:
        raise unknown("task", task, TASKS)
    elsewhere = dict(robots or {})
    tables = {name: table_of(name, options) for name in {robot, *elsewhere.values()}}
    for split in elsewhere:
        if split == "train" or split not in splits:
            raise SurefootError(f"suite {name!r}: robots={split!r}: expected a split that it has, and not 'train'")
    seen: dict[str, set[bytes]] = {name: set() for name in tables}
    laws: dict[str, list[dict[str, Any]]] = {}
    rows: dict[str, list[dict[str, Any]]] = {}
    for split, of_split in splits.items():
        if split not in SPLITS:
            raise unknown("split", split, SPLITS)
        laws[split] = [{"vary": dict(vary), "count": count} for vary, count in of_split]
        rows[split] = []
        of = elsewhere.get(split, robot)
        for i, (vary, count) in enumerate(of_split):
            address = f"{name}/{seed}/{split}/{i}"
            rows[split] += _draw(address, vary, count, task, tables[of], seen[of], masses_alone)
    content = {
        "format": FORMAT, "family": name, "version": version, "about": about, "robot": robot, "task": task,
        "options": dict(options or {}), **({"robots": elsewhere} if elsewhere else {}), "seed": seed, "laws": laws,
        **({"masses_alone": True} if masses_alone else {}), "splits": rows,
    }  # fmt: skip
    return _validated(content | {"sha256": content_hash(content)}, f"suite {name!r}")


def load_suite(source: str | Path, sha256: str | None = None) -> TaskSuite:
    """A suite that comes with Surefoot, by its name, or the one in a file (a name that ends in .json).

    Raises `SurefootError` when there is none, when its content does not have the hash that it names or the one that is
    asked for, and when it is not a suite.
    """
    path = Path(source)
    if path.suffix != ".json":
        path = FOLDER / f"{source}.json"
        if str(source) not in suite_names():
            raise unknown("suite", str(source), suite_names())
    try:
        content = parse_json(path.read_bytes(), _no_constant)
        said = content.pop("sha256")
    except FileNotFoundError:
        raise SurefootError(f"no task suite at {str(path)!r}") from None
    except (OSError, ValueError, AttributeError, KeyError, TypeError) as error:
        reason = getattr(error, "strerror", None) or "expected JSON with a sha256, as surefoot suite make writes it"
        raise SurefootError(f"{str(path)!r} is not a task suite: {reason}") from error
    found = content_hash(content)
    for expected, who in ((said, "the file says"), (sha256 or found, "the run was trained on")):
        if found != expected:
            raise SurefootError(
                f"suite {str(source)!r} does not match its hash: expected sha256 {str(expected)[:16]}… ({who}), "
                f"found {found[:16]}…: the tasks were changed"
            )
    return _validated(content | {"sha256": said}, repr(str(path)))


def suite_names() -> list[str]:
    """Names of the suites that come with Surefoot."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def verify(suite: TaskSuite) -> None:
    """Raise `SurefootError` when a task is illegal, appears twice, or is not what laws and seed give."""
    for robot in {suite.robot, *suite.robots.values()}:
        suite.check(table_of(robot, suite.options))
    again = suite.remade()
    for split in suite.splits.keys() | again.splits.keys():
        if suite.splits.get(split) != again.splits.get(split):
            raise SurefootError(f"suite {suite.family!r}: its laws and seed {suite.seed} give other tasks in {split!r}")


def table_of(robot: str, options: Mapping[str, Any] | None = None) -> ParameterTable:
    """The parameters of a robot of the catalogue, on the ground that a task's `options` describe."""
    ground = {f.name: (options or {})[f.name] for f in dataclasses.fields(TerrainOptions) if f.name in (options or {})}
    found = on_terrain(get_robot(robot), TerrainOptions(**ground))
    return ParameterTable(found, found.compile())


class TrainingTasks:
    """Split `train` of a suite, to draw from: the one way in which worlds that something learns in take a suite.

    Attributes:
        values: (tasks, K) parameter values. goals: (tasks, G), NaN where a task leaves a goal open.
        later: what the tasks change in mid-episode.
    """

    def __init__(self, suite: TaskSuite, table: ParameterTable):
        suite.check(table)
        self.values, self.goals = suite.rows("train", table)
        self.later = later_of([task.parameters for task in suite.tasks("train")], table)

    def pick(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Indices (n,) of tasks, each as likely as any other."""
        return rng.integers(len(self.values), size=n)

    def deal(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Indices (n,) of tasks, each as often as any other, or once more."""
        return np.resize(rng.permutation(len(self.values)), n)

    def sample(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Values (n, K) and goals (n, G) of `n` tasks, each as often as any other, or once more."""
        picks = self.deal(rng, n)
        return self.values[picks], self.goals[picks]


def content_hash(content: Mapping[str, Any]) -> str:
    """SHA-256 of a suite's content without its hash, however the file is laid out.

    The order of keys counts: a later parameter overrides an earlier one of the same motors.
    """
    return hashlib.sha256(json.dumps(content, separators=(",", ":")).encode()).hexdigest()


def _validated(content: Mapping[str, Any], where: str) -> TaskSuite:
    try:
        suite = TaskSuite.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        at = ".".join(map(str, first["loc"]))
        raise SurefootError(
            f"{where} is not a task suite: {at}={str(first['input'])[:60]!r}: {first['msg']}"
        ) from error
    if suite.laws.keys() != suite.splits.keys() or not suite.splits.get("train"):
        raise SurefootError(
            f"{where} is not a task suite: expected laws and tasks for 'train' and for each other split"
        )
    if suite.robots.keys() - (suite.splits.keys() - {"train"}):
        raise SurefootError(f"{where} is not a task suite: robots for splits other than those that it tests on")
    if suite.task in TASKS:
        checked_options(suite.task, suite.options, f"{where}: ")  # which stay as they are written
    return suite


def _draw(
    address: str,
    vary: Mapping[str, str],
    number: int,
    task: str,
    table: ParameterTable,
    seen: set[bytes],
    masses_alone: bool,
) -> Iterator[dict[str, Any]]:
    """`number` tasks that are not in `seen` yet, as rows of the file."""
    terms = Variation.parse(vary).terms
    found = misses = 0
    for attempt in itertools.count():
        if found == number or misses > ATTEMPTS * (number + 1):
            break
        parameters, goal = _settings(terms, f"{address}/{attempt}", TASKS[task].command_names, table)
        if masses_alone:
            parameters |= _inertias(parameters)
        identity = _identity(table.values(parameters), _goal_row(task, goal), parameters)
        misses += 1
        if identity not in seen:
            seen.add(identity)
            found, misses = found + 1, 0
            yield {"parameters": parameters, "goal": goal}
    if found < max(number, 1):
        raise SurefootError(
            f"{dict(vary)} gives {found} tasks that are not in the suite yet: expected {number}, at least 1"
        )


def _settings(
    terms: Sequence[Term], address: str, goals: Sequence[str], table: ParameterTable
) -> tuple[dict[str, float | str], dict[str, float]]:
    """One draw of each term: parameters and goal of a task, without those that a later term says anew."""
    parameters: dict[str, float | str] = {}
    goal: dict[str, float] = {}
    for term in terms:
        if term.key in goals:
            goal[term.key] = _number(term, _unit(f"{address}/{term.key}"))
        else:
            drawn = {key: _value(term, _unit(f"{address}/{key}")) for key in _keys(term, table)}
            for key in [key for key in parameters if key.split(".")[0] == term.key.split(".")[0]]:
                if key not in drawn and any(table.covers(own, key) for own in drawn):
                    del parameters[key]
            parameters |= drawn
    return parameters, goal


def _inertias(parameters: Mapping[str, float | str]) -> dict[str, float]:
    """Settings of `inertia` beside those of `mass`, which take back what these do to it."""
    found = {}
    for key, mass in parameters.items():
        name, _, part = key.partition(".")
        if name == "mass":
            inertia = f"inertia.{part}" if part else "inertia"
            found[inertia] = float(f"{float(parameters.get(inertia, 1.0)) / float(mass):.{DIGITS}g}")
    return found


def _unit(address: str) -> float:
    """A number in [0, 1) that depends on the address alone."""
    return (int.from_bytes(hashlib.sha256(address.encode()).digest()[:8], "big") >> 11) * 2.0**-53


def _keys(term: Term, table: ParameterTable) -> list[str]:
    """The settings that one draw of `term` writes: its key, or each element by itself."""
    key, moment = split_moment(term.key)
    key = key.removesuffix(".*")
    columns = table.columns(key)  # and the check that it exists
    named = any(isinstance(option, str) for option in term.options)
    keys = [table.names[k] for k in columns] if term.each and not named else [key]
    return keys if moment is None else [f"{key}@{moment}" for key in keys]


def _value(term: Term, unit: float) -> float | str:
    """What `term` gives for `unit` in [0, 1)."""
    if term.law == "choice":
        return term.options[int(unit * len(term.options))]
    low, high = term.low, term.high
    if term.law == "loguniform":  # in decimals, whose logarithms are rounded alike everywhere
        with localcontext(prec=28):
            start = Decimal(low).ln()
            drawn = float((start + Decimal(unit) * (Decimal(high).ln() - start)).exp())
    elif term.law == "area":
        drawn = math.sqrt(low * low + unit * (high * high - low * low))
    else:
        drawn = low + unit * (high - low)
    return min(max(float(f"{drawn:.{DIGITS}g}"), low), high)


def _number(term: Term, unit: float) -> float:
    value = _value(term, unit)
    if isinstance(value, str):
        raise SurefootError(f"goal {term.key!r} takes a number, not {value!r}")
    return value


def _goal_row(task: str, goal: Mapping[str, float]) -> np.ndarray:
    """Goals (G,) in the order of the task's commands, NaN where open."""
    if task not in TASKS:
        raise unknown("task", task, TASKS)
    names = TASKS[task].command_names
    for key in goal:
        if key not in names:
            raise unknown(f"goal of task {task!r}", key, names)
    return np.array([goal.get(name, np.nan) for name in names])


def _identity(values: np.ndarray, goal: np.ndarray, settings: Mapping[str, float | str]) -> bytes:
    later = repr(sorted((k, str(v)) for k, v in settings.items() if "@" in k)).encode()
    return (values + 0.0).tobytes() + (goal + 0.0).tobytes() + later  # -0 becomes 0


def _pretty(value: Any, depth: int = 0) -> str:
    """JSON whose first three levels have a line for each entry."""
    if depth == 3 or not value or not isinstance(value, dict | list):
        return json.dumps(value)
    if isinstance(value, dict):
        first, last = "{}"
        inner = [f"{json.dumps(k)}: {_pretty(v, depth + 1)}" for k, v in value.items()]
    else:
        first, last = "[]"
        inner = [_pretty(v, depth + 1) for v in value]
    pad = "\n" + " " * depth
    return first + ",".join(f"{pad} {line}" for line in inner) + pad + last


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")
