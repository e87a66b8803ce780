"""Small controllers for many tests."""

from pathlib import Path

import pytest

from surefoot.controllers import threads
from surefoot.controllers.controller import Controller
from surefoot.controllers.training import train

SMALL = {"num_envs": 16, "batch_size": 128, "net": (16, 16)}


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny quadruped run, three rollouts long."""
    folder = tmp_path_factory.mktemp("run") / "walk"
    train(
        "quadruped", "velocity", steps=1000, vary={"payload": "0:3"}, hyperparameters=SMALL, out=folder, progress=False
    )
    return folder


@pytest.fixture
def one_update_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """For updates of networks so small that a second thread only waits."""
    monkeypatch.setattr(threads, "UPDATE_THREADS", 1)


@pytest.fixture
def controller(run_folder: Path) -> Controller:
    return Controller.load(run_folder)
