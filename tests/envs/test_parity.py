"""Tasks on Gymnasium's robots equal its v5 environments bit for bit: start states by seed, observations, rewards, endings."""

import importlib.util
from pathlib import Path

import gymnasium
import mujoco
import numpy as np
import pytest

from surefoot.envs.batch_env import BatchEnv
from surefoot.envs.registration import RUN
from surefoot.envs.variation import Task

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "parity.py"
spec = importlib.util.spec_from_file_location("parity", SCRIPT)
assert spec is not None
assert spec.loader is not None
parity = importlib.util.module_from_spec(spec)
spec.loader.exec_module(parity)


@pytest.mark.parametrize("name", parity.IDS)
def test_free_running_for_1000_steps(name: str) -> None:
    """From the same seed, never synchronised again, over as many episodes as fall into 1,000 steps."""
    found = parity.compare(name, steps=1000, seed=1)
    assert found["observation"] == 0
    assert found["reward"] == 0
    assert found["episodes"] > (30 if name in ("Hopper", "Walker2d", "Humanoid", "InvertedPendulum") else 0)


@pytest.mark.parametrize("name", parity.IDS)
def test_actions_in_double_precision_and_beyond_their_limits(name: str) -> None:
    found = parity.compare(name, steps=60, seed=2, dtype=np.float64, scale=1.5)
    assert found["observation"] == 0
    assert found["reward"] == 0


@pytest.mark.parametrize("seed", [0, 7, 2**31])
@pytest.mark.parametrize("name", parity.IDS)
def test_start_state_by_seed(name: str, seed: int) -> None:
    ours, theirs = gymnasium.make(parity.IDS[name]), gymnasium.make(f"{name}-v5")
    for _ in range(2):  # with the seed, and then from wherever the generator is
        assert np.array_equal(ours.reset(seed=seed)[0], theirs.reset(seed=seed)[0])
        assert np.array_equal(ours.reset()[0], theirs.reset()[0])


@pytest.mark.parametrize("name", ["Ant", "Humanoid"])
def test_contact_forces(name: str) -> None:
    """cfrc_ext of every body while the robot lies on the ground, unclipped, in a world with other masses and gravity too."""
    theirs = gymnasium.make(f"{name}-v5", terminate_when_unhealthy=False).unwrapped
    theirs.reset(seed=0)
    task = Task({"mass.torso": 1.7, "gravity": 6.0, "friction": 0.8})
    core = BatchEnv(RUN[name], "run", 2, tasks=[Task(), task], threads=1, autoreset=False)
    core.reset(0)
    sim = core.simulation
    changed = sim.batch.get_model(1)
    model = theirs.model
    for world in (0, 1):
        if world:
            for field in (
                "body_mass",
                "body_inertia",
                "body_subtreemass",
                "body_invweight0",
                "dof_invweight0",
                "geom_friction",
            ):
                getattr(model, field)[:] = getattr(changed, field)
            model.opt.gravity[:] = changed.opt.gravity
        mujoco.mj_resetData(model, theirs.data)
        theirs.set_state(theirs.init_qpos, theirs.init_qvel)
        ids = np.array([world])
        sim.reset(ids, theirs.init_qpos[None], theirs.init_qvel[None])
        rng, touched = np.random.default_rng(0), 0.0
        for _ in range(80):
            action = rng.uniform(-0.4, 0.4, model.nu)
            theirs.do_simulation(action, theirs.frame_skip)
            sim.ctrl[:] = action
            sim.step()
            assert np.array_equal(sim.qpos[world], theirs.data.qpos)
            assert np.array_equal(sim.cfrc_ext[world], theirs.data.cfrc_ext)
            touched = max(touched, np.abs(theirs.data.cfrc_ext).max())
        assert touched > 10, "it never touched the ground"


@pytest.mark.parametrize("name", ["ant", "humanoid"])
def test_pushes_on_robots_in_the_air_are_mujocos(name: str) -> None:
    """Worlds without contacts are worked out together: bit for bit what mj_rnePostConstraint makes of each."""
    env = BatchEnv(name, "run", 6, threads=1, seed=0, tasks=Task({"force.x": 3.7, "force.y": -20.1, "force.z": 11.3}))
    env.reset()
    sim, data, alone = env.simulation, mujoco.MjData(env.simulation.model), 0
    sim.qpos[:3, 2] += 1.0
    for t in range(30):
        sim.ctrl[:] = np.random.default_rng(t).uniform(env.task.action_low, env.task.action_high, (6, env.num_actions))
        sim.step()
        for world in range(6):
            sim.batch.get_data(world, data)
            mujoco.mj_rnePostConstraint(sim.model, data)
            alone += data.ncon == 0
            assert np.array_equal(sim.cfrc_ext[world], data.cfrc_ext)
            assert data.cfrc_ext.any()
    assert alone


def test_fast_contact_forces_are_near() -> None:
    exact, fast = (BatchEnv("ant", "run", 2, threads=1, contact_forces=c, seed=0) for c in ("exact", "fast"))
    exact.reset(0), fast.reset(0)
    rng = np.random.default_rng(0)
    for _ in range(60):
        action = rng.uniform(-1, 1, (2, 8))
        exact.step(action), fast.step(action)
        assert np.array_equal(exact.observation[:, :27], fast.observation[:, :27]), "the motion is the same"
        assert np.abs(exact.observation - fast.observation).max() <= 2, "forces are clipped to +-1"
