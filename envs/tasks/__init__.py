"""What can be asked of a robot."""

from .poles import Balance, SwingUp
from .published import FAMILIES, Family
from .run import Run
from .velocity import Velocity, VelocityConfig

TASKS: dict[str, type[Run] | type[Velocity] | type[Balance] | type[SwingUp]] = {
    "run": Run,
    "velocity": Velocity,
    "balance": Balance,
    "swing-up": SwingUp,
    **FAMILIES,
}

__all__ = ["FAMILIES", "TASKS", "Balance", "Family", "Run", "SwingUp", "Velocity", "VelocityConfig"]
