"""Which task fits which robot, and what is said where one does not."""

from typing import Any

from ...robots import ROBOTS, Robot, SurefootError

# Robots with one task of their own.
TASK_OF = {
    "cartpole": "balance",
    "inverted_pendulum": "balance",
    "inverted_double_pendulum": "balance",
    "pendulum": "swing-up",
    "reacher": "reach",
    "pusher": "push",
}


def usual_task(robot: Robot | str) -> str:
    """The task that one would try first with this robot."""
    known = ROBOTS.get(robot) if isinstance(robot, str) else robot
    name = robot if isinstance(robot, str) else robot.name
    if name in TASK_OF:
        return TASK_OF[name]
    if known is not None and known.tool is not None:
        return "reach"
    return "run" if known is not None and known.control == "torque" else "velocity"


def does_not_fit(task: str, kind: Any, robot: Robot) -> SurefootError:
    """The error for a robot that `kind`, a task with `fits` and `needs`, cannot be asked of."""
    ours = ", ".join(name for name, other in ROBOTS.items() if kind.fits(other))
    return SurefootError(f"task {task!r} needs {kind.needs} ({ours}), not {robot.name!r}: try {usual_task(robot)!r}")
