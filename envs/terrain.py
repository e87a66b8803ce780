"""Ground to walk on: kinds of terrain with a difficulty, and one height field of patches that all worlds share.

Each kind is a pure function of difficulty (0 to 1) and a generator, and gives the heights of one patch in whole millimetres.
Stairs and slopes have the sizes of legged_gym (Rudin et al., 2022, "Learning to walk in minutes using massively parallel deep
reinforcement learning", `legged_gym/utils/terrain.py`); where a robot of a dog's size needs others, it is said.

A patch goes on without end: at each edge the ground is as at the opposite one, and `ground.Ground` puts a robot that
crosses an edge back by a patch's length, which changes nothing that it feels. So a whole episode is spent on one kind and
level. legged_gym's robots wander off to their neighbours' patches; mjlab's and Isaac Lab's are cut off at the border.
"""

import dataclasses
import functools
from collections.abc import Callable
from dataclasses import dataclass

import mujoco
import numpy as np

from ..robots import Robot, SurefootError, unknown

SPACING = 0.05  # m between two points of the height field: a step rises over this length
LENGTH = 8.0  # m, of a patch; legged_gym's terrain_length
MARGIN = 1.0  # m of each patch's continuation beyond its edges: what a robot at the edge can reach and scan
PLATFORM = 1.0  # m from the centre of a patch to the edge of the level square where robots begin
POINTS = round(LENGTH / SPACING)  # of a patch, each way
EDGE = round(MARGIN / SPACING)
PITCH = LENGTH + 2 * MARGIN  # m from one patch's centre to the next
HOLE = -1000  # mm: what is below 0 is no ground to stand on
NAME = "terrain"  # of the height field, its file and the custom text that lists its kinds
HEIGHT_FIELD = f"{NAME}.hfield"

Kind = Callable[[float, np.random.Generator], np.ndarray]


