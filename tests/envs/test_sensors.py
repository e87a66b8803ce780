"""What sensors show, against what is true."""

import numpy as np
import pytest

from surefoot.envs.batch_env import BatchEnv
from surefoot.envs.tasks import VelocityConfig
from surefoot.envs.variation import Task, Variation
from surefoot.robots import ROBOTS, SurefootError
from surefoot.robots.parameters import PARAMETERS

TASK_FOR = {
    "quadruped": "velocity", "go1": "velocity", "cartpole": "balance", "pendulum": "swing-up", "reacher": "reach",
    "pusher": "push", "inverted_pendulum": "balance", "inverted_double_pendulum": "balance",
}  # fmt: skip
SEEN = ("sensor_noise", "sensor_bias", "imu_rotation", "imu_position")
CASES = [
    pytest.param(robot, p.name, marks=[pytest.mark.menagerie] if robot in ("go1", "g1") else [])
    for robot in TASK_FOR.keys() | {"half_cheetah", "hopper", "walker2d", "ant", "humanoid", "swimmer"}
    for p in PARAMETERS
    if p.name in SEEN and (not p.position_only or ROBOTS[robot].control == "position")
]


def observed(robot: str, settings: dict[str, float | str], steps: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Observations and rewards of a few steps from the same start."""
    env = BatchEnv(robot, TASK_FOR.get(robot, "run"), 3, seed=1, tasks=Task(settings))
    seen, paid = [env.reset(7).copy()], []
    state = env.simulation.qpos.copy()
    for _ in range(steps):
        observation, reward, _, _ = env.step(np.zeros((3, env.num_actions)))
        seen.append(observation.copy())
        paid.append(reward.copy())
    assert np.isfinite(seen).all()
    return np.array(seen), np.concatenate([state.ravel(), *paid]) if "noise" in str(settings) else np.array(paid)


@pytest.mark.parametrize(("robot", "name"), sorted(CASES, key=lambda c: c.values))
def test_every_element_is_seen(robot: str, name: str) -> None:
    plain, _ = observed(robot, {})
    env = BatchEnv(robot, TASK_FOR.get(robot, "run"), 1)
    for k in env.table.columns(name):
        shown, _ = observed(robot, {env.table.names[k]: 0.3})
        assert not np.array_equal(shown, plain), env.table.names[k]
        again, _ = observed(robot, {env.table.names[k]: 0.3})
        assert np.array_equal(shown, again)


def quadruped(settings: dict[str, float | str], n: int = 400) -> tuple[BatchEnv, dict[str, np.ndarray]]:
    env = BatchEnv("quadruped", "velocity", n, seed=0, tasks=Task(settings), config=VelocityConfig(mean_hold=np.inf))
    env.reset(3)
    env.step(np.zeros((n, 12)))
    true, first, parts = env.task.observe(slice(None)), 0, {}
    for name, size in env.task.observation_layout.items():
        parts[name] = env.observation[:, first : first + size], true[:, first : first + size]
        first += size
    return env, parts


def test_noise_has_its_standard_deviation_where_it_belongs() -> None:
    _, parts = quadruped({"sensor_noise.position": 0.05, "sensor_noise.gyro": 0.4})
    spread = {name: float(np.std(seen - true)) for name, (seen, true) in parts.items()}
    assert spread.pop("joint_position") == pytest.approx(0.05, rel=0.05)
    assert spread.pop("angular_velocity") == pytest.approx(0.4, rel=0.1)
    assert not any(spread.values())


def test_bias_stays_for_an_episode() -> None:
    env, parts = quadruped({"sensor_bias.velocity": 0.5})
    seen, true = parts["joint_velocity"]
    error = (seen - true).copy()
    assert np.std(error) == pytest.approx(0.5, rel=0.05)
    env.step(np.zeros((400, 12)))
    assert np.allclose(env.observation[:, 21:33] - env.task.observe(slice(None))[:, 21:33], error, atol=1e-5)
    env.reset()
    assert not np.allclose(env.observation[:, 21:33] - env.task.observe(slice(None))[:, 21:33], error, atol=0.1)


def test_a_turned_imu_measures_in_its_own_axes() -> None:
    """Turned by a about x, the IMU sees (0, 0, -1) as (0, -sin a, -cos a); at r it sees v + w x r."""
    _, parts = quadruped({"imu_rotation.x": 0.2})
    seen, true = parts["gravity"]
    c, s = np.cos(0.2), np.sin(0.2)
    wanted = np.column_stack([true[:, 0], c * true[:, 1] + s * true[:, 2], -s * true[:, 1] + c * true[:, 2]])
    assert np.allclose(seen, wanted, atol=1e-6)
    _, parts = quadruped({"imu_position.x": 0.3})
    velocity, true_velocity = parts["linear_velocity"]
    w = parts["angular_velocity"][1]
    assert np.allclose(
        velocity - true_velocity, np.column_stack([0 * w[:, 0], 0.3 * w[:, 2], -0.3 * w[:, 1]]), atol=1e-5
    )
    assert np.array_equal(*parts["angular_velocity"])


def test_an_encoder_that_is_off_is_seen_and_held() -> None:
    env, parts = quadruped({"encoder_offset.front_left_calf": 0.1})
    seen, true = parts["joint_position"]
    assert np.allclose((seen - true)[:, 2], 0.1, atol=1e-6)
    assert np.abs(np.delete(seen - true, 2, axis=1)).max() == 0
    bias = env.simulation.batch.expanded("actuator_biasprm")[0, 2]
    assert bias[0] == pytest.approx(-35 * 0.1), "the servo pulls to where its encoder reads the target"


def test_rewards_are_of_what_is_true() -> None:
    noisy, rewards = observed("half_cheetah", {"sensor_noise.velocity": 1.0})
    plain, wanted = observed("half_cheetah", {})
    assert not np.array_equal(noisy, plain)
    assert np.array_equal(rewards[-15:], wanted.ravel())


def test_without_sensor_parameters_no_random_number_is_drawn() -> None:
    plain = BatchEnv("half_cheetah", "run", 2, seed=1)
    varied = BatchEnv("half_cheetah", "run", 2, seed=1, tasks=Task({"mass": 1.5}))
    for env in (plain, varied):
        env.reset()
    assert plain.rng.bit_generator.state == varied.rng.bit_generator.state
    with pytest.raises(SurefootError, match=r"sensor_noise.*posiion.*did you mean position"):
        Variation.parse({"sensor_noise.posiion": "0:1"}).check(plain.table)
