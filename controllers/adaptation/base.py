"""What every adaptation method takes and gives."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from ...envs.variation import Task
from ...robots import SurefootError
from ..controller import Controller
from ..evaluation import Evaluation


@dataclass(frozen=True)
class Budget:
    """What adaptation may cost; whichever limit is reached first ends it.

    Attributes:
        seconds: wall-clock, without the evaluations that draw the curve.
        steps: environment steps, all worlds together.
    """

    seconds: float | None = 60.0
    steps: int | None = None

    def __post_init__(self) -> None:
        for name in ("seconds", "steps"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise SurefootError(f"adaptation budget {name}={value}: expected more than 0")
        if self.seconds is None and self.steps is None:
            raise SurefootError("adaptation budget: give seconds, steps or both")


@dataclass(frozen=True)
class Point:
    """One point of an adaptation curve: what had been spent, and how good the controller was then.

    `steps` and `episodes` are the robot's, `robot_seconds` the motion that they took, `seconds` the wall-clock.
    """

    steps: int
    episodes: int
    robot_seconds: float
    seconds: float
    evaluation: Evaluation


@dataclass(frozen=True)
class Adaptation:
    """The outcome: the adapted controller, the curve from before to after, and what the method inferred."""

    method: str
    task: Task
    controller: Controller
    curve: tuple[Point, ...]
    inferred: Mapping[str, float] = field(default_factory=dict)

    @property
    def before(self) -> Point:
        return self.curve[0]

    @property
    def after(self) -> Point:
        return self.curve[-1]


class Adapter(Protocol):
    """A method: never changes the controller that it is given."""

    def __call__(
        self, controller: Controller, task: Task, budget: Budget, *, seed: int = 0, episodes: int = 50, points: int = 4
    ) -> Adaptation:
        """`episodes` are those of each evaluation on the curve, `points` how many follow the first."""
        ...
