"""Statistics: hand-computed numbers, what must hold for any scores, and intervals that cover what they claim to."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from surefoot.controllers import statistics
from surefoot.controllers.statistics import (
    bootstrap,
    cvar,
    gap_closed,
    iqm,
    mean,
    oracle_gap,
    out_of_distribution_gap,
    performance_profile,
    probability_of_improvement,
)

NUMBERS = st.integers(-1_000_000, 1_000_000).map(lambda n: n / 1000)
SHAPES = st.tuples(st.integers(1, 6), st.integers(1, 7))
SCORES = SHAPES.flatmap(lambda shape: arrays(float, shape, elements=NUMBERS))
PAIRS = st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(1, 6)).flatmap(
    lambda s: st.tuples(arrays(float, (s[0], s[2]), elements=NUMBERS), arrays(float, (s[1], s[2]), elements=NUMBERS))
)


def column(*values: float) -> np.ndarray:
    """Runs of one task."""
    return np.array(values, float)[:, None]


def test_the_interquartile_mean() -> None:
    assert iqm(column(7)) == 7
    assert iqm(column(1, 2, 6)) == 3
    assert iqm(column(100, 2, 4, -50)) == 3  # the highest and the lowest quarter are left out
    assert iqm(column(1, 2, 3, 4, 50)) == 3
    assert iqm(np.arange(8.0).reshape(2, 4)) == 3.5  # of all runs and tasks together: 2, 3, 4, 5
    assert iqm(np.stack([np.arange(8.0).reshape(2, 4), np.ones((2, 4))])).tolist() == [3.5, 1]


@given(SCORES, st.integers(0, 99))
def test_the_interquartile_mean_of_anything(scores: np.ndarray, seed: int) -> None:
    value = iqm(scores)
    assert scores.min() - 1e-9 <= value <= scores.max() + 1e-9
    shuffled = np.random.default_rng(seed).permutation(scores.ravel()).reshape(scores.shape)
    assert iqm(shuffled) == pytest.approx(value)
    assert iqm(3 * scores - 7) == pytest.approx(3 * value - 7, abs=1e-6)
    lone = scores.copy()
    if lone.size >= 4:  # one run that goes wild cannot move it out of what the others span
        lone.flat[lone.argmax()] += 1e9
        assert iqm(lone) == pytest.approx(value)


def test_the_conditional_value_at_risk() -> None:
    tasks = np.array([[4.0, 1.0, 3.0, 2.0], [4.0, 3.0, 5.0, 2.0]])  # means over runs: 4, 2, 4, 2
    assert cvar(tasks, 0.5) == 2
    assert cvar(tasks, 1.0) == mean(tasks) == 3
    assert cvar(tasks, 0.75) == pytest.approx((2 + 2 + 4) / 3)
    assert cvar(tasks, 0.625) == pytest.approx((2 + 2 + 0.5 * 4) / 2.5)
    assert cvar(tasks, 0.01) == 2  # at least the worst task
    assert cvar(np.arange(20.0)[None]) == 0.5  # a tenth of twenty
    for worst in (0, -1, 1.01):
        with pytest.raises(ValueError, match="share of the tasks"):
            cvar(tasks, worst)


@given(SCORES, st.floats(0.01, 1), st.floats(0.01, 1))
def test_looking_at_fewer_tasks_is_no_better(scores: np.ndarray, one: float, two: float) -> None:
    assert cvar(scores, min(one, two)) <= cvar(scores, max(one, two)) + 1e-6
    assert scores.mean(axis=0).min() - 1e-6 <= cvar(scores, one) <= mean(scores) + 1e-6


def test_the_probability_of_improvement() -> None:
    # 1 < 2, 1 < 3, 3 > 2, 3 = 3: 1.5 of 4 pairs.
    assert probability_of_improvement(column(1, 3), column(2, 3)) == 0.375
    two = np.array([[1.0, 9.0], [3.0, 9.0]]), np.array([[2.0, 5.0], [3.0, 5.0]])
    assert probability_of_improvement(*two) == (0.375 + 1) / 2  # runs of different tasks are never paired
    assert probability_of_improvement(column(5, 6), column(1, 2, 3)) == 1


@given(PAIRS)
def test_two_methods_share_the_probability(pair: tuple[np.ndarray, np.ndarray]) -> None:
    mine, theirs = pair
    value = probability_of_improvement(mine, theirs)
    assert value + probability_of_improvement(theirs, mine) == pytest.approx(1)
    assert 0 <= value <= 1
    assert probability_of_improvement(mine, mine) == pytest.approx(0.5)
    assert probability_of_improvement(mine + 3000, theirs) == 1
    by_hand = [np.mean([(x > y) + 0.5 * (x == y) for x in a for y in b]) for a, b in zip(mine.T, theirs.T, strict=True)]
    assert value == pytest.approx(np.mean(by_hand))


def test_the_performance_profile() -> None:
    scores = np.array([[1.0, 2.0], [3.0, 2.0]])
    found = performance_profile(scores, np.array([0.0, 1.0, 1.5, 2.0, 2.5, 3.0]))
    assert found.tolist() == [1, 0.75, 0.75, 0.25, 0.25, 0]


@given(SCORES)
def test_a_profile_falls_from_one_to_nothing_and_its_area_is_the_mean(scores: np.ndarray) -> None:
    low, high = scores.min() - 1, scores.max() + 1
    found = performance_profile(scores, np.linspace(low, high, 40))
    assert (found[0], found[-1]) == (1, 0)
    assert (np.diff(found) <= 0).all()
    # Between two scores the profile is flat, so its integral from `low` is exact there: mean - low.
    edges = np.unique(np.concatenate([[low], scores.ravel()]))
    area = (performance_profile(scores, edges[:-1]) * np.diff(edges)).sum()
    assert area == pytest.approx(scores.mean() - low, abs=1e-6)


def test_gaps() -> None:
    # Ni et al. on cheetah-vel: oracle -79.7, Markov -351.7.
    assert gap_closed(-79.7, -351.7, -79.7) == 1
    assert gap_closed(-351.7, -351.7, -79.7) == 0
    assert gap_closed(-215.7, -351.7, -79.7) == pytest.approx(0.5)
    assert gap_closed(73.5, 62.4, 76.2) == pytest.approx(0.804, abs=5e-4)  # RMA's table, success in %
    assert np.isnan(gap_closed(1, 5, 5))
    assert np.isnan(gap_closed(1, 5, 4))
    found = gap_closed(np.array([1.0, 2.0, 3.0]), np.array([0.0, 2.0, 9.0]), np.array([2.0, 4.0, 1.0]))
    assert found[:2].tolist() == [0.5, 0]
    assert np.isnan(found[2])
    assert oracle_gap(3.0, np.array([5.0, 3.0])).tolist() == [2, 0]
    assert out_of_distribution_gap(10.0, 4.0) == 6


def test_an_interval_by_hand() -> None:
    # Means of two draws of {0, 1}: 0, 1/2 and 1 with probabilities 1/4, 1/2, 1/4.
    assert bootstrap(mean, np.array([0.0, 1.0])) == (0, 1)
    assert bootstrap(mean, np.array([5.0])) == (5, 5)
    # Tasks differ, runs do not: nothing is uncertain, because the tasks stay.
    assert bootstrap(mean, np.array([[0.0, 100.0], [0.0, 100.0]])) == (50, 50)
    assert bootstrap(iqm, np.array([[0.0, 100.0], [0.0, 100.0]])) == (50, 50)
    assert all(np.isnan(bootstrap(lambda a: mean(a) * np.nan, np.arange(3.0))))


def test_values_are_drawn_as_they_were_for_the_figures_that_are_published() -> None:
    values = np.random.default_rng(3).normal(size=50)
    means = np.random.default_rng(0).choice(values, (2000, 50)).mean(axis=1)
    assert bootstrap(mean, values) == tuple(np.percentile(means, [2.5, 97.5]))


def test_the_interval_does_not_depend_on_how_many_draws_are_held_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = np.random.default_rng(1).normal(size=(5, 7))
    at_once, of_two = bootstrap(iqm, scores), bootstrap(probability_of_improvement, scores, scores + 0.1)
    monkeypatch.setattr(statistics, "AT_A_TIME", 100)
    assert bootstrap(iqm, scores) == at_once
    assert bootstrap(probability_of_improvement, scores, scores + 0.1) == of_two
    assert bootstrap(iqm, scores, seed=1) != at_once


def test_methods_are_drawn_independently() -> None:
    scores = np.random.default_rng(1).normal(size=(40, 3))
    low, high = bootstrap(lambda a, b: mean(a) - mean(b), scores, scores)
    # Were the same runs drawn of both, the difference would always be 0.
    deviation = np.sqrt(2 * (scores.var(axis=0) / 40).sum()) / 3
    assert (low, high) == (pytest.approx(-1.96 * deviation, abs=0.03), pytest.approx(1.96 * deviation, abs=0.03))


def test_a_run_is_drawn_with_all_of_its_scores() -> None:
    """Two seeds, each lucky on one task: whole, every draw has a mean of 5, and task by task one may have luck on both."""
    scores = np.array([[0.0, 10.0], [10.0, 0.0]])
    assert bootstrap(mean, scores) == (5, 5)
    assert bootstrap(mean, scores, by_task=True) == (0, 10)
    wins = np.array([[1.0, 0.0], [0.0, 1.0]])  # beats .5 on one task of two, whichever seeds are drawn
    half = np.full((1, 2), 0.5)
    assert bootstrap(probability_of_improvement, wins, half) == (0.5, 0.5)
    assert bootstrap(probability_of_improvement, wins, half, by_task=True) == (0, 1)


@pytest.mark.parametrize("statistic", [mean, iqm])
def test_intervals_know_of_luck_that_tasks_share(statistic: Callable[[np.ndarray], np.ndarray]) -> None:
    """5 seeds on 32 tasks, where most of what a seed is better by it is on all tasks: the truth is 15.5."""
    rng, trials, covered = np.random.default_rng(0), 200, {True: 0, False: 0}
    for trial in range(trials):
        scores = np.arange(32) + rng.normal(0, 3, (5, 1)) + rng.normal(0, 1, (5, 32))
        for by_task in covered:
            low, high = bootstrap(statistic, scores, by_task=by_task, seed=trial, draws=500)
            covered[by_task] += low <= 15.5 <= high
    assert covered[True] < 0.4 * trials
    assert covered[False] > 0.75 * trials


@pytest.mark.parametrize("by_task", [True, False])
@pytest.mark.parametrize("statistic", [mean, iqm])
def test_intervals_cover_the_truth(statistic: Callable[[np.ndarray], np.ndarray], by_task: bool) -> None:
    """Tasks of means 0 to 9, 12 runs each with noise of their own: the truth is 4.5 for both statistics."""
    rng, covered, trials = np.random.default_rng(0), 0, 200
    for trial in range(trials):
        scores = np.arange(10) + rng.normal(0, 2, (12, 10))
        low, high = bootstrap(statistic, scores, by_task=by_task, seed=trial, draws=500)
        covered += low <= 4.5 <= high
    assert 0.87 <= covered / trials <= 0.99
