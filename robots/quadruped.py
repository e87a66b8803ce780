"""Surefoot's own quadruped: Go1-class, primitive shapes, nothing to download.

Constants (SI units) come from the public model of the Unitree Go1 (mujoco_menagerie/unitree_go1, after Unitree's URDF) and
are commented in `assets/robots/quadruped.xml`; control gains, control period and action scale are those with which MuJoCo
Playground and mjlab train Go1 (kp 35 N m/rad, kd .5 N m s/rad, 50 Hz, .5 rad per unit of action).
"""

import math
from collections.abc import Mapping
from pathlib import Path

import mujoco

from .robot import Robot, Symmetry

MODEL = Path(__file__).resolve().parent.parent / "assets" / "robots" / "quadruped.xml"

CONTROL_DT = 0.02  # s
ACTION_SCALE = 0.5  # rad per unit of action
LINK_LENGTH = 0.213  # m, thigh and calf alike
FOOT_RADIUS = 0.023  # m
# rad/s: hip, thigh, calf of each leg; Unitree's go1_description, xacro/const.xacro.
VELOCITY_LIMIT = (30.1, 30.1, 20.06) * 4
HOME_JOINTS = (0.0, 0.9, -1.8)  # rad: hip, thigh, calf of each leg
# Feet just touch the floor: the foot is exactly below the hip because the calf's angle is minus twice the thigh's.
HOME_HEIGHT = round(2 * LINK_LENGTH * math.cos(HOME_JOINTS[1]) + FOOT_RADIUS, 3)  # m
HOME = (0.0, 0.0, HOME_HEIGHT, 1.0, 0.0, 0.0, 0.0, *HOME_JOINTS * 4)

LEGS = ("front_left", "front_right", "rear_left", "rear_right")
JOINTS = ("hip", "thigh", "calf")


def leg_groups(actuators: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Actuator groups of a four-legged robot, from {leg: (hip, thigh, calf)} with the four names of `LEGS` as keys.

    Each leg, the pairs front, rear, left and right, and hips, thighs and calves, always in the order of the given legs.
    """
    groups = dict(actuators)
    for side in ("front", "rear", "left", "right"):
        groups[side] = tuple(name for leg, names in actuators.items() if side in leg.split("_") for name in names)
    for i, joint in enumerate(("hips", "thighs", "calves")):
        groups[joint] = tuple(names[i] for names in actuators.values())
    return groups


def leg_symmetry(legs: tuple[str, ...]) -> Symmetry:
    """Left-right mirror image for legs in this order: legs swap sides; the hip, which turns about x, changes its sign."""
    mirrored = [legs.index(leg.replace("left", "*").replace("right", "left").replace("*", "right")) for leg in legs]
    return Symmetry(
        index=tuple(3 * leg + joint for leg in mirrored for joint in range(3)),
        sign=(-1.0, 1.0, 1.0) * len(legs),
    )


def make_spec() -> mujoco.MjSpec:
    """The robot on a flat floor, as a fresh spec."""
    return mujoco.MjSpec.from_file(str(MODEL))


QUADRUPED = Robot(
    name="quadruped",
    make_spec=make_spec,
    base="trunk",
    feet=tuple(f"{leg}_foot" for leg in LEGS),
    control="position",
    control_dt=CONTROL_DT,
    home=HOME,
    action_scale=ACTION_SCALE,
    groups=leg_groups({leg: tuple(f"{leg}_{joint}" for joint in JOINTS) for leg in LEGS}),
    symmetry=leg_symmetry(LEGS),
    foot_radius=FOOT_RADIUS,
    velocity_limit=VELOCITY_LIMIT,
    camera=(1.6, 130.0, -18.0),
)
