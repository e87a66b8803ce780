"""What does a controller survive? Success on a grid of two parameters, all cells of it in one batch."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, TypeGuard

import numpy as np

from ..envs.batch_env import BatchEnv
from ..envs.tasks import FAMILIES, VelocityConfig
from ..envs.variation import Task, Term, Variation
from ..robots import SurefootError
from ..robots.moments import split_moment
from .adaptation.identify import walk_and_identify
from .adaptation.inference import infers
from .adaptation.online import ONLINE, walk_and_judge
from .adaptation.search import as_begun
from .adaptation.sysid import usual_ranges
from .config import TrainConfig
from .controller import Controller
from .evaluation import AnyController, Evaluation, run_episodes
from .gym_ids import needs_robot
from .identifier import STEPS
from .planner import driver
from .worlds import robot_of, suite_of, worlds_of

TRACKING = 0.6  # above it, a `velocity` episode without a fall is a success
SHARE = 0.5  # of the return on the unchanged robot that an episode of any other task may lose
LARGEST = 50_000  # worlds at once
MOTION = 10.0  # s that a robot moves in its cell before what it has adapted to is mapped, where nobody says
COMMAND_UNITS = {  # of places, heights and distances: m
    **dict.fromkeys(("vx", "vy", "speed", "velocity"), "m/s"),
    "yaw": "rad/s",
    "angle": "rad",
    "heading": "rad",
    "direction": "",
}
STARTS = 1000  # what the methods count their seeds of start states from


@dataclass(frozen=True)
class Axis:
    """One side of the grid.

    Attributes:
        key, unit: of the parameter, or of the command where the task has one of that name.
        values: one a cell, numbers in rising order or names.
        trained: the range that the training had, its one value where it did not vary; None where that is not known.
    """

    key: str
    unit: str
    values: tuple[float | str, ...]
    trained: tuple[float, float] | None


@dataclass(frozen=True)
class Map:
    """One controller on the grid; each attribute is (Y, X), its rows in the order of the y axis.

    Attributes:
        success: share of the episodes that meet the criterion. falls: share that end in a fall. returns: means.
        tracking: means, NaN for other tasks than `velocity`.
    """

    success: np.ndarray
    falls: np.ndarray
    returns: np.ndarray
    tracking: np.ndarray


@dataclass(frozen=True)
class Envelope:
    """What controllers survive: a `Map` of each by name.

    Attributes:
        parameters: what the robot is like besides. criterion: what makes an episode a success. episodes: of each cell.
    """

    robot: str
    task: str
    parameters: str
    x: Axis
    y: Axis
    criterion: str
    maps: Mapping[str, Map]
    episodes: int
    seed: int

    def content(self) -> dict[str, Any]:
        """Everything as what JSON holds."""
        maps = {}
        for label, found in self.maps.items():
            grids = {f.name: getattr(found, f.name) for f in fields(Map)}
            maps[label] = {name: grid.tolist() for name, grid in grids.items() if np.isfinite(grid).all()}
        return {**asdict(replace(self, maps={})), "maps": maps}


def envelope(
    controllers: Mapping[str, AnyController],
    grid: Mapping[str, str],
    *,
    cells: int = 12,
    episodes: int = 4,
    task: Task | None = None,
    seed: int = 1000,
    motion: Mapping[str, float] | None = None,
) -> Envelope:
    """`episodes` episodes of each controller in each cell; all controllers meet the same start states and commands.

    `motion` says of which controllers, each of which `adapts_in_motion`, every robot moves before its episode, and for how many
    seconds. What it sees then it knows in the episode.

    `grid` holds the two axes in the grammar of variations, {"payload": "0:12", "friction": "log:0.2:2"}: `cells` values from
    one end to the other, both measured, or the choices of a|b|c; "" is the range in which identification looks. `task` is what
    the robot is like besides. A key that is a command of the task (vx, vy, yaw of `velocity`) is one here. The first
    controller is the one whose training range and nominal return count. Raises `SurefootError` for illegal values, before
    anything is simulated.
    """
    task = task or Task()
    first = next(iter(controllers.values()))
    needs_robot(first.config, "envelope")
    robot, what = first.config.robot, first.config.task
    for label, controller in controllers.items():
        theirs = controller.config
        if (theirs.robot, theirs.task) != (robot, what):
            raise SurefootError(f"controller {label!r} is for {theirs.robot} {theirs.task}, not for {robot} {what}")
    for name, number in (("cells", cells), ("episodes", episodes)):
        if not 1 <= number <= LARGEST:
            raise SurefootError(f"number of {name} {number}: expected 1 or more, at most {LARGEST:,}")
    if len(grid) != 2:
        raise SurefootError(f"axes {', '.join(grid) or 'none'}: expected two parameters, such as payload and friction")
    probe = worlds_of(first.config, 1)
    commands = probe.task.command_names
    for key in grid.keys() & task.goal.keys():
        raise SurefootError(f"{key!r} is an axis, so it cannot be {task.goal[key]:g} as well: give one of the two")
    probe.table.check_keys(key for key in (*task.parameters, *grid) if key not in commands)
    asked = {key: text or _usual(key, probe) for key, text in grid.items()}
    values = [_values(term, cells, commands) for term in Variation.parse(asked).terms]
    worlds = (len(values[0]) * len(values[1]) + 1) * episodes
    if worlds > LARGEST:
        raise SurefootError(f"{worlds:,} worlds at once: expected at most {LARGEST:,}, so fewer cells or episodes")
    x, y = (_axis(key, found, first.config, probe) for key, found in zip(grid, values, strict=True))
    tasks = [_with(task, {x.key: i, y.key: j}, commands) for j in y.values for i in x.values]
    every = [t for t in (*tasks, task) for _ in range(episodes)]  # the last: the robot as it is otherwise
    probe.simulation.table.check(np.array([probe.table.values(t.parameters) for t in tasks]))
    steps = {label: _steps(controllers[label], seconds) for label, seconds in (motion or {}).items()}
    maps: dict[str, Map] = {}
    good, criterion = -np.inf, f"no fall and tracking above {TRACKING:g}"
    for label, controller in controllers.items():
        begun = as_begun(controller) if isinstance(controller, Controller) else controller
        if label in steps:
            assert isinstance(controller, Controller)
            result = _after_motion(controller, every, steps[label], seed)
        else:
            env = worlds_of(controller.config, worlds, told=begun.told, tasks=every, seed=seed, autoreset=False)
            begun.check(env)
            result = run_episodes(env, driver(begun, env, seed))
        if not maps and np.isnan(result.tracked).any():
            nominal = float(result.returns[-episodes:].mean())
            good = nominal - SHARE * abs(nominal)
            criterion = f"no fall and a return of at least {good:.4g} (on the unchanged robot: {nominal:.4g})"
        maps[label] = _map(result, good, (len(y.values), len(x.values), episodes))
    return Envelope(robot, what, str(task), x, y, criterion, maps, episodes, seed)


def adapts_in_motion(controller: AnyController) -> TypeGuard[Controller]:
    """Whether all that it needs to adapt is to move: it remembers, or infers what its robot is and has not yet."""
    if not isinstance(controller, Controller) or controller.plan:
        return False
    return controller.config.method in ONLINE or infers(controller)


def usual_motion(controller: AnyController) -> float:
    """Seconds after which what a controller has adapted to is mapped where nobody says; 0 for one that does not adapt so."""
    return max(MOTION, _least(controller)) if adapts_in_motion(controller) else 0.0


def _least(controller: Controller) -> float:
    """Seconds of motion without which it does not adapt."""
    return robot_of(controller.config).control_dt * (STEPS if controller.identifier else 1)


def _steps(controller: AnyController, seconds: float) -> int:
    """Control steps of so much motion. Raises `SurefootError` for a controller that does not adapt by it, or not so soon."""
    if not adapts_in_motion(controller):
        can = ", ".join((*ONLINE, "identify"))
        raise SurefootError(f"motion of {seconds:g} s: expected a controller that adapts while it moves ({can})")
    least = _least(controller)
    if not least - 1e-9 <= seconds < math.inf:
        raise SurefootError(f"motion of {seconds:g} s: expected {least:g} s or more")
    return round(seconds / robot_of(controller.config).control_dt)


def _after_motion(controller: Controller, tasks: list[Task], steps: int, seed: int) -> Evaluation:
    """One episode on each task, of robots that have moved on it before."""
    controller, seed = controller.copy(), seed - STARTS
    if controller.identifier:
        curve = walk_and_identify(controller, tasks, len(tasks), (steps // STEPS,), seed=seed).curve
    else:
        curve = walk_and_judge(controller, tasks, len(tasks), (steps,), seed=seed)
    return curve[-1].evaluation


def _usual(key: str, env: BatchEnv) -> str:
    """The range of an axis for which nobody gives one."""
    commanded = key in env.task.command_names
    usual = usual_ranges(float(f"{env.simulation.model.body_mass.sum():.2g}"))
    name = key if commanded else env.table.parameter(key).name
    if commanded or name not in usual:  # a switch, or something that has no size of its own
        raise SurefootError(f"axis {key!r} has no usual range: expected {key}=low:high or {key}=a|b|c")
    return usual[name]


def _values(term: Term, cells: int, commands: tuple[str, ...]) -> tuple[float | str, ...]:
    if term.each:
        raise SurefootError(f"axis {term.key!r}: expected one value a cell, so leave out the .*")
    if term.options:
        words = [option for option in term.options if isinstance(option, str)]
        if words and term.key in commands:
            raise SurefootError(f"axis {term.key!r} is a command: expected numbers, not {words[0]!r}")
        return term.options
    if term.low == term.high and cells > 1:
        raise SurefootError(f"axis {term.key!r}: expected a range such as {term.low:g}:{term.low + 1:g}")
    space = np.geomspace if term.law == "loguniform" else np.linspace
    return tuple(float(f"{v:.6g}") for v in space(term.low, term.high, cells))


def _axis(key: str, values: tuple[float | str, ...], config: TrainConfig, env: BatchEnv) -> Axis:
    if key in env.task.command_names:
        return Axis(key, COMMAND_UNITS.get(key, "m"), values, _commanded(key, config, env))
    for end in (values[0], values[-1]):  # what was asked for, before what lies between
        env.table.values({key: end})
    return Axis(key, env.table.parameter(key).unit, values, _trained(key, config, env))


def _commanded(key: str, config: TrainConfig, env: BatchEnv) -> tuple[float, float] | None:
    """Lowest and highest value of a command, or of a published family's goal, in training."""
    if isinstance(env.config, VelocityConfig):
        width = getattr(env.config, key, None)
        return None if width is None else (-width, width)
    if config.task not in FAMILIES:
        return None
    if config.suite is not None:
        suite = suite_of(config)
        asked = [task.goal.get(key, math.nan) for task in suite.tasks("train")] if suite else [math.nan]
        return None if np.isnan(asked).any() else (min(asked), max(asked))
    (term,) = Variation.parse({key: FAMILIES[config.task].goals[key]}).terms
    ends = [float(v) for v in term.options] or [term.low, term.high]
    return min(ends), max(ends)


