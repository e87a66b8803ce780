"""Any robot: a `Robot` derived from a model file, of Menagerie or of the user.

What `make_spec` changes in the file, as `go1.py` does by hand:

- every actuator becomes a PD servo of its joint, in the order of the joints (gains: `anatomy.Servo`);
- collisions: feet with the floor only (unless the hints say `collisions: all`), with the contacts of `quadruped.xml`;
- solver, integrator and time step: those of `quadruped.xml`, with a shorter step where servos are too stiff for it;
- sensors: place, velocity and touch of each foot, in place of the file's own; one keyframe, `home`, feet on the floor;
- floor, lights and sky of our own, with the friction of the file's floor where it has one.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import mujoco
import numpy as np

from .anatomy import Anatomy, Foot, anatomy_of
from .errors import MOST, SurefootError
from .go1 import add_foot_sensors, add_ground, copy_fields
from .hints import Hints, by_joint, read_hints
from .quadruped import leg_groups
from .quadruped import make_spec as make_quadruped_spec
from .robot import Robot, compile_quietly
from .servos import Servo
from .source import Source, absolute, read_source
from .urdf import limits, motors, urdf_spec

ACTION_SCALE = 0.5  # rad from home for an action of 1, and at most half of a joint's range; as the quadruped's
ARM_SCALE = 0.1  # rad in a control step: 2 rad/s; as the arm's
TOOL = "surefoot_tool"
FALLEN = {2: 0.6}  # of the base's height at home, by the number of feet
FALLEN_ELSE = 0.4
CONTACT = ("contype", "conaffinity", "condim", "priority", "solref", "solimp", "margin")
PLANE, FREE = mujoco.mjtGeom.mjGEOM_PLANE, mujoco.mjtJoint.mjJNT_FREE


def robot_from_file(name: str) -> Robot:
    """The robot of a MJCF or URDF file, with the YAML beside it if there is one; its name is the absolute path.

    Raises `SurefootError`, before MuJoCo sees anything, for what `read_source` refuses, and then for what cannot be built.
    """
    source = read_source(name)
    return _of_file(str(source.path), source.digest)


@functools.lru_cache(maxsize=32)
def _of_file(path: str, digest: str) -> Robot:
    source = read_source(path)
    hints = hints_of(source)
    return derive(path, loader(source, hints), hints, digest)


def hints_of(source: Source) -> Hints:
    """What the YAML beside a file says; a URDF's velocity limits, and a motor for each of its joints, go without saying."""
    hints = read_hints(source.hints)
    if not source.is_urdf:
        return hints
    said = hints.velocity_limit
    speeds = {**limits(source), **said} if isinstance(said, Mapping) else said
    return hints.model_copy(update={"actuators": hints.actuators or tuple(motors(source)), "velocity_limit": speeds})


def loader(source: Source, hints: Hints) -> Callable[[], mujoco.MjSpec]:
    """A function that reads the file as it is, as a fresh spec."""

    def load() -> mujoco.MjSpec:
        return urdf_spec(source, hints.fixed) if source.is_urdf else mjcf_spec(source.path, hints.fixed)

    return load


def mjcf_spec(path: Path, fixed: bool | None = None) -> mujoco.MjSpec:
    """A MJCF file as a fresh spec, its first body made to float or bolted down where `fixed` says so.

    Raises `SurefootError`, in one line, for what MuJoCo cannot read.
    """
    try:
        spec = mujoco.MjSpec.from_file(str(path))
    except ValueError as error:
        raise SurefootError(f"{str(path)!r}: {' '.join(str(error).split())}") from error
    free = [joint for joint in spec.joints if joint.type == FREE]
    if fixed is False and not free and spec.worldbody.bodies:
        spec.worldbody.bodies[0].add_freejoint()
    if fixed:
        for joint in free:
            spec.delete(joint)
    return spec


def unchanged(name: str, digest: str) -> None:
    """Raise `SurefootError` unless the robot file `name` is there and still the one with this digest."""
    path = Path(absolute(name))
    if not path.is_file():
        raise SurefootError(f"the controller's robot is missing: {str(path)!r} does not exist any more")
    if read_source(path).digest != digest:
        raise SurefootError(
            f"the controller's robot has changed: {str(path)!r}, or a file that belongs to it, is not what it was in training"
        )


