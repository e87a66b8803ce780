"""Published families: rewards done by hand, ends, horizons, starts, goals; Gymnasium's numbers where they are the same."""

from pathlib import Path
from typing import Any

import gymnasium
import mujoco
import numpy as np
import pytest

from surefoot.envs.batch_env import BatchEnv
from surefoot.envs.registration import IDS
from surefoot.envs.registration import TASKS as REGISTERED
from surefoot.envs.tasks import FAMILIES, Family
from surefoot.envs.variation import Task, Variation
from surefoot.robots import SurefootError, get_robot

ASSETS = Path(gymnasium.__file__).parent / "envs" / "mujoco" / "assets"


def worlds(task: str, n: int = 2, **given: Any) -> BatchEnv:
    """Worlds of a family on its robot, reset."""
    env = BatchEnv(FAMILIES[task].robot, task, n, threads=1, **{"seed": 0, "autoreset": False, **given})
    env.reset()
    return env


def after_moving(
    env: BatchEnv, action: float, dx: float = 0.0, dy: float = 0.0, **state: float
) -> tuple[np.ndarray, ...]:
    """Reward (N,), terms and terminated of a step that moved the robots so far, and put them at `state` (z, angle)."""
    sim, task = env.simulation, env.task
    planar = sim.model.nq - sim.model.nv == 0
    task.act(np.full((env.num_envs, env.num_actions), action))
    sim.qpos[:, 0] += dx
    if not planar:
        sim.qpos[:, 1] += dy
    for name, value in state.items():
        sim.qpos[:, {"z": 1 if planar else 2, "angle": 2}[name]] = value
    sim.batch.forward(np.arange(env.num_envs))
    terms, terminated = np.zeros((env.num_envs, len(task.terms))), np.zeros(env.num_envs, bool)
    return task.evaluate(terms, terminated), terms, terminated


def clear_contacts(env: BatchEnv, **forces: float) -> None:
    """Contact forces of nothing, or of what is given on a body's axes."""
    env.simulation.cfrc_ext[:] = 0.0
    for k, force in enumerate(forces.values()):
        env.simulation.cfrc_ext[:, 1, k] = force


# --- rewards ---------------------------------------------------------------------------------------------------------

# Way in the step, action, goal, parameters; and the reward, from the formulas of the published code.
PLANAR = [
    # v = .1 m / .05 s = 2; |a|^2 = 6 x .25 = 1.5
    ("cheetah-vel", 0.1, 0.5, {"velocity": 1.5}, {}, -0.5 - 0.05 * 1.5),
    ("cheetah-vel", 0.1, 0.5, {"velocity": 2.75}, {}, -0.75 - 0.05 * 1.5),
    ("cheetah-dir", 0.1, 0.5, {"direction": 1}, {}, 2 - 0.05 * 1.5),
    ("cheetah-dir", 0.1, 0.5, {"direction": -1}, {}, -2 - 0.05 * 1.5),
    ("cheetah-mass-damping", 0.1, 0.5, {}, {}, 2 - 0.1 * 1.5),
    ("sunblaze-cheetah", 0.1, 0.5, {}, {}, 2 - 0.1 * 1.5),
    # masked: 5 and 4 of the 6 motors
    ("cheetah-cripple", 0.1, 0.5, {}, {}, 2 - 0.1 * 1.5),
    ("cheetah-cripple", 0.1, 0.5, {}, {"dead_actuator": "bthigh"}, 2 - 0.1 * 1.25),
    ("cheetah-cripple", 0.1, 0.5, {}, {"dead_actuator": "fshin+ffoot"}, 2 - 0.1 * 1.0),
    # v = .032 m / .016 s = 2
    ("walker-rand-params", 0.032, 0.5, {}, {}, 2 + 1 - 1e-3 * 1.5),
    ("hopper-rand-params", 0.032, 0.5, {}, {}, 2 + 1 - 1e-3 * 0.75),
    # |a|^2 = 8 x .25 = 2
    ("ant-cripple", 0.1, 0.5, {}, {"dead_actuator": "back_right"}, 2 + 0.05),
    ("ant-cripple-sami", 0.1, 0.5, {}, {}, 2 + 1 - 0.5 * 2),
    ("ant-cripple-sami", 0.1, 0.5, {}, {"dead_actuator": "back_right"}, 2 + 1 - 0.5 * 1.5),
    ("ant-mass", 0.1, 0.5, {}, {}, 2 - 0.005 * 2 + 0.05),
]


