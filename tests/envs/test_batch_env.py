"""The vectorised core: determinism, equality with single worlds, resets, divergence."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from surefoot.envs.batch_env import BatchEnv
from surefoot.envs.gym import make
from surefoot.envs.simulation import Simulation
from surefoot.envs.tasks import VelocityConfig
from surefoot.envs.variation import Task, Variation
from surefoot.robots import SurefootError, get_robot

CASES = [
    ("half_cheetah", "run", None),
    ("hopper", "run", None),
    ("ant", "run", None),
    ("humanoid", "run", None),
    ("quadruped", "velocity", None),
    ("quadruped", "velocity", VelocityConfig(push_interval=0.5, noise=1.0)),
    pytest.param("go1", "velocity", None, marks=pytest.mark.menagerie),
]
VARIATION = {
    "payload": "0:2",
    "friction": "log:0.5:1.5",
    "motor_strength.*": "0.7:1.1",
    "delay": "0|0.01",
    "mass.*": "0.8:1.2",
}


def roll(core: BatchEnv, steps: int, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    low, high = core.task.action_low, core.task.action_high
    seen = [core.reset(seed).copy()]
    for _ in range(steps):
        core.step(rng.uniform(low, high, (core.num_envs, core.num_actions)).astype(np.float32))
        arrays = (core.observation, core.reward, core.terminated, core.truncated, core.terms, core.values)
        seen += [array.copy() for array in arrays]
    return seen


@pytest.mark.parametrize(("robot", "task", "config"), CASES)
def test_same_seed_same_trajectories_at_any_thread_count(robot: str, task: str, config: VelocityConfig | None) -> None:
    variation = Variation.parse(VARIATION)
    runs = []
    for threads in (1, 2, 3, 3):
        core = BatchEnv(robot, task, 13, variation=variation, threads=threads, config=config, episode_steps=37)
        runs.append(roll(core, 120, seed=5))
        runs.append(roll(core, 120, seed=5))  # again in the same environment: nothing is left over from the first time
    for other in runs[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(runs[0], other, strict=True))
    assert not np.array_equal(roll(core, 3, seed=6)[0], runs[0][0])


@pytest.mark.parametrize(("robot", "task"), [("half_cheetah", "run"), ("ant", "run"), ("quadruped", "velocity")])
def test_worlds_equal_single_environments(robot: str, task: str) -> None:
    held = Task({"motor_strength": 0.8, "mass": 1.2}, {"vx": 0.7, "vy": 0.1, "yaw": -0.3} if task == "velocity" else {})
    core = BatchEnv(robot, task, 5, tasks=held, seed=0, autoreset=False, threads=2)
    core.reset()
    singles = [make(robot, task, tasks=held) for _ in range(5)]
    for i, single in enumerate(singles):
        single.reset(seed=99)
        start = single.core.simulation
        start.reset(np.array([0]), core.simulation.qpos[[i]].copy(), core.simulation.qvel[[i]].copy())
        if task == "velocity":
            single.core.task._phase[:] = core.task._phase[i]
            single.core.task._read_state(slice(None))
    rng = np.random.default_rng(1)
    for _ in range(50):
        actions = rng.uniform(-0.5, 0.5, (5, core.num_actions)).astype(np.float32)
        core.step(actions)
        for i, single in enumerate(singles):
            observation, reward, terminated, truncated, _ = single.step(actions[i])
            assert np.array_equal(observation, core.observation[i])
            assert reward == core.reward[i]
            assert (terminated, truncated) == (core.terminated[i], core.truncated[i])


def test_selective_resets_leave_the_others_alone() -> None:
    a, b = (BatchEnv("hopper", "run", 6, seed=0, threads=1, autoreset=False) for _ in range(2))
    a.reset(), b.reset()
    for core in (a, b):
        core.step(np.full((6, 3), 0.1))
    a.reset(ids=np.array([1, 4]))
    others = [0, 2, 3, 5]
    assert not np.array_equal(a.observation[1], b.observation[1])
    for _ in range(10):
        a.step(np.full((6, 3), 0.1)), b.step(np.full((6, 3), 0.1))
        assert np.array_equal(a.observation[others], b.observation[others])
    assert a.lengths.tolist() == [11, 10, 11, 11, 10, 11]


def test_time_limits_are_truncations_and_endings_are_reported() -> None:
    core = BatchEnv("half_cheetah", "run", 4, seed=0, threads=1, episode_steps=5)
    core.reset()
    total = np.zeros(4)
    for step in range(1, 11):
        before = core.observation.copy()
        core.step(np.full((4, 6), 0.3))
        total += core.reward
        if step % 5:
            assert not len(core.ended)
            continue
        assert core.ended.tolist() == [0, 1, 2, 3]
        assert core.truncated.all()
        assert not core.terminated.any()
        assert (core.ended_length == 5).all()
        assert np.allclose(core.ended_return, total)
        assert np.abs(core.final_observation - before).max() < 20
        assert not np.array_equal(core.final_observation, core.observation)
        assert np.abs(core.observation[:, 1:8]).max() <= 0.1, "a start state"
        total[:] = 0


def test_stagger_spreads_the_time_limits() -> None:
    core = BatchEnv("half_cheetah", "run", 200, seed=0, episode_steps=10)
    core.reset()
    core.stagger()
    ended = []
    for _ in range(10):
        core.step(np.zeros((200, 6)))
        ended.append(len(core.ended))
    assert sum(ended) == 200
    assert max(ended) < 50


def blow_up(how: str, sim: Simulation, world: int) -> None:
    if how == "velocity":
        sim.qvel[world, 0] = 1e12
    elif how == "nan":
        sim.qpos[world, 2] = np.nan
    else:
        sim.ctrl[world, 0] = np.nan


@pytest.mark.parametrize("how", ["velocity", "nan", "ctrl"])
@pytest.mark.parametrize(("robot", "task"), [("half_cheetah", "run"), ("humanoid", "run"), ("quadruped", "velocity")])
def test_a_diverged_world_ends_alone(robot: str, task: str, how: str) -> None:
    a, b = (BatchEnv(robot, task, 4, seed=0, threads=2, autoreset=False) for _ in range(2))
    a.reset(), b.reset()
    others = [0, 1, 3]
    for times in (1, 2, 3):  # again in the same world: MuJoCo's counters start anew with each reset
        for core in (a, b):
            core.task.act(np.zeros((4, core.num_actions)))
        actions = np.zeros((4, a.num_actions))
        b.step(actions)
        if how == "ctrl":
            actions[2, 0] = np.nan
            a.step(actions)
        else:
            blow_up(how, a.simulation, 2)
            a.step(actions)
        assert a.diverged == times
        assert b.diverged == 0
        assert a.terminated.tolist() == [b.terminated[0], b.terminated[1], True, b.terminated[3]]
        assert not a.truncated.any()
        assert a.reward[2] == 0
        assert (a.terms[2] == 0).all()
        assert 2 in a.ended
        a.reset(ids=np.array([2]))
        assert np.isfinite(a.observation).all()
        for _ in range(3):
            a.step(np.zeros((4, a.num_actions))), b.step(np.zeros((4, a.num_actions)))
            assert np.array_equal(a.observation[others], b.observation[others])
            assert np.array_equal(a.reward[others], b.reward[others])
            assert np.isfinite(a.observation).all()
        assert a.diverged == times


def test_autoreset_after_divergence_goes_on() -> None:
    core = BatchEnv("quadruped", "velocity", 3, seed=0, threads=1)
    core.reset()
    core.simulation.qvel[1] = 1e12
    core.step(np.zeros((3, 12)))
    assert core.ended.tolist() == [1]
    assert core.ended_length.tolist() == [1]
    assert core.diverged == 1
    assert np.isfinite(core.observation).all()
    assert np.isfinite(core.final_observation[1]).all()
    core.step(np.zeros((3, 12)))
    assert not core.terminated[1]


def test_divergence_is_silent(tmp_path: Path) -> None:
    """In a process of its own, because MuJoCo writes to the file descriptor and into the working folder."""
    script = """
