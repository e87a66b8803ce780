"""`balance`, `reach` and `push` as Gymnasium's v5 environments of the small MuJoCo robots define them.

Observation, reward, termination and start follow gymnasium/envs/mujoco/{inverted_pendulum,inverted_double_pendulum,reacher,
pusher}_v5.py with default arguments; `tests/envs/test_parity.py` compares them step by step.
"""

from typing import ClassVar

import numpy as np

from ..simulation import Simulation
from .poles import Pole

FAST = 10.0  # clip of the double pendulum's velocities (m/s, rad/s) and of the force that holds its cart (N)
ARM_SPEED = 5e-3  # rad/s, half-width of the uniform start velocities of reacher and pusher
TARGET_RADIUS = 0.2  # m, reacher
PUSH_DISTANCE = 0.17  # m, the least that the pusher's cylinder lies from its goal at the start


class V5(Pole):
    """What the four share: float64, the model's own start pose, actions as they are."""

    observation_dtype = np.float64

    def __init__(self, sim: Simulation, rng: np.random.Generator):
        super().__init__(sim, rng)
        self._start = sim.robot.home_qpos(sim.model)
        self._effort = np.zeros(sim.num_worlds)

    def act(self, actions: np.ndarray) -> None:
        """Write actions (N, nu) to the motors."""
        super().act(actions)
        self._effort = np.square(np.asarray(actions)).sum(axis=1)

    def _uniform(self, ids: np.ndarray, noise: float) -> tuple[np.ndarray, np.ndarray]:
        """Start positions (n, nq) and velocities (n, nv) within `noise` of the start pose."""
        shape = (len(ids), self.sim.model.nq), (len(ids), self.sim.model.nv)
        return self._start + self.rng.uniform(-noise, noise, shape[0]), self.rng.uniform(-noise, noise, shape[1])

    def _body(self, name: str) -> np.ndarray:
        """A view of where a body is, (N, 3) m."""
        return self.sim.batch.bind("xpos")[:, self.sim.model.body(name).id]


class InvertedPendulum(V5):
    """Keep one pole up: 1 a step until it tilts by more than .2 rad.

    Observation: positions of cart (m) and pole (rad), their velocities.
    """

    name, terms, episode_steps = "balance", ("upright",), 1000
    observation_layout: ClassVar[dict[str, int]] = {"position": 2, "velocity": 2}

    def reset(self, ids: np.ndarray) -> None:
        """Start worlds `ids` within .01 of standing still, upright."""
        self.sim.reset(ids, *self._uniform(ids, 0.01))

    def evaluate(self, terms: np.ndarray, terminated: np.ndarray) -> np.ndarray:
        """After a step: write reward terms (N, 1) and terminated (N,); return the reward (N,)."""
        finite = np.isfinite(self.sim.qpos).all(axis=1) & np.isfinite(self.sim.qvel).all(axis=1)
        np.logical_or(~finite, np.abs(self.sim.qpos[:, 1]) > 0.2, out=terminated)
        terms[:, 0] = ~terminated
        return terms[:, 0]

    def _columns(self, qpos: np.ndarray, qvel: np.ndarray) -> tuple[np.ndarray, ...]:
        return *qpos.T, *qvel.T


class InvertedDoublePendulum(V5):
    """Keep two poles up, one on the other: 10 a step, less what the tip is off its place and how fast the poles turn.

    Observation: the cart's position (m), sines and cosines of the two angles, velocities (m/s, rad/s) and the force (N) that
    keeps the cart on its rail.
    """

    name, terms, episode_steps = "balance", ("upright", "distance", "velocity"), 1000
    observation_layout: ClassVar[dict[str, int]] = {"position": 1, "direction": 4, "velocity": 3, "constraint_force": 1}
    world_state = ("_tip",)  # lags the state by a substep

    def __init__(self, sim: Simulation, rng: np.random.Generator):
        super().__init__(sim, rng)
        self._tip = sim.batch.bind("site_xpos")[:, 0]
        self._constraint = sim.batch.bind("qfrc_constraint")

    def reset(self, ids: np.ndarray) -> None:
        """Start worlds `ids` near upright, with normal velocities."""
        qpos = self._start + self.rng.uniform(-0.1, 0.1, (len(ids), 3))
        self.sim.reset(ids, qpos, 0.1 * self.rng.standard_normal((len(ids), 3)))

    def evaluate(self, terms: np.ndarray, terminated: np.ndarray) -> np.ndarray:
        """After a step: write reward terms (N, 3) and terminated (N,); return the reward (N,), their sum."""
        x, _, z = self._tip.T
        _, v1, v2 = self.sim.qvel.T
        np.less_equal(z, 1, out=terminated)
        terms[:, 0] = 10.0 * ~terminated
        terms[:, 1] = -(0.01 * x**2 + (z - 2) ** 2)
        terms[:, 2] = -(1e-3 * v1**2 + 5e-3 * v2**2)
        return np.asarray(terms[:, 0] + terms[:, 1] + terms[:, 2])

    def observe(self, ids: np.ndarray | slice, out: np.ndarray | None = None) -> np.ndarray:
        """v5's observation of worlds `ids`, (n, 9); written to `out` where that is given."""
        qpos = self.sim.qpos[ids]
        parts = [qpos[:, :1], np.sin(qpos[:, 1:]), np.cos(qpos[:, 1:]), np.clip(self.sim.qvel[ids], -FAST, FAST)]
        return np.concatenate([*parts, np.clip(self._constraint[ids][:, :1], -FAST, FAST)], axis=1, out=out)


