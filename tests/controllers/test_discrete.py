"""Grids of actions, and what is said where algorithm, bins and actions do not go together."""

import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete
from hypothesis import given
from hypothesis import strategies as st

from surefoot.controllers.discrete import MAX_ACTIONS, action_grid, grid_for
from surefoot.controllers.settings import DQNSettings, PPOSettings, SarsaSettings
from surefoot.envs.batch_env import BatchEnv
from surefoot.envs.sb3 import SB3VecEnv
from surefoot.robots import SurefootError

limits = st.lists(st.tuples(st.floats(-50, -0.1), st.floats(0.1, 50)), min_size=1, max_size=4)


@given(limits=limits, bins=st.integers(2, 7))
def test_every_row_goes_back_to_its_own_index(limits: list[tuple[float, float]], bins: int) -> None:
    low, high = np.array(limits).T
    grid = action_grid(low, high, bins)
    assert grid.shape == (bins ** len(low), len(low))
    assert grid.dtype == np.float32
    digits = np.rint((grid - low) / (high - low) * (bins - 1)).astype(int)
    index = np.ravel_multi_index(tuple(digits.T), (bins,) * len(low))
    assert index.tolist() == list(range(len(grid)))
    np.testing.assert_allclose(grid.min(0), low, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(grid.max(0), high, rtol=1e-6, atol=1e-6)


def test_levels_by_hand() -> None:
    grid = action_grid(np.array([-1.0, 0.0]), np.array([1.0, 4.0]), 3)
    assert grid.tolist() == [[-1, 0], [-1, 2], [-1, 4], [0, 0], [0, 2], [0, 4], [1, 0], [1, 2], [1, 4]]


@pytest.mark.parametrize(
    ("nu", "bins", "possible"),
    [(3, 17, "at most bins=16"), (6, 5, "at most bins=4"), (12, 3, "at most bins=2"), (17, 2, "continuous actions")],
)
def test_too_large_a_product_says_what_is_possible(nu: int, bins: int, possible: str) -> None:
    with pytest.raises(SurefootError, match=f"bins={bins}: {nu} actuators .* more than 4,096: expected .*{possible}"):
        action_grid(-np.ones(nu), np.ones(nu), bins)
    if "bins" in possible:
        assert len(action_grid(-np.ones(nu), np.ones(nu), int(possible.split("=")[1]))) <= MAX_ACTIONS


def test_the_worlds_get_the_rows() -> None:
    core = BatchEnv("half_cheetah", "run", 5, seed=0)
    grid = action_grid(core.task.action_low, core.task.action_high, 2)
    env = SB3VecEnv(core, grid)
    assert env.action_space == Discrete(64)
    env.reset()
    picks = np.array([0, 63, 1, 32, 5])
    env.step(picks)
    np.testing.assert_array_equal(core.simulation.ctrl, grid[picks])
    assert core.simulation.ctrl[4].tolist() == [-1, -1, -1, 1, -1, 1]  # 5 is 000101


def test_which_algorithm_needs_a_grid() -> None:
    three, many = Box(-1, 1, (3,)), Box(-1, 1, (17,))
    assert grid_for("ppo", PPOSettings(), three, "'hopper'") is None
    assert grid_for("dqn", DQNSettings(), Discrete(4), "'gym:X'") is None
    grid = grid_for("dqn", DQNSettings(bins=4), three, "'hopper'")
    assert grid is not None
    assert len(grid) == 64
    said = (
        "'dqn' needs discrete actions and those of 'hopper' are continuous: --hyper bins=5 .* 3 actuators 5 .*125 act"
    )
    with pytest.raises(SurefootError, match=said):
        grid_for("dqn", DQNSettings(), three, "'hopper'")
    with pytest.raises(SurefootError, match="17 actuators are too many to make them discrete, choose ppo or sac"):
        grid_for("sarsa", SarsaSettings(), many, "'humanoid'")
    with pytest.raises(SurefootError, match="bins=3 is for continuous actions: 'gym:X' has 4 discrete ones"):
        grid_for("dqn", DQNSettings(bins=3), Discrete(4), "'gym:X'")
