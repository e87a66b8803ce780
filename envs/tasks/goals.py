"""`direction`, `goal-velocity`, `goal-position`: walk some way, at some speed, to some place, on legs.

Each turns its goal into the velocity command of the moment, so that gait, reward terms and what was learned on `velocity` serve
all three. With the option `hidden` the goal is not observed: whoever acts has to find it out, as in the task families that
meta-learning is measured on (Finn et al., 2017).
"""

from dataclasses import dataclass, field

import numpy as np

from .. import rewards
from .velocity import Legged, columns
from .velocity_config import WEIGHTS, VelocityConfig

TURN = 1.5  # 1/s, yaw rate commanded per rad of heading error
APPROACH = 1.5  # 1/s, speed commanded per metre from the goal
PROGRESS = {**WEIGHTS, "progress": 1.0}
ARRIVAL = {**PROGRESS, "at_goal": 1.0}


@dataclass(frozen=True)
class DirectionConfig(VelocityConfig):
    """As `VelocityConfig`; vx, vy and yaw are the largest commands, and a goal is held for the episode.

    Attributes:
        hidden: the goal is not observed (zeros stand for it).
    """

    mean_hold: float = np.inf
    hidden: bool = False
    weights: dict[str, float] = field(default_factory=lambda: dict(PROGRESS))


@dataclass(frozen=True)
class GoalVelocityConfig(DirectionConfig):
    """As `DirectionConfig`."""

    weights: dict[str, float] = field(default_factory=lambda: dict(WEIGHTS))


@dataclass(frozen=True)
class GoalPositionConfig(DirectionConfig):
    """As `DirectionConfig`.

    Attributes:
        distance: goals lie up to so far from the start, m.
        radius: the goal is reached within it, m, where the base stays for `stay` seconds.
    """

    distance: float = 3.0
    radius: float = 0.25
    stay: float = 0.5
    weights: dict[str, float] = field(default_factory=lambda: dict(ARRIVAL))


class GoalDirected(Legged):
    """What the three share: a goal of their own, from which the command follows."""

    known_terms = ARRIVAL

    def _tell(self, ids: np.ndarray | slice) -> np.ndarray:
        seen = self._seen_goal(ids)
        return np.zeros_like(seen) if self.config.hidden else seen

    def _seen_goal(self, ids: np.ndarray | slice) -> np.ndarray:
        """The goal as it is observed, (n, told)."""
        raise NotImplementedError

    def _heading(self, ids: np.ndarray | slice) -> np.ndarray:
        """Where the base's x axis points, rad from the world's, (n,)."""
        w, x, y, z = self._q[ids, 3:7].T
        return np.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))


class Direction(GoalDirected):
    """Run one way, given as an angle in the world, turning to it first.

    Goal: `heading`, rad. Observed: its cosine and sine in the base's frame, beside what `velocity` observes.
    """

    name = "direction"
    command_names = ("heading",)
    config_type = DirectionConfig
    told, told_sign = 2, (1, -1)

    def _draw(self, n: int) -> np.ndarray:
        return self.rng.uniform(-np.pi, np.pi, (n, 1))

    def _aim(self, ids: np.ndarray | slice) -> None:
        error = self._goal[ids, 0] - self._heading(ids)
        self._command[ids, 0] = self._limits[0] * np.maximum(np.cos(error), 0)
        self._command[ids, 1] = 0.0
        error = (error + np.pi) % (2 * np.pi) - np.pi
        self._command[ids, 2] = np.clip(TURN * error, -self._limits[2], self._limits[2])

    def _seen_goal(self, ids: np.ndarray | slice) -> np.ndarray:
        error = self._goal[ids, 0] - self._heading(ids)
        return np.stack([np.cos(error), np.sin(error)], axis=1)

    def _raw(self):  # type: ignore[no-untyped-def]
        angle = self._goal[:, 0]
        way = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        return {**super()._raw(), "progress": lambda: rewards.along(self._v[:, :2], way)}

    def actual(self) -> np.ndarray:
        """Heading of the base, rad, (N, 1)."""
        return self._heading(slice(None))[:, None]


