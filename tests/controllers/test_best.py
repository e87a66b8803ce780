"""The best controller of a training is the one that is kept."""

import csv
from pathlib import Path

import pytest
import torch

from surefoot.controllers.best import EPISODES, SEED
from surefoot.controllers.controller import Controller
from surefoot.controllers.evaluation import evaluate_as_trained
from surefoot.controllers.training import resume, train
from surefoot.robots import SurefootError


def judged(out: Path, steps: int) -> list[float]:
    """What the log in `out` that begins at `steps` says of each evaluation."""
    with (out / f"log_{steps}" / "progress.csv").open() as file:
        return [float(row["eval/mean_reward"]) for row in csv.DictReader(file) if row.get("eval/mean_reward")]


@pytest.mark.parametrize(
    ("robot", "task", "algo", "steps"),
    [
        ("cartpole", "balance", "q_learning", 60_000),
        ("cartpole", "balance", "ppo", 20_000),
        ("gym:CartPole-v1", "", "dqn", 4_000),
    ],
)
def test_the_best_of_a_training_is_kept(tmp_path: Path, robot: str, task: str, algo: str, steps: int) -> None:
    out = tmp_path / "run"
    kept = train(robot, task, algo=algo, steps=steps, hyperparameters={"evaluations": 4}, out=out, progress=False)
    found = judged(out, 0)
    assert len(found) >= 3
    again = evaluate_as_trained(Controller.load(out), episodes=EPISODES, seed=SEED).mean
    assert again >= max(found)  # the last one is judged after the log's last line
    assert kept.timesteps >= steps  # of the whole training: nothing is left to resume
    same = train(robot, task, algo=algo, steps=steps, hyperparameters={"evaluations": 4}, progress=False)
    weights = kept.policy.state_dict()
    assert all(torch.equal(weight, weights[name]) for name, weight in same.policy.state_dict().items())
    with pytest.raises(SurefootError, match="is complete"):
        resume(out, progress=False)


def test_a_worse_end_does_not_replace_the_best(tmp_path: Path) -> None:
    """A learning rate of nearly 1 throws away what was learnt: the start of the training is better than its end."""
    asked = {"algo": "q_learning", "steps": 200_000, "progress": False}
    forgets = {"learning_rate": 0.99, "linear_decay": False, "gamma": 0.995}
    last = train("cartpole", "balance", hyperparameters={**forgets, "evaluations": 0}, **asked)
    best = train("cartpole", "balance", hyperparameters={**forgets, "evaluations": 10}, **asked)
    of_last, of_best = (evaluate_as_trained(c, episodes=EPISODES, seed=SEED).mean for c in (last, best))
    assert of_best > of_last


def test_a_resumed_training_evaluates_on(tmp_path: Path) -> None:
    out = tmp_path / "run"
    asked = {"algo": "q_learning", "hyperparameters": {"evaluations": 2}, "progress": False}
    first = train("cartpole", "balance", steps=20_000, out=out, **asked)
    second = resume(out, steps=60_000, progress=False)
    assert second.timesteps >= 60_000 > first.timesteps
    assert judged(out, first.timesteps)


def test_a_negative_number_of_evaluations_is_refused() -> None:
    with pytest.raises(SurefootError, match="hyperparameter evaluations=-1: expected 0 or more"):
        train("cartpole", "balance", algo="dqn", steps=1000, hyperparameters={"evaluations": -1})
