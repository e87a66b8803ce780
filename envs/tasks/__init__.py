"""What can be asked of a robot."""

from .gym_v5 import InvertedDoublePendulum, InvertedPendulum, Pusher, Reacher
from .poles import Balance, Pole, SwingUp
from .published import FAMILIES, Family
from .run import Run
from .velocity import Velocity, VelocityConfig

TASKS: dict[str, type[Run] | type[Velocity] | type[Pole]] = {
    "run": Run,
    "velocity": Velocity,
    "balance": Balance,
    "swing-up": SwingUp,
    "reach": Reacher,
    "push": Pusher,
    **FAMILIES,
}
# Where a robot has a definition of its own.
BY_ROBOT: dict[tuple[str, str], type[Pole]] = {
    ("balance", "inverted_pendulum"): InvertedPendulum,
    ("balance", "inverted_double_pendulum"): InvertedDoublePendulum,
}

__all__ = ["BY_ROBOT", "FAMILIES", "TASKS", "Balance", "Family", "Run", "SwingUp", "Velocity", "VelocityConfig"]
