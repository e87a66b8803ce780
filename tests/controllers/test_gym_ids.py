"""Any registered Gymnasium id: trains through SB3's own path, and saves, loads, resumes and evaluates as robots do."""

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from stable_baselines3.common.policies import ActorCriticPolicy

from surefoot import api
from surefoot.controllers import gym_ids
from surefoot.controllers.algorithms import ALGORITHMS
from surefoot.controllers.config import TrainConfig
from surefoot.controllers.controller import Controller
from surefoot.controllers.evaluation import evaluate
from surefoot.controllers.gym_ids import trains
from surefoot.controllers.presets import settings_for
from surefoot.controllers.training import make_algorithm, make_worlds, resume, train
from surefoot.robots import SurefootError

CASES: list[tuple[str, str, dict[str, Any]]] = [
    ("gym:CartPole-v1", "ppo", {"num_envs": 2, "n_steps": 32, "batch_size": 64, "net": (16, 16)}),
    ("gym:Pendulum-v1", "ppo", {"num_envs": 2, "n_steps": 32, "batch_size": 64, "net": (16, 16)}),
    ("gym:CartPole-v1", "dqn", {"num_envs": 2, "learning_starts": 32, "gradient_steps": 1, "net": (16, 16)}),
    (
        "gym:Pendulum-v1",
        "qrdqn",
        {"num_envs": 2, "learning_starts": 32, "gradient_steps": 1, "net": (16, 16), "bins": 3},
    ),
    ("gym:CartPole-v1", "deep_sarsa", {"num_envs": 2, "learning_starts": 32, "gradient_steps": 1, "net": (16, 16)}),
    ("gym:Pendulum-v1", "sac", {"num_envs": 1, "learning_starts": 32, "gradient_steps": 1, "net": (16, 16)}),
    ("gym:FrozenLake-v1", "q_learning", {}),
    ("gym:Pendulum-v1", "sarsa", {"bins": 3, "cells": (4, 4, 4), "span": (1.0, 1.0, 8.0)}),
    ("gym:surefoot/Cartpole-Balance-v0", "dqn", {"num_envs": 2, "learning_starts": 32, "gradient_steps": 1, "bins": 2}),
]


@pytest.mark.parametrize(("name", "algo", "hyper"), CASES)
def test_trains_saves_loads_evaluates(name: str, algo: str, hyper: dict[str, Any], tmp_path: Path) -> None:
    out = tmp_path / "run"
    trained = train(name, algo=algo, steps=150, hyperparameters=hyper, out=out, progress=False)
    loaded = Controller.load(out)
    env = gymnasium.make(name.removeprefix("gym:"))
    space = env.observation_space
    if isinstance(space, gymnasium.spaces.Box):
        seen = np.random.default_rng(0).uniform(-1, 1, (20, *space.shape)).astype(np.float32)
    else:
        seen = np.arange(space.n)
    acted = loaded.act(seen)
    assert all(env.action_space.contains(action) for action in acted)
    assert np.array_equal(acted, trained.act(seen))
    assert np.array_equal(acted, loaded.copy().act(seen))
    assert (loaded.config.robot, loaded.config.task) == (name, "")
    result, again = (evaluate(loaded, episodes=2, seed=5) for _ in range(2))
    assert np.array_equal(result.returns, again.returns)
    assert (result.lengths >= 1).all()
    assert api.evaluation_table(result)["rows"][0][0] == 2
    more = resume(out, steps=200, progress=False)
    assert more.timesteps >= 200


@pytest.mark.parametrize("algo", [algo for algo in ALGORITHMS if trains(algo)])
def test_every_algorithm_has_settings_that_fit_a_gymnasium_id(algo: str) -> None:
    assert settings_for("gym:Pendulum-v1", "", algo).num_envs <= 8 or algo == "ars"


@pytest.mark.parametrize("algo", ["ppo", "dqn"])
def test_same_seed_same_result(algo: str) -> None:
    hyper = {"ppo": {"n_steps": 32}, "dqn": {"learning_starts": 100, "net": (16, 16)}}
    runs = [
        train("gym:CartPole-v1", algo=algo, steps=300, seed=seed, hyperparameters=hyper[algo], progress=False)
        for seed in (3, 3, 4)
    ]
    states = [run.policy.state_dict() for run in runs]
    assert all(torch.equal(states[0][k], states[1][k]) for k in states[0])
    assert any(not torch.equal(states[0][k], states[2][k]) for k in states[0])


