"""Names and indices of a compiled model that parameters are written by."""

from dataclasses import dataclass

import mujoco
import numpy as np

from .errors import SurefootError, unknown
from .robot import Robot


@dataclass(frozen=True)
class Layout:
    """Indices of a compiled model that the writers below need."""

    motors: tuple[str, ...]  # actuator names, or the joint's where the actuator has none
    dofs: np.ndarray  # (nu,) degree of freedom that each motor drives
    bodies: np.ndarray  # ids of the bodies with mass
    body_names: tuple[str, ...]
    turning: np.ndarray  # positions in `bodies` of those that can turn: a cart on rails cannot
    geoms: np.ndarray  # ids of the robot's geoms whose friction decides that of a contact
    geom_names: tuple[str, ...]
    ground: np.ndarray  # ids of the world's geoms that have a say in it
    contact_friction: np.ndarray  # (geoms, 3) nominal friction of each geom's contacts with the ground
    feet: np.ndarray  # positions in `geoms` of the robot's feet, where it names them
    axes: tuple[str, ...]  # of the base, along which its centre of mass matters (a planar robot's y does not)
    base: int
    parts: np.ndarray  # ids of the bodies of the robot itself: those of the trees that its motors move
    shaped: np.ndarray  # those of them with mass, which have lengths and girths
    shaped_names: tuple[str, ...]
    long: np.ndarray  # positions in `shaped` of those with a length: a lone ball at its joint has none
    touching: np.ndarray  # ids of the robot's geoms that can touch anything
    feet_names: tuple[str, ...]
    torque_limit: np.ndarray  # (nu, 2) least and largest nominal force of each motor; infinite where there is none
    gain: np.ndarray  # (nu,) nominal gain of each motor
    free: bool  # the base flies freely: its velocities and gravity are an IMU's
    position_control: bool
    terrain: tuple[str, ...]  # kinds of ground that the model has patches of (`envs.terrain`)
    damping_limit: float  # factor on the contacts' damping beyond which MuJoCo keeps the time constant at 2 time steps


def layout_of(model: mujoco.MjModel, robot: Robot) -> Layout:
    """Collect names and indices. Raises `SurefootError` for a base body or a motor that cannot be resolved."""
    base = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_BODY, robot.base)
    if base < 0:
        raise unknown(
            f"base body of robot {robot.name!r}", robot.base, [model.body(i).name for i in range(model.nbody)]
        )
    if not np.isin(model.actuator_trntype, (mujoco.mjtTrn.mjTRN_JOINT, mujoco.mjtTrn.mjTRN_JOINTINPARENT)).all():
        raise SurefootError(f"robot {robot.name!r}: every actuator must drive a joint")
    joints = model.actuator_trnid[:, 0]
    motors = tuple(model.actuator(i).name or model.joint(j).name for i, j in enumerate(joints))
    bodies = np.flatnonzero(model.body_mass > 0)
    parts = np.flatnonzero(np.isin(model.body_treeid, model.dof_treeid[model.jnt_dofadr[joints]]))
    shaped = parts[model.body_mass[parts] > 0]
    can_touch = (model.geom_contype | model.geom_conaffinity) > 0
    geoms, ground, contact_friction = _frictions(model)
    return Layout(
        motors=motors,
        dofs=model.jnt_dofadr[joints],
        bodies=bodies,
        body_names=tuple(model.body(i).name or f"body{i}" for i in bodies),
        turning=np.flatnonzero(_can_turn(model)[bodies]),
        geoms=geoms,
        geom_names=tuple(model.geom(i).name or f"geom{i}" for i in geoms),
        ground=ground,
        contact_friction=contact_friction,
        feet=np.flatnonzero([model.geom(i).name in robot.feet for i in geoms]),
        axes=_axes_of_motion(model),
        base=base,
        parts=parts,
        shaped=shaped,
        shaped_names=tuple(model.body(i).name or f"body{i}" for i in shaped),
        long=np.flatnonzero([_is_long(model, body) for body in shaped]),
        touching=np.flatnonzero(can_touch & np.isin(model.geom_bodyid, parts)),
        feet_names=tuple(robot.feet),
        torque_limit=_torque_limits(model),
        gain=model.actuator_gainprm[:, 0].copy(),
        free=bool((model.jnt_type[model.jnt_bodyid == base] == mujoco.mjtJoint.mjJNT_FREE).any()),
        position_control=robot.control == "position",
        terrain=_terrain(model),
        damping_limit=_damping_limit(model, can_touch),
    )


