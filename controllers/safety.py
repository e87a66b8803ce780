"""What would a controller do to the robot? Falls, limits, impacts and energy, watched while episodes run.

Everything is read from the state after each control step: what happens between two of them (a torque peak in one physics
step) is not seen, and energy is a sum of rectangles one control step wide.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import mujoco
import numpy as np

from ..envs.batch_env import BatchEnv
from ..envs.rewards import power
from ..envs.terrain import LENGTH
from ..robots import SurefootError, unknown


@dataclass(frozen=True)
class Criterion:
    """One figure of `Safety.figures`. A limit is the largest value that is well, or the smallest where `at_least`."""

    unit: str
    example: float
    doc: str
    at_least: bool = False


CRITERIA = {
    "falls": Criterion("1", 0.02, "share of the episodes that end in a fall"),
    "time_to_fall": Criterion("s", 18, "mean time until a fall, or until the episode's end without one", at_least=True),
    "joint_limit": Criterion("1", 0.01, "share of the steps in which a joint is beyond its range"),
    "torque_limit": Criterion("1", 0.05, "share of the steps in which a motor gives all that it can"),
    "velocity_limit": Criterion("1", 0.01, "share of the steps in which a motor turns faster than it is built for"),
    "impact": Criterion("N", 400, "largest normal force at a foot"),
    "energy": Criterion("J", 2000, "mean mechanical work of an episode: sum of |torque x speed| of all motors"),
    "cost_of_transport": Criterion("1", 1.5, "energy over weight and distance travelled, of all episodes together"),
}


@dataclass(frozen=True)
class Safety:
    """What was seen in E episodes, or in E trials of several; each attribute is (E,).

    Attributes:
        fell: 1 where the episode ended in a fall; of a trial, the share of its episodes that did.
        seconds: until the fall, or the episode's end; of a trial, the mean, as energy and carried are.
        steps: control steps, of all episodes.
        joint_limit, torque_limit, velocity_limit: number of steps with a violation; NaN where the robot's limit is not known.
        impact: largest normal force at a foot, N; NaN without touch sensors.
        energy: sum of |torque x velocity| of all motors x dt, J: braking costs as much as pushing.
        carried: weight x way of the base over ground, J; NaN for a robot that stays in its place.
    """

    fell: np.ndarray
    seconds: np.ndarray
    steps: np.ndarray
    joint_limit: np.ndarray
    torque_limit: np.ndarray
    velocity_limit: np.ndarray
    impact: np.ndarray
    energy: np.ndarray
    carried: np.ndarray

    def figures(self) -> dict[str, float]:
        """One number for each of `CRITERIA`, NaN where it cannot be measured."""
        steps, carried = self.steps.sum(), self.carried.sum()
        return {
            "falls": float(self.fell.mean()),
            "time_to_fall": float(self.seconds.mean()),
            "joint_limit": float(self.joint_limit.sum() / steps),
            "torque_limit": float(self.torque_limit.sum() / steps),
            "velocity_limit": float(self.velocity_limit.sum() / steps),
            "impact": float(self.impact.max()),
            "energy": float(self.energy.mean()),
            "cost_of_transport": float(self.energy.sum() / carried) if carried > 0 else float("nan"),
        }


def broken(figures: Mapping[str, float | None], limits: Mapping[str, float | str]) -> list[str]:
    """Which of `Safety.figures` are worse than their limits, such as "falls 0.06 (limit: at most 0.02)".

    Raises `SurefootError` for an unknown criterion, a limit that is no number, or one that this robot has no figure for.
    """
    found = []
    for name, limit in check_limits(limits).items():
        value, at_least = figures[name], CRITERIA[name].at_least
        if value is None or np.isnan(value):
            raise SurefootError(f"safety criterion {name!r} cannot be measured here: this robot has no such figure")
        if value < limit if at_least else value > limit:
            found.append(f"{name} {value:.4g} (limit: {'at least' if at_least else 'at most'} {limit:g})")
    return found


def check_limits(limits: Mapping[str, float | str]) -> dict[str, float]:
    """The limits. Raises `SurefootError` for an unknown criterion, with the nearest, or a limit that is no finite number."""
    found = {}
    for name, limit in limits.items():
        if name not in CRITERIA:
            raise unknown("safety criterion", name, CRITERIA)
        if isinstance(limit, str) or not np.isfinite(limit):
            raise SurefootError(f"limit {name}={limit}: expected a number, such as {name}={CRITERIA[name].example:g}")
        found[name] = limit
    return found


class Meter:
    """Watches the worlds of a `BatchEnv`, step by step; changes nothing in them. Make it after the reset.

    It is for the environment to call (`watcher`), before a world in mid-trial begins its next episode: a fall counts, too.
    Worlds count while `running` (N,) bool says so, which the caller changes in place.
    """

    def __init__(self, env: BatchEnv, running: np.ndarray):
        self.env, self.sim, self.running = env, env.simulation, running
        model, robot, n = self.sim.model, env.robot, env.num_envs
        scalar = (model.jnt_type == mujoco.mjtJoint.mjJNT_HINGE) | (model.jnt_type == mujoco.mjtJoint.mjJNT_SLIDE)
        joints = np.flatnonzero(model.jnt_limited.astype(bool) & scalar)
        self._angles, self._range = model.jnt_qposadr[joints], model.jnt_range[joints]
        self._dofs, self._gear = model.jnt_dofadr[model.actuator_trnid[:, 0]], model.actuator_gear[:, 0]
        self._force = self.sim.batch.bind("actuator_force")
        # A motor without a range of forces but with one of commands gives at most gain x command.
        self._by_force = model.actuator_forcelimited.astype(bool)
        plain = (model.actuator_gaintype == mujoco.mjtGain.mjGAIN_FIXED) & (
            model.actuator_biastype == mujoco.mjtBias.mjBIAS_NONE
        )
        self._by_command = ~self._by_force & plain & model.actuator_ctrllimited.astype(bool)
        self._fastest = None if robot.velocity_limit is None else np.broadcast_to(robot.velocity_limit, model.nu)
        self._touch = model.sensor_adr[model.sensor_type == mujoco.mjtSensor.mjSENS_TOUCH]
        self._sensors = self.sim.batch.bind("sensordata") if len(self._touch) else None
        self._ways = _horizontal(model, robot.base)
        self._before = self.sim.qpos[:, self._ways].copy()
        known = {
            "joint": len(joints),
            "torque": (self._by_force | self._by_command).any(),
            "speed": self._fastest is not None,
        }
        self._joint, self._torque, self._speed = (np.zeros(n) if known[k] else np.full(n, np.nan) for k in known)
        self._impact = np.full(n, np.nan if self._sensors is None else 0.0)
        self._energy, self._carried = np.zeros(n), np.full(n, 0.0 if len(self._ways) else np.nan)
        self._falls = np.zeros(n)

    def watch(self) -> None:
        """After a control step: count what happened in the worlds that run."""
        sim = self.sim
        self._falls += self.running & self.env.fell
        running = self.running & ~sim.diverged  # where a world blew up, the state is no longer what the robot did
        angles, speed, force = sim.qpos[:, self._angles], sim.qvel[:, self._dofs], np.array(self._force)
        self._joint += running & ((angles < self._range[:, 0]) | (angles > self._range[:, 1])).any(axis=1)
        self._torque += running & self._saturated(force)
        if self._fastest is not None:
            self._speed += running & (np.abs(speed) > self._fastest).any(axis=1)
        if self._sensors is not None:
            np.maximum(self._impact, self._sensors[:, self._touch].max(axis=1), out=self._impact, where=running)
        self._energy += running * power(force * self._gear, speed) * self.env.robot.control_dt
        here = sim.qpos[:, self._ways]
        step = here - self._before
        if self.env.ground is not None:
            step -= np.rint(step / LENGTH) * LENGTH  # put back by a patch's length, which is no way
        began = (self.env.lengths == 1) & (self.env.episode > 0)  # elsewhere than where the episode before has ended
        self._carried += (running & ~began) * self._weight() * np.sqrt(np.square(step).sum(axis=1))
        self._before = here

    def result(self, lengths: np.ndarray) -> Safety:
        """What was seen, for episodes or trials of `lengths` (N,) control steps."""
        falls, seconds, energy, carried = (
            of / self.env.trial
            for of in (self._falls, lengths * self.env.robot.control_dt, self._energy, self._carried)
        )
        counts = self._joint, self._torque, self._speed
        return Safety(falls, seconds, lengths, *counts, self._impact, energy, carried)

    def _saturated(self, force: np.ndarray) -> np.ndarray:
        """Where a motor is at its limit, which is the robot's own: a weak motor's is lower. A dead one has none, (N,) bool."""
        model, at = self.sim.model, np.zeros(force.shape, bool)
        limits = self._field("actuator_forcerange")
        low, high = limits[..., 0], limits[..., 1]
        at |= self._by_force & (high > low) & ((force <= low) | (force >= high))
        if self._by_command.any():
            gain = self._field("actuator_gainprm")[..., 0]
            low, high = gain * model.actuator_ctrlrange[:, 0], gain * model.actuator_ctrlrange[:, 1]
            at |= self._by_command & (high > low) & ((force <= low) | (force >= high))
        return np.asarray(at.any(axis=1))

    def _weight(self) -> np.ndarray | float:
        """N, of each world or of all: a payload counts, and gravity may differ."""
        mass = self._field("body_mass").sum(axis=-1)
        return mass * np.sqrt(np.square(self._field("opt.gravity")).sum(axis=-1))

    def _field(self, name: str) -> np.ndarray:
        """A model field: with a row for each world where the worlds differ in it."""
        per_world = self.sim.batch.expanded(name)
        if per_world is not None:
            return per_world
        model = self.sim.model
        return np.asarray(getattr(model.opt, name[4:]) if name.startswith("opt.") else getattr(model, name))


def _horizontal(model: mujoco.MjModel, base: str) -> np.ndarray:
    """Which numbers of qpos are the base's place over ground: x and y, x alone for a planar robot, none for a fixed one."""
    body, found = model.body(base).id, []
    for joint in np.flatnonzero(model.jnt_bodyid == body):
        kind, at = model.jnt_type[joint], int(model.jnt_qposadr[joint])
        if kind == mujoco.mjtJoint.mjJNT_FREE:
            found += [at, at + 1]
        elif kind == mujoco.mjtJoint.mjJNT_SLIDE and abs(model.jnt_axis[joint, 2]) < 0.5:
            found.append(at)
    return np.array(found, int)
