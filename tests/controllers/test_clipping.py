"""The clip ranges of SB3's VecNormalize, as hyperparameters."""

from pathlib import Path

import numpy as np
import pytest
import torch

from surefoot.controllers.config import TrainConfig
from surefoot.controllers.controller import Controller
from surefoot.controllers.rollouts import BatchedRollouts
from surefoot.controllers.training import make_algorithm, make_env, train
from surefoot.robots import SurefootError

SMALL = {"num_envs": 16, "n_steps": 16, "batch_size": 128, "net": (8, 8)}


def largest(**hyperparameters: float) -> tuple[float, float]:
    """Largest observation and reward, both normalised, in a second rollout of the hopper."""
    config = TrainConfig(robot="hopper", task="run", steps=512, hyperparameters={**SMALL, **hyperparameters})
    model = make_algorithm(config, make_env(config, 16))
    assert isinstance(model, BatchedRollouts)
    model.learn(512)
    data = model.rollout
    assert data is not None
    return float(data.features.abs().max()), float(data.rewards[data.dones == 0].abs().max())


def test_observations_and_rewards_are_clipped_where_asked() -> None:
    features, reward = largest()
    assert 3 < features <= 10
    assert 0.1 < reward <= 10
    assert largest(clip_obs=3.0, clip_reward=0.1) == (3.0, pytest.approx(0.1))


def test_the_controller_keeps_its_clip(tmp_path: Path) -> None:
    made = train(
        "hopper", "run", steps=256, hyperparameters={**SMALL, "clip_obs": 4.0}, out=tmp_path / "r", progress=False
    )
    loaded = Controller.load(tmp_path / "r")
    far = np.full((1, 11), 1e6, np.float32)
    assert float(loaded.policy.features_extractor(torch.as_tensor(far)).max()) == 4.0
    assert np.array_equal(loaded.act(far), made.act(far))


@pytest.mark.parametrize(
    "wrong", [{"clip_obs": 0.5}, {"clip_obs": float("nan")}, {"clip_reward": 0.0}, {"clip_reward": -1.0}]
)
def test_bad_ranges(wrong: dict[str, float]) -> None:
    with pytest.raises(SurefootError, match=next(iter(wrong))):
        train("hopper", "run", hyperparameters=wrong, progress=False)
