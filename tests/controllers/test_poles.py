"""The cartpole and the pendulum go through everything that the other robots go through."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from surefoot import api
from surefoot.controllers.presets import PRESETS
from surefoot.envs.registration import TASKS
from surefoot.robots import ROBOTS, SurefootError

POLES = [("cartpole", "balance"), ("pendulum", "swing-up")]
SMALL: dict[str, Any] = {"num_envs": 8, "n_steps": 16, "batch_size": 64, "n_epochs": 1, "net": (8, 8)}


@pytest.mark.parametrize(("robot", "task"), POLES)
def test_train_adapt_evaluate_replay(robot: str, task: str, tmp_path: Path) -> None:
    vary = {"mass.*": "0.8:1.2", "gravity": "8:12"}
    trained = api.train(robot, task, steps=256, vary=vary, hyperparameters=SMALL, progress=False)
    result = api.evaluate(trained, vary={"payload": "0:0.5"}, episodes=4)
    assert len(result.returns) == 4
    assert np.isnan(result.tracking)
    adaptation = api.adapt(trained, {"payload": 0.3}, seconds=None, steps=500, episodes=2, points=1)
    assert adaptation.after.steps > 0
    page = tmp_path / "page.html"
    recordings = api.replay(trained, adapted=adaptation.controller, parameters={"payload": 0.3}, seconds=1.0, html=page)
    assert [recording.label for recording in recordings] == ["before", "after"]
    assert recordings[0].parameters == {"payload": pytest.approx(0.3)}
    assert recordings[0].spec().compile().nbody > 1  # the page needs no file of ours
    assert page.stat().st_size > 10_000


def test_a_value_based_controller_is_recorded_but_not_fine_tuned() -> None:
    trained = api.train("pendulum", "swing-up", algo="q_learning", steps=640, progress=False)
    recording = api.record(trained, seconds=2.0)
    assert set(np.unique(recording.action)) <= {-1.0, 0.0, 1.0}
    assert np.abs(recording.force).max() <= 2.0
    with pytest.raises(SurefootError, match="'finetune' continues ppo controllers, not 'q_learning'"):
        api.adapt(trained, {"payload": 0.3}, seconds=1.0)
    assert api.adapt(trained, {"payload": 0.3}, method="zero-shot", episodes=2).after.steps == 0


def test_each_is_listed_registered_and_has_presets() -> None:
    columns, rows = api.catalogue("robots")
    tasks = {row[0]: row[columns.index("tasks")] for row in rows}
    for robot, task in POLES:
        assert tasks[robot] == task
        assert robot in TASKS[task][1].values()
        assert robot in ROBOTS
        for algo in ("ppo", "dqn", "qrdqn", "deep_sarsa", "q_learning", "sarsa"):
            assert (robot, task, algo) in PRESETS
