"""Does a network with convolutions learn from what a robot sees of the ground? Minutes, so `make slow`."""

from typing import Any

import numpy as np
import pytest

from surefoot.controllers.config import TrainConfig
from surefoot.controllers.controller import Controller
from surefoot.controllers.evaluation import run_episodes
from surefoot.controllers.training import make_algorithm, make_env
from surefoot.controllers.worlds import worlds_of
from surefoot.envs import tasks
from surefoot.envs.tasks import Velocity

pytestmark = pytest.mark.slow

STAIRS = {"terrain": "stairs-up+stairs-down", "terrain_levels": 2, "terrain_level": 1.0}
STILL = {"camera_size": (24, 16), "vx": 0.0, "vy": 0.0, "yaw": 0.0, "reference_gait": 0.0, "episode_seconds": 1.0}


class Brace(Velocity):
    """Before stairs, which go up as often as down: raise the nose for those that go up, lower it for those that go down.

    A second with the base at the right pitch earns 1, which falls off as exp(-e^2): without looking, the best is to choose one
    side, which earns half.
    """

    def reset(self, ids: np.ndarray) -> None:
        super().reset(ids)
        assert self.ground is not None
        self.sim.qpos[ids, :2] = self.ground.centre[ids] + (0.55, 0.0)
        yaw = self.rng.uniform(-0.2, 0.2, len(ids))
        self.sim.qpos[ids, 3], self.sim.qpos[ids, 6] = np.cos(yaw / 2), np.sin(yaw / 2)
        self._read_state(ids)

    def evaluate(self, terms: np.ndarray, terminated: np.ndarray) -> np.ndarray:
        super().evaluate(terms, terminated)
        assert self.ground is not None
        wanted = np.where(self.ground.kind == 0, -0.15, 0.15)  # x of gravity in the base's frame: sine of the pitch
        return np.exp(-np.square((self._gravity[:, 0] - wanted) / 0.1)) * self.dt


def learnt(monkeypatch: pytest.MonkeyPatch, view: str, worlds: int, steps: int) -> tuple[float, float, float]:
    """Mean return of a second before training and after, and after with the pictures of other worlds."""
    monkeypatch.setitem(tasks.TASKS, "velocity", Brace)
    hyper: dict[str, Any] = {
        "inputs": (view,), "network": "cnn", "num_envs": worlds, "n_steps": 24, "batch_size": worlds * 6, "mirror": False,
        "net": (64,), "log_std_init": -1.0, "gamma": 0.9, "encoder_width": 32, "linear_decay": True,
    }  # fmt: skip
    config = TrainConfig(
        robot="quadruped", task="velocity", steps=steps, options={**STAIRS, **STILL}, hyperparameters=hyper
    )
    model = make_algorithm(config, make_env(config, worlds))
    judged = worlds_of(config, min(worlds, 32), seed=1000, autoreset=False)
    first = judged.step_size - int(np.prod(judged.views[0].shape))
    returns = [run_episodes(judged, Controller.from_algorithm(config, model)).mean]
    model.learn(steps)
    controller = Controller.from_algorithm(config, model)
    returns.append(run_episodes(judged, controller).mean)

    act = controller.act

    def act_on_anothers_picture(observation: np.ndarray, deterministic: bool = True) -> np.ndarray:
        wrong = observation.copy()
        wrong[:, first:] = np.roll(observation[:, first:], 1, axis=0)
        return act(wrong, deterministic)

    controller.act = act_on_anothers_picture  # type: ignore[method-assign]
    returns.append(run_episodes(judged, controller).mean)
    return returns[0], returns[1], returns[2]


def test_a_cnn_learns_from_the_height_scan(monkeypatch: pytest.MonkeyPatch) -> None:
    before, after, misled = learnt(monkeypatch, "height-scan", 64, 60_000)
    print(before, after, misled)
    assert before < 0.4
    assert after > 0.65
    assert misled < after - 0.25


@pytest.mark.render
def test_a_cnn_learns_from_the_camera(monkeypatch: pytest.MonkeyPatch) -> None:
    before, after, misled = learnt(monkeypatch, "camera", 16, 20_000)
    print(before, after, misled)
    assert before < 0.4
    assert after > 0.6
    assert misled < after - 0.2
