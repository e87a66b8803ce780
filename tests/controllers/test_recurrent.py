"""A policy with a memory: the update sees what the rollout saw, use forgets where episodes begin, and memory pays."""

import copy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box
from stable_baselines3.common.callbacks import CallbackList

from surefoot import api
from surefoot.controllers.config import TrainConfig
from surefoot.controllers.controller import Controller
from surefoot.controllers.evaluation import evaluate
from surefoot.controllers.presets import settings_for
from surefoot.controllers.recurrent import CELLS, RecurrentPolicy, RecurrentPPO
from surefoot.controllers.training import make_algorithm, make_env, mirror_map, train
from surefoot.envs.batch_env import BatchEnv
from surefoot.envs.inputs import REMEMBERED
from surefoot.replay.rollout import record
from surefoot.robots import SurefootError

SMALL: dict[str, Any] = {"num_envs": 8, "n_steps": 12, "batch_size": 48, "n_epochs": 1, "net": (16,), "hidden": 8}
pytestmark = pytest.mark.usefixtures("one_update_thread")
cells = pytest.mark.parametrize("cell", CELLS)


def config(algo: str = "recurrent_ppo", **hyperparameters: Any) -> TrainConfig:
    hyperparameters = SMALL | hyperparameters
    return TrainConfig(robot="hopper", task="run", algo=algo, steps=1000, hyperparameters=hyperparameters)


def trained(**hyperparameters: Any) -> Controller:
    return train(
        "hopper", "run", algo="recurrent_ppo", steps=192, hyperparameters=SMALL | hyperparameters, progress=False
    )


@cells
@pytest.mark.parametrize("mirror", [None, ([1, 0, 2, 4, 3], [1, 1, -1, 1, 1], [1, 0], [-1, -1])])
@pytest.mark.parametrize("layers", [1, 2])
def test_a_sequence_is_its_steps(cell: str, layers: int, mirror: Any) -> None:
    torch.manual_seed(0)
    policy = RecurrentPolicy(
        Box(-9, 9, (5,)), Box(-1, 1, (2,)), lambda _: 1e-3, cell=cell, hidden=7, layers=layers, mirror=mirror
    )
    steps, worlds = 30, 6
    features = torch.randn(steps, worlds, 5)
    dones = (torch.rand(steps, worlds) < 0.1).float()
    dones[3:5] = 1  # everywhere at once, and twice in a row
    dones[8:20] = 0  # a stretch without an end
    first = memory = torch.randn(policy.initial_memory(worlds).shape)
    seen = policy.remember_rollout(features, memory, dones)
    for t in range(steps):
        latent, memory = policy.remember(features[t], memory)
        torch.testing.assert_close(seen[t], latent, rtol=1e-5, atol=1e-6)
        memory = memory.clone()
        memory[:, dones[t] == 1] = 0.0
    without_ends = policy.remember_rollout(features, first, torch.zeros_like(dones))
    assert (without_ends - seen).abs().max() > 0.01


@cells
@pytest.mark.parametrize("mirror", [False, True])
def test_the_update_sees_what_the_rollout_saw(cell: str, mirror: bool) -> None:
    asked = config(cell=cell)
    if mirror:
        asked = asked.model_copy(update={"robot": "quadruped", "task": "velocity"})
        asked.hyperparameters["mirror"] = True
    env = make_env(asked, 8)
    env.episode_steps = 7
    model = make_algorithm(asked, env)
    assert isinstance(model, RecurrentPPO)
    policy = model.policy
    model._setup_learn(1000)
    callback = CallbackList([])
    callback.init_callback(model)
    step, seen = env.step, []

    def watched(actions: np.ndarray) -> None:
        step(actions)
        seen.append((env.truncated.copy(), env.final_observation.copy()))

    env.step = watched  # type: ignore[method-assign, assignment]
    for _ in range(2):  # the second rollout begins amid episodes
        seen.clear()
        norm = copy.deepcopy(policy.features_extractor.norm)
        assert model.collect_rollouts(model.env, callback, model.rollout_buffer, model.n_steps)
        data = model.rollout
        assert data is not None
        norm = norm if norm.count else None
        with torch.no_grad():
            for pick in model.minibatches(data):
                mean, value = policy.heads(model.latents(data, pick))
                log_prob = policy.distribution(mean).log_prob(data.actions.flatten(0, 1)[pick])
                torch.testing.assert_close(value, data.values.flatten()[pick], rtol=1e-4, atol=1e-5)
                torch.testing.assert_close(log_prob, data.log_probs.flatten()[pick], rtol=1e-4, atol=1e-4)
            memory, cuts = data.memory, 0
            for t, (truncated, final) in enumerate(seen):
                memory = policy.remember(data.features[t], memory)[1]
                if norm is not None:  # a time limit's state is valued with the memory that led to it
                    last = policy.remember(norm(torch.as_tensor(final)), memory)[0]
                    wanted = policy.heads(last)[1] * torch.as_tensor(truncated)
                    torch.testing.assert_close(data.cut_values[t], wanted, rtol=1e-4, atol=1e-5)
                    cuts += int(truncated.sum())
                memory = memory * (1 - data.dones[t])[:, None]
        assert data.dones[:-1].any()
    assert cuts
    assert data.memory.abs().max() > 0


