"""Planning: the weights, what a variant of the future is worth, and that acting on the best pays."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from stable_baselines3.common.policies import BasePolicy

from surefoot import api
from surefoot.controllers import planner as module
from surefoot.controllers.config import PlannerConfig
from surefoot.controllers.controller import Controller
from surefoot.controllers.evaluation import run_episodes
from surefoot.controllers.planner import Planner, driver, mppi_weights
from surefoot.controllers.training import train
from surefoot.envs.batch_env import BatchEnv
from surefoot.envs.tasks import VelocityConfig
from surefoot.envs.variation import Task
from surefoot.robots import SurefootError

SMALL = PlannerConfig(samples=8, horizon=4)
CALM = VelocityConfig(mean_hold=np.inf)


def planning(controller: Controller, settings: PlannerConfig) -> Controller:
    return api.load(controller, settings)


def walkers(n: int, **options: object) -> BatchEnv:
    return BatchEnv("quadruped", "velocity", n, seed=3, autoreset=False, **options)  # type: ignore[arg-type]


def test_weights_on_hand_numbers() -> None:
    # Standard deviations are 1 and 3; leads are 0 and 2 of them.
    weights = mppi_weights(np.array([[4.0, 2.0], [1.0, 7.0]]), temperature=0.5)
    e = np.exp(-4.0)
    assert weights == pytest.approx(np.array([[1, e], [e, 1]]) / (1 + e))
    three = mppi_weights(np.array([[0.0, 1.0, 2.0]]), temperature=np.sqrt(1.5))  # exp(-2), exp(-1), 1
    assert three[0] == pytest.approx(np.array([0.0900306, 0.2447285, 0.6652410]), abs=1e-6)
    assert mppi_weights(np.array([[0.0, 3.0, 2.0]]), temperature=0.0).tolist() == [[0.0, 1.0, 0.0]]
    for temperature in (0.1, 5.0):
        assert mppi_weights(np.full((1, 4), 7.0), temperature) == pytest.approx(np.full((1, 4), 0.25))
        returns = np.random.default_rng(0).normal(size=(3, 6))
        assert mppi_weights(returns, temperature) == pytest.approx(mppi_weights(50 * returns - 9, temperature))
        assert mppi_weights(returns, temperature).sum(axis=1) == pytest.approx(np.ones(3))


def test_without_noise_it_is_the_policy(controller: Controller) -> None:
    results = []
    for settings in (None, replace(SMALL, samples=3, horizon=2, noise=0.0)):
        env = walkers(5, tasks=[Task({"payload": kg}) for kg in (0.0, 1.0, 2.0, 30.0, 60.0)], episode_steps=120)
        drives = driver(controller if settings is None else planning(controller, settings), env)
        assert isinstance(drives, Controller if settings is None else Planner)
        results.append((run_episodes(env, drives), env.observation, env.rng.bit_generator.state))
    (plain, seen, rng), (planned, seen_again, rng_again) = results
    assert plain.lengths.min() < plain.lengths.max()  # some fell
    assert np.array_equal(plain.returns, planned.returns)
    assert np.array_equal(plain.lengths, planned.lengths)
    assert np.array_equal(seen, seen_again)
    assert rng == rng_again  # and nothing was drawn from the environment's generator


@pytest.mark.parametrize("horizon", [1, 6])
def test_a_variant_is_worth_its_rewards_and_the_value_of_where_it_ends(controller: Controller, horizon: int) -> None:
    env = walkers(4, config=CALM, tasks=Task({"payload": 4.0}))
    env.reset()
    drives = Planner(planning(controller, replace(SMALL, samples=3, horizon=horizon)), env)
    rng = np.random.default_rng(0)
    residuals = (0.8 * rng.standard_normal((12, horizon, 12))).astype(np.float32)
    residuals[::3] = 0.0
    drives.act(env.observation)  # fills the planner's worlds with parameters
    everywhere = np.repeat(np.arange(4), 3)
    drives.futures.copy_from(env, everywhere)
    told = drives._returns(env.observation[everywhere], residuals)
    twin = walkers(12, config=CALM, tasks=Task({"payload": 4.0}))
    twin.reset()
    twin.copy_from(env, everywhere)
    expected, alive = np.zeros(12), np.ones(12, bool)
    for t in range(horizon):
        actions = controller.act(twin.observation) + residuals[:, t]
        twin.step(actions.clip(-1, 1))
        expected += 0.97**t * twin.reward * alive
        alive &= ~twin.terminated
    values = controller.policy.predict_values(torch.as_tensor(twin.observation)).detach().numpy().ravel()
    values = values * np.sqrt(controller.training["return_norm.var"].item() + 1e-8)
    assert told == pytest.approx(expected + 0.97**horizon * values * alive, abs=1e-6)
    assert len(np.unique(told.round(9))) == 12


def test_nothing_is_earned_after_a_fall(controller: Controller) -> None:
    env = walkers(2, config=CALM)
    env.reset()
    env.simulation.qpos[1, 3:7] = [0, 1, 0, 0]  # on its back: ends with the next step
    drives = Planner(planning(controller, replace(SMALL, samples=3, horizon=5)), env)
    drives.futures.copy_from(env, np.repeat([0, 1], 3))
    told = drives._returns(env.observation[np.repeat([0, 1], 3)], np.zeros((6, 5, 12), np.float32))
    first = env.step(controller.act(env.observation))[1]
    assert env.terminated.tolist() == [False, True]
    assert told[3:] == pytest.approx(first[1])
    assert told[0] > first[0]


def test_commands_stay_in_what_is_planned(controller: Controller) -> None:
    """Also when the robot's own changes within the horizon: when it will is chance, and two plans from one seed agree."""
    # Nobody ends by falling, for whoever has ended is not planned for.
    env = walkers(3, config=VelocityConfig(mean_hold=0.1, min_up=-2.0, min_height=-1.0))
    env.reset()
    drives = [Planner(planning(controller, replace(SMALL, samples=3, horizon=6)), env, seed=5) for _ in range(2)]
    commands = []
    for _ in range(40):
        first, second = (drive.act(env.observation) for drive in drives)
        assert np.array_equal(first, second)
        assert np.array_equal(drives[0].futures.task._command, np.repeat(env.task._command, 3, axis=0))
        env.step(first)
        commands.append(env.task._command.copy())
    assert len(np.unique(commands, axis=0)) > 5


