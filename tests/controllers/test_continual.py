"""Robots that change in mid-walk, and the gate that adapted controllers have to pass."""

import json
from pathlib import Path

import numpy as np
import pytest

from surefoot import api
from surefoot.cli.main import run
from surefoot.controllers.adaptation import META_TRAIN, Budget
from surefoot.controllers.adaptation.continual import (
    BLOCK,
    FOLLOWS,
    WARM_UP,
    Drop,
    continual,
    stays_below,
)
from surefoot.controllers.adaptation.gate import refusal
from surefoot.controllers.adaptation.inference import Identification
from surefoot.controllers.controller import Controller
from surefoot.controllers.envelope import TRACKING
from surefoot.controllers.identifier import STEPS
from surefoot.envs.rewards import tracking
from surefoot.envs.variation import Task
from surefoot.report import change_table
from surefoot.robots import SurefootError

AHEAD = {"vx": 0.8, "vy": 0.0, "yaw": 0.0}
DEAD = Task({"dead_actuator": "rear_left_calf"}, AHEAD)


@pytest.fixture(scope="module")
def walker() -> Controller:
    return api.load("quadruped-velocity")


def test_what_stays_below_a_limit_by_hand() -> None:
    error = np.array([[1, 1, 1, 9], [5, 1, 2, 9], [1, 3, 2, 9], [1, 1, 2, 9]], float)
    # The first spikes in step 1 and is well from step 2 on, the second from step 3 on, the third always, the last never.
    assert np.array_equal(stays_below(error, np.full(4, 2.0)), [2, 3, 0, np.nan], equal_nan=True)


def test_a_drop_is_noticed_soon_and_nothing_else_is() -> None:
    rng = np.random.default_rng(0)
    gait = 1 + 0.2 * np.sin(np.linspace(0, 80 * np.pi, 1000))[:, None]  # 2 Hz at 50 Hz
    rewards = gait + 0.1 * rng.normal(size=(1000, 200))
    rewards[500:, 100:] -= 0.5  # half of the robots earn half as much from second 10 on
    watcher = Drop(200, 0.02)
    alarms = np.array([watcher.update(reward) for reward in rewards])
    assert alarms[:, :100].any(axis=0).mean() <= 0.02
    assert alarms[:500].sum() <= 2
    late = alarms[500:, 100:]
    assert late.any(axis=0).all()
    assert np.median(late.argmax(axis=0)) * 0.02 < 2.0
    assert late.sum(axis=0).max() == 1  # what it earns now is usual from then on


def test_false_alarms_are_rare_where_blocks_differ_a_lot() -> None:
    """Blocks of .3 relative for 20 s, and a first one in which robots set out; 16 % when four blocks said what is usual."""
    rng, every = np.random.default_rng(0), round(BLOCK / 0.02)
    blocks = 1 + 0.3 * rng.normal(size=(40, 4000))
    blocks[0] -= 0.7
    watcher = Drop(4000, 0.02)
    alarms = np.array([watcher.update(reward) for reward in np.repeat(blocks, every, axis=0)])
    assert 0.03 < alarms.any(axis=0).mean() < 0.07
    assert not alarms[: WARM_UP * every].any()
    slow = Drop(1000, 0.02)  # a start does not widen what is usual: half of the reward is missed soon
    blocks = 1 + 0.05 * rng.normal(size=(16, 1000))
    blocks[0], blocks[10:] = 0.0, blocks[10:] - 0.5
    alarms = np.array([slow.update(reward) for reward in np.repeat(blocks, every, axis=0)])
    assert alarms[: 10 * every].any(axis=0).mean() < 0.01
    assert alarms[: 12 * every].any(axis=0).mean() > 0.95


def test_a_dead_motor_in_mid_walk_is_noticed_and_a_lucky_charm_is_not(walker: Controller) -> None:
    dead = continual(walker, DEAD, Task({}, AHEAD), robots=16, seconds=10.0)
    assert (dead.error.shape, dead.seconds[-1]) == ((500, 16), pytest.approx(10))
    assert dead.method == "zero-shot"
    figures = dead.figures()
    assert figures["noticed"] is not None
    assert figures["noticed"] >= 0.9
    assert figures["seconds_to_notice"] is not None
    assert 0 < figures["seconds_to_notice"] < 2
    assert figures["recovered"] == 0
    assert figures["false_alarms"] == 0
    usual, after = dead.error[100:200].mean(), dead.error[-100:].mean()
    assert after > 2 * usual
    same = continual(walker, Task({}, AHEAD), Task({}, AHEAD), robots=16, seconds=10.0)
    assert np.array_equal(same.error[:200], dead.error[:200])  # the same robots until then
    assert (same.figures()["recovered"], same.figures()["follows"]) == (1, 1)
    assert figures["follows"] == np.mean((dead.error[-1] <= FOLLOWS) & ~dead.fell)
    assert pytest.approx(TRACKING) == tracking(FOLLOWS**2)
    assert same.figures()["noticed"] == 0


