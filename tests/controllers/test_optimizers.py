"""Optimisers by name: each descends, spares what should not decay, and goes on where it stopped."""

from pathlib import Path

import pytest
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from torch import nn

from surefoot.controllers.config import TrainConfig
from surefoot.controllers.controller import Controller
from surefoot.controllers.optimizers import OPTIMIZERS, make_optimizer
from surefoot.controllers.training import make_algorithm, make_env

SMALL = {"num_envs": 8, "n_steps": 4, "batch_size": 16, "n_epochs": 1, "net": (16, 16), "adaptive_kl": None}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_regression_is_learnt(name: str) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 32), nn.Tanh(), nn.Linear(32, 1))
    x = torch.randn(256, 4)
    target = x[:, :1].sin() - x[:, 1:2]
    optimizer = make_optimizer(net.parameters(), 1e-2, name)
    losses = []
    for _ in range(200):
        loss = (net(x) - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("decay", [0.0, 0.5, None])
def test_weights_decay_and_nothing_else(name: str, decay: float | None) -> None:
    layer = nn.Linear(3, 2)
    log_std = nn.Parameter(torch.full((2,), -1.0))
    parameters = [log_std, *layer.parameters()]
    before = [p.detach().clone() for p in parameters]
    optimizer = make_optimizer(iter(parameters), 0.1, name, decay)
    for p in parameters:
        p.grad = torch.zeros_like(p)
    optimizer.step()
    assert torch.equal(log_std, before[0])
    assert torch.equal(layer.bias, before[2])
    decays = decay or (decay is None and name == "adamw")
    assert bool((layer.weight.abs() < before[1].abs()).all()) == bool(decays)


def model_of(name: str) -> tuple[TrainConfig, BaseAlgorithm]:
    hyperparameters = {**SMALL, "optimizer": name, "weight_decay": 0.01}
    config = TrainConfig(robot="hopper", task="run", steps=64, hyperparameters=hyperparameters)
    return config, make_algorithm(config, make_env(config, 8))


def step(model: BaseAlgorithm) -> None:
    """One step on a loss that depends on nothing but the weights."""
    optimizer = model.policy.optimizer
    optimizer.zero_grad()
    sum(p.square().sum() for p in model.policy.parameters()).backward()
    optimizer.step()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_saved_optimiser_goes_on_as_if_never_stopped(name: str, tmp_path: Path) -> None:
    config, model = model_of(name)
    kind = OPTIMIZERS[name][0]
    assert type(model.policy.optimizer) is kind
    model.learn(64)
    Controller.from_algorithm(config, model).save(tmp_path / "c.safetensors")
    again = model_of(name)[1]
    Controller.load(tmp_path / "c.safetensors").give_to(again)
    fresh = model_of(name)[1]
    fresh.policy.load_state_dict(model.policy.state_dict())
    for one in (model, again, fresh):
        for group in one.policy.optimizer.param_groups:
            group["lr"] = 1e-3
        step(one), step(one)
    pairs = zip(model.policy.parameters(), again.policy.parameters(), fresh.policy.parameters(), strict=True)
    for expected, resumed, forgotten in pairs:
        assert torch.equal(expected, resumed)
        assert not torch.equal(expected, forgotten), "a new optimiser would step otherwise: there is something to save"


def test_sac_has_the_optimiser_for_actor_and_critic() -> None:
    config = TrainConfig(
        robot="hopper", task="run", algo="sac", steps=1, hyperparameters={"optimizer": "nadam", "num_envs": 2}
    )
    policy = make_algorithm(config, make_env(config, 2)).policy
    assert type(policy.actor.optimizer) is type(policy.critic.optimizer) is torch.optim.NAdam
