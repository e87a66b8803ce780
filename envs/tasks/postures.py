"""`stand-up` and `jump`: what legs do beside walking."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any, ClassVar

import mujoco
import numpy as np
from mujoco.batch import Batch

from ...robots import Robot
from ...robots.quiet import quiet
from .. import rewards
from .scene import Scene
from .velocity import Legged
from .velocity_config import WEIGHTS, VelocityConfig

FALLEN_POSES = 32  # from which `stand-up` starts
SETTLE = 1.0  # s for which a robot is left to fall and come to rest

STAND_WEIGHTS = {
    "height": 2.0,
    "upright": 1.0,
    "standing": 2.0,
    "dof_pos_limits": -0.5,
    "action_rate": -0.01,
    "energy": -1e-4,
    "ang_vel_xy": -0.01,
}
JUMP_WEIGHTS = {
    "gait": 1.0,
    "rise": 4.0,
    "pose": 0.5,
    "orientation": -5.0,
    "lin_vel_error": -0.5,
    "ang_vel_xy": -0.05,
    "dof_pos_limits": -1.0,
    "action_rate": -0.005,
    "energy": -1e-4,
}


@dataclass(frozen=True)
class StandUpConfig(VelocityConfig):
    """As `VelocityConfig`, of which commands and gait mean nothing here; the episode does not end with a fall.

    Attributes:
        stay: seconds of standing that count as success.
    """

    mean_hold: float = np.inf
    reference_gait: float = 0.0
    episode_seconds: float = 6.0
    stay: float = 1.0
    weights: dict[str, float] = field(default_factory=lambda: dict(STAND_WEIGHTS))


class StandUp(Legged):
    """Get up, from wherever a fall has left the robot, and stand.

    Starts from one of `FALLEN_POSES` poses in which a robot came to rest that was dropped at random. Every body can touch the
    ground here, by the largest of its shapes. An action of 1 or -1 is a joint's limit, 0 its home.

    Attributes:
        succeeded: (N,) bool, the robot has stood for so long: four fifths of its home height, upright.
    """

    name = "stand-up"
    command_names: tuple[str, ...] = ()
    config_type = StandUpConfig
    known_terms: ClassVar = {**WEIGHTS, **STAND_WEIGHTS}
    told, told_sign, clock_sign = 0, (), (1, 1)
    world_state: tuple[str, ...] = (*Legged.world_state, "_stood", "succeeded")

    def __init__(self, *args: Any) -> None:
        n = args[0].num_worlds
        self._stood, self.succeeded = np.zeros(n, np.int32), np.zeros(n, bool)
        super().__init__(*args)
        model, joints = self.sim.model, self.sim.model.actuator_trnid[:, 0]
        limited = model.jnt_limited[joints].astype(bool)
        low, high = np.where(limited, model.jnt_range[joints].T, ((-np.pi,), (np.pi,)))
        self._up, self._down = (
            (high - self._home_joints).astype(np.float32),
            (self._home_joints - low).astype(np.float32),
        )
        self._fallen = self._fallen_poses()

    @classmethod
    def prepare(cls, robot: Robot) -> Robot:
        """The robot whose bodies can all touch the ground; others as they are."""
        if not cls.fits(robot) or Scene.of(robot) == cls.name:
            return robot
        return dataclasses.replace(robot, make_spec=Scene(robot.make_spec, cls.name, solid))

    def _fallen_poses(self) -> np.ndarray:
        """Poses (FALLEN_POSES, nq) of robots at rest after a fall; the same in every simulation of the robot."""
        sim, rng, n = self.sim, np.random.default_rng(0), FALLEN_POSES
        batch = Batch(sim.model, nsim=n, nthread=1)
        qpos, ctrl = batch.bind("qpos"), batch.bind("ctrl")
        turn = rng.standard_normal((n, 4))
        qpos[:] = self._home
        qpos[:, 2] = 1.2 * self._home[2]
        qpos[:, 3:7] = turn / np.linalg.norm(turn, axis=1, keepdims=True)
        share = rng.uniform(-0.7, 0.7, (n, self.nu))
        targets = self._home_joints + np.where(share > 0, share * self._up, share * self._down)
        qpos[:, self._at_q] = ctrl[:] = targets
        with quiet():
            batch.step(nstep=round(SETTLE / sim.model.opt.timestep))
        calm = np.isfinite(qpos).all(axis=1) & ~batch.warning.any(axis=(1, 2))
        poses = np.array(qpos[calm])
        poses[:, :2] = 0.0
        return poses

    def reset(self, ids: np.ndarray) -> None:
        """Start worlds `ids` lying somehow."""
        qpos = self._fallen[self.rng.integers(len(self._fallen), size=len(ids))]
        self.sim.reset(ids, qpos, np.zeros((len(ids), self.sim.model.nv)), forward=False)
        self._stood[ids], self.succeeded[ids] = 0, False
        self._begin(ids)

    def _draw(self, n: int) -> np.ndarray:
        return np.zeros((n, 0))

    def _tell(self, ids: np.ndarray | slice) -> np.ndarray:
        return self._goal[ids]

    def act(self, actions: np.ndarray) -> None:
        """Turn actions (N, nu) into servo targets within the joints' limits; perhaps push."""
        super().act(actions)
        share = self._action[:, self._asked]
        self.sim.ctrl[:] = self._home_joints + np.where(share > 0, share * self._up, share * self._down)

    def _raw(self) -> dict[str, Any]:
        home, up = self._home[2], -self._gravity[:, 2]
        height = np.clip(self._height() / home, 0, 1)
        self._stood[:] = np.where((height > 0.8) & (up > 0.9), self._stood + 1, 0)
        self.succeeded |= self._stood * self.dt >= self.config.stay
        near_home = rewards.pose(self._q[:, self._at_q] - self._home_joints, self._pose_weights)
        return {
            **super()._raw(),
            "height": lambda: height,
            "upright": lambda: rewards.upright(up),
            "standing": lambda: near_home * (height > 0.8) * rewards.upright(up),
        }

    def _end(self, terminated: np.ndarray) -> None:
        terminated[:] = False

    def actual(self) -> np.ndarray:
        """Nothing is commanded, (N, 0)."""
        return self._goal