def test_evaluation_counts_whole_first_episodes() -> None:
    config = TrainConfig(robot="gym:CartPole-v1", task="", steps=1)
    returns, lengths, ended = gym_ids.run_episodes(config, lambda seen: np.ones(len(seen), np.int64), 5, seed=7)
    assert np.array_equal(returns, lengths)
    assert ended.all()
    env = gymnasium.make("CartPole-v1")
    for i, length in enumerate(lengths):  # one after the other in a plain environment
        env.reset(seed=7 + i)
        steps, done = 0, False
        while not done:
            done = env.step(1)[2]
            steps += 1
        assert steps == length
    pendulum = TrainConfig(robot="gym:Pendulum-v1", task="", steps=1)
    _, lengths, ended = gym_ids.run_episodes(pendulum, lambda seen: np.zeros((len(seen), 1)), 2, seed=0)
    assert lengths.tolist() == [200, 200]
    assert not ended.any()  # cut, not terminated


def test_on_policy_statistics_are_those_of_all_that_was_seen() -> None:
    hyper = {"num_envs": 2, "n_steps": 32, "batch_size": 64}
    config = TrainConfig(robot="gym:MountainCar-v0", task="", algo="ppo", steps=192, hyperparameters=hyper)
    model: Any = make_algorithm(config, make_worlds(config, 2))
    assert type(model.policy) is ActorCriticPolicy
    seen = []
    step = model.env.step_wait

    def watched() -> Any:
        result = step()
        seen.append(result[0].copy())
        return result

    model.env.step_wait = watched
    model.learn(192, callback=gym_ids.callbacks(config))
    norm = model.policy.features_extractor.norm
    everything = np.concatenate(seen[:64])  # the last rollout has been learnt from with the statistics before it
    assert norm.count == len(everything)
    np.testing.assert_allclose(norm.mean.numpy(), everything.mean(0), rtol=1e-5)
    np.testing.assert_allclose(norm.var.numpy(), everything.var(0), rtol=1e-4)


def test_off_policy_statistics_count_every_observation_once() -> None:
    hyper = {"num_envs": 2, "learning_starts": 1000, "net": (8, 8)}
    trained = train("gym:Pendulum-v1", algo="sac", steps=128, hyperparameters=hyper, progress=False)
    assert trained.policy.state_dict()["actor.features_extractor.norm.count"] == 128


def test_q_learning_solves_the_frozen_lake_that_does_not_slip() -> None:
    """The shortest way over the ice is six steps: worth .99^5 from the start."""
    name = "surefoot-tests/Ice-v0"
    if name not in gymnasium.registry:
        entry = gymnasium.spec("FrozenLake-v1").entry_point
        gymnasium.register(name, entry, max_episode_steps=100, kwargs={"map_name": "4x4", "is_slippery": False})
    hyper = {"num_envs": 16, "exploration_initial_eps": 1.0, "exploration_final_eps": 0.3, "learning_rate": 0.5}
    trained = train(f"gym:{name}", algo="q_learning", steps=30_000, hyperparameters=hyper, progress=False)
    assert float(trained.policy.table[0].max()) == pytest.approx(0.99**5, abs=0.01)
    result = evaluate(trained, episodes=3)
    assert result.returns.tolist() == [1, 1, 1]
    assert result.lengths.tolist() == [6, 6, 6]


class Odd(gymnasium.Env):
    """Spaces that nothing here is made for."""

    def __init__(self, seen: Any = None, done: Any = None):
        self.observation_space = seen or gymnasium.spaces.Box(-1, 1, (3,))
        self.action_space = done or gymnasium.spaces.Discrete(2)