import numpy as np
from surefoot.envs.batch_env import BatchEnv
from surefoot.envs.variation import Task
wild = Task({"mass": .05, "armature": .01, "gravity": 50., "motor_strength": 5.})
core = BatchEnv("half_cheetah", "run", 64, seed=0, tasks=[Task()] * 32 + [wild] * 32)
core.reset(0)
rng = np.random.default_rng(0)
for t in range(300):
    if t % 10 == 0:
        core.simulation.qvel[:4, 3] = 1e9
        core.simulation.qpos[4:8, 3] = np.nan
    core.step(rng.uniform(-1, 1, (64, 6)))
    assert np.isfinite(core.observation).all() and np.isfinite(core.reward).all()
print(core.diverged)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 240
    assert not done.stderr
    assert not list(tmp_path.iterdir()), "a MUJOCO_LOG.TXT in the user's folder"


def test_simulation_errors_end_their_worlds(monkeypatch: pytest.MonkeyPatch) -> None:
    """MuJoCo raises one for all the worlds that failed (say, for want of memory for contacts)."""
    from mujoco.batch import SimulationError

    core = BatchEnv("half_cheetah", "run", 4, seed=0, threads=1, autoreset=False)
    core.reset()

    class Failing:
        def __init__(self, batch: object):
            self.batch = batch

        def step(self, nstep: int) -> None:
            self.batch.step(nstep=nstep)  # type: ignore[attr-defined]
            raise SimulationError(np.array([0, 3]), "out of memory")

        def __getattr__(self, name: str) -> object:
            return getattr(self.batch, name)

    core.simulation.batch = Failing(core.simulation.batch)
    core.step(np.zeros((4, 6)))
    assert core.terminated.tolist() == [True, False, False, True]
    assert core.diverged == 2


def test_tasks_of_each_world_and_for_all() -> None:
    core = BatchEnv("quadruped", "velocity", 3, tasks=[Task({"payload": p}) for p in (0.0, 2.0, 5.0)], threads=1)
    mass = core.simulation.batch.expanded("body_mass")
    base = core.table.layout.base
    assert np.allclose(mass[:, base] - core.simulation.model.body_mass[base], [0, 2, 5])
    core.set_tasks(Task())
    assert (mass == core.simulation.model.body_mass).all()
    with pytest.raises(SurefootError, match="2 tasks for 3 worlds"):
        core.set_tasks([Task(), Task()])
    with pytest.raises(SurefootError, match="not both"):
        BatchEnv("quadruped", "velocity", 1, tasks=Task(), variation=Variation())
    with pytest.raises(SurefootError, match="did you mean velocity"):
        BatchEnv("quadruped", "velocty", 1)
    with pytest.raises(SurefootError, match="did you mean quadruped"):
        BatchEnv("quadrupd", "velocity", 1)
    with pytest.raises(SurefootError, match="try 'velocity'"):
        BatchEnv("quadruped", "run", 1)
    with pytest.raises(SurefootError, match="try 'run'"):
        BatchEnv("ant", "velocity", 1)
    for bad in ({"num_worlds": 0}, {"num_worlds": 1, "threads": -1}):
        with pytest.raises(SurefootError, match="expected"):
            Simulation(get_robot("hopper"), **bad)  # type: ignore[arg-type]