@dataclass(frozen=True)
class JumpConfig(VelocityConfig):
    """As `VelocityConfig`; `gait_frequency` is that of the jumps, and each episode has a height of its own.

    Attributes:
        heights: from which the height is drawn, m above the home pose.
    """

    mean_hold: float = np.inf
    reference_gait: float = 0.0
    gait_frequency: float = 1.0
    episode_seconds: float = 10.0
    heights: tuple[float, float] = (0.05, 0.2)
    weights: dict[str, float] = field(default_factory=lambda: dict(JUMP_WEIGHTS))


class Jump(Legged):
    """Jump on the spot in time with a clock: all feet are up in the first half of its period and down in the second.

    Goal: `height`, m, by which the base should rise above its home height.

    Attributes:
        succeeded: (N,) bool, the robot has risen so high with no foot on the ground, and landed upright on its feet.
    """

    name = "jump"
    command_names = ("height",)
    config_type = JumpConfig
    known_terms: ClassVar = {**WEIGHTS, **JUMP_WEIGHTS}
    told, told_sign, clock_sign = 1, (1,), (1, 1)
    world_state: tuple[str, ...] = (*Legged.world_state, "_peak", "succeeded")

    def __init__(self, *args: Any) -> None:
        n = args[0].num_worlds
        self._peak, self.succeeded = np.zeros(n, np.float32), np.zeros(n, bool)
        super().__init__(*args)
        self._first = np.zeros(len(self.sim.robot.feet), bool)  # all feet step together

    def _begin(self, ids: np.ndarray) -> None:
        self._peak[ids], self.succeeded[ids] = 0.0, False
        super()._begin(ids)

    def _draw(self, n: int) -> np.ndarray:
        return self.rng.uniform(self.config.heights[0], self.config.heights[1], (n, 1))

    def _moving(self) -> np.ndarray:
        return np.ones(self.sim.num_worlds, bool)

    def _tell(self, ids: np.ndarray | slice) -> np.ndarray:
        return self._goal[ids]

    def _raw(self) -> dict[str, Any]:
        down = self._feet[:, self._at_touch] > 0
        rise = self._height() - self._home[2]
        self._peak[:] = np.where(down.any(axis=1), self._peak, np.maximum(self._peak, rise))
        landed = down.all(axis=1)
        self.succeeded |= landed & (self._peak >= self._goal[:, 0]) & (self._gravity[:, 2] < -0.9)
        self._peak[landed] = 0.0
        flying = ~down.any(axis=1)
        return {**super()._raw(), "rise": lambda: flying * rewards.rise(rise, self._goal[:, 0])}

    def actual(self) -> np.ndarray:
        """How far the base is above its home height, m, (N, 1)."""
        return (self._height() - self._home[2])[:, None]


def solid(spec: mujoco.MjSpec) -> None:
    """Let every body touch the ground by the largest of its shapes, in place."""
    model = spec.compile()
    largest: dict[int, int] = {}
    for geom in range(model.ngeom):
        body = int(model.geom_bodyid[geom])
        if model.body_weldid[body] and model.geom_rbound[geom] > 0:
            best = largest.get(body)
            if best is None or model.geom_rbound[geom] > model.geom_rbound[best]:
                largest[body] = geom
    for geom in largest.values():
        shape = spec.geoms[geom]
        if not shape.contype and not shape.conaffinity:
            shape.conaffinity = 1  # the floor's contype
