"""The live simulation, step by step and without a browser: what pages ask for reaches the robot."""

import json
from pathlib import Path

import mujoco
import numpy as np
import pytest

from surefoot.api.playing import live_of
from surefoot.replay import RecordingFile, read_world
from surefoot.replay.geometry import moving_bodies
from surefoot.replay.live import Client, Live
from surefoot.replay.live_page import controls, live_page
from surefoot.robots import SurefootError

DO = [
    ({"do": "fly"}, "unknown action 'fly'"),
    ({"do": ["command"]}, "unknown action"),
    ({"do": "command", "value": [1, 2]}, "3 numbers"),
    ({"do": "command", "value": [1, "2", 3]}, "'2': expected a finite number"),
    ({"do": "command", "value": [1, True, 3]}, "True"),
    ({"do": "command", "value": [1, float("nan"), 3]}, "nan"),
    ({"do": "command", "value": [10**400, 0, 0]}, "finite"),
    ({"do": "set", "key": "payloat", "value": 1}, "did you mean payload"),
    ({"do": "set", "key": "payload.x", "value": 1}, "single value"),
    ({"do": "set", "key": ["payload"], "value": 1}, "name of a parameter"),
    ({"do": "set", "key": "payload", "value": -1}, "expected 0 to 200 kg"),
    ({"do": "set", "key": "delay", "value": 0.5}, "0.1 s"),
    ({"do": "set", "key": "payload"}, "None"),
    ({"do": "push", "angle": 0, "speed": 100}, "expected 0 to 5"),
    ({"do": "adapter", "value": True}, "does not adapt"),
]


@pytest.fixture
def live(tmp_path: Path) -> Live:
    return live_of("quadruped-velocity", folder=tmp_path)


