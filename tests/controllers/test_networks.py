"""Networks by name: all of them build, learn, keep causality and symmetry, and come back from a file."""

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box
from hypothesis import given
from hypothesis import strategies as st
from stable_baselines3.common.policies import ActorCriticPolicy
from torch.nn import functional as F

from surefoot.controllers.config import TrainConfig
from surefoot.controllers.controller import Controller
from surefoot.controllers.networks import (
    ACTIVATIONS,
    HISTORY_NETWORKS,
    NETWORKS,
    NORM_LAYERS,
    Block,
    Normalize,
    hidden,
    make_encoder,
)
from surefoot.controllers.normalization import NormalizedExtractor, RunningNorm
from surefoot.controllers.policies import policy_kwargs
from surefoot.controllers.policy import Policy
from surefoot.controllers.ppo import PPO
from surefoot.controllers.presets import settings_for
from surefoot.controllers.training import make_algorithm, make_env, mirror_map, train
from surefoot.robots import SurefootError

SIZE, STEPS, ACTIONS, IMAGE = 5, 7, 3, (3, 20, 17)
SMALL: dict[str, Any] = {"net": (16,), "encoder_width": 8}


def controller_with(network: str, **hyperparameters: Any) -> Controller:
    """A controller on observations of 5 numbers (7 steps of them for a history network) or on small pictures."""
    history = STEPS if network in HISTORY_NETWORKS else 1
    inputs = ("gravity", "payload") if network == "privileged" else ()  # the last two of the five numbers
    hyperparameters = {**SMALL, "network": network, "history": history, "inputs": inputs, **hyperparameters}
    config = TrainConfig(robot="half_cheetah", task="run", steps=1, hyperparameters=hyperparameters)
    settings = settings_for("half_cheetah", "run", "ppo", hyperparameters)
    space: Box = Box(-np.inf, np.inf, (settings.history * SIZE,), np.float32)
    if network == "cnn":
        space = Box(0, 255, IMAGE, np.uint8)
    kwargs = policy_kwargs(settings, settings.history * SIZE)
    return Controller(config, Policy(space, Box(-1, 1, (ACTIONS,)), lambda _: 1e-3, **kwargs))


def observations(controller: Controller, n: int = 6) -> np.ndarray:
    space, rng = controller.policy.observation_space, np.random.default_rng(0)
    if space.dtype == np.uint8:
        return rng.integers(0, 256, (n, *space.shape), np.uint8)
    return rng.normal(0, 2, (n, *space.shape)).astype(np.float32)


@pytest.mark.parametrize("network", NETWORKS)
def test_all_combinations_learn_and_come_back_from_a_file(network: str, tmp_path: Path) -> None:
    for activation in ACTIVATIONS:
        for norm_layer in NORM_LAYERS:
            torch.manual_seed(0)
            controller = controller_with(network, activation=activation, norm_layer=norm_layer)
            policy, seen = controller.policy, observations(controller)
            assert isinstance(policy, Policy)
            policy.update_statistics(torch.as_tensor(seen))
            mean, value = policy.heads(policy.features_extractor(torch.as_tensor(seen)))
            assert mean.shape == (6, ACTIONS)
            assert value.shape == (6,)
            (100 * mean.square().sum() + value.square().sum() + policy.log_std.sum()).backward()
            for name, parameter in policy.named_parameters():
                assert parameter.grad is not None, name
                assert torch.isfinite(parameter.grad).all(), name
                assert parameter.grad.any(), f"{name} of {activation} {norm_layer} learns nothing"
            policy.optimizer.step()
            controller.save(tmp_path / "c.safetensors")
            loaded = Controller.load(tmp_path / "c.safetensors")
            assert np.array_equal(loaded.act(seen), controller.act(seen))
            assert len(np.unique(controller.act(seen), axis=0)) == 6


def test_the_plain_network_is_sb3s_own() -> None:
    torch.manual_seed(0)
    ours = controller_with("mlp").policy
    torch.manual_seed(0)
    stock = ActorCriticPolicy(
        ours.observation_space, ours.action_space, lambda _: 1e-3, net_arch=[16], log_std_init=-1.0,
        features_extractor_class=NormalizedExtractor,
    )  # fmt: skip
    theirs = stock.state_dict()
    assert theirs.keys() == ours.state_dict().keys()
    assert all(torch.equal(v, theirs[k]) for k, v in ours.state_dict().items())
    assert hidden("elu") is torch.nn.ELU


