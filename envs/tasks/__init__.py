"""What can be asked of a robot."""

from .poles import Balance, SwingUp
from .run import Run
from .velocity import Velocity, VelocityConfig

TASKS: dict[str, type[Run] | type[Velocity] | type[Balance] | type[SwingUp]] = {
    "run": Run,
    "velocity": Velocity,
    "balance": Balance,
    "swing-up": SwingUp,
}

__all__ = ["TASKS", "Balance", "Run", "SwingUp", "Velocity", "VelocityConfig"]