# --- A robot from a spec ------------------------------------------------------------------------------------------------


def derive(name: str, load: Callable[[], mujoco.MjSpec], hints: Hints, digest: str = "") -> Robot:
    """The robot of the models that `load` makes. Raises `SurefootError` for a model that does not compile or has no motors."""
    found, _ = examine(name, load, hints)
    return described(name, load, hints, found, digest)


def described(name: str, load: Callable[[], mujoco.MjSpec], hints: Hints, found: Anatomy, digest: str = "") -> Robot:
    """The robot of the models that `load` makes, in which `found` was found. Raises `SurefootError` for unknown joints."""
    joints = [servo.joint for servo in found.servos]
    ranges = np.array([min(servo.high - servo.low, 2 * np.pi) for servo in found.servos])
    usual = ACTION_SCALE if found.floats else ARM_SCALE
    scale = by_joint(name, "action_scale", hints.action_scale, joints, np.minimum(usual, ranges / 2).tolist())
    speeds = by_joint(name, "velocity_limit", hints.velocity_limit, joints, [np.inf] * len(joints))
    fallen = FALLEN.get(len(found.feet), FALLEN_ELSE) * found.height if found.floats else None

    def make_spec() -> mujoco.MjSpec:
        return edited(named(load()), found, hints)

    return Robot(
        name=name,
        make_spec=make_spec,
        base=found.base,
        control="position",
        control_dt=found.control_dt,
        feet=tuple(foot.name for foot in found.feet),
        home=found.home,
        action_scale=tuple(scale) if len(set(scale)) > 1 else scale[0],
        groups=groups(found),
        symmetry=found.symmetry,
        foot_radius=found.clearance,
        velocity_limit=tuple(speeds) if np.isfinite(speeds).all() else None,
        camera=(0.8 + 2.8 * max(found.height, 0.1), 130.0, -18.0),
        fallen_height=hints.fallen_height or fallen,
        tool=None if found.tool is None else TOOL,
        digest=digest,
    )


def examine(name: str, load: Callable[[], mujoco.MjSpec], hints: Hints) -> tuple[Anatomy, mujoco.MjModel]:
    """What is found in the models that `load` makes, and one of them, before anything is changed in them.

    Raises `SurefootError` for a model that does not compile or has no motors.
    """
    spec = load()
    said = {geom.name for geom in spec.geoms}
    sound(name, named(spec))
    try:
        model = compile_quietly(spec)
    except ValueError as error:
        raise SurefootError(f"robot {name!r}: the model does not compile: {' '.join(str(error).split())}") from error
    for body, (mass, moments) in enumerate(zip(model.body_mass, model.body_inertia, strict=True)):
        if not max(mass, *moments) <= MOST:  # also where they follow from sizes and densities
            what = f"mass {mass:g} kg and principal inertia {_list(moments)} kg m^2"
            raise SurefootError(f"robot {name!r}: body {model.body(body).name!r} has {what}: expected at most {MOST:g}")
    found = anatomy_of(name, model, hints)
    feet = [
        foot if foot.name in said or f"{label}_foot" in said else replace(foot, name=f"{label}_foot")
        for label, foot in zip(labels(found.feet), found.feet, strict=True)
    ]
    return replace(found, feet=tuple(feet)), model


