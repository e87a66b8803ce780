"""`run`: forward locomotion exactly as Gymnasium's v5 environments define it, for all worlds at once.

Observation, reward, termination and reset distribution follow gymnasium/envs/mujoco/{half_cheetah,hopper,walker2d,ant,
humanoid,swimmer}_v5.py with default arguments; `tests/envs/test_parity.py` compares them step by step.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...robots import SurefootError
from ..simulation import ContactForces, Simulation
from ..variation import Task
from . import reflection
from .fitting import usual_task


@dataclass(frozen=True)
class RunConfig:
    """Constants of one robot's v5 task.

    Attributes:
        forward, control, contact, healthy: weights of the reward terms.
        z, angle: open (planar robots, humanoid) or closed (ant) intervals in which the torso is healthy, m and rad.
        reset_noise: half-width of the uniform start noise, or standard deviation where it is normal.
        normal_velocity_noise, normal_position_noise: start velocities, positions are normal instead of uniform.
        max_contact_cost: clip of the humanoid's contact cost.
        last_step_counts: the step that ends an episode is paid for being healthy too.
        sees_place: the way travelled is observed.
    """

    forward: float = 1.0
    control: float = 0.1
    contact: float = 0.0
    healthy: float = 0.0
    z: tuple[float, float] = (-np.inf, np.inf)
    angle: tuple[float, float] = (-np.inf, np.inf)
    reset_noise: float = 5e-3
    normal_velocity_noise: bool = False
    normal_position_noise: bool = False
    max_contact_cost: float = np.inf
    last_step_counts: bool = False
    sees_place: bool = False
    episode_steps: int = 1000


CONFIGS = {
    "half_cheetah": RunConfig(control=0.1, reset_noise=0.1, normal_velocity_noise=True),
    "hopper": RunConfig(control=1e-3, healthy=1.0, z=(0.7, np.inf), angle=(-0.2, 0.2)),
    "walker2d": RunConfig(control=1e-3, healthy=1.0, z=(0.8, 2.0), angle=(-1.0, 1.0)),
    "ant": RunConfig(control=0.5, contact=5e-4, healthy=1.0, z=(0.2, 1.0), reset_noise=0.1, normal_velocity_noise=True),
    "humanoid": RunConfig(
        forward=1.25, control=0.1, contact=5e-7, healthy=5.0, z=(1.0, 2.0), reset_noise=1e-2, max_contact_cost=10.0
    ),
    "swimmer": RunConfig(control=1e-4, reset_noise=0.1),
}


class Run:
    """Run forward as fast as possible. One instance drives all N worlds of a `Simulation`.

    Observation (float64, `observation_layout`), as v5's: generalised positions without the way travelled (m, rad), generalised
    velocities (m/s, rad/s); ant: clipped contact forces on each body (N m, N); humanoid: inertia and velocity of each body
    in the frame of the centre of mass, motor forces (N m), contact forces.

    Attributes:
        symmetric: what is asked, and the ground, are the same left and right.
    """

    observation_dtype = np.float64
    command_names: tuple[str, ...] = ()
    symmetric: ClassVar[bool] = True

    def __init__(self, sim: Simulation, rng: np.random.Generator):
        self.sim, self.rng = sim, rng
        self.name = sim.robot.name
        self.config = self.config_for(self.name)
        self.episode_steps = self.config.episode_steps
        self.dt = sim.robot.control_dt
        self.terms = ("forward", "control", *(("survive",) if self.config.healthy else ()))
        if self.config.contact:
            self.terms += ("contact",)
        n, model = sim.num_worlds, sim.model
        self._start = sim.robot.home_qpos(model)
        limits = model.actuator_ctrlrange
        self.action_low, self.action_high = limits[:, 0].copy(), limits[:, 1].copy()
        self._skip = 0 if self.config.sees_place else 2 if self.name in ("ant", "humanoid", "swimmer") else 1
        self._sees_forces = self.name == "humanoid" or self.config.contact > 0
        self._clip_velocity = self.name in ("hopper", "walker2d")
        if self.name == "ant":  # Gymnasium measures the torso's xpos, which lags qpos by one substep
            self._xpos = sim.batch.bind("xpos")[:, model.body(sim.robot.base).id]
        elif self.name == "humanoid":
            self._xipos, self._cinert, self._cvel, self._motor = (
                sim.batch.bind(f) for f in ("xipos", "cinert", "cvel", "qfrc_actuator")
            )
        # Arrays with N rows that, with the simulation's state, decide how a world goes on: positions that lag the state.
        self.world_state: tuple[str, ...] = {"ant": ("_xpos",), "humanoid": ("_xipos",)}.get(self.name, ())
        self._x_before, self._effort = np.zeros(n), np.zeros(n)
        bodies = model.nbody - 1  # without the world
        self.observation_layout = {"position": model.nq - self._skip, "velocity": model.nv}
        if self.name == "humanoid":
            self.observation_layout |= {"body_inertia": 10 * bodies, "body_velocity": 6 * bodies}
            self.observation_layout |= {"motor_force": model.nv - 6}
        if self._sees_forces:
            self.observation_layout["contact_force"] = 6 * bodies
        self.observation_size = sum(self.observation_layout.values())

    @classmethod
    def config_for(cls, robot: str) -> RunConfig:
        """The constants of a robot. Raises `SurefootError` for one that the task is not defined for."""
        if robot not in CONFIGS:
            other = usual_task(robot)
            raise SurefootError(f"task 'run' is defined for {', '.join(CONFIGS)}, not for {robot!r}: try {other!r}")
        return CONFIGS[robot]

    @classmethod
    def contact_forces_of(cls, robot: str) -> ContactForces:
        """Which contact forces the task needs; none of a robot that it is not defined for, which is refused later."""
        return "exact" if robot in CONFIGS and cls.config_for(robot).contact else "none"

    def set_goal(self, ids: np.ndarray, task: Task) -> None:
        """`run` has no goal to set; names one that was given."""
        for key in task.goal:
            raise SurefootError(f"unknown goal {key!r}: task 'run' has no goals")

    def set_goals(self, ids: np.ndarray, goals: np.ndarray) -> None:
        """Nothing: goals are (n, 0)."""

    def reset(self, ids: np.ndarray) -> None:
        """Start worlds `ids` near the nominal pose, with v5's noise."""
        n, noise, nq, nv = len(ids), self.config.reset_noise, self.sim.model.nq, self.sim.model.nv
        if self.config.normal_position_noise:
            qpos = self._start + noise * self.rng.standard_normal((n, nq))
        else:
            qpos = self._start + self.rng.uniform(-noise, noise, (n, nq))
        if self.config.normal_velocity_noise:
            qvel = noise * self.rng.standard_normal((n, nv))
        else:
            qvel = self.rng.uniform(-noise, noise, (n, nv))
        self.sim.reset(ids, qpos, qvel)

    def act(self, actions: np.ndarray) -> None:
        """Write actions (N, nu) to the motors and remember where the robots were."""
        self.sim.ctrl[:] = actions
        self._effort = np.square(self._paid(actions)).sum(axis=1)
        self._x_before[:] = self._x()

    def _paid(self, actions: np.ndarray) -> np.ndarray:
        """What the control cost is of, (N, nu): the actions, in their own precision, as Gymnasium does."""
        return self.sim.ctrl if self.name == "humanoid" else np.asarray(actions)

    def _x(self) -> np.ndarray:
        """How far the robots have come, m (N,): its change is what `forward` pays for."""
        return self._place(0)

    def _place(self, axis: int) -> np.ndarray:
        """Where the robots are, m (N,), along x (0) or y (1): the ant's torso, the humanoid's centre of mass."""
        if self.name == "ant":
            return self._xpos[:, axis]
        if self.name == "humanoid":
            mass = self._mass()
            return np.einsum("nb,nb->n", mass, self._xipos[:, :, axis]) / mass.sum(axis=1)
        return self.sim.qpos[:, axis]

    def _mass(self) -> np.ndarray:
        per_world = self.sim.batch.expanded("body_mass")
        return np.broadcast_to(self.sim.model.body_mass, self._xipos.shape[:2]) if per_world is None else per_world

    def evaluate(self, terms: np.ndarray, terminated: np.ndarray) -> np.ndarray:
        """After a step: write reward terms (N, terms) and terminated (N,); return the reward (N,), their sum."""
        c, sim = self.config, self.sim
        terms[:, 0] = c.forward * self._gain()
        terms[:, 1] = -c.control * self._effort
        paid, cost = terms[:, 0], terms[:, 1]
        if c.healthy:
            healthy = self._healthy()
            np.logical_not(healthy, out=terminated)
            terms[:, 2] = c.healthy if c.last_step_counts else c.healthy * healthy
            paid = paid + terms[:, 2]
        else:
            terminated[:] = False
        if c.contact:
            force = np.clip(sim.cfrc_ext, -1, 1) if self.name == "ant" else sim.cfrc_ext
            terms[:, -1] = -np.minimum(c.contact * np.square(force).sum(axis=(1, 2)), c.max_contact_cost)
            cost = cost + terms[:, -1]
        return np.asarray(paid + cost)  # in Gymnasium's order

    def _gain(self) -> np.ndarray:
        """What the step was good for, (N,): the velocity forwards, m/s."""
        return (self._x() - self._x_before) / self.dt

    def _healthy(self) -> np.ndarray:
        c, qpos, qvel = self.config, self.sim.qpos, self.sim.qvel
        if self.name == "ant":
            finite = np.isfinite(qpos).all(axis=1) & np.isfinite(qvel).all(axis=1)
            return finite & (qpos[:, 2] >= c.z[0]) & (qpos[:, 2] <= c.z[1])
        if self.name == "humanoid":
            return (qpos[:, 2] > c.z[0]) & (qpos[:, 2] < c.z[1])
        z, angle = qpos[:, 1], qpos[:, 2]
        healthy = (z > c.z[0]) & (z < c.z[1]) & (angle > c.angle[0]) & (angle < c.angle[1])
        if self.name == "hopper":
            healthy &= (np.abs(qpos[:, 2:]) < 100).all(axis=1) & (np.abs(qvel) < 100).all(axis=1)
        return healthy

    def observe(self, ids: np.ndarray | slice, out: np.ndarray | None = None) -> np.ndarray:
        """v5's observation of worlds `ids`, (n, observation_size); written to `out` where that is given."""
        sim = self.sim
        n = len(sim.qpos[ids])
        velocity = sim.qvel[ids]
        parts = [sim.qpos[ids][:, self._skip :], np.clip(velocity, -10, 10) if self._clip_velocity else velocity]
        if self.name == "humanoid":
            parts += [self._cinert[ids][:, 1:].reshape(n, -1), self._cvel[ids][:, 1:].reshape(n, -1)]
            parts.append(self._motor[ids][:, 6:])
        if self._sees_forces:
            force = sim.cfrc_ext[ids][:, 1:]
            parts.append((np.clip(force, -1, 1) if self.name == "ant" else force).reshape(n, -1))
        return np.concatenate(parts, axis=1, out=out)

    def mirror(self) -> tuple[np.ndarray, np.ndarray]:
        """Left-right mirror image of the observation: mirrored = sign * observation[index]."""
        robot, model, skip = self.sim.robot, self.sim.model, self._skip
        position, velocity = reflection.of_positions(robot, model), reflection.of_dofs(robot, model)
        parts = [(position[0][skip:] - skip, position[1][skip:]), velocity]
        if self.name == "humanoid":
            parts += [reflection.of_bodies(robot, model, signs) for signs in (reflection.INERTIA, reflection.SPATIAL)]
            parts.append((velocity[0][6:] - 6, velocity[1][6:]))
        if self._sees_forces:
            parts.append(reflection.of_bodies(robot, model, reflection.SPATIAL))
        return reflection.joined(parts)

    def command(self) -> np.ndarray:
        """No commands, (N, 0)."""
        return np.zeros((self.sim.num_worlds, 0))

    actual = command

    hidden = command

    def restore(self, last_action: np.ndarray, command: np.ndarray, hidden: np.ndarray) -> None:
        """Nothing: state and action decide the step."""

    def contacts(self) -> np.ndarray:
        """Feet are not named here, (N, 0)."""
        return np.zeros((self.sim.num_worlds, 0), dtype=bool)