@pytest.mark.parametrize("network", HISTORY_NETWORKS)
@given(history=st.integers(1, 60), size=st.integers(1, 9), width=st.integers(2, 12), n=st.integers(1, 4))
def test_history_networks_of_any_size(network: str, history: int, size: int, width: int, n: int) -> None:
    torch.manual_seed(0)
    # Doubles: a layer norm of two numbers that are almost the same is all rounding error.
    encoder = make_encoder(Box(-1, 1, (history * size,)), network, history, width, "tanh", "none").double()
    x = torch.randn(n, history * size, dtype=torch.double, requires_grad=True)
    out = encoder(x)
    assert out.shape == (n, encoder.features_dim) == (n, size + width)
    assert torch.equal(out[:, :size], x[:, -size:]), "the newest observation stands first"
    (gradient,) = torch.autograd.grad(out[:, size:].square().sum(), x)
    assert gradient.unflatten(1, (history, size)).abs().sum((0, 2)).min() > 0, "each step counts"
    each = torch.cat([encoder(row[None]) for row in x])
    torch.testing.assert_close(each, out)


@given(channels=st.integers(1, 4), height=st.integers(1, 70), width=st.integers(1, 70))
def test_images_of_any_size(channels: int, height: int, width: int) -> None:
    encoder = make_encoder(Box(0, 255, (channels, height, width), np.uint8), "cnn", 1, 8, "elu", "layer")
    assert encoder(torch.randn(2, channels * height * width)).shape == (2, 8) == (2, encoder.features_dim)


@pytest.mark.parametrize("network", HISTORY_NETWORKS)
@pytest.mark.parametrize("norm_layer", NORM_LAYERS)
@pytest.mark.parametrize("history", [3, 16, 50])
def test_no_position_knows_what_comes_later(network: str, norm_layer: str, history: int) -> None:
    encoder = make_encoder(Box(-1, 1, (history * 4,)), network, history, 8, "tanh", norm_layer)
    for parameter in encoder.parameters():
        parameter.requires_grad_(False)
    x = torch.randn(2, history, 8)
    out = encoder.sequence(x)
    # Which step each position ends at: RMA's convolution strides over four of them.
    stride = 4 if network == "tcn" else 1
    ends = history - 1 - stride * np.arange(out.shape[1])[::-1]
    assert network == "tcn" or out.shape[1] == history
    for changed in range(history):
        other = x.clone()
        other[:, changed] += torch.randn(2, 8)
        differs = (encoder.sequence(other) - out).abs().amax((0, 2)).numpy() > 0
        assert not differs[ends < changed].any()
        if changed in ends:
            assert differs[ends == changed].all()


def test_attention_is_softmax_over_what_came_before() -> None:
    torch.manual_seed(0)
    block, x = Block(8, "relu", "layer"), torch.randn(2, 5, 8)
    with torch.no_grad():
        query, key, value = block.attention(F.layer_norm(x, (8,))).chunk(3, dim=2)
        seen = torch.zeros_like(x)
        for head in range(4):
            part = slice(2 * head, 2 * head + 2)
            for t in range(5):
                scores = torch.einsum("nd,nsd->ns", query[:, t, part], key[:, : t + 1, part]) / 2**0.5
                seen[:, t, part] = torch.einsum("ns,nsd->nd", scores.softmax(1), value[:, : t + 1, part])
        middle = x + block.out(seen)
        torch.testing.assert_close(block(x), middle + block.layers(F.layer_norm(middle, (8,))))


@pytest.mark.parametrize("dim", [1, -1])
def test_norm_layers_equal_torchs(dim: int) -> None:
    x = 3 * torch.randn(4, 6, 6) + 1
    rows = x.transpose(1, 2) if dim == 1 else x
    for kind, reference in (("layer", F.layer_norm), ("rms", F.rms_norm)):
        expected = reference(rows, (6,), eps=1e-5)
        torch.testing.assert_close(Normalize(kind, dim)(x), expected.transpose(1, 2) if dim == 1 else expected)


def test_norm_layers_stand_between_linear_layer_and_activation() -> None:
    policy = controller_with("mlp", norm_layer="layer", activation="tanh").policy
    linear, after = policy.mlp_extractor.policy_net
    x = torch.randn(3, SIZE)
    torch.testing.assert_close(after(linear(x)), torch.tanh(F.layer_norm(linear(x), (16,))))


def test_each_step_of_a_history_is_normalised_alike() -> None:
    norm, once = RunningNorm(SIZE), RunningNorm(SIZE)
    rows = torch.randn(9, STEPS * SIZE) * 3 + 1
    norm.update(rows)
    once.update(rows[:, -SIZE:])
    assert torch.equal(norm.mean, once.mean)
    assert torch.equal(norm.var, once.var)
    assert norm.count == 9
    each = torch.cat([once(part) for part in rows.split(SIZE, dim=1)], dim=1)
    assert torch.equal(norm(rows), each)


