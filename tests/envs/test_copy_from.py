"""A world's state copied into another environment: from then on both go on alike, bit for bit."""

import numpy as np
import pytest

from surefoot.envs.batch_env import BatchEnv
from surefoot.envs.tasks import VelocityConfig
from surefoot.envs.variation import Task, Variation
from surefoot.robots import SurefootError

VARIATION = {"payload": "0:2", "motor_strength.*": "0.7:1.1", "delay": "0|0.01", "mass.*": "0.8:1.2"}
CALM = VelocityConfig(mean_hold=np.inf)  # no new commands, which are drawn from each environment's own generator
ROBOTS = [
    *((robot, "run", None) for robot in ("half_cheetah", "hopper", "walker2d", "ant", "humanoid")),
    ("half_cheetah", "cheetah-vel", None),
    ("half_cheetah", "cheetah-cripple", None),
    ("ant", "ant-goal", None),
    ("humanoid", "humanoid-dir", None),
    ("walker2d", "walker-rand-params", None),
    ("quadruped", "velocity", CALM),
    ("arm", "reach", None),
    ("arm", "push", None),
    pytest.param("go1", "velocity", CALM, marks=pytest.mark.menagerie),
]


def actions_for(core: BatchEnv, rng: np.random.Generator) -> np.ndarray:
    low, high = core.task.action_low, core.task.action_high
    return (0.5 * rng.uniform(low, high, (core.num_envs, core.num_actions))).astype(np.float32)


@pytest.mark.parametrize(("robot", "task", "config"), ROBOTS)
def test_a_copy_goes_on_bit_for_bit(robot: str, task: str, config: VelocityConfig | None) -> None:
    rng = np.random.default_rng(0)
    variation = Variation.parse(VARIATION)
    source = BatchEnv(robot, task, 4, variation=variation, seed=0, config=config, autoreset=False)
    copy = BatchEnv(robot, task, 6, seed=1, config=config, autoreset=False, threads=1, max_delay=0.01)
    source.reset(), copy.reset()
    for _ in range(7):
        source.step(actions_for(source, rng))
    for _ in range(3):  # whatever is in the copy's worlds must not matter
        copy.step(actions_for(copy, rng))
    index = np.array([3, 0, 0, 2, 1, 3])
    copy.simulation.set_parameters(np.arange(6), source.values[index])
    copy.copy_from(source, index)
    assert np.array_equal(copy.observation, source.observation[index])
    started = copy.observation.copy()
    for _ in range(40):
        actions = actions_for(source, rng)
        source.step(actions), copy.step(actions[index])
        for name in ("observation", "reward", "terms", "terminated", "truncated", "returns", "lengths"):
            assert np.array_equal(getattr(copy, name), getattr(source, name)[index]), name
        assert np.array_equal(copy.simulation.batch.state, source.simulation.batch.state[index])
    assert not np.array_equal(copy.observation, started)
    assert np.isfinite(copy.observation).all()


def test_a_copy_leaves_the_original_alone() -> None:
    plain, copied = (BatchEnv("quadruped", "velocity", 3, seed=4) for _ in range(2))
    other = BatchEnv("quadruped", "velocity", 5, seed=9)
    plain.reset(), copied.reset(), other.reset()
    rng = np.random.default_rng(0)
    for _ in range(30):
        actions = actions_for(plain, rng)
        other.copy_from(copied, np.array([0, 1, 2, 0, 1]))
        other.step(actions_for(other, rng))
        plain.step(actions), copied.step(actions)
        assert np.array_equal(plain.observation, copied.observation)
        assert np.array_equal(plain.reward, copied.reward)


def test_sensors_stay_read_only() -> None:
    source, copy = (BatchEnv("ant", "run", 2, seed=i) for i in range(2))
    source.reset(), copy.reset()
    copy.copy_from(source, np.array([1, 0]))
    with pytest.raises(ValueError, match="read-only"):
        copy.task._xpos[0] = 1.0


def test_states_that_do_not_fit() -> None:
    quadruped = BatchEnv("quadruped", "velocity", 1)
    slow = BatchEnv("quadruped", "velocity", 1, tasks=Task({"delay": 0.02}))
    with pytest.raises(SurefootError, match=r"delays up to 0\.02 s does not fit"):
        quadruped.copy_from(slow, np.zeros(1, int))
    with pytest.raises(SurefootError, match="state of task 'run' does not fit into task 'velocity'"):
        quadruped.copy_from(BatchEnv("hopper", "run", 1), np.zeros(1, int))
    with pytest.raises(SurefootError, match="the state of 'ant'"):
        BatchEnv("hopper", "run", 1).copy_from(BatchEnv("ant", "run", 1), np.zeros(1, int))
