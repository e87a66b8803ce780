"""SB3's A2C and sb3-contrib's TRPO on our rollouts, and what holds for every on-policy algorithm."""

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch

from surefoot.controllers.config import TrainConfig
from surefoot.controllers.controller import Controller
from surefoot.controllers.evaluation import evaluate
from surefoot.controllers.presets import settings_for
from surefoot.controllers.stock_updates import A2C, TRPO
from surefoot.controllers.training import make_algorithm, make_env, resume, train
from surefoot.robots import SurefootError

pytestmark = pytest.mark.usefixtures("one_update_thread")
SMALL: dict[str, Any] = {"num_envs": 8, "n_steps": 12, "net": (16, 16)}
OWN: dict[str, dict[str, Any]] = {
    "a2c": {},
    "trpo": {"batch_size": 32, "n_critic_updates": 2},
    "ars": {"n_steps": None, "n_delta": 2, "n_top": 2, "net": ()},
}


def config(algo: str, **hyperparameters: Any) -> TrainConfig:
    fields = {k: v for k, v in (SMALL | OWN[algo] | hyperparameters).items() if v is not None}
    return TrainConfig(robot="quadruped", task="velocity", algo=algo, steps=1000, hyperparameters=fields)


def rolled_out(algo: str, **hyperparameters: Any) -> Any:
    """A model with one rollout, not yet learnt from."""
    asked = config(algo, mirror=False, **hyperparameters)
    model = make_algorithm(asked, make_env(asked, 8))
    learn, model.train = model.train, lambda: None
    model.learn(96)
    model.train = learn
    return model


def test_the_view_is_the_rollout() -> None:
    model = rolled_out("a2c")
    data, view = model.rollout, model.rollout_buffer
    [whole] = view.get(None)
    for column, tensor in ((whole.observations, data.features), (whole.actions, data.actions)):
        assert column.data_ptr() == tensor.data_ptr()  # no copy
        assert torch.equal(column.view(tensor.shape), tensor)
    assert torch.equal(whole.old_values.view(12, 8), data.values)
    assert torch.equal(whole.old_log_prob.view(12, 8), data.log_probs)
    assert torch.equal(whole.advantages.view(12, 8), data.advantages)
    assert torch.equal(whole.returns, whole.advantages + whole.old_values)
    assert np.array_equal(view.returns.flatten(), whole.returns.numpy())
    parts = list(view.get(40))
    assert [len(p.returns) for p in parts] == [40, 40, 16]
    rows = {tuple(r) for r in whole.observations.tolist()}
    assert {tuple(r) for p in parts for r in p.observations.tolist()} == rows
    pairs = {(v, a) for p in parts for v, a in zip(p.old_values.tolist(), p.advantages.tolist(), strict=True)}
    assert pairs == set(zip(whole.old_values.tolist(), whole.advantages.tolist(), strict=True))


