"""What legged tasks read off a robot's model: legs, their sensors, which of them step together, how a foot is moved."""

from dataclasses import dataclass

import mujoco
import numpy as np

from ...robots import Robot, SurefootError
from ..simulation import Simulation

LEVEL = 0.3  # m/rad: a foot that leg joints can keep level (five joints or more) should not turn as it is moved
DAMPING = 0.05  # m, of the damped least squares, so that a stretched leg is not asked for the impossible


@dataclass(frozen=True)
class Leg:
    """One leg in the home pose.

    Attributes:
        motors: of its joints, from the hip to the foot, indices (k,).
        foot: place of the foot in the base's frame (3,), m.
        move: joint angles (k, 3), rad, for each metre by which the foot is moved along x, y, z of the base's frame.
        turn: joint angles (k,), rad, for each radian by which it is turned about z; 0 for legs that cannot.
    """

    motors: np.ndarray
    foot: np.ndarray
    move: np.ndarray
    turn: np.ndarray


def legs_of(robot: Robot, model: mujoco.MjModel) -> list[Leg]:
    """The legs, in the order of the feet. Raises `SurefootError` for a foot that no motor moves."""
    data = mujoco.MjData(model)
    data.qpos[:] = robot.home_qpos(model)
    mujoco.mj_forward(model, data)
    base = model.body(robot.base).id
    place, turn = data.xpos[base], data.xmat[base].reshape(3, 3)
    motor_of = {int(joint): i for i, joint in enumerate(model.actuator_trnid[:, 0])}
    found = []
    for name in robot.feet:
        geom = model.geom(name)
        body = int(geom.bodyid[0])
        motors: list[int] = []
        while body not in (base, 0):
            joints = range(model.body_jntadr[body], model.body_jntadr[body] + model.body_jntnum[body])
            motors = [motor_of[j] for j in joints if j in motor_of] + motors
            body = int(model.body_parentid[body])
        if not motors:
            raise SurefootError(f"robot {robot.name!r}: no motor moves the foot {name!r}")
        jacobian = np.zeros((6, model.nv))
        mujoco.mj_jac(model, data, jacobian[:3], jacobian[3:], data.geom(name).xpos, int(geom.bodyid[0]))
        own = jacobian[:, model.jnt_dofadr[model.actuator_trnid[motors, 0]]]
        own[:3], own[3:] = turn.T @ own[:3], turn.T @ own[3:] * (LEVEL if len(motors) >= 5 else 0.0)
        # A foot that is moved: min |J q - (d, 0)|^2 + DAMPING^2 |q|^2. The same of one that is turned on the spot.
        damped = own.T @ own + DAMPING**2 * np.eye(len(motors))
        move, twist = np.linalg.solve(damped, own[:3].T), np.linalg.solve(damped, own[5] * LEVEL)
        found.append(Leg(np.array(motors), turn.T @ (data.geom(name).xpos - place), move, twist))
    return found


def first_group(legs: list[Leg]) -> np.ndarray:
    """Which feet step together, (F,) bool: every other one of each side, the sides in turn.

    A walk on two legs, a trot on four, an alternating tripod on six (Wilson, 1966, "Insect walking").
    """
    first = np.zeros(len(legs), bool)
    for side, members in enumerate(([], [])):  # left, right
        members += [i for i, leg in enumerate(legs) if (leg.foot[1] < 0) == bool(side)]
        for k, i in enumerate(sorted(members, key=lambda i: -legs[i].foot[0])):
            first[i] = k % 2 == side
    return first


def foot_columns(robot: Robot, model: mujoco.MjModel) -> tuple[np.ndarray, ...]:
    """Where in `sensordata` the feet are told of: position (F, 3), velocity (F, 3), touch (F,).

    Raises `SurefootError` for a foot without the sensors NAME_pos, NAME_vel and NAME_touch.
    """
    names = {model.sensor(i).name for i in range(model.nsensor)}
    for name in (f"{foot}_{suffix}" for foot in robot.feet for suffix in ("pos", "vel", "touch")):
        if name not in names:
            raise SurefootError(f"robot {robot.name!r} has no sensor {name!r}, which legged tasks need for each foot")
    at = [[int(model.sensor(f"{foot}_{suffix}").adr[0]) for foot in robot.feet] for suffix in ("pos", "vel", "touch")]
    xyz = np.arange(3)
    return np.array(at[0])[:, None] + xyz, np.array(at[1])[:, None] + xyz, np.array(at[2])


def pose_weights(sim: Simulation, legs: list[np.ndarray]) -> np.ndarray:
    """How much each joint should stay at home, (nu,): the calf may move freely, Playground's 1, 1, .1.

    On legs of other than three joints, all that turns about the base's y axis may.
    """
    model, per_joint = sim.model, np.ones(sim.model.nu, np.float32)
    data = mujoco.MjData(model)
    data.qpos[:] = sim.robot.home_qpos(model)
    mujoco.mj_forward(model, data)
    sideways = data.xmat[model.body(sim.robot.base).id].reshape(3, 3)[:, 1]
    for motors in legs:
        pitch = np.abs(data.xaxis[model.actuator_trnid[motors, 0]] @ sideways) > 0.9
        per_joint[motors[-1:] if len(motors) == 3 else motors[pitch]] = 0.1
    return per_joint


def quadruped_geometry(sim: Simulation) -> list[tuple[float, float, float]] | None:
    """For each foot in the home pose: its place in the base's frame (x, y) and how far it is below the hip, m.

    None for what is no quadruped with a hip that turns about x, and a thigh and a calf that turn about y, in this order.
    """
    data, joints = mujoco.MjData(sim.model), sim.model.actuator_trnid[:, 0]
    data.qpos[:] = sim.robot.home_qpos(sim.model)
    mujoco.mj_forward(sim.model, data)
    if len(sim.robot.feet) != 4 or len(joints) != 12:
        return None
    if not np.allclose(data.xaxis[joints], np.tile([[1, 0, 0], [0, 1, 0], [0, 1, 0]], (4, 1)), atol=0.02):
        return None
    base = data.xpos[sim.model.body(sim.robot.base).id]
    feet = np.array([data.geom(name).xpos for name in sim.robot.feet]) - base
    hips = data.xanchor[joints[::3]] - base
    return [(float(f[0]), float(f[1]), float(h[2] - f[2])) for f, h in zip(feet, hips, strict=True)]
