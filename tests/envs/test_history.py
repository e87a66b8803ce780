"""Observations with a history: what was stacked by hand, through resets, endings and adapters."""

import gymnasium
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.envs.batch_env import BatchEnv
from surefoot.envs.gym import make, make_vec
from surefoot.envs.sb3 import SB3VecEnv
from surefoot.envs.tasks import VelocityConfig
from surefoot.robots import SurefootError

WORLDS = 5


def stacked(rows: list[list[np.ndarray]], steps: int) -> np.ndarray:
    """The last `steps` observations of each world's episode, oldest first; the first one stands for those before it."""
    return np.stack([np.concatenate(([seen[0]] * steps + seen)[-steps:]) for seen in rows])


def pair(robot: str, task: str, steps: int, **options: object) -> tuple[BatchEnv, BatchEnv]:
    """The same worlds without a history and with one."""
    config = VelocityConfig(noise=1.0) if task == "velocity" else None
    one, many = (
        BatchEnv(robot, task, WORLDS, seed=3, threads=1, config=config, history=h, **options) for h in (1, steps)
    )
    return one, many


@pytest.mark.parametrize(("robot", "task"), [("hopper", "run"), ("quadruped", "velocity")])
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_history_equals_stacking_by_hand(robot: str, task: str, steps: int) -> None:
    one, many = pair(robot, task, steps, episode_steps=9)
    many.lengths[:] = one.lengths[:] = 0
    seen = [[row.copy()] for row in one.reset(0)]
    assert np.array_equal(many.reset(0), stacked(seen, steps))
    one.lengths[:] = many.lengths[:] = range(WORLDS)  # so that they do not end together
    rng, endings = np.random.default_rng(1), 0
    for _ in range(25):
        actions = rng.uniform(-1, 1, (WORLDS, one.num_actions))
        one.step(actions), many.step(actions)
        assert np.array_equal(one.reward, many.reward)
        assert np.array_equal(one.ended, many.ended)
        for world, episode in enumerate(seen):
            episode.append((one.final_observation if world in one.ended else one.observation)[world].copy())
        assert np.array_equal(many.final_observation[many.ended], stacked(seen, steps)[many.ended])
        for world in one.ended:
            endings += 1
            seen[world] = [one.observation[world].copy()]
        assert np.array_equal(many.observation, stacked(seen, steps))
    assert endings >= 2 * WORLDS


def test_selective_resets_fill_their_worlds_alone() -> None:
    _, env = pair("hopper", "run", 4, autoreset=False)
    env.reset()
    for _ in range(6):
        before = env.step(np.full((WORLDS, 3), 0.1))[0].copy()
    after = env.reset(ids=np.array([1, 3]))
    assert np.array_equal(after[[0, 2, 4]], before[[0, 2, 4]])
    first = after.reshape(WORLDS, 4, -1)[[1, 3]]
    assert (first == first[:, :1]).all()
    assert not np.array_equal(after[1], before[1])


def test_looking_again_changes_the_newest_step_alone() -> None:
    env = BatchEnv("quadruped", "velocity", 2, seed=0, threads=1, history=3)
    env.reset()
    env.step(np.zeros((2, 12)))
    before = env.observation.reshape(2, 3, -1).copy()
    env.task.set_command((0.5, 0.1, -0.2))
    after = env.observe().reshape(2, 3, -1)
    assert np.array_equal(after[:, :2], before[:, :2])
    assert np.allclose(after[:, 2, 45:48], [0.5, 0.1, -0.2])
    assert np.array_equal(after[:, 2, :45], before[:, 2, :45])


def test_a_diverged_world_leaves_nothing_behind() -> None:
    env = BatchEnv("quadruped", "velocity", 3, seed=0, threads=1, history=4)
    env.reset()
    env.simulation.qpos[1, 2] = np.nan
    env.step(np.zeros((3, 12)))
    assert env.ended.tolist() == [1]
    for _ in range(3):
        assert np.isfinite(env.observation).all()
        env.step(np.zeros((3, 12)))


@given(history=st.integers(1, 40), worlds=st.integers(1, 4), steps=st.integers(0, 12))
def test_any_size(history: int, worlds: int, steps: int) -> None:
    env = BatchEnv("hopper", "run", worlds, seed=0, threads=1, history=history)
    seen = [[row[-11:].copy()] for row in env.reset()]
    for _ in range(steps):
        env.step(np.zeros((worlds, 3)))
        for episode, row in zip(seen, env.observation, strict=True):
            episode.append(row[-11:].copy())
    assert not len(env.ended)
    assert np.array_equal(env.observation, stacked(seen, history))


def test_adapters_show_the_whole_history() -> None:
    single = make("hopper", "run", history=3)
    assert single.observation_space.shape == (33,)
    observation, _ = single.reset(seed=0)
    assert observation in single.observation_space
    done = False
    while not done:
        last = observation
        observation, _, done, _, _ = single.step(np.ones(3))
    assert np.array_equal(observation[:22], last[11:])
    assert gymnasium.make("surefoot/Hopper-Run-v0", history=3).observation_space == single.observation_space

    vector = make_vec("hopper", "run", num_envs=4, history=3, episode_steps=5)
    assert vector.observation_space.shape == (4, 33)
    before, _ = vector.reset(seed=0)
    for _ in range(5):
        last, (before, *_, infos) = before, vector.step(np.zeros((4, 3)))
    assert all(np.array_equal(infos["final_obs"][i][:22], last[i, 11:]) for i in range(4))

    env = SB3VecEnv(BatchEnv("hopper", "run", 4, seed=0, history=3, episode_steps=5))
    assert env.observation_space.shape == (33,)
    before = env.reset()
    for _ in range(5):
        last, (before, _, dones, infos) = before, env.step(np.zeros((4, 3)))
    assert dones.all()
    assert all(np.array_equal(info["terminal_observation"][:22], last[i, 11:]) for i, info in enumerate(infos))
    starts = before.reshape(4, 3, 11)
    assert (starts == starts[:, :1]).all()


def test_a_history_of_nothing_is_refused() -> None:
    with pytest.raises(SurefootError, match="history=0: expected 1"):
        BatchEnv("hopper", "run", 1, history=0)
