"""Surefoot's own arm: six joints of the UR5e, primitive shapes, a stick in its hand, nothing to download.

Link lengths, masses, inertias, torque limits (150 and 28 N m), armature and servo gains are those of
mujoco_menagerie/universal_robots_ur5e; the speed limit of all joints, pi rad/s, and the payload that it is built for, 5 kg, are
those of Universal Robots' data sheet of the UR5e. The base that a payload loads is the hand: what an arm carries, it holds.
"""

import math
from pathlib import Path

import mujoco

from .robot import Robot

MODEL = Path(__file__).resolve().parent.parent / "assets" / "robots" / "arm.xml"

JOINTS = ("shoulder_pan", "shoulder_lift", "elbow", "wrist_1", "wrist_2", "wrist_3")
# Tool .17 m above the table, pointing down, .43 m before the base (rad).
HOME = (-0.28, -1.7, 2.1, -1.9708, -1.5708, 0.0)


def make_spec() -> mujoco.MjSpec:
    """The arm on its table, as a fresh spec."""
    return mujoco.MjSpec.from_file(str(MODEL))


ARM = Robot(
    name="arm",
    make_spec=make_spec,
    base="hand",
    control="position",
    control_dt=0.05,  # 20 Hz
    home=HOME,
    action_scale=0.1,  # rad by which an action of 1 moves a joint's target in a control step: 2 rad/s
    groups={"shoulder": JOINTS[:2], "wrist": JOINTS[3:]},
    velocity_limit=(math.pi,) * 6,
    tool="tool",
    camera=(1.9, 140.0, -25.0),
)
