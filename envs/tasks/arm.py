"""`reach` and `track`, and what all tasks of arms share: any position-controlled robot that names a tool can be asked.

An action moves the joints' targets by up to `Robot.action_scale` rad a control step. Targets stay where they are put, so that a
load that makes the servos sag can be made up for, and how much they sag is observed. The floor is the table.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import mujoco
import numpy as np

from ...robots import Robot, SurefootError, unknown
from .. import rewards
from ..simulation import ContactForces, Simulation
from ..variation import Task
from .fitting import does_not_fit
from .scene import Scene

POOL = 2048  # places that targets are drawn from
LEAD = 0.25  # rad by which a target may be ahead of its joint
HELD = 5  # control steps for which the goal must be held to have succeeded

REACH_WEIGHTS = {"distance": -2.0, "near": 1.0, "at_target": 1.0, "action_rate": -0.01, "joint_speed": -0.005}


@dataclass(frozen=True)
class ArmConfig:
    """What is asked of an arm.

    Attributes:
        spread: the joints' half-range around the home pose, rad, in which targets lie.
        start: half-width of the start pose around home, rad.
        success: distance at which the goal is reached, m.
        weights: of the reward terms.
        episode_seconds: length.
    """

    spread: float = 0.7
    start: float = 0.2
    success: float = 0.02
    weights: Mapping[str, float] = field(default_factory=lambda: dict(REACH_WEIGHTS))
    episode_seconds: float = 5.0


@dataclass(frozen=True)
class TrackConfig(ArmConfig):
    """As `ArmConfig`.

    Attributes:
        radius: of the circle on which the target moves, m.
        period: of a round, s.
    """

    success: float = 0.05
    radius: float = 0.1
    period: float = 4.0
    episode_seconds: float = 8.0


class Manipulation:
    """What the three share. One instance drives all N worlds of a `Simulation`.

    Observation (float32): joint positions from home (rad), joint velocities (rad/s), targets ahead of the joints (rad), last
    action, place of the tool (m), and what the task adds.

    Attributes:
        succeeded: (N,) bool, the goal is reached and has been held for `HELD` control steps in this episode.
        distance: (N,) m, from the goal.
    """

    name: ClassVar[str]
    config_type: ClassVar[type] = ArmConfig
    known_terms: ClassVar[Mapping[str, float]] = REACH_WEIGHTS
    needs: ClassVar[str] = "a position-controlled arm with a tool"
    added: ClassVar[dict[str, int]] = {}  # what the task observes besides
    command_names: tuple[str, ...] = ("x", "y", "z")
    observation_dtype = np.float32
    world_state: tuple[str, ...] = (
        "_fixed", "_goal", "_target", "_before", "_action", "_last_action", "_held", "succeeded", "distance", "_tool",
    )  # fmt: skip

    def __init__(self, sim: Simulation, rng: np.random.Generator, config: Any = None):
        robot = sim.robot
        if not self.fits(robot):
            raise does_not_fit(self.name, type(self), robot)
        self.sim, self.rng, self.config = sim, rng, config or self.config_type()
        model, n, c = sim.model, sim.num_worlds, self.config
        for name in c.weights:
            if name not in self.known_terms:
                raise unknown("reward term", name, self.known_terms)
        self.terms = tuple(c.weights)
        self._weights = np.array([c.weights[t] for t in self.terms], np.float32)
        self.episode_steps = round(c.episode_seconds / robot.control_dt)
        self.dt, self.nu = robot.control_dt, model.nu
        joints = model.actuator_trnid[:, 0]
        self._at_q, self._at_v = model.jnt_qposadr[joints], model.jnt_dofadr[joints]
        self._home = robot.home_qpos(model)
        limited = model.actuator_ctrllimited.astype(bool)
        self._low, self._high = np.where(limited, model.actuator_ctrlrange.T, ((-np.inf,), (np.inf,)))
        self._scale = np.broadcast_to(np.asarray(robot.action_scale, float), (self.nu,))
        self.action_low, self.action_high = np.full(self.nu, -1.0, np.float32), np.full(self.nu, 1.0, np.float32)
        self._site = model.site(robot.tool).id
        self._tool = sim.batch.bind("site_xpos")[:, self._site]
        self._mocap = sim.batch.bind("mocap_pos")
        self._fixed, self._goal = (np.full((n, len(self.command_names)), v) for v in (np.nan, 0.0))
        self._target, self._before, self._action, self._last_action = (np.zeros((n, self.nu)) for _ in range(4))
        self._held, self.succeeded = np.zeros(n, np.int32), np.zeros(n, bool)
        self.distance = np.zeros(n)
        self._reset_pose = self._home.copy()
        self.observation_layout = {
            "joint_position": self.nu, "joint_velocity": self.nu, "joint_lead": self.nu, "last_action": self.nu,
            "tool": 3, **self.added,
        }  # fmt: skip
        self.observation_size = sum(self.observation_layout.values())

    @classmethod
    def fits(cls, robot: Robot) -> bool:
        """Whether the task can be asked of this robot."""
        return robot.tool is not None and robot.control == "position"

    @classmethod
    def prepare(cls, robot: Robot) -> Robot:
        """The robot with the task's things beside it; others, and one that has them, as they are."""
        if not cls.fits(robot) or Scene.of(robot) == cls.name:
            return robot
        tool = str(robot.tool)
        changed = dataclasses.replace(robot, make_spec=Scene(robot.make_spec, cls.name, lambda s: cls.furnish(s, tool)))
        if robot.home is None:
            return changed
        more = changed.make_spec().compile().nq - len(robot.home)
        return dataclasses.replace(changed, home=(*robot.home, *(0.0,) * more))

    @classmethod
    def furnish(cls, spec: mujoco.MjSpec, tool: str) -> None:
        """Put the task's things into the robot's spec, in place: a ball at the target."""
        target = spec.worldbody.add_body(name="target", mocap=True, pos=(0.4, 0, 0.3))
        target.add_geom(
            type=mujoco.mjtGeom.mjGEOM_SPHERE, size=(0.02, 0, 0), rgba=(0.2, 0.75, 0.45, 0.7), contype=0, conaffinity=0
        )

    @staticmethod
    def contact_forces_of(robot: str) -> ContactForces:
        """None is looked at."""
        return "none"

    def set_goal(self, ids: np.ndarray, task: Task) -> None:
        """Hold the goals that `task.goal` names, from now on; the others are drawn at the next reset."""
        self._fixed[ids] = np.nan
        for key, value in task.goal.items():
            if key not in self.command_names:
                raise unknown(f"goal of task {self.name!r}", key, self.command_names)
            at = self.command_names.index(key)
            self._fixed[ids, at] = self._goal[ids, at] = value

    def set_goals(self, ids: np.ndarray, goals: np.ndarray) -> None:
        """From the next reset on, hold the goals `goals` (n, G) in worlds `ids`; those that are NaN are drawn."""
        self._fixed[ids] = goals

    def reset(self, ids: np.ndarray) -> None:
        """Start worlds `ids` near the start pose, at rest, with a new goal."""
        n = len(ids)
        qpos = np.repeat(self._reset_pose[None], n, axis=0)
        qpos[:, self._at_q] += self.rng.uniform(-self.config.start, self.config.start, (n, self.nu))
        drawn = self._draw(n, qpos)
        fixed = self._fixed[ids]
        self._goal[ids] = np.where(np.isnan(fixed), drawn, fixed)
        self._target[ids] = self._before[ids] = np.clip(qpos[:, self._at_q], self._low, self._high)
        self._action[ids] = self._last_action[ids] = 0.0
        self._held[ids], self.succeeded[ids] = 0, False
        self._begin(ids)
        self._mocap[ids, 0] = self._place(ids)
        # The reset puts mocap bodies back as well, so the target is put there again.
        self.sim.reset(ids, qpos, np.zeros((n, self.sim.model.nv)))
        self._mocap[ids, 0] = self._place(ids)

    def _begin(self, ids: np.ndarray) -> None:
        """What a task has to do at a reset."""

    def _draw(self, n: int, qpos: np.ndarray) -> np.ndarray:
        """Goals (n, G); where something is put at the start, into `qpos` (n, nq)."""
        raise NotImplementedError

    def _place(self, ids: np.ndarray | slice) -> np.ndarray:
        """Where the target is shown, (n, 3) m."""
        return self._goal[ids]

    def act(self, actions: np.ndarray) -> None:
        """Move the servos' targets by actions (N, nu)."""
        self._last_action[:] = self._action
        self._action[:] = actions
        q = self.sim.qpos[:, self._at_q]
        self._before[:] = self._target
        self._target += self._move()
        np.clip(self._target, q - LEAD, q + LEAD, out=self._target)
        np.clip(self._target, self._low, self._high, out=self._target)
        self.sim.ctrl[:] = self._target

    def _move(self) -> np.ndarray:
        """What the actions do to the servos' targets, (N, nu) rad."""
        return self._action * self._scale

    def _raw(self) -> dict[str, np.ndarray]:
        """What each term is, unweighted, (N,)."""
        self.distance[:] = rewards.distance(self._tool, self._place(slice(None)))
        return {
            "distance": self.distance,
            "near": rewards.closeness(self.distance, 0.1),
            "at_target": rewards.closeness(self.distance, 0.02),
            "action_rate": rewards.squared(self._action - self._last_action),
            "joint_speed": rewards.squared(self.sim.qvel[:, self._at_v]),
        }

    def evaluate(self, terms: np.ndarray, terminated: np.ndarray) -> np.ndarray:
        """After a step: write weighted terms (N, terms) and terminated (N,); return the reward (N,), their sum times dt."""
        raw = self._raw()
        for i, name in enumerate(self.terms):
            terms[:, i] = raw[name]
        terms *= self._weights
        terminated[:] = False
        self._held[:] = np.where(self.distance <= self.config.success, self._held + 1, 0)
        self.succeeded |= self._held >= HELD
        return rewards.total(terms) * np.float32(self.dt)

    def _seen(self, ids: np.ndarray | slice) -> list[np.ndarray]:
        """What the task adds to the observation, each (n, k)."""
        raise NotImplementedError

    def observe(self, ids: np.ndarray | slice, out: np.ndarray | None = None) -> np.ndarray:
        """Observation of worlds `ids`, (n, observation_size) float32; written to `out` where that is given."""
        q = self.sim.qpos[ids][:, self._at_q]
        parts = [
            q - self._home[self._at_q],
            self.sim.qvel[ids][:, self._at_v],
            self._target[ids] - q,
            self._action[ids],
        ]
        parts = [*parts, self._tool[ids], *self._seen(ids)]
        if out is None:
            return np.concatenate(parts, axis=1).astype(np.float32)
        np.concatenate(parts, axis=1, out=out, casting="same_kind")
        return out

    def mirror(self) -> tuple[np.ndarray, np.ndarray]:
        """Raises `SurefootError`: an arm has no left and right."""
        raise SurefootError(f"robot {self.sim.robot.name!r} has no symmetry map")

    def command(self) -> np.ndarray:
        """The current goal, (N, G)."""
        return self._goal

    def actual(self) -> np.ndarray:
        """What the goal asks for, as measured: the tool's place, (N, 3) m."""
        return self._tool

    def hidden(self) -> np.ndarray:
        """The servos' targets before the last step, (N, nu)."""
        return self._before

    def restore(self, last_action: np.ndarray, command: np.ndarray, hidden: np.ndarray) -> None:
        """Be where a recorded step began: last action (N, nu), goal (N, G), `hidden` (N, nu) of that step."""
        self._action[:], self._goal[:], self._target[:] = last_action, command, hidden
        self._mocap[:, 0] = self._place(slice(None))

    def contacts(self) -> np.ndarray:
        """No feet, (N, 0)."""
        return np.zeros((self.sim.num_worlds, 0), dtype=bool)