@pytest.mark.parametrize(("task", "way", "action", "goal", "parameters", "reward"), PLANAR)
def test_rewards_done_by_hand(
    task: str, way: float, action: float, goal: dict[str, float], parameters: dict[str, Any], reward: float
) -> None:
    env = worlds(task, tasks=Task(parameters, goal))
    given, terms, terminated = after_moving(env, action, way)
    assert given == pytest.approx(np.full(2, reward), abs=1e-12)
    assert terms.sum(axis=1) == pytest.approx(given, abs=1e-12)
    assert not terminated.any()


def test_walking_into_a_direction_by_hand() -> None:
    env = worlds("ant-dir", tasks=Task(goal={"angle": float(np.arctan2(0.8, 0.6))}))
    clear_contacts(env, x=3.0, y=-0.5)  # clipped to 1
    reward, terms, _ = after_moving(env, 0.5, dx=0.05, dy=-0.1)  # v = (1, -2)
    assert terms[0] == pytest.approx([0.6 * 1 - 0.8 * 2, -0.5 * 2, 1.0, -5e-4 * 1.25])
    assert reward == pytest.approx(np.full(2, -1 - 1 + 1 - 5e-4 * 1.25))
    env = worlds("humanoid-dir", tasks=Task(goal={"angle": float(np.pi)}))
    clear_contacts(env, x=1000.0)
    reward, terms, _ = after_moving(env, 0.2, dx=0.03, dy=0.5)  # .25 / .003 s x -.03 m; 17 motors
    assert terms[0] == pytest.approx([-0.25 * 0.03 / 0.003, -0.1 * 17 * 0.04, 5.0, -5e-7 * 1e6])
    assert reward == pytest.approx(np.full(2, -2.5 - 0.068 + 5 - 0.5))
    clear_contacts(env, x=1e4)
    assert after_moving(env, 0.0)[1][:, 3] == pytest.approx(-10.0)


def test_walking_to_a_place_by_hand() -> None:
    env = worlds("ant-goal", tasks=Task(goal={"radius": 1.0, "angle": float(np.pi / 2)}))
    clear_contacts(env, x=3.0, y=1.0)
    env.simulation.qpos[:, :2] = 0.0
    reward, terms, _ = after_moving(env, 0.5, dx=0.05, dy=-0.1)
    assert terms[0] == pytest.approx([-(0.05 + 1.1), -0.1 * 2, -5e-4 * 2])
    assert reward == pytest.approx(np.full(2, -1.15 - 0.2 - 0.001))
    assert env.task.actual()[0] == pytest.approx([np.hypot(0.05, 0.1), 2 * np.pi - np.arctan2(0.1, 0.05)])
    there = after_moving(env, 0.0, dx=-0.05, dy=1.1)[1][:, 0]
    assert there == pytest.approx(0.0, abs=1e-12)


def test_success_is_having_come_20_metres() -> None:
    env = worlds("sunblaze-cheetah")
    env.simulation.qpos[:, 0] = [19.9, 0.0]
    for dx, expected in ((0.05, [False, False]), (0.1, [True, False]), (-3.0, [True, False])):
        after_moving(env, 0.0, dx)
        assert env.task.succeeded.tolist() == expected
    env.reset()
    assert not env.task.succeeded.any()


# --- ends and horizons -----------------------------------------------------------------------------------------------

ENDS = [
    *(("ant-dir", {"z": z}, ends) for z, ends in ((0.19, True), (0.21, False), (0.99, False), (1.01, True))),
    *(("humanoid-dir", {"z": z}, ends) for z, ends in ((0.99, True), (1.01, False), (1.99, False), (2.01, True))),
    *(("walker-rand-params", {"z": z}, ends) for z, ends in ((0.79, True), (0.81, False), (1.99, False), (2.01, True))),
    *(("walker-rand-params", {"angle": a}, ends) for a, ends in ((-1.01, True), (-0.99, False), (1.01, True))),
    *(("hopper-rand-params", {"z": z}, ends) for z, ends in ((0.69, True), (0.71, False), (5.0, False))),
    *(("hopper-rand-params", {"angle": a}, ends) for a, ends in ((-0.21, True), (0.19, False), (0.21, True))),
    *(
        (task, {"z": z}, False)
        for task in ("ant-goal", "ant-cripple", "ant-cripple-sami", "ant-mass")
        for z in (0.05, 3.0)
    ),
    *((task, {"angle": np.pi}, False) for task in FAMILIES if "cheetah" in task),
]


