"""PPO's arithmetic against slow references, and SB3's own loops where the environment is not ours."""

import gymnasium
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from surefoot.controllers.config import TrainConfig
from surefoot.controllers.normalization import NormalizedExtractor, RunningNorm
from surefoot.controllers.ppo import PPO
from surefoot.controllers.rollouts import Rollout
from surefoot.controllers.training import make_algorithm, make_env

SMALL = {"num_envs": 8, "n_steps": 12, "batch_size": 96, "n_epochs": 1, "net": (16, 16)}


def config(**changes: object) -> TrainConfig:
    fields = {"robot": "quadruped", "task": "velocity", "steps": 1000, "hyperparameters": SMALL}
    return TrainConfig.model_validate(fields | changes)


@given(
    steps=st.integers(1, 12),
    gamma=st.floats(0.5, 1.0),
    gae_lambda=st.floats(0.0, 1.0),
    seed=st.integers(0, 1000),
)
def test_advantages_equal_the_sum_of_their_definition(steps: int, gamma: float, gae_lambda: float, seed: int) -> None:
    worlds, rng = 3, np.random.default_rng(seed)
    data = Rollout.empty(steps, worlds, 2, 1, 2)
    rewards, values = rng.normal(size=(steps, worlds)), rng.normal(size=(steps + 1, worlds))
    dones = rng.random((steps, worlds)) < 0.3
    beyond = np.where(dones & (rng.random((steps, worlds)) < 0.5), rng.normal(size=(steps, worlds)), 0.0)  # time limits
    data.rewards[:], data.values[:] = torch.tensor(rewards), torch.tensor(values[:-1])
    data.ends[:], data.cut_values[:] = torch.tensor(dones), torch.tensor(beyond)
    data.compute_advantages(torch.tensor(values[-1]).float(), gamma, gae_lambda)
    for w in range(worlds):
        for t in range(steps):
            total, weight = 0.0, 1.0
            for k in range(t, steps):
                following = beyond[k, w] if dones[k, w] else values[k + 1, w]
                delta = rewards[k, w] + gamma * following - values[k, w]
                total += weight * delta
                weight *= gamma * gae_lambda
                if dones[k, w]:
                    break
            assert float(data.advantages[t, w]) == pytest.approx(total, rel=1e-3, abs=1e-4)


def test_one_update_equals_sgd_on_a_loss_written_out() -> None:
    model = make_algorithm(config(hyperparameters={**SMALL, "adaptive_kl": None, "max_grad_norm": 1e9}), _env())
    assert isinstance(model, PPO)
    model.learn(1, callback=_Stop())  # prepares logger and environment, collects nothing
    torch.manual_seed(0)
    data = model.rollout
    assert data is not None
    for tensor in (data.features, data.actions, data.log_probs, data.values, data.advantages):
        tensor.normal_()
    data.log_probs *= 0.1
    policy = model.policy
    policy.optimizer = torch.optim.SGD(policy.parameters(), lr=1e-2)
    model.lr_schedule = lambda _: 1e-2
    model.batch_size = data.features.shape[0] * data.features.shape[1]  # one minibatch: its order does not matter
    before = {name: p.detach().clone() for name, p in policy.named_parameters()}

    x, a = data.features.flatten(0, 1), data.actions.flatten(0, 1)
    mean, value = policy.heads(x)
    std = 0.5 * (policy.log_std + policy.log_std[policy.mirror_action]) if policy.mirrored else policy.log_std
    normal = torch.distributions.Normal(mean, std.exp())
    new = normal.log_prob(a).sum(1)
    ratio = (new - data.log_probs.flatten()).exp()
    advantage = data.advantages.flatten()
    target = advantage + data.values.flatten()
    advantage = (advantage - advantage.mean()) / advantage.std()
    clip = model.clip_range(1.0)
    surrogate = torch.minimum(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage)
    loss = -surrogate.mean() + model.vf_coef * (value - target).square().mean()
    loss = loss - model.ent_coef * normal.entropy().sum(1).mean()
    names, parameters = zip(*policy.named_parameters(), strict=True)
    gradients = torch.autograd.grad(loss, parameters)
    model.train()
    after = dict(policy.named_parameters())
    for name, gradient in zip(names, gradients, strict=True):
        torch.testing.assert_close(after[name], before[name] - 1e-2 * gradient, rtol=1e-3, atol=1e-5)


def _Stop():  # type: ignore[no-untyped-def]
    from stable_baselines3.common.callbacks import BaseCallback

    class Stop(BaseCallback):
        def _on_step(self) -> bool:
            return False

    return Stop()


def _env(worlds: int = 8):  # type: ignore[no-untyped-def]
    return make_env(config(), worlds)


