"""Where each world stands on the ground that all of them share: heights beneath it, its patch and its level."""

import numpy as np

from .simulation import Simulation
from .terrain import LENGTH, NAME, PITCH, SPACING, TerrainOptions, kinds_of

SPREAD = 0.5  # m from the centre of its patch within which a robot begins, each way


class Ground:
    """The height field of a `Simulation` whose robot is `terrain.on_terrain`, and the patch of each of its N worlds.

    Attributes:
        field: (rows along y, columns along x) m, heights of all points; middle: (2,) points from its corner to the origin.
        kinds: names of the kinds, rows of patches along y. levels: patches of each, along x.
        kind, level: (N,) int, the patch that each world is on.
        centre: (N, 2) m, of that patch. start: (N, 2) m, where the episode began, moved along with the robot.
        asked, walked: (N,) m in this episode that commands asked for, and that the robot went in their direction.
    """

    def __init__(self, sim: Simulation, rng: np.random.Generator, options: TerrainOptions):
        model, n = sim.model, sim.num_worlds
        self.sim, self.rng, self.options = sim, rng, options
        self.kinds, self.levels = kinds_of(options.terrain), options.terrain_levels
        field = model.hfield(NAME)
        rows, columns = int(field.nrow[0]), int(field.ncol[0])
        rx, ry, top, _ = field.size
        self._corner = float(rx), float(ry)
        self._columns = columns
        self._last = columns - 1.001, rows - 1.001  # in points; no look-up beyond
        heights = field.data.reshape(rows, columns) * np.float32(top) + np.float32(model.geom("floor").pos[2])
        self.field = np.ascontiguousarray(heights, np.float32)
        self._heights = self.field.reshape(-1)
        self.middle = np.array([columns - 1, rows - 1]) / 2
        self.kind, self.level = np.zeros(n, np.int64), np.zeros(n, np.int64)
        self.centre, self.start = np.zeros((n, 2)), np.zeros((n, 2))
        self.asked, self.walked = np.zeros(n), np.zeros(n)
        columns_of = {name: k for k, name in enumerate(sim.table.names)}
        self._wanted_kind = np.array([columns_of[f"terrain.{kind}"] for kind in self.kinds])
        self._wanted_level = columns_of["terrain_level"]
        self.begin()

    # --- heights -----------------------------------------------------------------------------------------------------

    def heights(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Height of the ground at places in the world, m, float32, of any (same) shape; where there is a hole, of its bottom.

        Exactly that of the triangles with which MuJoCo's contacts and rays see the field.
        """
        h, columns = self._heights, self._columns
        u, v = self._points(x, 0), self._points(y, 1)
        i, j = u.astype(np.int32), v.astype(np.int32)
        u -= i
        v -= j
        j *= columns
        j += i  # now of the corner with the lowest x and y
        corner = h.take(j)
        right = u >= v  # of the diagonal from that corner to the opposite one
        side = h.take(j + np.where(right, np.int32(1), np.int32(columns)))
        j += columns + 1
        far = h.take(j)
        return corner + np.maximum(u, v) * (side - corner) + np.minimum(u, v) * (far - side)

    def surface(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """As `heights`, but over a hole the level of its edge: what falls and the lift of feet are measured from."""
        return np.maximum(self.heights(x, y), np.float32(0))

    def _points(self, x: np.ndarray, axis: int) -> np.ndarray:
        out = np.array(x, np.float32)
        out += np.float32(self._corner[axis])
        out *= np.float32(1 / SPACING)
        return np.clip(out, 0, np.float32(self._last[axis]), out=out)

    # --- places ------------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Give every world a kind in turn and draw its level, as at the start of a training."""
        n = len(self.level)
        self.kind[:] = np.arange(n) % len(self.kinds)
        self.level[:] = self._draw_levels(n)
        self.asked[:] = self.walked[:] = 0.0

    def _draw_levels(self, n: int) -> np.ndarray:
        low, high = (round(d * (self.levels - 1)) for d in self.options.level_range)
        return self.rng.integers(low, high + 1, n)

    def place(self, ids: np.ndarray, qpos: np.ndarray, feet: np.ndarray) -> None:
        """Put the states `qpos` (n, nq) of worlds `ids`, as they are on a level floor at the origin, onto their patches.

        Kind and level are those that the world's task asks for (parameters `terrain` and `terrain_level`). Else each world
        keeps its kind, and its level is drawn, or with a curriculum its own. `feet` (n, F, 2) m are places about the base,
        the highest of which decides the height.
        """
        n = len(ids)
        wanted = self.sim.values[np.ix_(ids, self._wanted_kind)] > 0
        level = self.sim.values[ids, self._wanted_level]
        self.kind[ids] = np.where(wanted.any(axis=1), wanted.argmax(axis=1), self.kind[ids])
        if not self.options.terrain_curriculum:
            self.level[ids] = self._draw_levels(n)
        told = np.rint(level * (self.levels - 1)).astype(np.int64)
        self.level[ids] = np.where(level >= 0, told, self.level[ids])
        self.centre[ids] = self._centres(ids)
        qpos[:, :2] += self.centre[ids] + self.rng.uniform(-SPREAD, SPREAD, (n, 2))
        self.start[ids] = qpos[:, :2]
        self.asked[ids] = self.walked[ids] = 0.0
        places = qpos[:, None, :2] + feet
        qpos[:, 2] += self.surface(places[:, :, 0], places[:, :, 1]).max(axis=1)

    def keep(self) -> np.ndarray:
        """Put robots that have crossed an edge of their patch back by its length; returns the worlds (n,) that were.

        The ground is the same there. Only the base's place changes: positions of bodies and sensors follow with the next
        step.
        """
        place = self.sim.qpos[:, :2]
        beyond = place - self.centre
        lost = np.flatnonzero((np.abs(beyond) > LENGTH / 2).any(axis=1))
        if len(lost):
            shift = np.rint(beyond[lost] / LENGTH) * LENGTH
            self.sim.qpos[lost, :2] -= shift
            self.start[lost] -= shift
        return lost

    def locate(self) -> None:
        """Let every world be on the patch where its robot is, whose state was put there."""
        patches = np.floor((self.sim.qpos[:, :2] + self._corner) / PITCH).astype(np.int64)
        self.level[:], self.kind[:] = np.clip(patches, 0, (self.levels - 1, len(self.kinds) - 1)).T
        self.centre[:] = self._centres(slice(None))

    def _centres(self, ids: np.ndarray | slice) -> np.ndarray:
        """Of the patches of worlds `ids`, (n, 2) m."""
        return (np.column_stack([self.level[ids], self.kind[ids]]) + 0.5) * PITCH - self._corner

    # --- curriculum --------------------------------------------------------------------------------------------------

    def count(self, velocity: np.ndarray, command: np.ndarray, dt: float) -> None:
        """After a step of `dt` s with these velocities and commands, (N, 2) m/s both, in the same frame."""
        speed = np.sqrt(np.square(command[:, 0]) + np.square(command[:, 1]))
        along = velocity[:, 0] * command[:, 0] + velocity[:, 1] * command[:, 1]
        self.asked += speed * dt
        self.walked += np.where(speed > 0, along / np.maximum(speed, 1e-6), 0.0) * dt

    def promote(self, ids: np.ndarray) -> None:
        """Worlds `ids`, whose episodes have ended, go up a level, down one, or stay; nothing without a curriculum.

        The rule of legged_gym (`_update_terrain_curriculum`; Rudin et al., 2022): up after more than half a patch, down
        after less than half of what the commands asked for, and from beyond the highest level to any. Commands change here
        in mid-episode, so what counts is the way in their direction, not the distance from the start.
        """
        if not self.options.terrain_curriculum or not len(ids):
            return
        up = self.walked[ids] > LENGTH / 2
        down = ~up & (self.walked[ids] < 0.5 * self.asked[ids])
        level = self.level[ids] + up - down
        anywhere = self.rng.integers(self.levels, size=len(ids))
        self.level[ids] = np.where(level >= self.levels, anywhere, np.maximum(level, 0))
