"""A controller as one of another robot."""

import numpy as np
import pytest

from surefoot import api
from surefoot.cli.main import run
from surefoot.controllers.evaluation import evaluate
from surefoot.controllers.transfer import legs_of, moved
from surefoot.robots import SurefootError, get_robot


@pytest.mark.menagerie
def test_a_policy_keeps_its_legs_on_a_robot_that_has_them_in_another_order() -> None:
    walker = api.load("quadruped-velocity")
    there = moved(walker, "go1")
    assert legs_of(get_robot("go1"))[:2] == ("front_right", "front_left")
    assert (there.config.robot, there.config.options["leg_order"]) == ("go1", "standard")
    assert there.config.vary == {}
    assert walker.config.robot == "quadruped"
    assert evaluate(there, episodes=8).tracking > 0.8
    back = moved(there, "quadruped")  # whose own order is the standard one
    observation = np.random.default_rng(0).normal(size=(4, walker.policy.observation_space.shape[0]))
    assert np.array_equal(back.act(observation), walker.act(observation))
    assert evaluate(back, episodes=4).mean == evaluate(walker, episodes=4).mean


@pytest.mark.menagerie
def test_an_order_that_no_option_gives_is_refused() -> None:
    with pytest.raises(
        SurefootError, match=r"go1 has its legs in the order front_right, .* has them in the order front_left"
    ):
        moved(api.load("go1-velocity"), "quadruped")


def test_a_robot_that_does_not_fit_is_refused_before_anything_moves(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SurefootError, match=r"does not fit hexapod velocity: it was trained with"):
        moved(api.load("quadruped-velocity"), "hexapod")
    assert run(["adapt", "quadruped-velocity", "--robot", "hexapd", "--set", "payload=1"]) == 2
    assert "did you mean hexapod" in capsys.readouterr().err


@pytest.mark.menagerie
def test_fine_tuning_goes_on_where_the_policy_is_on_the_other_robot() -> None:
    adaptation = api.adapt("quadruped-velocity", {"payload": 1.0}, robot="go1", seconds=None, steps=12_000, episodes=4)
    assert adaptation.controller.config.robot == "go1"
    assert adaptation.before.evaluation.tracking > 0.7
    assert adaptation.after.steps > 0