def test_a_fall_in_mid_trial_ends_the_return_and_not_the_memory() -> None:
    asked = config(trial=3, n_steps=60, batch_size=480)
    model = make_algorithm(asked, make_env(asked, 8))
    assert isinstance(model, RecurrentPPO)
    model._setup_learn(1000)
    callback = CallbackList([])
    callback.init_callback(model)
    assert model.collect_rollouts(model.env, callback, model.rollout_buffer, model.n_steps)
    data = model.rollout
    assert data is not None
    fell = (data.ends > data.dones)[:-1]
    assert fell.any()
    assert (data.ends >= data.dones).all()
    torch.testing.assert_close(data.advantages[:-1][fell], (data.rewards - data.values)[:-1][fell])
    memory = data.memory
    for t in range(len(data.rewards)):  # what was seen before a fall is still known
        latent, memory = model.policy.remember(data.features[t], memory)
        torch.testing.assert_close(latent, data.latents[t], rtol=1e-4, atol=1e-5)
        memory = memory * (1 - data.dones[t])[:, None]


@cells
@pytest.mark.parametrize("untied", [False, True])
def test_mirrored_walks_get_mirrored_actions(cell: str, untied: bool) -> None:
    torch.manual_seed(0)
    small = {**SMALL, "cell": cell, "mirror": True, "inputs": REMEMBERED}
    asked = TrainConfig(robot="quadruped", task="velocity", algo="recurrent_ppo", steps=400, hyperparameters=small)
    env = make_env(asked, 8)
    model = make_algorithm(asked, env)
    policy = model.policy
    assert isinstance(policy, RecurrentPolicy)
    with torch.no_grad():  # a network of some size, and statistics from lopsided data
        for parameter in policy.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    policy.update_statistics(torch.randn(64, env.observation_size) * 2 + 0.7)
    if untied:  # the same function, and when it is fine-tuned no longer
        other = asked.model_copy(update={"hyperparameters": {**small, "untied": True}})
        twin = make_algorithm(other, env).policy
        assert isinstance(twin, RecurrentPolicy)
        policy.untie(twin)
        policy = twin
    index, sign, action, flip = (torch.as_tensor(part) for part in mirror_map(env))
    memory, memory_of_image = policy.initial_memory(6), policy.initial_memory(6)
    for _ in range(3):
        seen = policy.features_extractor(torch.randn(6, env.observation_size))
        latent, memory = policy.remember(seen, memory)
        image, memory_of_image = policy.remember(sign * seen[:, index], memory_of_image)
        (mean, value), (mean_of_image, value_of_image) = policy.heads(latent), policy.heads(image)
        torch.testing.assert_close(mean_of_image, mean[:, action] * flip.float(), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(value_of_image, value, rtol=1e-4, atol=1e-5)
        assert (mean_of_image - mean).abs().max() > 0.01
        assert (memory_of_image - memory).abs().max() > 0.01
    mean[:, 0].sum().backward()
    policy.optimizer.step()
    with torch.no_grad():
        gap = policy.heads(image)[0] - policy.heads(latent)[0][:, action] * flip.float()
    assert (gap.abs().max() > 1e-3) == untied


@cells
def test_an_update_moves_every_weight(cell: str) -> None:
    model = make_algorithm(config(cell=cell, layers=2), make_env(config(), 8))
    before = {k: v.clone() for k, v in model.policy.named_parameters()}
    model.learn(2 * 96)
    for name, after in model.policy.named_parameters():
        assert torch.isfinite(after).all(), name
        assert not torch.equal(after, before[name]), name


@cells
def test_minibatches_hold_every_step_of_some_worlds_once(cell: str) -> None:
    model = make_algorithm(config(cell=cell), make_env(config(), 8))
    assert isinstance(model, RecurrentPPO)
    assert model.rollout is not None
    picks = list(model.minibatches(model.rollout))
    assert [len(p) for p in picks] == [48, 48]
    assert sorted(torch.cat(picks).tolist()) == list(range(96))
    for pick in picks:
        assert (pick.view(12, 4) % 8 == pick[:4]).all()
        assert (pick.view(12, 4) // 8 == torch.arange(12)[:, None]).all()


@cells
def test_save_load_copy_act_alike_and_resume_gives_back_everything(cell: str, tmp_path: Path) -> None:
    controller = trained(cell=cell)
    controller.save(tmp_path / "c.safetensors")
    loaded, twin = Controller.load(tmp_path / "c.safetensors"), controller.copy()
    for seed in range(3):  # the memory, too
        seen = np.random.default_rng(seed).normal(size=(5, 11))
        acted = controller.act(seen)
        assert np.array_equal(loaded.act(seen), acted)
        assert np.array_equal(twin.act(seen), acted)
    model = make_algorithm(loaded.config, make_env(loaded.config, 8))
    loaded.give_to(model)
    again = Controller.from_algorithm(loaded.config, model)
    for ours, theirs in (
        (again.policy.state_dict(), controller.policy.state_dict()),
        (again.training, loaded.training),
    ):
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[k], theirs[k]) for k in ours)
    assert any("exp_avg" in name for name in again.training)
    assert again.learning_rate == controller.learning_rate
    other = trained(cell=cell)
    assert all(torch.equal(v, other.policy.state_dict()[k]) for k, v in controller.policy.state_dict().items())


