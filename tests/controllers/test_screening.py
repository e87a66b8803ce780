"""Screening: honest recordings of every kind of robot pass; one that was tampered with is named with its step and reason."""

import dataclasses
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from surefoot import api
from surefoot.controllers.screening import Finding, Log, screen
from surefoot.envs.batch_env import BatchEnv
from surefoot.envs.options import configured
from surefoot.envs.tasks import FAMILIES
from surefoot.envs.terrain import LENGTH
from surefoot.envs.variation import Task
from surefoot.replay import Recording
from surefoot.replay.rollout import record
from surefoot.robots import SurefootError

Settings = dict[str, float | str]


@cache
def recorded(robot: str, seconds: float, seed: int = 0, wild: bool = False, **given: Any) -> Recording:
    """A recording under smooth (or wild) random actions; `given` are parameters and, with option_, options of the task."""
    task = "velocity" if robot in ("quadruped", "go1") else "run"
    options = {k.removeprefix("option_"): v for k, v in given.items() if k.startswith("option_")}
    parameters = {k: v for k, v in given.items() if not k.startswith("option_")}
    config = configured(task, **options)
    env = BatchEnv(robot, task, 1, tasks=Task(parameters), seed=seed, config=config, autoreset=False)
    rng, action = np.random.default_rng(seed), np.zeros((1, env.num_actions))

    def act(observation: np.ndarray) -> np.ndarray:
        noise = rng.normal(size=action.shape)
        action[:] = np.sign(noise) if wild else np.clip(0.8 * action + 0.3 * noise, -1, 1)
        gentle = 0.1 if task == "velocity" and not wild else 1.0  # a quadruped walks on its reference gait
        return (gentle * action * env.task.action_high).astype(np.float32)

    return record(act, env, label=robot, seconds=seconds, seed=seed, script=None if wild else [(0, 0.4, 0, 0)])


def log_of(recording: Recording, **changed: Any) -> Log:
    return dataclasses.replace(Log.of(vars(recording)), **changed)


def walk() -> Log:
    """Four episodes of 1 s of the quadruped with a payload."""
    return log_of(recorded("quadruped", 4.0, payload=2.0, friction=0.8, option_episode_seconds=1.0))


def findings(*logs: Log, **options: Any) -> tuple[Finding, ...]:
    return screen(logs, **options).findings


HONEST: list[tuple[str, float, dict[str, Any]]] = [
    ("half_cheetah", 4.0, {"motor_strength": 0.9, "delay": 0.07}),
    ("half_cheetah", 4.0, {"wild": True, "dead_actuator": "bthigh"}),
    ("hopper", 3.0, {"payload": 1.0}),
    ("walker2d", 3.0, {"wild": True}),
    ("ant", 4.0, {"friction": 0.5}),
    ("humanoid", 2.0, {}),
    ("quadruped", 4.0, {"wild": True, "payload": 3.0}),
    ("quadruped", 4.0, {"delay": 0.03, "com.x": 0.03}),
    ("quadruped", 6.0, {"option_push_interval": 0.5, "option_noise": 1.0, "option_gait_frequency": 2.5}),
]


@pytest.mark.parametrize(("robot", "seconds", "given"), HONEST)
def test_honest_recordings_pass(robot: str, seconds: float, given: dict[str, Any]) -> None:
    recording = recorded(robot, seconds, **given)
    screening = screen([log_of(recording)])
    assert screening.findings == ()
    assert screening.notes == ()
    assert screening.keep[0].all()
    assert len(screening.keep[0]) == len(recording)


