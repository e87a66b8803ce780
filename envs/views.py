"""Observations that are pictures of the ground around a robot: a grid of heights, or what a camera sees."""

import mujoco
import numpy as np

from ..robots import SurefootError, unknown
from .camera import Camera
from .ground import Ground
from .simulation import Simulation
from .terrain import MARGIN, TerrainOptions

VIEWS = ("height-scan", "camera")


def grid_about(size: tuple[float, float], spacing: float) -> tuple[np.ndarray, np.ndarray, tuple[int, int]]:
    """Points (n,) ahead and to the left of the base, m, and their numbers each way: rows from the front to the back.

    In a row from left to right, as a picture of the ground that is seen from above. Raises `SurefootError` for a size or a
    spacing that makes no grid, or one that reaches beyond what is there around a robot at its patch's edge.
    """
    if not spacing > 0 or not all(0 <= side <= 2 * MARGIN for side in size):
        raise SurefootError(
            f"scan_size={size[0]:g},{size[1]:g} and scan_spacing={spacing:g}: expected sides of 0 to {2 * MARGIN:g} m, "
            "and a spacing above 0"
        )
    rows, columns = (round(side / spacing) + 1 for side in size)
    if np.hypot((rows - 1) * spacing, (columns - 1) * spacing) / 2 > MARGIN - 0.05:
        raise SurefootError(
            f"scan_size={size[0]:g},{size[1]:g} reaches {np.hypot(*size) / 2:.2f} m from the base: expected at most "
            f"{MARGIN - 0.05:.2f}"
        )
    if rows * columns > 4096:
        raise SurefootError(f"scan_spacing={spacing:g} makes {rows} x {columns} points: expected at most 4096")
    ahead = (np.arange(rows)[::-1] - (rows - 1) / 2) * spacing
    left = (np.arange(columns)[::-1] - (columns - 1) / 2) * spacing
    return np.repeat(ahead, columns), np.tile(left, rows), (rows, columns)


class HeightScan:
    """Observation `height-scan`: how far the base is above the ground at points of a grid about it, m.

    The grid turns with the base's heading, not with its tilt (legged_gym's `_get_heights`, Isaac Lab's "yaw" alignment). On
    level ground each number is the base's height.
    """

    def __init__(self, sim: Simulation, ground: Ground | None, options: TerrainOptions):
        self.sim, self.ground = sim, ground
        ahead, left, grid = grid_about(options.scan_size, options.scan_spacing)
        self.shape = (1, *grid)
        self._ahead, self._left = ahead.astype(np.float32), left.astype(np.float32)
        n = sim.num_worlds
        self._x, self._y, self._part = (np.zeros((n, len(ahead)), np.float32) for _ in range(3))

    def look(self, ids: np.ndarray | slice, out: np.ndarray | None = None) -> np.ndarray:
        """What worlds `ids` see, (n, points) float32; written to `out` where that is given."""
        state = self.sim.qpos[ids, :7].astype(np.float32)
        out = np.empty((len(state), len(self._ahead)), np.float32) if out is None else out
        if self.ground is None:
            out[:] = state[:, 2:3]
            return out
        w, x, y, z = state[:, 3:].T
        sine, cosine = 2 * (w * z + x * y), 1 - 2 * (y * y + z * z)
        length = np.maximum(np.hypot(sine, cosine), np.float32(1e-6))
        sine, cosine = (sine / length)[:, None], (cosine / length)[:, None]
        n = len(state)
        px, py, part = self._x[:n], self._y[:n], self._part[:n]
        np.multiply(cosine, self._ahead, out=px)
        np.multiply(sine, self._left, out=part)
        px -= part
        px += state[:, 0:1]
        np.multiply(sine, self._ahead, out=py)
        np.multiply(cosine, self._left, out=part)
        py += part
        py += state[:, 1:2]
        return np.subtract(state[:, 2:3], self.ground.heights(px, py), out=out)

    def mirror(self) -> np.ndarray:
        """Left-right mirror image: mirrored = numbers[index], (points,)."""
        _, rows, columns = self.shape
        return np.arange(rows * columns).reshape(rows, columns)[:, ::-1].reshape(-1)


def view_shape(name: str, options: TerrainOptions) -> tuple[int, int, int]:
    """(channels, rows, columns) of an observation that is a picture. Raises `SurefootError` for any other name."""
    if name == "height-scan":
        return (1, *grid_about(options.scan_size, options.scan_spacing)[2])
    if name == "camera":
        width, height = options.camera_size
        return (1 if options.camera == "depth" else 3, height, width)
    raise unknown("picture", name, VIEWS)


def make_view(name: str, sim: Simulation, ground: Ground | None, options: TerrainOptions) -> HeightScan | Camera:
    """The picture of this name. Raises `SurefootError` for a robot whose base does not move about."""
    base = sim.model.body(sim.robot.base)
    if not len(sim.model.jnt_type[:1]) or sim.model.jnt_type[0] != mujoco.mjtJoint.mjJNT_FREE or base.jntadr[0] != 0:
        raise SurefootError(f"input {name!r} is seen from a base that moves freely: {sim.robot.name!r} has none")
    return HeightScan(sim, ground, options) if name == "height-scan" else Camera(sim, ground, options)
