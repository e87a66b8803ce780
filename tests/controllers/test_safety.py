"""Safety criteria: against plain MuJoCo, world by world and motor by motor, and on robots whose figures are known."""

from typing import Any

import mujoco
import numpy as np
import pytest

from surefoot.controllers.controller import Controller
from surefoot.controllers.evaluation import evaluate, run_episodes
from surefoot.controllers.safety import CRITERIA, Meter, Safety, broken, check_limits
from surefoot.envs.batch_env import BatchEnv
from surefoot.envs.options import configured
from surefoot.envs.variation import Task
from surefoot.robots import SurefootError

TASKS = [Task(), Task({"payload": 8.0}), Task({"motor_strength": 0.3}), Task({"gravity": 5.0, "mass": 0.7})]


class Random:
    """Acts by chance, the same in every world."""

    def __init__(self, size: int, scale: float = 1.0):
        self.size, self.scale = size, scale

    def act(self, observation: np.ndarray, deterministic: bool = True) -> np.ndarray:
        drawn = self.scale * self.rng.uniform(-1, 1, self.size).astype(np.float32)
        return np.tile(drawn, (len(observation), 1))

    def reset(self, ids: np.ndarray | None = None) -> None:
        self.rng = np.random.default_rng(0)


def always(value: float, size: int) -> Any:
    driver = Random(size)
    driver.act = lambda observation, deterministic=True: np.full((len(observation), size), value, np.float32)  # type: ignore[method-assign]
    return driver


def world(env: BatchEnv, i: int) -> tuple[mujoco.MjModel, mujoco.MjData]:
    """World i as MuJoCo's own objects."""
    return env.simulation.batch.get_model(i), env.simulation.batch.get_data(i)


def by_hand(env: BatchEnv, driver: Any, steps: int) -> list[dict[str, float]]:
    """What the meter should see, in a plain loop over worlds, motors, joints and feet."""
    found = [
        dict.fromkeys(("joint", "torque", "speed", "impact", "energy", "carried"), 0.0) for _ in range(env.num_envs)
    ]
    observation, dt = env.reset(), env.robot.control_dt
    driver.reset()
    places = [env.simulation.qpos[i, :2].copy() for i in range(env.num_envs)]
    running = [True] * env.num_envs
    for _ in range(steps):
        observation, _, terminated, truncated = env.step(driver.act(observation))
        for i in range(env.num_envs):
            if not running[i]:
                continue
            model, data = world(env, i)
            forces = env.simulation.batch.bind("actuator_force")[i]
            beyond = saturated = fast = False
            for m in range(model.nu):
                joint = model.actuator_trnid[m, 0]
                angle, speed = env.simulation.qpos[i, model.jnt_qposadr[joint]], data.qvel[model.jnt_dofadr[joint]]
                low, high = model.jnt_range[joint]
                beyond |= bool(angle < low or angle > high)
                saturated |= abs(forces[m]) >= model.actuator_forcerange[m, 1] > 0
                fast |= abs(speed) > (20.06 if m % 3 == 2 else 30.1)
                found[i]["energy"] += abs(forces[m] * speed) * dt
            found[i]["joint"] += beyond
            found[i]["torque"] += saturated
            found[i]["speed"] += fast
            feet = [
                env.simulation.batch.bind("sensordata")[i, model.sensor(f"{foot}_touch").adr[0]]
                for foot in env.robot.feet
            ]
            found[i]["impact"] = max(found[i]["impact"], *feet)
            here = env.simulation.qpos[i, :2].copy()
            weight = model.body_mass.sum() * -model.opt.gravity[2]
            found[i]["carried"] += weight * float(np.hypot(*(here - places[i])))
            places[i], running[i] = here, not (terminated[i] or truncated[i])
    return found


def quadrupeds(**options: float) -> BatchEnv:
    config = configured("velocity", **{"episode_seconds": 1.2, "reference_gait": 0.0, **options})
    return BatchEnv("quadruped", "velocity", len(TASKS), tasks=TASKS, seed=3, autoreset=False, config=config)


