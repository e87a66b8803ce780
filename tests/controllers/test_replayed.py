"""What is stored is what the worlds did; sampling is uniform and seeded; the buffer wraps; exploration is what it says."""

from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box
from hypothesis import given
from hypothesis import strategies as st
from stable_baselines3.common.callbacks import CallbackList
from stable_baselines3.common.logger import configure

from surefoot.controllers.config import TrainConfig
from surefoot.controllers.off_policy import SAC
from surefoot.controllers.replayed import BatchedReplay, PackedReplay
from surefoot.controllers.training import make_algorithm, make_env

WORLDS = 6
SMALL: dict[str, Any] = {
    "num_envs": WORLDS,
    "batch_size": 16,
    "net": (16, 16),
    "learning_starts": 60,
    "buffer_size": 600,
}


def model_of(robot: str = "hopper", algo: str = "sac", **changes: Any) -> BatchedReplay:
    config = TrainConfig(robot=robot, task="run", algo=algo, steps=1000, hyperparameters={**SMALL, **changes})
    model = make_algorithm(config, make_env(config, WORLDS))
    assert isinstance(model, BatchedReplay)
    model.set_logger(configure(None, []))
    model._setup_learn(1000)
    return model


def collect(model: BatchedReplay, steps: int) -> None:
    callback = CallbackList([])
    callback.init_callback(model)
    for _ in range(steps):
        model.collect_rollouts(model.env, callback, model.train_freq, model.replay_buffer)  # type: ignore[arg-type]


def packed(size: int = 12, worlds: int = 3, seed: int | None = 0) -> PackedReplay:
    return PackedReplay(size, Box(-1, 1, (2,)), Box(-1, 1, (1,)), n_envs=worlds, seed=seed)


def step_of(number: int, worlds: int) -> tuple[torch.Tensor, ...]:
    """A step whose every figure says which step, world and field it is."""
    world = torch.arange(worlds)[:, None] / 10
    seen = number + world.expand(worlds, 2)
    return seen, seen[:, :1] + 1000, seen + 2000, torch.full((worlds, 1), number % 2), seen[:, :1] + 3000


@pytest.mark.parametrize("robot", ["hopper", "humanoid"])  # actions of humanoid are within +-.4
def test_a_transition_is_what_the_world_did(robot: str) -> None:
    model = model_of(robot, reward_scale=0.5)
    core = model.env.core  # type: ignore[union-attr]
    core.episode_steps = 8  # some worlds fall before, the others are cut
    core.lengths[:] = 0
    seen: list[tuple[np.ndarray, ...]] = []
    step = core.step

    def watched(actions: np.ndarray) -> Any:
        before = core.observation.copy()
        if len(seen) == 3:
            core.simulation.qpos[2, 2 if robot == "humanoid" else 1] = 0.1  # world 2 has fallen, and ends
        result = step(actions)
        ended = core.terminated | core.truncated
        after = np.where(ended[:, None], core.final_observation, core.observation)
        seen.append((before, actions.copy(), after, core.terminated.copy(), core.reward.copy(), core.truncated.copy()))
        return result

    core.step = watched
    collect(model, 20)
    buffer = model.replay_buffer
    assert isinstance(buffer, PackedReplay)
    assert buffer.size() == 20 * WORLDS
    space = model.action_space
    assert isinstance(space, Box)
    for t, (before, actions, after, terminated, reward, _) in enumerate(seen):
        rows = buffer._get_samples(np.arange(t * WORLDS, (t + 1) * WORLDS))
        np.testing.assert_array_equal(rows.observations, before.astype(np.float32))
        np.testing.assert_allclose(rows.actions, actions / space.high, atol=1e-6)
        assert np.abs(rows.actions.numpy()).max() > 0.5  # the full scale
        np.testing.assert_array_equal(rows.next_observations, after.astype(np.float32))
        np.testing.assert_array_equal(rows.dones[:, 0] > 0, terminated)
        np.testing.assert_allclose(rows.rewards[:, 0], 0.5 * reward, rtol=1e-6)
    terminated, truncated = (np.array([s[k] for s in seen]) for k in (3, 5))
    assert terminated[3, 2]
    assert truncated.any()
    for t, w in zip(
        *np.nonzero(terminated | truncated), strict=True
    ):  # the next episode's first observation is another
        if t + 1 < len(seen):
            assert np.abs(seen[t + 1][0][w] - seen[t][2][w]).max() > 1e-3
    for t, w in zip(*np.nonzero(~(terminated | truncated)[:-1]), strict=True):
        if (t, w) != (2, 2):  # where the test has moved the robot
            np.testing.assert_array_equal(seen[t + 1][0][w], seen[t][2][w])


