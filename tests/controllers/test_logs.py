"""Logs: what is written is what the simulation did, what is read is what was written, and bad input is told in one line."""

import importlib.util
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from surefoot import api
from surefoot.controllers.controller import Controller
from surefoot.controllers.logs import COLUMNS, Joints, read_columns, read_log
from surefoot.controllers.simulated_log import at_rate, walk, write_log
from surefoot.envs.simulation import Simulation
from surefoot.envs.variation import Task
from surefoot.robots import SurefootError, get_robot

SECONDS = 0.8
Table = dict[str, np.ndarray]
LEG = [f"front_left_{part}" for part in ("hip", "thigh", "calf")]


@pytest.fixture(scope="module")
def walker() -> Controller:
    return api.load("quadruped-velocity")


@pytest.fixture(scope="module")
def table(walker: Controller, tmp_path_factory: pytest.TempPathFactory) -> Table:
    """The columns of a log without noise."""
    file = tmp_path_factory.mktemp("log") / "walk.csv"
    return write_log(file, walker, parameters={"payload": 2}, seconds=SECONDS, noise=0.0, seed=3)


@pytest.fixture
def save(tmp_path: Path) -> Callable[[Table], Path]:
    """Writes columns as CSV with other means than the module's own."""

    def call(columns: Table, name: str = "log.csv") -> Path:
        lines = [",".join(columns)]
        lines += [",".join(repr(float(value)) for value in row) for row in zip(*columns.values(), strict=True)]
        (tmp_path / name).write_text("\n".join(lines) + "\n")
        return tmp_path / name

    return call


def test_a_written_log_is_what_the_simulation_did(table: Table, save) -> None:
    log = read_log(save(table), "quadruped")
    assert log.dt == pytest.approx(0.02)
    assert log.seconds == pytest.approx(SECONDS)
    sim = Simulation(get_robot("quadruped"), 1)
    sim.set_parameters(np.arange(1), sim.table.values({"payload": 2})[None])
    joints = Joints.of(sim.robot, sim.model)
    s = {name: part[5] for name, part in log.signals.items()}
    w, xyz = s["orientation"][0], s["orientation"][1:]
    velocity = s["linear_velocity"]
    velocity = (
        velocity + 2 * w * np.cross(xyz, velocity) + 2 * np.cross(xyz, np.cross(xyz, velocity))
    )  # to the world's axes
    qpos = np.concatenate([[0, 0], s["height"], s["orientation"], s["position"]])
    sim.reset(np.arange(1), qpos[None], np.concatenate([velocity, s["angular_velocity"], s["velocity"]])[None])
    for k in range(5, 25):
        sim.ctrl[:] = log.signals["command"][k]
        sim.step()
        assert sim.qpos[0, joints.qpos] == pytest.approx(log.signals["position"][k + 1], abs=1e-9)
        assert sim.qvel[0, joints.qvel] == pytest.approx(log.signals["velocity"][k + 1], abs=1e-6)
        assert sim.qpos[0, 2] == pytest.approx(log.signals["height"][k + 1, 0], abs=1e-9)


def test_a_robot_at_rest_feels_gravity(walker: Controller, tmp_path: Path) -> None:
    goal = {"vx": 0.0, "vy": 0.0, "yaw": 0.0}
    write_log(tmp_path / "stand.csv", walker, parameters={"gravity": 5.0}, goal=goal, seconds=2.0, noise=0.0)
    log = read_log(tmp_path / "stand.csv", "quadruped")
    assert log.signals["acceleration"][-50:].mean(axis=0) == pytest.approx([0.0, 0.0, 5.0], abs=0.2)