@pytest.mark.parametrize("scale", [0.6, 6.0])
def test_it_sees_what_a_plain_loop_sees(scale: float) -> None:
    result = run_episodes(quadrupeds(), Random(12, scale), safety=True)
    expected = by_hand(quadrupeds(), Random(12, scale), 60)
    safety = result.safety
    assert safety is not None
    for name, field in (("joint", "joint_limit"), ("torque", "torque_limit"), ("speed", "velocity_limit")):
        assert getattr(safety, field).tolist() == [e[name] for e in expected]
    for name in ("impact", "energy", "carried"):
        assert getattr(safety, name) == pytest.approx([e[name] for e in expected], rel=1e-6)
    assert safety.steps.tolist() == result.lengths.tolist()
    assert safety.seconds == pytest.approx(0.02 * result.lengths)
    assert safety.fell.tolist() == result.fell.tolist()
    if scale > 1:  # wild enough that everything is violated, and that some fall: nothing after a fall may count
        assert result.fell.any()
        assert all(safety.figures()[name] > 0 for name in CRITERIA)


def test_a_trial_is_its_episodes() -> None:
    """Motionless robots whose episodes differ in the start alone: three in a row, or three of them side by side."""

    def fallen(worlds: int, trial: int) -> dict[str, float]:
        task, config = Task({"dead_actuator": "front_left+front_right"}), configured("velocity", reference_gait=0.0)
        env = BatchEnv("quadruped", "velocity", worlds, tasks=task, seed=5, autoreset=False, config=config, trial=trial)
        safety = run_episodes(env, always(0.0, 12), safety=True).safety
        assert safety is not None
        assert safety.steps.shape == (worlds,)
        return safety.figures()

    apart, together = fallen(240, 1), fallen(80, 3)
    assert apart["falls"] == together["falls"] == 1  # in each episode, not in each trial
    assert apart["time_to_fall"] < 2
    for name in ("time_to_fall", "joint_limit", "torque_limit", "energy", "cost_of_transport"):
        assert together[name] == pytest.approx(apart[name], rel=0.1), name


def test_watching_changes_nothing() -> None:
    plain, watched = (run_episodes(quadrupeds(noise=1.0), Random(12), safety=safety) for safety in (False, True))
    assert plain.safety is None
    assert np.array_equal(plain.returns, watched.returns)
    assert plain.terms == watched.terms
    assert np.array_equal(plain.tracked, watched.tracked)


def test_a_robot_that_stands_carries_its_weight_on_four_feet() -> None:
    """At the peak a foot bears more than its share, and when the robot has settled all of them bear it, with its load."""
    config = configured("velocity", episode_seconds=2.0, active=(0.0, 0.0, 0.0))
    tasks = [Task(), Task({"payload": 3.186})]  # a quarter of the robot
    env = BatchEnv("quadruped", "velocity", 2, tasks=tasks, seed=0, autoreset=False, config=config)
    safety = run_episodes(env, always(0.0, 12), safety=True).safety
    assert safety is not None
    share = 12.744 * 9.81 / 4
    assert (safety.impact > [share, 1.25 * share]).all()
    last = env.simulation.batch.bind("sensordata")[:, 24:28].sum(axis=1)
    assert last == pytest.approx([4 * share, 5 * share], rel=0.02)
    assert (safety.velocity_limit == 0).all()
    assert safety.energy.max() < 40  # it settles, and then nothing moves


@pytest.mark.parametrize(
    ("parameters", "action", "saturated"),
    [
        ({}, 1.0, 1.0),
        ({}, -1.0, 1.0),
        ({}, 0.99, 0.0),
        ({"motor_strength": 0.5}, 1.0, 1.0),  # a weak motor's limit is its own
        ({"motor_strength": 0.5}, 0.6, 0.0),
        ({"dead_actuator": "back_leg+front_leg"}, 1.0, 0.0),  # a dead one has none
    ],
)
def test_torque_limits_of_motors_that_take_torques(parameters: Any, action: float, saturated: float) -> None:
    env = BatchEnv("half_cheetah", "run", 2, tasks=Task(parameters), seed=0, autoreset=False, episode_steps=20)
    safety = run_episodes(env, always(action, 6), safety=True).safety
    assert safety is not None
    figures = safety.figures()
    assert figures["torque_limit"] == saturated
    assert np.isnan([figures["velocity_limit"], figures["impact"]]).all()
    assert figures["energy"] > 0 or parameters.get("dead_actuator")


