"""Terrain: heights by kind and difficulty, the same everywhere; worlds on their patches, rewards relative to the ground."""

import hashlib
import itertools
from typing import Any

import mujoco
import numpy as np
import pytest

from surefoot.envs.batch_env import BatchEnv
from surefoot.envs.options import configured
from surefoot.envs.suites import load_suite
from surefoot.envs.terrain import (
    KINDS,
    LENGTH,
    PLATFORM,
    POINTS,
    SPACING,
    TerrainOptions,
    crop,
    difficulty_of,
    height_field,
    on_terrain,
    patch,
    unwrapped,
)
from surefoot.envs.variation import Task, Variation
from surefoot.robots import SurefootError, get_robot

LEVELS = 3  # patches of each kind: difficulties 0, .5 and 1
# Heights in mm at difficulty 0 and 1: lowest and highest.
BOUNDS = {
    "flat": ((0, 0), (0, 0)),
    "rough": ((0, 20), (0, 120)),
    "slope": ((0, 0), (0, 1200)),
    "stairs-up": ((0, 500), (0, 2300)),
    "stairs-down": ((0, 500), (0, 2300)),
    "stepping-stones": ((-1000, 0), (-1000, 30)),
    "gaps": ((-1000, 0), (-1000, 0)),
}


def worlds(n: int = 7, **given: Any) -> BatchEnv:
    """Quadrupeds on mixed ground of 3 levels, not yet reset."""
    names = {"terrain", "terrain_level", "terrain_curriculum", "mean_hold"}
    options = {k: given.pop(k) for k in names & given.keys()}
    config = configured("velocity", **{"terrain": "mixed", "terrain_levels": LEVELS, **options})
    return BatchEnv("quadruped", "velocity", n, config=config, **{"seed": 0, **given})


# --- heights ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_heights_are_within_their_bounds_and_start_level(kind: str) -> None:
    for difficulty, (low, high) in zip((0.0, 1.0), BOUNDS[kind], strict=True):
        heights = patch(kind, difficulty)
        assert heights.shape == (POINTS, POINTS)
        assert (int(heights.min()), int(heights.max())) == pytest.approx((low, high), abs=2)
        middle = slice(POINTS // 2 - round(PLATFORM / SPACING) + 1, POINTS // 2 + round(PLATFORM / SPACING))
        assert np.ptp(heights[middle, middle]) == 0 or kind == "rough"
        assert (heights[middle, middle] >= 0).all()


def trouble(kind: str, difficulty: float) -> float:
    """What makes a kind hard: the largest step between two points, or the area that is missing."""
    heights = patch(kind, difficulty)
    if kind in ("stepping-stones", "gaps"):
        return float((heights < 0).mean())
    return float(np.abs(np.diff(heights, axis=0)).max())


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"flat"}))
def test_every_level_is_harder_than_the_one_before(kind: str) -> None:
    found = [trouble(kind, difficulty_of(level, 6)) for level in range(6)]
    assert all(a < b for a, b in itertools.pairwise(found)), found


@pytest.mark.parametrize("kind", KINDS)
def test_a_patch_goes_on_at_its_opposite_edge_as_within(kind: str) -> None:
    heights = patch(kind, 0.7)
    across = np.abs(np.diff(np.vstack([heights, heights[:1]]), axis=0)).max(axis=1)
    assert across[-1] <= across[:-1].max()


