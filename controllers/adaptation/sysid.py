"""Which parameters does the robot of a log have? Fitting a simulated robot to recorded motion.

The log is cut into short windows. Each is simulated with the recorded commands from its first row on, and those parameters
are sought whose simulations come nearest to what was measured (`log_search`). One window in five is held out: the fitted
robot has to follow these better than the nominal one.

What a log does not tell:

- Products: a servo's strength and its gains (`motor_strength`, `kp` and `kd` together), as long as no torque reaches its limit.
- The friction of feet that do not slip, beyond that it is enough.
- Without `linear_velocity` the base's speed is guessed from the legs that stand and corrected by the fit: what acts by
  accelerating the base (payload, friction, centre of mass) becomes less certain.
- A `delay` that is no multiple of the physics step: other verbs round it up to one, here it is interpolated.
- Anything that the model does not have: slopes, soft ground, pushes, backlash. It ends up in the parameters that are fitted.

The intervals show the first three. Nothing shows the last one: compare the prediction errors with the sensors' noise.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...envs.variation import Task, Term, Variation
from ...robots import Robot, SurefootError, get_robot, unknown
from ...robots.files import replacing
from ...robots.moments import split_moment
from ...robots.parameters import ParameterTable
from ..logs import RobotLog, read_log
from . import mujoco_sysid
from .log_search import Search, Unknown
from .windows import Windows

WINDOW = 0.2  # s
USUAL = ("payload", "friction", "motor_strength")  # what is fitted where nobody says; of these what the robot has
RANGES = {  # where to look for a parameter where nobody says
    "mass": "log:0.3:3", "inertia": "log:0.3:3", "com": "-0.1:0.1", "friction": "log:0.1:3", "damping": "log:0.1:10",
    "armature": "log:0.1:10", "frictionloss": "0:5", "kp": "log:0.3:3", "kd": "log:0.1:10", "motor_strength": "0:2",
    "delay": "0:0.04", "gravity": "1:20", "size": "log:0.5:2", "length": "log:0.5:2", "girth": "log:0.5:2",
    "foot_size": "log:0.5:2", "contact_stiffness": "log:0.1:10", "contact_damping": "log:0.1:2",
    "contact_softness": "log:0.1:10", "encoder_offset": "-0.2:0.2", "torque_speed": "0:0.2", "fluid_density": "0:1500",
    "viscosity": "0:1", "wind": "-20:20",
}  # fmt: skip
SOLVERS = ("surefoot", "mujoco")


def usual_ranges(mass: float) -> dict[str, str]:
    """`RANGES` of a robot of `mass` kg, which carries up to as much."""
    return {**RANGES, "payload": f"0:{mass:g}"}


def unknowns(fit: Mapping[str, str], table: ParameterTable, mass: float) -> list[Unknown]:
    """What to fit, from {"payload": "0:6", "friction": "log:0.3:1.5", "kp": ""}; "": within `RANGES`.

    A key that ends with `.*` fits each element by itself. A payload is sought up to the robot's own `mass`, kg. Raises
    `SurefootError` for what cannot be fitted.
    """
    found: list[Unknown] = []
    for key, text in fit.items():
        bare = key.removesuffix(".*")
        columns, parameter = table.columns(bare), table.parameter(bare)
        if parameter.law == "flag":
            raise SurefootError(f"cannot fit {key!r}, which is on or off: fit 'motor_strength.*' instead")
        if not parameter.fields:
            raise SurefootError(f"cannot fit {key!r}, which is no part of the robot's model")
        term = Variation.parse({key: text or usual_ranges(mass)[parameter.name]}).terms[0]
        if term.law not in ("uniform", "loguniform") or not term.low < term.high:
            raise SurefootError(f"range {text!r} for {key!r}: expected low:high or log:low:high with low < high")
        Variation((term,)).check(table)
        found += [_unknown(term, key, part, table) for part in _groups(key, columns)]
    if not found:
        raise SurefootError("nothing to fit: name a parameter and perhaps where to look for it, such as payload=0:6")
    taken: dict[int, str] = {}
    for one in found:
        for column in one.columns.tolist():
            if column in taken:
                raise SurefootError(
                    f"{table.names[column]!r} would be fitted twice, as {taken[column]!r} and as {one.name!r}"
                )
            taken[column] = one.name
    return found


def _groups(key: str, columns: np.ndarray) -> list[np.ndarray]:
    """One number for all that a key names, or for each: an equal shift along all axes is nothing that a robot has."""
    return np.split(columns, len(columns)) if key.endswith(".*") or key == "com" else [columns]


def _unknown(term: Term, key: str, columns: np.ndarray, table: ParameterTable) -> Unknown:
    name = table.names[columns[0]] if key.endswith(".*") or key == "com" else key
    return Unknown(name, columns, term.low, term.high, term.law == "loguniform")


@dataclass(frozen=True)
class Fitted:
    """One parameter: fitted value, standard error and 90 % interval; `searched` is where it was looked for.

    `true` is what the log says itself, where it does.
    """

    name: str
    unit: str
    nominal: float
    value: float
    error: float
    interval: tuple[float, float]
    searched: tuple[float, float]
    true: float | None = None

    @property
    def std(self) -> float:
        """Standard deviation of a normal distribution whose 90 % interval is as wide."""
        return (self.interval[1] - self.interval[0]) / (2 * 1.645)

    @property
    def remark(self) -> str:
        """What a reader has to know before using the value, or ""."""
        span = self.searched[1] - self.searched[0]
        if self.interval[1] - self.interval[0] >= 0.5 * span:  # half of what was searched, or more
            return "the log says little"
        at_end = min(self.value - self.searched[0], self.searched[1] - self.value) < 1e-3 * span
        return "at the end of what was searched" if at_end else ""


@dataclass(frozen=True)
class LogFit:
    """What a log told of its robot.

    Attributes:
        robot: its name. seconds: of the log that were used, in windows of `window` s: `windows` for the fit, `held_out` not.
        known: what was known to differ from the nominal robot. fitted: the parameters.
        correlation: of their errors, a row each.
        before, after: root mean square of the errors of prediction by signal (SI units), of the nominal (or known) and of the
            fitted robot, over the held-out windows, which start at the measured state.
        noise: of the sensors by signal, as estimated, and about the least that `after` can be; {} with MuJoCo's solver.
    """

    robot: str
    seconds: float
    window: float
    windows: int
    held_out: int
    known: Mapping[str, float | str]
    fitted: tuple[Fitted, ...]
    correlation: tuple[tuple[float, ...], ...]
    before: Mapping[str, float]
    after: Mapping[str, float]
    noise: Mapping[str, float]

    @property
    def parameters(self) -> dict[str, float | str]:
        """What was known and what was fitted, as `--set` and `Task` take it."""
        return {**self.known, **{part.name: part.value for part in self.fitted}}

    @property
    def task(self) -> Task:
        """The fitted robot, to adapt, evaluate or replay a controller on."""
        return Task(self.parameters)

    @property
    def vary(self) -> dict[str, str]:
        """What was known and the 90 % intervals, as `--vary` takes them: robots to train on that may be the real one."""
        ends = {part.name: part.interval for part in self.fitted}
        known = {k: v if isinstance(v, str) else f"{v:.5g}" for k, v in self.known.items()}
        return known | {name: f"{low:.5g}:{high:.5g}" for name, (low, high) in ends.items()}

    def alike(self, limit: float = 0.95) -> list[tuple[str, str]]:
        """Pairs of parameters that the log hardly tells apart."""
        names = [part.name for part in self.fitted]
        pairs = [(i, j) for j in range(len(names)) for i in range(j)]
        return [(names[i], names[j]) for i, j in pairs if abs(self.correlation[i][j]) > limit]

    def save(self, path: str | Path) -> None:
        """Write everything as JSON."""
        content = {**asdict(self), "parameters": self.parameters, "vary": self.vary}
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def identify(
    robot: str | Robot,
    log: RobotLog | str | Path,
    fit: Mapping[str, str] | Iterable[str] = (),
    *,
    columns: str | Path | Mapping[str, Any] | None = None,
    known: Mapping[str, float | str] | None = None,
    seconds: float | None = None,
    window: float = WINDOW,
    at_most: int | None = None,
    solver: str = "surefoot",
    seed: int = 0,
) -> LogFit:
    """Fit parameters of a simulated robot to a log: ["payload", "friction"], {"payload": "0:6", "motor_strength.*": ""}.

    Without `fit`: what of `USUAL` the robot has and `known` does not name. `log` is a file (see `controllers.logs`, also
    for `columns`) or what was read from one. `known` is what else differs from the nominal robot, `seconds` how much of
    the log to use, `at_most` the number of windows from all over it that suffice (time grows with it). `solver` "mujoco"
    is least squares by `mujoco.sysid`. Raises `SurefootError` for a bad log, an unknown parameter, or a log too short for
    the number of parameters.
    """
    robot = get_robot(robot) if isinstance(robot, str) else robot
    model = robot.compile()
    table = ParameterTable(robot, model)
    if solver not in SOLVERS:
        raise unknown("solver", solver, SOLVERS)
    if isinstance(fit, str):
        raise SurefootError(f"fit {fit!r}: expected a list of parameters, such as [{fit!r}]")
    asked = dict(fit) if isinstance(fit, Mapping) else dict.fromkeys(fit, "")
    moving = [key for key in known or {} if split_moment(key)[1] is not None]
    if moving:
        raise SurefootError(f"known {moving[0]!r}: expected what holds from the start of the log to its end")
    told = {table.parameter(key).name for key in known or {}}
    asked = asked or {n: "" for n in USUAL if n not in told and any(p.name == n for p in table.parameters)}
    wanted = unknowns(asked, table, float(model.body_mass.sum()))
    nominal = table.values(known or {})
    table.check_keys((*(known or {}), *asked))
    if not window > 0:
        raise SurefootError(f"windows of {window:g} s: expected more than 0")
    read = log if isinstance(log, RobotLog) else read_log(log, robot, columns)
    if read.robot.name != robot.name:
        raise SurefootError(f"the log is of robot {read.robot.name!r}, not of {robot.name!r}")
    read = read.first(seconds)
    delays = [one.high for one in wanted if table.parameter(one.name).name == "delay"]
    longest = float(max([nominal[table.columns("delay")].max(), *delays]))
    windows, held_out = (
        Windows(read, window, held_out=which, at_most=at_most, max_delay=longest) for which in (False, True)
    )
    freedom = windows.count - len(wanted)
    if freedom < 3:
        raise SurefootError(
            f"{read.seconds:.3g} s give {windows.count} windows of {window:g} s besides those held out: expected "
            f"{len(wanted) + 3} or more to fit {len(wanted)} parameters"
        )
    if solver == "mujoco":
        noise: dict[str, float] = {}
        z, covariance = mujoco_sysid.fit(windows, wanted, nominal)
    else:
        search = Search(windows, wanted, nominal, np.random.default_rng(seed))
        (z, covariance), noise = search.run(), search.noise
        freedom *= 2  # of the two estimates that the search's covariance is the mean of
    best = nominal.copy()
    for one, at in zip(wanted, z, strict=True):
        best[one.columns] = one.value(at)
    scale = np.sqrt(np.diag(covariance))
    correlation = covariance / np.maximum(np.outer(scale, scale), 1e-300)
    return LogFit(
        robot=robot.name, seconds=read.seconds, window=windows.steps * read.dt, windows=windows.count,
        held_out=held_out.count, known=dict(known or {}),
        fitted=tuple(
            _fitted(one, table, nominal, float(at), float(error), _student(freedom), read.truth)
            for one, at, error in zip(wanted, z, scale, strict=True)
        ),
        correlation=tuple(map(tuple, correlation.tolist())),
        before=held_out.errors(nominal), after=held_out.errors(best), noise=dict(noise),
    )  # fmt: skip


def _fitted(
    one: Unknown, table: ParameterTable, nominal: np.ndarray, z: float, error: float, quantile: float, truth: Any
) -> Fitted:
    p = table.parameter(one.name)
    ends = [float(np.clip(one.value(z + side * quantile * error), p.low, p.high)) for side in (-1, 1)]
    slope = float(one.value(z + 1e-6) - one.value(z)) / 1e-6
    stated = {int(k): value for key, value in truth.items() for k in table.columns(key)}
    true = {stated.get(int(k)) for k in one.columns}
    return Fitted(
        name=one.name, unit=p.unit, nominal=float(nominal[one.columns[0]]), value=float(one.value(z)), error=slope * error,
        interval=(ends[0], ends[1]), searched=(one.low, one.high), true=true.pop() if len(true) == 1 else None,
    )  # fmt: skip


def _student(freedom: int) -> float:
    """Quantile .95 of Student's t (Abramowitz and Stegun, 26.7.5)."""
    z = 1.6448536
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
