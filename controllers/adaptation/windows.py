"""The windows of a log, simulated: what would have been measured, with these parameters and from these starts?"""

import dataclasses
from collections.abc import Mapping

import mujoco
import numpy as np

from ...envs.simulation import Simulation
from ...robots import Robot, SurefootError
from ..logs import Joints, RobotLog
from ..simulated_log import at_rate, measured, rotate

EVERY = 5  # one window of so many is held out
WORLDS = 4096  # simulated at a time
# How far off what the standing legs tell of the base may be, where the log does not tell it: m/s and m.
GUESS = {"linear_velocity": 0.3, "height": 0.01}


class Windows:
    """W pieces of a log, each of `steps` + 1 rows; no row is in two of them. Every fifth piece is held out of the others.

    The start of a window is unknown too: a vector of 2 nv numbers says how far its position and velocity are from what the
    first row says (in the tangent space: rad, m, rad/s, m/s).

    Attributes:
        count: W. robot, model: with physics steps that divide the log's interval. names: of the signals.
        directions: (D,) elements of a start that matter and are unknown: all but the base's x and y.
        group: (R,) signal of each residual of a window, an index into `names`; -1 for guesses, whose residuals are in units
            of `GUESS`. first: (R,) bool, residuals of the first row.
        spread: (2 nv, signals) 1 where a signal's noise is that of an element of the start.
    """

    def __init__(
        self,
        log: RobotLog,
        window: float,
        *,
        held_out: bool = False,
        at_most: int | None = None,
        max_delay: float = 0.0,
    ):
        """With `held_out` those that are held out, else the others; of more than `at_most` so many, spread evenly.

        Raises `SurefootError` where the log is too short.
        """
        self.robot = _with_smooth_delays(at_rate(log.robot, log.dt))
        self.model = self.robot.compile()
        self.joints = Joints.of(self.robot, self.model)
        self.max_delay = max_delay
        self.steps = max(1, round(window / log.dt))
        lead = int(np.ceil(max_delay / log.dt - 1e-9))  # rows before a window whose commands may still act in it
        begin = log.starts(lead, self.steps + 1)
        if len(begin) < EVERY:
            raise SurefootError(
                f"a log of {log.seconds:.3g} s holds {len(begin)} windows of {window:g} s: expected {EVERY} or more"
            )
        begin = begin[(np.arange(len(begin)) % EVERY == EVERY - 1) == held_out]
        if at_most is not None and len(begin) > at_most:
            begin = begin[np.linspace(0, len(begin) - 1, at_most).round().astype(int)]
        self.count = len(begin)
        rows = begin[:, None] + np.arange(self.steps + 1)
        self.measured = {name: part[rows] for name, part in log.signals.items() if name != "command"}
        self.names = tuple(self.measured)
        self._lead, self._commands = lead, log.signals["command"][begin[:, None] + np.arange(-lead, self.steps)]
        self._sims: dict[int, Simulation] = {}
        self._place_starts()
        nv, joints = self.model.nv, self.joints
        self.directions = np.r_[2 if joints.floating else 0 : nv, nv : 2 * nv]
        self._guessed = [name for name in GUESS if joints.floating and name not in self.measured]
        layout: list[tuple[int, bool]] = []
        for i, name in enumerate(self.names):
            width = 3 if name == "orientation" else self.measured[name].shape[2]
            for row in range(name == "acceleration", self.steps + 1):  # which is known only after a step
                layout += [(i, row == 0)] * width
        layout += [(-1, True)] * sum(self._base[name].shape[1] for name in self._guessed)
        self.group, self.first = (np.array(part) for part in zip(*layout, strict=True))

    def start_noise(self, noise: Mapping[str, float]) -> np.ndarray:
        """Standard deviations (D,) of the starts about their rows, from those of the signals."""
        nv, joints = self.model.nv, self.joints
        found, noise = np.zeros(2 * nv), {**GUESS, **noise}
        found[joints.qvel], found[nv + joints.qvel] = noise["position"], noise["velocity"]
        if joints.floating:
            found[2], found[3:6] = noise["height"], noise["orientation"]
            found[nv : nv + 3], found[nv + 3 : nv + 6] = noise["linear_velocity"], noise["angular_velocity"]
        return found[self.directions]

    def _place_starts(self) -> None:
        joints, first = self.joints, {name: part[:, 0] for name, part in self.measured.items()}
        self._qpos = np.repeat(self.robot.home_qpos(self.model)[None], self.count, axis=0)
        self._qvel = np.zeros((self.count, self.model.nv))
        self._qpos[:, joints.qpos], self._qvel[:, joints.qvel] = first["position"], first["velocity"]
        self._base: dict[str, np.ndarray] = {}
        if joints.floating:
            self._qpos[:, :2], self._qpos[:, 3:7] = 0.0, first["orientation"]
            self._qvel[:, 3:6] = first["angular_velocity"]
            self._base = _standing(self.robot, self.model, self._qpos, self._qvel) | first
            self._qpos[:, 2:3] = self._base["height"]
            self._qvel[:, :3] = rotate(self._qpos[:, 3:4], self._qpos[:, 4:7], self._base["linear_velocity"])

    def residuals(self, values: np.ndarray, starts: np.ndarray) -> np.ndarray:
        """Predicted minus measured, (C, W, R), of candidates with parameters (C, K) and starts (C, W, 2 nv)."""
        at_once = max(1, WORLDS // self.count)
        pieces = [slice(i, i + at_once) for i in range(0, len(values), at_once)]
        return np.concatenate([self._residuals(values[piece], starts[piece]) for piece in pieces])

    def errors(self, values: np.ndarray) -> dict[str, float]:
        """Root mean square of the residuals by signal with parameters (K,), from the measured starts."""
        starts = np.zeros((1, self.count, 2 * self.model.nv))
        r, group = self.residuals(values[None], starts)[0][:, ~self.first], self.group[~self.first]
        return {name: float(np.sqrt(np.square(r[:, group == i]).mean())) for i, name in enumerate(self.names)}

    def _residuals(self, values: np.ndarray, starts: np.ndarray) -> np.ndarray:
        c, n = len(values), len(values) * self.count
        if n not in self._sims:
            self._sims[n] = Simulation(self.robot, n, max_delay=self.max_delay)
        sim, everyone = self._sims[n], np.arange(n)
        sim.set_parameters(everyone, np.repeat(values, self.count, axis=0))
        qpos, qvel = self._moved(starts)
        commands = np.tile(self._commands, (c, 1, 1))
        sim.reset(everyone, qpos, qvel, forward=False)
        for k in range(self._lead):  # only fills the actuators' memory of commands
            sim.ctrl[:] = commands[:, k]
            sim.step()
            sim.qpos[:], sim.qvel[:] = qpos, qvel
        acceleration = sim.batch.bind("qacc")
        kept: tuple[list[np.ndarray], ...] = ([qpos], [qvel], [np.zeros_like(qvel)])
        for k in range(self._lead, self._lead + self.steps):
            sim.ctrl[:] = commands[:, k]
            sim.step()
            for part, now in zip(kept, (sim.qpos, sim.qvel, acceleration), strict=True):
                part.append(now.copy())
        q, v, a = (np.stack(part, axis=1).reshape(c, self.count, self.steps + 1, -1) for part in kept)
        gravity = -values[:, sim.table.columns("gravity")[0]][:, None, None]
        predicted = measured(self.joints, q, v, a, gravity)
        found = [self._difference(name, predicted[name]).reshape(c, self.count, -1) for name in self.names]
        found += [(predicted[name][:, :, 0] - self._base[name]) / GUESS[name] for name in self._guessed]
        return np.concatenate(found, axis=2)

    def _difference(self, name: str, predicted: np.ndarray) -> np.ndarray:
        actual = self.measured[name]
        if name == "orientation":  # a small turn in the base's axes, rad
            w, xyz, pw, pxyz = actual[..., :1], -actual[..., 1:], predicted[..., :1], predicted[..., 1:]
            real = w * pw - (xyz * pxyz).sum(-1, keepdims=True)
            return 2 * np.sign(real) * (w * pxyz + pw * xyz + np.cross(xyz, pxyz))
        return (predicted - actual)[:, :, name == "acceleration" :]

    def _moved(self, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """States (C W, nq), (C W, nv) of starts (C, W, 2 nv)."""
        nv, flat = self.model.nv, starts.reshape(-1, 2 * self.model.nv)
        qpos = np.tile(self._qpos, (len(starts), 1))
        qpos[:, self.joints.qpos] += flat[:, self.joints.qvel]
        if self.joints.floating:
            qpos[:, 2] += flat[:, 2]
            half, w, xyz = flat[:, 3:6] / 2, qpos[:, 3:4].copy(), qpos[:, 4:7].copy()  # a small turn: to first order
            qpos[:, 3:4] = w - (xyz * half).sum(-1, keepdims=True)
            qpos[:, 4:7] = xyz + w * half + np.cross(xyz, half)
            qpos[:, 3:7] /= np.linalg.norm(qpos[:, 3:7], axis=1, keepdims=True)
        return qpos, np.tile(self._qvel, (len(starts), 1)) + flat[:, nv:]


def _with_smooth_delays(robot: Robot) -> Robot:
    """Between two physics steps a delayed command is interpolated: what is simulated depends smoothly on the delay."""

    def make_spec() -> mujoco.MjSpec:
        spec = robot.make_spec()
        for actuator in spec.actuators:
            actuator.interp = 1
        return spec

    return dataclasses.replace(robot, make_spec=make_spec)


def _standing(robot: Robot, model: mujoco.MjModel, qpos: np.ndarray, qvel: np.ndarray) -> dict[str, np.ndarray]:
    """Height (n, 1) and velocity (n, 3) of the base, in its axes, if the lowest feet stand still on a flat floor.

    For a robot that names no feet: the home pose's height, at rest.
    """
    height, velocity = np.full((len(qpos), 1), robot.home_qpos(model)[2]), np.zeros((len(qpos), 3))
    data, jacobian = mujoco.MjData(model), np.zeros((3, model.nv))
    feet = np.array([model.geom(name).id for name in robot.feet], dtype=int)
    for i in range(len(qpos) if len(feet) else 0):
        data.qpos[:], data.qpos[:3] = qpos[i], 0.0
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        low = data.geom_xpos[feet, 2] - model.geom_size[feet, 0]
        height[i], speeds = -low.min(), []
        for foot in feet[low < low.min() + 0.01]:
            mujoco.mj_jac(model, data, jacobian, None, data.geom_xpos[foot], model.geom_bodyid[foot])
            speeds.append(-jacobian[:, 3:] @ qvel[i, 3:])
        velocity[i] = np.mean(speeds, axis=0)
    return {"height": height, "linear_velocity": rotate(qpos[:, 3:4], -qpos[:, 4:7], velocity)}