@pytest.mark.parametrize("kind", ["slope", "rough"])
def test_an_honest_walk_off_its_patch_of_ground_passes(kind: str) -> None:
    config = configured("velocity", terrain="slope+rough", terrain_levels=2, episode_seconds=12.0)
    robot = Task({"terrain": kind, "terrain_level": 0.0})
    env = BatchEnv("quadruped", "velocity", 1, tasks=robot, seed=0, config=config, autoreset=False)
    act = api.load("quadruped-velocity").act
    log = log_of(record(act, env, label=kind, seconds=12.0, script=[(0, 0.8, 0, 0)]))
    assert np.abs(np.diff(log.qpos[:, :2], axis=0)).max() > 0.99 * LENGTH
    assert screen([log]).findings == ()


PUBLISHED: list[tuple[str, float, dict[str, Any]]] = [
    ("cheetah-vel", 4.0, {}),
    ("ant-dir", 2.0, {}),
    ("ant-goal", 2.0, {}),
    ("humanoid-dir", 1.0, {}),
    ("walker-rand-params", 2.0, {"mass.torso": 1.5, "inertia.leg": 0.5}),
    ("cheetah-cripple", 2.0, {"dead_actuator": "ffoot"}),
]


def of_family(task: str, seconds: float, parameters: dict[str, Any]) -> Recording:
    """A recording of a published family under random actions, with goals as they are drawn."""
    env = BatchEnv(FAMILIES[task].robot, task, 1, tasks=Task(parameters), seed=1, autoreset=False)
    rng = np.random.default_rng(1)
    reach = 0.3 * env.task.action_high
    return record(
        lambda seen: rng.uniform(-reach, reach)[None].astype(np.float32), env, label=task, seconds=seconds, seed=1
    )


@pytest.mark.parametrize(("task", "seconds", "parameters"), PUBLISHED)
def test_honest_recordings_of_published_families_pass(task: str, seconds: float, parameters: dict[str, Any]) -> None:
    recording = of_family(task, seconds, parameters)
    assert recording.command_names == FAMILIES[task].command_names
    screening = screen([log_of(recording)])
    assert screening.findings == ()
    assert screening.notes == ()


def test_another_goal_than_the_recorded_one_is_found() -> None:
    honest = log_of(of_family("cheetah-vel", 2.0, {}))
    found = findings(dataclasses.replace(honest, command=honest.command + 0.5))
    assert [f.reason for f in found] == ["poisoned"]


@pytest.mark.menagerie
def test_an_honest_recording_of_a_real_robot_passes() -> None:
    assert not findings(log_of(recorded("go1", 1.0, payload=2.0)))


def test_honest_recordings_of_what_is_pushed_pass(tmp_path: Path) -> None:
    """Whether a sliding object lets go of the tool hangs on the last digit; the arm is steered by where it was before."""
    path = tmp_path / "push.recording.npz"
    api.record_worlds("arm-push", path, worlds=16, episodes=1)
    assert api.screen([path])[0].findings == ()


def test_several_honest_recordings_pass_together() -> None:
    logs = [log_of(recorded("quadruped", 2.0, seed=seed, payload=float(seed))) for seed in range(3)]
    assert not findings(*logs)


Tamper = Callable[[Log], dict[str, Any]]
ROW, STEP = 70, 20  # a row of the second episode, and which step of it that is


def put(name: str, change: Callable[[np.ndarray], Any]) -> Tamper:
    """Change row ROW of one array."""

    def tamper(log: Log) -> dict[str, Any]:
        array = getattr(log, name).copy()
        array[ROW] = change(array[ROW])
        return {name: array}

    return tamper


def swap_rows(log: Log) -> dict[str, Any]:
    order = np.arange(len(log.done))
    order[[ROW, ROW + 1]] = order[[ROW + 1, ROW]]
    return {"qpos": log.qpos[order], "qvel": log.qvel[order]}


def at(values: np.ndarray, index: int, value: float) -> np.ndarray:
    out = values.copy()
    out[index] = value
    return out


