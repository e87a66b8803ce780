"""`balance` and `swing-up` against Gymnasium's CartPole-v1 and Pendulum-v1: motion, rewards, starts, ends."""

import math

import gymnasium
import mujoco
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.envs import simulation
from surefoot.envs.batch_env import BatchEnv
from surefoot.envs.cpus import CPUS
from surefoot.envs.simulation import SMALL, Simulation
from surefoot.envs.tasks.poles import swing_up_cost
from surefoot.envs.variation import Task, Variation
from surefoot.robots import SurefootError, get_robot


def without_damping(robot: str) -> tuple[mujoco.MjModel, mujoco.MjData]:
    """Gymnasium's equations know no friction."""
    model = get_robot(robot).compile()
    model.dof_damping[:] = 0.0
    return model, mujoco.MjData(model)


def test_cartpole_moves_by_the_equations_of_cartpole_v1() -> None:
    model, data = without_damping("cartpole")
    theirs = gymnasium.make("CartPole-v1").unwrapped
    theirs.reset(seed=0)
    rng = np.random.default_rng(0)
    for _ in range(100):
        state = rng.uniform(-1, 1, 4) * (2.0, 3.0, 1.0, 3.0)
        action = int(rng.integers(2))
        theirs.state = state
        theirs.steps_beyond_terminated = None
        after = np.array(theirs.step(action) and theirs.state)
        data.qpos[:], data.qvel[:], data.ctrl[:] = state[[0, 2]], state[[1, 3]], 2 * action - 1
        mujoco.mj_forward(model, data)
        np.testing.assert_allclose(data.qacc, (after - state)[[1, 3]] / theirs.tau, rtol=1e-6, atol=1e-8)


def test_pendulum_moves_by_the_equation_of_pendulum_v1() -> None:
    model, data = without_damping("pendulum")
    theirs = gymnasium.make("Pendulum-v1").unwrapped
    theirs.reset(seed=0)
    rng = np.random.default_rng(0)
    for _ in range(100):
        angle, velocity, torque = rng.uniform(-1, 1, 3) * (math.pi, 6.0, 2.0)
        theirs.state = np.array([angle, velocity])
        theirs.step(np.array([torque]))
        if abs(theirs.state[1]) == theirs.max_speed:
            continue  # they clip the speed
        data.qpos[:], data.qvel[:], data.ctrl[:] = angle, velocity, torque / 2
        mujoco.mj_forward(model, data)
        np.testing.assert_allclose(data.qacc, (theirs.state[1] - velocity) / theirs.dt, rtol=1e-6, atol=1e-8)


def test_cost_on_hand_numbers() -> None:
    angle, velocity, torque = (
        np.array([0.0, math.pi, 2 * math.pi, 3.5]),
        np.array([0.0, 8.0, 1.0, -2.0]),
        np.full(4, 2.0),
    )
    parts = np.array(swing_up_cost(angle, velocity, torque))
    # 3.5 rad is 3.5 - 2 pi = -2.7832: squared 7.7461. Hanging at full speed and torque is Gymnasium's worst: 16.2736044.
    np.testing.assert_allclose(parts[0], [0.0, 9.8696044, 0.0, 7.7461], atol=1e-4)
    np.testing.assert_allclose(parts[1], [0.0, 6.4, 0.1, 0.4])
    np.testing.assert_allclose(parts[2], 0.004)
    assert parts[:, 1].sum() == pytest.approx(16.2736044)


@given(
    angle=st.floats(-20, 20), velocity=st.floats(-8, 8), action=st.floats(-2, 2, width=32)
)  # actions beyond 1 are cut there, as theirs are at 2 N m
def test_reward_equals_pendulum_v1(angle: float, velocity: float, action: float) -> None:
    theirs = gymnasium.make("Pendulum-v1").unwrapped
    theirs.reset(seed=0)
    theirs.state = np.array([angle, velocity])
    _, wanted, *_ = theirs.step(np.array([2 * action]))
    core = BatchEnv("pendulum", "swing-up", 1, seed=0)
    core.reset()
    core.simulation.reset(np.array([0]), np.array([[angle]]), np.array([[velocity]]))
    core.step(np.array([[action]]))
    assert core.reward[0] == pytest.approx(wanted, rel=1e-5, abs=1e-6)
    assert core.reward[0] == pytest.approx(core.terms[0].sum(), rel=1e-6)
    assert not core.terminated[0]


def test_swing_up_starts_anywhere_and_lasts_200_steps() -> None:
    core = BatchEnv("pendulum", "swing-up", 500, seed=0)
    seen = core.reset()
    np.testing.assert_allclose(np.hypot(seen[:, 0], seen[:, 1]), 1.0, rtol=1e-6)
    angle = np.arctan2(seen[:, 1], seen[:, 0])
    assert min(angle) < -3.0
    assert max(angle) > 3.0
    assert 0.95 < np.abs(seen[:, 2]).max() <= 1.0
    for step in range(1, 201):
        core.step(np.ones((500, 1)))
        assert not core.terminated.any()
        assert core.truncated.all() == (step == 200)


