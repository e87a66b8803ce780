"""Tasks on legs beside `velocity`: goals, success, mirror images, any number of legs."""

import numpy as np
import pytest

from surefoot.envs.batch_env import BatchEnv
from surefoot.envs.options import configured
from surefoot.envs.tasks.legs import first_group, legs_of
from surefoot.envs.variation import Task
from surefoot.robots import SurefootError, get_robot

TASKS = ("velocity", "direction", "goal-velocity", "goal-position", "stand-up", "jump")


def env(robot: str, task: str, num: int = 2, tasks: Task | None = None, **options: object) -> BatchEnv:
    core = BatchEnv(robot, task, num, seed=0, threads=1, tasks=tasks, config=configured(task, **options))
    core.reset()
    return core


@pytest.mark.menagerie
def test_legs_and_which_step_together() -> None:
    found = {}
    for name in ("quadruped", "hexapod", "biped", "g1"):
        robot = get_robot(name)
        legs = legs_of(robot, robot.compile())
        assert [leg.motors.tolist() for leg in legs] == np.arange(robot.compile().nu).reshape(len(legs), -1).tolist()
        found[name] = first_group(legs).tolist()
    assert found["quadruped"] == [True, False, False, True]  # a trot
    assert found["hexapod"] == [True, False, False, True, True, False]  # a tripod: front left, middle right, rear left
    assert found["biped"] == found["g1"] == [True, False]


@pytest.mark.parametrize("robot", ["hexapod", "biped", pytest.param("g1", marks=pytest.mark.menagerie)])
def test_leg_jacobians_move_the_feet_where_they_say(robot: str) -> None:
    import mujoco

    description = get_robot(robot)
    model = description.compile()
    data = mujoco.MjData(model)
    home = description.home_qpos(model)
    for leg, foot in zip(legs_of(description, model), description.feet, strict=True):
        for axis in range(3):
            data.qpos[:] = home
            mujoco.mj_forward(model, data)
            before = data.geom(foot).xpos.copy()
            data.qpos[7 + leg.motors] += 0.02 * leg.move[:, axis]
            mujoco.mj_forward(model, data)
            assert data.geom(foot).xpos - before == pytest.approx(0.02 * np.eye(3)[axis], abs=0.006), (foot, axis)
        data.qpos[:] = home
        mujoco.mj_forward(model, data)
        place, frame = data.geom(foot).xpos.copy(), data.geom(foot).xmat.reshape(3, 3).copy()
        data.qpos[7 + leg.motors] += 0.1 * leg.turn
        mujoco.mj_forward(model, data)
        turned = data.geom(foot).xmat.reshape(3, 3) @ frame.T
        angle = np.arctan2(turned[1, 0], turned[0, 0])
        assert angle == pytest.approx(0.0 if robot == "hexapod" else 0.1, abs=0.02), foot
        assert np.linalg.norm(data.geom(foot).xpos - place) < 0.01