def test_noise_is_what_was_asked_for(walker: Controller, table: Table, tmp_path: Path) -> None:
    levels = {"velocity": 0.3, "orientation": 0.02}
    noisy = write_log(
        tmp_path / "noisy.csv",
        walker,
        parameters={"payload": 2},
        seconds=SECONDS,
        noise=levels,
        seed=3,
        omit=["height"],
    )
    assert "height" not in noisy
    error = np.array([noisy[f"velocity.{joint}"] - table[f"velocity.{joint}"] for joint in LEG])
    assert error.std() == pytest.approx(0.3, rel=0.2)
    assert (noisy[f"position.{LEG[0]}"] == table[f"position.{LEG[0]}"]).all()
    turn = np.array([noisy[f"orientation.{e}"] - table[f"orientation.{e}"] for e in "wxyz"])
    assert 2 * np.linalg.norm(turn, axis=0).std() > 0.004
    assert np.linalg.norm([noisy[f"orientation.{e}"] for e in "wxyz"], axis=0) == pytest.approx(1.0)


def test_names_units_signs_and_offsets(table: Table, save) -> None:
    plain = read_log(save(table), "quadruped")
    other = {"stamp": 1.7645e12 + 1e3 * table["time"], "extra": table["time"]}
    other |= {f"q_{j}": np.degrees(table[f"position.{j}"]) for j in plain.joints}
    other |= {f"dq_{j}": table[f"velocity.{j}"] for j in plain.joints}
    other |= {f"u{i}": 0.5 - table[f"command.{j}"] for i, j in enumerate(plain.joints)}
    other |= {f"q{e}": 1.001 * table[f"orientation.{e}"] for e in "wxyz"}
    other |= {f"gyro_{e}": np.degrees(table[f"angular_velocity.{e}"]) for e in "xyz"}
    other |= {f"acc_{e}": table[f"acceleration.{e}"] / 9.80665 for e in "xyz"}
    commands = "".join(f"  {j}: {{column: u{i}, sign: -1, offset: 0.5}}\n" for i, j in enumerate(plain.joints))
    file = save(other)
    (file.parent / "map.yaml").write_text(
        'time: {column: stamp, unit: ms}\nposition: {column: "q_{}", unit: deg}\nvelocity: "dq_{}"\n'
        f'command:\n{commands}orientation: "q{{}}"\nangular_velocity: {{column: "gyro_{{}}", unit: deg/s}}\n'
        'acceleration: {column: "acc_{}", unit: g}\n'
    )
    found = read_log(file, "quadruped", file.parent / "map.yaml")
    assert found.dt == pytest.approx(plain.dt)
    assert set(found.signals) == set(plain.signals) - {"linear_velocity", "height"}
    for name, part in found.signals.items():
        assert part == pytest.approx(plain.signals[name], abs=1e-9)


def test_a_robot_whose_base_does_not_float(tmp_path: Path) -> None:
    write_log(tmp_path / "run.csv", api.load("half_cheetah-run"), seconds=2.0, noise=0.0)
    log = read_log(tmp_path / "run.csv", "half_cheetah")
    assert log.joints[:4] == ("rootx", "rootz", "rooty", "bthigh")
    assert {name: part.shape for name, part in log.signals.items()} == {
        "position": (41, 9), "velocity": (41, 9), "command": (41, 6)
    }  # fmt: skip


@pytest.mark.skipif(importlib.util.find_spec("pyarrow") is None, reason="pyarrow is not installed")
def test_parquet_holds_the_same(walker: Controller, table: Table, tmp_path: Path) -> None:
    write_log(tmp_path / "walk.parquet", walker, parameters={"payload": 2}, seconds=SECONDS, noise=0.0, seed=3)
    write_log(tmp_path / "walk.csv", walker, parameters={"payload": 2}, seconds=SECONDS, noise=0.0, seed=3)
    parquet, text = (read_log(tmp_path / f"walk.{kind}", "quadruped") for kind in ("parquet", "csv"))
    for name, part in parquet.signals.items():
        assert (part == text.signals[name]).all()
    from pyarrow import Table as Columns
    from pyarrow import parquet as files

    twice = Columns.from_arrays([[0.0], [1.0], [2.0]], names=["time", "height", "time"])
    files.write_table(twice, tmp_path / "twice.parquet")
    with pytest.raises(SurefootError, match=r"twice\.parquet: two columns are named 'time': expected one"):
        read_log(tmp_path / "twice.parquet", "quadruped")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 and nothing else")
    with pytest.raises(SurefootError, match=r"bad\.parquet"):
        read_log(tmp_path / "bad.parquet", "quadruped")


