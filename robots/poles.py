"""The two inverted pendulums of the textbooks, from model files of our own: nothing to download.

Constants are those of Gymnasium's CartPole-v1 (Barto, Sutton & Anderson, 1983) and Pendulum-v1; the model files say which.
"""

from collections.abc import Callable
from pathlib import Path

import mujoco

from .robot import Robot

ASSETS = Path(__file__).resolve().parent.parent / "assets" / "robots"


def spec_from(file: str) -> Callable[[], mujoco.MjSpec]:
    """A function that loads `file` of our assets as a fresh spec."""

    def make_spec() -> mujoco.MjSpec:
        return mujoco.MjSpec.from_file(str(ASSETS / file))

    return make_spec


# The base is what a payload and a shifted centre of mass change: the pole, because a cart on rails knows only its mass.
CARTPOLE = Robot(
    name="cartpole",
    make_spec=spec_from("cartpole.xml"),
    base="pole",
    control="torque",
    control_dt=0.02,  # 2 x 0.01 s; CartPole-v1's
    camera=(4.0, 90.0, -12.0),
)
PENDULUM = Robot(
    name="pendulum",
    make_spec=spec_from("pendulum.xml"),
    base="rod",
    control="torque",
    control_dt=0.05,  # 5 x 0.01 s; Pendulum-v1's
    camera=(3.6, 90.0, -8.0),
)
