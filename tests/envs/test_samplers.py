"""Samplers, held to numbers worked out by hand."""

import numpy as np
import pytest

from surefoot.envs.batch_env import BatchEnv
from surefoot.envs.samplers import SAMPLERS, AutomaticRandomisation, Grid, PrioritizedReplay, make_sampler
from surefoot.envs.suites import table_of
from surefoot.envs.variation import Variation
from surefoot.robots import SurefootError
from surefoot.robots.parameters import ParameterTable


@pytest.fixture(scope="module")
def table() -> ParameterTable:
    return table_of("quadruped")


RANGES = Variation.parse({"payload": "0:4", "friction": "0.5:1.5"})


def column(table: ParameterTable, values: np.ndarray, key: str) -> np.ndarray:
    return values[:, table.columns(key)[0]]


def test_uniform_is_the_variation(table: ParameterTable) -> None:
    values, which = make_sampler("uniform", RANGES, table).draw(np.random.default_rng(3), 50)
    assert np.array_equal(values, RANGES.sample(np.random.default_rng(3), 50, table))
    assert (which == -1).all()


def test_a_grid_deals_every_combination_once_a_round(table: ParameterTable) -> None:
    variation = Variation.parse(
        {"payload": "0:4", "kp": "0.5|2", "dead_actuator": "none|front_left_hip|rear", "kd": "1.2"}
    )
    grid = Grid(variation, table)
    assert len(grid.rows) == 64 * 2 * 3, "64 points at most"
    rng = np.random.default_rng(0)
    values = np.concatenate([grid.draw(rng, 100)[0] for _ in range(4)])[:384]
    assert len(np.unique(values, axis=0)) == 384
    assert np.allclose(np.unique(column(table, values, "payload")), np.linspace(0, 4, 64))
    assert set(column(table, values, "kp")) == {0.5, 2.0}
    assert (column(table, values, "kd") == 1.2).all()
    state = grid.state()
    twin = Grid(variation, table)
    twin.restore(state)
    assert np.array_equal(twin.draw(np.random.default_rng(1), 30)[0], grid.draw(np.random.default_rng(1), 30)[0])
    with pytest.raises(SurefootError, match="fewer"):
        Grid(Variation.parse({f"mass.{name}": "0.9:1.1" for name in table.layout.body_names}), table)
    with pytest.raises(SurefootError, match=r"without '\.\*'"):
        Grid(Variation.parse({"mass.*": "0.9:1.1"}), table)


def plr(table: ParameterTable, capacity: int = 3) -> PrioritizedReplay:
    sampler = PrioritizedReplay(RANGES, table, capacity)
    sampler.REPLAY = 0.0  # type: ignore[misc]
    return sampler


def test_replay_prefers_regret_and_what_is_stale(table: ParameterTable) -> None:
    """Regrets 10, 0 and 4 have ranks 1, 3 and 2; at temperature .5 their weights are 1, 1/9 and 1/4."""
    sampler = plr(table)
    sampler.TEMPERATURE = 0.5  # type: ignore[misc]
    rng = np.random.default_rng(0)
    _, which = sampler.draw(rng, 3)
    assert which.tolist() == [0, 1, 2]
    sampler.feedback(which, np.array([20.0, 7.0, 9.0]))
    assert sampler.scores().tolist() == [0.0, 13.0, 11.0], "seen once: what the best robot got, less its own"
    sampler.feedback(which, np.array([10.0, 8.0, 5.0]))
    assert sampler.scores().tolist() == [10.0, 0.0, 4.0], "best seen on it, less the last"
    sampler.clock, sampler.played[:] = 10, [10, 6, 4]  # 0, 4 and 6 draws ago
    weights = np.array([1.0, 1 / 9, 1 / 4])
    wanted = 0.7 * weights / weights.sum() + 0.3 * np.array([0.0, 0.4, 0.6])
    assert np.allclose(sampler.probabilities(), wanted)
    sampler.REPLAY = 1.0  # type: ignore[misc]
    values, again = sampler.draw(rng, 20_000)
    share = np.bincount(again, minlength=3) / 20_000
    later = 0.7 * weights / weights.sum() + 0.3 * np.array([1, 5, 7]) / 13  # a draw later
    assert np.allclose(share, later, atol=0.015)
    assert np.array_equal(values, sampler.rows[again])
    assert (sampler.played == 11).all()


def test_a_new_robot_takes_the_place_of_the_least_promising(table: ParameterTable) -> None:
    sampler, rng = plr(table), np.random.default_rng(0)
    values, which = sampler.draw(rng, 3)
    sampler.feedback(which, np.array([1.0, 2.0, 3.0]))
    new, names = sampler.draw(rng, 1)
    assert names.tolist() == [3]
    assert np.array_equal(sampler.rows[2], new[0]), "the third had the least regret"
    assert np.array_equal(sampler.rows[:2], values[:2])
    sampler.feedback(np.array([2, -1]), np.array([99.0, 99.0]))
    assert sampler.best.max() == 2.0, "what is no longer kept, or never was, is not scored"
    full = sampler.draw(rng, 5)[1]
    assert sorted(full.tolist()) == [-1, -1, -1, 4, 5], "one is being played, so two can go"


