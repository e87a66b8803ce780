"""What every adaptation method takes and gives."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Protocol

from ...envs.variation import Task
from ...robots import SurefootError
from ..adapted import Adapted
from ..controller import Controller
from ..evaluation import Evaluation


@dataclass(frozen=True)
class Budget:
    """What adaptation may cost; whichever limit is reached first ends it.

    Attributes:
        seconds: wall-clock, without the evaluations that draw the curve.
        steps: environment steps, all worlds together.
        robot_seconds: motion of the robot; methods that use many robots at once count the motion of all of them.
    """

    seconds: float | None = 60.0
    steps: int | None = None
    robot_seconds: float | None = None

    def __post_init__(self) -> None:
        limits = [f.name for f in fields(self)]
        for name in limits:
            value = getattr(self, name)
            if value is not None and not 0 < value < 1e15:
                raise SurefootError(f"adaptation budget {name}={value:g}: expected more than 0 and less than 1e15")
        if all(getattr(self, name) is None for name in limits):
            raise SurefootError("adaptation budget: give seconds, steps or robot_seconds")

    def limit(self, dt: float, least: int = 1) -> int | None:
        """The limit on environment steps of `dt` s, None if there is none. Raises `SurefootError` where it is under `least`."""
        limits = [] if self.steps is None else [self.steps]
        if self.robot_seconds is not None:
            limits.append(int(self.robot_seconds / dt + 1e-9))
        found = min(limits, default=None)
        if found is not None and found < least:
            asked = f"robot_seconds={self.robot_seconds:g}" if found != self.steps else f"steps={self.steps}"
            steps = f"{least} control step{'s' * (least > 1)}"
            raise SurefootError(f"adaptation budget {asked}: expected {steps} or more, {least * dt:g} s of motion")
        return found


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
class Estimate:
    """What a method believes of a parameter: mean and standard deviation, and the true value where it is known.

    `std` is NaN where the method does not say how sure it is: one that looks for what walks best, not for what is true.
    `ends` are those of the 90 % interval where it is not symmetric.
    """

    mean: float
    std: float = math.nan
    true: float | None = None
    ends: tuple[float, float] | None = None

    def interval(self) -> tuple[float, float]:
        """That should hold the truth in 90 % of cases; NaN where there is none."""
        return self.ends or (self.mean - 1.645 * self.std, self.mean + 1.645 * self.std)


@dataclass(frozen=True)
class Adaptation:
    """The outcome: the adapted controller, the curve from before to after, and what the method inferred.

    `refused` says why the safety gate has put the controller as it was in the adapted one's place; empty where it has not.
    """

    method: str
    task: Task
    controller: Controller
    curve: tuple[Point, ...]
    inferred: Mapping[str, Estimate] = field(default_factory=dict)
    refused: str = ""

    @property
    def before(self) -> Point:
        return self.curve[0]

    @property
    def after(self) -> Point:
        return self.curve[-1]

    def record(self) -> Adapted:
        """What the adapted controller's file keeps of this."""
        tracking = [float(p.evaluation.tracking) for p in self.curve]
        return Adapted(
            method=self.method,
            task=str(self.task),
            seconds=tuple(p.seconds for p in self.curve),
            robot_seconds=tuple(p.robot_seconds for p in self.curve),
            returns=tuple(float(p.evaluation.mean) for p in self.curve),
            tracking=tuple(tracking) if all(map(math.isfinite, tracking)) else (),
        )


class Adapter(Protocol):
    """A method: never changes the controller that it is given."""

    def __call__(
        self, controller: Controller, task: Task, budget: Budget, *, seed: int = 0, episodes: int = 50, points: int = 4
    ) -> Adaptation:
        """`episodes` are those of each evaluation on the curve, `points` how many follow the first, at most.

        Raises `SurefootError` for a budget that ends before anything can be learnt.
        """
        ...
