"""The robots that come with Surefoot, by name, and the way to all others.

Importing this loads no model: a `Robot` is a description, and its model file is read (or downloaded) when it is compiled.
"""

from .arm import ARM
from .biped import BIPED
from .derived import robot_from_file
from .errors import unknown
from .g1 import G1
from .go1 import GO1
from .gym_robots import (
    ANT,
    HALF_CHEETAH,
    HOPPER,
    HUMANOID,
    INVERTED_DOUBLE_PENDULUM,
    INVERTED_PENDULUM,
    PUSHER,
    REACHER,
    SWIMMER,
    WALKER2D,
)
from .hexapod import HEXAPOD
from .menagerie_robots import PREFIX, menagerie_robot
from .poles import CARTPOLE, PENDULUM
from .quadruped import QUADRUPED
from .robot import Robot
from .source import is_file_name

ROBOTS: dict[str, Robot] = {
    robot.name: robot
    for robot in (
        *(HALF_CHEETAH, HOPPER, WALKER2D, ANT, HUMANOID, SWIMMER, QUADRUPED, GO1, HEXAPOD, BIPED, G1, ARM),
        *(CARTPOLE, PENDULUM, INVERTED_PENDULUM, INVERTED_DOUBLE_PENDULUM, REACHER, PUSHER),
    )
}


def get_robot(name: str) -> Robot:
    """The robot of this name: of the catalogue, `menagerie:NAME`, or the path of a MJCF or URDF file.

    Raises `SurefootError` with the nearest names for any other.
    """
    if name in ROBOTS:
        return ROBOTS[name]
    if name.startswith(PREFIX):
        return menagerie_robot(name)
    if is_file_name(name):
        return robot_from_file(name)
    raise unknown("robot", name, ROBOTS)