def test_the_pendulums_motor_is_too_weak_to_lift_it_at_once() -> None:
    core = BatchEnv("pendulum", "swing-up", 1, seed=0, autoreset=False)
    core.reset()
    core.simulation.reset(np.array([0]), np.array([[math.pi]]), np.zeros((1, 1)))
    highest = -1.0
    for _ in range(200):
        highest = max(highest, float(core.step(np.ones((1, 1)))[0][0, 0]))
    assert -1 < highest < 0  # cosine of the angle: below the horizontal; pushed in time with its swing it gets up
    for _ in range(200):
        velocity = core.simulation.qvel[:, 0]
        highest = max(highest, float(core.step(np.sign(velocity)[:, None])[0][0, 0]))
    assert highest > 0.99


def test_balance_starts_and_ends_as_cartpole_v1() -> None:
    core = BatchEnv("cartpole", "balance", 200, seed=0, autoreset=False)
    start = core.reset()
    assert start.dtype == np.float32
    assert 0.045 < np.abs(start).max() <= 0.05
    limits = [(2.39, 0.0), (2.41, 0.0), (-2.41, 0.0), (0.0, 0.209), (0.0, 0.210), (0.0, -0.210)]
    core = BatchEnv("cartpole", "balance", len(limits), seed=0, autoreset=False)
    core.reset()
    core.simulation.reset(np.arange(len(limits)), np.array(limits), np.zeros((len(limits), 2)))
    core.task.evaluate(core.terms, core.terminated)
    assert core.terminated.tolist() == [False, True, True, False, True, True]
    core.step(np.zeros((len(limits), 1)))
    assert (core.reward == 1).all()  # the step that ends an episode counts, as theirs


def test_balance_is_cut_after_500_steps() -> None:
    core = BatchEnv("cartpole", "balance", 1, seed=0, tasks=Task({"gravity": 0.1}))
    observation = core.reset()
    for step in range(1, 501):  # at a hundredth of the weight a hand can hold it
        x, v, angle, speed = observation[0]
        observation, *_ = core.step(np.array([[0.02 * x + 0.05 * v + 2 * angle + speed]]))
        assert not core.terminated[0]
        assert core.truncated[0] == (step == 500)
    assert core.ended_return.tolist() == [500.0]


@pytest.mark.parametrize(("robot", "task"), [("cartpole", "balance"), ("pendulum", "swing-up")])
def test_drawn_robots_differ_and_never_diverge(robot: str, task: str) -> None:
    variation = Variation.parse(
        {"mass.*": "0.5:2", "motor_strength": "0.5:1.5", "gravity": "5:15", "damping": "0:10", "delay": "0:0.05",
         "com.z": "-0.1:0.1", "payload": "0:1", "inertia": "0.5:2", "armature": "0.5:2", "frictionloss": "0:0.1"}
    )  # fmt: skip
    core = BatchEnv(robot, task, 64, variation=variation, seed=0)
    core.reset()
    rng = np.random.default_rng(0)
    for _ in range(300):
        core.step(rng.uniform(-1, 1, (64, 1)))
        assert np.isfinite(core.observation).all()
    assert core.diverged == 0
    assert len(np.unique(core.values[:, core.table.columns("gravity")])) == 64


@pytest.mark.parametrize(
    ("robot", "task", "settings", "said"),
    [
        (
            "hopper",
            "balance",
            {},
            "task 'balance' is defined for cartpole, inverted_pendulum, inverted_double_pendulum, not for 'hopper': try 'run'",
        ),
        ("pendulum", "balance", {}, "try 'swing-up'"),
        ("quadruped", "swing-up", {}, "try 'velocity'"),
        ("cartpole", "run", {}, "try 'balance'"),
        ("pendulum", "velocity", {}, "try 'swing-up'"),
        ("cartpole", "balance", {"friction": 0.5}, "parameter 'friction' needs contacts; cartpole touches nothing"),
        ("cartpole", "balance", {"inertia.cart": 0.5}, "unknown element of 'inertia' on cartpole 'cart'"),
        ("cartpole", "balance", {"kp": 0.5}, "position-controlled motors"),
    ],
)
def test_what_does_not_fit_is_said(robot: str, task: str, settings: dict[str, float], said: str) -> None:
    with pytest.raises(SurefootError, match=said):
        BatchEnv(robot, task, 2, tasks=Task(settings))


def test_there_are_no_goals() -> None:
    with pytest.raises(SurefootError, match="unknown goal 'vx': task 'balance' has no goals"):
        BatchEnv("cartpole", "balance", 2, tasks=Task({}, {"vx": 1.0}))


def test_little_work_is_done_by_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulation, "DEFAULT_THREADS", CPUS)  # as where the tests do not run side by side
    one, all_cpus = (Simulation(get_robot("cartpole"), worlds) for worlds in (SMALL // 4, SMALL // 4 + 1))
    asked = Simulation(get_robot("cartpole"), 8, threads=2)
    assert (one.batch.nthread, asked.batch.nthread) == (1, 2)
    assert all_cpus.batch.nthread == min(CPUS, SMALL)