def _trained(key: str, config: TrainConfig, env: BatchEnv) -> tuple[float, float] | None:
    """Lowest and highest value of a parameter in training."""
    table = env.table
    columns = table.columns(key)
    if config.suite is not None:
        if (suite := suite_of(config)) is None:
            return None
        rows = suite.rows("train", table)[0][:, columns]
        return float(rows.min()), float(rows.max())
    low = table.values(config.parameters)
    high = low.copy()
    for term in Variation.parse(config.vary).terms:
        key, moment = split_moment(term.key)
        at = table.columns(key.removesuffix(".*"))
        bounds = [v for v in term.options if not isinstance(v, str)] if term.options else [term.low, term.high]
        ends = min(bounds, default=0.0), max(bounds, default=1.0)  # without numbers: a flag by names
        later = moment is not None  # what changes has been something else
        low[at] = np.minimum(low[at], ends[0]) if later else ends[0]
        high[at] = np.maximum(high[at], ends[1]) if later else ends[1]
    return float(low[columns].min()), float(high[columns].max())


def _with(task: Task, settings: Mapping[str, float | str], commands: tuple[str, ...]) -> Task:
    goal = {k: float(v) for k, v in settings.items() if k in commands}
    return Task({**task.parameters, **{k: v for k, v in settings.items() if k not in commands}}, {**task.goal, **goal})


def _map(result: Evaluation, good: float, shape: tuple[int, int, int]) -> Map:
    """Means over the episodes (Y, X, E) of a grid; what was evaluated after them is left out."""
    fine = result.returns >= good if np.isnan(result.tracked).any() else result.tracked > TRACKING
    each = (fine & ~result.fell, result.fell, result.returns, result.tracked)
    return Map(*(values[: math.prod(shape)].reshape(shape).mean(axis=2) for values in each))