@pytest.mark.parametrize(("task", "state", "ends"), ENDS)
def test_ends(task: str, state: dict[str, float], ends: bool) -> None:
    env = worlds(task)
    before = after_moving(env, 0.0)[1]
    _, terms, terminated = after_moving(env, 0.0, **state)
    assert terminated.tolist() == [ends, ends]
    if "survive" in env.task.terms:  # the last step is paid for too, unlike Gymnasium's
        assert terms[0, 2] == before[0, 2] > 0


HORIZONS = {
    "cheetah-cripple": 1000,
    "ant-cripple": 1000,
    "ant-cripple-sami": 1000,
    "cheetah-mass-damping": 1000,
    "ant-mass": 1000,
    "sunblaze-cheetah": 330,
}


@pytest.mark.parametrize("task", FAMILIES)
def test_horizons(task: str) -> None:
    env = worlds(task)
    horizon = HORIZONS.get(task, 200)
    assert env.episode_steps == horizon
    env.lengths[:] = horizon - 2
    for last in (False, True):
        env.step(np.zeros((2, env.num_actions)))
        assert env.truncated.tolist() == [last, last], "a time limit is no end of the task"
        assert not env.terminated.any()


@pytest.mark.parametrize("task", ["ant-goal", "ant-cripple", "ant-cripple-sami", "cheetah-vel"])
def test_what_never_ends_goes_on_whatever_happens(task: str) -> None:
    env, rng = worlds(task, 4), np.random.default_rng(0)
    for _ in range(100):
        env.step(rng.choice([-1.0, 1.0], (4, env.num_actions)))
        assert not env.terminated.any()
        assert np.isfinite(env.reward).all()


# --- starts and steps: Gymnasium's -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("task", "gym_id", "goal"),
    [
        ("ant-dir", "Ant-v5", {"angle": 0.0}),
        ("humanoid-dir", "Humanoid-v5", {"angle": 0.0}),
        ("sunblaze-cheetah", "HalfCheetah-v5", {}),
    ],
)
def test_equal_to_gymnasium_where_the_task_is(task: str, gym_id: str, goal: dict[str, float]) -> None:
    ours, theirs = worlds(task, 1, tasks=Task(goal=goal)), gymnasium.make(gym_id)
    ours.reset(seed=5)
    assert np.array_equal(ours.observation[0], theirs.reset(seed=5)[0])
    rng, done = np.random.default_rng(0), False
    for _ in range(100):
        action = rng.uniform(-0.3, 0.3, (1, ours.num_actions)).astype(np.float32)
        observation, reward, done, _, _ = theirs.step(action[0])
        ours.step(action)
        assert np.array_equal(ours.observation[0], observation)
        if done:
            break
        assert ours.reward[0] == reward
    assert ours.terminated[0] == done


@pytest.mark.parametrize("goal", [{"velocity": 1.3}, {"direction": -1}])
def test_goal_cheetahs_pay_for_gymnasiums_velocity(goal: dict[str, float]) -> None:
    (name,) = goal
    ours, theirs = worlds(f"cheetah-{name[:3]}", 1, tasks=Task(goal=goal)), gymnasium.make("HalfCheetah-v5")
    ours.reset(seed=5)
    assert np.array_equal(ours.observation[0], theirs.reset(seed=5)[0])
    rng = np.random.default_rng(0)
    for _ in range(60):
        action = rng.uniform(-1, 1, (1, 6)).astype(np.float32)
        observation, _, _, _, info = theirs.step(action[0])
        ours.step(action)
        assert np.array_equal(ours.observation[0], observation)
        v, wanted = info["x_velocity"], goal[name]
        paid = -abs(v - wanted) if name == "velocity" else wanted * v
        assert ours.reward[0] == pytest.approx(paid - 0.05 * np.square(action).sum(), abs=1e-6)  # float32 squares
        measured = v if name == "velocity" else np.sign(v)
        assert ours.task.actual()[0, 0] == pytest.approx(measured, abs=1e-9)


