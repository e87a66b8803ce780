"""What observations hold beside the task's own numbers, and trials of several episodes."""

import numpy as np
import pytest

from surefoot.envs.batch_env import BatchEnv
from surefoot.envs.inputs import REMEMBERED
from surefoot.envs.suites import load_suite
from surefoot.envs.variation import Task, Variation
from surefoot.robots import SurefootError

VARIATION = Variation.parse({"payload": "0:3", "motor_strength.*": "0.7:1.1"})


def walkers(n: int, **options: object) -> BatchEnv:
    return BatchEnv("quadruped", "velocity", n, **{"seed": 0, **options})  # type: ignore[arg-type]


def hoppers(n: int, **options: object) -> BatchEnv:
    return BatchEnv("hopper", "run", n, **{"seed": 0, "episode_steps": 20, **options})  # type: ignore[arg-type]


def test_the_task_is_the_same_with_and_without_inputs() -> None:
    plain = walkers(4, variation=VARIATION)
    told = walkers(4, variation=VARIATION, inputs=("last_reward", "payload", "vx", "last_action", "motor_strength"))
    assert told.observation_size == plain.observation_size + 1 + 1 + 1 + 12 + 12
    assert told.inputs.layout == {"last_reward": 1, "payload": 1, "vx": 1, "last_action": 12, "motor_strength": 12}
    rng = np.random.default_rng(0)
    assert np.array_equal(plain.reset(), told.reset()[:, :50])
    for _ in range(60):
        actions = rng.uniform(-1, 1, (4, 12)).astype(np.float32)
        a, b = plain.step(actions), told.step(actions)
        assert np.array_equal(a[0], b[0][:, :50])
        assert all(np.array_equal(x, y) for x, y in zip(a[1:], b[1:], strict=True))
    assert plain.episode.tolist() == [0] * 4


def test_inputs_are_what_they_are_called() -> None:
    env = hoppers(3, variation=Variation.parse({"gravity": "8:12"}), inputs=(*REMEMBERED, "gravity"))
    observation = env.reset()[:, env.task.observation_size :]
    gravity = env.values[:, env.table.columns("gravity")]
    assert observation == pytest.approx(np.column_stack([np.zeros((3, 5)), gravity]))
    rng = np.random.default_rng(0)
    ended = 0
    for _ in range(25):
        actions = rng.uniform(-1, 1, (3, 3)).astype(np.float32)
        observation, reward, terminated, truncated = env.step(actions)
        seen = observation[:, env.task.observation_size :]
        running = ~(terminated | truncated)
        assert np.array_equal(seen[running, :3], actions[running].astype(float))
        assert np.array_equal(seen[running, 3], reward[running])
        assert not seen[:, 4].any()  # a new task: nothing is known of it
        assert not seen[~running, :5].any()
        final = env.final_observation[~running, env.task.observation_size :]
        assert np.array_equal(final[:, 3], reward[~running])
        assert (final[:, 4] == 1).all()
        assert np.array_equal(seen[:, 5:], env.values[:, env.table.columns("gravity")])
        ended += int((~running).sum())
    assert ended


def test_beliefs_replace_the_truth() -> None:
    env = walkers(3, variation=VARIATION, inputs=("motor_strength", "payload"))
    env.inputs.believed[1] = 5.0
    env.inputs.believed[2, 12] = 7.0
    env.reset()
    shown, true = env.observation[:, 50:], env.inputs.truth(env.values, env.task.command())
    assert shown[0] == pytest.approx(true[0])
    assert (shown[1] == 5.0).all()
    assert shown[2, :12] == pytest.approx(true[2, :12])
    assert shown[2, 12] == 7.0


def test_what_robots_are_taken_for_is_legal() -> None:
    env = walkers(3, variation=VARIATION, inputs=("dead_actuator", "payload"))
    env.inputs.believed[1] = [*[-0.01] * 6, *[1.2] * 5, 0.3, 2.5]
    taken = env.inputs.supposed(env.values)
    dead, (payload,) = env.table.columns("dead_actuator"), env.table.columns("payload")
    assert np.array_equal(taken[0], env.values[0])  # nobody told it anything
    assert taken[1, dead].tolist() == [*[0.0] * 6, *[1.0] * 5, 0.3]
    assert taken[1, payload] == 2.5
    others = np.setdiff1d(np.arange(taken.shape[1]), [*dead, payload])
    assert np.array_equal(taken[1, others], env.table.nominal[others])
    env.table.check(taken)