def test_a_controller_remembers_until_it_is_reset() -> None:
    controller = trained(cell="gru")
    with torch.no_grad():
        for parameter in controller.policy.parameters():
            parameter.mul_(3.0)  # a policy that minds
    a, b = np.random.default_rng(0).normal(size=(2, 4, 11))
    fresh = controller.act(b)
    controller.reset()
    controller.act(a)
    later = controller.act(b)
    assert (np.abs(fresh - later).max(axis=1) > 1e-4).all()
    controller.reset()
    controller.act(a)
    controller.reset(np.array([1, 3]))  # these two begin an episode
    mixed = controller.act(b)
    assert np.allclose(mixed[[1, 3]], fresh[[1, 3]])
    assert np.allclose(mixed[[0, 2]], later[[0, 2]])
    _, state = controller.policy.predict(a, None, deterministic=True)  # SB3's way to say the same
    starts = np.array([False, True, False, True])
    assert np.allclose(controller.policy.predict(b, state, starts, deterministic=True)[0], mixed)
    with pytest.raises(SurefootError, match="3 observations, but a memory of 4 worlds"):
        controller.act(b[:3])


def test_evaluation_and_recording_begin_without_memory(controller: Controller) -> None:
    recurrent = trained()
    first = evaluate(recurrent, episodes=4)
    recurrent.act(np.ones((4, 11)))
    assert np.array_equal(evaluate(recurrent, episodes=4).returns, first.returns)
    recordings = [api.record(recurrent, seconds=1.0) for _ in range(2)]
    assert np.array_equal(recordings[0].qpos, recordings[1].qpos)
    controller.act(np.ones((2, *controller.policy.observation_space.shape)))
    assert controller.memory is None  # a feed-forward controller has nothing to forget
    controller.reset(np.array([0]))


