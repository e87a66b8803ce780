"""A robot's model with what a task puts beside it."""

from collections.abc import Callable
from dataclasses import dataclass

import mujoco

from ...robots import Robot


@dataclass(frozen=True)
class Scene:
    """Makes a robot's spec and lets a task change it; key frames go, because they no longer fit.

    Attributes:
        plain: makes the robot's own spec.
        task: name of the task that changes it.
        change: edits a spec in place.
    """

    plain: Callable[[], mujoco.MjSpec]
    task: str
    change: Callable[[mujoco.MjSpec], None]

    def __call__(self) -> mujoco.MjSpec:
        spec = self.plain()
        for key in list(spec.keys):
            spec.delete(key)
        self.change(spec)
        return spec

    @staticmethod
    def of(robot: Robot) -> str:
        """Name of the task that the robot's model has been changed for; "" where it is as it came."""
        return robot.make_spec.task if isinstance(robot.make_spec, Scene) else ""