def _terrain(model: mujoco.MjModel) -> tuple[str, ...]:
    """The kinds that the custom text "terrain" lists, which stands beside the height field of that name."""
    text = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_TEXT, "terrain")
    if text < 0:
        return ()
    start = model.text_adr[text]
    return tuple(bytes(model.text_data[start : start + model.text_size[text]]).rstrip(b"\0").decode().split())


def _can_turn(model: mujoco.MjModel) -> np.ndarray:
    """Which bodies have a joint between themselves and the world that turns them, (nbody,) bool."""
    turns = np.zeros(model.nbody, bool)
    turns[model.jnt_bodyid[model.jnt_type != mujoco.mjtJoint.mjJNT_SLIDE]] = True
    for body in range(1, model.nbody):  # parents come first
        turns[body] |= turns[model.body_parentid[body]]
    return turns


def _frictions(model: mujoco.MjModel) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The robot's geoms that decide a friction, the world's that have a say, and the friction of their contacts."""
    fixed = model.body_weldid[model.geom_bodyid] == 0
    world, robot = np.flatnonzero(fixed), np.flatnonzero(~fixed)
    first = model.geom_contype[robot][:, None] & model.geom_conaffinity[world]
    second = model.geom_conaffinity[robot][:, None] & model.geom_contype[world]
    touch = (first | second) > 0
    difference = model.geom_priority[robot][:, None] - model.geom_priority[world]
    can_collide = (model.geom_contype[robot] | model.geom_conaffinity[robot]) > 0
    # MuJoCo takes the friction of the geom of higher priority, and of equals the larger one.
    decides = can_collide & ~(touch & (difference < 0)).any(axis=1)
    shared = touch & (difference == 0)
    theirs = np.where(shared[:, :, None], model.geom_friction[world], 0.0).max(axis=1, initial=0.0)
    contact = np.maximum(model.geom_friction[robot], theirs)
    return robot[decides], world[shared[decides].any(axis=0)], contact[decides]


def _axes_of_motion(model: mujoco.MjModel) -> tuple[str, ...]:
    """x, y and z, without the normal of the plane in which a planar robot moves."""
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    hinge, slide = model.jnt_type == mujoco.mjtJoint.mjJNT_HINGE, model.jnt_type == mujoco.mjtJoint.mjJNT_SLIDE
    along = np.abs(data.xaxis)
    in_plane = np.where(hinge[:, None], along > 1 - 1e-9, along < 1e-9) & (hinge | slide)[:, None]
    return tuple(axis for axis, planar in zip("xyz", in_plane.all(axis=0), strict=True) if not planar)


def _torque_limits(model: mujoco.MjModel) -> np.ndarray:
    """(nu, 2) forces that each motor gives at least and at most: its force range, else what its control range asks for."""
    limits = np.where(model.actuator_forcelimited[:, None], model.actuator_forcerange, [-np.inf, np.inf])
    plain = (model.actuator_biastype == mujoco.mjtBias.mjBIAS_NONE) & ~model.actuator_forcelimited.astype(bool)
    asked = model.actuator_ctrlrange * model.actuator_gainprm[:, :1]
    return np.where((plain & (model.actuator_ctrllimited > 0))[:, None], np.sort(asked, axis=1), limits)


def _damping_limit(model: mujoco.MjModel, can_touch: np.ndarray) -> float:
    constants = model.geom_solref[can_touch, 0]
    constants = constants[constants > 0]  # others are given as stiffness and damping themselves
    return float(constants.min() / (2 * model.opt.timestep)) if len(constants) else np.inf


def _is_long(model: mujoco.MjModel, body: int) -> bool:
    """Whether a body's length shows: it carries another one, or is not just a ball about its own origin."""
    geoms = model.geom_bodyid == body
    ball = (model.geom_type[geoms] == mujoco.mjtGeom.mjGEOM_SPHERE).all() and not model.body_ipos[body].any()
    return bool(not ball or (model.body_parentid[1:] == body).any())


def as_slice(at: np.ndarray) -> np.ndarray | slice:
    """Indices as a slice where they are evenly spaced, which copies nothing."""
    if not len(at):
        return slice(0, 0)
    step = int(at[1] - at[0]) if len(at) > 1 else 1
    even = step > 0 and bool((np.diff(at) == step).all())
    return slice(int(at[0]), int(at[-1]) + 1, step) if even else at
