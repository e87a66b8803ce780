"""Logs of simulated robots, with the noise of sensors: what a real robot would have logged, and the truth besides."""

import csv
import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import mujoco
import numpy as np

from ..envs.batch_env import BatchEnv
from ..envs.options import configured
from ..envs.variation import Task
from ..robots import Robot, SurefootError, unknown
from ..robots.files import check_name, replacing
from ..robots.parameters import ParameterTable
from .controller import Controller
from .logs import COLUMNS, OPTIONAL, TRUE, Joints, RobotLog
from .worlds import robot_of

NOISE = {  # standard deviations: encoders, an IMU and a state estimator of a good legged robot
    "position": 0.002,  # rad
    "velocity": 0.05,  # rad/s
    "orientation": 0.005,  # rad
    "angular_velocity": 0.02,  # rad/s
    "acceleration": 0.3,  # m/s^2
    "linear_velocity": 0.05,  # m/s
    "height": 0.005,  # m
}


def write_log(
    path: str | Path,
    controller: Controller,
    *,
    parameters: Mapping[str, float | str] | None = None,
    seconds: float = 4.0,
    goal: Mapping[str, float] | None = None,
    noise: float | Mapping[str, float] = 1.0,
    omit: Iterable[str] = (),
    timestep: float | None = None,
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """Let a controller drive the simulated robot with `parameters`, and write the log (*.csv or *.parquet).

    `omit` names optional signals to leave out; the other arguments are those of `walk`. The columns are those of `COLUMNS`,
    and `true.KEY` for every parameter. Returns the columns as they are written. Raises `SurefootError` where the robot falls:
    its episode would have ended.
    """
    path, omitted = Path(path), set(omit)
    check_name(path, *_WRITERS)
    for name in omitted - set(OPTIONAL):
        raise unknown("optional signal", name, OPTIONAL)
    task = Task(dict(parameters or {}), dict(goal or {}))
    dt = robot_of(controller.config).control_dt
    # A row more than intervals, and a step before the first row.
    walked = walk(controller, task, seconds + 2 * dt, noise=noise, timestep=timestep, seed=seed)
    if walked.falls:
        raise SurefootError(f"the robot falls after {walked.falls[0] * dt:.2f} s: no log of {seconds:g} s")
    log, elements = walked.log, Joints.of(walked.log.robot, walked.log.robot.compile()).elements()
    table = {}
    for signal, part in {"time": np.arange(len(log))[:, None] * log.dt, **log.signals}.items():
        for i, element in enumerate(elements[signal] if signal not in omitted else ()):
            table[COLUMNS[signal].replace("{}", element)] = part[:, i]
    table |= {TRUE + key: np.full(len(log), value) for key, value in log.truth.items()}
    with replacing(path) as temporary:
        _WRITERS[path.suffix](temporary, table)
    return table


@dataclasses.dataclass(frozen=True)
class Walked:
    """A walk's log, the control steps that it took (a row each, but for the first of an episode), and those of the falls."""

    log: RobotLog
    steps: int
    falls: tuple[int, ...]


def walk(
    controller: Controller,
    task: Task,
    seconds: float,
    *,
    noise: float | Mapping[str, float] = 1.0,
    timestep: float | None = None,
    seed: int = 0,
) -> Walked:
    """Let a controller drive the simulated robot of `task` for `seconds` of motion, in new episodes where it falls.

    `noise` is a factor on `NOISE`, or standard deviations by signal; `timestep` is another time step of the physics, s.
    """
    config, settings = controller.config, controller.settings
    robot = robot_of(config)
    if timestep is not None:
        robot = at_rate(robot, robot.control_dt, timestep)
    env = BatchEnv(
        robot, config.task, 1, config=configured(config.task, **config.options), history=settings.history,
        inputs=settings.inputs, tasks=task, seed=seed, autoreset=False,
    )  # fmt: skip
    controller.check(env)
    sim, joints = env.simulation, Joints.of(robot, env.simulation.model)
    acceleration = sim.batch.bind("qacc") if joints.floating else None
    gravity = -float(env.values[0, sim.table.columns("gravity")[0]])
    rows: dict[str, list[np.ndarray]] = {signal: [] for signal in joints.elements() if signal != "time"}
    begins, falls, steps = [0], [], round(seconds / robot.control_dt)
    observation, begun = env.reset(seed), True
    controller.reset()
    for k in range(steps):
        state = sim.qpos[0].copy(), sim.qvel[0].copy(), None if acceleration is None else acceleration[0].copy()
        observation, _, terminated, truncated = env.step(controller.act(observation))
        if not begun:  # the accelerometer shows something only after a step
            rows["command"].append(sim.ctrl[0].copy())
            for name, value in measured(joints, *state, gravity=gravity).items():
                rows[name].append(value)
        begun = bool(terminated[0] or truncated[0])
        if terminated[0]:
            falls.append(k)
        if begun:
            begins.append(len(rows["command"]))
            observation = env.reset()
            controller.reset()
    widths = {signal: len(names) for signal, names in joints.elements().items()}
    signals = {name: np.array(part).reshape(-1, widths[name]) for name, part in rows.items()}
    levels = {name: noise * NOISE[name] for name in NOISE} if isinstance(noise, int | float) else dict(noise)
    _add_noise(signals, levels, np.random.default_rng(seed))
    truth = _truth(env.values[0], sim.table)
    return Walked(RobotLog(robot, robot.control_dt, joints.names, signals, truth, tuple(begins)), steps, tuple(falls))


def at_rate(robot: Robot, dt: float, timestep: float | None = None) -> Robot:
    """The robot with control steps of `dt` s and physics steps of about `timestep` s (none: the model's), dividing it."""
    wanted = timestep or robot.compile().opt.timestep
    exact = dt / math.ceil(dt / wanted - 1e-3)

    def make_spec() -> mujoco.MjSpec:
        spec = robot.make_spec()
        spec.option.timestep = exact
        return spec

    return dataclasses.replace(robot, control_dt=dt, make_spec=make_spec)


def measured(
    joints: Joints, qpos: np.ndarray, qvel: np.ndarray, qacc: np.ndarray | None, gravity: float | np.ndarray
) -> dict[str, np.ndarray]:
    """What a log would hold of states (..., nq), (..., nv) and accelerations (..., nv); `gravity` is its z, m/s^2."""
    found = {"position": qpos[..., joints.qpos], "velocity": qvel[..., joints.qvel]}
    if joints.floating:
        w, xyz = qpos[..., 3:4], -qpos[..., 4:7]
        found |= {"orientation": qpos[..., 3:7], "angular_velocity": qvel[..., 3:6], "height": qpos[..., 2:3]}
        found["linear_velocity"] = rotate(w, xyz, qvel[..., :3])
        if qacc is not None:
            force = qacc[..., :3].copy()
            force[..., 2] -= gravity
            found["acceleration"] = rotate(w, xyz, force)
    return found


def rotate(w: np.ndarray, xyz: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """Vectors (..., 3) turned by unit quaternions with parts w (..., 1) and xyz (..., 3)."""
    twice = 2 * np.cross(xyz, vector)
    return vector + w * twice + np.cross(xyz, twice)


def _truth(values: np.ndarray, table: ParameterTable) -> dict[str, float]:
    """Every parameter of `values` (K,): one number where its elements are alike, else one an element.

    A dead motor is one without strength, which is what a log can tell of it.
    """
    found: dict[str, float] = {}
    values = values.copy()
    values[table.columns("motor_strength")] *= 1 - values[table.columns("dead_actuator")]
    for parameter in (p for p in table.parameters if p.law != "flag"):
        at = table.columns(parameter.name)
        alike = np.ptp(values[at]) == 0
        found |= {parameter.name if alike else table.names[k]: float(values[k]) for k in (at[:1] if alike else at)}
    return found


def _add_noise(signals: dict[str, np.ndarray], levels: Mapping[str, float], rng: np.random.Generator) -> None:
    for name in levels:
        if name not in NOISE:
            raise unknown("signal with noise", name, NOISE)
    for name in NOISE:  # always in this order
        if name in signals and name != "orientation":
            signals[name] = signals[name] + levels.get(name, 0.0) * rng.standard_normal(signals[name].shape)
    if "orientation" in signals and levels.get("orientation"):
        for quaternion in signals["orientation"]:
            mujoco.mju_quatIntegrate(quaternion, levels["orientation"] * rng.standard_normal(3), 1.0)


def _write_csv(path: Path, table: Mapping[str, np.ndarray]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(table)
        writer.writerows(zip(*(part.tolist() for part in table.values()), strict=True))


def _write_parquet(path: Path, table: Mapping[str, np.ndarray]) -> None:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise SurefootError("Parquet needs pyarrow: pip install 'surefoot[logs]', or name the log *.csv") from error
    parquet.write_table(pyarrow.table(dict(table)), path)


_WRITERS: dict[str, Callable[[Path, Mapping[str, np.ndarray]], None]] = {".csv": _write_csv, ".parquet": _write_parquet}