def _ring() -> np.ndarray:
    """Of each point of a patch, how many points it is from the centre, along the axis that is further, (n, n)."""
    along = np.abs(np.arange(POINTS) - POINTS // 2)
    return np.maximum(along[:, None], along)


def _beyond(metres: float) -> np.ndarray:
    """Points beyond a square about the centre, and how many, (n, n); 0 within it."""
    return np.maximum(_ring() - round(metres / SPACING), 0)


def flat(difficulty: float, rng: np.random.Generator) -> np.ndarray:
    """Level ground, whatever the difficulty."""
    return np.zeros((POINTS, POINTS), np.int64)


def rough(difficulty: float, rng: np.random.Generator) -> np.ndarray:
    """Random heights of up to 20 to 120 mm, each .2 m, joined by straight lines (legged_gym: 100 mm at all levels)."""
    apart = round(0.2 / SPACING)
    knots = rng.random((POINTS // apart, POINTS // apart))
    share = np.arange(apart) / apart
    for axis in (0, 1):
        between = np.expand_dims(knots, axis + 1)
        after = np.expand_dims(np.roll(knots, -1, axis), axis + 1)
        weight = share.reshape((1, -1, 1) if axis == 0 else (1, 1, -1))
        shape = (POINTS, knots.shape[1]) if axis == 0 else (POINTS, POINTS)
        knots = (between + weight * (after - between)).reshape(shape)
    return np.rint(knots * (20 + 100 * difficulty)).astype(np.int64)


def slope(difficulty: float, rng: np.random.Generator) -> np.ndarray:
    """Up in all directions from the platform, .4 m a metre at difficulty 1; then down to the next platform."""
    return np.rint(_beyond(PLATFORM) * (SPACING * 1000 * 0.4 * difficulty)).astype(np.int64)


def _steps(difficulty: float) -> np.ndarray:
    """Height of stairs about the platform: treads of .3 m (legged_gym: .31), risers of 50 to 230 mm."""
    tread = round(0.3 / SPACING)
    return -(-_beyond(PLATFORM) // tread) * round(50 + 180 * difficulty)


def stairs_up(difficulty: float, rng: np.random.Generator) -> np.ndarray:
    """Up in all directions from the platform, and down again to the next one."""
    return _steps(difficulty)


def stairs_down(difficulty: float, rng: np.random.Generator) -> np.ndarray:
    """Down in all directions from the platform, and up again to the next one."""
    up = _steps(difficulty)
    return up.max() - up


def stepping_stones(difficulty: float, rng: np.random.Generator) -> np.ndarray:
    """Square stones of 1 m at difficulty 0 to .2 m at 1, with .05 to .2 m of nothing between them (legged_gym: 1.6 to .08 m).

    Each stone lies up to 30 mm x difficulty higher than the lowest.
    """
    gap = round((0.05 + 0.15 * difficulty) / SPACING) - 1  # points of nothing; the edges fall over one point's distance
    size = round((1.0 - 0.8 * difficulty) / SPACING)
    count = POINTS // (size + gap + 1)
    number = np.arange(POINTS) * count // POINTS  # of the stone, or of the gap behind it
    first = -(-np.arange(count) * POINTS // count)
    hole = np.arange(POINTS) - first[number] < gap + 1
    tops = np.rint(rng.random((count, count)) * 30 * difficulty).astype(np.int64)
    heights = tops[number][:, number]
    heights[hole] = heights[:, hole] = HOLE
    heights[_ring() <= round(PLATFORM / SPACING)] = 0
    return heights


def gaps(difficulty: float, rng: np.random.Generator) -> np.ndarray:
    """Two ditches around the platform, .1 m wide at difficulty 0 and .6 m at 1 (legged_gym: one, of 0 to 1 m)."""
    half = round((0.05 + 0.25 * difficulty) / SPACING)
    heights = np.zeros((POINTS, POINTS), np.int64)
    for distance in (1.6, 3.0):
        heights[np.abs(_ring() - round(distance / SPACING)) < half] = HOLE
    return heights


KINDS: dict[str, Kind] = {
    "flat": flat,
    "rough": rough,
    "slope": slope,
    "stairs-up": stairs_up,
    "stairs-down": stairs_down,
    "stepping-stones": stepping_stones,
    "gaps": gaps,
}


@dataclass(frozen=True)
class TerrainOptions:
    """What lies under the robots, and what they see of it: options of every task that has a ground.

    Attributes:
        terrain: "", the level floor of the robot's model; a kind of `KINDS`, several joined by "+", or "mixed", all of them.
        terrain_levels: so many patches of each kind, from difficulty 0 to 1 in equal steps; one: difficulty 1.
        terrain_level: difficulty of a world whose task does not say it (`terrain_level`), or the lowest and the highest,
            between which each episode's is drawn. With a curriculum only the first, and by default up to .5 (legged_gym's
            max_init_terrain_level: 5 of 10).
        terrain_curriculum: worlds that have walked far go up a level, others down (`ground.Ground.promote`).
        terrain_seed: of what is random in the ground.
        scan_size, scan_spacing: of the observation `height-scan`: length ahead and to the sides, and between points, m
            (legged_gym's and Isaac Lab's 1.6 x 1 m by .1 m: 17 x 11 points).
        camera: what the observation `camera` shows: "depth", or "rgb".
        camera_size: its width and height, pixels.
    """

    terrain: str = ""
    terrain_levels: int = 10
    terrain_level: float | tuple[float, float] | None = None
    terrain_curriculum: bool = False
    terrain_seed: int = 0
    scan_size: tuple[float, float] = (1.6, 1.0)
    scan_spacing: float = 0.1
    camera: str = "depth"
    camera_size: tuple[int, int] = (48, 32)

    def __post_init__(self) -> None:
        kinds_of(self.terrain)
        if not 1 <= self.terrain_levels <= 50:
            raise SurefootError(f"terrain_levels={self.terrain_levels}: expected 1 to 50 levels")
        if self.terrain_seed < 0:
            raise SurefootError(f"terrain_seed={self.terrain_seed}: expected 0 or more")
        low, high = self.level_range
        if not 0 <= low <= high <= 1:
            raise SurefootError(
                f"terrain_level={_shown(self.terrain_level)}: expected a difficulty from 0 to 1, or lowest,highest"
            )
        if self.terrain_curriculum and not self.terrain:
            raise SurefootError("terrain_curriculum=true needs levels to go up to: set terrain=mixed, or a kind")
        if self.camera not in ("depth", "rgb"):
            raise unknown("camera", self.camera, ("depth", "rgb"))

    @property
    def level_range(self) -> tuple[float, float]:
        """The lowest and the highest difficulty that a world begins with."""
        if self.terrain_level is None:
            return 0.0, 0.5 if self.terrain_curriculum else 1.0
        if isinstance(self.terrain_level, int | float):
            return float(self.terrain_level), float(self.terrain_level)
        low, high = self.terrain_level
        return float(low), float(high)


def _shown(level: float | tuple[float, float] | None) -> str:
    return f"{level:g}" if isinstance(level, int | float) else ",".join(f"{v:g}" for v in level or ())


def kinds_of(terrain: str) -> tuple[str, ...]:
    """The kinds that a name stands for, () for "". Raises `SurefootError`, with the nearest, for an unknown one."""
    if terrain in ("", "mixed"):
        return tuple(KINDS) if terrain else ()
    kinds = tuple(dict.fromkeys(terrain.split("+")))
    for kind in kinds:
        if kind not in KINDS:
            raise unknown("terrain", kind, (*KINDS, "mixed"))
    return kinds


def difficulty_of(level: int, levels: int) -> float:
    """Difficulty of a level, 0 to 1."""
    return level / (levels - 1) if levels > 1 else 1.0


def patch(kind: str, difficulty: float, seed: int = 0) -> np.ndarray:
    """Heights (n, n) of one patch in mm, rows along y and columns along x: the same on every machine."""
    rng = np.random.default_rng([seed, list(KINDS).index(kind), round(1000 * difficulty)])
    return KINDS[kind](difficulty, rng)


@functools.lru_cache(maxsize=4)
def height_field(terrain: str, levels: int, seed: int = 0) -> np.ndarray:
    """All patches in mm, (kinds x 200 + 1, levels x 200 + 1) int16: kinds along y, levels along x. Not to be written to."""
    kinds, side = kinds_of(terrain), POINTS + 2 * EDGE
    index = (np.arange(side + 1) - EDGE) % POINTS
    heights = np.empty((len(kinds) * side + 1, levels * side + 1), np.int16)
    for row, kind in enumerate(kinds):
        for column in range(levels):
            at = np.s_[row * side : (row + 1) * side + 1, column * side : (column + 1) * side + 1]
            heights[at] = patch(kind, difficulty_of(column, levels), seed)[np.ix_(index, index)]
    heights.flags.writeable = False
    return heights


def on_terrain(robot: Robot, options: TerrainOptions) -> Robot:
    """`robot` on the ground that `options` describe, instead of the floor of its model; itself where they ask for none.

    Raises `SurefootError` for a robot whose base is fixed to the world or to a rail.
    """
    if not options.terrain:
        return robot
    make = robot.make_spec

    def make_spec() -> mujoco.MjSpec:
        spec = make()
        base = spec.body(robot.base)
        free = base is not None and any(j.type == mujoco.mjtJoint.mjJNT_FREE for j in base.joints)
        if not free:
            raise SurefootError(
                f"terrain={options.terrain!r} needs a robot that walks over ground: the base of {robot.name!r} is fixed"
            )
        lay(spec, options)
        return spec

    return dataclasses.replace(robot, make_spec=make_spec)


def lay(spec: mujoco.MjSpec, options: TerrainOptions) -> None:
    """Put the height field into `spec` in place of its floor, with the floor's material and contacts."""
    heights = height_field(options.terrain, options.terrain_levels, options.terrain_seed)
    field = spec.add_hfield(name=NAME, file=HEIGHT_FIELD, content_type="image/vnd.mujoco.hfield")
    _set_heights(spec, field, heights)
    spec.add_text(name=NAME, data=" ".join(kinds_of(options.terrain)))
    floors = [g for g in spec.worldbody.geoms if g.type == mujoco.mjtGeom.mjGEOM_PLANE]
    fields = (
        "material",
        "rgba",
        "contype",
        "conaffinity",
        "condim",
        "friction",
        "solref",
        "solimp",
        "margin",
        "priority",
    )
    kept = {name: _copied(getattr(floors[0], name)) for name in fields} if floors else {}
    for floor in floors:
        spec.delete(floor)
    place = (0, 0, int(heights.min()) / 1000)
    spec.worldbody.add_geom(name="floor", type=mujoco.mjtGeom.mjGEOM_HFIELD, hfieldname=NAME, pos=place, **kept)


def unwrapped(places: np.ndarray) -> np.ndarray:
    """The way (T, 2) m of a robot that was put back by a patch's length where it crossed an edge, as if it had not been."""
    steps = np.diff(places, axis=0, prepend=places[:1])
    return places - np.cumsum(np.rint(steps / LENGTH) * LENGTH, axis=0)


def _copied(value: object) -> object:
    return value.copy() if isinstance(value, np.ndarray) else value


def crop(spec: mujoco.MjSpec, places: np.ndarray) -> None:
    """Keep, of the ground of `spec`, the patches that `places` (n, 2) m lie on: what a picture of them has to draw."""
    field = next((field for field in spec.hfields if field.name == NAME), None)
    if field is None or HEIGHT_FIELD not in spec.assets:
        return
    content = spec.assets[HEIGHT_FIELD]
    rows, columns = np.frombuffer(content[:8], np.int32)
    heights = np.frombuffer(content[8:], np.float32).reshape(rows, columns)
    kept, middle, side = [], [], POINTS + 2 * EDGE
    for axis, points in enumerate((columns, rows)):
        index = np.floor(places[:, axis] / PITCH + (points - 1) / side / 2)
        first, last = (int(np.clip(edge, 0, (points - 1) // side - 1)) for edge in (index.min(), index.max()))
        kept.append(slice(first * side, (last + 1) * side + 1))
        middle.append(((first + last + 1) * side - (points - 1)) * SPACING / 2)
    part = heights[kept[1], kept[0]]
    _set_heights(spec, field, part)
    spec.geom("floor").pos = (*middle, float(part.min()) / 1000)


def _set_heights(spec: mujoco.MjSpec, field: mujoco.MjsHField, heights: np.ndarray) -> None:
    """Let a height field be `heights` (rows, columns) mm; its geom has to stand at the lowest of them."""
    rows, columns = heights.shape
    content = np.array([rows, columns], np.int32).tobytes() + heights.astype(np.float32).tobytes()
    spec.assets = {**spec.assets, HEIGHT_FIELD: content}
    top = max(float(heights.max()) - float(heights.min()), 1.0) / 1000
    field.size = ((columns - 1) * SPACING / 2, (rows - 1) * SPACING / 2, top, 1.0)
