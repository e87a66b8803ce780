"""`velocity`: commands, goals, pushes, noise, reward terms by hand, and left-right symmetry."""

import mujoco
import numpy as np
import pytest

from surefoot.envs import rewards
from surefoot.envs.batch_env import BatchEnv
from surefoot.envs.options import configured
from surefoot.envs.tasks import VelocityConfig
from surefoot.envs.tasks.velocity import COMMANDS
from surefoot.envs.tasks.velocity_config import WEIGHTS
from surefoot.envs.variation import Task
from surefoot.robots import SurefootError

CALM = np.zeros((1, 12), np.float32)


def env(num: int = 1, robot: str = "quadruped", tasks: Task | None = None, **options: object) -> BatchEnv:
    core = BatchEnv(robot, "velocity", num, seed=0, threads=1, tasks=tasks, config=configured("velocity", **options))
    core.reset()
    return core


def test_reward_terms_on_numbers_done_by_hand() -> None:
    f = np.float32
    assert rewards.tracking(np.array([0.0, 0.25, 1.0])) == pytest.approx(np.exp([0, -1, -4]))
    assert rewards.squared(np.array([[3.0, 4.0]])) == pytest.approx(25)
    assert rewards.pose(np.array([[1.0, 2.0]]), np.array([1.0, 0.1])) == pytest.approx(np.exp(-1.4))
    middle, half = np.array([0.0, 0.5]), np.array([1.0, 1.5])
    assert rewards.outside_limits(np.array([[1.5, -1.25], [0.5, -0.5]]), middle, half) == pytest.approx([0.75, 0])
    assert rewards.power(np.array([[2.0, -3.0]]), np.array([[-1.0, 2.0]])) == pytest.approx(8)
    speed = np.zeros((1, 4), f)  # squared
    speed[0, 0], speed[0, 1] = 3**2 + 4**2, 1
    down = np.array([[True, False, True, False]])
    assert rewards.foot_slip(speed, down) == pytest.approx(25)
    assert rewards.foot_slip(speed, ~down) == pytest.approx(1)
    height = np.array([[0.1, 0.2, 0.0, 0.0]])
    assert rewards.foot_clearance(height, speed, 0.08) == pytest.approx(0.02 * np.sqrt(5) + 0.12 * 1)
    assert rewards.share(down) == pytest.approx(0.5)
    trot = np.array([[True, False, False, True]] * 2)
    pairs = np.array([True, False, False, True])
    assert rewards.gait_clock(trot, pairs, np.sin([1.0, 4.0])) == pytest.approx([1, 0])
    assert rewards.gait_clock(
        np.array([[True] * 4, [True, True, False, False]]), pairs, np.array([1.0, 1.0])
    ) == pytest.approx(0.5)
    step = np.array([True, False])  # two legs: the left one is down in the first half
    assert rewards.gait_clock(np.array([[True, False]] * 2), step, np.array([0.5, -0.5])) == pytest.approx([1, 0])
    assert rewards.gait_clock(np.ones((1, 6), bool), np.zeros(6, bool), np.array([0.5])) == pytest.approx(0), "a hop"
    assert rewards.along(np.array([[3.0, 4.0]]), np.array([[0.6, 0.8]])) == pytest.approx(5)
    assert rewards.upright(np.array([1.0, 0.0, -1.0])) == pytest.approx([1, 0.5, 0])
    assert rewards.rise(np.array([-0.1, 0.05, 0.3]), np.full(3, 0.1)) == pytest.approx([0, 0.5, 1])
    assert rewards.distance(np.array([[1.0, 2.0, 2.0]]), np.zeros((1, 3))) == pytest.approx(3)
    assert rewards.closeness(np.array([0.0, 0.1]), 0.1) == pytest.approx([1, 1 - np.tanh(1)])


def test_terms_add_up_to_the_reward() -> None:
    core = env(32)
    rng = np.random.default_rng(0)
    clipped = 0
    for _ in range(60):
        core.step(rng.uniform(-1, 1, (32, 12)).astype(np.float32))
        total = core.terms.astype(float).sum(axis=1) * 0.02
        assert np.allclose(core.reward, np.maximum(total, 0), atol=1e-6)
        clipped += int((total < 0).sum())
    assert core.task.terms == tuple(WEIGHTS)
    for name in ("gait", "pose", "action_rate"):
        assert np.abs(core.terms[:, core.task.terms.index(name)]).max() > 0


def test_tracking_term_is_that_of_command_and_actual() -> None:
    core = env(8)
    for _ in range(20):
        command = core.task.command().copy()
        core.step(0.2 * np.ones((8, 12)))
        error = np.square(command - core.task.actual())
        i = core.task.terms.index("tracking_lin_vel")
        expected = WEIGHTS["tracking_lin_vel"] * np.exp(-error[:, :2].sum(axis=1) / 0.25)
        alive = ~(core.terminated | core.truncated)
        assert np.allclose(core.terms[alive, i], expected[alive], atol=1e-5)


