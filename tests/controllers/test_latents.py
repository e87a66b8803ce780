"""Latents: what a controller went by is in its recordings, step by step, and nothing where it has none."""

from typing import Any

import numpy as np
import pytest
import torch

from surefoot import api
from surefoot.controllers.config import TrainConfig
from surefoot.controllers.controller import Controller
from surefoot.controllers.latents import latent_of
from surefoot.controllers.training import make_algorithm, make_env

SMALL = {"num_envs": 4, "batch_size": 64, "net": (16, 16)}
HISTORY = {"history": 4, "encoder_width": 16}


def untrained(algo: str, robot: str = "hopper", task: str = "run", **hyperparameters: Any) -> Controller:
    config = TrainConfig(robot=robot, task=task, algo=algo, steps=1000, hyperparameters=SMALL | hyperparameters)
    return Controller.from_algorithm(config, make_algorithm(config, make_env(config, 4)))


@pytest.mark.parametrize(
    ("algo", "hyperparameters", "size"),
    [
        ("ppo", {}, 0),
        ("recurrent_ppo", {"cell": "lstm", "hidden": 12}, 12),
        ("recurrent_ppo", {"cell": "gru", "hidden": 12}, 12),
        ("ppo", {"network": "tcn", **HISTORY}, 16),
        ("ppo", {"network": "privileged", "inputs": ("payload",), "encoder_width": 8}, 8),
    ],
)
def test_recordings_keep_them(algo: str, hyperparameters: dict[str, Any], size: int) -> None:
    found = api.record(untrained(algo, **hyperparameters), seconds=0.4, parameters={"payload": 1.0})
    assert found.latent.shape == (len(found), size)
    if size:
        moving = "privileged" not in hyperparameters.values()  # the same robot throughout has the same latent
        assert (np.ptp(found.latent, axis=0).max() > 0) == moving
        assert np.abs(found.latent).max() > 0


def test_of_a_belief_they_are_its_mean_and_deviation() -> None:
    belief = untrained("context_sac", "half_cheetah", "cheetah-vel", tasks=4, latent=3, encoder_width=16)
    found = api.record(belief, seconds=1.0)
    assert found.latent.shape == (len(found), 6)
    assert np.array_equal(found.latent[0], [0, 0, 0, 1, 1, 1])  # the prior, before anything was seen
    assert (found.latent[-1, 3:] < 1).all()  # it has become surer


def test_they_are_those_that_the_policy_went_by() -> None:
    controller = untrained("recurrent_ppo", hidden=12)
    rng = np.random.default_rng(0)
    for _ in range(3):
        observation = rng.normal(size=(2, *controller.policy.observation_space.shape)).astype(np.float32)
        actions = controller.act(observation)
    policy = controller.policy
    with torch.no_grad():
        features = policy.features_extractor(torch.as_tensor(observation))
        again = policy.means(torch.cat([features, torch.as_tensor(latent_of(controller, observation))], 1))
    assert np.allclose(np.clip(again.numpy(), -1, 1), actions, atol=1e-5)