@pytest.mark.parametrize(("robot", "gym_id"), [("walker2d", "Walker2d-v5"), ("hopper", "Hopper-v5")])
def test_rand_params_have_the_published_physics(robot: str, gym_id: str) -> None:
    """Gymnasium's environment on its older file, whose feet have friction .9 and 1.9, with a step of 4 x .004 s."""
    theirs = gymnasium.make(gym_id, xml_file=str(ASSETS / f"{robot}.xml")).unwrapped
    theirs.model.opt.timestep = 0.004
    assert theirs.dt == 0.016
    task = {"walker2d": "walker-rand-params", "hopper": "hopper-rand-params"}[robot]
    ours = worlds(task, 1)
    assert ours.robot.control_dt == 0.016
    ours.reset(seed=3)
    assert np.array_equal(ours.observation[0], theirs.reset(seed=3)[0])
    rng = np.random.default_rng(0)
    for _ in range(30):
        action = rng.uniform(-0.5, 0.5, (1, ours.num_actions)).astype(np.float32)
        observation, reward, terminated, _, _ = theirs.step(action[0])
        ours.step(action)
        assert np.array_equal(ours.observation[0], observation)
        assert ours.terminated[0] == terminated
        assert ours.reward[0] == pytest.approx(reward + terminated, abs=1e-12)  # theirs pays nothing for the last step
        if terminated:
            break
    model = ours.simulation.model
    feet = [model.geom(name).friction[0] for name in ("foot_geom", "foot_left_geom") if robot == "walker2d"]
    assert feet == ([0.9, 1.9] if robot == "walker2d" else [])


def test_the_published_physics_are_the_familys_alone() -> None:
    ours = get_robot("walker2d")
    assert BatchEnv(ours, "run", 1).robot is ours
    slow = BatchEnv(ours, "walker-rand-params", 1).robot
    assert (slow.name, slow.control_dt) == ("walker2d", 0.016)
    assert BatchEnv(slow, "walker-rand-params", 1).robot is slow  # as a planner makes its worlds
    with pytest.raises(SurefootError, match="is defined for walker2d, not for 'hopper': try 'run'"):
        BatchEnv("hopper", "walker-rand-params", 1)


@pytest.mark.parametrize(("task", "noise"), [("cheetah-cripple", 1e-3), ("cheetah-mass-damping", 1e-3)])
def test_the_narrow_starts_of_cadm(task: str, noise: float) -> None:
    env = worlds(task, 2000)
    for x in (env.simulation.qpos - env.robot.home_qpos(env.simulation.model), env.simulation.qvel):
        assert x.std(axis=0) == pytest.approx(np.full(9, noise), rel=0.1)
        assert np.abs(x).max() > 3 * noise  # normal, not uniform


def test_observations() -> None:
    sizes = {task: worlds(task, 1).task.observation_layout for task in FAMILIES}
    planar = {"position": 8, "velocity": 9}
    assert all(sizes[task] == planar for task in FAMILIES if "cheetah" in task or "walker" in task)
    assert sizes["hopper-rand-params"] == {"position": 5, "velocity": 6}
    assert sizes["ant-dir"] == {"position": 13, "velocity": 14, "contact_force": 78}
    assert sizes["ant-goal"] == {"position": 15, "velocity": 14, "contact_force": 78}  # the place is seen
    assert sizes["ant-cripple"] == sizes["ant-mass"] == {"position": 13, "velocity": 14}
    assert sum(sizes["humanoid-dir"].values()) == 348


# --- goals -----------------------------------------------------------------------------------------------------------

GOALS = [task for task, family in FAMILIES.items() if family.goals]


def drawn(task: str, n: int = 4000) -> np.ndarray:
    """Goals (G, n) by the family's laws."""
    rng = np.random.default_rng(0)
    return np.array([law.sample(rng, (n,)) for law in Variation.parse(FAMILIES[task].goals).terms])


