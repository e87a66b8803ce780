"""Augmented random search: the paper's step on numbers worked out by hand, and a population that runs at once."""

from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box
from stable_baselines3.common.callbacks import BaseCallback, CallbackList
from torch import nn

from surefoot.controllers.ars import ARS, ARSPolicy
from surefoot.controllers.config import TrainConfig
from surefoot.controllers.presets import settings_for
from surefoot.controllers.training import make_algorithm, make_env
from surefoot.robots import SurefootError

SMALL: dict[str, Any] = {"num_envs": 8, "n_delta": 2, "n_top": 1, "net": (), "gamma": 1.0, "alive_bonus_offset": 0.0}


def config(**hyperparameters: Any) -> TrainConfig:
    return TrainConfig(robot="hopper", task="run", algo="ars", steps=1000, hyperparameters=SMALL | hyperparameters)


def make(**hyperparameters: Any) -> ARS:
    asked = config(**hyperparameters)
    model = make_algorithm(asked, make_env(asked, 8))
    assert isinstance(model, ARS)
    model._setup_learn(1000)
    return model


def silent(model: ARS) -> CallbackList:
    callback = CallbackList([])
    callback.init_callback(model)
    return callback


def test_one_step_is_the_papers_formula(monkeypatch: pytest.MonkeyPatch) -> None:
    """M + alpha / (b sigma) * sum over the b best of (r+ - r-) delta; Mania et al. (2018), algorithm 2, line 7."""
    model = make(learning_rate=0.1, delta_std=0.5)
    first = torch.linspace(-1, 1, 33)
    model.weights = first
    deltas = torch.zeros(2, 33)
    deltas[0, 0], deltas[1, 5] = 1.0, 2.0
    monkeypatch.setattr(torch, "normal", lambda **_: deltas)
    tried = []

    def returns(candidates: torch.Tensor, *_: Any) -> torch.Tensor:
        tried.append(candidates.clone())
        return torch.tensor([3.0, 1.0, 1.0, 2.0])  # r+ of both directions, then r- of both

    monkeypatch.setattr(model, "evaluate_candidates", returns)
    model._do_one_update(silent(model), None)
    torch.testing.assert_close(tried[0], torch.cat([first + 0.5 * deltas, first - 0.5 * deltas]))
    # The best direction is the first, max(3, 1) > max(1, 2); its returns' deviation is sqrt(2): .1 / sqrt(2) * 2.
    wanted = first.clone()
    wanted[0] += 0.1414214
    torch.testing.assert_close(model.weights, wanted, rtol=0, atol=1e-6)
    model.n_top = 2
    # Both: deviation of (3, 1, 1, 2) is .957427, so each gets .1 / (2 * .957427) = .0522233 times (r+ - r-) delta.
    model._do_one_update(silent(model), None)
    wanted[0] += 2 * 0.0522233
    wanted[5] -= 2 * 0.0522233
    torch.testing.assert_close(model.weights, wanted, rtol=0, atol=1e-6)


@pytest.mark.parametrize("net", [[], [6, 5]])
def test_a_population_acts_as_each_policy_alone(net: list[int]) -> None:
    torch.manual_seed(0)
    policy = ARSPolicy(Box(-9, 9, (4,)), Box(-1, 1, (3,)), net_arch=net)
    assert any(layer.bias is not None for layer in policy.action_net if isinstance(layer, nn.Linear)) == bool(net)
    size = len(nn.utils.parameters_to_vector(policy.parameters()))
    candidates, features = torch.randn(5, size), torch.randn(5, 7, 4)
    together = policy.act_each(candidates, features)
    for one, seen, acted in zip(candidates, features, together, strict=True):
        policy.load_from_vector(one.numpy())
        torch.testing.assert_close(acted, policy.action_net(seen))


def test_returns_are_those_of_each_candidate_alone() -> None:
    model, twin = make(gamma=0.99, alive_bonus_offset=-1.0), make()
    torch.manual_seed(1)
    candidates = 0.3 * torch.randn(4, 33)
    norm = model.policy.features_extractor.norm
    norm.update(torch.randn(50, 11) + 1.0)  # as if of earlier iterations
    twin.policy.load_state_dict(model.policy.state_dict())
    got = model.evaluate_candidates(candidates, silent(model), None)
    env = twin.env.core
    env.autoreset = False
    observation = env.reset()
    returns, running, lengths, states = np.zeros(8), np.ones(8, bool), np.zeros(8, int), []
    while running.any():
        states.append(observation[running].copy())
        actions = np.zeros((8, 3))
        for i, candidate in enumerate(candidates):
            twin.policy.load_from_vector(candidate.numpy())
            actions[2 * i : 2 * i + 2] = twin.policy.predict(observation[2 * i : 2 * i + 2])[0]
        observation, reward, terminated, truncated = env.step(actions)
        returns[running] += 0.99 ** lengths.max() * (reward[running] - 1.0)
        lengths += running
        running &= ~(terminated | truncated)
    np.testing.assert_allclose(got.numpy(), returns.reshape(4, 2).mean(axis=1), rtol=1e-4)
    assert len(set(lengths)) > 1
    assert model.num_timesteps == lengths.sum()
    assert sorted(e["l"] for e in model.ep_info_buffer) == sorted(lengths)
    everything = twin.policy.features_extractor.norm  # statistics: earlier ones, and each state of a running episode
    everything.update(torch.as_tensor(np.concatenate(states)))
    torch.testing.assert_close(norm.mean, everything.mean)
    torch.testing.assert_close(norm.var, everything.var)


class Stop(BaseCallback):
    def _on_step(self) -> bool:
        return self.n_calls < 3


def test_a_callback_can_stop_amid_a_population() -> None:
    model = make()
    model.learn(1000, callback=Stop())
    assert model.num_timesteps == 3 * 8
    assert (model.weights == 0).all()


def test_an_mlp_does_not_start_from_zero() -> None:
    assert (make().weights == 0).all()
    assert (make(net=(4,)).weights != 0).any()


def test_sb3s_own_loop_runs_on_any_other_environment() -> None:
    model = ARS(ARSPolicy, gymnasium.make("Pendulum-v1"), n_delta=1, seed=0)
    model.learn(400)
    assert model.num_timesteps == 400
    assert (model.weights != 0).any()


def test_bad_input_is_one_line() -> None:
    for changes, message in (
        ({"num_envs": 10}, "num_envs=10: expected a multiple of 2 x n_delta = 4"),
        ({"n_top": 3}, "n_top=3: expected at most n_delta = 2"),
        ({"delta_std": 0.0}, "delta_std=0.0: expected more than 0"),
        ({"n_delta": 0}, "n_delta=0: expected 1 or more"),
    ):
        with pytest.raises(SurefootError, match=message):
            settings_for("hopper", "run", "ars", SMALL | changes)
