"""Tabular Q-learning and SARSA: formulas by hand, the known values of a small chain, one robot, and files."""

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from surefoot.controllers.controller import Controller
from surefoot.controllers.evaluation import evaluate
from surefoot.controllers.tabular import cell_of, q_target, sarsa_target, update
from surefoot.controllers.training import resume, train
from surefoot.robots import SurefootError

SMALL: dict[str, Any] = {"num_envs": 8, "cells": (2, 2, 6, 6), "span": (2.4, 2.0, 0.2, 2.0), "bins": 2}


def test_one_transition_by_hand() -> None:
    """Q(s, a) = 2, r = 1, gamma = .9, rate = .5; after it Q(s', .) = 4, 10, of which the action 0 is taken."""
    start = np.array([[0.0, 2.0], [4.0, 10.0]])
    state, action, reward, going_on = np.array([0]), np.array([1]), np.array([1.0]), np.array([False])
    following = start[[1]]

    table = start.copy()
    update(table, state, action, q_target(reward, going_on, following, 0.9), 0.5)
    assert table.tolist() == [[0.0, 2 + 0.5 * (1 + 0.9 * 10 - 2)], [4.0, 10.0]]  # 6

    table = start.copy()
    update(table, state, action, sarsa_target(reward, going_on, following, np.array([0]), 0.9), 0.5)
    np.testing.assert_allclose(table, [[0.0, 2 + 0.5 * (1 + 0.9 * 4 - 2)], [4.0, 10.0]])  # 3.3

    for target in (
        q_target(reward, np.array([True]), following, 0.9),
        sarsa_target(reward, np.array([True]), following, np.array([0]), 0.9),
    ):
        assert target.tolist() == [1.0]  # nothing follows an end


@given(
    count=st.integers(1, 40), rate=st.floats(0.01, 0.99), target=st.floats(-100, 100), others=st.integers(0, 5)
)  # fmt: skip
def test_worlds_at_one_entry_count_as_visits_one_after_the_other(
    count: int, rate: float, target: float, others: int
) -> None:
    batched, single = np.ones((6, 2)), np.ones((6, 2))
    state = np.concatenate([np.full(count, 5), np.arange(others)])
    action, targets = np.ones(count + others, np.int64), np.full(count + others, target)
    update(batched, state, action, targets, rate)
    for s, a, t in zip(state, action, targets, strict=True):
        single[s, a] += rate * (t - single[s, a])
    np.testing.assert_allclose(batched, single, rtol=1e-9, atol=1e-9)


@given(
    seen=st.lists(st.tuples(st.floats(-9, 9), st.floats(-9, 9), st.floats(-9, 9)), min_size=1, max_size=10),
    cells=st.tuples(*[st.integers(1, 9)] * 3),
    span=st.tuples(*[st.floats(0.1, 5)] * 3),
)
def test_cells_against_a_slow_definition(
    seen: list[tuple[float, ...]], cells: tuple[int, ...], span: tuple[float, ...]
) -> None:
    found = cell_of(np.array(seen), np.array(cells), np.array(span))
    for row, index in zip(seen, found, strict=True):
        digits = np.unravel_index(index, cells)
        for x, n, s, digit in zip(row, cells, span, digits, strict=True):
            low, high = -s + 2 * s * digit / n, -s + 2 * s * (digit + 1) / n
            assert x >= low - 1e-9 or digit == 0
            assert x <= high + 1e-9 or digit == n - 1


class Chain(gymnasium.Env):
    """States 0, 1, 2, 3 and an end to the right of them: action 1 goes right, 0 left (in 0 it stays). The end pays 1."""

    observation_space, action_space = gymnasium.spaces.Discrete(5), gymnasium.spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[int, dict[str, Any]]:
        super().reset(seed=seed)
        self.at = int(self.np_random.integers(4))
        return self.at, {}

    def step(self, action: Any) -> tuple[int, float, bool, bool, dict[str, Any]]:
        self.at = max(self.at + (1 if action else -1), 0)
        return self.at, float(self.at == 4), self.at == 4, False, {}


if "surefoot-tests/Chain-v0" not in gymnasium.registry:
    gymnasium.register("surefoot-tests/Chain-v0", Chain, max_episode_steps=30)

# gamma .9: going right from state s is worth .9^(3 - s); going left costs two steps more (one more in state 0).
OPTIMUM = np.array([[0.6561, 0.729], [0.6561, 0.81], [0.729, 0.9], [0.81, 1.0]])
CHAIN: dict[str, Any] = {"num_envs": 16, "gamma": 0.9, "learning_rate": 0.3, "linear_decay": True}


def chain(algo: str, **hyper: Any) -> np.ndarray:
    trained = train(
        "gym:surefoot-tests/Chain-v0", algo=algo, steps=24_000, hyperparameters=CHAIN | hyper, progress=False
    )
    return trained.policy.table.numpy()[:4]


def test_q_learning_finds_the_values_of_acting_best_whatever_it_does() -> None:
    explored = {"exploration_initial_eps": 0.5, "exploration_final_eps": 0.5}
    np.testing.assert_allclose(chain("q_learning", **explored), OPTIMUM, atol=1e-6)


