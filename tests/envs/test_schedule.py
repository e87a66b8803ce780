"""Changes in mid-episode, pushes, and what limits or locks motors."""

import mujoco
import numpy as np
import pytest

from surefoot.envs.batch_env import BatchEnv
from surefoot.envs.simulation import SATURATION, Simulation
from surefoot.envs.suites import TrainingTasks, make_suite
from surefoot.envs.variation import Task, Variation
from surefoot.robots import SurefootError, get_robot


def payloads(env: BatchEnv) -> np.ndarray:
    return env.values[:, env.table.columns("payload")[0]].copy()


def walk(env: BatchEnv, steps: int) -> np.ndarray:
    """Payload of each world after each step, (steps, N)."""
    found = []
    for _ in range(steps):
        env.step(np.zeros((env.num_envs, env.num_actions)))
        found.append(payloads(env))
    return np.array(found)


def test_a_task_changes_at_its_time_and_begins_again_as_it_was() -> None:
    tasks = [Task({"payload": 1.0, "payload@0.2": 5.0, "motor_strength@0.3": 0.5}), Task({"payload": 2.0})]
    env = BatchEnv("quadruped", "velocity", 2, seed=0, tasks=tasks, episode_steps=20)
    env.reset()
    seen = walk(env, 45)
    episode = [1.0] * 9 + [5.0] * 10
    assert seen[:19, 0].tolist() == episode, "0.2 s are 10 steps of 0.02 s"
    assert seen[20:39, 0].tolist() == episode
    assert (seen[:, 1] == 2.0).all()
    assert (env.values[0, env.table.columns("motor_strength")] == 1.0).all()


def test_a_variation_changes_with_a_probability() -> None:
    env = BatchEnv(
        "quadruped", "velocity", 400, seed=0, variation=Variation.parse({"payload": "0:1", "payload@p0.05": "4:6"})
    )
    env.reset()
    seen = walk(env, 20)
    changed = seen > 3
    assert (np.diff(changed.astype(int), axis=0) >= 0).all(), "once an episode"
    share = changed[-1].mean()
    assert share == pytest.approx(1 - 0.95**20, abs=0.08)
    again = BatchEnv("quadruped", "velocity", 400, seed=0, variation=env.variation)
    again.reset()
    assert np.array_equal(walk(again, 20), seen)


def test_suites_may_change_tasks_in_mid_episode() -> None:
    suite = make_suite(
        "late", "quadruped", "velocity", {"train": [({"payload@0.1": "1:3"}, 4)], "test": [({"payload": "1"}, 1)]}
    )
    env = BatchEnv("quadruped", "velocity", 8, seed=0, suite=suite)
    env.reset()
    seen = walk(env, 8)
    assert (seen[3] == 0).all()
    assert isinstance(env.training_tasks, TrainingTasks)
    drawn = {float(row.parameters["payload@0.1"]) for row in suite.splits["train"]}
    assert len(drawn) == 4
    assert set(seen[7]) <= drawn


@pytest.mark.parametrize(
    ("key", "message"),
    [("payload@", "expected payload@5"), ("payload@-1", "expected payload@5"), ("payload@p2", "probability"),
     ("paylod@5", "did you mean payload"), ("length.thig@5", "thigh")],
)  # fmt: skip
def test_moments_that_are_none(key: str, message: str) -> None:
    with pytest.raises(SurefootError, match=message) as told:
        BatchEnv("quadruped", "velocity", 1, variation=Variation.parse({key: "1:2"}))
    assert "\n" not in str(told.value)


def test_an_impulse_and_a_force_are_what_they_say() -> None:
    """Momentum after one control step, of an ant in free fall: that of gravity, plus J, or plus F dt."""
    sim = Simulation(get_robot("ant"), 3, threads=1)
    rows = np.repeat(sim.table.nominal[None], 3, axis=0)
    rows[1, sim.table.columns("impulse.x")] = 2.0
    rows[2, sim.table.columns("force.y")] = 10.0
    sim.set_parameters(np.arange(3), rows)
    high = np.repeat(sim.robot.home_qpos(sim.model)[None], 3, axis=0)
    high[:, 2] = 5.0
    sim.reset(np.arange(3), high, np.zeros((3, sim.model.nv)))
    momentum = []
    for _ in range(2):
        sim.step()
        mass = sim.model.body_mass.sum()
        found = []
        for i in range(3):
            data = sim.batch.get_data(i)
            mujoco.mj_forward(sim.model, data)
            mujoco.mj_subtreeVel(sim.model, data)
            found.append(mass * data.subtree_linvel[0])
        momentum.append(np.array(found))
    first, second = momentum
    assert (first[1] - first[0])[0] == pytest.approx(2.0, rel=0.03)
    assert (second[1] - second[0])[0] == pytest.approx(2.0, rel=0.05), "a blow is dealt once"
    assert (second[2] - second[0])[1] == pytest.approx(10.0 * 2 * sim.robot.control_dt, rel=0.05)