def test_the_laws_of_the_goals() -> None:
    (speed,), (direction,), (radius, angle) = (drawn(task) for task in ("cheetah-vel", "cheetah-dir", "ant-goal"))
    assert 0 <= speed.min() < 0.01 < 2.99 < speed.max() <= 3
    assert speed.mean() == pytest.approx(1.5, abs=0.05)
    assert np.unique(direction).tolist() == [-1, 1]
    assert direction.mean() == pytest.approx(0, abs=0.05)
    assert 2.99 < radius.max() <= 3
    assert (radius < 1.5).mean() == pytest.approx(0.25, abs=0.02), "uniform over the disc: a quarter in the inner half"
    assert np.square(radius).mean() == pytest.approx(4.5, abs=0.1)
    for a in (angle, drawn("ant-dir")[0], drawn("humanoid-dir")[0]):
        assert np.histogram(a, 4, (0, 2 * np.pi))[0] == pytest.approx(np.full(4, 1000), rel=0.12)


@pytest.mark.parametrize("task", GOALS)
def test_goals_are_drawn_at_every_reset_for_each_world(task: str) -> None:
    env = worlds(task, 8)
    first = env.task.command().copy()
    env.task.reset(np.array([1, 5]))
    assert np.array_equal(np.delete(env.task.command(), [1, 5], axis=0), np.delete(first, [1, 5], axis=0))
    seen = []
    for _ in range(5):
        env.reset()
        seen.append(env.task.command().copy())
    for column in np.concatenate(seen).T:
        assert len(np.unique(column)) == (2 if task == "cheetah-dir" else 40)


@pytest.mark.parametrize("task", GOALS)
def test_goals_are_held_let_go_and_not_shown(task: str) -> None:
    names = FAMILIES[task].command_names
    one = dict.fromkeys(names, 1.0)
    env, other = worlds(task, 3, tasks=Task(goal=one)), worlds(task, 3)
    assert (env.task.command() == 1).all()
    assert np.array_equal(env.observation, other.observation), "a goal is no part of the observation"
    assert not np.array_equal(env.task.command(), other.task.command())
    env.reset()
    assert (env.task.command() == 1).all()
    last = {"cheetah-dir": -1.0}.get(task, 0.5)
    env.set_tasks([Task(goal={**one, names[-1]: last}), Task(goal=one), Task()])  # in mid-episode
    assert env.task.command()[0, -1] == last
    assert (env.task.command()[1] == 1).all()
    for _ in range(30):
        env.reset()
        held = env.task.command()[:2]
        assert (held == [[*np.ones(len(names) - 1), last], np.ones(len(names))]).all()
        if not (env.task.command()[2] == 1).any():
            break
    else:
        pytest.fail("an open goal is drawn")
    env.task.set_goals(np.array([0]), np.full((1, len(names)), np.nan))
    assert env.task.command()[0, -1] == last  # until the next reset


@pytest.mark.parametrize("task", FAMILIES)
def test_the_same_seed_gives_the_same_worlds(task: str) -> None:
    variation = Variation.parse({"mass.*": "0.8:1.2"})
    first, second = (worlds(task, 4, variation=variation, seed=7, autoreset=True) for _ in range(2))
    rng = np.random.default_rng(0)
    for _ in range(25):
        actions = rng.uniform(-1, 1, (4, first.num_actions))
        first.step(actions), second.step(actions)
        for name in ("observation", "reward", "terminated", "values"):
            assert np.array_equal(getattr(first, name), getattr(second, name))
        assert np.array_equal(first.task.command(), second.task.command())
    assert not np.array_equal(worlds(task, 4, seed=8).observation, worlds(task, 4, seed=7).observation)


def test_a_change_of_goal_changes_the_reward_at_once() -> None:
    env = worlds("cheetah-dir", 1, tasks=Task(goal={"direction": 1}))
    twin = worlds("cheetah-dir", 1, tasks=Task(goal={"direction": 1}))
    action = np.full((1, 6), 0.3)
    for _ in range(5):
        env.step(action), twin.step(action)
    env.set_tasks(Task(goal={"direction": -1}))
    env.step(action), twin.step(action)
    assert np.array_equal(env.observation, twin.observation)
    assert env.terms[0, 0] == -twin.terms[0, 0] != 0