def test_the_update_evaluates_what_the_rollout_did() -> None:
    model = rolled_out("trpo")
    [whole] = model.rollout_buffer.get(None)
    policy = model.policy
    policy.sees_features = True
    with torch.no_grad():
        value, log_prob, _ = policy.evaluate_actions(whole.observations, whole.actions)
    torch.testing.assert_close(log_prob, whole.old_log_prob, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(value.flatten(), whole.old_values, rtol=1e-4, atol=1e-5)


def test_a2c_is_one_step_on_a_loss_written_out() -> None:
    model = rolled_out("a2c", max_grad_norm=1e9, normalize_advantage=False, ent_coef=0.01)
    policy, data = model.policy, model.rollout
    policy.optimizer = torch.optim.SGD(policy.parameters(), lr=1e-2)
    model.lr_schedule = lambda _: 1e-2
    before = {name: p.detach().clone() for name, p in policy.named_parameters()}
    mean, value = policy.heads(data.features.flatten(0, 1))
    normal = torch.distributions.Normal(mean, policy.log_std.exp())
    log_prob = normal.log_prob(data.actions.flatten(0, 1)).sum(1)
    target = (data.advantages + data.values).flatten()
    loss = -(data.advantages.flatten() * log_prob).mean() + model.vf_coef * (value - target).square().mean()
    loss = loss - 0.01 * normal.entropy().sum(1).mean()
    names, parameters = zip(*policy.named_parameters(), strict=True)
    gradients = torch.autograd.grad(loss, parameters)
    model.train()
    after = dict(policy.named_parameters())
    for name, gradient in zip(names, gradients, strict=True):
        torch.testing.assert_close(after[name], before[name] - 1e-2 * gradient, rtol=1e-3, atol=1e-6)
        assert not torch.equal(after[name], before[name]), name
    assert not policy.sees_features


def test_trpo_stays_within_its_trust_region_and_improves() -> None:
    model = rolled_out("trpo", target_kl=0.02, learning_rate=1e-3)
    policy, data = model.policy, model.rollout
    before = {name: p.detach().clone() for name, p in policy.named_parameters()}
    features, actions = data.features.flatten(0, 1), data.actions.flatten(0, 1)
    advantage = data.advantages.flatten()
    advantage = (advantage - advantage.mean()) / advantage.std()
    with torch.no_grad():
        mean, value = policy.heads(features)
        old = torch.distributions.Normal(mean, policy.log_std.exp())
        target = (data.advantages + data.values).flatten()
        error = (value - target).square().mean()
    model.train()
    with torch.no_grad():
        mean, value = policy.heads(features)
        new = torch.distributions.Normal(mean, policy.log_std.exp())
        kl = torch.distributions.kl_divergence(new, old).mean()
        gain = (advantage * (new.log_prob(actions) - old.log_prob(actions)).sum(1).exp()).mean() - advantage.mean()
    assert 0.002 < kl < 0.02  # a step of some size
    assert gain > 0.01
    assert (value - target).square().mean() < error
    for name, after in policy.named_parameters():
        assert torch.isfinite(after).all()
        assert not torch.equal(after, before[name]), name
    assert not policy.sees_features


@pytest.mark.parametrize("algo", OWN)
def test_every_algorithm_trains_saves_loads_and_resumes(algo: str, tmp_path: Path) -> None:
    asked = config(algo)
    options: dict[str, Any] = {"algo": algo, "hyperparameters": asked.hyperparameters, "progress": False}
    options |= {"options": {"episode_seconds": 0.5}} if algo == "ars" else {}
    first = train("quadruped", "velocity", steps=192, out=tmp_path / "run", **options)
    loaded = Controller.load(tmp_path / "run")
    size = first.policy.observation_space.shape[0]
    seen = np.random.default_rng(0).normal(size=(9, size)).astype(np.float32)
    assert np.array_equal(first.act(seen), loaded.act(seen))
    assert first.act(seen).any()
    assert np.isfinite(evaluate(loaded, episodes=3).returns).all()
    again = train("quadruped", "velocity", steps=192, **options)  # same seed, same weights
    other = train("quadruped", "velocity", steps=192, seed=1, **options)
    weights = [c.policy.state_dict() for c in (first, again, other)]
    assert all(torch.equal(v, weights[1][k]) for k, v in weights[0].items())
    assert not all(torch.equal(v, weights[2][k]) for k, v in weights[0].items())
    model = make_algorithm(loaded.config, make_env(loaded.config, 8))
    loaded.give_to(model)
    given = Controller.from_algorithm(loaded.config, model)
    assert all(torch.equal(v, given.policy.state_dict()[k]) for k, v in weights[0].items())
    assert given.training.keys() == loaded.training.keys()
    assert all(torch.equal(v, given.training[k]) for k, v in loaded.training.items())
    assert any("square_avg" in k or "exp_avg_sq" in k for k in given.training) == (algo != "ars")
    steps = loaded.timesteps + 96
    assert resume(tmp_path / "run", steps=steps, progress=False).timesteps >= steps


@pytest.mark.parametrize("model", [A2C, TRPO])
def test_sb3s_own_loops_run_on_any_other_environment(model: Any) -> None:
    kwargs = {"batch_size": 32} if model is TRPO else {}
    learnt = model("MlpPolicy", gymnasium.make("CartPole-v1"), n_steps=32, seed=0, **kwargs).learn(64)
    assert learnt.num_timesteps == 64
    assert learnt.rollout is None


def test_bad_input_is_one_line() -> None:
    for algo, name, value, message in (
        ("trpo", "batch_size", 97, "batch_size=97: expected at most num_envs x n_steps = 96"),
        ("trpo", "target_kl", 0.0, "target_kl=0.0: expected more than 0"),
        ("trpo", "ent_coef", 0.1, "ent_coef"),
        ("a2c", "batch_size", 32, "batch_size"),
        ("a2c", "gamma", 1.5, "gamma=1.5"),
    ):
        with pytest.raises(SurefootError, match=message):
            settings_for("quadruped", "velocity", algo, config(algo).hyperparameters | {name: value})
