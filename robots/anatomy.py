"""What a compiled model is: its base, the servos of its joints, the feet it stands on, its home pose, its mirror image.

All from the model's tree, geometry and masses; names decide only where a person gave them (`Hints`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import mujoco
import numpy as np

from .errors import SurefootError, unknown
from .hints import Hints, by_joint
from .robot import Symmetry
from .servos import FREE, HINGE, SLIDE, Servo, at, longest_step, servos_of

NEAR_GROUND = 0.1  # of the base's height: a chain that ends lower stands on the ground
SOLE = 0.02  # of the base's height: geoms whose lowest points are within this of each other make one sole
BENT = 0.8  # of a straight leg's height, where the home pose has to be found
KEYFRAMES = ("home", "stand", "standing", "default")
LEG_DT, ARM_DT = 0.02, 0.05  # s, control periods
GEOM, BODY, JOINT = mujoco.mjtObj.mjOBJ_GEOM, mujoco.mjtObj.mjOBJ_BODY, mujoco.mjtObj.mjOBJ_JOINT


@dataclass(frozen=True)
class Foot:
    """One foot: its geoms, the lowest first, the body they are on, a site in the middle of the sole (body's frame)."""

    name: str  # which the lowest geom is given
    geoms: tuple[str, ...]
    body: str
    site: tuple[float, float, float]
    radius: float  # of a sphere about the site that holds the foot's geoms, m
    joints: tuple[str, ...]  # between the base and the foot, from the base outwards
    place: tuple[float, float]  # x (forwards), y (left) in the base's frame, m


@dataclass(frozen=True)
class Anatomy:
    """All that was found. `home` is a qpos; `stance` says where it comes from; `height` is the base's at home, m."""

    base: str  # of an arm its hand, which carries what it carries
    floats: bool
    tool: tuple[float, float, float] | None  # of an arm, in its hand's frame, m
    control_dt: float  # s
    servos: tuple[Servo, ...]
    torque: bool  # whether the model has torque motors, which are made PD servos
    guessed: tuple[str, ...]  # those of which the gains are a guess
    passive: tuple[str, ...]  # joints without a motor
    home: tuple[float, ...]
    stance: str
    height: float
    feet: tuple[Foot, ...]
    symmetry: Symmetry | None
    timestep: float
    mass: float
    targets: tuple[float, ...]  # of the servos at home
    clearance: float  # of the feet's sites above the ground at home, m


def anatomy_of(name: str, model: mujoco.MjModel, hints: Hints) -> Anatomy:
    """Find everything in a model whose joints, bodies and geoms all have names.

    Raises `SurefootError` for hints that name what is not there, actuators that are not understood, and no actuators.
    """
    base, floats = _base(name, model, hints)
    home, stance = _pose(name, model, hints)
    if floats:
        feet_bodies = _standing(name, model, base, home, hints)
        if stance == "bent":
            home = _bend(model, base, [end for _, end in feet_bodies])
        home[:7] = 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0
        data = at(model, home)
        lowest = min(
            (lowest_point(model, data, g) for geoms, _ in feet_bodies for g in geoms),
            default=min((lowest_point(model, data, g) for g in solid_geoms(model)), default=0.0),
        )
        home[2] = -lowest
        feet = _feet(model, base, home, feet_bodies)
        height = float(at(model, home).xpos[base, 2])
        tool = None
    else:
        feet, height = (), float(at(model, home).xpos[base, 2])
        base, tool = _hand(name, model, home, base, hints)
    control_dt = hints.control_dt or (LEG_DT if floats else ARM_DT)
    servos, torque, guessed = servos_of(name, model, home, hints, max(height, 0.05) if floats else None)
    motors = [mujoco.mj_name2id(model, JOINT, servo.joint) for servo in servos]
    passive = [j for j in range(model.njnt) if model.jnt_type[j] != FREE and j not in motors]
    return Anatomy(
        base=model.body(base).name,
        floats=floats,
        tool=tool,
        control_dt=control_dt,
        servos=servos,
        torque=torque,
        guessed=guessed,
        passive=tuple(model.joint(j).name for j in passive),
        home=tuple(float(x) for x in home),
        stance="the file's keyframe" if stance == "key" else "legs bent" if stance == "bent" else stance,
        height=height,
        feet=feet,
        symmetry=mirror_image(model, home, base, motors),
        timestep=hints.timestep or longest_step(model, home, servos, motors, control_dt),
        mass=float(model.body_subtreemass[model.body_rootid[base] if floats else 0]),
        targets=tuple(float(x) for x in home[model.jnt_qposadr[motors]]),
        clearance=_clearance(model, home, feet),
    )


def _base(name: str, model: mujoco.MjModel, hints: Hints) -> tuple[int, bool]:
    """Body id of the base, and whether it floats."""
    free = [int(model.jnt_bodyid[j]) for j in np.flatnonzero(model.jnt_type == FREE)]
    # Of several bodies that float (things to push), the robot is the one with the most joints.
    if free and int(model.jnt_type[0]) != FREE:
        raise SurefootError(f"robot {name!r}: expected the robot, with its free joint, as the first body of the world")
    roots = sorted(free, key=lambda b: -int((model.body_rootid[model.jnt_bodyid] == b).sum()))
    if hints.base is not None:
        base = mujoco.mj_name2id(model, BODY, hints.base)
        if base < 0:
            raise unknown(
                f"base body of robot {name!r}", hints.base, [model.body(i).name for i in range(1, model.nbody)]
            )
        return base, bool(roots)
    if roots:
        if model.body_mass[roots[0]] > 0:
            return roots[0], True
        rigid = np.flatnonzero(model.body_weldid == roots[0])  # a frame without mass, as URDF has them
        return int(rigid[model.body_mass[rigid].argmax()]), True
    # Bolted to the world: what carries the first joint, which is what stands still.
    if not model.njnt:
        raise SurefootError(f"robot {name!r} has no joints, so nothing can be controlled")
    carrier = int(model.body_parentid[model.jnt_bodyid[0]])
    return carrier or int(model.jnt_bodyid[0]), False


def _pose(name: str, model: mujoco.MjModel, hints: Hints) -> tuple[np.ndarray, str]:
    """A qpos and where it comes from: "key", "the hints", "all joints at zero", or "bent", where legs are still to be."""
    keys = {model.key(i).name: model.key_qpos[i].copy() for i in range(model.nkey)}
    if hints.keyframe is not None and hints.keyframe not in keys:
        raise unknown(f"keyframe of robot {name!r}", hints.keyframe, keys)
    found = hints.keyframe or next((key for key in KEYFRAMES if key in keys), next(iter(keys), None))
    pose, stance = (keys[found], "key") if found is not None else (model.qpos0.copy(), "all joints at zero")
    joints = [j for j in range(model.njnt) if model.jnt_type[j] in (HINGE, SLIDE)]
    where = model.jnt_qposadr[joints]
    if found is None:
        limited = model.jnt_limited[joints].astype(bool)
        low, high = np.where(limited[:, None], model.jnt_range[joints], [-np.inf, np.inf]).T
        if ((pose[where] < low) | (pose[where] > high)).any():
            pose[where], stance = np.clip(pose[where], low, high), "bent"
    if hints.home:
        names = [model.joint(j).name for j in joints]
        pose[where] = by_joint(name, "home", hints.home, names, pose[where])
        stance = "the file beside it" if found is None else f"keyframe {found!r} and the file beside it"
    return pose, stance


# --- Feet ---------------------------------------------------------------------------------------------------------------


def solid_geoms(model: mujoco.MjModel) -> list[int]:
    """Geoms of moving bodies that collide; where a file has none, those that are not for show only (group 3 and on)."""
    moving = model.body_weldid[model.geom_bodyid] != 0
    collides = (model.geom_contype != 0) | (model.geom_conaffinity != 0)
    collides[[*model.pair_geom1, *model.pair_geom2]] = True
    for choice in (moving & collides, moving & (model.geom_group >= 3), moving):
        if choice.any():
            return [int(g) for g in np.flatnonzero(choice)]
    return []


def lowest_point(model: mujoco.MjModel, data: mujoco.MjData, geom: int) -> float:
    """Height of a geom's lowest point, m."""
    size, z = model.geom_size[geom], float(data.geom_xpos[geom, 2])
    up = data.geom_xmat[geom].reshape(3, 3)[2]  # the world's up axis in the geom's frame
    kind, types = mujoco.mjtGeom(int(model.geom_type[geom])), mujoco.mjtGeom
    if kind == types.mjGEOM_SPHERE:
        return z - size[0]
    if kind == types.mjGEOM_CAPSULE:
        return z - size[0] - size[1] * abs(up[2])
    if kind == types.mjGEOM_CYLINDER:
        return z - size[1] * abs(up[2]) - size[0] * np.sqrt(max(0.0, 1 - up[2] ** 2))
    if kind == types.mjGEOM_BOX:
        return z - float(np.abs(up) @ size)
    if kind == types.mjGEOM_ELLIPSOID:
        return z - float(np.linalg.norm(up * size))
    if kind == types.mjGEOM_MESH:
        mesh = model.geom_dataid[geom]
        first = model.mesh_vertadr[mesh]
        return z + float((model.mesh_vert[first : first + model.mesh_vertnum[mesh]] @ up).min())
    return z - float(model.geom_rbound[geom])


def _standing(
    name: str, model: mujoco.MjModel, base: int, home: np.ndarray, hints: Hints
) -> list[tuple[list[int], int]]:
    """(geoms of the sole, last moving body) of each leg, in the order of the legs' joints."""
    data, solid = at(model, home), solid_geoms(model)
    if hints.feet is not None:
        return [_named_foot(name, model, data, solid, base, foot) for foot in hints.feet]
    welds = {int(model.body_weldid[b]) for b in model.jnt_bodyid}
    carriers = {int(model.body_weldid[model.body_parentid[w]]) for w in welds}
    root = model.body_rootid[base]
    ends = [w for w in sorted(welds - carriers) if model.body_rootid[w] == root and w != model.body_weldid[base]]
    points = {end: _lowest_of(model, data, solid, end) for end in ends}
    points = {end: z for end, z in points.items() if np.isfinite(z)}
    if not points:
        return []
    lowest = min(points.values())
    height = float(data.xpos[base, 2]) - lowest
    found = [end for end, z in points.items() if z < lowest + NEAR_GROUND * height]
    return [(_sole(model, data, solid, end, SOLE * height), end) for end in found]


def _lowest_of(model: mujoco.MjModel, data: mujoco.MjData, solid: list[int], weld: int) -> float:
    own = [g for g in solid if model.body_weldid[model.geom_bodyid[g]] == weld]
    return min((lowest_point(model, data, g) for g in own), default=np.inf)


def _sole(model: mujoco.MjModel, data: mujoco.MjData, solid: list[int], weld: int, within: float) -> list[int]:
    """The geoms that touch the ground first; all of one body, for a touch sensor feels one body."""
    points = {g: lowest_point(model, data, g) for g in solid if model.body_weldid[model.geom_bodyid[g]] == weld}
    lowest = min(points, key=lambda g: points[g])
    body = model.geom_bodyid[lowest]
    near = [g for g, z in points.items() if z <= points[lowest] + within and model.geom_bodyid[g] == body]
    return sorted(near, key=lambda g: (round(points[g], 4), g))


def _named_foot(
    name: str, model: mujoco.MjModel, data: mujoco.MjData, solid: list[int], base: int, foot: str
) -> tuple[list[int], int]:
    geom = mujoco.mj_name2id(model, GEOM, foot)
    part = model.geom_bodyid[geom] if geom >= 0 else max(mujoco.mj_name2id(model, BODY, foot), 0)
    if model.body_weldid[part] == model.body_weldid[base]:
        raise SurefootError(f"robot {name!r}: the foot {foot!r} is a part of the base: expected the end of a leg")
    if geom >= 0:
        return [geom], int(model.body_weldid[model.geom_bodyid[geom]])
    body = mujoco.mj_name2id(model, BODY, foot)
    if body < 0:
        named = [model.geom(g).name for g in solid] + [model.body(i).name for i in range(1, model.nbody)]
        raise unknown(f"foot (geom or body) of robot {name!r}", foot, named)
    weld = int(model.body_weldid[body])
    if not np.isfinite(_lowest_of(model, data, solid, weld)):
        raise SurefootError(f"robot {name!r}: the foot {foot!r} has no geom that could touch the ground")
    return _sole(model, data, solid, weld, SOLE * abs(float(data.xpos[base, 2] - data.xpos[body, 2]))), weld


def chain(model: mujoco.MjModel, base: int, body: int) -> list[int]:
    """Joint ids from the base outwards to `body`."""
    found: list[int] = []
    root = model.body_weldid[base]
    while body and model.body_weldid[body] != root:
        first = model.body_jntadr[body]
        found = [*range(first, first + model.body_jntnum[body]), *found] if first >= 0 else found
        body = model.body_parentid[body]
    return found


def _feet(model: mujoco.MjModel, base: int, home: np.ndarray, found: list[tuple[list[int], int]]) -> tuple[Foot, ...]:
    data, feet = at(model, home), list[Foot]()
    for geoms, weld in found:
        body = int(model.geom_bodyid[geoms[0]])
        spots = data.geom_xpos[geoms]
        middle = (spots.min(axis=0) + spots.max(axis=0)) / 2
        reach = (np.linalg.norm(spots - middle, axis=1) + model.geom_rbound[geoms]).max() * 1.3
        local = data.xmat[body].reshape(3, 3).T @ (middle - data.xpos[body])
        feet.append(
            Foot(
                name=model.geom(geoms[0]).name,
                geoms=tuple(model.geom(g).name for g in geoms),
                body=model.body(body).name,
                site=(float(local[0]), float(local[1]), float(local[2])),
                radius=float(reach),
                joints=tuple(model.joint(j).name for j in chain(model, base, weld)),
                place=tuple((middle - data.xpos[base])[:2].tolist()),
            )
        )
    return tuple(feet)


def _clearance(model: mujoco.MjModel, home: np.ndarray, feet: Sequence[Foot]) -> float:
    data = at(model, home)
    heights = [float(data.body(foot.body).xpos[2] + data.body(foot.body).xmat[6:] @ foot.site) for foot in feet]
    return float(np.mean(heights)) if heights else 0.0


def _bend(model: mujoco.MjModel, base: int, ends: list[int]) -> np.ndarray:
    """Home pose with each leg's end where it is when all joints are zero, but at `BENT` times the height.

    Damped least squares from the middle of the joints' ranges. Zero may be illegal, as it is for knees that only fold.
    """
    straight = at(model, model.qpos0)
    pose = model.qpos0.copy()
    limited = model.jnt_limited.astype(bool)
    for j in np.flatnonzero(limited):
        low, high = model.jnt_range[j]
        pose[model.jnt_qposadr[j]] = 0.0 if low <= 0 <= high else (low + high) / 2
    for end in ends:
        joints = chain(model, base, end)
        solid = [g for g in solid_geoms(model) if model.body_weldid[model.geom_bodyid[g]] == end]
        tip = min(solid, key=lambda g: lowest_point(model, straight, g))
        hip, goal = straight.xanchor[joints[0]], straight.geom_xpos[tip].copy()
        goal[2] = hip[2] + BENT * (goal[2] - hip[2])
        dofs, places = model.jnt_dofadr[joints], model.jnt_qposadr[joints]
        low, high = np.where(limited[joints][:, None], model.jnt_range[joints], [-np.pi, np.pi]).T
        for _ in range(200):
            data = at(model, pose)
            jacobian = np.zeros((3, model.nv))
            mujoco.mj_jac(model, data, jacobian, None, data.geom_xpos[tip], model.geom_bodyid[tip])
            by = jacobian[:, dofs]
            step = by.T @ np.linalg.solve(by @ by.T + 1e-4 * np.eye(3), goal - data.geom_xpos[tip])
            pose[places] = np.clip(pose[places] + np.clip(step, -0.2, 0.2), low, high)
    return pose


def _hand(
    name: str, model: mujoco.MjModel, home: np.ndarray, base: int, hints: Hints
) -> tuple[int, tuple[float, float, float]]:
    """The last body of an arm that all its fingers hang on, and the tool in its frame: midway between the fingers' ends.

    Of an arm without fingers, the middle of the last link's geom that is farthest from its joint.
    """
    data = at(model, home)
    if hints.tool is not None:
        for kind, bodies, places in (
            (mujoco.mjtObj.mjOBJ_SITE, model.site_bodyid, data.site_xpos),
            (GEOM, model.geom_bodyid, data.geom_xpos),
            (BODY, np.arange(model.nbody), data.xpos),
        ):
            i = mujoco.mj_name2id(model, kind, hints.tool)
            if i >= 0:
                return int(bodies[i]), _local(data, int(bodies[i]), places[i])
        names = [model.site(i).name for i in range(model.nsite)] + [model.body(i).name for i in range(model.nbody)]
        raise unknown(f"tool (site, geom or body) of robot {name!r}", hints.tool, names)
    chains = {int(b): chain(model, base, int(b)) for b in model.jnt_bodyid}
    ends = [b for b, joints in chains.items() if sum(set(joints) <= set(other) for other in chains.values()) == 1]
    common = [j for j in chains[ends[0]] if all(j in chains[end] for end in ends)]
    wrist = int(model.jnt_bodyid[common[-1]]) if common else ends[0]
    tips = []
    for end in ends:
        own = [g for g in range(model.ngeom) if model.body_weldid[model.geom_bodyid[g]] == model.body_weldid[end]]
        spots = data.geom_xpos[own] if own else data.xpos[[end]]
        tips.append(spots[np.linalg.norm(spots - data.xpos[wrist], axis=1).argmax()])
    return wrist, _local(data, wrist, np.mean(tips, axis=0))


def _local(data: mujoco.MjData, body: int, place: np.ndarray) -> tuple[float, float, float]:
    x, y, z = data.xmat[body].reshape(3, 3).T @ (place - data.xpos[body])
    return float(x), float(y), float(z)


# --- Left and right -----------------------------------------------------------------------------------------------------


def mirror_image(model: mujoco.MjModel, home: np.ndarray, base: int, joints: Sequence[int]) -> Symmetry | None:
    """Which joint mirrors which in the base's plane y = 0, and with what sign; None where some joint has no partner.

    A point mirrors as (x, -y, z), an axis of turning as (-x, y, -z), one of sliding as the point does. Joints are partners
    where both fit within 2 % of the robot's size, in the home pose or, if that is not symmetric, with all joints at zero.
    """
    angles = home[model.jnt_qposadr[list(joints)]]
    for pose in (home, model.qpos0):
        found = _mirror_at(model, at(model, pose), base, joints)
        # Tasks mirror what differs from the home pose, which therefore has to be its own mirror image.
        if found is not None and np.allclose(angles[list(found.index)] * found.sign, angles, atol=0.05):
            return found
    return None


def _mirror_at(model: mujoco.MjModel, data: mujoco.MjData, base: int, joints: Sequence[int]) -> Symmetry | None:
    turn = data.xmat[base].reshape(3, 3)
    places = (data.xanchor[joints] - data.xpos[base]) @ turn
    axes = data.xaxis[joints] @ turn
    slides = model.jnt_type[list(joints)] == SLIDE
    flip = np.array([1.0, -1.0, 1.0])
    mirrored = np.where(slides[:, None], axes * flip, -axes * flip)
    near = 0.02 * max(float(np.ptp(places, axis=0).max()), 1e-3)
    index, sign = [], []
    for i in range(len(joints)):
        apart = places - places[i] * flip
        along = axes @ mirrored[i]
        # A hinge is a line: where on it the file puts the joint is of no account, but the nearest of a line is the partner.
        across = np.linalg.norm(apart - (apart @ mirrored[i])[:, None] * mirrored[i], axis=1)
        fits = np.flatnonzero((across < near) & (np.abs(along) > 0.98) & (slides == slides[i]))
        if not len(fits):
            return None
        nearest = int(fits[np.linalg.norm(apart[fits], axis=1).argmin()])
        index.append(nearest)
        sign.append(float(np.sign(along[nearest])))
    if len(set(index)) != len(index) or any(index[index[i]] != i for i in range(len(index))):
        return None
    return Symmetry(tuple(index), tuple(sign))
