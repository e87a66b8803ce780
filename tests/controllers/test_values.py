"""DQN, QR-DQN and deep SARSA: targets by hand, exploration world by world, transitions that know what came next, files."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3.common.callbacks import BaseCallback

from surefoot.controllers.config import TrainConfig
from surefoot.controllers.controller import Controller
from surefoot.controllers.evaluation import evaluate
from surefoot.controllers.training import make_algorithm, make_env, resume, train
from surefoot.controllers.values import DQN, DeepSarsa, SarsaBuffer, SarsaSamples, explore, sarsa_target
from surefoot.envs.variation import Task
from surefoot.robots import SurefootError

SMALL: dict[str, Any] = {
    "num_envs": 8, "net": (16, 16), "learning_starts": 64, "batch_size": 32, "buffer_size": 2000, "gradient_steps": 1,
}  # fmt: skip
ALGORITHMS = ("dqn", "qrdqn", "deep_sarsa")


def model(algo: str, robot: str = "cartpole", task: str = "balance", **hyper: Any) -> Any:
    fields = {"robot": robot, "task": task, "algo": algo, "steps": 1000, "hyperparameters": SMALL | hyper}
    config = TrainConfig.model_validate(fields)
    return make_algorithm(config, make_env(config, 8))


def test_sarsa_target_by_hand() -> None:
    """gamma .9: r = 1 and Q(s', a') = 20 of (10, 20, 30); r = 2 at an end; r = -1 and Q(s', a') = 6 of (4, 5, 6)."""
    values = torch.tensor([[10.0, 20.0, 30.0], [7.0, 8.0, 9.0], [4.0, 5.0, 6.0]])
    rewards, dones = torch.tensor([[1.0], [2.0], [-1.0]]), torch.tensor([[0.0], [1.0], [0.0]])
    target = sarsa_target(rewards, dones, values, torch.tensor([[1], [2], [2]]), 0.9)
    np.testing.assert_allclose(target.numpy(), [[19.0], [2.0], [4.4]])  # the best action's would be 28 and 2 and 4.4


def test_one_update_is_a_step_down_the_error_to_that_target() -> None:
    learner = model("deep_sarsa", bins=3, max_grad_norm=1e9)
    assert isinstance(learner, DeepSarsa)
    learner.learn(1, callback=Stop())  # a logger
    torch.manual_seed(0)
    n = 16
    data = SarsaSamples(
        torch.randn(n, 4), torch.randint(3, (n, 1)), torch.randn(n, 4), (torch.rand(n, 1) < 0.3).float(),
        torch.randn(n, 1), torch.randint(3, (n, 1)),
    )  # fmt: skip
    learner.replay_buffer.sample = lambda batch_size, env=None: data
    with torch.no_grad():
        for parameter in learner.q_net_target.parameters():
            parameter.add_(0.1)  # not the same network
    learner.policy.optimizer = torch.optim.SGD(learner.q_net.parameters(), lr=0.1)
    learner.lr_schedule = lambda _: 0.1
    rows = torch.arange(n)
    with torch.no_grad():
        following = learner.q_net_target(data.next_observations)[rows, data.next_actions[:, 0]]
        wanted = data.rewards[:, 0] + learner.gamma * (1 - data.dones[:, 0]) * following
    error = learner.q_net(data.observations)[rows, data.actions[:, 0]] - wanted
    huber = torch.where(error.abs() < 1, 0.5 * error**2, error.abs() - 0.5).mean()
    names, parameters = zip(*learner.q_net.named_parameters(), strict=True)
    gradients = torch.autograd.grad(huber, parameters)
    expected = {name: p.detach() - 0.1 * g for name, p, g in zip(names, parameters, gradients, strict=True)}
    learner.improve(1, n)
    for name, parameter in learner.q_net.named_parameters():
        torch.testing.assert_close(parameter.detach(), expected[name])


class Stop(BaseCallback):
    def _on_step(self) -> bool:
        return False


def test_exploration_is_each_worlds_own() -> None:
    rng = np.random.default_rng(0)
    actions = explore(rng, np.zeros(100_000, np.int64), 4, 0.4)
    assert (actions == 0).mean() == pytest.approx(0.6 + 0.4 / 4, abs=0.01)
    assert all((actions == a).mean() == pytest.approx(0.1, abs=0.01) for a in (1, 2, 3))
    assert not explore(rng, np.zeros(50, np.int64), 4, 0.0).any()
    learner = model("dqn", bins=7)
    assert isinstance(learner, DQN)
    seen = np.tile(np.float32([0.1, 0, 0, 0]), (4000, 1))
    learner.num_timesteps, learner.exploration_rate = 10_000, 0.3
    counts = np.bincount(learner.choose(seen), minlength=7) / len(seen)
    assert sorted(counts)[-1] == pytest.approx(0.7 + 0.3 / 7, abs=0.03)
    assert sorted(counts)[0] > 0.02
    learner.num_timesteps = 0  # before learning starts, whatever epsilon is
    assert np.bincount(learner.choose(seen), minlength=7).max() < 0.2 * len(seen)


def test_deep_sarsa_keeps_the_action_that_was_really_taken_next() -> None:
    learner = model("deep_sarsa", robot="pendulum", task="swing-up", bins=11)
    core = learner.env.core
    core.episode_steps = 7  # cuts
    learner.learn(8 * 40)
    buffer = learner.replay_buffer
    assert isinstance(buffer, SarsaBuffer)
    actions, following = buffer.actions[: buffer.pos, :, 0], buffer.next_actions[: buffer.pos, :, 0]
    cut = buffer.timeouts[: buffer.pos] > 0
    assert cut.sum() == 8 * (40 // 7)
    assert np.array_equal(following[:-1][~cut[:-1]], actions[1:][~cut[:-1]])
    # Where an episode is cut, what would have been done there: not the first action of the next episode.
    assert (following[:-1][cut[:-1]] != actions[1:][cut[:-1]]).any()
    sample = buffer.sample(500)
    assert not sample.dones.any()  # a time limit is not an end
    pairs = {(round(float(o[2]), 5), int(a), int(b)) for o, a, b in zip(sample[0], sample[1], sample[5], strict=True)}
    stored = {
        (round(float(buffer.observations[t, i, 2]), 5), int(actions[t, i]), int(following[t, i]))
        for t in range(buffer.pos)
        for i in range(8)
    }
    assert pairs <= stored
    assert len(pairs) > 100


def test_the_robot_gets_the_rows_of_the_grid() -> None:
    learner = model("dqn", robot="hopper", task="run", bins=3)
    learner.learn(64)
    assert set(np.unique(learner.env.core.simulation.ctrl)) <= {-1.0, 0.0, 1.0}
    assert learner.action_space.n == 27


@pytest.mark.parametrize("algo", ALGORITHMS)
def test_trains_saves_loads_resumes_and_is_reproducible(algo: str, tmp_path: Path) -> None:
    hyperparameters = SMALL | {"bins": 5, "evaluations": 0}  # the last controller, not the best
    options: dict[str, Any] = {"algo": algo, "steps": 400, "hyperparameters": hyperparameters, "progress": False}
    first = train("cartpole", "balance", out=tmp_path / "run", **options)
    loaded = Controller.load(tmp_path / "run")
    seen = np.random.default_rng(0).normal(0, 1, (200, 4)).astype(np.float32)
    acted = loaded.act(seen)
    assert acted.shape == (200, 1)
    assert set(np.unique(acted)) <= {-1.0, -0.5, 0.0, 0.5, 1.0}
    assert np.array_equal(acted, first.act(seen))
    assert np.array_equal(acted, loaded.copy().act(seen))
    assert any("exp_avg_sq" in name for name in loaded.training)
    norm = [name for name in loaded.policy.state_dict() if name.endswith("norm.count")]
    assert norm
    assert all(loaded.policy.state_dict()[name] >= 400 for name in norm)
    again, other = train("cartpole", "balance", **options), train("cartpole", "balance", seed=1, **options)
    for name, weight in first.policy.state_dict().items():
        assert torch.equal(weight, again.policy.state_dict()[name]), name
    assert any(not torch.equal(weight, other.policy.state_dict()[n]) for n, weight in first.policy.state_dict().items())
    more = resume(tmp_path / "run", steps=500, progress=False)
    assert more.timesteps >= 500
    light = evaluate(more, task=Task({"gravity": 50.0}), episodes=4).returns
    assert not np.array_equal(light, evaluate(more, episodes=4).returns)  # the same starts, another weight
    assert "reward/upright" in (tmp_path / "run" / "log_0" / "progress.csv").read_text()


@pytest.mark.parametrize("algo", ALGORITHMS)
def test_nothing_is_learnt_before_the_buffer_has_learning_starts(algo: str) -> None:
    learner = model(algo, bins=3)
    learner.num_timesteps, learner._total_timesteps = 10_000, 20_000  # as after a resume
    before = [p.clone() for p in learner.q_net.parameters()] if algo != "qrdqn" else []
    before = before or [p.clone() for p in learner.quantile_net.parameters()]
    learner.learn(7 * 8, reset_num_timesteps=False)
    net = learner.quantile_net if algo == "qrdqn" else learner.q_net
    assert all(torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True))
    learner.learn(8, reset_num_timesteps=False)  # the 64th transition
    assert any(not torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True))


@pytest.mark.parametrize(
    ("hyper", "said"),
    [
        ({}, "'dqn' needs discrete actions and those of 'hopper' are continuous: --hyper bins=5"),
        ({"bins": 20}, "bins=20: 3 actuators .* at most bins=16"),
        ({"bins": 0}, "bins=0: expected 2 or more"),
        ({"bins": "many"}, "bins='many'"),
        ({"bins": 3, "exploration_fraction": 2}, "exploration_fraction=2.0: expected 0 to 1"),
        ({"bins": 3, "target_update_interval": 0}, "target_update_interval=0: expected 1 or more"),
        ({"bin": 3}, "unknown hyperparameter of dqn 'bin': did you mean bins"),
        ({"bins": 3, "n_quantiles": 5}, "unknown hyperparameter of dqn 'n_quantiles'"),
    ],
)
def test_bad_hyperparameters(hyper: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(SurefootError, match=said):
        train("hopper", "run", algo="dqn", hyperparameters=hyper, out=tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()
