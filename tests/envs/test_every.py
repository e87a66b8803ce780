"""Every robot with every task that is defined for it: made, reset and stepped with all parameters drawn at once."""

from typing import Any

import numpy as np
import pytest

from surefoot.envs.batch_env import BatchEnv
from surefoot.envs.options import configured
from surefoot.envs.registration import TASKS
from surefoot.envs.variation import Variation

LAWS = {  # factors are drawn from .8 to 1.2
    "payload": "0:1", "com": "-0.02:0.02", "frictionloss": "0:0.2",
    "delay": "0:0.01", "gravity": "8:11", "torque_speed": "0.01:0.02", "encoder_offset": "-0.05:0.05",
    "fluid_density": "0:2", "viscosity": "0:0.001", "wind": "-3:3", "force": "-5:5", "impulse": "-1:1",
    "sensor_noise": "0:0.02", "sensor_bias": "0:0.02", "imu_rotation": "-0.05:0.05", "imu_position": "-0.05:0.05",
    "terrain_level": "0:1",
}  # fmt: skip
GROUND = " on every ground"  # behind a robot's name: `terrain=mixed`, whose parameters are then drawn too


def cases(*, whole: bool) -> list[object]:
    """All of them; without `whole`, of g1, whose meshes take a second to compile, `velocity` alone."""
    found = [(robot, task) for task, (_, robots, _) in TASKS.items() for robot in robots.values()]
    found += [(robot + GROUND, task) for robot, task in found if task == "velocity" and (whole or robot == "quadruped")]
    return [
        pytest.param(robot, task, marks=[pytest.mark.menagerie] if robot.startswith(("go1", "g1")) else [])
        for robot, task in found
        if whole or robot != "g1" or task == "velocity"
    ]


def make(robot: str, task: str, worlds: int, **settings: Any) -> BatchEnv:
    config = configured(task, terrain="mixed") if robot.endswith(GROUND) else None
    return BatchEnv(robot.removesuffix(GROUND), task, worlds, config=config, **settings)


def everything(robot: str, task: str) -> Variation:
    """Every parameter of the robot: flags are set for one element or none."""
    table = make(robot, task, 1).table
    laws = {}
    for p in table.parameters:
        elements = [name.partition(".")[2] for name in np.array(table.names)[table.columns(p.name)]]
        if p.law == "flag":
            laws[p.name] = "|".join(elements if p.name == "terrain" else ["none", *elements])
        else:
            laws[p.name if len(elements) == 1 else f"{p.name}.*"] = LAWS.get(p.name, "0.8:1.2")
    if "contact_damping" in laws:
        laws["contact_damping"] = "0.8:1"  # MuJoCo gives some robots no more
    return Variation.parse(laws)


def walked(robot: str, task: str, worlds: int, steps: int) -> tuple[BatchEnv, np.ndarray]:
    env = make(robot, task, worlds, seed=3, variation=everything(robot, task), episode_steps=100)
    env.reset()
    rng, seen = np.random.default_rng(0), []
    for _ in range(steps):
        observation, reward, _, _ = env.step(
            rng.uniform(env.task.action_low, env.task.action_high, (worlds, env.num_actions))
        )
        assert np.isfinite(observation).all()
        assert np.isfinite(reward).all()
        assert (env.values >= env.table.low).all()
        assert (env.values <= env.table.high).all()
        seen.append(reward.copy())
    return env, np.array(seen)


@pytest.mark.parametrize(("robot", "task"), cases(whole=False))
def test_a_few_worlds(robot: str, task: str) -> None:
    env, rewards = walked(robot, task, 4, 40)
    flags = {p.name for p in env.table.parameters if p.law == "flag"}
    varied = [k for k, name in enumerate(env.table.names) if name.split(".")[0] not in flags]
    assert (np.ptp(env.values[:, varied], axis=0) > 0).all(), "every parameter differs between robots"
    assert np.array_equal(walked(robot, task, 4, 40)[1], rewards)


@pytest.mark.slow
@pytest.mark.parametrize(("robot", "task"), cases(whole=True))
def test_many_worlds_for_long(robot: str, task: str) -> None:
    env, rewards = walked(robot, task, 64, 300)
    for flag in (p.name for p in env.table.parameters if p.law == "flag"):
        assert env.values[:, env.table.columns(flag)].any(), flag
    again, same = walked(robot, task, 64, 300)
    assert np.array_equal(rewards, same)
    assert np.array_equal(env.observation, again.observation)
