"""`reach`, `track`, `push`: goals within reach, actions, success, and that a robot needs a tool."""

import mujoco
import numpy as np
import pytest

from surefoot.envs.batch_env import BatchEnv
from surefoot.envs.gym import make_vec
from surefoot.envs.options import configured
from surefoot.envs.variation import Task
from surefoot.robots import SurefootError, get_robot


def env(task: str, num: int = 4, tasks: Task | None = None, **options: object) -> BatchEnv:
    core = BatchEnv("arm", task, num, seed=0, threads=1, tasks=tasks, config=configured(task, **options))
    core.reset()
    return core


def towards(core: BatchEnv, goal: np.ndarray) -> np.ndarray:
    """Actions (N, nu) that bring the tools to `goal` (N, 3), by the transposed Jacobian."""
    sim, actions = core.simulation, np.zeros((core.num_envs, core.num_actions))
    data, site = mujoco.MjData(sim.model), sim.model.site(core.robot.tool).id
    for i in range(core.num_envs):
        data.qpos[:] = sim.qpos[i]
        mujoco.mj_forward(sim.model, data)
        jacobian = np.zeros((3, sim.model.nv))
        mujoco.mj_jacSite(sim.model, data, jacobian, None, site)
        own = jacobian[:, :6]
        error = np.clip(goal[i] - data.site_xpos[site], -0.03, 0.03)
        actions[i] = own.T @ np.linalg.solve(own @ own.T + 1e-3 * np.eye(3), error) / 0.1
    return np.clip(actions, -1, 1)


def test_every_target_can_be_reached_under_a_payload() -> None:
    core = env("reach", 8, Task({"payload": 3.0}))
    for _ in range(90):
        core.step(towards(core, core.task.command()))
    assert core.task.succeeded.all()
    assert core.task.distance.max() < 0.02


def test_success_must_be_held() -> None:
    core = env("reach", 2)
    core.task._goal[:] = core.task._tool  # the targets are where the tools are
    for k in range(5):
        assert not core.task.succeeded.any(), k
        core.task._goal[:] = core.task._tool
        core.step(np.zeros((2, 6)))
    assert core.task.succeeded.all()
    core.reset()
    assert not core.task.succeeded.any()


def test_success_is_in_the_infos_of_the_step_that_ends_the_episode() -> None:
    envs = make_vec("arm", "reach", num_envs=2, seed=0, episode_steps=6)
    envs.reset()
    task = envs.core.task
    for _ in range(6):
        task._goal[0] = task._tool[0]
        _, _, _, truncated, infos = envs.step(np.zeros((2, 6), np.float32))
    assert truncated.all()
    assert infos["is_success"].tolist() == [True, False]
    assert not task.succeeded.any(), "the next episode has begun"


def test_the_target_is_shown_where_it_is() -> None:
    core = env("reach", 3, Task(goal={"x": 0.4, "y": 0.1, "z": 0.3}))
    assert np.allclose(core.simulation.batch.bind("mocap_pos")[:, 0], [0.4, 0.1, 0.3])
    moving = env("track", 3)
    for _ in range(5):
        before = moving.task._place(slice(None)).copy()
        moving.step(np.zeros((3, 6)))
        after = moving.task._place(slice(None))
        assert np.linalg.norm(after - before, axis=1) == pytest.approx(2 * np.pi / 4 * 0.1 * 0.05, rel=0.01)
        assert np.allclose(moving.simulation.batch.bind("mocap_pos")[:, 0], after)
    assert np.linalg.norm(after - moving.task.command(), axis=1) == pytest.approx(0.1)


def test_the_tool_pushes_the_object_to_the_goal() -> None:
    core = env("push", 4, episode_seconds=30.0)
    task, sim = core.task, core.simulation
    assert (np.linalg.norm(task.command() - task.actual(), axis=1) > 0.099).all()
    assert task._tool[:, 2] == pytest.approx(0.04, abs=0.03), "over the table"
    # Tool, object and goal in a row, at four angles about the way outwards.
    out = np.arctan2(task._tool[:, 1], task._tool[:, 0]) + np.array([-0.4, -0.1, 0.2, 0.5])
    way = np.stack([np.cos(out), np.sin(out)], axis=1)
    sim.qpos[:, task._object_q[:2]] = start = task._tool[:, :2] + 0.09 * way
    task._goal[:] = task._tool[:, :2] + 0.16 * way
    aim = np.full((4, 3), 0.04)
    aim[:, :2] = task._goal - 0.06 * way
    core.step(np.zeros((4, 6)))
    before = task.distance.copy()
    for _ in range(40):
        core.step(towards(core, aim))
    assert (((task.actual() - start) * way).sum(axis=1) > 0.02).all()
    assert (task.distance < before).all()
    assert np.allclose(task._object(slice(None))[:, 2], 0.04, atol=0.01), "it stays on the table"
    sim.qpos[:, task._object_q[:2]] = task._goal + np.array([0.03, 0.0])
    for _ in range(6):
        core.step(np.zeros((4, 6)))
    assert task.succeeded.all()