def test_without_pyarrow_one_line_says_so(walker: Controller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "walk.parquet").write_bytes(b"PAR1")
    with pytest.raises(SurefootError, match=r"pip install 'surefoot\[logs\]'"):
        read_log(tmp_path / "walk.parquet", "quadruped")
    with pytest.raises(SurefootError, match=r"pip install 'surefoot\[logs\]'"):
        write_log(tmp_path / "new.parquet", walker, seconds=0.5)
    assert not (tmp_path / "new.parquet").exists()


def without(name: str) -> Callable[[Table], Table]:
    return lambda table: {key: part for key, part in table.items() if key != name}


def changed(name: str, row: int, value: float) -> Callable[[Table], Table]:
    def call(table: Table) -> Table:
        part = table[name].copy()
        part[row] = value
        return {**table, name: part}

    return call


def dropped(table: Table, first: int, end: int) -> Table:
    return {name: np.delete(part, slice(first, end)) for name, part in table.items()}


def degrees(table: Table, signal: str = "position") -> Table:
    return {name: np.degrees(part) if name.startswith(f"{signal}.") else part for name, part in table.items()}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without("position.front_left_hip"), "unknown column of 'position' in log.csv 'position.front_left_hip'"),
        (without("orientation.w"), "unknown column of 'orientation'"),
        (without("time"), "unknown column of 'time' in log.csv 'time'"),
        (changed("velocity.rear_left_calf", 7, math.nan), "nan in column 'velocity.rear_left_calf' at row 8: expected"),
        (changed("command.rear_left_calf", 0, math.inf), "inf in column 'command.rear_left_calf' at row 1: expected a number"),
        (changed("time", 10, 0.15), "time runs backwards by 0.03 s at row 11"),
        (changed("time", 10, 0.18), "time stands still at row 11: expected each row later than the one before"),
        (lambda table: dropped(table, 10, 13), "a gap of 0.08 s before row 11, where rows are 0.02 s apart"),
        (lambda table: {**table, "time": 1e3 * table["time"]}, "rows are 20 s apart: expected 0.0001 to 0.1 s"),
        (lambda table: degrees(table), "is far beyond its range, "),
        (lambda table: degrees(table, "velocity"), " times what its position moves by: expected another unit or sign"),
        (lambda table: {**table, "true.payload": table["time"]}, "column 'true.payload' goes from 0 to 0.8: expected"),
        (lambda table: {**table, "true.payloat": table["time"]}, "unknown parameter 'payloat': did you mean payload?"),
        (changed("orientation.w", 4, 3.0), "orientation at row 5 has length"),
        (lambda table: {k: part[:12] for k, part in table.items()}, "log.csv has 12 rows: expected 20 or more"),
        (lambda table: {k: part[:1] for k, part in table.items()}, "log.csv has 1 row: expected 20 or more"),
        (lambda table: {k: part[:0] for k, part in table.items()}, "log.csv has 0 rows: expected 20 or more"),
    ],
)  # fmt: skip
def test_bad_rows(change: Callable[[Table], Table], said: str, table: Table, save) -> None:
    with pytest.raises(SurefootError) as told:
        read_log(save(change(table)), "quadruped")
    assert said in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"time,position.front_left_hip\n0,zero\n", "unknown column of"),
        (b"", "log.csv is empty: expected a line with the names of its columns"),
        (b"\xff\xfe\x00\x01", "is not a table of numbers"),
        (b"time,height,time\n0,1,2\n", "log.csv: two columns are named 'time': expected one"),
    ],
)
def test_bad_files(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_bytes(content)
    with pytest.raises(SurefootError, match=said):
        read_log(tmp_path / "log.csv", "quadruped")


def test_words_among_the_numbers(table: Table, save) -> None:
    file = save(table)
    lines = file.read_text().splitlines()
    lines[3] = lines[3].replace(lines[3].split(",")[0], "soon", 1)
    file.write_text("\n".join(lines))
    with pytest.raises(SurefootError, match=r"log\.csv: 'soon' in column 'time' at row 3: expected a number"):
        read_log(file, "quadruped")


@pytest.mark.parametrize("keep", [0.4, 0.9, 0.999])
def test_a_file_that_was_cut_off(table: Table, save, keep: float) -> None:
    file = save(table)
    text = file.read_text()
    file.write_text(text[: text.index(",", int(keep * len(text)) - 60)])
    with pytest.raises(SurefootError, match=r"log\.csv: row \d+ has \d+ values: expected \d+: is the file cut off\?"):
        read_log(file, "quadruped")


def test_rows_at_uneven_times_are_interpolated(table: Table, save) -> None:
    """What is linear in time comes back exactly, a turn nearly so, and a command is the last that was sent."""
    rng = np.random.default_rng(2)
    time = table["time"] + 0.003 * rng.uniform(-1, 1, len(table["time"]))
    time[0] = 0.0
    time = np.delete(time, 17)
    uneven = {name: np.delete(part, 17) for name, part in table.items()} | {"time": time}
    uneven[f"position.{LEG[0]}"] = 0.1 + 0.5 * time
    uneven |= {f"orientation.{e}": np.zeros_like(time) for e in "wxyz"}
    uneven["orientation.w"], uneven["orientation.z"] = np.cos(time), np.sin(time)
    for e in "wxyz":
        uneven[f"orientation.{e}"][::3] *= -1  # means the same
    sent = np.delete(np.arange(len(table["time"])), 17)
    uneven[f"command.{LEG[0]}"] = sent.astype(float)
    log = read_log(save(uneven), "quadruped")
    grid = log.dt * np.arange(len(log))
    assert log.dt == pytest.approx(0.02, abs=2e-3)
    assert log.seconds == pytest.approx(time[-1], abs=log.dt)
    assert log.signals["position"][:, 0] == pytest.approx(0.1 + 0.5 * grid)
    w, z = log.signals["orientation"][:, [0, 3]].T
    assert np.arctan2(z / np.sign(w), np.abs(w)) == pytest.approx(grid, abs=1e-4)
    wanted = [sent[time <= t + log.dt / 2].max() for t in grid]
    assert (log.signals["command"][:, 0] == wanted).all()


def test_rows_that_are_even_enough_stay_as_they_are(table: Table, save) -> None:
    shaken = {**table, "time": table["time"] + 1e-4 * np.sin(1e3 * table["time"])}
    assert (
        read_log(save(shaken), "quadruped").signals["position"]
        == read_log(save(table), "quadruped").signals["position"]
    ).all()


def test_a_simulated_log_says_the_truth(table: Table, save) -> None:
    truth = read_log(save(table), "quadruped").truth
    assert truth["payload"] == 2.0
    assert truth["friction"] == truth["motor_strength"] == 1.0
    assert truth["gravity"] == pytest.approx(9.81)
    assert read_log(save({k: v for k, v in table.items() if not k.startswith("true.")}), "quadruped").truth == {}


def test_no_log_and_other_kinds(tmp_path: Path, walker: Controller) -> None:
    with pytest.raises(SurefootError, match="no log at"):
        read_log(tmp_path / "none.csv", "quadruped")
    with pytest.raises(SurefootError, match=r"ends in \.csv or \.parquet"):
        read_log(tmp_path / "log.pkl", "quadruped")
    with pytest.raises(SurefootError, match=r"ends in \.csv or \.parquet"):
        write_log(tmp_path / "log.npz", walker)
    with pytest.raises(SurefootError, match="unknown optional signal 'position'"):
        write_log(tmp_path / "log.csv", walker, omit=["position"])
    with pytest.raises(SurefootError, match="falls after"):
        write_log(tmp_path / "log.csv", walker, parameters={"motor_strength": 0.0})
    with pytest.raises(SurefootError, match="unknown signal with noise 'velocty': did you mean velocity"):
        write_log(tmp_path / "log.csv", walker, seconds=0.5, noise={"velocty": 1.0})
    assert not list(tmp_path.iterdir())


def altered(**signals: Any) -> dict[str, Any]:
    found: dict[str, Any] = {**COLUMNS, **signals}
    return {name: spec for name, spec in found.items() if spec is not None}


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (altered(positon="q_{}"), "unknown signal in the map of columns of robot 'quadruped' 'positon': did you mean position"),
        (altered(velocity=None), "names no 'velocity', which robot 'quadruped' needs"),
        (altered(orientation=None), "names no 'orientation', which robot 'quadruped' needs: the base of this robot floats"),
        (altered(position="q"), "'q' is one column, expected 12"),
        (altered(position={"front_left_hipp": "q0"}), "unknown name under 'position' in the map of columns 'front_left_hipp'"),
        (altered(position={"front_left_hip": "q0"}), "'front_left_thigh' is missing"),
        (altered(position={"column": "q_{}", "unit": "degrees"}), "unknown unit of 'position' in the map of columns 'degrees'"),
        (altered(position={"column": "q_{}", "sgn": -1}), "unknown key at 'position' in the map of columns 'sgn'"),
        (altered(position={"column": "q_{}", "sign": 2}), "sign 2, expected 1 or -1"),
        (altered(position={"column": "q_{}", "offset": "much"}), "offset 'much', expected a number"),
        (altered(position={"column": "q_{}", "offset": 10**200}), "offset 1e+200, expected a number"),
        (altered(position={"column": "q_{}", "offset": 10**400}), "offset 1000000000"),
        (altered(position={"column": None}), "expected the name of a column, not None"),
        (altered(time={"column": "time", "unit": "h"}), "unknown unit of 'time'"),
        (altered(time={"column": "time", "unit": ["ms"]}), "unknown unit of 'time' in the map of columns"),
    ],
)  # fmt: skip
def test_bad_maps(columns: dict[str, Any], said: str, table: Table, save) -> None:
    with pytest.raises(SurefootError) as told:
        read_log(save(table), "quadruped", columns)
    assert said in str(told.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- time\n- position\n", "expected a mapping such as 'key: value', not list"),
        ("", "expected a mapping"),
        ("time: {column: t\n", "is not YAML"),
        ("time: !!python/object/apply:os.mkdir [pwned]\n", "is not YAML"),
    ],
)
def test_bad_yaml_runs_nothing(text: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("map.yaml").write_text(text)
    with pytest.raises(SurefootError) as told:
        read_columns("map.yaml")
    assert said in str(told.value)
    assert "\n" not in str(told.value)
    assert not Path("pwned").exists()
    with pytest.raises(SurefootError, match=r"cannot read 'none\.yaml'"):
        read_columns("none.yaml")


def test_steps_of_another_length() -> None:
    robot = get_robot("quadruped")
    assert at_rate(robot, 0.02).compile().opt.timestep == 0.005
    assert at_rate(robot, 0.002).compile().opt.timestep == 0.002
    assert at_rate(robot, 0.011).compile().opt.timestep == pytest.approx(0.011 / 3)
    assert at_rate(robot, 0.02, 0.001).compile().opt.timestep == 0.001


def test_windows_do_not_go_on_across_a_fall(walker: Controller) -> None:
    walked = walk(walker, Task({"motor_strength": 0.0}), 3.0)
    log = walked.log
    assert len(walked.falls) >= 2
    assert log.begins[:2] == (0, walked.falls[0])  # a row a control step, but for the first of an episode
    assert len(log) == walked.steps - len(log.begins)
    starts = log.starts(1, 4)
    spell = np.searchsorted(log.begins, starts, side="right")
    assert (spell == np.searchsorted(log.begins, starts + 3, side="right")).all()
    assert (starts - 1 >= np.array(log.begins)[spell - 1]).all()
    assert len(set(spell)) > 1
    jumps = np.abs(np.diff(log.signals["height"][:, 0])) > 0.05
    assert set(np.flatnonzero(jumps) + 1) <= set(log.begins)
    assert log.first(1.0).begins == tuple(row for row in log.begins if row < 51)


def test_a_dead_motor_is_one_without_strength(walker: Controller) -> None:
    truth = walk(walker, Task({"dead_actuator": "rear_left_calf", "motor_strength": 0.9}), 0.5).log.truth
    assert truth["motor_strength.rear_left_calf"] == 0.0
    assert truth["motor_strength.rear_left_hip"] == 0.9