def test_training_bootstraps_from_a_cut_and_not_from_a_fall() -> None:
    model = model_of()
    assert isinstance(model, SAC)
    from surefoot.controllers.off_policy import bootstrapped

    core = model.env.core  # type: ignore[union-attr]
    core.episode_steps = 5
    core.lengths[:] = 0
    collect(model, 5)
    batch = model.replay_buffer._get_samples(np.arange(4 * WORLDS, 5 * WORLDS))  # type: ignore[union-attr]
    cut = core.truncated
    assert cut.any()
    target = bootstrapped(batch, torch.full((WORLDS, 1), 10.0), 0.9)
    np.testing.assert_allclose(target[:, 0], core.reward + np.where(core.terminated, 0, 9.0), rtol=1e-5)


def test_statistics_are_those_of_everything_acted_on() -> None:
    model = model_of()
    collect(model, 30)
    buffer = model.replay_buffer
    assert isinstance(buffer, PackedReplay)
    rows = buffer._get_samples(np.arange(30 * WORLDS)).observations.double()
    norm = model.actor.features_extractor.norm
    assert norm.count == len(rows)
    torch.testing.assert_close(norm.mean, rows.mean(0), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(norm.var, rows.var(0, unbiased=False), rtol=1e-4, atol=1e-6)
    assert model.critic.features_extractor.norm is norm is model.policy.critic_target.features_extractor.norm  # type: ignore[union-attr]


@given(capacity=st.integers(1, 30), worlds=st.integers(1, 5), steps=st.integers(1, 40))
def test_the_buffer_holds_the_last_steps(capacity: int, worlds: int, steps: int) -> None:
    buffer = packed(capacity, worlds)
    for number in range(steps):
        buffer.add(*step_of(number, worlds))
    rounds = max(capacity // worlds, 1)
    kept = range(max(0, steps - rounds), steps)
    assert buffer.size() == len(kept) * worlds
    assert buffer.buffer_size == rounds * worlds
    assert buffer.full == (steps >= rounds)
    wanted = sorted(torch.cat(step_of(number, worlds), dim=1).tolist() for number in kept)
    steps_held = buffer.rows[: buffer.size()].view(len(kept), worlds, -1)
    assert sorted(steps_held.tolist()) == wanted


def test_sampling_is_uniform_and_reproducible() -> None:
    buffers = [packed(120, 4, seed) for seed in (5, 5, 6)]
    for buffer in buffers:
        for number in range(20):
            buffer.add(*step_of(number, 4))
    first, again, other = (b.sample(40_000).observations[:, 0] for b in buffers)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    values, counts = first.unique(return_counts=True)
    assert len(values) == 80  # and none of the 40 rows that nothing was written to
    chi_square = ((counts - 500.0) ** 2 / 500.0).sum()
    assert chi_square < 130  # 79 degrees of freedom: exceeded by chance once in 4000
    batch = buffers[0].sample(50)
    number = batch.observations[:, 0].floor()
    torch.testing.assert_close(batch.actions[:, 0], batch.observations[:, 0] + 1000)
    torch.testing.assert_close(batch.next_observations, batch.observations + 2000)
    torch.testing.assert_close(batch.dones[:, 0], number % 2)
    torch.testing.assert_close(batch.rewards[:, 0], batch.observations[:, 0] + 3000)


def test_exploration_is_uniform_at_first_then_the_policy_with_its_noise() -> None:
    model = model_of(algo="td3", exploration_noise=0.1)
    seen = torch.zeros(20_000, 11)
    first = model.explore(seen)
    assert first.shape == (20_000, 3)
    for joint in first.T:
        levels = torch.linspace(-1, 1, 20_000)
        assert (joint.sort()[0] - levels).abs().max() < 0.03  # Kolmogorov-Smirnov: 2 x 1.95 / sqrt(20,000) once in 1000
    model.num_timesteps = model.learning_starts
    with torch.no_grad():
        mean = model.actor(seen)
    noise = model.explore(seen) - mean
    assert mean.abs().max() < 0.5
    assert noise.std() == pytest.approx(0.1, rel=0.02)
    assert noise.mean() == pytest.approx(0.0, abs=2e-3)
    model.exploration_noise = 100.0
    assert model.explore(seen).abs().max() == 1.0


def test_a_stochastic_policy_explores_by_itself() -> None:
    model = model_of()
    model.num_timesteps = model.learning_starts
    actions = model.explore(torch.zeros(1000, 11))
    assert actions.abs().max() <= 1
    assert actions.std(0).min() > 0.1


def test_nothing_is_learnt_before_the_buffer_has_learning_starts() -> None:
    model = model_of()
    model.num_timesteps = 10_000  # as after a resume
    before = [p.clone() for p in model.policy.parameters()]
    collect(model, 9)
    model.train(1, 16)
    assert all(torch.equal(a, b) for a, b in zip(before, model.policy.parameters(), strict=True))
    collect(model, 1)
    model.train(1, 16)
    assert not all(torch.equal(a, b) for a, b in zip(before, model.policy.parameters(), strict=True))