@pytest.mark.parametrize(
    ("task", "goal", "said"),
    [
        ("cheetah-vel", {"velocty": 1.0}, "unknown goal of task 'cheetah-vel' 'velocty': did you mean velocity"),
        ("cheetah-vel", {"velocity": float("nan")}, "goal velocity=nan: expected a finite number"),
        ("cheetah-dir", {"direction": 0.5}, "goal direction=0.5 of task 'cheetah-dir': expected -1 or 1"),
        ("ant-mass", {"velocity": 1.0}, "unknown goal 'velocity': task 'ant-mass' has no goals"),
    ],
)
def test_bad_goals(task: str, goal: dict[str, float], said: str) -> None:
    with pytest.raises(SurefootError) as error:
        worlds(task, tasks=Task(goal=goal))
    assert str(error.value).startswith(said)
    assert "\n" not in str(error.value)


# --- dynamics --------------------------------------------------------------------------------------------------------


def test_the_mask_is_that_of_the_robot_now() -> None:
    env = worlds("cheetah-cripple", tasks=[Task({"dead_actuator": "ffoot"}), Task()])
    effort = after_moving(env, 1.0)[1][:, 1]
    assert effort == pytest.approx([-0.5, -0.6])
    env.set_tasks([Task(), Task({"dead_actuator": "front_leg"})])  # in mid-episode
    assert after_moving(env, 1.0)[1][:, 1] == pytest.approx([-0.6, -0.3])


def test_a_dead_leg_is_that_of_grbal() -> None:
    """Their legs 0 to 3 are actuators (2, 3), (4, 5), (6, 7) and (0, 1)."""
    env = worlds("ant-cripple", 4, tasks=[Task({"dead_actuator": leg}) for leg in
                                          ("front_left", "front_right", "back_left", "back_right")])  # fmt: skip
    dead = env.values[:, env.table.columns("dead_actuator")]
    assert [np.flatnonzero(row).tolist() for row in dead] == [[2, 3], [4, 5], [6, 7], [0, 1]]
    force = env.simulation.batch.bind("actuator_force")
    env.step(np.ones((4, 8)))
    assert ((force == 0) == (dead == 1)).all()


@pytest.mark.parametrize("robot", ["hopper", "walker2d"])
def test_one_inertia_a_body_is_all_that_acts_on_a_planar_robot(robot: str) -> None:
    """What rand_param_envs draws for the other two axes, as for two of three friction coefficients, changes nothing."""
    published = FAMILIES["walker-rand-params" if robot == "walker2d" else "hopper-rand-params"].physics
    assert published is not None
    model = published.compile()
    rng = np.random.default_rng(0)

    def states(model: mujoco.MjModel) -> np.ndarray:
        data, rows = mujoco.MjData(model), []
        data.ctrl[:] = 0.3
        for _ in range(200):  # it falls, and touches the ground
            mujoco.mj_step(model, data)
            rows.append(np.concatenate([data.qpos, data.qvel]))
        assert data.ncon
        return np.array(rows)

    other = published.compile()
    data = mujoco.MjData(other)
    mujoco.mj_forward(other, data)
    axes = np.array([np.abs(data.ximat[b].reshape(3, 3)[1]).argmax() for b in range(other.nbody)])  # along world y
    for body in range(1, other.nbody):
        for axis in {0, 1, 2} - {int(axes[body])}:
            other.body_inertia[body, axis] *= rng.uniform(0.3, 3.3)
    other.geom_friction[:, 1:] *= rng.uniform(0.3, 3.3, (other.ngeom, 2))
    mujoco.mj_setConst(other, data)
    assert np.abs(states(other) - states(model)).max() < 1e-9
    other.body_inertia[1:, :] *= 1.5
    assert np.abs(states(other) - states(model)).max() > 1e-3


# --- the list --------------------------------------------------------------------------------------------------------


def test_every_family_is_registered_with_its_horizon() -> None:
    assert FAMILIES.keys() <= REGISTERED.keys()
    for task, family in FAMILIES.items():
        title, robots, steps = REGISTERED[task]
        assert list(robots.values()) == [family.robot]
        (name,) = robots
        assert IDS[f"surefoot/{name}-{title}-v0"] == steps == family.constants.episode_steps
        assert issubclass(family, Family)