def test_truncation_bootstraps_and_termination_does_not() -> None:
    env = _env()
    env.episode_steps = 5
    model = make_algorithm(config(), env)
    assert isinstance(model, PPO)
    model._setup_learn(96)
    env.lengths[:] = 0
    seen = []
    step = env.step

    def watched(actions: np.ndarray):  # type: ignore[no-untyped-def]
        if len(seen) == 2:
            env.simulation.qpos[3, 2] = 0.01  # world 3 has fallen, and ends
        result = step(actions)
        seen.append((env.reward.copy(), env.terminated.copy(), env.truncated.copy(), env.final_observation.copy()))
        return result

    env.step = watched
    from stable_baselines3.common.callbacks import CallbackList

    callback = CallbackList([])
    callback.init_callback(model)
    model.policy.update_statistics(torch.as_tensor(env.observation))
    norm_at_rollout = {k: v.clone() for k, v in model.policy.state_dict().items()}
    assert model.collect_rollouts(model.env, callback, model.rollout_buffer, model.n_steps)
    data = model.rollout
    assert data is not None
    model.policy.load_state_dict(norm_at_rollout)
    ended, scale = 0, float(torch.sqrt(model.return_norm.var + 1e-8))
    for t, (reward, terminated, truncated, final) in enumerate(seen):
        beyond = np.zeros(8)
        if truncated.any():
            with torch.no_grad():
                features = model.policy.features_extractor(torch.as_tensor(final[truncated]))
                beyond[truncated] = model.policy.heads(features)[1].numpy()
        np.testing.assert_allclose(data.rewards[t].numpy(), reward / scale, atol=1e-3, rtol=1e-3)
        np.testing.assert_allclose(data.cut_values[t].numpy(), beyond, atol=1e-5)
        np.testing.assert_array_equal(data.dones[t].numpy() > 0, terminated | truncated)
        assert torch.equal(data.ends[t], data.dones[t])
        ended += int(truncated.sum())
        assert np.abs(beyond[truncated]).min(initial=1) > 2e-3  # large enough to be seen
    assert ended
    assert any(terminated[3] for _, terminated, _, _ in seen)


finite = st.floats(-1e3, 1e3, width=32)


@given(st.lists(st.lists(st.tuples(finite, finite, finite), min_size=1, max_size=8), min_size=1, max_size=6))
def test_running_norm_equals_numpy_over_everything_seen(batches: list[list[tuple[float, float, float]]]) -> None:
    norm = RunningNorm(3)
    for batch in batches:
        norm.update(torch.tensor(batch))
    everything = np.concatenate([np.array(b, dtype=np.float64) for b in batches])
    np.testing.assert_allclose(norm.mean.numpy(), everything.mean(0), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(norm.var.numpy(), everything.var(0), rtol=1e-7, atol=1e-6)
    assert norm.count == len(everything)
    out = norm(torch.tensor(everything, dtype=torch.float32)).numpy()
    wanted = np.clip((everything - everything.mean(0)) / np.sqrt(everything.var(0) + 1e-8), -10, 10)
    if (everything.std(0) > 1e-2).all():
        np.testing.assert_allclose(out, wanted, rtol=1e-2, atol=1e-2)
    assert np.abs(out).max() <= 10


def test_mirrored_robots_get_mirrored_actions() -> None:
    env = _env()
    model = make_algorithm(config(hyperparameters={**SMALL, "mirror": True}), env)
    policy = model.policy
    index, sign = env.task.mirror()
    action, flip = np.array(env.robot.symmetry.index), np.array(env.robot.symmetry.sign)
    rng = np.random.default_rng(1)
    with torch.no_grad():  # a network of some size, and statistics from lopsided data
        for parameter in policy.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
        policy.update_statistics(torch.tensor(rng.normal(0.7, 2.0, (64, len(index)))))
    states = rng.normal(0, 1, (20, len(index))).astype(np.float32)
    mirrored = sign * states[:, index]
    np.testing.assert_array_equal(sign * mirrored[:, index], states)
    with torch.no_grad():
        features, reflected = (policy.features_extractor(torch.as_tensor(s)) for s in (states, mirrored))
        mean, value = policy.heads(features)
        mean_of_mirror, value_of_mirror = policy.heads(reflected)
        std = policy.distribution(mean).log_std.exp()
    torch.testing.assert_close(mean_of_mirror, mean[:, action] * torch.as_tensor(flip, dtype=torch.float32))
    torch.testing.assert_close(value_of_mirror, value)
    torch.testing.assert_close(std[action], std)
    assert (mean_of_mirror - mean).abs().max() > 0.01


def test_sb3s_own_loops_run_on_any_other_environment() -> None:
    model = PPO("MlpPolicy", gymnasium.make("CartPole-v1"), n_steps=64, batch_size=32, n_epochs=1, seed=0)
    model.learn(128)
    assert model.num_timesteps == 128
    assert model.rollout is None


def test_our_extractor_works_in_a_stock_policy() -> None:
    kwargs = {"features_extractor_class": NormalizedExtractor}
    model = PPO("MlpPolicy", gymnasium.make("CartPole-v1"), n_steps=32, batch_size=32, n_epochs=1, policy_kwargs=kwargs)
    model.learn(32)
    assert model.num_timesteps == 32


def test_a_minibatch_of_one_step_leaves_the_weights_finite() -> None:
    small = {**SMALL, "num_envs": 1, "n_steps": 9, "batch_size": 4}  # 4, 4 and 1
    model = make_algorithm(config(hyperparameters=small), make_env(config(hyperparameters=small), 1))
    model.learn(9)
    assert all(torch.isfinite(parameter).all() for parameter in model.policy.parameters())


def test_a_rate_that_is_held_is_that_of_the_optimiser_before_the_first_step() -> None:
    model = make_algorithm(config(hyperparameters={**SMALL, "adaptive_kl": 0.02}), _env())
    assert isinstance(model, PPO)
    model._rate = 3e-5  # as after a resume
    model._set_rate()
    assert model.policy.optimizer.param_groups[0]["lr"] == 3e-5


def test_the_divergence_that_is_held_falls_with_a_schedule() -> None:
    model = make_algorithm(config(hyperparameters={**SMALL, "adaptive_kl": 0.02, "linear_decay": True}), _env())
    assert isinstance(model, PPO)
    rates = []
    for remaining in (1.0, 0.1):  # .01 is near .02, and far above .002
        model._current_progress_remaining = remaining
        model._set_rate()
        model._adapt_rate(0.01)
        rates.append(model.policy.optimizer.param_groups[0]["lr"])
    assert rates == pytest.approx([model.lr_schedule(1.0), model.lr_schedule(1.0) / 1.5])