def test_values_are_in_the_units_of_rewards(controller: Controller) -> None:
    seen = np.random.default_rng(0).normal(size=(6, 50)).astype(np.float32)
    raw = controller.policy.predict_values(torch.as_tensor(seen)).detach().numpy().ravel()
    for variance, scale in ((9.0, 3.0), (0.25, 0.5)):
        controller.training["return_norm.var"] = torch.tensor([variance])
        assert controller.value(seen) == pytest.approx(scale * raw, rel=1e-6)
    del controller.training["return_norm.var"]  # rewards were not scaled
    assert controller.value(seen) == pytest.approx(raw)


def test_sac_values_are_its_lower_critic() -> None:
    small = {"num_envs": 4, "learning_starts": 32, "net": (16, 16), "buffer_size": 1000}
    sac = train("hopper", "run", algo="sac", steps=64, hyperparameters=small, progress=False)
    seen = np.random.default_rng(0).normal(size=(5, 11))
    with torch.no_grad():
        x = torch.as_tensor(seen).float()
        action = sac.policy.actor(x, deterministic=True)
        lower = torch.minimum(*sac.policy.critic(x, action)).numpy().ravel()
    assert sac.value(seen) == pytest.approx(lower)
    scaled = sac.config.model_copy(update={"hyperparameters": {**sac.config.hyperparameters, "reward_scale": 4.0}})
    assert Controller(scaled, sac.policy).value(seen) == pytest.approx(lower / 4)
    env = BatchEnv("hopper", "run", 2, seed=0, autoreset=False)
    drives = Planner(planning(sac, SMALL), env)
    env.step(drives.act(env.reset()))
    assert np.abs(drives.plan).max() > 0


def test_planning_improves_what_a_poor_controller_earns(controller: Controller) -> None:
    with torch.no_grad():
        controller.policy.value_net.weight.zero_()  # after three rollouts it knows nothing: rewards alone
        controller.policy.value_net.bias.zero_()
    earned = {}
    for name, settings in (("policy", None), ("planner", PlannerConfig(samples=24, horizon=10))):
        env = walkers(4, episode_steps=40)
        result = run_episodes(env, driver(controller if settings is None else planning(controller, settings), env))
        earned[name] = result.returns
    assert earned["planner"].mean() > 1.3 * earned["policy"].mean()
    assert (earned["planner"] > earned["policy"]).mean() >= 0.75


@pytest.mark.parametrize(
    ("model", "expected"), [("own", [0.0, 5.0]), ("nominal", [0.0, 0.0]), ({"payload": 2.0}, [2.0, 2.0])]
)
def test_the_robot_that_it_believes_in(controller: Controller, model: str, expected: list[float]) -> None:
    env = walkers(2, tasks=[Task(), Task({"payload": 5.0})])
    drives = Planner(planning(controller, replace(SMALL, model=model)), env)
    drives.act(env.reset())
    (column,) = env.table.columns("payload")
    assert drives.futures.values[:, column].tolist() == np.repeat(expected, 8).tolist()
    env.set_tasks(Task({"payload": 1.0}))  # in mid-episode
    drives.act(env.observation)
    assert (drives.futures.values[:, column] == 1.0).all() == (model == "own")