def test_the_hexapod_walks_on_its_reference_gait_alone() -> None:
    for wanted in (0.4, -0.4):
        core, speed = env("hexapod", "velocity", 8, Task(goal={"vx": wanted, "vy": 0.0, "yaw": 0.0})), []
        for _ in range(100):
            core.step(np.zeros((8, 18)))
            speed.append(core.task.actual()[:, 0].mean())
        assert not core.fell.any()
        assert 0.3 < np.mean(speed[50:]) / wanted < 1.1


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("robot", ["quadruped", "hexapod", "biped"])
def test_mirrored_state_gives_the_mirrored_observation_and_terms(robot: str, task: str) -> None:
    core = env(robot, task)
    sim, symmetry, own = core.simulation, core.robot.symmetry, core.task
    assert symmetry is not None
    joints, flip = np.array(symmetry.index), np.array(symmetry.sign)
    rng = np.random.default_rng(1)
    for _ in range(3):
        core.step(0.3 * rng.standard_normal((2, core.num_actions)))
    qpos, qvel = sim.qpos[0].copy(), sim.qvel[0].copy()
    qpos[1] *= -1
    qpos[[4, 6]] *= -1
    qpos[7:] = qpos[7:][joints] * flip
    qvel[[1, 3, 5]] *= -1
    qvel[6:] = qvel[6:][joints] * flip
    # Both worlds through a reset, so that what lags a state lags in both.
    sim.reset(np.array([0, 1]), np.stack([sim.qpos[0], qpos]), np.stack([sim.qvel[0], qvel]))
    image = {
        "velocity": [1, -1, -1],
        "direction": [-1],
        "goal-velocity": [1],
        "goal-position": [1, -1],
        "stand-up": [],
        "jump": [1],
    }
    own._goal[1] = own._goal[0] * image[task]
    if task == "goal-position":
        own._origin[1] = own._origin[0] * [1, -1]
    own._phase[1] = own._phase[0] if task == "jump" else (own._phase[0] + np.pi) % (2 * np.pi)
    own._action[1] = own._action[0][joints] * flip
    own._read_state(slice(None))
    own._aim(slice(None))
    index, sign = own.mirror()
    assert sorted(index) == list(range(core.observation.shape[1]))
    for step in range(3):
        seen = own.observe(slice(None))
        if task == "stand-up":  # its clock means nothing
            seen[:, -2:] = 0
        assert np.allclose(seen[1], sign * seen[0][index], atol=1e-3 * 4**step), step
        action = 0.2 * rng.standard_normal(core.num_actions)
        core.step(np.stack([action, action[joints] * flip]))
        if len(core.ended):
            break
        assert np.allclose(core.terms[0], core.terms[1], atol=5e-3 * 4**step)


def test_goals_are_held_or_hidden() -> None:
    core = env("quadruped", "direction", 3, Task(goal={"heading": 0.5}))
    assert (core.task.command() == np.float32(0.5)).all()
    layout = list(core.task.observation_layout)
    assert "command" in layout
    at = 9 + 3 * 12
    assert np.square(core.observation[:, at : at + 2]).sum(axis=1) == pytest.approx(1.0)
    hidden = env("quadruped", "direction", 3, hidden=True)
    assert (hidden.observation[:, at : at + 2] == 0).all()
    with pytest.raises(SurefootError, match="unknown goal of task 'goal-velocity' 'sped': did you mean speed"):
        env("quadruped", "goal-velocity", 1, Task(goal={"sped": 1.0}))


def test_the_hexapod_arrives_at_a_place() -> None:
    core = env("hexapod", "goal-position", 4, Task(goal={"x": 0.8, "y": 0.4}))
    for _ in range(400):
        core.step(np.zeros((4, 18)))
    assert core.task.succeeded.all()
    assert np.linalg.norm(core.task.actual() - [0.8, 0.4], axis=1).max() < 0.3


def test_stand_up_begins_with_a_fall_and_succeeds_on_its_feet() -> None:
    core = env("quadruped", "stand-up", 64)
    up, height = -core.task._gravity[:, 2], core.simulation.qpos[:, 2]
    assert (up < 0.5).mean() > 0.3, "many lie on side or back"
    assert height.max() < 0.35
    assert not core.task.succeeded.any()
    same = env("quadruped", "stand-up", 64)
    assert np.array_equal(core.simulation.qpos, same.simulation.qpos)
    for _ in range(20):  # nothing falls through the floor
        core.step(np.zeros((64, 12)))
    assert core.simulation.qpos[:, 2].min() > 0.03
    home = core.robot.home_qpos(core.simulation.model)
    core.simulation.reset(np.arange(64), np.tile(home, (64, 1)), np.zeros((64, 18)))
    for _ in range(60):
        core.step(np.zeros((64, 12)))
    assert core.task.succeeded.all()


def test_a_jump_counts_when_it_was_high_enough_and_landed() -> None:
    core = env("quadruped", "jump", 2, Task(goal={"height": 0.1}))
    home = core.robot.home_qpos(core.simulation.model)
    start = np.tile(home, (2, 1))
    start[:, 2] += [0.15, 0.05]  # as if they had just jumped
    core.simulation.reset(np.arange(2), start, np.zeros((2, 18)))
    for _ in range(40):
        core.step(np.zeros((2, 12)))
    assert core.task.succeeded.tolist() == [True, False]
