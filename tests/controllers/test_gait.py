"""Gait figures: on numbers done by hand, and on the robot itself."""

import numpy as np
import pytest

from surefoot.controllers.controller import Controller
from surefoot.controllers.gait import measure_gait, symmetry_index, trot_share
from surefoot.controllers.shipped import find
from surefoot.controllers.training import train
from surefoot.envs.variation import Task
from surefoot.robots import SurefootError


def test_symmetry_index_by_hand() -> None:
    assert symmetry_index(np.array([0.5, 0.6, 0.0]), np.array([0.5, 0.4, 0.0])) == pytest.approx([0, 0.4, 0])


def test_trot_share_by_hand() -> None:
    trot, pace = [True, False, False, True], [True, False, True, False]
    assert trot_share(np.array([[trot], [trot], [pace], [[True] * 4]])) == 0.75


def test_a_weak_leg_is_a_limp_and_the_command_0_is_heeded() -> None:
    walker = Controller.load(find("quadruped-velocity"))
    still = measure_gait(walker, (0, 0, 0), worlds=8, seconds=4)
    assert still.duty == pytest.approx(np.ones(4), abs=0.02)
    assert np.abs(still.speed).max() < 0.02
    sound = measure_gait(walker, (1.0, 0, 0), worlds=8, seconds=4)
    assert sound.falls == 0
    assert sound.trot > 0.8
    assert sound.symmetry < 0.1
    limping = measure_gait(walker, (1.0, 0, 0), task=Task({"motor_strength.front_left": 0.5}), worlds=8, seconds=4)
    assert limping.symmetry > 2 * sound.symmetry


def test_other_tasks_have_no_gait() -> None:
    runner = train("hopper", "run", steps=1, progress=False, hyperparameters={"num_envs": 4, "batch_size": 8})
    with pytest.raises(SurefootError, match="velocity"):
        measure_gait(runner, (0, 0, 0))
