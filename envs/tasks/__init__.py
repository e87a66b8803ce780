"""What can be asked of a robot."""

from .run import Run
from .velocity import Velocity, VelocityConfig

TASKS: dict[str, type[Run] | type[Velocity]] = {"run": Run, "velocity": Velocity}

__all__ = ["TASKS", "Run", "Velocity", "VelocityConfig"]
