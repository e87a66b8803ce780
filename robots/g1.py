"""Unitree G1 from MuJoCo Menagerie as its legs walk it: twelve leg motors, waist and arms held.

What `make_spec` changes in `unitree_g1/g1.xml`, and why:

- waist, arms and wrists are rigid in the pose of the file's keyframe `stand`: Unitree's own walking controllers drive the
  legs alone (unitree_rl_gym, g1_12dof), and 17 joints fewer are three times the speed. `menagerie:unitree_g1` has all 29;
- collisions: the feet with the floor only, each one box (Playground's) in place of four balls at the same corners;
- solver, integrator and time step: those of `assets/robots/quadruped.xml`;
- actuators: PD servos with the gains with which Unitree trains this robot (unitree_rl_gym); armature: Playground's, which
  is rotor inertia times squared gear ratio; no dry friction, of which each joint's is a constraint (`frictionloss` adds it);
- floor, light and sky, foot sensors, and a home pose with bent knees (Playground's `knees_bent`), feet on the floor.
"""

import math
from pathlib import Path

import mujoco
import numpy as np

from .go1 import CONTACT, SOLVER, add_foot_sensors, add_ground, copy_fields
from .menagerie import folder_of
from .quadruped import CONTROL_DT
from .quadruped import make_spec as make_quadruped_spec
from .robot import Robot, Symmetry

MODEL = "unitree_g1"  # Menagerie's name of the folder
SIDES = ("left", "right")
JOINTS = ("hip_pitch", "hip_roll", "hip_yaw", "knee", "ankle_pitch", "ankle_roll")
KP = {"hip": 100.0, "knee": 150.0, "ankle": 40.0}  # N m/rad; unitree_rl_gym, g1_config.py
KD = {"hip": 2.0, "knee": 4.0, "ankle": 2.0}  # N m s/rad; the same
# kg m^2; g1_mjx_feetonly.xml of Playground.
ARMATURE = (0.01017752, 0.025101925, 0.01017752, 0.025101925, 0.00721945, 0.00721945)
TORQUE = (88.0, 139.0, 88.0, 139.0, 50.0, 50.0)  # N m; Menagerie
VELOCITY_LIMIT = (32.0, 20.0, 32.0, 20.0, 37.0, 37.0) * 2  # rad/s; Unitree's g1_description, g1_29dof_rev_1_0.urdf
DAMPING = 0.05  # N m s/rad, of the joint; unitree_rl_gym's g1_12dof.xml

# The corners of Menagerie's four balls: heel at x -.05, toe at .12 m of the ankle.
SOLE, SOLE_SIZE = (0.035, 0.0, -0.03), (0.085, 0.03, 0.005)  # m, middle and half sizes
HOME_JOINTS = (-0.312, 0.0, 0.0, 0.669, -0.357, 0.0)  # rad; Playground's keyframe knees_bent, soles level
HOME_HEIGHT = 0.7567  # m
HOME = (0.0, 0.0, HOME_HEIGHT, 1.0, 0.0, 0.0, 0.0, *HOME_JOINTS * 2)
# rad, of what is held and not at zero; Menagerie's keyframe `stand`.
HELD = {"left_shoulder_roll_joint": 0.2, "right_shoulder_roll_joint": -0.2} | {
    f"{side}_{joint}_joint": angle for side in SIDES for joint, angle in (("shoulder_pitch", 0.2), ("elbow", 1.28))
}

_LEG = {f"{side}_leg": tuple(f"{side}_{joint}_joint" for joint in JOINTS) for side in SIDES}


def model_file() -> Path:
    """Path of Menagerie's g1.xml; where it is looked for: `menagerie.folder_of`."""
    return folder_of(MODEL, "g1", "g1.xml") / "g1.xml"