def sound(name: str, spec: mujoco.MjSpec) -> None:
    """Raise `SurefootError` for the first impossible mass or inertia, which MuJoCo would refuse in words less clear."""
    for body in spec.bodies:
        if not body.explicitinertial:
            continue
        moments = np.array(body.inertia)
        if np.isfinite(body.fullinertia).all():  # xx, yy, zz, xy, xz, yz
            xx, yy, zz, xy, xz, yz = body.fullinertia
            moments = np.linalg.eigvalsh([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
        if not np.isfinite([body.mass, *moments]).all() or body.mass < 0 or (moments < 0).any():
            sound_mass = np.isfinite(body.mass) and body.mass >= 0
            what = f"principal inertia {_list(moments)} kg m^2" if sound_mass else f"mass {body.mass:g} kg"
            raise SurefootError(f"robot {name!r}: body {body.name!r} has {what}: expected finite numbers of 0 or more")
        if 2 * moments.max() > moments.sum() * (1 + 1e-4) and not spec.compiler.balanceinertia:
            raise SurefootError(
                f"robot {name!r}: body {body.name!r} has the principal inertia {_list(moments)} kg m^2, which no solid has: "
                "the largest may not exceed the sum of the others"
            )


def _list(numbers: np.ndarray) -> str:
    return ", ".join(f"{x:.3g}" for x in numbers)


def named(spec: mujoco.MjSpec) -> mujoco.MjSpec:
    """Give every body, joint and geom without a name one, so that a compiled model can be followed back to its spec."""
    taken = {
        kind: {thing.name for thing in things}
        for kind, things in (("body", spec.bodies), ("joint", spec.joints), ("geom", spec.geoms))
    }

    def free(kind: str, wish: str) -> str:
        name, k = wish, 1
        while name in taken[kind]:
            name, k = f"{wish}_{k}", k + 1
        taken[kind].add(name)
        return name

    for body in spec.bodies:
        if body.name == "world":
            continue
        body.name = body.name or free("body", f"{body.parent.name}_part")
    for joint in spec.joints:
        joint.name = joint.name or free("joint", "root" if joint.type == FREE else f"{joint.parent.name}_joint")
    for geom in spec.geoms:
        geom.name = geom.name or free("geom", f"{geom.parent.name}_geom")
    return spec


def groups(found: Anatomy) -> dict[str, tuple[str, ...]]:
    """Motors by leg, named by where the feet are; a four-legged robot with three motors a leg has all of the Go1's groups."""
    names = {servo.joint: servo.name for servo in found.servos}
    legs = {
        label: tuple(names[j] for j in foot.joints if j in names)
        for label, foot in zip(labels(found.feet), found.feet, strict=True)
    }
    if len(legs) == 4 and all(len(leg) == 3 for leg in legs.values()):
        return leg_groups(legs)
    sides = {
        side: tuple(m for label, leg in legs.items() if side in label.split("_") for m in leg)
        for side in ("left", "right")
    }
    return {label: leg for label, leg in {**legs, **sides}.items() if leg}


def labels(feet: Sequence[Foot]) -> list[str]:
    """front_left and the like by each foot's place; left_leg and right_leg for two; leg_1, … where places say too little."""
    ranks: dict[str, list[int]] = {"left": [], "right": []}
    for i, foot in enumerate(feet):
        ranks["left" if foot.place[1] > 0 else "right"].append(i)
    rows = {1: ("",), 2: ("front_", "rear_"), 3: ("front_", "middle_", "rear_")}
    found: dict[int, str] = {}
    for side, members in ranks.items():
        if len(members) not in rows or len(members) * 2 != len(feet):
            return [f"leg_{i + 1}" for i in range(len(feet))]
        members.sort(key=lambda i: -feet[i].place[0])
        end = "_leg" if len(feet) == 2 else ""
        found |= {i: row + side + end for row, i in zip(rows[len(members)], members, strict=True)}
    return [found[i] for i in range(len(feet))]


# --- The edits ----------------------------------------------------------------------------------------------------------


def edited(spec: mujoco.MjSpec, found: Anatomy, hints: Hints) -> mujoco.MjSpec:
    """`spec` with the changes listed above."""
    like = make_quadruped_spec()
    copy_fields(
        spec.option,
        like.option,
        ("integrator", "cone", "solver", "iterations", "ls_iterations", "impratio", "disableflags"),
    )
    spec.option.timestep = found.timestep
    for things in (spec.sensors, spec.keys, spec.actuators):
        for thing in list(things):
            spec.delete(thing)
    if hints.collisions == "feet":
        _feet_only(spec, found.feet, like.geom("front_left_foot"))
    _own_ground(spec, like, found.base)
    for servo in found.servos:
        _add_servo(spec, servo)
    for foot in found.feet:
        for site in [site for site in spec.sites if site.name == foot.name]:
            site.name = f"{site.name}_of_the_file"
        spec.geom(foot.geoms[0]).name = foot.name
        # On the body of the compiled model: a URDF's link on a fixed joint is part of its parent there.
        body, place = spec.body(foot.body), np.array(foot.site)
        site = body.add_site(name=foot.name, pos=place, size=[foot.radius, 0, 0], group=5, rgba=[0, 0, 0, 0])
        site.type = mujoco.mjtGeom.mjGEOM_SPHERE
    if found.tool is not None:
        site = spec.body(found.base).add_site(name=TOOL, pos=found.tool, size=[0.01, 0, 0], group=5, rgba=[0, 0, 0, 0])
        site.type = mujoco.mjtGeom.mjGEOM_SPHERE
    add_foot_sensors(spec, [foot.name for foot in found.feet])
    if found.floats:  # where MuJoCo puts a world that has diverged
        root = next(joint.parent for joint in spec.joints if joint.type == FREE)
        root.pos, root.quat = found.home[:3], found.home[3:7]
    spec.add_key(name="home", qpos=found.home, ctrl=found.targets)
    return spec


def _feet_only(spec: mujoco.MjSpec, feet: Sequence[Foot], like: mujoco.MjsGeom) -> None:
    """Leave the collisions of feet with the floor; geoms for collision alone go, as they would still be moved."""
    for pair in list(spec.pairs):
        spec.delete(pair)
    soles = {name for foot in feet for name in foot.geoms}
    for geom in list(spec.geoms):
        if geom.name in soles:
            copy_fields(geom, like, CONTACT)
        elif geom.parent.name != "world":
            geom.contype = geom.conaffinity = 0
            if geom.group >= 3 and geom.parent.explicitinertial:
                spec.delete(geom)


def _add_servo(spec: mujoco.MjSpec, servo: Servo) -> None:
    """One PD servo; every field is set, for the file's default class may have put anything there."""
    joint = spec.joint(servo.joint)
    in_degrees = (
        spec.compiler.degree and joint.type == mujoco.mjtJoint.mjJNT_HINGE
    )  # as MJCF is unless it says otherwise
    range_said = np.degrees((servo.low, servo.high)) if in_degrees else (servo.low, servo.high)
    joint.limited, joint.range = mujoco.mjtLimited.mjLIMITED_TRUE, range_said
    added = spec.add_actuator(name=servo.name, trntype=mujoco.mjtTrn.mjTRN_JOINT, target=servo.joint)
    added.gaintype, added.biastype = mujoco.mjtGain.mjGAIN_FIXED, mujoco.mjtBias.mjBIAS_AFFINE
    added.dyntype, added.actdim = mujoco.mjtDyn.mjDYN_NONE, -1
    gain, bias = np.zeros(mujoco.mjNGAIN), np.zeros(mujoco.mjNBIAS)
    gain[0], bias[:3] = servo.kp, (0.0, -servo.kp, -servo.kd)
    added.gainprm, added.biasprm, added.gear = gain, bias, (1, 0, 0, 0, 0, 0)
    added.inheritrange = 0.0
    added.ctrllimited, added.ctrlrange = mujoco.mjtLimited.mjLIMITED_TRUE, (servo.low, servo.high)
    limited = mujoco.mjtLimited.mjLIMITED_TRUE if servo.effort else mujoco.mjtLimited.mjLIMITED_FALSE
    added.forcelimited, added.forcerange = limited, (-servo.effort, servo.effort)
    added.actlimited = mujoco.mjtLimited.mjLIMITED_FALSE


def _own_ground(spec: mujoco.MjSpec, like: mujoco.MjSpec, base: str) -> None:
    """Our floor, lights and sky instead of the file's; the floor keeps the friction of the file's."""
    friction = None
    for geom in [geom for geom in spec.geoms if geom.type == PLANE and geom.parent.name == "world"]:
        friction = np.array(geom.friction) if friction is None else friction
        spec.delete(geom)
    for geom in [geom for geom in spec.geoms if geom.name == "floor"]:
        geom.name = "floor_of_the_file"
    for light in list(spec.lights):
        spec.delete(light)
    for texture in [texture for texture in spec.textures if texture.type == mujoco.mjtTexture.mjTEXTURE_SKYBOX]:
        spec.delete(texture)
    add_ground(spec, like, base=base, prefix="surefoot_")
    floor, ours = spec.geom("floor"), like.geom("floor")
    copy_fields(floor, ours, ("group", "rgba", "friction", "priority", "solmix", "solref", "solimp", "margin", "gap"))
    if friction is not None:
        floor.friction = friction