class Reacher(V5):
    """Bring the fingertip of a planar arm of two links to a target: minus the distance, minus the effort.

    Observation: cosines and sines of the two angles, the target's place (m), the joints' velocities (rad/s), from target to
    fingertip (m, x and y).
    """

    name, terms, episode_steps = "reach", ("distance", "control"), 50
    observation_layout: ClassVar[dict[str, int]] = {"direction": 4, "target": 2, "velocity": 2, "to_target": 2}
    world_state = ("_fingertip", "_target")

    def __init__(self, sim: Simulation, rng: np.random.Generator):
        super().__init__(sim, rng)
        self._fingertip, self._target = self._body("fingertip"), self._body("target")

    def reset(self, ids: np.ndarray) -> None:
        """Start worlds `ids` near the start pose, with a target anywhere within reach."""
        qpos, qvel = np.tile(self._start, (len(ids), 1)), np.zeros((len(ids), 4))
        for k in range(len(ids)):  # in Gymnasium's order of draws, of which the number depends on chance
            qpos[k] += self.rng.uniform(-0.1, 0.1, 4)
            qpos[k, 2:] = TARGET_RADIUS
            while np.linalg.norm(qpos[k, 2:]) >= TARGET_RADIUS:
                qpos[k, 2:] = self.rng.uniform(-TARGET_RADIUS, TARGET_RADIUS, 2)
            qvel[k] = self.rng.uniform(-ARM_SPEED, ARM_SPEED, 4)
        qvel[:, 2:] = 0
        self.sim.reset(ids, qpos, qvel)

    def evaluate(self, terms: np.ndarray, terminated: np.ndarray) -> np.ndarray:
        """After a step: write reward terms (N, 2) and terminated (N,); return the reward (N,), their sum."""
        terms[:, 0] = -distance(self._fingertip, self._target)
        terms[:, 1] = -self._effort
        terminated[:] = False
        return np.asarray(terms[:, 0] + terms[:, 1])

    def observe(self, ids: np.ndarray | slice, out: np.ndarray | None = None) -> np.ndarray:
        """v5's observation of worlds `ids`, (n, 10); written to `out` where that is given."""
        qpos, off = self.sim.qpos[ids], (self._fingertip[ids] - self._target[ids])[:, :2]
        angles = qpos[:, :2]
        parts = [np.cos(angles), np.sin(angles), qpos[:, 2:], self.sim.qvel[ids][:, :2], off]
        return np.concatenate(parts, axis=1, out=out)


class Pusher(V5):
    """Push a cylinder to a goal on the table with an arm of seven joints: minus the distances, minus the effort.

    Observation: the arm's positions and velocities (rad, rad/s), places of its tip, the cylinder and the goal (m).
    """

    name, terms, episode_steps = "push", ("distance", "control", "near"), 100
    observation_layout: ClassVar[dict[str, int]] = {
        "joint_position": 7, "joint_velocity": 7, "tip": 3, "object": 3, "goal": 3
    }  # fmt: skip
    world_state = ("_tip", "_object", "_goal")

    def __init__(self, sim: Simulation, rng: np.random.Generator):
        super().__init__(sim, rng)
        self._tip, self._object, self._goal = (self._body(name) for name in ("tips_arm", "object", "goal"))

    def reset(self, ids: np.ndarray) -> None:
        """Start worlds `ids` in the start pose, with the cylinder anywhere on its part of the table."""
        qpos, qvel = np.tile(self._start, (len(ids), 1)), np.zeros((len(ids), self.sim.model.nv))
        qpos[:, -4:] = 0
        for k in range(len(ids)):  # as in `Reacher.reset`
            while np.linalg.norm(qpos[k, -4:-2]) <= PUSH_DISTANCE:
                qpos[k, -4:-2] = self.rng.uniform(-0.3, 0), self.rng.uniform(-0.2, 0.2)
            qvel[k] = self.rng.uniform(-ARM_SPEED, ARM_SPEED, self.sim.model.nv)
        qvel[:, -4:] = 0
        self.sim.reset(ids, qpos, qvel)

    def evaluate(self, terms: np.ndarray, terminated: np.ndarray) -> np.ndarray:
        """After a step: write reward terms (N, 3) and terminated (N,); return the reward (N,), their sum."""
        terms[:, 0] = -distance(self._object, self._goal)
        terms[:, 1] = -self._effort * 0.1
        terms[:, 2] = -distance(self._object, self._tip) * 0.5
        terminated[:] = False
        return np.asarray(terms[:, 0] + terms[:, 1] + terms[:, 2])

    def observe(self, ids: np.ndarray | slice, out: np.ndarray | None = None) -> np.ndarray:
        """v5's observation of worlds `ids`, (n, 23); written to `out` where that is given."""
        joints = [self.sim.qpos[ids][:, :7], self.sim.qvel[ids][:, :7]]
        return np.concatenate([*joints, self._tip[ids], self._object[ids], self._goal[ids]], axis=1, out=out)


def distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Between places a and b (N, 3): (N,), m. By dot products, whose bits are those of `np.linalg.norm` of one vector."""
    off = a - b
    return np.sqrt(np.vecdot(off, off))
