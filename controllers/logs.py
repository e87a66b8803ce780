"""Logs of a robot's motion: reading them from CSV or Parquet by a map of columns.

A row holds the time (s), the measured state, and the command that was sent then and held until the next row. The map is
YAML; what it leaves out keeps SI units, and without a map the names are those of `COLUMNS`:

    time: {column: stamp, unit: ms}
    position: {column: "q_{}", unit: deg}       # q_front_left_hip, ... : one column a joint
    velocity: "dq_{}"                           # rad/s
    command:                                    # servo targets (rad) or torques (N m), one a motor
      front_left_hip: u0
      front_left_thigh: {column: u1, sign: -1, offset: 0.9}    # -u1 + .9 rad
      ...
    orientation: "imu_q{}"                      # imu_qw, imu_qx, imu_qy, imu_qz: of the base in the world
    angular_velocity: {column: "gyro_{}", unit: deg/s}         # gyro_x, gyro_y, gyro_z, in the base's axes
    acceleration: {column: "acc_{}", unit: g}   # optional; specific force at the base's origin, 9.81 m/s^2 upwards at rest
    linear_velocity: "v_{}"                     # optional; of the base's origin, in the base's axes, m/s
    height: z                                   # optional; of the base's origin above the floor, m

Joints are named after their motors (`surefoot list parameters ROBOT`), those without a motor by themselves. A robot whose
base floats needs orientation and angular velocity; any other needs all its joints and none of what the IMU gives. Columns
named `true.KEY`, the same in all rows, hold the robot's true parameters where they are known.

Rows at uneven times are interpolated on to a grid: states linearly, commands as the last one that was sent.
"""

import csv
import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mujoco
import numpy as np

from ..envs.typed import shown
from ..robots import Robot, SurefootError, get_robot, unknown
from ..robots.errors import MOST
from ..robots.files import read_yaml
from ..robots.parameters import ParameterTable, layout_of

COLUMNS = {
    "time": "time",
    "position": "position.{}",
    "velocity": "velocity.{}",
    "command": "command.{}",
    "orientation": "orientation.{}",
    "angular_velocity": "angular_velocity.{}",
    "acceleration": "acceleration.{}",
    "linear_velocity": "linear_velocity.{}",
    "height": "height",
}
JOINTS = ("position", "velocity")
IMU = ("orientation", "angular_velocity")
OPTIONAL = ("acceleration", "linear_velocity", "height")  # of a floating base
_ANGLE, _RATE = {"rad": 1.0, "deg": math.pi / 180}, {"rad/s": 1.0, "deg/s": math.pi / 180, "rpm": math.pi / 30}
UNITS: dict[str, dict[str, float]] = {
    "time": {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9},
    "position": {**_ANGLE, "m": 1.0},
    "velocity": {**_RATE, "m/s": 1.0},
    "command": {**_ANGLE, "N m": 1.0},
    "orientation": {"1": 1.0},
    "angular_velocity": _RATE,
    "acceleration": {"m/s^2": 1.0, "g": 9.80665},
    "linear_velocity": {"m/s": 1.0},
    "height": {"m": 1.0, "cm": 1e-2, "mm": 1e-3},
}
SI_UNITS = {"orientation": "rad"} | {
    signal: next(iter(units)) for signal, units in UNITS.items() if signal not in ("time", "command", "orientation")
}
TRUE = "true."  # what columns of true parameters begin with
EVEN = 0.02  # deviation of an interval between rows from the mean, as a share of it, up to which rows count as even
GAP = 2.5  # median intervals: one row may be missing, two may not
INTERVALS = (1e-4, 0.1)  # s between rows: what can be simulated, and what still shows a robot's motion
BEYOND = 1.0  # rad (m) beyond its range at which a joint's position is no measurement
# Correlation of velocities and moving positions from which they may not differ by such a factor.
ALIKE, FACTOR = 0.8, 5.0
MIN_ROWS = 20


