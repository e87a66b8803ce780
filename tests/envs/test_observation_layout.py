"""`observation_layout`: the parts of an observation, by name and in order, are what they say."""

import mujoco
import numpy as np
import pytest

from surefoot.envs.batch_env import BatchEnv


def parts(env: BatchEnv) -> dict[str, np.ndarray]:
    """The current observation, cut by the layout."""
    sizes = env.task.observation_layout
    cuts = np.cumsum(list(sizes.values()))[:-1]
    return dict(zip(sizes, np.split(env.observation, cuts, axis=1), strict=True))


def stepped(robot: str, task: str) -> BatchEnv:
    env = BatchEnv(robot, task, 3, seed=0)
    env.reset()
    for _ in range(3):
        env.step(0.3 * env.rng.uniform(env.task.action_low, env.task.action_high, (3, env.num_actions)))
    return env


def test_velocity() -> None:
    env = stepped("quadruped", "velocity")
    found, sim, task = parts(env), env.simulation, env.task
    assert env.observation.shape[1] == task.observation_size == 50
    rotation = np.zeros((3, 9))
    for matrix, quaternion in zip(rotation, sim.qpos[:, 3:7], strict=True):
        mujoco.mju_quat2Mat(matrix, quaternion)
    rotation = rotation.reshape(3, 3, 3)
    wanted = {
        "linear_velocity": np.einsum("nji,nj->ni", rotation, sim.qvel[:, :3]),
        "angular_velocity": sim.qvel[:, 3:6],
        "gravity": -rotation[:, 2],
        "joint_position": sim.qpos[:, 7:] - env.robot.home_qpos(sim.model)[7:],
        "joint_velocity": sim.qvel[:, 6:],
        "command": task.command(),
    }
    for name, value in wanted.items():
        assert found[name] == pytest.approx(value, abs=1e-5), name
    assert np.square(found["gait_clock"]).sum(axis=1) == pytest.approx(1.0)
    actions = np.full((3, 12), 0.25, np.float32)
    env.step(actions)
    assert np.array_equal(parts(env)["last_action"], actions)


@pytest.mark.parametrize("robot", ["half_cheetah", "hopper", "walker2d", "ant", "humanoid"])
def test_run(robot: str) -> None:
    env = stepped(robot, "run")
    found, sim = parts(env), env.simulation
    assert env.observation.shape[1] == env.task.observation_size
    assert np.array_equal(found["position"], sim.qpos[:, -found["position"].shape[1] :])
    assert np.array_equal(
        found["velocity"], np.clip(sim.qvel, -10, 10) if robot in ("hopper", "walker2d") else sim.qvel
    )
    if robot == "ant":
        assert np.array_equal(found["contact_force"], np.clip(sim.cfrc_ext[:, 1:], -1, 1).reshape(3, -1))
    if robot == "humanoid":
        assert np.array_equal(found["motor_force"], sim.batch.bind("qfrc_actuator")[:, 6:])
        assert np.array_equal(found["contact_force"], sim.cfrc_ext[:, 1:].reshape(3, -1))
        for name, field in (("body_inertia", "cinert"), ("body_velocity", "cvel")):
            assert np.array_equal(found[name], sim.batch.bind(field)[:, 1:].reshape(3, -1))
