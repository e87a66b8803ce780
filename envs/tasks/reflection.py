"""The left-right mirror image of what MuJoCo's own quantities say of a robot, in the world's plane y = 0.

A vector mirrors as (x, -y, z), an axis of turning as (-x, y, -z); motors as the robot's `Symmetry` says, bodies as they are
placed in the home pose. Planar robots move in that plane, where only their sides change places.
"""

from collections.abc import Sequence

import mujoco
import numpy as np

from ...robots import SurefootError
from ...robots.robot import Robot

Map = tuple[np.ndarray, np.ndarray]  # index and sign: mirrored = sign * original[index]
VECTOR, TURN = (1.0, -1.0, 1.0), (-1.0, 1.0, -1.0)
SPATIAL = (*TURN, *VECTOR)  # of a body: angular before linear velocity, torque before force
INERTIA = (1.0, 1.0, 1.0, -1.0, 1.0, -1.0, *VECTOR, 1.0)  # cinert: xx yy zz xy xz yz, mass times place, mass
QUATERNION = (1.0, -1.0, 1.0, -1.0)


def of_dofs(robot: Robot, model: mujoco.MjModel) -> Map:
    """Of generalised velocities and forces, (nv,)."""
    assert robot.symmetry is not None
    index, sign = np.arange(model.nv), np.ones(model.nv)
    if model.jnt_type[0] == mujoco.mjtJoint.mjJNT_FREE:
        sign[:6] = *VECTOR, *TURN
    motors = model.jnt_dofadr[model.actuator_trnid[:, 0]]
    index[motors], sign[motors] = motors[list(robot.symmetry.index)], robot.symmetry.sign
    return index, sign


def of_positions(robot: Robot, model: mujoco.MjModel) -> Map:
    """Of generalised positions, (nq,): the root's, then one for each hinge and slide."""
    index, sign = of_dofs(robot, model)
    if model.jnt_type[0] != mujoco.mjtJoint.mjJNT_FREE:
        return index, sign
    return np.concatenate([np.arange(7), 1 + index[6:]]), np.concatenate([VECTOR, QUATERNION, sign[6:]])


def of_bodies(robot: Robot, model: mujoco.MjModel, signs: Sequence[float]) -> Map:
    """Of a quantity that each body but the world has, with `signs` of its components, (bodies * components,)."""
    partner = partners(robot, model) - 1
    each = len(signs)
    return (partner[:, None] * each + np.arange(each)).ravel(), np.tile(signs, len(partner))


def partners(robot: Robot, model: mujoco.MjModel) -> np.ndarray:
    """The body, (nbody - 1,), that each body but the world is in the mirror.

    Raises `SurefootError` where none is as heavy and in its place.
    """
    data = mujoco.MjData(model)
    data.qpos[:] = robot.home_qpos(model)
    mujoco.mj_kinematics(model, data)
    places, mass = data.xipos[1:], model.body_mass[1:]
    apart = np.linalg.norm(places[None] - places[:, None] * VECTOR, axis=2) + np.abs(mass[None] - mass[:, None])
    found = apart.argmin(axis=1)
    if apart.min(axis=1).max() > 1e-6 or (found[found] != np.arange(len(found))).any():
        raise SurefootError(f"robot {robot.name!r} has no mirror image: its bodies are not the same left and right")
    return found + 1


def joined(parts: Sequence[Map]) -> Map:
    """The map of an observation that is made of these parts one after the other."""
    starts = np.cumsum([0, *(len(index) for index, _ in parts)])
    index = np.concatenate([at + index for at, (index, _) in zip(starts, parts, strict=False)])
    return index, np.concatenate([sign for _, sign in parts]).astype(np.float32)