@dataclass(frozen=True)
class Joints:
    """The joints of a robot that move along one line or about one axis, and what makes its base float.

    Attributes:
        names: of each joint: its motor's, or its own where it has none.
        ids, qpos, qvel: (J,) joints of the model, and their addresses. motors: names of the motors, (nu,).
        floating: whether the base has a free joint, which then is the model's first.
    """

    names: tuple[str, ...]
    ids: np.ndarray
    qpos: np.ndarray
    qvel: np.ndarray
    motors: tuple[str, ...]
    floating: bool

    @classmethod
    def of(cls, robot: Robot, model: mujoco.MjModel) -> "Joints":
        """Raises `SurefootError` for a robot with ball joints, or free joints besides the base's."""
        kinds = model.jnt_type
        single = np.flatnonzero((kinds == mujoco.mjtJoint.mjJNT_HINGE) | (kinds == mujoco.mjtJoint.mjJNT_SLIDE))
        floating = bool(kinds[0] == mujoco.mjtJoint.mjJNT_FREE)
        if len(single) + floating != model.njnt:
            raise SurefootError(f"robot {robot.name!r} has ball joints or several free ones: logs cannot hold them")
        motors = layout_of(model, robot).motors
        driven = dict(zip(model.actuator_trnid[:, 0].tolist(), motors, strict=True))
        names = tuple(driven.get(int(j), model.joint(int(j)).name) for j in single)
        return cls(names, single, model.jnt_qposadr[single], model.jnt_dofadr[single], motors, floating)

    def elements(self) -> dict[str, tuple[str, ...]]:
        """What each signal consists of."""
        found = {"time": ("",), "position": self.names, "velocity": self.names, "command": self.motors}
        if self.floating:
            found |= {"orientation": tuple("wxyz"), "height": ("",)}
            found |= {signal: tuple("xyz") for signal in ("angular_velocity", "acceleration", "linear_velocity")}
        return found


@dataclass(frozen=True)
class RobotLog:
    """T rows of motion at equal intervals of `dt` s, in SI units.

    Attributes:
        robot: which moved. joints: the names of its joints' columns.
        signals: by name (see `COLUMNS`): position and velocity (T, J), command (T, nu); of a floating base orientation
            (T, 4) and angular_velocity (T, 3), perhaps acceleration, linear_velocity (T, 3) and height (T, 1).
        truth: the robot's true parameters as far as they are known, such as {"payload": 3.0}.
        begins: the rows at which it was set down anew, as after a fall; motion does not go on from the row before.
    """

    robot: Robot
    dt: float
    joints: tuple[str, ...]
    signals: Mapping[str, np.ndarray]
    truth: Mapping[str, float] = field(default_factory=dict)
    begins: tuple[int, ...] = (0,)

    def __len__(self) -> int:
        return len(self.signals["position"])

    @property
    def seconds(self) -> float:
        return (len(self) - 1) * self.dt

    def first(self, seconds: float | None) -> "RobotLog":
        """The first `seconds` of it, or all. Raises `SurefootError` where that is too short to fit anything."""
        if seconds is None:
            return self
        rows = 1 + round(min(seconds, self.seconds) / self.dt)
        if rows < MIN_ROWS:
            raise SurefootError(f"{seconds:g} s of the log are {rows} rows: expected {MIN_ROWS} or more")
        signals = {name: part[:rows] for name, part in self.signals.items()}
        return dataclasses.replace(self, signals=signals, begins=tuple(row for row in self.begins if row < rows))

    def starts(self, lead: int, length: int) -> np.ndarray:
        """First rows of as many pieces of `length` rows as there are, one after the other, each with `lead` rows before it;
        no row is in two pieces, and no piece goes on across one of `begins`."""
        ends = (*self.begins[1:], len(self))
        spells = [np.arange(a + lead, b - length + 1, length) for a, b in zip(self.begins, ends, strict=True)]
        return np.concatenate(spells)


@dataclass(frozen=True)
class Column:
    """One column of a file: the value is sign * factor * number + offset."""

    name: str
    factor: float = 1.0
    offset: float = 0.0


# --- The map ----------------------------------------------------------------------------------------------------------


def read_columns(path: str | Path) -> dict[str, Any]:
    """A map of columns from YAML. Raises `SurefootError` for anything that is not a mapping of known signals."""
    found = read_yaml(path)
    if not found:
        raise SurefootError(f"{str(path)!r}: expected a mapping such as 'time: t'")
    return found


