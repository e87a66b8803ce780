"""`push`: an arm moves an object on the table."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import mujoco
import numpy as np

from ...robots import SurefootError
from .. import rewards
from ..simulation import Simulation
from .arm import ArmConfig, Manipulation

PUSH_WEIGHTS = {
    "object_distance": -4.0,
    "object_near": 2.0,
    "object_at_goal": 2.0,
    "behind": 1.0,
    "tool_height": -2.0,
    "action_rate": -0.01,
    "joint_speed": -0.005,
}


@dataclass(frozen=True)
class PushConfig(ArmConfig):
    """As `ArmConfig`, of which `spread` means nothing here.

    Attributes:
        pace: share of `Robot.action_scale` by which an action of 1 moves a joint's target: slower than a reach.
        area: half-width of the square on the table in which object and goal lie, m.
        least: distance between them at the start, m.
    """

    start: float = 0.02
    success: float = 0.05
    pace: float = 0.4
    area: float = 0.15
    least: float = 0.1
    weights: Mapping[str, float] = field(default_factory=lambda: dict(PUSH_WEIGHTS))
    episode_seconds: float = 8.0


OBJECT_MASS, OBJECT_RADIUS, OBJECT_HEIGHT = 0.3, 0.04, 0.08  # kg, m, m
TABLE_FRICTION = 0.5  # of wood on wood
TIP = 0.02  # m, radius of the ball with which the tool pushes
TIP_FRICTION = 1.0  # of rubber: it does not slip off at once
# Share of an error of height and tilt that a control step makes up for: of the targets', which servos follow, and of the tool's
# own, which lags (more, and it swings).
AT_ONCE, IN_TIME = 0.5, 0.05
DAMPING = 1e-4  # m^2, of the inverse: poses near a singularity move less


class Push(Manipulation):
    """Push a cylinder to a goal on the table. Goals: `x` and `y` of the goal, m.

    The cylinder slides and does not turn or tip; it touches the table with one point, so that its friction and mass are what
    its parameters say. The tool touches it with a ball of `TIP` m.

    Actions move the joints' targets as far as the tool stays at half the object's height and upright, so that what is learnt is
    where to push and not how to hold six joints together (a planar pusher, as in Yu et al., 2016, "More than a million ways
    to be pushed").
    """

    name = "push"
    command_names = ("x", "y")
    config_type = PushConfig
    known_terms = PUSH_WEIGHTS
    world_state = (*Manipulation.world_state, "_anchor", "_axis", "_frame")
    added: ClassVar = {"to_object": 3, "to_goal": 2, "object_velocity": 2, "to_behind": 3}

    def __init__(self, sim: Simulation, rng: np.random.Generator, config: Any = None):
        super().__init__(sim, rng, config)
        model = sim.model
        slides = [model.joint(f"object_{axis}").id for axis in "xyz"]
        self._object_q, self._object_v = model.jnt_qposadr[slides], model.jnt_dofadr[slides]
        self._rest = np.array([0.0, 0.0, OBJECT_HEIGHT / 2])
        self._middle = self._lower()
        self._chain()

    @classmethod
    def furnish(cls, spec: mujoco.MjSpec, tool: str) -> None:
        """Put a goal, an object that slides and a ball at the tool into the robot's spec, in place."""
        goal = spec.worldbody.add_body(name="target", mocap=True)
        goal.add_geom(
            type=mujoco.mjtGeom.mjGEOM_CYLINDER,
            size=(0.05, 0.001, 0),
            rgba=(0.2, 0.75, 0.45, 0.7),
            contype=0,
            conaffinity=0,
        )
        thing = spec.worldbody.add_body(name="object", pos=(0, 0, OBJECT_HEIGHT / 2))
        for axis, along in zip("xyz", np.eye(3), strict=True):
            thing.add_joint(name=f"object_{axis}", type=mujoco.mjtJoint.mjJNT_SLIDE, axis=along)
        thing.add_geom(
            name="object", type=mujoco.mjtGeom.mjGEOM_CYLINDER, size=(OBJECT_RADIUS, OBJECT_HEIGHT / 2, 0), mass=OBJECT_MASS,
            rgba=(0.93, 0.52, 0.2, 1), contype=2, conaffinity=0, friction=(0.3, 0.005, 0.0001),
        )  # fmt: skip
        thing.add_geom(
            name="object_foot", type=mujoco.mjtGeom.mjGEOM_SPHERE, size=(0.01, 0, 0), pos=(0, 0, 0.01 - OBJECT_HEIGHT / 2),
            mass=0, contype=0, conaffinity=1, priority=1, friction=(TABLE_FRICTION, 0.005, 0.0001), rgba=(0, 0, 0, 0),
        )  # fmt: skip
        site = spec.site(tool)
        site.parent.add_geom(
            name="tool_ball", type=mujoco.mjtGeom.mjGEOM_SPHERE, size=(TIP, 0, 0), pos=site.pos, mass=0, contype=0,
            conaffinity=3, friction=(TIP_FRICTION, 0.005, 0.0001), rgba=(0.14, 0.14, 0.16, 1),
        )  # fmt: skip

    def _lower(self) -> np.ndarray:
        """Bend the start pose so that the tool is over the table at half the object's height; return the middle of the area.

        Damped least squares in the joints, the tool's direction kept.
        """
        model, data = self.sim.model, mujoco.MjData(self.sim.model)
        data.qpos[:] = self._reset_pose
        mujoco.mj_forward(model, data)
        start, turn = data.site_xpos[self._site].copy(), data.site_xmat[self._site].reshape(3, 3).copy()
        middle = np.array([start[0], start[1], OBJECT_HEIGHT / 2])
        goal = middle.copy()
        goal[:2] *= 1 - (self.config.area + 2 * OBJECT_RADIUS) / np.linalg.norm(
            goal[:2]
        )  # on the arm's side of the area
        jacobian = np.zeros((6, model.nv))
        for _ in range(200):
            now = data.site_xmat[self._site].reshape(3, 3)
            twist = 0.5 * sum(np.cross(now[:, k], turn[:, k]) for k in range(3))
            error = np.concatenate([goal - data.site_xpos[self._site], 0.3 * twist])
            mujoco.mj_jacSite(model, data, jacobian[:3], jacobian[3:], self._site)
            own = jacobian[:, self._at_v] * np.array([1, 1, 1, 0.3, 0.3, 0.3])[:, None]
            data.qpos[self._at_q] += own.T @ np.linalg.solve(own @ own.T + 1e-3 * np.eye(6), error)
            data.qpos[self._at_q] = np.clip(data.qpos[self._at_q], self._low, self._high)
            mujoco.mj_forward(model, data)
        self._reset_pose[self._at_q] = data.qpos[self._at_q]
        if np.linalg.norm(goal - data.site_xpos[self._site]) > 0.05:
            raise SurefootError(
                f"task 'push': the tool of {self.sim.robot.name!r} does not come down to the table at "
                f"({goal[0]:.2f}, {goal[1]:.2f}): expected a home pose over the table"
            )
        return middle[:2]

    def _chain(self) -> None:
        """Find the servos' joints that carry the tool, and which way is up for the tool at the start."""
        model, data = self.sim.model, mujoco.MjData(self.sim.model)
        body, carriers = int(model.site_bodyid[self._site]), []
        while body:
            carriers.append(body)
            body = int(model.body_parentid[body])
        joints = model.actuator_trnid[:, 0]
        direct = model.actuator_trntype == mujoco.mjtTrn.mjTRN_JOINT
        self._own = np.flatnonzero(direct & np.isin(model.jnt_bodyid[joints], carriers))
        self._joints = joints[self._own]
        self._turns = (model.jnt_type[self._joints] == mujoco.mjtJoint.mjJNT_HINGE)[:, None]
        self._anchor, self._axis = self.sim.batch.bind("xanchor"), self.sim.batch.bind("xaxis")
        self._frame = self.sim.batch.bind("site_xmat")[:, self._site]
        data.qpos[:] = self._reset_pose
        mujoco.mj_kinematics(model, data)
        self._up = data.site_xmat[self._site].reshape(3, 3)[2].copy()

    def _move(self) -> np.ndarray:
        """What the actions do to the targets, (N, nu) rad: that part of them which keeps the tool at its height and upright.

        Height and tilt are the three rows of a Jacobian J; a becomes a + J^+ (w - J a), where w makes up for their errors.
        """
        move = self._action * self._scale * self.config.pace
        axis = self._axis[:, self._joints]
        sweep = np.where(self._turns, np.cross(axis, self._tool[:, None] - self._anchor[:, self._joints]), axis)
        tilt = np.where(self._turns, axis, 0.0)
        rows = np.stack([sweep[..., 2], tilt[..., 0], tilt[..., 1]], axis=1)  # (N, 3, own)
        up = self._frame.reshape(-1, 3, 3) @ self._up
        error = np.stack([OBJECT_HEIGHT / 2 - self._tool[:, 2], up[:, 1], -up[:, 0]], axis=1)
        lead = (self._target - self.sim.qpos[:, self._at_q])[:, self._own]
        wanted = (AT_ONCE + IN_TIME) * error[..., None] - rows @ (AT_ONCE * lead + move[:, self._own])[..., None]
        across = rows.swapaxes(1, 2)
        move[:, self._own] += (across @ np.linalg.solve(rows @ across + DAMPING * np.eye(3), wanted))[..., 0]
        return move

    def _draw(self, n: int, qpos: np.ndarray) -> np.ndarray:
        c = self.config
        places = self._middle + self.rng.uniform(-c.area, c.area, (n, 2))
        goals = self._middle + self.rng.uniform(-c.area, c.area, (n, 2))
        # Those that lie too near are moved apart along the way between them.
        way = goals - places
        far = np.maximum(np.linalg.norm(way, axis=1, keepdims=True), 1e-6)
        goals = np.where(far < c.least, places + way / far * c.least, goals)
        qpos[:, self._object_q[:2]] = places
        return goals

    def _place(self, ids: np.ndarray | slice) -> np.ndarray:
        flat = self._goal[ids]
        return np.concatenate([flat, np.full((len(flat), 1), 0.001)], axis=1)

    def _object(self, ids: np.ndarray | slice) -> np.ndarray:
        return self.sim.qpos[ids][:, self._object_q] + self._rest

    def _behind(self, ids: np.ndarray | slice) -> np.ndarray:
        """Where the tool pushes the object to the goal from, (n, 3) m."""
        thing = self._object(ids)
        way = thing[:, :2] - self._goal[ids]
        thing[:, :2] += way / np.maximum(np.linalg.norm(way, axis=1, keepdims=True), 0.02) * (OBJECT_RADIUS + TIP)
        thing[:, 2] = OBJECT_HEIGHT / 2
        return thing

    def _way_round(self) -> np.ndarray:
        """How far the tool is from behind the object, on a way that goes round the object and not through it, (N,) m."""
        thing = self._object(slice(None))[:, :2]
        tool, behind = self._tool[:, :2] - thing, self._behind(slice(None))[:, :2] - thing
        far, reach = (np.maximum(np.sqrt(rewards.squared(v)), 1e-6) for v in (tool, behind))
        turn = np.arccos(np.clip(rewards.along(tool, behind) / (far * reach), -1, 1))
        return np.abs(far - (OBJECT_RADIUS + TIP)) + (OBJECT_RADIUS + TIP) * turn

    def _raw(self) -> dict[str, np.ndarray]:
        everyone = slice(None)
        self.distance[:] = rewards.distance(self._object(everyone)[:, :2], self._goal)
        return {
            "object_distance": self.distance,
            "object_near": rewards.closeness(self.distance, 0.1),
            "object_at_goal": rewards.closeness(self.distance, 0.03),
            "behind": rewards.closeness(self._way_round(), 0.1),
            "tool_height": np.abs(self._tool[:, 2] - OBJECT_HEIGHT / 2),
            "action_rate": rewards.squared(self._action - self._last_action),
            "joint_speed": rewards.squared(self.sim.qvel[:, self._at_v]),
        }

    def _seen(self, ids: np.ndarray | slice) -> list[np.ndarray]:
        tool, thing = self._tool[ids], self._object(ids)
        velocity = self.sim.qvel[ids][:, self._object_v[:2]]
        return [10 * (thing - tool), 10 * (self._goal[ids] - thing[:, :2]), velocity, 10 * (self._behind(ids) - tool)]

    def actual(self) -> np.ndarray:
        """Where the object is, (N, 2) m."""
        return self._object(slice(None))[:, :2]