def test_a_motor_gives_less_the_faster_it_turns() -> None:
    """Torque of a saturated motor that turns at v: limit x clip(2 (1 - v / v0), 0, 1), and all of it to brake."""
    sim = Simulation(get_robot("quadruped"), 5, threads=1)
    no_load = 20.0
    sim.set_parameters(np.arange(5), np.repeat(sim.table.values({"torque_speed": 1 / no_load})[None], 5, axis=0))
    home = np.repeat(sim.robot.home_qpos(sim.model)[None], 5, axis=0)
    speed = np.array([0.0, 8.0, 15.0, 25.0, -15.0])
    qvel = np.zeros((5, sim.model.nv))
    qvel[:, 8] = speed
    sim.reset(np.arange(5), home, qvel)
    sim._outside.apply()
    limits = sim.batch.expanded("actuator_forcerange")[:, 2]
    assert np.allclose(limits[:, 1], 35.55 * np.clip(SATURATION * (1 - speed / no_load), 0, 1))
    assert np.allclose(limits[:, 0], -35.55 * np.clip(SATURATION * (1 + speed / no_load), 0, 1))
    assert limits[4, 1] == 35.55


@pytest.mark.parametrize("robot", ["quadruped", "half_cheetah", "ant"])
def test_a_locked_joint_stays_where_it_is(robot: str) -> None:
    sim = Simulation(get_robot(robot), 2, threads=1)
    k = sim.table.columns("locked_joint")[2]
    row = sim.table.nominal.copy()
    row[k] = 1
    sim.set_parameters(np.array([1]), row[None])
    motor = sim.table.layout.motors.index(sim.table.names[k].split(".", 1)[1])
    dof = sim.table.layout.dofs[motor]
    at = sim.model.jnt_qposadr[sim.model.dof_jntid[dof]]
    home = np.repeat(sim.robot.home_qpos(sim.model)[None], 2, axis=0)
    sim.reset(np.arange(2), home, np.zeros((2, sim.model.nv)))
    middle = home[0, 7:] if sim.robot.control == "position" else 0.0
    rng, way = np.random.default_rng(0), []
    for _ in range(30):
        sim.ctrl[:] = middle + rng.uniform(-1, 1, sim.model.nu)
        sim.step()
        way.append(sim.qpos[:, at].copy())
    moved = np.ptp(np.array(way), axis=0)
    assert moved[0] > 0.1
    assert moved[1] < 0.05  # rad
    assert not sim.divergences


def test_wind_pushes_and_thick_air_holds() -> None:
    sim = Simulation(get_robot("half_cheetah"), 3, threads=1)
    rows = np.array([sim.table.values(s) for s in ({}, {"wind.x": 30.0}, {"fluid_density": 1000.0})])
    sim.set_parameters(np.arange(3), rows)
    qpos, qvel = np.zeros((3, 9)), np.zeros((3, 9))
    qpos[:, 1], qvel[:, 0] = 5.0, [0.0, 0.0, 5.0]
    sim.reset(np.arange(3), qpos, qvel)
    for _ in range(5):
        sim.step()
    assert sim.qvel[1, 0] > sim.qvel[0, 0] + 0.05
    assert sim.qvel[2, 0] < 4.0


def test_soft_ground_gives_way_and_stiff_ground_does_not() -> None:
    sim = Simulation(get_robot("quadruped"), 4, threads=1)
    rows = np.array(
        [
            sim.table.values(s)
            for s in ({}, {"contact_stiffness": 0.2}, {"contact_softness": 10.0}, {"contact_stiffness": 5.0})
        ]
    )
    sim.set_parameters(np.arange(4), rows)
    t, z = sim.batch.expanded("geom_solref")[1, -1]
    assert (t, z) == pytest.approx((0.02, 1 / np.sqrt(0.2)))
    home = np.repeat(sim.robot.home_qpos(sim.model)[None], 4, axis=0)
    sim.reset(np.arange(4), home, np.zeros((4, sim.model.nv)))
    sim.ctrl[:] = home[:, 7:]
    for _ in range(100):
        sim.step()
    height = sim.qpos[:, 2]
    assert height[1] < height[0]
    assert height[2] < height[0]
    assert height[3] > height[0]
