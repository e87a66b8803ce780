"""`balance` and `swing-up`: the inverted pendulums of the textbooks, as Gymnasium's CartPole-v1 and Pendulum-v1 define them.

Angles are 0 upright and grow towards +x. Our physics is MuJoCo's, with a finer time step than theirs and actions in
[-1, 1] for [-10, 10] N and [-2, 2] N m; `tests/envs/test_poles.py` compares it with their equations of motion.
"""

import math
from typing import ClassVar

import numpy as np

from ...robots import SurefootError
from ..simulation import ContactForces, Simulation
from ..variation import Task
from .fitting import TASK_OF, usual_task

# balance: gymnasium/envs/classic_control/cartpole.py
TRACK = 2.4  # m, on either side
TILT = 12 * math.pi / 180  # rad
START = 0.05  # half-width of the uniform start state, in m, m/s, rad and rad/s
# swing-up: gymnasium/envs/classic_control/pendulum.py
START_SPEED = 1.0  # rad/s, half-width; the angle is anywhere
VELOCITY_WEIGHT, TORQUE_WEIGHT = 0.1, 0.001


def normalised(angle: np.ndarray) -> np.ndarray:
    """The same angle in [-pi, pi), rad."""
    return (angle + np.pi) % (2 * np.pi) - np.pi


def swing_up_cost(angle: np.ndarray, velocity: np.ndarray, torque: np.ndarray) -> tuple[np.ndarray, ...]:
    """Pendulum-v1's cost, angle^2 + .1 velocity^2 + .001 torque^2, as its three parts; rad, rad/s, N m, each (N,)."""
    return normalised(angle) ** 2, VELOCITY_WEIGHT * velocity**2, TORQUE_WEIGHT * torque**2


class Pole:
    """What the two tasks share: one torque motor, no commands, no contacts. Observations are float32, as Gymnasium's."""

    name: str
    terms: tuple[str, ...]
    episode_steps: int
    observation_layout: ClassVar[
        dict[str, int]
    ]  # names of what is observed, in order, each with how many numbers it has
    observation_dtype: type = np.float32
    world_state: tuple[str, ...] = ()  # beside what is in the simulation
    command_names: tuple[str, ...] = ()

    def __init__(self, sim: Simulation, rng: np.random.Generator):
        self.sim, self.rng = sim, rng
        if TASK_OF.get(sim.robot.name) != self.name:
            ours = ", ".join(robot for robot, task in TASK_OF.items() if task == self.name)
            other = usual_task(sim.robot)
            raise SurefootError(f"task {self.name!r} is defined for {ours}, not for {sim.robot.name!r}: try {other!r}")
        limits = sim.model.actuator_ctrlrange
        self.action_low, self.action_high = limits[:, 0].copy(), limits[:, 1].copy()
        self.observation_size = sum(self.observation_layout.values())

    @staticmethod
    def contact_forces_of(robot: str) -> ContactForces:
        """None: nothing touches anything."""
        return "none"

    def set_goal(self, ids: np.ndarray, task: Task) -> None:
        """There is no goal to set; names one that was given."""
        for key in task.goal:
            raise SurefootError(f"unknown goal {key!r}: task {self.name!r} has no goals")

    def set_goals(self, ids: np.ndarray, goals: np.ndarray) -> None:
        """Nothing: goals are (n, 0)."""

    def reset(self, ids: np.ndarray) -> None:
        """Start worlds `ids` anew."""
        raise NotImplementedError

    def act(self, actions: np.ndarray) -> None:
        """Write actions (N, nu) to the motors."""
        self.sim.ctrl[:] = actions

    def evaluate(self, terms: np.ndarray, terminated: np.ndarray) -> np.ndarray:
        """After a step: write reward terms (N, terms) and terminated (N,); return the reward (N,)."""
        raise NotImplementedError

    def observe(self, ids: np.ndarray | slice, out: np.ndarray | None = None) -> np.ndarray:
        """Observation of worlds `ids`, (n, observation_size); written to `out` where that is given."""
        columns = self._columns(self.sim.qpos[ids], self.sim.qvel[ids])
        if out is None:
            out = np.empty((len(columns[0]), self.observation_size), self.observation_dtype)
        for i, column in enumerate(columns):
            out[:, i] = column
        return out

    def _columns(self, qpos: np.ndarray, qvel: np.ndarray) -> tuple[np.ndarray, ...]:
        raise NotImplementedError

    def command(self) -> np.ndarray:
        """No commands, (N, 0)."""
        return np.zeros((self.sim.num_worlds, 0))

    actual = hidden = command

    def restore(self, last_action: np.ndarray, command: np.ndarray, hidden: np.ndarray) -> None:
        """Nothing: state and action decide the step."""

    def contacts(self) -> np.ndarray:
        """No feet, (N, 0)."""
        return np.zeros((self.sim.num_worlds, 0), dtype=bool)