def make_spec() -> mujoco.MjSpec:
    """Menagerie's G1 with the changes above, on a flat floor, as a fresh spec."""
    spec = mujoco.MjSpec.from_file(str(model_file()))
    like = make_quadruped_spec()
    copy_fields(spec.option, like.option, SOLVER)
    for things in (spec.sensors, spec.keys, spec.actuators):
        for thing in list(things):
            spec.delete(thing)
    _hold(spec)
    for geom in list(spec.geoms):
        geom.contype = geom.conaffinity = 0
        if geom.group == 3:
            spec.delete(geom)
    for side in SIDES:
        for joint, armature, torque in zip(JOINTS, ARMATURE, TORQUE, strict=True):
            _add_servo(spec, spec.joint(f"{side}_{joint}_joint"), joint.split("_")[0], armature, torque)
        _add_foot(spec, like, side)
    add_foot_sensors(spec, [f"{side}_foot" for side in SIDES])
    spec.body("pelvis").pos = (0.0, 0.0, HOME_HEIGHT)
    spec.add_key(name="home", qpos=HOME, ctrl=HOME_JOINTS * 2)
    add_ground(spec, like, base="pelvis")
    return spec


def _hold(spec: mujoco.MjSpec) -> None:
    """Make every joint but the legs' rigid, at the angles of `HELD`."""
    motors = {name for leg in _LEG.values() for name in leg}
    for joint in [j for j in spec.joints if j.type == mujoco.mjtJoint.mjJNT_HINGE and j.name not in motors]:
        half, turned = HELD.get(joint.name, 0.0) / 2, np.zeros(4)
        by = np.array([math.cos(half), *(math.sin(half) * np.array(joint.axis))])
        mujoco.mju_mulQuat(turned, np.array(joint.parent.quat), by)
        joint.parent.quat = turned
        spec.delete(joint)


def _add_servo(spec: mujoco.MjSpec, joint: mujoco.MjsJoint, kind: str, armature: float, torque: float) -> None:
    joint.damping, joint.frictionloss, joint.armature = (DAMPING, 0.0, 0.0), 0.0, armature
    low, high = joint.range
    gain, bias = np.zeros(mujoco.mjNGAIN), np.zeros(mujoco.mjNBIAS)
    gain[0], bias[:3] = KP[kind], (0.0, -KP[kind], -KD[kind])
    added = spec.add_actuator(name=joint.name, trntype=mujoco.mjtTrn.mjTRN_JOINT, target=joint.name)
    added.gaintype, added.biastype = mujoco.mjtGain.mjGAIN_FIXED, mujoco.mjtBias.mjBIAS_AFFINE
    added.gainprm, added.biasprm = gain, bias
    added.inheritrange = 0.0  # the file's default says 1
    added.ctrllimited, added.ctrlrange = mujoco.mjtLimited.mjLIMITED_TRUE, (low, high)
    added.forcelimited, added.forcerange = mujoco.mjtLimited.mjLIMITED_TRUE, (-torque, torque)


def _add_foot(spec: mujoco.MjSpec, like: mujoco.MjSpec, side: str) -> None:
    body, name = spec.body(f"{side}_ankle_roll_link"), f"{side}_foot"
    for ball in [geom for geom in body.geoms if geom.type == mujoco.mjtGeom.mjGEOM_SPHERE]:
        spec.delete(ball)
    sole = body.add_geom(name=name, type=mujoco.mjtGeom.mjGEOM_BOX, pos=SOLE, size=SOLE_SIZE, group=3)
    copy_fields(sole, like.geom("front_left_foot"), CONTACT)
    site = spec.site(name)
    site.pos, site.type = SOLE, mujoco.mjtGeom.mjGEOM_BOX
    site.size = (SOLE_SIZE[0] + 0.02, SOLE_SIZE[1] + 0.02, 0.03)


G1 = Robot(
    name="g1",
    make_spec=make_spec,
    base="pelvis",
    feet=tuple(f"{side}_foot" for side in SIDES),
    control="position",
    control_dt=CONTROL_DT,
    home=HOME,
    action_scale=0.5,
    groups={
        **_LEG,
        "hips": tuple(f"{side}_{joint}_joint" for side in SIDES for joint in JOINTS[:3]),
        "knees": tuple(f"{side}_knee_joint" for side in SIDES),
        "ankles": tuple(f"{side}_{joint}_joint" for side in SIDES for joint in JOINTS[4:]),
    },
    # Legs swap sides; what turns about x or z changes its sign.
    symmetry=Symmetry(index=(6, 7, 8, 9, 10, 11, 0, 1, 2, 3, 4, 5), sign=(1.0, -1.0, -1.0, 1.0, 1.0, -1.0) * 2),
    foot_radius=SOLE_SIZE[2],
    velocity_limit=VELOCITY_LIMIT,
    fallen_height=0.45,
    camera=(2.8, 130.0, -12.0),
)