def walk(live: Live, seconds: float) -> np.ndarray:
    """Mean velocity (vx, vy, yaw) over the second half."""
    steps = round(seconds / live.dt)
    rows = []
    for _ in range(steps):
        live.step()
        rows.append(live.env.task.actual()[0])
    return np.mean(rows[steps // 2 :], axis=0)


def test_it_follows_commands_and_is_never_cut_off(live: Live) -> None:
    live.do({"do": "command", "value": [1.0, 0, 0]})
    assert walk(live, 4)[0] == pytest.approx(1.0, abs=0.25)
    live.do({"do": "command", "value": [-9, 0, 0]})  # what the task asks for at most
    assert live.state()["command"] == [-live.limits[0], 0, 0]
    live.do({"do": "command", "value": [0, 0, 0]})
    assert abs(walk(live, 3)[0]) < 0.15
    live.env.lengths[:] = 10**6
    live.step()
    assert not live.env.truncated[0]


def test_parameters_and_motors_change_in_mid_walk(live: Live) -> None:
    env, weight = live.env, live.env.simulation.model.body_mass.sum()
    live.do({"do": "set", "key": "payload", "value": 4})
    live.do({"do": "set", "key": "motor_strength.front_left", "value": 0.5})
    live.do({"do": "set", "key": "delay", "value": 0.1})  # may be set although it was never named
    assert env.simulation.batch.expanded("body_mass")[0].sum() == pytest.approx(weight + 4)
    live.do({"do": "set", "key": "dead_actuator.rear_left_calf", "value": 1})
    force, motor = env.simulation.batch.bind("actuator_force")[0], env.table.layout.motors.index("rear_left_calf")
    live.step()
    assert force[motor] == 0
    assert (np.delete(force, motor) != 0).all()
    assert set(env.table.changed(env.values[0])) >= {
        "payload",
        "motor_strength.front_left_hip",
        "dead_actuator.rear_left_calf",
    }
    live.do({"do": "set", "key": "dead_actuator.rear_left_calf", "value": 0})
    live.do({"do": "nominal", "key": "motor_strength"})
    live.step()
    assert force[motor] != 0
    assert {name.split(".")[0] for name in env.table.changed(env.values[0])} == {"payload", "delay"}
    live.do({"do": "nominal"})
    assert env.table.changed(env.values[0]) == {}


def test_a_push_comes_from_where_it_says(live: Live) -> None:
    walk(live, 0.5)
    sim = live.env.simulation
    heading = np.zeros(9)
    mujoco.mju_quat2Mat(heading, sim.qpos[0, 3:7])
    ahead = heading.reshape(3, 3)[:2, 0] / np.linalg.norm(heading.reshape(3, 3)[:2, 0])
    for angle, way in ((0, ahead), (np.pi / 2, [-ahead[1], ahead[0]])):
        before = sim.qvel[0].copy()
        live.do({"do": "push", "angle": angle, "speed": 0.5})
        assert sim.qvel[0, :2] - before[:2] == pytest.approx(0.5 * np.asarray(way))
        assert (sim.qvel[0, 2:] == before[2:]).all()


def test_a_fall_is_shown_for_a_while_and_counted(live: Live) -> None:
    walker = live.walkers[0]
    live.env.simulation.qpos[0, 3:7] = 0, 1, 0, 0  # on its back
    live.step()
    lying = live.env.simulation.qpos[0].copy()
    assert (walker.falls, np.frombuffer(live.frame()[8:], "<f4")[0]) == (1, 1)
    for _ in range(walker.rest - 1):
        live.step()
        assert (live.env.simulation.qpos[0] == lying).all()
    live.step()
    assert live.env.simulation.qpos[0, 2] > 0.2
    assert np.frombuffer(live.frame()[8:], "<f4")[0] == 0
    assert live.state()["command"] == [0.6, 0, 0]


def test_a_frame_holds_what_mujoco_says(live: Live) -> None:
    live.do({"do": "set", "key": "payload", "value": 2})
    before = live.env.simulation.qpos[0].copy()
    live.step()
    frame, env = live.frame(), live.env
    assert np.frombuffer(frame[:8], "<f8")[0] == pytest.approx(live.dt)
    (robot,) = controls(live)["robots"]
    numbers = np.frombuffer(frame[8:], "<f4")
    assert numbers[1] == pytest.approx(env.reward[0])
    assert numbers[2:5] == pytest.approx([0.6, 0, 0])
    assert numbers[5:8] == pytest.approx(env.task.actual()[0], abs=1e-6)
    poses = numbers[8 + robot["contacts"] + robot["latent"] + 3 * len(robot["inferred"]) :].reshape(-1, 7)
    model = env.simulation.model
    data = mujoco.MjData(model)
    data.qpos[:] = env.simulation.qpos[0]
    mujoco.mj_kinematics(model, data)
    assert poses[:, :3] == pytest.approx(data.xpos[moving_bodies(model)], abs=1e-5)
    assert poses[:, 3:] == pytest.approx(data.xquat[moving_bodies(model)], abs=1e-5)
    halfway = np.frombuffer(live.frame(0.5)[8:], "<f4")[-7 * len(poses) :][:3]
    assert halfway == pytest.approx((before[:3] + env.simulation.qpos[0, :3]) / 2, abs=1e-5)


def test_pause_step_and_reset(live: Live) -> None:
    live.clients.add(Client())
    assert live.walking
    live.do({"do": "pause", "value": True})
    assert not live.walking
    live.do({"do": "step"})
    assert live.walking
    live.step()
    assert not live.walking
    walk(live, 1)
    assert np.linalg.norm(live.env.simulation.qpos[0, :2]) > 0.1
    live.do({"do": "reset"})
    live.step()
    assert np.linalg.norm(live.env.simulation.qpos[0, :2]) < 0.05
    assert live.state()["falls"] == [0]


def test_what_is_not_as_it_should_be_changes_nothing(live: Live) -> None:
    before = live.state()
    for asked, said in DO:
        with pytest.raises(SurefootError, match=said):
            live.do(asked)
        assert live.state() == before


def test_messages_that_are_none(live: Live) -> None:
    client, other = Client(), Client()
    live.clients |= {client, other}
    for said in ("", "nonsense", "[1]", "7", b"\xff\xfe", "[" * 4000, '{"do": "set"', '{"do": null}'):
        live.hear(client, said)
        assert list(json.loads(client.texts.pop())) == ["error"]
    assert not other.texts
    live.hear(client, '{"do": "set", "key": "payload", "value": 3}')
    assert [json.loads(c.texts.pop())["state"]["values"] == live.state()["values"] for c in (client, other)] == [
        True,
        True,
    ]
    for _ in range(1000):  # a page that reads nothing costs no more than one that does
        live.show()
        live.tell()
    assert len(other.texts) == 16


def test_what_is_recorded_is_what_happened(live: Live, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    walk(live, 0.5)
    live.do({"do": "record", "value": True})
    assert live.walking  # even where nobody watches
    states = []
    for k in range(120):
        if k == 60:
            live.do({"do": "set", "key": "payload", "value": 5})
        if k == 100:
            live.do({"do": "reset"})
        live.step()
        states.append(live.env.simulation.qpos[0].copy())
    live.do({"do": "record", "value": False})
    (path,) = tmp_path.iterdir()
    assert (path.name, live.state()["recording"]) == ("play-1.recording.npz", [])
    assert "wrote play-1.recording.npz" in capsys.readouterr().out
    found = read_world(RecordingFile(path))
    assert len(found) == 120
    kept = np.arange(120) != 100  # whose last state was that before the reset
    assert found.qpos[kept] == pytest.approx(np.array(states)[kept], abs=1e-5)
    assert np.flatnonzero(found.done).tolist() == [100]
    assert found.done[100] == 2
    assert [(row, values) for row, values in found.changes] == [(60, {"payload": 5.0})]
    live.do({"do": "record", "value": True})
    live.step()
    live._close_recording()  # as when the server ends
    assert {p.name for p in tmp_path.iterdir()} == {"play-1.recording.npz", "play-2.recording.npz"}


def test_a_folder_that_cannot_be_written(live: Live, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    live.folder = tmp_path / "file"
    with pytest.raises(SurefootError, match="cannot record"):
        live.do({"do": "record", "value": True})
    assert live.state()["recording"] == []
    live.step()


def test_two_controllers_under_the_same_commands(tmp_path: Path) -> None:
    live = live_of(
        "quadruped-velocity", adapted="quadruped-velocity", parameters={"payload": 1, "vx": 0.9}, folder=tmp_path
    )
    live.do({"do": "push", "speed": 1})
    live.do({"do": "set", "key": "friction", "value": 0.5})
    live.do({"do": "record", "value": True})
    walk(live, 0.4)
    live.do({"do": "record", "value": False})
    before, after = (
        read_world(RecordingFile(tmp_path / f"play-1-{label}.recording.npz")) for label in ("before", "after")
    )
    assert (before.label, after.label) == ("before", "after")
    assert (before.qpos == after.qpos).all()  # the same controller, robot, start and push
    assert before.command[0] == pytest.approx([0.9, 0, 0])
    assert before.parameters == after.parameters
    assert before.parameters["payload"] == 1
    with pytest.raises(SurefootError, match="expected the same robot and task"):
        live_of("quadruped-velocity", adapted="half_cheetah-run")


def test_a_robot_without_commands() -> None:
    live = live_of("half_cheetah-run")
    with pytest.raises(SurefootError, match="takes no commands"):
        live.do({"do": "command", "value": []})
    live.step()
    speed = live.env.simulation.qvel[0, 0]
    live.do({"do": "push", "angle": np.pi, "speed": 2})
    assert live.env.simulation.qvel[0, 0] == pytest.approx(speed - 2)
    page = live_page(live, "</script><b>x").decode()
    assert "</script><b>x" not in page.replace("&lt;/script&gt;", "")
    assert "://" not in page.split('<script id="blob"')[0].replace("http://www.w3.org", "")
    assert controls(live)["limits"] is None