def test_a_level_of_stairs_has_the_risers_of_legged_gym() -> None:
    for difficulty in (0.0, 0.5, 1.0):
        row = patch("stairs-up", difficulty)[POINTS // 2]
        risers = np.abs(np.diff(row))
        assert set(risers[risers > 0].tolist()) == {round(50 + 180 * difficulty)}


def test_the_bytes_are_the_same_on_every_machine_and_depend_on_the_seed() -> None:
    digest = hashlib.sha256(height_field("mixed", LEVELS).tobytes()).hexdigest()
    assert digest[:16] == "2c683a433e689a1d"
    rough = height_field("rough", 2, 0)
    assert not np.array_equal(rough, height_field("rough", 2, 1))
    assert np.array_equal(patch("rough", 0.5, 3), patch("rough", 0.5, 3))


def test_the_model_has_those_heights_in_place_of_the_floor() -> None:
    robot = on_terrain(get_robot("quadruped"), TerrainOptions(terrain="stairs-up+gaps", terrain_levels=2))
    model = robot.compile()
    heights = height_field("stairs-up+gaps", 2)
    found = model.hfield_data.reshape(heights.shape) * model.hfield_size[0, 2] + model.geom("floor").pos[2]
    assert np.abs(found - heights / 1000).max() < 1e-6
    assert not (model.geom_type == mujoco.mjtGeom.mjGEOM_PLANE).any()
    assert get_robot("quadruped").compile().nhfield == 0


def test_a_cropped_ground_is_the_patch_that_was_there() -> None:
    env = worlds(7)
    env.reset()
    whole = env.ground
    assert whole is not None
    for place in (whole.centre[3], whole.centre[6]):
        spec = env.robot.make_spec()
        crop(spec, place[None])
        model = spec.compile()
        data = mujoco.MjData(model)
        mujoco.mj_forward(model, data)
        assert model.hfield_nrow[0] == model.hfield_ncol[0] == 201
        x, y = (place + np.random.default_rng(0).uniform(-4.5, 4.5, (20, 2))).T
        expected = whole.heights(x, y)
        for i in range(20):
            assert 20 - ray(model, data, x[i], y[i], 20.0) == pytest.approx(expected[i], abs=1e-4)


def ray(model: mujoco.MjModel, data: mujoco.MjData, x: float, y: float, z: float) -> float:
    """Distance down to the ground, past the robot, m."""
    world = np.array([1, 0, 0, 0, 0, 0], np.uint8)  # the floor's group
    hit = np.zeros(1, np.int32)
    away = mujoco.mj_ray(model, data, np.array([x, y, z]), np.array([0, 0, -1.0]), world, 1, -1, hit)
    while away >= 0 and model.geom_bodyid[hit[0]] != 0:  # feet are in the same group
        data.geom_xpos[hit[0], 2] = 1000.0
        away = mujoco.mj_ray(model, data, np.array([x, y, z]), np.array([0, 0, -1.0]), world, 1, -1, hit)
    return away


# --- worlds ----------------------------------------------------------------------------------------------------------


def test_a_robot_stands_on_every_kind_at_level_0() -> None:
    env = worlds(28, tasks=[Task({"terrain": kind, "terrain_level": 0.0}) for kind in KINDS for _ in range(4)])
    env.task.set_command((0.0, 0.0, 0.0))
    env.reset()
    assert env.ground is not None
    for _ in range(75):
        env.step(np.zeros((28, 12)))
        assert not env.fell.any()
    height = env.simulation.qpos[:, 2] - env.ground.surface(*env.simulation.qpos[:, :2].T)
    assert (np.abs(height - 0.25) < 0.05).all()
    assert env.diverged == 0


def test_a_task_says_where_a_world_walks_and_the_others_are_spread() -> None:
    kinds = list(KINDS)
    tasks = [Task({"terrain": kinds[i], "terrain_level": 0.5 * (i % 3)}) for i in range(7)]
    env = worlds(7, tasks=tasks)
    env.reset()
    assert env.ground is not None
    assert env.ground.kind.tolist() == list(range(7))
    assert env.ground.level.tolist() == [0, 1, 2, 0, 1, 2, 0]
    free = worlds(42)
    free.reset()
    assert free.ground is not None
    assert np.bincount(free.ground.kind).tolist() == [6] * 7
    assert set(free.ground.level.tolist()) == {0, 1, 2}
    assert len(np.unique(free.simulation.qpos[:, :2], axis=0)) == 42
    assert (np.abs(free.simulation.qpos[:, :2] - free.ground.centre) <= 0.5).all()


def test_a_variation_draws_the_ground_of_each_episode() -> None:
    laws = {"terrain": "slope|stairs-up", "terrain_level": "0.4:0.6"}
    env = worlds(40, variation=Variation.parse(laws))
    env.reset()
    assert env.ground is not None
    assert set(env.ground.kind.tolist()) == {2, 3}
    assert set(env.ground.level.tolist()) == {1}


def test_the_same_seed_gives_the_same_walk_whatever_the_threads() -> None:
    seen = []
    for threads in (1, 2):
        env = worlds(16, threads=threads, terrain_curriculum=True, inputs=("height-scan",), episode_steps=15)
        env.reset()
        rng = np.random.default_rng(1)
        for _ in range(40):
            env.step(rng.uniform(-1, 1, (16, 12)))
        seen.append(env.observation.copy())
        env.reset(seed=0)
        again = env.observation.copy()
        env.reset(seed=0)
        assert np.array_equal(again, env.observation)
    assert np.array_equal(*seen)


def test_a_robot_that_leaves_its_patch_goes_on_at_the_opposite_edge_and_feels_nothing() -> None:
    for kind in ("rough", "stairs-up", "stepping-stones"):
        env, other = (
            worlds(1, tasks=Task({"terrain": kind, "terrain_level": 0.5}), inputs=("height-scan",)) for _ in "ab"
        )
        for e in (env, other):
            e.reset()
        assert env.ground is not None
        assert other.ground is not None
        x = env.ground.centre[0, 0] + LENGTH / 2 - 0.011
        for e, shift in ((env, 0.0), (other, -LENGTH)):
            e.simulation.qpos[0, 0] = x + shift
            e.simulation.qpos[0, 1] = e.ground.centre[0, 1] + 0.33  # type: ignore[union-attr]
            e.simulation.qpos[0, 2] = 0.33 + e.ground.surface(  # type: ignore[union-attr]
                np.float32(x), e.simulation.qpos[0, 1]
            )
            e.simulation.qvel[0, 0] = 1.0
        other.ground.keep = lambda: np.zeros(0, np.int64)  # type: ignore[method-assign]
        crossed = False
        for _ in range(12):
            env.step(np.zeros((1, 12)))
            other.step(np.zeros((1, 12)))
            gap = other.simulation.qpos[0, 0] - env.simulation.qpos[0, 0]
            crossed |= abs(gap) < 1e-9
            assert np.abs(env.observation - other.observation).max() < 2e-4, kind
            assert env.reward == pytest.approx(other.reward, abs=1e-4)
        assert crossed


def test_heights_that_count_are_above_the_ground() -> None:
    # On the top of stairs-down at level 1 the same robot does the same as on a level floor at 0.
    high, low = (worlds(4, tasks=Task({"terrain": kind, "terrain_level": 1.0})) for kind in ("stairs-down", "flat"))
    for env in (high, low):
        env.reset()
        env.task.set_command((0.5, 0.0, 0.0))
    low.simulation.qpos[:, 3:] = high.simulation.qpos[:, 3:]
    rng = np.random.default_rng(0)
    for _ in range(8):
        actions = rng.uniform(-0.3, 0.3, (4, 12))
        high.step(actions)
        low.step(actions)
        assert np.abs(high.terms - low.terms).max() < 1e-3
        assert (high.simulation.qpos[:, 2] > 2.3).all()
    high.simulation.qpos[0, 2] -= 0.25
    high.step(np.zeros((4, 12)))
    assert high.fell.tolist() == [True, False, False, False], "base lower than .12 m above ground that lies at 2.3 m"


def test_over_a_hole_the_edge_counts() -> None:
    env = worlds(1, tasks=Task({"terrain": "gaps", "terrain_level": 1.0}))
    env.reset()
    assert env.ground is not None
    x, y = env.ground.centre[0] + (1.6, 0.0)
    assert env.ground.heights(np.float32(x), np.float32(y)) == pytest.approx(-1.0, abs=1e-6)
    assert env.ground.surface(np.float32(x), np.float32(y)) == 0


def test_a_planner_can_copy_worlds() -> None:
    env, twin = (worlds(7, inputs=("height-scan",)) for _ in "ab")
    env.reset()
    twin.reset(seed=5)
    for e in (env, twin):
        e.task.set_command((0.3, 0.0, 0.0))
    index = np.arange(7)[::-1].copy()
    twin.copy_from(env, index)
    for _ in range(5):
        env.step(np.zeros((7, 12)))
        twin.step(np.zeros((7, 12)))
    assert np.array_equal(twin.observation, env.observation[index])


# --- curriculum ------------------------------------------------------------------------------------------------------


def test_worlds_go_up_and_down_as_far_as_they_walked() -> None:
    env = worlds(4, terrain_curriculum=True)
    env.reset()
    ground = env.ground
    assert ground is not None
    ground.level[:] = 1
    ground.asked[:], ground.walked[:] = 6.0, (4.1, 2.9, 3.5, 0.0)
    ground.promote(np.arange(4))
    assert ground.level.tolist() == [2, 0, 1, 0]
    ground.promote(np.arange(4))
    assert ground.level[1:].tolist() == [0, 1, 0], "not below the lowest"
    assert 0 <= ground.level[0] <= 2, "from beyond the highest to any"
    ground.asked[:] = ground.walked[:] = 0.0
    before = ground.level.copy()
    ground.promote(np.arange(4))
    assert np.array_equal(ground.level, before), "who was to stand stays"


def test_the_way_in_the_commands_direction_is_counted_and_the_next_episode_is_on_the_new_level() -> None:
    env = worlds(3, terrain="flat", terrain_curriculum=True, episode_steps=30, mean_hold=float("inf"))
    env.reset()
    env.task.set_command((1.0, 0.0, 0.0))
    ground = env.ground
    assert ground is not None
    ground.level[:] = 1
    for _ in range(29):
        env.step(np.zeros((3, 12)))
    assert ground.asked == pytest.approx(29 * 0.02)
    assert (np.abs(ground.walked) < 0.3).all()
    ground.walked[0] = 5.0
    env.step(np.zeros((3, 12)))
    assert env.truncated.all()
    assert ground.level.tolist() == [2, 0, 0]
    assert (ground.walked == 0).all()
    assert ground.centre[:, 0].tolist() == [10.0, -10.0, -10.0]


# --- suite, recordings, bad input ------------------------------------------------------------------------------------


def test_the_suite_trains_on_easy_ground_and_keeps_stones_for_the_end() -> None:
    suite = load_suite("quadruped-terrain")
    levels = {s: [float(t.parameters.get("terrain_level", 0)) for t in suite.tasks(s)] for s in suite.splits}
    assert max(levels["train"] + levels["validation"] + levels["test"]) <= 0.3
    assert 0.3 <= min(levels["moderate"]) <= max(levels["moderate"]) <= 0.6 <= min(levels["extreme"])
    assert {t.parameters["terrain"] for t in suite.tasks("structural")} == {"stepping-stones", "gaps"}
    env = BatchEnv("quadruped", "velocity", 32, suite=suite, config=configured("velocity", **suite.options), seed=0)
    env.reset()
    assert env.ground is not None
    assert set(env.ground.kind.tolist()) <= {0, 1, 2, 3, 4}
    assert env.ground.level.max() <= 3 or set(env.ground.kind[env.ground.level > 3].tolist()) == {0}


def test_a_way_is_unwrapped() -> None:
    x = np.array([3.0, 3.5, 3.9, -3.7, -3.2, 3.9])
    way = unwrapped(np.column_stack([x, np.zeros(6)]))
    assert way[:, 0] == pytest.approx([3.0, 3.5, 3.9, 4.3, 4.8, 3.9])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"terrain": "stairs"}, "terrain 'stairs'.*stairs-up"),
        ({"terrain": "rough+gap"}, "terrain 'gap'.*gaps"),
        ({"terrain": "rough", "terrain_level": 1.5}, "terrain_level=1.5: expected a difficulty from 0 to 1"),
        ({"terrain": "rough", "terrain_level": (0.6, 0.2)}, "terrain_level=0.6,0.2"),
        ({"terrain": "rough", "terrain_levels": 0}, "terrain_levels=0: expected 1 to 50"),
        ({"terrain_curriculum": True}, "terrain_curriculum=true needs levels"),
        ({"camera": "rgba"}, "camera 'rgba'.*rgb"),
        ({"terrain_seed": -1}, "terrain_seed=-1: expected 0 or more"),
    ],
)
def test_a_ground_that_is_none_is_named_with_what_is_expected(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SurefootError, match=message):
        configured("velocity", **options)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"terrain": "stair-up"}, "stairs-up"),
        ({"terrain_level": 1.2}, "illegal value 1.2 for parameter 'terrain_level'"),
    ],
)
def test_a_task_on_ground_that_is_not_there_is_named(settings: dict[str, float | str], message: str) -> None:
    with pytest.raises(SurefootError, match=message):
        worlds(1, tasks=Task(settings))


def test_ground_needs_patches_and_a_robot_that_walks() -> None:
    with pytest.raises(SurefootError, match="'terrain' needs patches of ground: set the task's option terrain"):
        BatchEnv("quadruped", "velocity", 1, tasks=Task({"terrain": "rough"}))
    for robot in ("reacher", "cartpole", "half_cheetah"):
        with pytest.raises(SurefootError, match=f"the base of '{robot}' is fixed"):
            on_terrain(get_robot(robot), TerrainOptions(terrain="rough")).compile()