@pytest.mark.parametrize("payload", [0.0, 3.0])
def test_whatever_the_actions_the_pusher_stays_upright_at_its_height(payload: float) -> None:
    core = env("push", 16, Task({"payload": payload}))
    task, rng = core.task, np.random.default_rng(0)
    heights, ups, ways = [], [], [task._tool[:, :2].copy()]
    held = rng.uniform(-1, 1, (16, 6))
    for k in range(40):
        core.step(rng.uniform(-1, 1, (16, 6)) if k < 20 else held)
        heights.append(task._tool[:, 2].copy())
        ups.append((task._frame.reshape(-1, 3, 3) @ task._up)[:, 2].copy())
        ways.append(task._tool[:, :2].copy())
    assert 0.015 < np.min(heights[5:]) < np.max(heights[5:]) < 0.05
    assert np.min(ups) > 0.98
    assert np.linalg.norm(ways[-1] - ways[0], axis=1).max() > 0.2, "and goes where it is sent"


def test_the_way_behind_the_object_goes_round_it() -> None:
    core = env("push", 5)
    task, radius = core.task, 0.06
    thing, angle = task.actual(), np.array([0.0, 0.5, -1.0, 2.0, np.pi])
    out = (thing - task.command()) / np.linalg.norm(thing - task.command(), axis=1, keepdims=True)
    across = np.stack([-out[:, 1], out[:, 0]], axis=1)
    for far in (radius, 0.1):
        task._tool = thing + far * (np.cos(angle)[:, None] * out + np.sin(angle)[:, None] * across)
        assert task._way_round() == pytest.approx(far - radius + radius * np.abs(angle), abs=1e-3)


def test_servo_targets_before_a_step_are_told_even_where_they_were_clipped() -> None:
    core = env("push", 3)
    for _ in range(10):
        before = core.task._target.copy()
        core.step(np.ones((3, 6)))
        assert np.array_equal(core.task.hidden(), before)


def test_the_table_under_the_object_is_all_that_its_foot_changes() -> None:
    core = env("push", 2, None)
    core.simulation.set_parameters(
        np.arange(2), np.array([core.table.values({"friction.object_foot": f}) for f in (1.0, 0.9)])
    )
    model, friction = core.simulation.model, core.simulation.batch.expanded("geom_friction")
    assert friction is not None
    touched = [g for g in range(model.ngeom) if model.geom_contype[g] | model.geom_conaffinity[g]]
    other = [model.geom(g).name for g in touched if not np.allclose(friction[0, g], friction[1, g])]
    assert set(other) == {"floor", "object_foot"}, "contacts take the larger friction, so the floor's is none"


def test_heavy_objects_and_payloads_are_parameters() -> None:
    core = env("push", 2, Task({"mass.object": 2.0, "payload": 1.0, "friction.object_foot": 0.5}))
    assert {"mass.object", "friction.object_foot"} <= set(core.table.names)
    model = core.simulation.model
    masses = core.simulation.batch.expanded("body_mass")
    assert masses is not None
    assert masses[0, model.body("object").id] == pytest.approx(0.6)
    assert masses[0, model.body("hand").id] == pytest.approx(1.5)


def test_targets_are_those_of_the_seed_and_above_the_table() -> None:
    one, two = env("reach", 500), env("reach", 500)
    assert np.array_equal(one.task.command(), two.task.command())
    assert one.task.command()[:, 2].min() > 0.05
    assert np.ptp(one.task.command(), axis=0).min() > 0.4


def test_wrong_robots_goals_and_terms() -> None:
    with pytest.raises(
        SurefootError, match=r"needs a position-controlled arm with a tool \(arm\), not 'ant': try 'run'"
    ):
        BatchEnv("ant", "reach", 1)
    with pytest.raises(SurefootError, match="has no goals"):
        BatchEnv("reacher", "reach", 1, tasks=Task(goal={"x": 1.0}))
    with pytest.raises(SurefootError, match="unknown goal of task 'push' 'z'"):
        env("push", 1, Task(goal={"z": 0.1}))
    with pytest.raises(SurefootError, match="unknown reward term 'distanc': did you mean distance"):
        env("reach", 1, weights={"distanc": 1.0})
    assert get_robot("arm").tool == "tool"
