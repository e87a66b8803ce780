"""What a robot is, and which robots there are."""

from .catalogue import ROBOTS, get_robot
from .errors import SurefootError, unknown
from .robot import Robot, Symmetry

__all__ = ["ROBOTS", "Robot", "SurefootError", "Symmetry", "get_robot", "unknown"]