def symmetric(network: str, norm_layer: str) -> tuple[Policy, Any, dict[str, Any]]:
    hyperparameters = {
        **SMALL, "num_envs": 4, "batch_size": 16, "network": network, "history": 1 if network == "mlp" else 5,
        "norm_layer": norm_layer, "mirror": True,
    }  # fmt: skip
    config = TrainConfig(robot="quadruped", task="velocity", steps=1, hyperparameters=hyperparameters)
    env = make_env(config, 4)
    policy = make_algorithm(config, env).policy
    assert isinstance(policy, Policy)
    with torch.no_grad():  # a network of some size, and statistics from lopsided data
        for parameter in policy.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    policy.update_statistics(torch.randn(64, env.observation_size) * 2 + 0.7)
    return policy, env, hyperparameters


@pytest.mark.parametrize("norm_layer", ["none", "layer"])
@pytest.mark.parametrize("network", ["mlp", *HISTORY_NETWORKS])
def test_mirrored_histories_get_mirrored_actions(network: str, norm_layer: str) -> None:
    policy, env, hyperparameters = symmetric(network, norm_layer)
    index, sign, action, flip = mirror_map(env)
    states = torch.randn(20, env.observation_size)
    image = torch.as_tensor(sign) * states.unflatten(1, (env.history, -1))[:, :, index]
    with torch.no_grad():
        features, reflected = (policy.features_extractor(s) for s in (states, image.flatten(1)))
        (mean, value), (mean_of_image, value_of_image) = policy.heads(features), policy.heads(reflected)
    wanted = mean[:, action] * torch.as_tensor(flip, dtype=torch.float32)
    torch.testing.assert_close(mean_of_image, wanted, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(value_of_image, value, rtol=1e-4, atol=1e-5)
    assert (mean_of_image - mean).abs().max() > 0.01
    assert torch.equal(policy.reflected(policy.reflected(states)), states)

    # The same function as an untied network, which may then lose the symmetry.
    settings = settings_for("quadruped", "velocity", "ppo", {**hyperparameters, "untied": True})
    space = Box(-np.inf, np.inf, (env.observation_size,), np.float32)
    twin = Policy(
        space, Box(-1, 1, (12,)), lambda _: 1e-2, **policy_kwargs(settings, env.observation_size, mirror_map(env))
    )
    policy.untie(twin)
    with torch.no_grad():
        for mine, theirs in zip(policy.heads(features), twin.heads(features), strict=True):
            torch.testing.assert_close(theirs, mine, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(twin.distribution(mean).log_std, policy.distribution(mean).log_std)
    for one in (policy, twin):
        one.optimizer.zero_grad()
        one.heads(features)[0][:, 0].sum().backward()
        one.optimizer.step()
        with torch.no_grad():
            gap = one.heads(reflected)[0] - one.heads(features)[0][:, action] * torch.as_tensor(flip).float()
        assert (gap.abs().max() > 1e-3) == one.untied


@pytest.mark.parametrize("network", ["tcn", "gru"])
def test_sac_has_an_encoder_each_for_actor_and_critic(network: str, tmp_path: Path) -> None:
    hyperparameters = {
        **SMALL, "network": network, "history": 4, "norm_layer": "rms", "num_envs": 4, "batch_size": 32,
        "learning_starts": 40, "gradient_steps": 1, "buffer_size": 500,
    }  # fmt: skip
    trained = train(
        "hopper", "run", algo="sac", steps=200, hyperparameters=hyperparameters, out=tmp_path / "r", progress=False
    )
    names = {name for name, _ in trained.policy.named_parameters()}
    assert any(name.startswith("actor.features_extractor.encoder.") for name in names)
    assert any(name.startswith("critic.features_extractor.encoder.") for name in names)
    norm = trained.policy.actor.features_extractor.norm
    assert norm is trained.policy.critic.features_extractor.norm
    assert norm.mean.shape == (11,)
    assert norm.count == trained.timesteps
    seen = np.random.default_rng(0).normal(size=(5, 44)).astype(np.float32)
    assert np.array_equal(Controller.load(tmp_path / "r").act(seen), trained.act(seen))


def test_images_either_way_round() -> None:
    controller = controller_with("cnn")
    seen = observations(controller)
    assert np.array_equal(controller.copy().act(seen), controller.act(seen))
    assert np.array_equal(controller.act(seen), controller.act(seen.transpose(0, 2, 3, 1)))
    with torch.no_grad():
        features = controller.policy.features_extractor(torch.as_tensor(seen))
    assert np.allclose(features.numpy(), seen.reshape(6, -1) / 127.5 - 1, atol=1e-5)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"network": "transfomer"}, "unknown network 'transfomer': did you mean transformer"),
        ({"activation": "rellu"}, "unknown activation 'rellu': did you mean relu"),
        ({"norm_layer": "laier"}, "unknown norm layer 'laier': did you mean layer"),
        ({"optimizer": "adamx"}, "unknown optimizer 'adamx': did you mean adam"),
        ({"network": "tcn"}, "network 'tcn' reads a history: set history=16"),
        ({"network": "cnn", "history": 2}, "network 'cnn' reads one image"),
        ({"network": "cnn"}, r"network 'cnn' reads images \(channels, height, width\), not observations \(11,\)"),
        ({"untied": True}, "untied=true is for a mirrored network"),
        ({"history": 0}, "history=0: expected 1 or more"),
        ({"encoder_width": 0}, "encoder_width=0: expected 1 or more"),
        ({"weight_decay": -1.0}, "weight_decay=-1.0: expected 0 or more"),
    ],
)
def test_bad_names_and_values_are_one_clear_line(wrong: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(SurefootError, match=message) as caught:
        train("hopper", "run", steps=256, hyperparameters=wrong, out=tmp_path / "run", progress=False)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_what_memory_cannot_hold_is_refused_before_it_is_filled(tmp_path: Path) -> None:
    for algo, wrong in (("ppo", {"n_steps": 10**8}), ("sac", {"buffer_size": 10**11})):
        asked = {"num_envs": 16, "history": 3, **wrong}
        with pytest.raises(SurefootError, match=r"observations of 33 numbers take .* GiB .*: lower history=3"):
            train("hopper", "run", algo=algo, steps=99, hyperparameters=asked, out=tmp_path / "r", progress=False)
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize("name", ["CartPole-v1", "Pendulum-v1"])
def test_our_policy_learns_in_sb3s_own_loops(name: str) -> None:
    """Logits where actions are discrete, a Gaussian where they are not."""
    settings = settings_for("", "", "ppo", {"net": (16,), "norm_layer": "layer", "optimizer": "adamw"})
    env = gymnasium.make(name)
    kwargs = policy_kwargs(settings, env.observation_space.shape[0])
    model = PPO(Policy, env, n_steps=32, batch_size=16, n_epochs=1, policy_kwargs=kwargs, device="cpu", seed=0)
    before = {k: v.clone() for k, v in model.policy.named_parameters()}
    model.learn(64)
    assert all(not torch.equal(v, before[k]) for k, v in model.policy.named_parameters())
    action = model.predict(env.observation_space.sample())[0]
    assert env.action_space.contains(int(action) if action.ndim == 0 else action)


def test_a_history_that_does_not_fit() -> None:
    with pytest.raises(SurefootError, match="history=4 does not fit observations of 10 numbers"):
        make_encoder(Box(-1, 1, (10,)), "gru", 4, 8, "elu", "none")


@pytest.mark.parametrize("mirror", [False, True])
def test_a_height_scan_is_read_beside_the_other_numbers(mirror: bool, tmp_path: Path) -> None:
    hyperparameters = {
        "inputs": ("height-scan",), "network": "cnn", "num_envs": 16, "n_steps": 4, "batch_size": 32, "net": (16,),
        "encoder_width": 8, "mirror": mirror,
    }  # fmt: skip
    options = {"terrain": "rough+stairs-up", "terrain_levels": 2, "scan_spacing": 0.2}
    config = TrainConfig(
        robot="quadruped", task="velocity", steps=128, options=options, hyperparameters=hyperparameters
    )
    model = make_algorithm(config, make_env(config, 16))
    model.learn(128)
    controller = Controller.from_algorithm(config, model)
    controller.save(tmp_path / "c.safetensors")
    again = Controller.load(tmp_path / "c.safetensors")
    env = make_env(config, 16)
    seen = env.reset()
    assert seen.shape[1] == 50 + 9 * 6
    acted = again.act(seen)
    assert np.array_equal(acted, controller.act(seen))
    blind = seen.copy()
    blind[:, 50:] = 0.0
    assert np.abs(again.act(blind) - acted).max() > 1e-3
    if mirror:
        index, sign, action, flip = mirror_map(env)
        image = again.act(seen[:, index] * sign.astype(np.float32))
        assert image == pytest.approx(acted[:, action] * flip, abs=1e-5)
