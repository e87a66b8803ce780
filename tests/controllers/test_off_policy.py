"""Each update equals the stock class's; what makes it so in TQC's loss; the algorithms train, save, load and resume."""

import dataclasses
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import sb3_contrib
import stable_baselines3
import torch
from hypothesis import given
from hypothesis import strategies as st
from sb3_contrib.common.torch_layers import BatchRenorm1d
from sb3_contrib.common.utils import quantile_huber_loss
from stable_baselines3.common.logger import configure

from surefoot.controllers.algorithms import ALGORITHMS
from surefoot.controllers.controller import Controller
from surefoot.controllers.off_policy import FusedRenorm, QuantileHuber
from surefoot.controllers.policies import policy_kwargs
from surefoot.controllers.replayed import PackedReplay
from surefoot.controllers.training import make_algorithm, make_env, resume, train
from surefoot.robots import SurefootError

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


def filled(algo: str, ours: bool) -> Any:
    """Our model or the stock class's, whose buffer and first weights are the same in every call."""
    rng = np.random.default_rng(0)
    kwargs = policy_kwargs(dataclasses.replace(ALGORITHMS[algo].settings(), net=(24, 24)), 5)
    kwargs["optimizer_kwargs"]["fused"] = ours
    kwargs["features_extractor_kwargs"]["norm"].update(torch.as_tensor(rng.normal(1.0, 2.0, (100, 5))))
    kind = ALGORITHMS[algo].model if ours else STOCK[algo]
    model: Any = kind(
        ALGORITHMS[algo].policy if ours else "MlpPolicy",
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
    ours, stock = filled(algo, True), filled(algo, False)
    before = learnt(ours)
    for name, value in learnt(stock).items():
        torch.testing.assert_close(before[name], value, rtol=0, atol=0)
    for model in (ours, stock):
        torch.manual_seed(3)
        model.train(gradient_steps=6, batch_size=64)
    after, wanted = learnt(ours), learnt(stock)
    for name, value in wanted.items():
        # Weights move by 6e-3, those of targets by 1e-4; Adam enlarges the rounding of gradients that are nearly zero.
        torch.testing.assert_close(after[name], value, rtol=0, atol=1e-6 if "target" in name else 1e-5, msg=name)
        if name.endswith("weight"):
            assert (value - before[name]).abs().max() > 2e-5, name


@every_algorithm
def test_it_trains_saves_loads_and_resumes(algo: str, tmp_path: Path) -> None:
    options: dict[str, Any] = {"algo": algo, "hyperparameters": SMALL, "progress": False}
    first = train("hopper", "run", steps=200, out=tmp_path / "run", **options)
    loaded = Controller.load(tmp_path / "run")
    seen = np.random.default_rng(0).normal(0, 1, (32, 11)).astype(np.float32)
    assert np.array_equal(first.act(seen), loaded.act(seen))
    names = {name.split(".")[0] for name in loaded.training}
    assert {"actor_optimizer", "critic_optimizer"} <= names
    assert ({"ent_coef_optimizer", "log_ent_coef"} <= names) == (algo in ("sac", "tqc", "crossq"))
    model = make_algorithm(loaded.config, make_env(loaded.config, 4))
    loaded.give_to(model)
    again = Controller.from_algorithm(loaded.config, model)
    for mine, theirs in ((again.training, first.training), (learnt(again), learnt(first))):
        assert mine.keys() == theirs.keys()
        assert all(torch.equal(mine[k], theirs[k]) for k in mine)
    assert resume(tmp_path / "run", steps=300, progress=False).timesteps >= 300
    log = (tmp_path / "run" / "log_0" / "progress.csv").read_text().splitlines()[0].split(",")
    assert {
        "reward/forward",
        "train/critic_loss",
        "train/actor_loss",
        "rollout/ep_rew_mean",
        "rollout/diverged",
    } <= set(log)


@every_algorithm
def test_same_seed_same_controller(algo: str) -> None:
    options: dict[str, Any] = {"algo": algo, "hyperparameters": SMALL, "progress": False}
    runs = [learnt(train("hopper", "run", steps=80, seed=s, **options)) for s in (3, 3, 4)]
    assert all(torch.equal(runs[0][k], runs[1][k]) for k in runs[0])
    assert not all(torch.equal(runs[0][k], runs[2][k]) for k in runs[0])


@pytest.mark.parametrize("algo", ["sac", "ddpg"])
def test_sb3s_own_loop_runs_on_any_other_environment(algo: str) -> None:
    model: Any = ALGORITHMS[algo].model("MlpPolicy", "Pendulum-v1", batch_size=16, learning_starts=20, seed=0)
    before = learnt(model)
    model.learn(30)
    assert not isinstance(model.replay_buffer, PackedReplay)
    name = "actor.mu.weight" if algo == "sac" else "actor.mu.0.weight"
    assert not torch.equal(learnt(model)[name], before[name])


@given(batch=st.integers(1, 4), critics=st.integers(1, 3), quantiles=st.integers(1, 6), targets=st.integers(1, 7))
def test_quantile_loss_equals_sb3_contribs(batch: int, critics: int, quantiles: int, targets: int) -> None:
    generator = torch.Generator().manual_seed(batch + 10 * critics + 100 * quantiles + 1000 * targets)
    current = 2 * torch.randn(batch, critics, quantiles, generator=generator)
    target = 2 * torch.randn(batch, targets, generator=generator)
    results = []
    for function in (QuantileHuber.apply, lambda q, t: quantile_huber_loss(q, t[:, None], sum_over_quantiles=False)):
        leaf = current.clone().requires_grad_()
        loss = function(leaf, target)
        (3 * loss).backward()
        results.append((loss.detach(), leaf.grad))
    torch.testing.assert_close(results[0], results[1])


@pytest.mark.parametrize("mode", ["warm-up", "renormalising", "evaluating"])
def test_batch_normalisation_equals_sb3_contribs(mode: str) -> None:
    stock, ours = BatchRenorm1d(7, warmup_steps=3), FusedRenorm(7, warmup_steps=3)
    torch.manual_seed(0)
    for parameter in stock.parameters():
        torch.nn.init.normal_(parameter)
    ours.load_state_dict(stock.state_dict())
    for _ in range(2 if mode == "warm-up" else 6):
        x, weight = 3 * torch.randn(12, 7) + 1, torch.randn(12, 7)
        results = []
        for layer in (stock, ours):
            layer.train(mode != "evaluating")
            leaf = x.clone().requires_grad_()
            layer.zero_grad()
            out = layer(leaf)
            (out * weight).sum().backward()
            results.append([out.detach(), leaf.grad, layer.scale.grad, layer.bias.grad, *layer.buffers()])
        for mine, theirs in zip(*results, strict=True):
            torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("algo", "wrong"),
    [
        ("sac", {"ent_coef": "hot"}),
        ("sac", {"ent_coef": "auto_-1"}),
        ("sac", {"tau": 0.0}),
        ("sac", {"reward_scale": -1.0}),
        ("tqc", {"top_quantiles_to_drop_per_net": 25}),
        ("crossq", {"policy_delay": 0}),
        ("crossq", {"tau": 0.1}),
        ("td3", {"exploration_noise": -0.1}),
        ("ddpg", {"policy_delay": 2}),
        ("ddpg", {"n_critics": 0}),
    ],
)
def test_bad_hyperparameters_are_named(algo: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(SurefootError, match=next(iter(wrong))) as caught:
        train("hopper", "run", algo=algo, hyperparameters=wrong, progress=False)
    assert "\n" not in str(caught.value)