def columns_of(given: Mapping[str, Any], robot: Robot, joints: Joints) -> dict[str, list[Column]]:
    """The columns of each signal that the map `given` names. Raises `SurefootError` for what the robot does not have."""
    elements = joints.elements()
    for signal in given:
        if signal not in elements:
            raise unknown(f"signal in the map of columns of robot {robot.name!r}", str(signal), elements)
    for signal in ("time", *JOINTS, "command", *(IMU if joints.floating else ())):
        if signal not in given:
            why = ": the base of this robot floats" if signal in IMU else ""
            raise SurefootError(f"the map of columns names no {signal!r}, which robot {robot.name!r} needs{why}")
    return {signal: _columns(signal, spec, elements[signal]) for signal, spec in given.items()}


def _columns(signal: str, spec: Any, elements: tuple[str, ...]) -> list[Column]:
    if not isinstance(spec, Mapping) or "column" in spec:
        pattern = _column(signal, spec)
        if len(elements) > 1 and "{}" not in pattern.name:
            raise SurefootError(
                f"map of columns, {signal!r}: {pattern.name!r} is one column, expected {len(elements)}: a name with {{}} "
                f"for {elements[0]!r} and so on, or one line each"
            )
        return [dataclasses.replace(pattern, name=pattern.name.replace("{}", e)) for e in elements]
    for key in spec:
        if key not in elements:
            raise unknown(f"name under {signal!r} in the map of columns", str(key), elements)
    for element in elements:
        if element not in spec:
            raise SurefootError(f"map of columns, {signal!r}: {element!r} is missing")
    return [_column(f"{signal}.{element}", spec[element]) for element in elements]


def _column(where: str, spec: Any) -> Column:
    spec = spec if isinstance(spec, Mapping) else {"column": spec}
    allowed = ("column", "unit", "sign", "offset")
    for key in spec:
        if key not in allowed:
            raise unknown(f"key at {where!r} in the map of columns", str(key), allowed)
    name, units = spec.get("column"), UNITS[where.split(".")[0]]
    if not isinstance(name, str | int) or isinstance(name, bool):
        raise SurefootError(f"map of columns, {where!r}: expected the name of a column, not {name!r}")
    unit, sign, offset = spec.get("unit", next(iter(units))), spec.get("sign", 1), spec.get("offset", 0.0)
    if not isinstance(unit, str) or unit not in units:
        raise unknown(f"unit of {where!r} in the map of columns", str(unit), units)
    if sign not in (1, -1):
        raise SurefootError(f"map of columns, {where!r}: sign {sign!r}, expected 1 or -1")
    if isinstance(offset, bool) or not isinstance(offset, int | float) or not abs(offset) <= MOST:
        raise SurefootError(f"map of columns, {where!r}: offset {shown(offset)}, expected a number in SI units")
    return Column(str(name), sign * units[unit], float(offset))


# --- Reading ----------------------------------------------------------------------------------------------------------


def read_log(path: str | Path, robot: str | Robot, columns: str | Path | Mapping[str, Any] | None = None) -> RobotLog:
    """The log in a CSV or Parquet file; `columns` is the map (a YAML file, or what it would hold), else `COLUMNS`.

    Raises `SurefootError` for a column that is missing or holds no numbers, for time that runs backwards, stands still or
    has gaps, for joints far beyond their ranges, and for fewer than `MIN_ROWS` rows.
    """
    robot = get_robot(robot) if isinstance(robot, str) else robot
    model, path = robot.compile(), Path(path)
    joints = Joints.of(robot, model)
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise SurefootError(f"cannot read {str(path)!r}: expected a log that ends in {' or '.join(_READERS)}")
    if not path.is_file():
        raise SurefootError(f"no log at {str(path)!r}")
    header, read = reader(path)
    if not header:
        raise SurefootError(f"{path.name} is empty: expected a line with the names of its columns, and rows of numbers")
    twice = next((name for name in header if header.count(name) > 1), None)
    if twice is not None:
        raise SurefootError(f"{path.name}: two columns are named {twice!r}: expected one")
    if columns is None:
        elements = joints.elements()
        columns = {
            signal: COLUMNS[signal]
            for signal, parts in elements.items()
            if signal not in OPTIONAL or all(c.name in header for c in _columns(signal, COLUMNS[signal], parts))
        }
    wanted = columns_of(columns if isinstance(columns, Mapping) else read_columns(columns), robot, joints)
    for signal, part in wanted.items():
        for column in part:
            if column.name not in header:
                raise unknown(f"column of {signal!r} in {path.name}", column.name, header)
    truths = [name for name in header if name.startswith(TRUE)]
    numbers = read(list(dict.fromkeys([*(column.name for part in wanted.values() for column in part), *truths])))
    if len(next(iter(numbers.values()))) < MIN_ROWS:
        rows = len(next(iter(numbers.values())))
        raise SurefootError(f"{path.name} has {rows} row{'s' * (rows != 1)}: expected {MIN_ROWS} or more")
    _check_finite(path, numbers, wanted["time"][0].name)
    signals = {}
    for signal, part in wanted.items():
        origin = numbers[part[0].name][0] if signal == "time" else 0.0  # a stamp in ns leaves no digits for the rest
        signals[signal] = np.column_stack([c.factor * (numbers[c.name] - origin) + c.offset for c in part])
    _check_ranges(path, model, joints, wanted["position"], signals["position"])
    if joints.floating:
        signals["orientation"] = _unit_quaternions(path, signals["orientation"])
    dt, signals = _at_even_times(path, signals.pop("time")[:, 0], signals)
    _check_rates(path, joints, dt, wanted["velocity"], signals)
    truth = {name.removeprefix(TRUE): numbers[name] for name in truths}
    return RobotLog(robot, dt, joints.names, signals, _constants(path, truth, ParameterTable(robot, model)))


