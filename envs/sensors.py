"""What sensors make of an observation: noise, bias, a turned or displaced IMU, encoders that are off.

A task computes what is true, for its rewards too; here the parts of its observation that are measured (by their names in
`observation_layout`) are changed in place, in the worlds that have such parameters. Commands, last actions and clocks are
known, not measured. Random numbers come from the environment's generator, and only while some world needs them.
"""

from collections.abc import Mapping

import numpy as np

from ..robots.layout import as_slice
from .simulation import Simulation

# Which sensor a part of an observation comes from. Of a robot without an IMU `angular_velocity` is a joint's.
SENSOR_OF = {
    "position": "position", "joint_position": "position", "angle": "position", "direction": "position",
    "velocity": "velocity", "joint_velocity": "velocity", "linear_velocity": "speed", "angular_velocity": "gyro",
    "gravity": "gravity",
}  # fmt: skip


class Sensors:
    """The sensors of all worlds of one environment, between task and controller."""

    def __init__(self, sim: Simulation, layout: Mapping[str, int], joint_order: np.ndarray | None):
        """`layout`: size of each part of the observation; `joint_order`: in which joints are observed, None: the robot's."""
        self.sim, table = sim, sim.table
        kinds = [name.split(".")[1] for name in table.names if name.startswith("sensor_noise.")]
        self._parts: dict[str, slice] = {}
        first, kind_of = 0, np.full(sum(layout.values()), -1)
        for name, size in layout.items():
            part = self._parts[name] = slice(first, first + size)
            first += size
            kind = SENSOR_OF.get(name)
            if kind == "gyro" and kind not in kinds:
                kind = "velocity"
            if kind in kinds:
                kind_of[part] = kinds.index(kind)
        self._measured = as_slice(np.flatnonzero(kind_of >= 0))
        self._kind_of = kind_of[kind_of >= 0]

        def columns(name: str) -> np.ndarray:
            return table.columns(name) if name not in table.absent else np.zeros(0, np.int64)

        self._noise, self._bias = columns("sensor_noise"), columns("sensor_bias")
        self._turn, self._place, self._encoder = map(columns, ("imu_rotation", "imu_position", "encoder_offset"))
        if joint_order is not None and len(self._encoder):
            self._encoder = self._encoder[joint_order]
        if self._parts.get("joint_position", slice(0, 0)) != slice(0, 0):
            joints = self._parts["joint_position"]
            if joints.stop - joints.start != len(self._encoder):
                self._encoder = np.zeros(0, np.int64)
        n, size = sim.num_worlds, len(self._kind_of)
        self._level, self._drawn, self._error, self._random = (np.zeros((n, size), np.float32) for _ in range(4))
        self._spread = np.zeros(
            (n, size)
        )  # of the constant error, which is what was `_drawn` for the episode times this
        self._displaced, self._matrix = np.zeros((n, 3)), np.tile(np.eye(3), (n, 1, 1))
        self._offset = np.zeros((n, len(self._encoder)))
        self._noisy = self._biased = self._turned = self._off = False

    def _refresh(self) -> None:
        """Look up the parameters of worlds that were given others."""
        ids = np.flatnonzero(self.sim.fresh)
        self.sim.fresh[:] = False
        values = self.sim.values[ids]
        if len(self._noise):
            self._level[ids] = values[:, self._noise][:, self._kind_of]
            self._noisy = bool(self._level.any())
        if len(self._bias):
            self._spread[ids] = values[:, self._bias][:, self._kind_of]
            self._biased = bool(self._spread.any())
            self._error[ids] = self._drawn[ids] * self._spread[ids]
        if len(self._turn) and (self._turned or values[:, self._turn].any() or values[:, self._place].any()):
            self._matrix[ids], self._displaced[ids] = _rotations(values[:, self._turn]), values[:, self._place]
            self._turned = bool(self._displaced.any() or (self._matrix != np.eye(3)).any())
        if "joint_position" in self._parts:
            self._offset[ids] = values[:, self._encoder]
            self._off = bool(self._offset.any())

    def begin(self, ids: np.ndarray, rng: np.random.Generator) -> None:
        """Worlds `ids` begin an episode, with other constant errors."""
        if self.sim.fresh.any():
            self._refresh()
        if self._biased:
            self._drawn[ids] = rng.standard_normal((len(ids), len(self._kind_of)), np.float32)
            self._error[ids] = self._drawn[ids] * self._spread[ids]

    def measure(self, ids: np.ndarray | slice, seen: np.ndarray, rng: np.random.Generator) -> None:
        """Change true observations `seen` (N, O) of worlds `ids` into measured ones, in place."""
        if self.sim.fresh.any():
            self._refresh()
        if not (self._noisy or self._biased or self._turned or self._off):
            return
        rows = seen[ids]  # of a slice it is `seen` itself
        if self._turned:
            self._misplace(rows, ids)
        if self._off:
            rows[:, self._parts["joint_position"]] += self._offset[ids]
        if self._biased:
            rows[:, self._measured] += self._error[ids]
        if self._noisy:
            noise = rng.standard_normal(dtype=np.float32, out=self._random[: len(rows)])
            noise *= self._level[ids]
            rows[:, self._measured] += noise
        if not isinstance(ids, slice):
            seen[ids] = rows

    def _misplace(self, rows: np.ndarray, ids: np.ndarray | slice) -> None:
        """The IMU's own axes, and the velocity of the place where it is: v + w x r."""
        turn, place = self._matrix[ids], self._displaced[ids]
        linear, angular = self._parts.get("linear_velocity"), self._parts.get("angular_velocity")
        if linear is not None and angular is not None:
            rows[:, linear] += np.cross(rows[:, angular], place)
        for name in ("linear_velocity", "angular_velocity", "gravity"):
            if name in self._parts:
                part = self._parts[name]
                rows[:, part] = np.einsum("nji,nj->ni", turn, rows[:, part])


def _rotations(vectors: np.ndarray) -> np.ndarray:
    """Matrices (n, 3, 3) of rotation vectors (n, 3), rad (Rodrigues' formula)."""
    angle = np.linalg.norm(vectors, axis=1)[:, None, None]
    x, y, z = (vectors / np.where(angle[:, :, 0] > 0, angle[:, :, 0], 1.0)).T
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=1).reshape(-1, 3, 3)
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * (cross @ cross))
