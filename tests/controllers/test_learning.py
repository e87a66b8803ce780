"""Do the presets learn? Minutes each, so `make slow`."""

import numpy as np
import pytest

from surefoot.controllers.adaptation import Budget, finetune
from surefoot.controllers.evaluation import evaluate
from surefoot.controllers.training import train
from surefoot.envs.variation import Task

pytestmark = pytest.mark.slow


def test_ppo_runs_with_half_cheetah() -> None:
    trained = train("half_cheetah", "run", steps=800_000, seed=0, progress=False)
    assert evaluate(trained, episodes=20).mean > 3000  # random: about -300


def test_sac_runs_with_half_cheetah() -> None:
    trained = train("half_cheetah", "run", algo="sac", steps=60_000, seed=0, progress=False)
    assert evaluate(trained, episodes=10).mean > 1000


@pytest.mark.parametrize("robot", ["quadruped", pytest.param("go1", marks=pytest.mark.menagerie)])
def test_ppo_walks(robot: str) -> None:
    trained = train(robot, "velocity", steps=1_000_000, seed=0, progress=False)
    result = evaluate(trained, episodes=100)
    assert result.tracking > 0.8
    assert result.fell.mean() < 0.05


def test_finetune_saves_a_robot_that_falls() -> None:
    base = train("quadruped", "velocity", steps=800_000, vary={"payload": "0:3"}, seed=0, progress=False)
    broken = Task({"payload": 6.0, "motor_strength.front_left": 0.4})
    outcome = finetune(base, broken, Budget(seconds=None, steps=200_000), episodes=50, points=2)
    assert outcome.before.evaluation.fell.mean() > 0.5
    assert outcome.after.evaluation.fell.mean() < 0.3
    assert np.isfinite(outcome.after.evaluation.returns).all()
