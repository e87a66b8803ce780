"""Each update equals the stock class's; what makes it so in TQC's loss; the algorithms train, save, load and resume."""

import dataclasses
from typing import Any

import gymnasium
import numpy as np
import pytest
import sb3_contrib
import stable_baselines3
import torch
from stable_baselines3.common.logger import configure

from surefoot.controllers.algorithms import ALGORITHMS
from surefoot.controllers.policies import policy_kwargs
from surefoot.controllers.replayed import PackedReplay

STOCK = {
    "sac": stable_baselines3.SAC,
    "tqc": sb3_contrib.TQC,
    "crossq": sb3_contrib.CrossQ,
    "td3": stable_baselines3.TD3,
    "ddpg": stable_baselines3.DDPG,
}
SMALL: dict[str, Any] = {
    "num_envs": 4,
    "batch_size": 32,
    "net": (16, 16),
    "learning_starts": 40,
    "gradient_steps": 1,
    "buffer_size": 2000,
}
every_algorithm = pytest.mark.parametrize("algo", STOCK)


class Nowhere(gymnasium.Env):  # type: ignore[type-arg]
    """Spaces, for models whose replay buffer is filled by hand."""

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (5,), np.float32)
    action_space = gymnasium.spaces.Box(-2.0, 2.0, (3,), np.float32)


def filled(algo: str, kind: type[Any], fused: bool) -> Any:
    """A model of class `kind` whose buffer and first weights are the same in every call."""
    rng = np.random.default_rng(0)
    kwargs = policy_kwargs(dataclasses.replace(ALGORITHMS[algo].settings(), net=(24, 24)), 5)
    kwargs["optimizer_kwargs"]["fused"] = fused
    kwargs["features_extractor_kwargs"]["norm"].update(torch.as_tensor(rng.normal(1.0, 2.0, (100, 5))))
    model = kind(
        ALGORITHMS[algo].policy,
        Nowhere(),
        learning_rate=1e-3,
        policy_kwargs=kwargs,
        replay_buffer_class=PackedReplay,
        replay_buffer_kwargs={"seed": 7},
        seed=1,
        device="cpu",
        buffer_size=300,
    )
    model.set_logger(configure(None, []))
    for _ in range(300):
        seen, following = torch.as_tensor(rng.normal(1.0, 2.0, (2, 1, 5)))
        action, reward = torch.as_tensor(rng.uniform(-1, 1, (1, 3))), torch.as_tensor(rng.normal(0, 3, (1, 1)))
        model.replay_buffer.add(seen, action, following, torch.as_tensor(rng.random((1, 1)) < 0.2), reward)
    return model


def learnt(model: Any) -> dict[str, torch.Tensor]:
    state = {k: v.clone() for k, v in model.policy.state_dict().items()}
    if getattr(model, "log_ent_coef", None) is not None:
        state["log_ent_coef"] = model.log_ent_coef.detach().clone()
    return state


@every_algorithm
def test_updates_equal_those_of_the_stock_class(algo: str) -> None:
    ours, stock = filled(algo, ALGORITHMS[algo].model, True), filled(algo, STOCK[algo], False)
    before = learnt(ours)
    for name, value in learnt(stock).items():
        torch.testing.assert_close(before[name], value, rtol=0, atol=0)
    for model in (ours, stock):
        torch.manual_seed(3)
        model.train(gradient_steps=6, batch_size=64)
    after, wanted = learnt(ours), learnt(stock)
    for name, value in wanted.items():
        print(name, (after[name] - value).abs().max().item(), (value - before[name]).abs().max().item())
    for name, value in wanted.items():
        torch.testing.assert_close(after[name], value, rtol=1e-4, atol=2e-5, msg=name)