@pytest.mark.parametrize("robot", ["quadruped", pytest.param("go1", marks=pytest.mark.menagerie)])
def test_velocity_and_gravity_are_in_the_bases_frame(robot: str) -> None:
    core = env(5, robot=robot)
    for _ in range(15):
        core.step(np.random.default_rng(1).uniform(-1, 1, (5, 12)))
    sim = core.simulation
    for i in range(5):
        data = sim.batch.get_data(i)
        mujoco.mj_forward(sim.model, data)
        base = sim.model.body(sim.robot.base).id
        rotation = data.xmat[base].reshape(3, 3)
        assert np.allclose(core.task.actual()[i, :2], (rotation.T @ data.qvel[:3])[:2], atol=1e-5)
        assert np.allclose(core.observation[i, :3], rotation.T @ data.qvel[:3], atol=1e-5)
        assert np.allclose(core.observation[i, 6:9], rotation.T @ [0, 0, -1], atol=1e-5)


def test_commands_are_drawn_held_and_drawn_again() -> None:
    core = env(400, mean_hold=0.5, vx=1.0, vy=0.5, yaw=0.7)
    seen = []
    for _ in range(100):
        core.step(np.zeros((400, 12)))
        seen.append(core.task.command().copy())
    commands = np.array(seen)
    assert (np.abs(commands).max(axis=(0, 1)) <= [1.0, 0.5, 0.7]).all()
    assert (np.abs(commands).max(axis=(0, 1)) > [0.95, 0.45, 0.65]).all()
    on = (commands != 0).mean(axis=(0, 1))
    assert np.allclose(on, [0.9, 0.25, 0.5], atol=0.05)
    changed = np.any(np.diff(commands, axis=0) != 0, axis=2).mean()
    assert changed == pytest.approx(0.02 / 0.5, abs=0.01)


def test_goals_fix_commands_and_let_go_again() -> None:
    core = env(20, mean_hold=0.1, tasks=Task(goal={"vx": 0.6, "yaw": -0.2}))
    seen = []
    for _ in range(40):
        core.step(np.zeros((20, 12)))
        command = core.task.command()
        assert (command[:, 0] == np.float32(0.6)).all()
        assert (command[:, 2] == np.float32(-0.2)).all()
        seen.append(command[:, 1].copy())
    assert np.std(seen) > 0.05, "vy is drawn as usual"
    core.set_tasks(Task(goal={"vx": -0.3}))
    assert (core.task.command()[:, 0] == np.float32(-0.3)).all(), "at once"
    core.set_tasks(Task())
    core.reset()
    assert len(set(core.task.command()[:, 0])) > 5, "an earlier goal is forgotten"
    with pytest.raises(SurefootError, match="did you mean yaw"):
        core.set_tasks(Task(goal={"yawn": 1.0}))


def test_pushes() -> None:
    pushed, calm = env(50, push_interval=0.2, push_speed=2.0), env(50)
    pushed.step(np.zeros((50, 12))), calm.step(np.zeros((50, 12)))
    change = np.linalg.norm(pushed.simulation.qvel[:, :2] - calm.simulation.qvel[:, :2], axis=1)
    assert 1 <= (change > 0.05).sum() <= 20, "one in ten worlds or so"
    assert change.max() < 2.5


def test_observation_noise_is_playgrounds_and_leaves_the_motion_alone() -> None:
    noisy, clean = env(300, noise=1.0), env(300)
    difference = noisy.observation - clean.observation
    levels = [0.1] * 3 + [0.2] * 3 + [0.05] * 3 + [0.03] * 12 + [1.5] * 12
    assert np.allclose(np.abs(difference).max(axis=0)[:33], levels, rtol=0.1)
    assert (difference[:, 33:] == 0).all(), "action, command and clock are known exactly"
    assert np.array_equal(noisy.simulation.qpos, clean.simulation.qpos)


def mirror_image(core: BatchEnv, world: int, image: int) -> None:
    """Put world `image` into the left-right mirror image of world `world`."""
    sim, symmetry = core.simulation, core.robot.symmetry
    assert symmetry is not None
    index, sign = np.array(symmetry.index), np.array(symmetry.sign)
    qpos, qvel = sim.qpos[world].copy(), sim.qvel[world].copy()
    qpos[1] *= -1
    qpos[[4, 6]] *= -1  # reflection in the xz plane: x and z of the quaternion's axis
    qpos[7:] = qpos[7:][index] * sign
    qvel[[1, 3, 5]] *= -1
    qvel[6:] = qvel[6:][index] * sign
    sim.reset(np.array([image]), qpos[None], qvel[None])
    task = core.task
    task._command[image] = task._command[world] * [1, -1, -1]
    task._phase[image] = (task._phase[world] + np.pi) % (2 * np.pi)
    task._action[image] = task._action[world][index] * sign.astype(np.float32)
    task._read_state(np.array([image]))