def test_adr_widens_and_narrows_by_what_happens_at_the_edges(table: ParameterTable) -> None:
    adr = AutomaticRandomisation(RANGES, table, low=5.0, high=10.0)
    rng = np.random.default_rng(0)
    values, which = adr.draw(rng, 200)
    assert np.array_equal(values, np.repeat(table.nominal[None], 200, axis=0)), "it begins with the nominal robot"
    assert 70 < (which >= 0).sum() < 130
    adr.feedback(np.full(31, 1), np.full(31, 12.0))  # upper bound of the payload
    assert adr.ranges().tolist() == [[0, 0], [1, 1]]
    adr.feedback(np.array([1]), np.array([12.0]))
    assert np.allclose(adr.ranges(), [[0, 0.2], [1, 1]]), "by a twentieth of 0 to 4"
    adr.feedback(np.full(32, 2), np.full(32, 10.0))  # lower bound of the friction
    assert np.allclose(adr.ranges(), [[0, 0.2], [0.975, 1]])
    adr.feedback(np.full(32, 2), np.full(32, 7.0))
    assert np.allclose(adr.ranges(), [[0, 0.2], [0.975, 1]]), "neither good nor bad"
    values, which = adr.draw(rng, 4000)
    payload, friction = column(table, values, "payload"), column(table, values, "friction")
    assert (payload[which == 1] == 0.2).all()
    assert (friction[which == 2] == 0.975).all()
    assert payload.max() <= 0.2
    assert payload[which < 0].mean() == pytest.approx(0.1, abs=0.01)
    adr.feedback(np.full(64, 1), np.full(64, 1.0))
    assert np.allclose(adr.ranges(), [[0, 0], [0.975, 1]]), "and no further than nominal"
    for _ in range(30):
        adr.feedback(np.full(32, 1), np.full(32, 50.0))
    assert adr.ranges()[0, 1] == 4.0, "no further than the variation's own range"
    assert adr.report()["adr/payload_high"] == 4.0


@pytest.mark.parametrize("name", ["plr", "adr", "grid"])
def test_state_is_all_that_it_knows(name: str, table: ParameterTable) -> None:
    def lived() -> tuple[object, np.random.Generator]:
        sampler, rng = make_sampler(name, RANGES, table, 0.0, 1.0), np.random.default_rng(5)
        for _ in range(60):
            _, which = sampler.draw(rng, 8)
            sampler.feedback(which, rng.normal(size=8))
        return sampler, rng

    old, rng = lived()
    new = make_sampler(name, RANGES, table, 0.0, 1.0)
    state = old.state()  # type: ignore[attr-defined]
    assert all(np.isfinite(array).all() for array in state.values())
    new.restore(state)
    other = np.random.default_rng()
    other.bit_generator.state = rng.bit_generator.state
    for _ in range(20):
        (a, i), (b, j) = old.draw(rng, 8), new.draw(other, 8)  # type: ignore[attr-defined]
        assert np.array_equal(a, b)
        assert np.array_equal(i, j)
        for sampler, which in ((old, i), (new, j)):
            sampler.feedback(which, a[:, 0] + a.sum(axis=1))  # type: ignore[attr-defined]
    assert new.report() == old.report()  # type: ignore[attr-defined]


def test_worlds_tell_their_sampler_what_they_earned() -> None:
    env = BatchEnv("quadruped", "velocity", 6, seed=0, variation=RANGES, episode_steps=5)
    sampler = PrioritizedReplay(RANGES, env.table, 50)
    env.sampler = sampler
    env.reset()
    dealt = env._origin.copy()
    values = env.values.copy()
    for _ in range(5):
        env.step(np.zeros((6, 12)))
    assert np.array_equal(sampler.rows[dealt], values)
    assert (sampler.episodes[dealt] >= 1).all()
    assert np.allclose(sampler.last[dealt[env.ended]], env.ended_return)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("pll", {"payload": "0:1"}, "unknown sampler 'pll': did you mean plr"),
        ("adr", {"payload": "0:1"}, "adr_low and adr_high"),
        ("plr", {"length.thgh": "0.8:1.2"}, "unknown element of 'length'.*thigh"),
        ("grid", {"girth": "-1:1"}, "illegal value -1 .*expected 0.3 to 3"),
    ],
)
def test_bad_input(name: str, settings: dict[str, str], message: str, table: ParameterTable) -> None:
    assert len(SAMPLERS) == 4
    with pytest.raises(SurefootError, match=message) as told:
        make_sampler(name, Variation.parse(settings), table)
    assert "\n" not in str(told.value)
    with pytest.raises(SurefootError, match="adr widens ranges"):
        make_sampler("adr", Variation.parse({"payload": "1|2"}), table, 0.0, 1.0)
    with pytest.raises(SurefootError, match="the first below the second"):
        make_sampler("adr", RANGES, table, 2.0, 1.0)
