"""What can be asked of a robot."""

from typing import Any

from ...robots import Robot, unknown
from .arm import Manipulation, Reach, Track
from .goals import Direction, GoalPosition, GoalVelocity
from .gym_v5 import InvertedDoublePendulum, InvertedPendulum, Pusher, Reacher
from .poles import Balance, Pole, SwingUp
from .postures import Jump, StandUp
from .published import FAMILIES, Family
from .push import Push
from .run import Run
from .velocity import Legged, Velocity
from .velocity_config import VelocityConfig

Kind = type[Run] | type[Legged] | type[Pole] | type[Manipulation]

TASKS: dict[str, Kind] = {
    "run": Run,
    "balance": Balance,
    "swing-up": SwingUp,
    **{kind.name: kind for kind in (Velocity, Direction, GoalVelocity, GoalPosition, StandUp, Jump)},
    **{kind.name: kind for kind in (Reach, Track, Push)},
    **FAMILIES,
}
# Where a robot has a definition of its own.
BY_ROBOT: dict[tuple[str, str], type[Pole]] = {
    ("balance", "inverted_pendulum"): InvertedPendulum,
    ("balance", "inverted_double_pendulum"): InvertedDoublePendulum,
    ("reach", "reacher"): Reacher,
    ("push", "pusher"): Pusher,
}
# Of each task with options, the data class that holds them.
CONFIGS: dict[str, Any] = {
    name: kind.config_type for name, kind in TASKS.items() if issubclass(kind, Legged | Manipulation)
}


def kind_of(task: str, robot: Robot) -> Any:
    """The class of a task on a robot. Raises `SurefootError`, with the nearest, for an unknown task."""
    if task not in TASKS:
        raise unknown("task", task, TASKS)
    return BY_ROBOT.get((task, robot.name), TASKS[task])


__all__ = [
    "BY_ROBOT", "CONFIGS", "FAMILIES", "TASKS", "Balance", "Family", "Legged", "Run", "SwingUp", "Velocity", "VelocityConfig",
    "kind_of",
]  # fmt: skip