def test_a_motor_that_dies_in_mid_episode() -> None:
    env = BatchEnv("half_cheetah", "run", 1, seed=0, autoreset=False)
    env.reset()
    meter = Meter(env, np.ones(1, bool))
    env.watcher = meter.watch
    for step in range(10):
        if step == 6:
            env.set_tasks(Task({"dead_actuator": "back_leg+front_leg", "mass": 2.0}))
            carried, heavy_from = meter.result(env.lengths).carried[0], env.simulation.qpos[0, 0]
        before = env.simulation.qpos[0, 0]
        env.step(np.ones((1, 6)))
        if step == 6:
            way = abs(env.simulation.qpos[0, 0] - before)
            added = meter.result(env.lengths).carried[0] - carried
            assert added == pytest.approx(2 * 14.0 * 9.81 * way)
            assert before == heavy_from
    assert meter.result(env.lengths).torque_limit.tolist() == [6]


def test_a_pole_stays_in_its_place() -> None:
    env = BatchEnv("pendulum", "swing-up", 2, seed=0, autoreset=False, episode_steps=5)
    safety = run_episodes(env, always(0.5, 1), safety=True).safety
    assert safety is not None
    assert np.isnan(safety.figures()["cost_of_transport"])
    assert safety.figures()["energy"] > 0


def some(**changes: Any) -> Safety:
    values = {
        "fell": [True, False], "seconds": [4.0, 20.0], "steps": [200, 1000], "joint_limit": [12.0, 0.0],
        "torque_limit": [0.0, 60.0], "velocity_limit": [0.0, 0.0], "impact": [310.0, 250.0], "energy": [300.0, 900.0],
        "carried": [200.0, 1000.0],
    }  # fmt: skip
    return Safety(**{k: np.array(v) for k, v in {**values, **changes}.items()})


def test_figures() -> None:
    assert some().figures() == {
        "falls": 0.5, "time_to_fall": 12.0, "joint_limit": 0.01, "torque_limit": 0.05, "velocity_limit": 0.0,
        "impact": 310.0, "energy": 600.0, "cost_of_transport": 1.0,
    }  # fmt: skip
    assert set(some().figures()) == set(CRITERIA)
    assert np.isnan(some(carried=[0.0, 0.0]).figures()["cost_of_transport"])


def test_limits() -> None:
    figures = some().figures()
    fine = {"falls": 0.5, "time_to_fall": 12.0, "impact": 310, "cost_of_transport": 1.5}
    assert broken(figures, fine) == []
    assert broken(figures, {"falls": 0.02, "time_to_fall": 12.1, "energy": 600}) == [
        "falls 0.5 (limit: at most 0.02)",
        "time_to_fall 12 (limit: at least 12.1)",
    ]
    with pytest.raises(SurefootError, match="unknown safety criterion 'fall': did you mean falls"):
        check_limits({"fall": 0.1})
    with pytest.raises(SurefootError, match=r"limit falls=few: expected a number, such as falls=0\.02"):
        check_limits({"falls": "few"})
    with pytest.raises(SurefootError, match="limit falls=nan: expected a number"):
        check_limits({"falls": float("nan")})
    with pytest.raises(SurefootError, match="'impact' cannot be measured here"):
        broken(some(impact=[np.nan, np.nan]).figures(), {"impact": 100})


def test_evaluations_watch_where_asked(controller: Controller) -> None:
    short = {"episode_seconds": 0.4}
    assert evaluate(controller, episodes=2, options=short).safety is None
    safety = evaluate(controller, episodes=2, options=short, safety=True).safety
    assert safety is not None
    assert safety.energy.shape == (2,)