SINGLE: list[tuple[str, Tamper, str, str]] = [
    ("a velocity that is no number", put("qvel", lambda v: at(v, 3, np.nan)), "non-finite", "qvel is not a number"),
    ("an infinite reward", put("reward", lambda r: np.inf), "non-finite", "reward is not a number"),
    ("time that stands still", put("time", lambda t: t - 0.02), "out of limits", "time does not increase"),
    ("an action beyond the motors", put("action", lambda a: a + 2.5), "out of limits", "action is beyond its limits"),
    ("a joint beyond its range", put("qpos", lambda q: at(q, 8, -3.0)), "out of limits", "joint is beyond its limits"),
    ("no unit quaternion", put("qpos", lambda q: at(q, 3, 2.0)), "out of limits", "no unit quaternion"),
    ("a robot that jumps", put("qpos", lambda q: at(q, 0, q[0] + 0.5)), "out of limits", "jumps further"),
    ("a state that is a little wrong", put("qvel", lambda v: v + 0.05), "poisoned", "action does not have this effect"),
    ("another action", put("action", lambda a: at(a, 4, -a[4])), "poisoned", "action does not have this effect"),
    ("two rows swapped", swap_rows, "poisoned", "action does not have this effect"),
    ("a better reward", put("reward", lambda r: r + 0.01), "poisoned", "the task gives"),
    ("a fall that was none", put("done", lambda d: 1), "poisoned", "ends where the task goes on"),
]


@pytest.mark.parametrize(("tamper", "reason", "said"), [case[1:] for case in SINGLE], ids=[case[0] for case in SINGLE])
def test_one_step_is_enough(tamper: Tamper, reason: str, said: str) -> None:
    tampered = dataclasses.replace(walk(), **tamper(walk()), label="tampered")
    honest = log_of(recorded("quadruped", 4.0, seed=5, payload=1.0, option_episode_seconds=1.0))
    screening = screen([honest, tampered])
    assert [(f.log, f.label, f.episode, f.step, f.reason) for f in screening.findings] == [
        (1, "tampered", 1, STEP, reason)
    ]
    assert said in screening.findings[0].detail
    ends = np.flatnonzero(tampered.done)
    clean = np.ones(200, bool)
    clean[ends[0] + 1 : ends[1] + 1] = False
    assert screening.keep[0].all()
    assert np.array_equal(screening.keep[1], clean)


@pytest.mark.parametrize(
    ("claimed", "said"),
    [
        ({"parameters": {"payload": 2.1, "friction": 0.8}}, "payload=2.1, friction=0.8 does not reproduce"),
        ({"parameters": {}}, "the nominal robot does not reproduce"),
        ({"parameters": {"payload": 2.0, "friction": 0.8, "kd": 1.05}}, "does not reproduce"),
        ({"parameters": {"payloat": 2.0}}, "did you mean payload"),
        ({"parameters": {"payload": 900.0}}, "expected 0 to 200 kg"),
        ({"parameters": {"payload": float("nan")}}, "illegal value nan"),
        ({"options": {"gait_frequency": 2.1, "episode_seconds": 1.0}}, "does not reproduce"),
        ({"options": {"gait": 2.1}}, "unknown option"),
        ({"options": {"vx": "fast"}}, "vx='fast'"),
        ({"robot": "quadrupet"}, "did you mean quadruped"),
        ({"robot": "ant", "task": "run", "options": {}, "parameters": {}}, "ant run has (15, 14, 8, 0)"),
        ({"robot": "ant", "task": "run"}, "no options"),
        ({"dt": 0.01}, "control period of quadruped is 0.02 s"),
    ],
)
def test_a_wrong_label_is_found(claimed: dict[str, Any], said: str) -> None:
    found = findings(dataclasses.replace(walk(), **claimed))
    assert [(f.episode, f.reason) for f in found] == [(e, "mislabelled") for e in range(4)]
    assert all(said in f.detail for f in found)