ODD = {
    "Dict": {"seen": gymnasium.spaces.Dict({"a": gymnasium.spaces.Discrete(2)})},
    "Image": {"seen": gymnasium.spaces.Box(0, 255, (8, 8, 3), np.uint8)},
    "Many": {"done": gymnasium.spaces.MultiDiscrete([2, 3])},
    "Unbounded": {"done": gymnasium.spaces.Box(-np.inf, np.inf, (2,))},
}
for kind, spaces in ODD.items():
    gymnasium.registry.pop(f"surefoot-tests/{kind}-v0", None)
    gymnasium.register(f"surefoot-tests/{kind}-v0", Odd, kwargs=spaces)


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("CartPol-v1", {}, "unknown Gymnasium id 'CartPol-v1': did you mean CartPole-v1"),
        ("os:CartPole-v1", {}, "unknown Gymnasium id 'os:CartPole-v1'"),
        (
            "CartPole-v1",
            {"algo": "sac"},
            "'sac' does not train on the discrete actions .*: choose from ppo, .*dqn, qrdqn",
        ),
        ("Pendulum-v1", {"algo": "dqn"}, "'dqn' needs discrete actions .* 'gym:Pendulum-v1' .*: --hyper bins=5"),
        ("CartPole-v1", {"algo": "dqn", "hyperparameters": {"bins": 3}}, "bins=3 is for continuous actions"),
        ("CartPole-v1", {"algo": "sarsa"}, "expected 4 of each"),
        ("FrozenLake-v1", {"algo": "ppo"}, "are Discrete: ppo expects a flat Box, or q_learning or sarsa"),
        (
            "FrozenLake-v1",
            {"algo": "sarsa", "hyperparameters": {"cells": (2,), "span": (1.0,)}},
            "16 observations are dis",
        ),
        ("CartPole-v1", {"task": "balance"}, "'gym:CartPole-v1' is a whole environment: leave out the task 'balance'"),
        ("CartPole-v1", {"vary": {"payload": "0:1"}}, "--vary needs a Surefoot robot, not 'gym:CartPole-v1'"),
        ("CartPole-v1", {"parameters": {"payload": 1.0}}, "--set needs a Surefoot robot"),
        ("CartPole-v1", {"suite": "cheetah-vel"}, "--suite needs a Surefoot robot"),
        ("CartPole-v1", {"options": {"vx": 1.0}}, "--option needs a Surefoot robot"),
        ("CartPole-v1", {"hyperparameters": {"mirror": True}}, "mirror=True needs a Surefoot robot"),
        ("CartPole-v1", {"hyperparameters": {"history": 4}}, "history=4 needs a Surefoot robot"),
        ("Pendulum-v1", {"algo": "sac", "hyperparameters": {"network": "gru", "history": 3}}, "network=gru needs a Su"),
        ("CartPole-v1", {"hyperparameters": {"adaptive_kl": 0.01}}, "adaptive_kl=0.01 needs a Surefoot robot"),
        (
            "CartPole-v1",
            {"algo": "recurrent_ppo"},
            "'recurrent_ppo' does not train .*: choose from ppo, a2c, trpo, dqn",
        ),
        ("Pendulum-v1", {"algo": "ars"}, "'ars' does not train .*: choose from ppo"),
        ("CartPole-v1", {"algo": "pop"}, "unknown algorithm 'pop'"),
        ("surefoot-tests/Dict-v0", {}, "observations of .* are Dict: ppo expects a flat Box"),
        ("surefoot-tests/Image-v0", {}, r"observations of .* are Box\(8, 8, 3\): ppo expects a flat Box"),
        (
            "surefoot-tests/Many-v0",
            {},
            r"actions of .* are MultiDiscrete\(2,\): expected Discrete or a flat, finite Box",
        ),
        ("surefoot-tests/Unbounded-v0", {}, "expected Discrete or a flat, finite Box"),
    ],
)
def test_what_does_not_fit_is_said_in_one_line(name: str, options: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(SurefootError, match=said) as told:
        train(f"gym:{name}", out=tmp_path / "run", progress=False, **options)
    assert "\n" not in str(told.value)
    assert not (tmp_path / "run").exists()


def test_an_environment_that_cannot_be_made_says_why() -> None:
    name = "surefoot-tests/Broken-v0"
    gymnasium.registry.pop(name, None)
    gymnasium.register(name, "no_such_module_here:Env")
    with pytest.raises(
        SurefootError, match=r"'gym:surefoot-tests/Broken-v0' cannot be made: .*no_such_module_here"
    ) as told:
        train(f"gym:{name}", progress=False)
    assert "\n" not in str(told.value)


def test_what_needs_a_robot_says_so(tmp_path: Path) -> None:
    hyper = {"num_envs": 2, "n_steps": 32, "batch_size": 64, "net": (8, 8)}
    trained = train("gym:CartPole-v1", steps=64, hyperparameters=hyper, progress=False)
    for verb, call in {
        "adapt": lambda: api.adapt(trained, {"payload": 1.0}, out=tmp_path / "x.safetensors"),
        "replay": lambda: api.replay(trained, html=tmp_path / "x.html"),
        "--set": lambda: api.evaluate(trained, parameters={"payload": 1.0}),
        "--vary": lambda: api.evaluate(trained, vary={"payload": "0:1"}),
        "--plan": lambda: api.evaluate(trained, plan=True),
        "--terrain": lambda: api.evaluate(trained, options={"terrain": "rough"}),
        "export": lambda: api.export(trained, onnx=tmp_path / "x.onnx"),
    }.items():
        with pytest.raises(SurefootError, match=f"{verb} needs a Surefoot robot, not 'gym:CartPole-v1'"):
            call()
    assert not list(tmp_path.iterdir())


def test_which_algorithms_fit() -> None:
    discrete = [name for name in ALGORITHMS if gym_ids.fits(name, discrete=True)]
    continuous = [name for name in ALGORITHMS if gym_ids.fits(name, discrete=False)]
    assert {"ppo", "dqn", "qrdqn", "deep_sarsa", "q_learning", "sarsa"} <= set(discrete)
    assert "sac" not in discrete
    assert {"ppo", "sac", "dqn"} <= set(continuous)
