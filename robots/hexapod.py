"""Surefoot's own hexapod: six legs of three joints, primitive shapes, nothing to download.

It is a machine of our own, built of the parts of `quadruped.py`: motors (23.7 and 35.55 N m, 30.1 and 20.06 rad/s), rotor
inertias, link masses, lower legs (.213 m), feet and servo gains are the Go1's; the hip stands upright (coxa, about z), the
femur is .16 m and the coxa .07 m long. Each leg is about its own frame, whose x points away from the body.
"""

import math
from pathlib import Path

import mujoco

from .quadruped import ACTION_SCALE, CONTROL_DT, FOOT_RADIUS, LINK_LENGTH, leg_symmetry
from .robot import Robot

MODEL = Path(__file__).resolve().parent.parent / "assets" / "robots" / "hexapod.xml"

LEGS = ("front_left", "front_right", "middle_left", "middle_right", "rear_left", "rear_right")
JOINTS = ("coxa", "femur", "tibia")
FEMUR = 0.16  # m
HOME_JOINTS = (0.0, -0.35, 1.85)  # rad: coxa, femur (negative: up), tibia
# Feet just touch the floor.
HOME_HEIGHT = round(
    FEMUR * math.sin(HOME_JOINTS[1]) + LINK_LENGTH * math.sin(HOME_JOINTS[1] + HOME_JOINTS[2]) + FOOT_RADIUS, 3
)  # m
HOME = (0.0, 0.0, HOME_HEIGHT, 1.0, 0.0, 0.0, 0.0, *HOME_JOINTS * 6)
VELOCITY_LIMIT = (30.1, 30.1, 20.06) * 6  # rad/s; as the quadruped's

_LEG = {leg: tuple(f"{leg}_{joint}" for joint in JOINTS) for leg in LEGS}


def make_spec() -> mujoco.MjSpec:
    """The robot on a flat floor, as a fresh spec."""
    return mujoco.MjSpec.from_file(str(MODEL))


HEXAPOD = Robot(
    name="hexapod",
    make_spec=make_spec,
    base="body",
    feet=tuple(f"{leg}_foot" for leg in LEGS),
    control="position",
    control_dt=CONTROL_DT,
    home=HOME,
    action_scale=ACTION_SCALE,
    groups={
        **_LEG,
        **{
            part: tuple(name for leg in LEGS if part in leg.split("_") for name in _LEG[leg])
            for part in ("front", "middle", "rear", "left", "right")
        },
        **{f"{joint}s": tuple(f"{leg}_{joint}" for leg in LEGS) for joint in JOINTS},
    },
    symmetry=leg_symmetry(LEGS),  # the coxa, which turns about z, changes its sign as the quadruped's hip does
    foot_radius=FOOT_RADIUS,
    velocity_limit=VELOCITY_LIMIT,
    fallen_height=0.07,
    camera=(1.9, 130.0, -28.0),
)