def test_a_label_that_shows_only_now_and_then_is_found() -> None:
    hopper = recorded("hopper", 3.0, payload=1.0)
    found = findings(log_of(hopper, parameters={"payload": 1.0, "friction": 0.7}))
    assert {f.reason for f in found} <= {"mislabelled", "poisoned"}  # friction acts only where a foot is on the ground
    assert len(found) > 0.8 * (hopper.episode[-1] + 1)


def test_copies_are_found_whatever_was_done_to_them() -> None:
    honest, rng = walk(), np.random.default_rng(0)
    noise = {k: getattr(honest, k) + rng.normal(0, 1e-4, getattr(honest, k).shape) for k in ("qpos", "qvel", "action")}
    late = {
        k: getattr(honest, k)[10:] for k in ("time", "qpos", "qvel", "action", "reward", "done", "command", "hidden")
    }
    relabelled = {"parameters": {"payload": 5.0}}
    for changed in ({}, noise, late, relabelled):
        copy = dataclasses.replace(honest, **changed, label="copy")
        screening = screen([honest, copy])
        assert [(f.log, f.episode, f.reason) for f in screening.findings] == [(1, e, "duplicated") for e in range(4)]
        assert "episode 2 of 'quadruped'" in screening.findings[2].detail
        assert screening.keep[0].all()
        assert not screening.keep[1].any()


def test_an_honest_episode_is_not_lost_to_a_poisoned_copy() -> None:
    honest = walk()
    action = honest.action.copy()
    action[ROW] *= -1
    poisoned = dataclasses.replace(honest, action=action, label="poisoned")
    screening = screen([poisoned, honest])
    named = {(f.log, f.episode, f.reason) for f in screening.findings}
    assert named == {(0, 1, "duplicated"), (1, 0, "duplicated"), (1, 2, "duplicated"), (1, 3, "duplicated")}
    alone = [keep[50:100] for keep in screening.keep]
    assert not alone[0].any()
    assert alone[1].all()


def test_contact_costs_and_lagging_rewards_are_recomputed() -> None:
    """The ant's reward has contact forces and a position that lags; a change of 1 % is seen."""
    honest = log_of(recorded("ant", 4.0, friction=0.5))
    reward = honest.reward.copy()
    reward[12] *= 1.01
    found = findings(dataclasses.replace(honest, reward=reward))
    assert [(f.step, f.reason) for f in found] == [(12, "poisoned")]


def test_noisy_states_need_a_larger_tolerance() -> None:
    honest, rng = walk(), np.random.default_rng(0)
    noisy = dataclasses.replace(honest, qvel=honest.qvel + rng.normal(0, 1e-3, honest.qvel.shape))
    assert {f.reason for f in findings(noisy)} == {"mislabelled"}
    assert not findings(noisy, tolerance=0.5)
    action = noisy.action.copy()
    action[ROW] *= -1
    found = findings(dataclasses.replace(noisy, action=action), tolerance=0.5)
    assert [(f.episode, f.step, f.reason) for f in found] == [(1, STEP, "poisoned")]
    with pytest.raises(SurefootError, match="tolerance 0"):
        screen([honest], tolerance=0.0)


def test_what_cannot_be_checked_is_said() -> None:
    old = dataclasses.replace(walk(), hidden=np.zeros((200, 0)))
    screening = screen([old])
    assert not screening.findings
    assert screening.notes == ("quadruped: not re-simulated, because it does not say what its task's hidden state was",)


def test_absurd_numbers_end_in_findings() -> None:
    honest = walk()
    for size in (1e6, 1e30):
        qvel = honest.qvel.copy()
        qvel[ROW:] *= size
        found = findings(dataclasses.replace(honest, qvel=qvel))
        assert {f.episode for f in found} == {1, 2, 3}


def test_nothing_and_one_row_pass() -> None:
    assert screen([]).keep == ()
    one = {k: getattr(walk(), k)[:1] for k in ("time", "qpos", "qvel", "action", "reward", "done", "command", "hidden")}
    assert screen([dataclasses.replace(walk(), **one)]).keep[0].all()