def test_sarsa_finds_them_as_its_exploration_ends() -> None:
    found = chain("sarsa", exploration_initial_eps=1.0, exploration_final_eps=0.0, exploration_fraction=0.8)
    np.testing.assert_allclose(found[:, 1], OPTIMUM[:, 1], atol=0.01)
    np.testing.assert_allclose(found, OPTIMUM, atol=0.05)  # what it no longer tries keeps its last value
    assert (found.argmax(axis=1) == 1).all()


def test_sarsa_with_lasting_exploration_finds_the_values_of_exploring() -> None:
    """Bellman's equation for the epsilon-greedy policy that goes right with probability .75: solved, not learnt."""
    a, b = np.zeros((8, 8)), np.zeros(8)
    for s in range(4):
        for action in (0, 1):
            row, after = 2 * s + action, max(s + (1 if action else -1), 0)
            if after == 4:
                b[row] = 1.0
            else:
                a[row, [2 * after, 2 * after + 1]] = 0.9 * np.array([0.25, 0.75])
    wanted = np.linalg.solve(np.eye(8) - a, b).reshape(4, 2)
    assert wanted[0, 1] < OPTIMUM[0, 1] - 0.1
    found = chain("sarsa", exploration_initial_eps=0.5, exploration_final_eps=0.5)
    np.testing.assert_allclose(found, wanted, atol=0.03)


def test_a_time_limit_is_not_an_end() -> None:
    """Walking left for ever is worth 0 here; were the limit an end, nothing would change: so each step pays."""

    class Paid(Chain):
        def step(self, action: Any) -> tuple[int, float, bool, bool, dict[str, Any]]:
            return 0, 1.0, False, False, {}

    name = "surefoot-tests/Paid-v0"
    gymnasium.registry.pop(name, None)
    gymnasium.register(name, Paid, max_episode_steps=3)
    trained = train(f"gym:{name}", algo="q_learning", steps=16_000, hyperparameters=CHAIN, progress=False)
    np.testing.assert_allclose(trained.policy.table.numpy()[0], 10.0, atol=0.2)  # 1 / (1 - .9)


@pytest.mark.parametrize("algo", ["q_learning", "sarsa"])
def test_trains_saves_loads_resumes_and_is_reproducible(algo: str, tmp_path: Path) -> None:
    options: dict[str, Any] = {"algo": algo, "steps": 4000, "hyperparameters": SMALL, "progress": False}
    first = train("cartpole", "balance", out=tmp_path / "run", **options)
    loaded = Controller.load(tmp_path / "run")
    assert torch.equal(loaded.policy.table, first.policy.table)
    assert loaded.policy.table.shape == (144, 2)
    assert (loaded.policy.table != 0).any()
    seen = np.random.default_rng(0).normal(0, 1, (50, 4)).astype(np.float32)
    acted = loaded.act(seen)
    assert np.array_equal(acted, first.act(seen))
    assert np.array_equal(acted, loaded.copy().act(seen))
    assert set(np.unique(acted)) == {-1.0, 1.0}
    again, other = train("cartpole", "balance", **options), train("cartpole", "balance", seed=1, **options)
    assert torch.equal(again.policy.table, first.policy.table)
    assert not torch.equal(other.policy.table, first.policy.table)
    more = resume(tmp_path / "run", steps=8000, progress=False)
    assert more.timesteps == 8000
    assert not torch.equal(more.policy.table, first.policy.table)
    assert 5 < evaluate(loaded, episodes=5).mean <= 500
    log = (tmp_path / "run" / "log_0" / "progress.csv").read_text()
    assert "rollout/ep_rew_mean" in log
    assert "reward/upright" in log


def test_it_learns_in_seconds() -> None:
    options: dict[str, Any] = {"algo": "q_learning", "progress": False}
    trained = train("cartpole", "balance", steps=50_000, **options)
    assert evaluate(trained, episodes=20).mean > 60  # random: 22


@pytest.mark.parametrize(
    ("hyper", "said"),
    [
        ({"cells": (8, 8)}, r"cells=\(8, 8\) and span=.*: expected as many of one as of the other"),
        ({"cells": (8, 8), "span": (1.0, 1.0)}, "expected 4 of each"),
        ({"cells": (200, 200, 200, 200), "span": (1.0,) * 4}, "expected fewer cells"),
        ({"cells": (0, 1, 1, 1), "span": (1.0,) * 4}, "1 or more cells"),
        ({"span": (0.0, 1.0, 1.0, 1.0)}, "spans above 0"),
        ({"bins": 1}, "bins=1: expected 2 or more"),
        ({"bins": 5000}, "at most bins=4096"),
        ({"net": (64, 64)}, "a table has no network"),
        ({"exploration_final_eps": 1.5}, "exploration_final_eps=1.5: expected 0 to 1"),
        ({"bins": None}, "--hyper bins=5"),
    ],
)
def test_bad_hyperparameters(hyper: dict[str, Any], said: str) -> None:
    with pytest.raises(SurefootError, match=said):
        train("cartpole", "balance", algo="q_learning", hyperparameters=hyper, progress=False)


def test_a_robot_without_a_preset_says_what_to_give() -> None:
    with pytest.raises(SurefootError, match=r"expected 11 of each.*--hyper cells=8,8,8.*--hyper span=1.0,1.0"):
        train("hopper", "run", algo="sarsa", hyperparameters={"bins": 2}, progress=False)