def test_recording_says_when_an_episode_begins() -> None:
    env = BatchEnv("hopper", "run", 1, seed=0, autoreset=False, episode_steps=10)
    begun: list[int] = []
    record(
        lambda seen: np.zeros((1, 3)), env, label="x", seconds=25 * env.robot.control_dt, begin=lambda: begun.append(1)
    )
    assert len(begun) == 3


def test_bad_input_is_one_line() -> None:
    for name, value, message in (
        ("cell", "ltsm", "unknown cell 'ltsm'.*lstm"),
        ("untied", True, "untied=true is for a mirrored network"),
        ("batch_size", 11, "batch_size=11.*n_steps = 12"),
        ("hidden", 0, "hidden=0"),
        ("layers", 0, "layers=0"),
    ):
        with pytest.raises(SurefootError, match=message):
            settings_for("hopper", "run", "recurrent_ppo", SMALL | {name: value})
    with pytest.raises(SurefootError, match=r"sb3_contrib\.RecurrentPPO"):
        RecurrentPPO(RecurrentPolicy, gymnasium.make("Pendulum-v1"))


class Recall:
    """N worlds whose first observation shows a sign that every step pays for: without memory, only the first one.

    What `SB3VecEnv` and the batched rollouts use of a `BatchEnv`, no more.
    """

    LENGTH = 5
    num_actions, observation_size, diverged, ground = 1, 2, 0, None

    def __init__(self, num_envs: int):
        one = np.ones(1)
        self.task = SimpleNamespace(observation_size=2, terms=("right",), action_low=-one, action_high=one)
        self.num_envs, self.rng = num_envs, np.random.default_rng(0)
        self.sign, self.lengths = np.ones(num_envs), np.zeros(num_envs, np.int64)
        self.observation, self.final_observation = np.zeros((2, num_envs, 2), np.float32)
        self.terms, self.truncated = np.zeros((num_envs, 1)), np.zeros(num_envs, bool)
        self.ended_return = self.ended_length = np.zeros(0)

    def reset(self, seed: int | None = None) -> np.ndarray:
        self._restart(np.arange(self.num_envs))
        return self.observation

    def _restart(self, ids: np.ndarray) -> None:
        self.sign[ids] = self.rng.choice([-1.0, 1.0], len(ids))
        self.lengths[ids] = 0
        self.observation[ids] = np.stack([self.sign[ids], np.ones(len(ids))], axis=1)

    def stagger(self) -> None:
        self.lengths[:] = self.rng.integers(0, self.LENGTH, self.num_envs)

    def step(self, actions: np.ndarray) -> None:
        self.reward = self.sign * actions[:, 0]
        self.terms[:, 0] = self.reward
        self.lengths += 1
        self.observation[:] = 0.0
        self.terminated = self.fell = self.lengths >= self.LENGTH
        self.ended = np.flatnonzero(self.terminated)
        self._restart(self.ended)


@pytest.mark.parametrize(
    ("algo", "own"), [("ppo", {}), ("recurrent_ppo", {"cell": "lstm"}), ("recurrent_ppo", {"cell": "gru"})]
)
def test_only_a_memory_solves_a_memory_task(algo: str, own: dict[str, Any]) -> None:
    hyperparameters = {
        "num_envs": 128, "n_steps": 8, "batch_size": 256, "n_epochs": 5, "net": (16,), "gamma": 0.9, "linear_decay": True,
        "adaptive_kl": None, "learning_rate": 5e-3,
    }  # fmt: skip
    own = own | ({"hidden": 16} if own else {})
    asked = TrainConfig(robot="hopper", task="run", algo=algo, steps=1, hyperparameters=hyperparameters | own)
    model = make_algorithm(asked, Recall(128))  # type: ignore[arg-type]
    model.learn(16_000)
    controller, worlds = Controller.from_algorithm(asked, model), Recall(400)
    total, observation = 0.0, worlds.reset()
    for _ in range(Recall.LENGTH):
        worlds.step(controller.act(observation))
        observation, total = worlds.observation, total + worlds.reward.mean() / Recall.LENGTH
    if algo == "ppo":
        assert total < 0.3  # at best one step in five
    else:
        assert total > 0.9  # at best 1