class Balance(Pole):
    """Keep the pole up on a cart that must stay on its track (CartPole-v1).

    Observation: the cart's position (m) and velocity (m/s), the pole's angle (rad) and velocity (rad/s). The reward is 1 a
    step; the episode ends beyond 2.4 m or 12 degrees, or after 500 steps.
    """

    name, terms, episode_steps = "balance", ("upright",), 500
    observation_layout: ClassVar[dict[str, int]] = {"position": 1, "velocity": 1, "angle": 1, "angular_velocity": 1}

    def reset(self, ids: np.ndarray) -> None:
        """Start worlds `ids` near the middle, nearly upright."""
        state = self.rng.uniform(-START, START, (len(ids), 4))
        self.sim.reset(ids, state[:, [0, 2]], state[:, [1, 3]], forward=False)

    def evaluate(self, terms: np.ndarray, terminated: np.ndarray) -> np.ndarray:
        """After a step: write reward terms (N, 1) and terminated (N,); return the reward (N,)."""
        place, angle = np.abs(self.sim.qpos[:, 0]), np.abs(self.sim.qpos[:, 1])
        np.logical_or(place > TRACK, angle > TILT, out=terminated)
        terms[:, 0] = 1.0  # the last step counts too, as in CartPole-v1
        return terms[:, 0]

    def _columns(self, qpos: np.ndarray, qvel: np.ndarray) -> tuple[np.ndarray, ...]:
        return qpos[:, 0], qvel[:, 0], qpos[:, 1], qvel[:, 1]


class SwingUp(Pole):
    """Swing a pendulum up and hold it there with a motor too weak to lift it in one go (Pendulum-v1).

    Observation: cosine and sine of the angle, velocity (rad/s). The reward is minus `swing_up_cost` of the state and the
    torque with which the step begins; the episode never ends before its 200 steps.
    """

    name, terms, episode_steps = "swing-up", ("angle", "velocity", "torque"), 200
    observation_layout: ClassVar[dict[str, int]] = {"direction": 2, "angular_velocity": 1}

    def __init__(self, sim: Simulation, rng: np.random.Generator):
        super().__init__(sim, rng)
        self._gear = float(sim.model.actuator_gear[0, 0])  # N m per unit of action
        self._costs: tuple[np.ndarray, ...] = (np.zeros(sim.num_worlds),) * 3

    def reset(self, ids: np.ndarray) -> None:
        """Start worlds `ids` at any angle, slowly."""
        state = self.rng.uniform((-np.pi, -START_SPEED), (np.pi, START_SPEED), (len(ids), 2))
        self.sim.reset(ids, state[:, :1], state[:, 1:], forward=False)

    def act(self, actions: np.ndarray) -> None:
        """Write actions (N, 1) to the motor; what the step costs is known now."""
        super().act(actions)
        torque = self._gear * np.clip(np.asarray(actions)[:, 0], self.action_low[0], self.action_high[0])
        self._costs = swing_up_cost(self.sim.qpos[:, 0], self.sim.qvel[:, 0], torque)

    def evaluate(self, terms: np.ndarray, terminated: np.ndarray) -> np.ndarray:
        """After a step: write reward terms (N, 3) and terminated (N,); return the reward (N,), their sum."""
        for i, cost in enumerate(self._costs):
            terms[:, i] = -cost
        terminated[:] = False
        return np.asarray(terms[:, 0] + terms[:, 1] + terms[:, 2])

    def _columns(self, qpos: np.ndarray, qvel: np.ndarray) -> tuple[np.ndarray, ...]:
        return np.cos(qpos[:, 0]), np.sin(qpos[:, 0]), qvel[:, 0]