_Table = dict[str, np.ndarray]
_Read = Callable[[Sequence[str]], _Table]  # the columns of these names


def _read_csv(path: Path) -> tuple[list[str], _Read]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        delimiter = max(",;\t", key=text.partition("\n")[0].count)
        lines = [line for line in csv.reader(text.splitlines(), delimiter=delimiter) if line]
    except OSError as error:
        raise SurefootError(f"cannot read {str(path)!r}: {error.strerror or error}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise SurefootError(f"{str(path)!r} is not a table of numbers: {error}") from error
    header = [name.strip() for name in lines[0]] if lines else []

    def read(names: Sequence[str]) -> _Table:
        for row, line in enumerate(lines[1:], start=1):
            if len(line) != len(header):
                cut = ": is the file cut off?" if row == len(lines) - 1 else ""
                raise SurefootError(f"{path.name}: row {row} has {len(line)} values: expected {len(header)}{cut}")
        return {name: column(name, header.index(name)) for name in names}

    def column(name: str, at: int) -> np.ndarray:
        values = np.empty(len(lines) - 1)
        for row, line in enumerate(lines[1:]):
            try:
                values[row] = float(line[at])
            except ValueError:
                raise SurefootError(
                    f"{path.name}: {line[at]!r} in column {name!r} at row {row + 1}: expected a number"
                ) from None
        return values

    return header, read


def _read_parquet(path: Path) -> tuple[list[str], _Read]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise SurefootError("Parquet needs pyarrow: pip install 'surefoot[logs]', or save the log as CSV") from error

    def told(error: Exception) -> SurefootError:
        return SurefootError(f"{str(path)!r} is not a table of numbers: {' '.join(str(error).split())}")

    def read(names: Sequence[str]) -> _Table:
        try:
            table = file.read(columns=list(names))
            return {name: table.column(name).cast(pyarrow.float64()).to_numpy() for name in names}
        except (OSError, pyarrow.ArrowException) as error:
            raise told(error) from error

    try:
        file = parquet.ParquetFile(path)
    except (OSError, pyarrow.ArrowException) as error:
        raise told(error) from error
    return list(file.schema_arrow.names), read


_READERS: dict[str, Callable[[Path], tuple[list[str], _Read]]] = {".csv": _read_csv, ".parquet": _read_parquet}


def _check_finite(path: Path, numbers: _Table, times: str) -> None:
    for name, values in numbers.items():
        sound = np.isfinite(values) if name == times else np.abs(values) <= MOST  # stamps may count ns since 1970
        if not sound.all():
            row = int(np.argmin(sound))
            what = "a number" if name == times else f"a number, at most {MOST:g}"
            raise SurefootError(f"{path.name}: {values[row]} in column {name!r} at row {row + 1}: expected {what}")


def _check_ranges(
    path: Path, model: mujoco.MjModel, joints: Joints, part: Sequence[Column], values: np.ndarray
) -> None:
    """Positions in degrees, or of another joint, would be fitted without a word."""
    limited = model.jnt_limited[joints.ids].astype(bool)
    low, high = np.where(limited[:, None], model.jnt_range[joints.ids], (-np.inf, np.inf)).T
    bad = np.argwhere((values < low - BEYOND) | (values > high + BEYOND))
    if len(bad):
        row, j = bad[0]
        raise SurefootError(
            f"{path.name}: position {values[row, j]:.4g} of {joints.names[j]!r} (column {part[j].name!r}) at row {row + 1} is "
            f"far beyond its range, {low[j]:.3g} to {high[j]:.3g}: expected another unit, sign or offset in the map of columns"
        )


def _check_rates(path: Path, joints: Joints, dt: float, part: Sequence[Column], signals: _Table) -> None:
    """Velocities in degrees, or of the other sign, show beside the positions: where they say the same, but not as much."""
    said = signals["velocity"][1:-1]
    moved = (signals["position"][2:] - signals["position"][:-2]) / (2 * dt)
    alike = (said * moved).sum(0) / np.maximum(np.sqrt((said**2).sum(0) * (moved**2).sum(0)), 1e-9)
    times = (said * moved).sum(0) / np.maximum((moved**2).sum(0), 1e-9)
    bad = np.flatnonzero((np.abs(alike) > ALIKE) & ((times > FACTOR) | (times < 1 / FACTOR)))
    if len(bad):
        j = bad[0]
        raise SurefootError(
            f"{path.name}: velocity of {joints.names[j]!r} (column {part[j].name!r}) is {times[j]:.3g} times what its position "
            "moves by: expected another unit or sign in the map of columns"
        )


def _at_even_times(path: Path, time: np.ndarray, signals: _Table) -> tuple[float, _Table]:
    """The interval, s, and the signals at even times: as they are where the rows are even enough, else interpolated."""
    steps = np.diff(time)
    if (steps <= 0).any():
        row = int(np.argmax(steps <= 0))
        does = "stands still" if steps[row] == 0 else f"runs backwards by {-steps[row]:g} s"
        raise SurefootError(f"{path.name}: time {does} at row {row + 2}: expected each row later than the one before")
    dt, longest = float(np.median(steps)), int(np.argmax(steps))
    if not INTERVALS[0] <= dt <= INTERVALS[1]:
        raise SurefootError(
            f"{path.name}: rows are {dt:g} s apart: expected {INTERVALS[0]:g} to {INTERVALS[1]:g} s, "
            "or another unit of time in the map of columns"
        )
    if steps[longest] > GAP * dt:
        raise SurefootError(
            f"{path.name}: a gap of {steps[longest]:g} s before row {longest + 2}, where rows are {dt:g} s apart: "
            f"expected at most {GAP * dt:g} s; cut the log there"
        )
    mean = float(time[-1] - time[0]) / len(steps)
    if np.abs(steps - mean).max() <= EVEN * mean:
        return mean, signals
    grid = np.arange(time[0], time[-1] + 1e-9, dt)
    # Half an interval of grace: a command that was sent just after its time on the grid does not wait for the next one.
    last = np.searchsorted(time, grid + dt / 2, side="right") - 1
    even = {"command": signals["command"][last]}
    for name, values in signals.items():
        if name != "command":
            even[name] = np.column_stack([np.interp(grid, time, values[:, i]) for i in range(values.shape[1])])
    if "orientation" in even:
        even["orientation"] /= np.linalg.norm(even["orientation"], axis=1, keepdims=True)
    return dt, {name: even[name] for name in signals}


def _unit_quaternions(path: Path, orientation: np.ndarray) -> np.ndarray:
    """Of length 1, and each the nearer to the one before of the two that mean the same."""
    length = np.linalg.norm(orientation, axis=1)
    if (np.abs(length - 1) > 0.05).any():
        row = int(np.argmax(np.abs(length - 1) > 0.05))
        raise SurefootError(
            f"{path.name}: orientation at row {row + 1} has length {length[row]:.3g}: expected unit quaternions w, x, y, z"
        )
    turned = np.cumprod(np.where((orientation[1:] * orientation[:-1]).sum(1) < 0, -1.0, 1.0))
    return orientation / length[:, None] * np.concatenate([[1.0], turned])[:, None]


def _constants(path: Path, truth: _Table, table: ParameterTable) -> dict[str, float]:
    for name, values in truth.items():
        table.values({name: float(values[0])})
        if np.ptp(values) > 0:
            raise SurefootError(
                f"{path.name}: column '{TRUE}{name}' goes from {values.min():g} to {values.max():g}: expected one value"
            )
    return {name: float(values[0]) for name, values in truth.items()}