def test_a_robot_without_a_command_has_none_to_follow() -> None:
    change = continual(api.load("half_cheetah-run"), Task({"gravity": 9.0}), robots=2, seconds=6.0)
    figures = change.figures()
    assert (figures["follows"], figures["follows_within_2_s"], figures["seconds_to_follow"]) == (None, None, None)
    table = change_table(change)
    assert not [column for column in table["columns"] if column.startswith("follows")]
    assert "the error,\nhow far the reward is below the best of these walks, is back" in table["note"]
    assert "m/s" not in table["note"]


def test_a_planner_plans_on(capsys: pytest.CaptureFixture[str]) -> None:
    """What it believes of the robot decides what it does after the change, and nothing before it."""
    asked = {"robots": 2, "seconds": 6.0}
    plan = {"samples": 8, "horizon": 4}
    told, blind = (
        api.continual("half_cheetah-run", {"gravity": 20.0}, plan={**plan, "model": model}, **asked)
        for model in ("own", "nominal")
    )
    plain = api.continual("half_cheetah-run", {"gravity": 20.0}, **asked)
    assert (told.method, plain.method) == ("planner", "zero-shot")
    raw = np.array([plain.seconds <= 4.0, plain.seconds > 4.5])
    assert not np.array_equal(plain.error[raw[0]], told.error[raw[0]])
    assert not np.array_equal(blind.error[raw[1]], told.error[raw[1]])
    assert run(["continual", "half_cheetah-run", "--set", "gravity=20", "--method", "planner"]) == 2
    assert (
        "method 'planner' stops no robot, and runs on while it walks: let the controller plan"
        in capsys.readouterr().err
    )


def test_a_robot_that_stops_to_be_adapted_walks_on_with_the_outcome(walker: Controller) -> None:
    budget = Budget(None, 12_288)  # too little to learn from: what is to be seen is who stops, and that it takes time
    heavy = Task({"dead_actuator": "rear_left_calf", "payload": 8.0}, AHEAD)
    plain = continual(walker, heavy, Task({}, AHEAD), robots=8, seconds=8.0)
    tuned = continual(walker, heavy, Task({}, AHEAD), robots=8, seconds=8.0, method="finetune", budget=budget)
    assert (plain.stop, tuned.method) == (0.0, "finetune")
    assert 0 < tuned.stop < 60  # of computing: it is simulated robots that moved
    noticed = 4.0 + np.nanmin(plain.noticed)
    before, after = plain.seconds < noticed - 0.01, plain.seconds > noticed + 0.5
    assert np.array_equal(plain.error[before], tuned.error[before])
    assert not np.array_equal(plain.error[after], tuned.error[after])
    with pytest.raises(SurefootError, match="unknown adaptation method that stops the robot 'twn': did you mean twin"):
        continual(walker, heavy, method="twn")
    with pytest.raises(SurefootError, match="'maml' needs a controller that was trained for it"):
        continual(walker, heavy, method="maml")


