"""Unitree Go1 from MuJoCo Menagerie: real meshes, and the conventions of this package on top of its file.

What `make_spec` changes in `unitree_go1/go1.xml`, and why:

- collisions: the feet with the floor only, with an ordinary soft contact instead of the file's very soft, rolling one. The
  other collision geoms are removed: never colliding, they would still be moved at every step;
- solver, integrator and time step: those of `assets/robots/quadruped.xml`, instead of elliptic cones at .002 s;
- actuators: PD servos with the gains of MuJoCo Playground and mjlab (kp 35 N m/rad, kd .5 N m s/rad). The file's kp 100 with
  a joint damping of 1 and 2 N m s/rad imitates a stiff controller; here the servo damps, and the joint keeps .1;
- armature: rotor inertia times squared gear ratio of each joint, instead of .01 throughout;
- floor, light and sky, foot sensors, and a home pose whose feet touch the floor.
"""

from collections.abc import Sequence
from pathlib import Path

import mujoco

from .menagerie import folder_of
from .quadruped import (
    ACTION_SCALE,
    CONTROL_DT,
    FOOT_RADIUS,
    HOME,
    HOME_HEIGHT,
    HOME_JOINTS,
    VELOCITY_LIMIT,
    leg_groups,
    leg_symmetry,
)
from .quadruped import make_spec as make_quadruped_spec
from .robot import Robot

MODEL = "unitree_go1"  # Menagerie's name of the folder
# The model's order of the legs, and its prefixes.
PREFIX = {"front_right": "FR", "front_left": "FL", "rear_right": "RR", "rear_left": "RL"}
JOINTS = ("hip", "thigh", "calf")

KP = 35.0  # N m/rad; mujoco_playground and mjlab
KD = 0.5  # N m s/rad; the same
DAMPING = 0.1  # N m s/rad, of the joint, as in quadruped.xml
FRICTIONLOSS = 0.0  # N m, as in quadruped.xml
ROTOR_INERTIA = 1.11842e-4  # kg m^2; Unitree's figure, through mjlab
GEAR = {"hip": 6.0, "thigh": 6.0, "calf": 9.0}  # motor turns per joint turn; the same


# What a robot of Menagerie has from the quadruped: fields of its options, and of the geoms that are its feet.
SOLVER = ("timestep", "integrator", "cone", "solver", "iterations", "ls_iterations", "impratio", "disableflags")
CONTACT = ("contype", "conaffinity", "condim", "priority", "friction", "solref", "solimp", "margin")


def model_file() -> Path:
    """Path of Menagerie's go1.xml; where it is looked for: `menagerie.folder_of`."""
    return folder_of(MODEL, "go1", "go1.xml") / "go1.xml"


def make_spec() -> mujoco.MjSpec:
    """Menagerie's Go1 with the changes above, on a flat floor, as a fresh spec."""
    spec = mujoco.MjSpec.from_file(str(model_file()))
    like = make_quadruped_spec()

    copy_fields(spec.option, like.option, SOLVER)

    foot_like = like.geom("front_left_foot")
    feet = [spec.geom(prefix) for prefix in PREFIX.values()]
    for geom in spec.geoms:
        geom.contype = geom.conaffinity = 0
    for geom in [geom for geom in spec.geoms if geom.group == 3 and geom not in feet]:
        spec.delete(geom)
    for geom, prefix in zip(feet, PREFIX.values(), strict=True):
        geom.name = f"{prefix}_foot"
        copy_fields(geom, foot_like, CONTACT)

    for prefix in PREFIX.values():
        for joint_name in JOINTS:
            joint = spec.joint(f"{prefix}_{joint_name}_joint")
            joint.damping = (DAMPING, 0.0, 0.0)  # linear; no higher powers of velocity
            joint.frictionloss = FRICTIONLOSS
            joint.armature = ROTOR_INERTIA * GEAR[joint_name] ** 2
            actuator = spec.actuator(f"{prefix}_{joint_name}")
            actuator.gainprm[0] = KP
            actuator.biasprm[:3] = (0.0, -KP, -KD)

    site_like = like.site("front_left_foot")
    for prefix in PREFIX.values():
        site = spec.site(prefix)
        site.name = f"{prefix}_foot"
        site.size = site_like.size
    add_foot_sensors(spec, [f"{prefix}_foot" for prefix in PREFIX.values()])

    spec.body("trunk").pos = (0.0, 0.0, HOME_HEIGHT)
    home = spec.key("home")
    home.qpos = HOME
    home.ctrl = HOME_JOINTS * 4
    add_ground(spec, like)
    return spec