def test_a_trial_is_several_episodes_on_one_robot() -> None:
    env = hoppers(6, variation=Variation.parse({"gravity": "8:12"}), inputs=REMEMBERED, trial=3)
    env.reset()
    rng = np.random.default_rng(0)
    column = env.table.columns("gravity")[0]
    task, start = env.values[:, column].copy(), env.task.observation_size
    episode, length, lengths, ends = np.zeros(6, int), np.zeros(6, int), [], 0
    for _ in range(120):
        observation, _, terminated, truncated = env.step(rng.uniform(-1, 1, (6, 3)))
        length += 1
        over = (observation[:, start + 4] == 1) | terminated | truncated
        done = terminated | truncated
        assert np.array_equal(done, over & (episode == 2))
        assert sorted(env.ended) == np.flatnonzero(done).tolist()
        assert env.fell[over & (length < 20)].all()
        assert np.array_equal(env.values[~done, column], task[~done])
        assert (env.values[done, column] != task[done]).all()
        lengths += length[over].tolist()
        task = env.values[:, column].copy()
        episode, length = np.where(done, 0, episode + over), np.where(over, 0, length)
        assert np.array_equal(env.episode, episode)
        assert np.array_equal(env.lengths, length)
        ends += int(done.sum())
    assert ends > 6
    assert max(lengths) == 20 > min(lengths)


def test_robots_change_in_mid_episode_with_the_probability_that_is_asked_for() -> None:
    variation = Variation.parse({"gravity": "8:12"})
    env = hoppers(50, variation=variation, redraw=0.1, episode_steps=1000, autoreset=False)
    env.reset()
    column, changes = env.table.columns("gravity")[0], []
    for _ in range(100):
        before, lengths = env.values[:, column].copy(), env.lengths.copy()
        env.step(np.zeros((50, 3)))
        changes.append(env.values[:, column] != before)
        assert np.array_equal(env.lengths, lengths + 1)  # the episode goes on
    share = np.mean(changes)
    assert 0.08 < share < 0.12
    assert np.any(changes, axis=0).all()
    assert np.allclose(env.simulation.model.opt.gravity[2], -9.81)  # each world's own, not the model's
    for redraw, more, words in (
        (1.5, {"variation": variation}, "redraw=1.5: expected"),
        (0.1, {}, "give a variation or a suite"),
    ):
        with pytest.raises(SurefootError, match=words):
            hoppers(1, redraw=redraw, **more)


def test_a_goal_changes_with_the_robot_and_is_told_at_once() -> None:
    suite = load_suite("cheetah-dir")
    env = BatchEnv("half_cheetah", "cheetah-dir", 40, seed=0, suite=suite, redraw=0.1, inputs=("direction",))
    env.reset()
    changes = []
    for _ in range(50):
        before = env.task.command().copy()
        env.step(np.zeros((40, 6)))
        assert np.array_equal(env.observation[:, -1:], env.task.command().astype(np.float32))
        changes.append((env.task.command() != before).mean())
    assert 0.03 < np.mean(changes) < 0.07  # every second draw is the other direction


def test_a_history_goes_on_within_a_trial_and_starts_anew_with_the_next() -> None:
    env = hoppers(1, history=3, trial=2, inputs=("last_done",), episode_steps=4)
    env.reset()
    done = []
    for _ in range(9):
        env.step(np.zeros((1, 3)))
        done.append(env.observation.reshape(3, -1)[:, -1].tolist())
    assert done[3:6] == [[0, 0, 1], [0, 1, 0], [1, 0, 0]]  # the first episode's end passes through
    assert done[7:] == [[0, 0, 0], [0, 0, 0]]


def test_a_copy_knows_what_was_remembered() -> None:
    source, copy = (walkers(2, inputs=("last_action", "last_reward"), seed=s, trial=2) for s in (0, 1))
    source.reset(), copy.reset()
    for _ in range(5):
        source.step(np.full((2, 12), 0.3))
    copy.copy_from(source, np.array([1, 0]))
    assert np.array_equal(copy.observation, source.observation[::-1])
    assert np.array_equal(copy.observe(), source.observation[::-1])


def test_bad_input() -> None:
    for inputs, words in (
        (("last_actoin",), "unknown input 'last_actoin'.*last_action"),
        (("payload", "payload"), "input 'payload' appears twice"),
        (("motor_strength.front_lefd",), "front_left"),
    ):
        with pytest.raises(SurefootError, match=words):
            walkers(1, inputs=inputs)
    with pytest.raises(SurefootError, match="trial=0: expected 1 or more"):
        walkers(1, trial=0)


def test_the_mirror_image_of_inputs() -> None:
    told = ("com", "motor_strength", "encoder_offset", "wind", "imu_rotation")
    env = walkers(1, inputs=("last_action", "last_reward", *told), tasks=Task({}))
    assert env.robot.symmetry is not None
    index, sign = env.inputs.mirror(env.robot.symmetry)
    names = [*env.table.layout.motors, "last_reward", *env.inputs.known]
    for i, name in enumerate(names):
        image = "right".join(part.replace("right", "left") for part in name.split("left"))
        assert names[index[i]] == image
    turned = [names[i] for i in np.flatnonzero(sign[12:] < 0) + 12]
    hips = [f"encoder_offset.{leg}_hip" for leg in ("front_right", "front_left", "rear_right", "rear_left")]
    assert sorted(turned) == sorted([*hips, "com.y", "wind.y", "imu_rotation.x", "imu_rotation.z"])
    assert np.array_equal(sign[:12], env.robot.symmetry.sign)
    with pytest.raises(SurefootError, match=r"needs input 'motor_strength\.front_right_hip' beside"):
        walkers(1, inputs=("motor_strength.front_left",)).inputs.mirror(env.robot.symmetry)