class GoalVelocity(GoalDirected):
    """Walk straight on at one speed, held for the episode. Goal: `speed`, m/s along the base's x axis."""

    name = "goal-velocity"
    command_names = ("speed",)
    config_type = GoalVelocityConfig
    told, told_sign = 1, (1,)

    def _draw(self, n: int) -> np.ndarray:
        return self.rng.uniform(0, self.config.vx, (n, 1))

    def _aim(self, ids: np.ndarray | slice) -> None:
        self._command[ids, 0] = self._goal[ids, 0]

    def _seen_goal(self, ids: np.ndarray | slice) -> np.ndarray:
        return self._goal[ids]

    def actual(self) -> np.ndarray:
        """Speed of the base along its x axis, m/s, (N, 1)."""
        return self._linear[:, :1]


class GoalPosition(GoalDirected):
    """Walk to a place and stay there. Goals: `x` and `y`, m from where the episode began, along the world's axes.

    Observed: the way still to go in the base's frame, m.

    Attributes:
        succeeded: (N,) bool, the base has been within the radius for so long.
    """

    name = "goal-position"
    command_names = ("x", "y")
    config_type = GoalPositionConfig
    told, told_sign = 2, (1, -1)
    world_state: tuple[str, ...] = (*Legged.world_state, "_origin", "_there", "succeeded")

    def __init__(self, *args) -> None:  # type: ignore[no-untyped-def]
        n = args[0].num_worlds
        self._origin, self._there, self.succeeded = columns(n, 2), np.zeros(n, np.int32), np.zeros(n, bool)
        super().__init__(*args)

    def _begin(self, ids: np.ndarray) -> None:
        self._origin[ids] = self.sim.qpos[ids, :2]
        self._there[ids], self.succeeded[ids] = 0, False
        super()._begin(ids)

    def _draw(self, n: int) -> np.ndarray:
        way, angle = self.config.distance * np.sqrt(self.rng.random(n)), self.rng.uniform(-np.pi, np.pi, n)
        return np.stack([way * np.cos(angle), way * np.sin(angle)], axis=1)

    def _to_go(self, ids: np.ndarray | slice) -> np.ndarray:
        """From base to goal along the world's axes, (n, 2) m."""
        return self._goal[ids] + self._origin[ids] - self._q[ids, :2]

    def _seen_goal(self, ids: np.ndarray | slice) -> np.ndarray:
        (x, y), angle = self._to_go(ids).T, self._heading(ids)
        cos, sin = np.cos(angle), np.sin(angle)
        return np.stack([cos * x + sin * y, cos * y - sin * x], axis=1)

    def _aim(self, ids: np.ndarray | slice) -> None:
        x, y = self._seen_goal(ids).T
        far = np.hypot(x, y)
        vx, vy, yaw = self._limits
        self._command[ids, 0] = np.clip(APPROACH * x, -vx / 2, vx)
        self._command[ids, 1] = np.clip(APPROACH * y, -vy, vy)
        self._command[ids, 2] = np.clip(TURN * np.arctan2(y, x), -yaw, yaw) * (far > self.config.radius)
        self._command[ids] *= (far > self.config.radius / 2)[:, None]  # stand

    def _raw(self):  # type: ignore[no-untyped-def]
        to_go = self._to_go(slice(None))
        squared = rewards.squared(to_go)
        way = to_go / np.sqrt(np.maximum(squared, 1e-6))[:, None]
        closing = (squared > self.config.radius**2) * rewards.along(self._v[:, :2], way)
        self._there[:] = np.where(squared <= self.config.radius**2, self._there + 1, 0)
        self.succeeded |= self._there * self.dt >= self.config.stay
        return {**super()._raw(), "progress": lambda: closing, "at_goal": lambda: rewards.tracking(squared)}

    def actual(self) -> np.ndarray:
        """Where the base is, m from where the episode began, (N, 2)."""
        return self._q[:, :2] - self._origin
