"""Gait measures on contact patterns with known answers."""

import numpy as np
import pytest

from surefoot.envs.gait import (
    cost_of_transport,
    duty_factor,
    positive_work,
    stride_frequency,
    symmetry_index,
    touchdowns,
    trot_share,
)

DT = 0.02


def steps(stance: int, swing: int, strides: int) -> np.ndarray:
    """`strides` strides of so many rows on the ground, then in the air."""
    return np.tile([True] * stance + [False] * swing, strides)


def test_touchdowns() -> None:
    assert touchdowns(steps(6, 4, 3), DT).tolist() == [10, 20]  # the first stance began before the first row
    assert touchdowns(np.roll(steps(6, 4, 2), 4), DT).tolist() == [14]  # it began in the air, for who knows how long
    assert touchdowns(np.ones(20, bool), DT).tolist() == []
    bounce = steps(6, 4, 3)
    bounce[13:15] = False  # .04 s off the ground is no step
    assert touchdowns(bounce, DT).tolist() == [10, 20]
    assert touchdowns(steps(3, 3, 2), DT).tolist() == [6]  # .06 s is one


@pytest.mark.parametrize(
    ("stance", "swing", "frequency", "duty"), [(6, 4, 5.0, 0.6), (15, 10, 2.0, 0.6), (3, 7, 5.0, 0.3)]
)
def test_strides_by_hand(stance: int, swing: int, frequency: float, duty: float) -> None:
    contact = steps(stance, swing, 8)
    assert stride_frequency(contact, DT) == pytest.approx(frequency)
    assert duty_factor(contact, DT) == pytest.approx(duty)
    # Part of a stride before and after changes nothing: whole strides count.
    ragged = np.concatenate([[True] * 2, [False] * swing, contact, [True] * 2])
    assert duty_factor(ragged, DT) == pytest.approx(duty)


def test_a_foot_that_takes_no_step() -> None:
    assert np.isnan(stride_frequency(np.ones(50, bool), DT))
    assert duty_factor(np.ones(50, bool), DT) == 1.0
    assert duty_factor(np.zeros(50, bool), DT) == 0.0


def test_symmetry_and_trot() -> None:
    assert symmetry_index(np.array([0.5, 0.6, 0.0]), np.array([0.5, 0.4, 0.0])) == pytest.approx([0, 0.4, 0])
    trot, pace = [True, False, False, True], [True, False, True, False]
    assert trot_share(np.array([[trot], [trot], [pace], [[True] * 4]])) == 0.75


def test_work_and_cost_of_transport() -> None:
    # 10 N m at 2 rad/s for 50 steps is 20 J; braking beside it gives nothing back.
    work = positive_work(np.full((50, 2), 10.0), np.tile([2.0, -3.0], (50, 1)), DT)
    assert work.shape == (50,)
    assert work.sum() == pytest.approx(20.0)
    assert cost_of_transport(20.0, 2.0, 10.0, 1.0) == pytest.approx(1.0)
    assert np.isnan(cost_of_transport(20.0, 2.0, 10.0, 0.0))