def test_the_gate_sets_robots_out_again_with_what_they_had(
    walker: Controller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where adapting has made it worse: with the gate all is as if nothing but the time had been spent."""
    clumsy = walker.copy()
    for parameter in clumsy.policy.action_net.parameters():  # type: ignore[union-attr]
        parameter.data.mul_(-1.0)
    outcomes = {"clumsy": clumsy, "as it was": walker.copy()}
    command = ["continual", "quadruped-velocity", "--set", "dead_actuator=rear_left_calf", "--set", "payload=8"]
    command += ["--method", "finetune", "--robots", "4", "--seconds", "9", "--json", str(tmp_path / "change.json")]
    found = {}
    for name, gate in (("clumsy", False), ("clumsy", True), ("as it was", False)):
        monkeypatch.setattr(
            "surefoot.controllers.adaptation.continual._adapted", lambda *_, to=outcomes[name]: (to, 1.0)
        )
        assert run([*command, *["--gate"] * gate]) == gate
        refused = "the safety gate refused the adapted controller: return " in capsys.readouterr().err
        content = json.loads((tmp_path / "change.json").read_text())
        assert refused == gate == bool(content.pop("refused"))
        found[name, gate] = content
    assert found["clumsy", True] == found["as it was", False] != found["clumsy", False]


def test_the_gate_takes_motion_but_of_who_is_told_what_broke(
    walker: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two episodes of 20 s a robot, where none falls."""
    monkeypatch.setattr("surefoot.controllers.adaptation.continual._adapted", lambda *_: (walker.copy(), 1.0))
    heavy, notes = Task({"payload": 6.0}, AHEAD), {}
    for method, stop in (("twin", 1 + 2 * 2 * 20.0), ("finetune", 1.0)):
        change = continual(walker, heavy, Task({}, AHEAD), robots=2, seconds=8.0, method=method, gate=True)
        assert (change.stop, change.figures()["stop"]) == (pytest.approx(stop), change.stop)
        table = change_table(change)
        assert table["rows"][0][table["columns"].index("stop")] == f"{stop:g} s"
        notes[method] = table["note"]
    assert "finetune is told what broke" in notes["finetune"]
    assert "told what broke" not in notes["twin"]


def test_an_identifier_looks_again_after_the_alarm(walker: Controller) -> None:
    """It is told nothing true before: what it tells the policy changes 4 s after the alarm, robot by robot."""
    from surefoot.controllers.worlds import worlds_of

    controller = META_TRAIN["identify"](
        "quadruped", "velocity", vary={"payload": "0:6"}, steps=400, progress=False,
        hyperparameters={"num_envs": 8, "batch_size": 96, "net": (16,)}, meta={"worlds": 8},
    )  # fmt: skip
    change = continual(controller, Task({"payload": 5.0}, AHEAD), robots=4, seconds=9.0)
    assert (change.method, change.error.shape) == ("identify", (450, 4))
    env = worlds_of(controller.config, 3, seed=0)
    learner, observation = Identification(env, controller), env.reset()
    told = [env.inputs.believed.copy()]
    for step in range(2 * STEPS):
        action = controller.act(observation)
        learner.see(observation, action)
        observation, *_ = env.step(action)
        learner.learn(np.array([False, False, step == STEPS + 9]))
        told.append(env.inputs.believed.copy())
    changes = [np.flatnonzero(np.diff(np.array(told)[:, robot, 0]) != 0) + 1 for robot in range(3)]
    assert changes[0].tolist() == changes[1].tolist() == [STEPS, 2 * STEPS]
    assert changes[2].tolist() == [STEPS]  # the alarm after STEPS + 10 steps puts the next look off


def test_the_gate_refuses_what_is_worse_or_less_safe(walker: Controller) -> None:
    heavy = Task({"payload": 3.0})
    assert refusal(walker, walker, heavy, episodes=4) == ""
    clumsy = walker.copy()
    for parameter in clumsy.policy.action_net.parameters():  # type: ignore[union-attr]
        parameter.data.mul_(-1.0)
    why = refusal(walker, clumsy, heavy, episodes=4)
    assert why.startswith("return ")
    assert "falls 1.000 after 0.000" in why
    assert refusal(clumsy, walker, heavy, episodes=4) == ""


def test_a_refused_adaptation_keeps_the_controller(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Fine-tuning with an absurd step size ruins the policy; the file holds the one that there was."""
    absurd = ["--finetune", "learning_rate=0.1", "--finetune", "adaptive_kl=1000"]
    command = ["adapt", "quadruped-velocity", "--set", "payload=3", "--steps", "8000", "--episodes", "4", *absurd]
    file = tmp_path / "kept.safetensors"
    assert run([*command, "--gate", "--out", str(file), "--quiet"]) == 1
    assert "the safety gate refused the adapted controller: return " in capsys.readouterr().err
    observation = np.random.default_rng(0).normal(size=(3, 50)).astype(np.float32)
    assert np.array_equal(Controller.load(file).act(observation), api.load("quadruped-velocity").act(observation))


def test_continual_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["continual", "quadruped-velocity", "--robots", "4", "--seconds", "8"]
    out = tmp_path / "change.json"
    assert run([*command, "--set", "payload=6", "--set", "vx=0.8", "--json", str(out)]) == 0
    assert "zero-shot" in capsys.readouterr().out
    assert '"seconds_to_recover"' in out.read_text()
    for wrong, expected in (
        ([], "continual needs a change"),
        (["--set", "payload=6", "--at", "7"], "at=7 s: expected 4 s of walking before and 2 s after, of 8 s"),
        (["--set", "paylod=6"], "did you mean payload"),
    ):
        assert run([*command, *wrong]) == 2
        assert expected in capsys.readouterr().err


def test_too_little_time_is_refused(walker: Controller) -> None:
    with pytest.raises(SurefootError, match="expected 4 s of walking before"):
        continual(walker, DEAD, at=1.0)


def test_what_the_adapted_one_was_told_stays(walker: Controller, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its robots walk on by what `search` has found, though the controller that they had identifies its own."""
    small = {"num_envs": 8, "batch_size": 96, "net": (16,)}
    controller = META_TRAIN["identify"](
        "quadruped", "velocity", vary={"payload": "0:6"}, steps=400, progress=False, hyperparameters=small,
        meta={"worlds": 8},
    )  # fmt: skip
    found = controller.copy()
    found.told = {"payload": 12.0}
    learners: list[Identification] = []
    begin = Identification.__init__
    monkeypatch.setattr(Identification, "__init__", lambda self, *a: learners.append(self) or begin(self, *a))
    monkeypatch.setattr("surefoot.controllers.adaptation.continual._adapted", lambda *_: (found, 1.0))
    steps = iter(range(1000))  # robot 0 stops as soon as it has changed, and is noticed once
    monkeypatch.setattr(Drop, "update", lambda self, reward: np.arange(len(reward)) == (next(steps) == 200) - 1)
    continual(
        controller, Task({}, AHEAD), Task({}, AHEAD), robots=2, seconds=4.0 + (STEPS + 50) * 0.02, method="search"
    )
    told = learners[0].env.inputs.believed[:, 0]
    assert told[0] == 12.0
