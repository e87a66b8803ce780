"""Surefoot's own biped: the ten leg joints of the Unitree H1 under one rigid upper body, nothing to download.

Masses, link lengths, joint ranges, torque limits, damping (1 N m s/rad) and armature (.1 kg m^2) are those of
mujoco_menagerie/unitree_h1; what was rounded stands in `assets/robots/biped.xml`. Speed limits are those of Unitree's
h1_description (hips 23, knees 14, ankles 9 rad/s). The servo gains are ours: tipping over about its ankles the robot falls with
m g h = 490 N m/rad, which ankles, knees and hips in a row must exceed for it to stand without feedback. Of gains from 300
to 800 N m/rad only 800 did, with 15 N m s/rad. Action scale .5 rad, as of our other robots on legs: Unitree's .25
(unitree_rl_gym) goes with actions that nothing limits; limited to 1, they bend a knee of .6 rad to lift a foot by 3.5 cm at
most, and the robot learns to stand.
"""

import math
from pathlib import Path

import mujoco

from .quadruped import CONTROL_DT
from .robot import Robot, Symmetry

MODEL = Path(__file__).resolve().parent.parent / "assets" / "robots" / "biped.xml"

SIDES = ("left", "right")
JOINTS = ("hip_yaw", "hip_roll", "hip_pitch", "knee", "ankle")
FOOT_RADIUS = 0.02  # m, of the capsule
HOME_JOINTS = (0.0, 0.0, -0.22, 0.6, -0.38)  # rad; flat feet below the centre of mass
# Pelvis to hip pitch, thigh and shank of .4 m, ankle to sole: feet just touch the floor.
HOME_HEIGHT = round(0.1742 + 0.4 * math.cos(0.22) + 0.4 * math.cos(0.38) + 0.07, 3)  # m
HOME = (0.0, 0.0, HOME_HEIGHT, 1.0, 0.0, 0.0, 0.0, *HOME_JOINTS * 2)

_LEG = {f"{side}_leg": tuple(f"{side}_{joint}" for joint in JOINTS) for side in SIDES}


def make_spec() -> mujoco.MjSpec:
    """The robot on a flat floor, as a fresh spec."""
    return mujoco.MjSpec.from_file(str(MODEL))


BIPED = Robot(
    name="biped",
    make_spec=make_spec,
    base="torso",
    feet=tuple(f"{side}_foot" for side in SIDES),
    control="position",
    control_dt=CONTROL_DT,
    home=HOME,
    action_scale=0.5,
    groups={
        **_LEG,
        "hips": tuple(f"{side}_{joint}" for side in SIDES for joint in JOINTS[:3]),
        "knees": tuple(f"{side}_knee" for side in SIDES),
        "ankles": tuple(f"{side}_ankle" for side in SIDES),
    },
    # Legs swap sides; what turns about z or x changes its sign.
    symmetry=Symmetry(index=(5, 6, 7, 8, 9, 0, 1, 2, 3, 4), sign=(-1.0, -1.0, 1.0, 1.0, 1.0) * 2),
    foot_radius=FOOT_RADIUS,
    velocity_limit=(23.0, 23.0, 23.0, 14.0, 9.0) * 2,
    fallen_height=0.6,
    camera=(3.6, 130.0, -12.0),
)
