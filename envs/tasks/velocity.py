"""`velocity`: follow a joystick command (vx, vy, yaw rate) on legs, and what all legged tasks share.

Numbers are those of MuJoCo Playground's Go1 joystick task unless said otherwise; the trot clock is mjbatch's idea. Every
reward term is a function of `rewards.py`, weighted and logged by name.
"""

from collections.abc import Callable, Mapping
from typing import ClassVar, get_args, get_type_hints

import numpy as np

from ...robots import Robot, SurefootError, unknown
from ...robots.layout import as_slice
from .. import rewards
from ..ground import Ground
from ..simulation import ContactForces, Simulation
from ..variation import Task
from .fitting import does_not_fit
from .legs import first_group, foot_columns, legs_of, pose_weights, quadruped_geometry
from .velocity_config import LEGS, WEIGHTS, VelocityConfig, for_legs

LEAD = 0.75  # m/s and rad/s by which the reference gait strives beyond the speed that the base has
LIFT = 0.25  # rad, of the reference gait's thighs: raises a foot by about 9 cm
COMMANDS = ("vx", "vy", "yaw")
NOISE = {"velocity": 0.1, "gyro": 0.2, "gravity": 0.05, "joint": 0.03, "joint_velocity": 1.5}


class Legged:
    """What the tasks of robots on legs share. One instance drives all N worlds of a `Simulation`.

    Its goal is what a task gives or draws; its command (vx, vy, yaw rate) is what the gait follows at the moment. In
    `velocity` they are the same.

    Observation (float32, `observation_layout`): base linear and angular velocity in the base's frame (m/s, rad/s), projected
    gravity (unit vector), joint positions minus home (rad), joint velocities (rad/s), last action, command (m/s, m/s, rad/s),
    sine and cosine of the trot clock: 50 numbers for 12 joints.
    """

    name: ClassVar[str]
    config_type: ClassVar[type] = VelocityConfig
    known_terms: ClassVar[Mapping[str, float]] = WEIGHTS  # and their usual weights
    told: ClassVar[int] = 3  # how many numbers of an observation tell the goal
    told_sign: ClassVar[tuple[int, ...]] = (1, -1, -1)  # of each in the mirror
    clock_sign: ClassVar[tuple[int, int]] = (-1, -1)  # half a period later the other side steps
    needs: ClassVar[str] = "a position-controlled robot on legs"
    observation_dtype = np.float32
    command_names: tuple[str, ...] = COMMANDS
    # Arrays with N rows that, with the simulation's state, decide how a world goes on.
    world_state: tuple[str, ...] = (
        "_fixed",
        "_command",
        "_goal",
        "_steps_left",
        "_phase",
        "_action",
        "_last_action",
        "_q",
        "_v",
        "_linear",
        "_gravity",
        "_kind",
        "_level",
        "_centre",
    )

    def __init__(self, sim: Simulation, rng: np.random.Generator, config: VelocityConfig | None = None):
        if not self.fits(sim.robot):
            raise does_not_fit(self.name, type(self), sim.robot)
        self.sim, self.rng, self.config = sim, rng, for_legs(config or self.config_type(), len(sim.robot.feet))
        robot, model, n, c = sim.robot, sim.model, sim.num_worlds, self.config
        for name in c.weights:
            if name not in self.known_terms:
                raise unknown("reward term", name, self.known_terms)
        self.terms = tuple(c.weights)
        self._weights = np.array([c.weights[t] for t in self.terms], dtype=np.float32)
        self.dt = np.float32(robot.control_dt)
        self.episode_steps = round(c.episode_seconds / robot.control_dt)
        self.nu = nu = model.nu
        self._home = robot.home_qpos(model).astype(np.float32)
        self.joint_order = _joint_order(sim, c.leg_order)
        # A slice where nothing is reordered, which copies nothing.
        same = bool((self.joint_order == np.arange(nu)).all())
        self._asked: np.ndarray | slice = slice(None) if same else np.argsort(self.joint_order)
        self._seen: np.ndarray | slice = slice(None) if same else self.joint_order
        # Where each motor's joint is in qpos and qvel.
        joints = model.actuator_trnid[:, 0]
        self._at_q, self._at_v = as_slice(model.jnt_qposadr[joints]), as_slice(model.jnt_dofadr[joints])
        self._home_joints = self._home[self._at_q]
        self._legs = legs_of(robot, model)
        if len(robot.feet) == 4:
            # 1 where the first pair of the trot (front left, rear right) is the model's first and last leg; else -1.
            self._lead = 1.0 if self.joint_order[0] // 3 in (0, 3) else -1.0
            self._first = (np.arange(4) % 3 == 0) == (self._lead > 0)
        else:
            self._first = first_group(self._legs)
        self._scale = np.broadcast_to(np.asarray(robot.action_scale, dtype=np.float32), (nu,))
        self.action_low, self.action_high = np.full(nu, -1.0, np.float32), np.full(nu, 1.0, np.float32)
        middle, half = model.jnt_range[joints].mean(axis=1), 0.95 * np.ptp(model.jnt_range[joints], axis=1) / 2
        self._middle, self._soft_half = middle.astype(np.float32), half.astype(np.float32)
        self._pose_weights = pose_weights(sim, [leg.motors for leg in self._legs])
        self._quadruped = quadruped_geometry(sim)
        self._limits = np.array([c.vx, c.vy, c.yaw], dtype=np.float32)
        self._fixed = np.full((n, len(self.command_names)), np.nan, dtype=np.float32)
        self._steps_left = np.zeros(n, np.int32)  # until the next command
        self._command = columns(n, 3)
        self._goal = self._command if self.command_names == COMMANDS else columns(n, len(self.command_names))
        self._phase = np.zeros(n, np.float32)
        self._action, self._last_action, self._target = columns(n, nu), columns(n, nu), columns(n, nu)
        self._push = np.zeros((n, 2))
        self._sensors = sim.batch.bind("sensordata")
        self._torque = sim.batch.bind("actuator_force")
        self._q, self._v = columns(n, model.nq), columns(n, model.nv)
        self._linear, self._gravity = columns(n, 3), columns(n, 3)
        place, velocity, touch = foot_columns(robot, model)
        self._at_touch = as_slice(touch)
        self._at_foot = tuple(as_slice(at) for at in (place[:, 2], velocity[:, 0], velocity[:, 1]))
        self._at_foot_xy = tuple(as_slice(at) for at in (place[:, 0], place[:, 1]))
        self._feet, self._torques = columns(n, self._sensors.shape[1]), columns(n, nu)
        self.observation_layout = {
            "linear_velocity": 3, "angular_velocity": 3, "gravity": 3, "joint_position": nu, "joint_velocity": nu,
            "last_action": nu, "command": self.told, "gait_clock": 2,
        }  # fmt: skip
        self.observation_size = sum(self.observation_layout.values())
        self._noise = np.zeros(self.observation_size, np.float32)
        levels = (("velocity", 3), ("gyro", 3), ("gravity", 3), ("joint", nu), ("joint_velocity", nu))
        self._noise[: 9 + 2 * nu] = c.noise * np.concatenate([np.full(k, NOISE[name]) for name, k in levels])
        self.ground = Ground(sim, rng, c) if c.terrain else None
        ground = self.ground
        self._kind: np.ndarray = ground.kind if ground else np.zeros(n)
        self._level: np.ndarray = ground.level if ground else np.zeros(n)
        self._centre = ground.centre if ground else np.zeros((n, 2))
        self._stance = np.array([[leg.foot[:2] for leg in self._legs]])

    @classmethod
    def fits(cls, robot: Robot) -> bool:
        """Whether the task can be asked of this robot."""
        return robot.control == "position" and len(robot.feet) >= 2

    @staticmethod
    def contact_forces_of(robot: str) -> ContactForces:
        """Touch sensors are enough."""
        return "none"

    def set_goal(self, ids: np.ndarray, task: Task) -> None:
        """Hold the command components that `task.goal` names, from now on; the others are drawn as usual."""
        self._fixed[ids] = np.nan
        for key, value in task.goal.items():
            if key not in self.command_names:
                raise unknown(f"goal of task {self.name!r}", key, self.command_names)
            at = self.command_names.index(key)
            self._fixed[ids, at] = self._goal[ids, at] = value
        self._aim(ids)

    def set_goals(self, ids: np.ndarray, goals: np.ndarray) -> None:
        """From the next reset on, hold the goals `goals` (n, G) in worlds `ids`; those that are NaN are drawn."""
        self._fixed[ids] = goals

    def reset(self, ids: np.ndarray) -> None:
        """Start worlds `ids` near the home pose with a random heading, a small velocity and a new command."""
        n, nu = len(ids), self.nu
        qpos = np.repeat(self._home[None].astype(float), n, axis=0)
        yaw = self.rng.uniform(-np.pi, np.pi, n)
        qpos[:, 3], qpos[:, 6] = np.cos(yaw / 2), np.sin(yaw / 2)
        qpos[:, self._at_q] += self.rng.uniform(-0.1, 0.1, (n, nu))
        qvel = np.zeros((n, self.sim.model.nv))
        qvel[:, :6] = self.rng.uniform(-0.3, 0.3, (n, 6))
        if self.ground is not None:
            x, y, sine, cosine = *self._stance.transpose(2, 0, 1), np.sin(yaw)[:, None], np.cos(yaw)[:, None]
            self.ground.place(ids, qpos, np.stack([cosine * x - sine * y, sine * x + cosine * y], axis=2))
        self.sim.reset(ids, qpos, qvel, forward=False)  # what is observed comes from qpos and qvel
        self._begin(ids)

    def _begin(self, ids: np.ndarray) -> None:
        """The rest of a reset, once the state is there."""
        self._action[ids] = self._last_action[ids] = 0.0
        self._phase[ids] = self.rng.uniform(0, 2 * np.pi, len(ids))
        self._draw_commands(ids)
        self._read_state(ids)
        self._aim(ids)

    def _aim(self, ids: np.ndarray | slice) -> None:
        """Work out the command of worlds `ids` from goal and state, where they are not the same."""

    def _draw(self, n: int) -> np.ndarray:
        """Goals (n, G)."""
        drawn = self.rng.uniform(-1, 1, (n, 3)) * self._limits
        drawn *= self.rng.random((n, 3)) < self.config.active
        return drawn

    def _draw_commands(self, ids: np.ndarray) -> None:
        drawn = self._draw(len(ids))
        if np.isfinite(self.config.mean_hold):
            self._steps_left[ids] = self.rng.geometric(min(1.0, self.dt / self.config.mean_hold), len(ids))
        fixed = self._fixed[ids]
        self._goal[ids] = np.where(np.isnan(fixed), drawn, fixed)

    def act(self, actions: np.ndarray) -> None:
        """Turn actions (N, nu) into servo targets; perhaps push."""
        self._last_action[:] = self._action
        self._action[:] = actions
        # Worked out in an array of our own: MuJoCo's rows are far apart, so each pass over them costs.
        np.multiply(self._action[:, self._asked], self._scale, out=self._target)
        self._target += self._home_joints
        if self.config.reference_gait:
            self._add_reference()
        self.sim.ctrl[:] = self._target
        c = self.config
        if c.push_interval:
            hit = np.flatnonzero(self.rng.random(self.sim.num_worlds) < self.dt / c.push_interval)
            angle = self.rng.uniform(-np.pi, np.pi, len(hit))
            speed = self.rng.uniform(0, c.push_speed, len(hit))
            self._push[:] = 0.0
            self._push[hit] = np.column_stack([speed * np.cos(angle), speed * np.sin(angle)])
            self.sim.qvel[hit, :2] += self._push[hit]

    def _add_reference(self) -> None:
        """Trot, walk or tripod: swing feet are lifted, stance feet sweep back at the speed that the command asks of them.

        A foot at r moves with -(v + yaw x r) relative to the base, and half a period of it is stance (Raibert, 1986). v and
        yaw are the command's, but no further than `LEAD` from what the base does: feet that sweep at 1.5 m/s against a body
        that still runs at -1.5 m/s trip it (of quadrupeds trained for 1.5 M steps 2 % fell without this limit, .5 % with). On
        legs of length L below the hip a shift dx is the thigh angle -dx/L, dy the hip angle dy/L, and lifting by thigh +a,
        calf -2a keeps the foot below the hip.
        """
        scale = np.float32(self.config.reference_gait) * self._moving()
        wave = np.abs(self._phase * np.float32(2 / np.pi) - 2) - 1  # triangle: 1 to -1 while the first pair stands
        stride = wave * scale * np.float32(0.25 / self.config.gait_frequency)
        lift = np.sin(self._phase) * scale * np.float32(LIFT)
        up, down = (
            np.maximum(lift, np.float32(0)),
            np.maximum(-lift, np.float32(0)),
        )  # swing of the second, the first pair
        actual = np.stack([self._linear[:, 0], self._linear[:, 1], self._v[:, 5]])
        vx, vy, yaw = actual + np.clip(self._command.T - actual, -LEAD, LEAD)
        if self._quadruped is None:
            self._step_any_legs(
                stride, np.maximum(up, down) * np.float32(self.config.swing_height / LIFT), (vx, vy, yaw)
            )
            return
        for leg, (rx, ry, length) in enumerate(self._quadruped):
            first = self._first[leg]
            swing = down if first else up
            hip, thigh, calf = self._target[:, 3 * leg : 3 * leg + 3].T
            sweep = stride * np.float32((1.0 if first else -1.0) / length)
            hip += sweep * (vy + yaw * np.float32(rx))
            thigh += swing - sweep * (vx - yaw * np.float32(ry))
            calf -= 2 * swing

    def _step_any_legs(self, stride: np.ndarray, lift: np.ndarray, velocity: tuple[np.ndarray, ...]) -> None:
        """The same of legs of any kind, by their Jacobian in the home pose: feet move by `lift` and along `stride`, m.

        Feet that can turn on the spot do so as the base turns, for a sole does not slip round as a point does.
        """
        vx, vy, yaw = velocity
        for leg, first in zip(self._legs, self._first, strict=True):
            rx, ry, _ = leg.foot.astype(np.float32)
            sign = np.float32(1.0 if first else -1.0)
            swings = (np.sin(self._phase) < 0) == first
            move = leg.move.astype(np.float32)
            x, y, z = sign * stride * (vx - yaw * ry), sign * stride * (vy + yaw * rx), lift * swings
            for motor, (by_x, by_y, by_z), by_turn in zip(leg.motors, move, leg.turn.astype(np.float32), strict=True):
                self._target[:, motor] += by_x * x + by_y * y + by_z * z
                if by_turn:
                    self._target[:, motor] += by_turn * (sign * stride * yaw)

    def _moving(self) -> np.ndarray:
        """Which worlds are asked to move, (N,) bool; the others should stand."""
        vx, vy, yaw = np.abs(self._command.T) > 0.05
        return vx | vy | yaw

    def _read_state(self, ids: np.ndarray | slice) -> None:
        """Base velocity and gravity in the base's frame, from the current state of worlds `ids`."""
        self._q[ids], self._v[ids] = self.sim.qpos[ids], self.sim.qvel[ids]
        w, x, y, z = self._q[ids, 3:7].T
        vx, vy, vz = self._v[ids, :3].T
        # Rotation by the inverse of the quaternion: v - w t + u x t with t = 2 u x v.
        tx, ty, tz = 2 * (y * vz - z * vy), 2 * (z * vx - x * vz), 2 * (x * vy - y * vx)
        self._linear[ids, 0] = vx - w * tx + (y * tz - z * ty)
        self._linear[ids, 1] = vy - w * ty + (z * tx - x * tz)
        self._linear[ids, 2] = vz - w * tz + (x * ty - y * tx)
        # The same of (0, 0, -1).
        self._gravity[ids, 0] = 2 * (w * y - x * z)
        self._gravity[ids, 1] = -2 * (w * x + y * z)
        self._gravity[ids, 2] = 2 * (x * x + y * y) - 1

    def evaluate(self, terms: np.ndarray, terminated: np.ndarray) -> np.ndarray:
        """After a step: write weighted terms (N, terms) and terminated (N,); return the reward (N,).

        The reward is the terms' sum times dt, clipped at 0 as in Playground.
        """
        c = self.config
        everyone = slice(None)
        if self.ground is not None:
            self.ground.keep()
        self._read_state(everyone)
        self._phase += np.float32(2 * np.pi * c.gait_frequency) * self.dt
        self._phase -= np.float32(2 * np.pi) * (self._phase >= np.float32(2 * np.pi))
        self._feet[:], self._torques[:] = self._sensors, self._torque
        if self.ground is not None:
            self.ground.count(self._linear[:, :2], self._command, float(self.dt))
        raw = self._raw()
        for i, name in enumerate(self.terms):
            terms[:, i] = raw[name]()
        terms *= self._weights
        self._end(terminated)
        reward = np.maximum(rewards.total(terms) * self.dt, 0.0)
        if np.isfinite(c.mean_hold):  # else commands stay, also those of a world copied from where they do not
            self._steps_left -= 1
            over = np.flatnonzero(self._steps_left == 0)
            if len(over):
                self._draw_commands(over)
        self._aim(everyone)
        return reward

    def _height(self) -> np.ndarray:
        """Of the base above the ground beneath it, (N,), m."""
        height = self._q[:, 2]
        return height if self.ground is None else height - self.ground.surface(self._q[:, 0], self._q[:, 1])

    def _end(self, terminated: np.ndarray) -> None:
        """Write which robots have fallen, (N,)."""
        c = self.config
        lowest = max(c.min_height, self.sim.robot.fallen_height or 0.0)
        np.logical_or(self._gravity[:, 2] > -c.min_up, self._height() < lowest, out=terminated)

    def _raw(self) -> dict[str, Callable[[], np.ndarray]]:
        """What each term is, unweighted, (N,)."""
        q, joint_velocity = self._q[:, self._at_q], self._v[:, self._at_v]
        c = self.config
        linear, angular, gravity, command = self._linear, self._v[:, 3:6], self._gravity, self._command
        foot_z, *foot_velocity = (self._feet[:, at] for at in self._at_foot)
        if self.ground is not None:
            foot_z = foot_z - self.ground.surface(*(self._feet[:, at] for at in self._at_foot_xy))
        contact = self._feet[:, self._at_touch] > 0
        moving, speed_squared = self._moving(), np.square(foot_velocity[0]) + np.square(foot_velocity[1])
        error_squared = rewards.squared(linear[:, :2] - command[:, :2])
        clock = np.sin(self._phase)
        return {
            "tracking_lin_vel": lambda: rewards.tracking(error_squared),
            "lin_vel_error": lambda: np.sqrt(error_squared),
            "tracking_ang_vel": lambda: rewards.tracking(np.square(angular[:, 2] - command[:, 2])),
            "gait": lambda: np.where(moving, rewards.gait_clock(contact, self._first, clock), rewards.share(contact)),
            "pose": lambda: rewards.pose(q - self._home_joints, self._pose_weights),
            "orientation": lambda: rewards.squared(gravity[:, :2]),
            "lin_vel_z": lambda: np.square(linear[:, 2]),
            "ang_vel_xy": lambda: rewards.squared(angular[:, :2]),
            "dof_pos_limits": lambda: rewards.outside_limits(q, self._middle, self._soft_half),
            "action_rate": lambda: rewards.squared(self._action - self._last_action),
            "energy": lambda: rewards.power(self._torques, joint_velocity),
            "feet_slip": lambda: rewards.foot_slip(speed_squared, contact),
            "feet_clearance": lambda: rewards.foot_clearance(
                foot_z - self.sim.robot.foot_radius, speed_squared, c.swing_height
            ),
        }

    def observe(self, ids: np.ndarray | slice, out: np.ndarray | None = None) -> np.ndarray:
        """Observation of worlds `ids`, (n, observation_size) float32; written to `out` where that is given."""
        nu = self.nu
        linear = self._linear[ids]
        if out is None:
            out = np.empty((len(linear), self.observation_size), np.float32)
        out[:, 0:3], out[:, 3:6], out[:, 6:9] = linear, self._v[ids, 3:6], self._gravity[ids]
        joints, speeds = self._q[ids][:, self._at_q], self._v[ids][:, self._at_v]
        np.subtract(joints[:, self._seen], self._home_joints[self._seen], out=out[:, 9 : 9 + nu])
        out[:, 9 + nu : 9 + 2 * nu] = speeds[:, self._seen]
        out[:, 9 + 2 * nu : 9 + 3 * nu] = self._action[ids]
        out[:, 9 + 3 * nu : -2] = self._tell(ids)
        out[:, -2], out[:, -1] = np.sin(self._phase[ids]), np.cos(self._phase[ids])
        if self.config.noise:
            out += (2 * self.rng.random(out.shape, np.float32) - 1) * self._noise
        return out

    def _tell(self, ids: np.ndarray | slice) -> np.ndarray:
        """What worlds `ids` observe of their goal, (n, told)."""
        return self._command[ids]

    def mirror(self) -> tuple[np.ndarray, np.ndarray]:
        """Left-right mirror image of the observation: mirrored = sign * observation[index]."""
        symmetry = self.sim.robot.symmetry
        if symmetry is None:
            raise SurefootError(f"robot {self.sim.robot.name!r} has no symmetry map")
        nu, joints, flip = self.nu, np.array(symmetry.index), list(symmetry.sign)
        index = [
            *range(9),
            *(9 + joints),
            *(9 + nu + joints),
            *(9 + 2 * nu + joints),
            *range(9 + 3 * nu, self.observation_size),
        ]
        sign = [1, -1, 1, -1, 1, -1, 1, -1, 1, *flip * 3, *self.told_sign, *self.clock_sign]
        return np.array(index), np.array(sign, dtype=np.float32)

    def command(self) -> np.ndarray:
        """The current goal, (N, G)."""
        return self._goal

    def actual(self) -> np.ndarray:
        """What the command asks for, as measured: vx, vy in the base's frame and yaw rate, (N, 3)."""
        return np.column_stack([self._linear[:, :2], self._v[:, 5]])

    def hidden(self) -> np.ndarray:
        """What decided the last step beside state, action and command: the clock's phase before it, the push in it, (N, 3)."""
        turned = np.float32(2 * np.pi * self.config.gait_frequency) * self.dt
        return np.column_stack([(self._phase - turned) % np.float32(2 * np.pi), self._push])

    def restore(self, last_action: np.ndarray, command: np.ndarray, hidden: np.ndarray) -> None:
        """Be where a recorded step began: last action (N, nu), goal (N, G), `hidden` (N, 3) of that step."""
        self._action[:], self._goal[:], self._phase[:] = last_action, command, hidden[:, 0]
        if self.ground is not None:
            self.ground.locate()
        self._read_state(slice(None))
        self._aim(slice(None))
        self.sim.qvel[:, :2] += hidden[:, 1:]

    def contacts(self) -> np.ndarray:
        """Which feet touch the ground, (N, F) bool."""
        return self._sensors[:, self._at_touch] > 0


class Velocity(Legged):
    """Command tracking: hold the commanded velocity and yaw rate."""

    name = "velocity"

    def set_command(self, command: tuple[float, ...]) -> None:
        """Hold this command (vx, vy, yaw) in every world from now on."""
        self._fixed[:] = self._command[:] = command


def columns(n: int, k: int) -> np.ndarray:
    """Zeros (n, k), float32, each column in one piece: passes over a component of all worlds are then fastest."""
    return np.zeros((k, n), np.float32).T


def _joint_order(sim: Simulation, leg_order: str) -> np.ndarray:
    """The robot's motor, (nu,), that each number of an action is for. Raises `SurefootError` for an unknown order."""
    orders = get_args(get_type_hints(VelocityConfig)["leg_order"])
    if leg_order not in orders:
        raise unknown("leg_order", leg_order, orders)
    motors, groups = sim.table.layout.motors, sim.robot.groups
    if leg_order == "model":
        return np.arange(len(motors))
    names = [name for leg in LEGS for name in groups.get(leg, ())]
    if sorted(names) != sorted(motors):
        raise SurefootError(
            f"leg_order='standard' needs a robot with motor groups {', '.join(LEGS)}: {sim.robot.name!r}"
        )
    return np.array([motors.index(name) for name in names])