class Reach(Manipulation):
    """Bring the tool to a place within reach and hold it there. Goal: `x`, `y`, `z`, m."""

    name = "reach"
    added: ClassVar = {"to_target": 3}

    def __init__(self, sim: Simulation, rng: np.random.Generator, config: Any = None):
        super().__init__(sim, rng, config)
        self._places = self._reachable()

    def _reachable(self) -> np.ndarray:
        """Places (P, 3), m, of the tool in poses around home, above the table; the same in every simulation of the robot."""
        model, data, rng = self.sim.model, mujoco.MjData(self.sim.model), np.random.default_rng(0)
        found = []
        for off in rng.uniform(-self.config.spread, self.config.spread, (POOL, self.nu)):
            data.qpos[:] = self._home
            data.qpos[self._at_q] = np.clip(self._home[self._at_q] + off, self._low, self._high)
            mujoco.mj_kinematics(model, data)
            found.append(data.site_xpos[self._site].copy())
        places = np.array(found)
        above = places[places[:, 2] > 0.05]
        if len(above) < POOL // 8:
            raise SurefootError(
                f"task {self.name!r}: the tool of {self.sim.robot.name!r} is hardly ever above the table"
            )
        return above

    def _draw(self, n: int, qpos: np.ndarray) -> np.ndarray:
        return self._places[self.rng.integers(len(self._places), size=n)]

    def _seen(self, ids: np.ndarray | slice) -> list[np.ndarray]:
        return [10 * (self._place(ids) - self._tool[ids])]