def test_mirrored_state_gives_the_mirrored_observation_reward_and_motion() -> None:
    core = env(2, tasks=Task(goal={"vx": 0.8, "vy": 0.4, "yaw": 0.5}))
    core.task._fixed[1] = [0.8, -0.4, -0.5]
    rng = np.random.default_rng(3)
    symmetry = core.robot.symmetry
    assert symmetry is not None
    joints, flip = np.array(symmetry.index), np.array(symmetry.sign, np.float32)
    for _ in range(3):  # into some general state
        core.step(0.5 * rng.standard_normal((2, 12)).astype(np.float32))
    mirror_image(core, 0, 1)
    index, sign = core.task.mirror()
    assert sorted(index) == list(range(core.observation.shape[1]))
    for step in range(8):
        seen = core.task.observe(slice(None))
        assert np.abs(seen[0]).min(initial=1, where=np.abs(seen[0]) > 0) < 1
        assert np.allclose(seen[1], sign * seen[0][index], atol=2e-4 * 4**step), step
        action = 0.3 * rng.standard_normal(12).astype(np.float32)
        core.step(np.stack([action, action[joints] * flip]))
        assert not len(core.ended)
        assert np.allclose(core.terms[0], core.terms[1], atol=1e-3 * 4**step)
    assert np.allclose(sign * (sign * seen[0][index])[index], seen[0], atol=1e-6), "mirrored twice is the original"


def test_episode_ends_when_the_robot_has_fallen() -> None:
    core = env(3)
    core.simulation.qpos[1, 3:7] = [0, 1, 0, 0]  # on its back
    core.simulation.qpos[2, 2] = 0.05
    core.step(np.zeros((3, 12)))
    assert core.terminated.tolist() == [False, True, True]


def test_options_and_their_misspellings() -> None:
    assert configured("velocity", noise=0.5) == VelocityConfig(noise=0.5)
    assert configured("run") is None
    with pytest.raises(SurefootError, match="has no options"):
        configured("run", noise=1.0)
    with pytest.raises(SurefootError, match="did you mean push_speed"):
        configured("velocity", push_sped=1.0)
    with pytest.raises(SurefootError, match="unknown reward term"):
        env(weights={"tracking_lin_vle": 1.0})
    only = env(weights={"tracking_lin_vel": 2.0})
    only.step(CALM)
    assert only.terms.shape == (1, 1)
    assert COMMANDS == ("vx", "vy", "yaw")


def test_the_standard_order_of_legs_is_the_quadrupeds_own() -> None:
    ours, standard = env(3), env(3, leg_order="standard")
    rng = np.random.default_rng(0)
    for _ in range(5):
        action = rng.uniform(-0.3, 0.3, (3, 12))
        ours.step(action), standard.step(action)
        assert np.array_equal(ours.observation, standard.observation)
        assert np.array_equal(ours.reward, standard.reward)
    with pytest.raises(SurefootError, match="unknown leg_order 'standrd': did you mean standard"):
        env(leg_order="standrd")


@pytest.mark.menagerie
def test_the_standard_order_of_legs_holds_for_another_robot() -> None:
    """Go1's model has the right legs first: each number must reach, and tell of, the joint of that name."""
    core = env(12, robot="go1", leg_order="standard", reference_gait=0.0)
    sim, order = core.simulation, core.task.joint_order
    names = [core.table.layout.motors[i] for i in order]
    assert names == [f"{leg}_{joint}" for leg in ("FL", "FR", "RL", "RR") for joint in ("hip", "thigh", "calf")]
    home = core.robot.home_qpos(sim.model)[7:]
    core.task.act(np.eye(12))  # world i: its i-th number alone
    assert np.allclose((sim.ctrl - home)[:, order], 0.5 * np.eye(12), atol=1e-6)
    core.step(np.random.default_rng(0).uniform(-1, 1, (12, 12)))
    assert np.allclose(core.observation[:, 9:21], (sim.qpos[:, 7:] - home)[:, order], atol=1e-6)
    assert np.allclose(core.observation[:, 21:33], sim.qvel[:, 6:][:, order], atol=1e-5)
    symmetry = core.robot.symmetry
    assert symmetry is not None  # in either order the legs' sides swap at the same numbers
    mirrored = [name.translate(str.maketrans("LR", "RL")) if name[0] == "F" else name for name in names]
    assert [names[i] for i in symmetry.index][:6] == mirrored[:6]


@pytest.mark.menagerie
def test_the_trot_of_both_robots_is_in_step_in_the_standard_order() -> None:
    """At the same phase the same legs swing: else what learned on one robot steps with the wrong pair on the other."""
    lifted = []
    for robot in ("quadruped", "go1"):
        core = env(1, robot=robot, leg_order="standard", tasks=Task(goal={"vx": 0.5, "vy": 0.0, "yaw": 0.0}))
        core.task._phase[:] = np.pi / 2
        core.task.act(np.zeros((1, 12)))
        offset = core.simulation.ctrl[0] - core.robot.home_qpos(core.simulation.model)[7:]
        lifted.append(offset[core.task.joint_order][2::3] < -0.1)  # the calves
    assert lifted[0].tolist() == lifted[1].tolist()
    assert sorted(lifted[0].tolist()) == [False, False, True, True]