def add_foot_sensors(spec: mujoco.MjSpec, feet: Sequence[str]) -> None:
    """Place, velocity and touch of each foot, at its site, as tasks on legs read them."""
    for suffix, kind in (
        ("pos", mujoco.mjtSensor.mjSENS_FRAMEPOS),
        ("vel", mujoco.mjtSensor.mjSENS_FRAMELINVEL),
        ("touch", mujoco.mjtSensor.mjSENS_TOUCH),
    ):
        for name in feet:
            spec.add_sensor(name=f"{name}_{suffix}", type=kind, objtype=mujoco.mjtObj.mjOBJ_SITE, objname=name)


def copy_fields(target: object, source: object, names: tuple[str, ...]) -> None:
    """Copy the named attributes from one spec element to another."""
    for name in names:
        setattr(target, name, getattr(source, name))


def add_ground(spec: mujoco.MjSpec, like: mujoco.MjSpec, *, base: str = "trunk", prefix: str = "") -> None:
    """Floor, lights, sky and picture settings of `like` in `spec`, in place of whatever lights `spec` has.

    `base` is the body that the spot light goes with, `prefix` comes before the names of textures and materials.
    """
    for light in list(spec.lights):
        spec.delete(light)
    for light in like.lights:
        body = light.parent.name if light.parent.name == "world" else base
        copy = spec.body(body).add_light(name=light.name)
        copy_fields(
            copy, light, ("type", "mode", "castshadow", "pos", "dir", "cutoff", "exponent", "diffuse", "specular")
        )
    for texture in like.textures:
        copy = spec.add_texture(name=prefix + texture.name)
        copy_fields(copy, texture, ("type", "builtin", "mark", "rgb1", "rgb2", "markrgb", "width", "height"))
    material = spec.add_material(name=f"{prefix}floor")
    copy_fields(material, like.material("floor"), ("textures", "texuniform", "texrepeat", "specular"))
    material.textures = [prefix + name if name else name for name in material.textures]
    floor = spec.worldbody.add_geom(name="floor")
    copy_fields(floor, like.geom("floor"), ("type", "size", "contype", "conaffinity", "condim"))
    floor.material = material.name
    copy_fields(spec.stat, like.stat, ("center", "extent", "meansize"))
    ours, theirs = spec.visual, like.visual
    copy_fields(ours.headlight, theirs.headlight, ("ambient", "diffuse", "specular"))
    copy_fields(ours.rgba, theirs.rgba, ("haze",))
    copy_fields(ours.map, theirs.map, ("znear", "zfar", "haze"))
    copy_fields(ours.global_, theirs.global_, ("azimuth", "elevation", "offwidth", "offheight"))
    copy_fields(ours.quality, theirs.quality, ("shadowsize",))


GO1 = Robot(
    name="go1",
    make_spec=make_spec,
    base="trunk",
    feet=tuple(f"{prefix}_foot" for prefix in PREFIX.values()),
    control="position",
    control_dt=CONTROL_DT,
    home=HOME,
    action_scale=ACTION_SCALE,
    groups=leg_groups({leg: tuple(f"{prefix}_{joint}" for joint in JOINTS) for leg, prefix in PREFIX.items()}),
    symmetry=leg_symmetry(tuple(PREFIX)),
    foot_radius=FOOT_RADIUS,
    velocity_limit=VELOCITY_LIMIT,
    camera=(1.6, 130.0, -18.0),
)