class Track(Reach):
    """Follow a target that goes round in a circle about a place within reach. Goal: the circle's middle, m.

    The circle lies in a plane and begins at an angle that chance decides.
    """

    name = "track"
    config_type = TrackConfig
    added: ClassVar = {"to_target": 3, "target_velocity": 3}
    world_state = (*Manipulation.world_state, "_phase", "_axes")

    def __init__(self, sim: Simulation, rng: np.random.Generator, config: Any = None):
        n = sim.num_worlds
        self._phase, self._axes = np.zeros(n), np.zeros((n, 2, 3))
        super().__init__(sim, rng, config)

    def _begin(self, ids: np.ndarray) -> None:
        self._phase[ids] = self.rng.uniform(0, 2 * np.pi, len(ids))
        a, b = self.rng.standard_normal((2, len(ids), 3))
        a /= np.linalg.norm(a, axis=1, keepdims=True)
        b -= (a * b).sum(axis=1, keepdims=True) * a
        self._axes[ids] = self.config.radius * np.stack([a, b / np.linalg.norm(b, axis=1, keepdims=True)], axis=1)

    def _place(self, ids: np.ndarray | slice) -> np.ndarray:
        phase = self._phase[ids][:, None]
        return self._goal[ids] + np.cos(phase) * self._axes[ids][:, 0] + np.sin(phase) * self._axes[ids][:, 1]

    def _velocity(self, ids: np.ndarray | slice) -> np.ndarray:
        phase, rate = self._phase[ids][:, None], 2 * np.pi / self.config.period
        return rate * (np.cos(phase) * self._axes[ids][:, 1] - np.sin(phase) * self._axes[ids][:, 0])

    def act(self, actions: np.ndarray) -> None:
        """Move the servos' targets by actions (N, nu), and the target on its way."""
        super().act(actions)
        self._phase += 2 * np.pi * self.dt / self.config.period
        self._mocap[:, 0] = self._place(slice(None))

    def _seen(self, ids: np.ndarray | slice) -> list[np.ndarray]:
        return [*super()._seen(ids), self._velocity(ids)]

    def hidden(self) -> np.ndarray:
        """Servo targets, phase and axes of the circle before the last step, (N, nu + 7)."""
        before = self._phase - 2 * np.pi * self.dt / self.config.period
        return np.column_stack([super().hidden(), before, self._axes.reshape(len(before), 6)])

    def restore(self, last_action: np.ndarray, command: np.ndarray, hidden: np.ndarray) -> None:
        """Be where a recorded step began."""
        self._phase[:], self._axes[:] = hidden[:, self.nu], hidden[:, self.nu + 1 :].reshape(-1, 2, 3)
        super().restore(last_action, command, hidden[:, : self.nu])