def test_all_robots_are_planned_for_whatever_fits_at_once(
    controller: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WORLDS", 16)
    env = walkers(5)
    drives = Planner(planning(controller, SMALL), env)
    assert (drives.group, drives.futures.num_envs) == (2, 16)
    env.step(drives.act(env.reset()))
    assert (np.abs(drives.plan[:, 0]).max(axis=1) > 0).all()
    env.terminated[[1, 4]] = True
    before = drives.plan.copy()
    drives.act(env.observation)
    assert np.array_equal(drives.plan[[1, 4], :-1], before[[1, 4], 1:])  # only moved on
    assert not np.array_equal(drives.plan[[0, 2, 3], :-1], before[[0, 2, 3], 1:])


def test_a_new_episode_starts_with_an_empty_plan(controller: Controller) -> None:
    env = walkers(3)
    drives = Planner(planning(controller, replace(SMALL, noise=0.0, temperature=1e9)), env)  # the mean of all variants
    env.step(drives.act(env.reset()))
    drives.plan[:] = 0.5
    env.reset(ids=np.array([1]))
    actions = drives.act(env.observation)
    policy = controller.act(env.observation)
    assert np.array_equal(actions[1], policy[1])
    assert actions[[0, 2]] == pytest.approx(np.clip(policy[[0, 2]] + 7 / 8 * 0.5, -1, 1), abs=1e-5)


def test_same_seed_same_plan(controller: Controller) -> None:
    runs = []
    for seed in (0, 0, 1):
        env = walkers(3, episode_steps=10)
        runs.append(run_episodes(env, driver(planning(controller, SMALL), env, seed)).returns)
    assert np.array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0], runs[2])


def test_actions_stay_within_their_limits(controller: Controller) -> None:
    env = walkers(3)
    drives = Planner(planning(controller, replace(SMALL, noise=5.0)), env)
    observation = env.reset()
    for _ in range(5):
        actions = drives.act(observation)
        assert actions.shape == (3, 12)
        assert np.abs(actions).max() <= 1.0
        observation = env.step(actions)[0]


def test_the_settings_travel_with_the_controller(controller: Controller, tmp_path: Path) -> None:
    settings = PlannerConfig(samples=5, noise=0.1, model={"payload": 2.5, "dead_actuator": "rear_left_calf"})
    planning(controller, settings).save(tmp_path / "a.safetensors")
    loaded = Controller.load(tmp_path / "a.safetensors")
    assert loaded.plan == loaded.copy().plan == settings
    assert controller.plan is None
    assert api.load(loaded, False).plan is None
    assert loaded.plan == settings  # a copy was changed
    assert api.load(controller, True).plan == PlannerConfig()
    assert api.load(loaded, {"samples": 7.0}).plan == PlannerConfig(samples=7)
    shown = api.record(loaded, seconds=0.2)
    assert not np.array_equal(shown.action, api.record(controller, seconds=0.2).action)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"sample": 3}, "unknown planner setting 'sample': did you mean samples?"),
        ({"samples": 2}, "planner setting samples=2: expected 3 or more"),
        ({"samples": 7.5}, "planner setting samples=7.5"),
        ({"horizon": 0}, "horizon=0: expected 1 or more"),
        ({"noise": -0.1}, "noise=-0.1: expected 0 or more"),
        ({"noise": float("nan")}, "noise=nan: expected a finite number"),
        ({"correlation": 1.0}, "correlation=1.0: expected 0 or more, below 1"),
        ({"temperature": -1}, "temperature=-1"),
        ({"iterations": 0}, "iterations=0"),
        ({"model": "mine"}, "planner setting model='mine'"),
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, object], said: str, controller: Controller) -> None:
    with pytest.raises(SurefootError) as error:
        api.load(controller, settings)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_what_cannot_plan(controller: Controller) -> None:
    env = walkers(1)
    with pytest.raises(SurefootError, match="did you mean payload"):
        Planner(planning(controller, replace(SMALL, model={"payloat": 1.0})), env)
    with pytest.raises(SurefootError, match="planning knows a level floor only"):
        Planner(planning(controller, SMALL), walkers(1, config=VelocityConfig(terrain="rough", terrain_levels=1)))
    space = controller.policy

    class Blind(BasePolicy):
        """A policy without a value function."""

        _predict: Callable[..., torch.Tensor] = lambda self, seen, deterministic=False: torch.zeros(len(seen), 12)

    blind = Controller(
        controller.config.model_copy(update={"algo": "ars"}), Blind(space.observation_space, space.action_space)
    )
    blind.plan = SMALL
    with pytest.raises(SurefootError, match=r"needs a value function .* controllers of 'ars' have none"):
        Planner(blind, env)
    small = {"num_envs": 4, "n_steps": 8, "batch_size": 16, "hidden": 8, "net": (8, 8)}
    remembers = train("quadruped", "velocity", algo="recurrent_ppo", steps=32, hyperparameters=small, progress=False)
    with pytest.raises(SurefootError, match=r"needs a value function of single .* 'recurrent_ppo' have none"):
        Planner(planning(remembers, SMALL), env)
