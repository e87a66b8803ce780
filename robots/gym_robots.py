"""Gymnasium's v5 robots, from the model files of the installed package, unchanged.

Control periods are Gymnasium's frame_skip times the model's time step.
"""

from collections.abc import Callable
from pathlib import Path

import gymnasium
import mujoco

from .robot import Robot, Symmetry

ASSETS = Path(gymnasium.__file__).parent / "envs" / "mujoco" / "assets"


def spec_from(file: str) -> Callable[[], mujoco.MjSpec]:
    """A function that loads `file` of Gymnasium's assets as a fresh spec."""

    def make_spec() -> mujoco.MjSpec:
        return mujoco.MjSpec.from_file(str(ASSETS / file))

    return make_spec


HALF_CHEETAH = Robot(
    name="half_cheetah",
    make_spec=spec_from("half_cheetah.xml"),
    base="torso",
    control="torque",
    control_dt=0.05,  # 5 x 0.01 s
    groups={"back_leg": ("bthigh", "bshin", "bfoot"), "front_leg": ("fthigh", "fshin", "ffoot")},
    camera=(4.0, 90.0, -10.0),
)
HOPPER = Robot(
    name="hopper",
    make_spec=spec_from("hopper.xml"),
    base="torso",
    control="torque",
    control_dt=0.008,  # 4 x 0.002 s
    camera=(3.5, 90.0, -10.0),
)
WALKER2D = Robot(
    name="walker2d",
    make_spec=spec_from("walker2d_v5.xml"),
    base="torso",
    control="torque",
    control_dt=0.008,  # 4 x 0.002 s
    groups={
        "right_leg": ("thigh_joint", "leg_joint", "foot_joint"),
        "left_leg": ("thigh_left_joint", "leg_left_joint", "foot_left_joint"),
    },
    symmetry=Symmetry((3, 4, 5, 0, 1, 2), (1.0,) * 6),
    camera=(4.0, 90.0, -10.0),
)
ANT = Robot(
    name="ant",
    make_spec=spec_from("ant.xml"),
    base="torso",
    control="torque",
    control_dt=0.05,  # 5 x 0.01 s
    groups={
        "front_left": ("hip_1", "ankle_1"),
        "front_right": ("hip_2", "ankle_2"),
        "back_left": ("hip_3", "ankle_3"),
        "back_right": ("hip_4", "ankle_4"),
    },
    # As the model is placed: it runs along x, and legs 1 and 4 are in front, whatever the file calls them.
    symmetry=Symmetry((2, 3, 0, 1, 6, 7, 4, 5), (-1.0, 1.0) * 4),
    camera=(5.0, 120.0, -25.0),
)
HUMANOID = Robot(
    name="humanoid",
    make_spec=spec_from("humanoid.xml"),
    base="torso",
    control="torque",
    control_dt=0.015,  # 5 x 0.003 s
    # Abdomen y, z, x; legs x, z, y, knee; arms. All but exact: a hip's armature and a knee's stiffness differ a little.
    symmetry=Symmetry(
        (0, 1, 2, 7, 8, 9, 10, 3, 4, 5, 6, 14, 15, 16, 11, 12, 13),
        (1.0, -1.0, -1.0, *(1.0,) * 8, -1.0, -1.0, 1.0, -1.0, -1.0, 1.0),
    ),
    camera=(4.5, 120.0, -15.0),
)
SWIMMER = Robot(
    name="swimmer",
    make_spec=spec_from("swimmer.xml"),
    base="torso",
    control="torque",
    control_dt=0.04,  # 4 x 0.01 s
    camera=(6.0, 90.0, -50.0),
)
# As with the cartpole, the base of a pendulum is its (upper) pole; that of an arm, its outermost link.
INVERTED_PENDULUM = Robot(
    name="inverted_pendulum",
    make_spec=spec_from("inverted_pendulum.xml"),
    base="pole",
    control="torque",
    control_dt=0.04,  # 2 x 0.02 s
    camera=(3.0, 90.0, -10.0),
)
INVERTED_DOUBLE_PENDULUM = Robot(
    name="inverted_double_pendulum",
    make_spec=spec_from("inverted_double_pendulum.xml"),
    base="pole2",
    control="torque",
    control_dt=0.05,  # 5 x 0.01 s
    camera=(4.0, 90.0, -10.0),
)
REACHER = Robot(
    name="reacher",
    make_spec=spec_from("reacher.xml"),
    base="body1",
    control="torque",
    control_dt=0.02,  # 2 x 0.01 s
    camera=(0.9, 90.0, -60.0),
)
PUSHER = Robot(
    name="pusher",
    make_spec=spec_from("pusher_v5.xml"),
    base="r_wrist_roll_link",
    control="torque",
    control_dt=0.05,  # 5 x 0.01 s
    camera=(2.5, 120.0, -35.0),
)
