"""Fitting a simulated robot to a log: logs with known parameters and noise give them back, with intervals that hold."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

import surefoot
from surefoot import api
from surefoot.cli.main import run
from surefoot.controllers.adaptation.sysid import USUAL, unknowns
from surefoot.controllers.logs import Joints, RobotLog
from surefoot.controllers.simulated_log import write_log
from surefoot.envs.simulation import Simulation
from surefoot.envs.variation import Variation
from surefoot.robots import SurefootError, get_robot
from surefoot.robots.parameters import ParameterTable

TRUE = {"payload": 3.0, "friction": 0.7, "motor_strength": 0.85}
LIMITS = {"payload": 0.1, "friction": 0.15, "motor_strength": 0.05}  # issue 4's
NOISE = {"position": 0.005, "velocity": 0.05}


def pendulums(count: int, noise: float = 1.0, seconds: float = 10.0) -> list[RobotLog]:
    """Logs of as many pendulums, each with another payload and motor, swinging under torques of a few sines."""
    rng = np.random.default_rng(7)
    sim = Simulation(get_robot("pendulum"), count)
    values = np.repeat(sim.table.nominal[None], count, axis=0)
    payload, strength = rng.uniform(0.1, 1.0, count), rng.uniform(0.6, 1.4, count)
    values[:, sim.table.columns("payload")] = payload[:, None]
    values[:, sim.table.columns("motor_strength")] = strength[:, None]
    sim.set_parameters(np.arange(count), values)
    joints, dt = Joints.of(sim.robot, sim.model), sim.robot.control_dt
    pace, phase = rng.uniform(1, 8, (4, count)), rng.uniform(0, 2 * np.pi, (4, count))
    sim.reset(np.arange(count), rng.uniform(1, 5, (count, 1)), np.zeros((count, 1)))
    rows = []
    for k in range(round(seconds / dt)):
        sim.ctrl[:] = np.sin(pace * k * dt + phase).sum(0)[:, None]
        rows.append((sim.qpos.copy(), sim.qvel.copy(), sim.ctrl.copy()))
        sim.step()
    position, velocity, command = (np.stack(part, axis=1) for part in zip(*rows, strict=True))
    position += noise * NOISE["position"] * rng.standard_normal(position.shape)
    velocity += noise * NOISE["velocity"] * rng.standard_normal(velocity.shape)
    return [
        RobotLog(
            sim.robot, dt, joints.names,
            {"position": position[i], "velocity": velocity[i], "command": command[i]},
            {"payload": payload[i], "motor_strength": strength[i]},
        )
        for i in range(count)
    ]  # fmt: skip


# A log's two errors are nearly one: bounds are those that as many independent logs as there are pass with 98 % probability.
@pytest.mark.parametrize(
    ("count", "inside", "spread"),
    [(12, (17, 24), (0.3, 2.2)), pytest.param(60, (97, 119), (0.62, 1.47), marks=pytest.mark.slow)],
)
def test_intervals_hold_the_truth_nine_times_in_ten(
    count: int, inside: tuple[int, int], spread: tuple[float, float]
) -> None:
    found = [
        part
        for seed, log in enumerate(pendulums(count, seconds=6.0))
        for part in api.identify("pendulum", log, ["payload", "motor_strength"], window=0.3, seed=seed).fitted
    ]
    value, true, error = (np.array([getattr(part, name) for part in found]) for name in ("value", "true", "error"))
    held = sum(part.interval[0] <= part.true <= part.interval[1] for part in found)
    assert inside[0] <= held <= inside[1]
    assert spread[0] < np.square((value - true) / error).mean() < spread[1]
    assert np.median(np.abs(value - true)) < 0.03


def test_noise_is_found_and_the_fit_follows_what_it_has_not_seen() -> None:
    found = api.identify("pendulum", pendulums(1)[0], ["payload", "motor_strength"], window=0.5)
    assert found.noise == {name: pytest.approx(level, rel=0.3) for name, level in NOISE.items()}
    for name in NOISE:
        assert found.after[name] < 0.5 * found.before[name]
        assert found.noise[name] < found.after[name] < 3 * found.noise[name]  # its starts are noisy, too
    assert (found.windows, found.held_out) == (15, 3)


def test_the_same_seed_gives_the_same_result() -> None:
    log = pendulums(1, seconds=3.0)[0]
    one, two = (api.identify("pendulum", log, {"payload": "0:2"}, known={"motor_strength": 1.1}) for _ in range(2))
    assert one == two
    assert one.known == {"motor_strength": 1.1}
    assert one.fitted[0].searched == (0.0, 2.0)


def test_what_a_log_does_not_tell_is_said() -> None:
    """Mass, gravity and torque all halved move a pendulum alike, and nothing in a log shows it."""
    still = pendulums(1, seconds=5.0)[0]
    still.signals["position"][:], still.signals["velocity"][:], still.signals["command"][:] = np.pi, 0.0, 0.0
    found = api.identify("pendulum", still, ["motor_strength"], window=0.5)
    assert found.fitted[0].remark == "the log says little"
    found = api.identify(
        "pendulum",
        pendulums(1, seconds=5.0)[0],
        {"motor_strength": "0.5:2", "mass": "0.5:2", "gravity": "5:20"},
        window=0.5,
    )
    assert found.alike() or any(part.remark == "the log says little" for part in found.fitted)


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of a walking quadruped from another simulator, of half the time step, with other settings and sensors' noise."""
    file = tmp_path_factory.mktemp("log") / "walk.csv"
    write_log(file, api.load("quadruped-velocity"), parameters=TRUE, seconds=2.0, seed=1, timestep=0.0025)
    return file


def test_a_walking_quadruped_from_the_command_line(
    walk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["identify", "quadruped", str(walk), "--json", str(tmp_path / "fit.json")]) == 0
    said = " ".join(capsys.readouterr().out.split())
    found = json.loads((tmp_path / "fit.json").read_text())
    assert [part["name"] for part in found["fitted"]] == list(USUAL)
    for part in found["fitted"]:
        assert part["true"] == TRUE[part["name"]]
        assert abs(part["value"] - part["true"]) < 4 * part["error"]
        assert part["value"] == pytest.approx(part["true"], rel=LIMITS[part["name"]])
        assert f"{part['value']:.4g} {part['interval'][0]:.4g} to {part['interval'][1]:.4g} {part['true']:.4g}" in said
    assert all(found["after"][name] < 0.8 * found["before"][name] for name in found["after"])
    assert f"--set payload={found['parameters']['payload']:.4g}" in said
    table = ParameterTable(get_robot("quadruped"), get_robot("quadruped").compile())
    drawn = Variation.parse(found["vary"]).sample(np.random.default_rng(0), 50, table)[:, table.columns("payload")[0]]
    low, high = found["fitted"][0]["interval"]
    assert low - 1e-3 < drawn.min() < drawn.max() < high + 1e-3


@pytest.mark.slow
@pytest.mark.menagerie
def test_a_walking_go1_without_an_estimate_of_its_speed(tmp_path: Path) -> None:
    write_log(
        tmp_path / "walk.csv", api.load("go1-velocity"), parameters=TRUE, seconds=4.0, seed=2,
        omit=["linear_velocity", "height"],
    )  # fmt: skip
    found = surefoot.identify("go1", tmp_path / "walk.csv")
    for part in found.fitted:
        assert part.true == TRUE[part.name]
        assert abs(part.value - part.true) < min(LIMITS[part.name] * part.true, 4 * part.error)
    for name in (
        "position",
        "velocity",
        "acceleration",
    ):  # what is not told of the base is guessed: its turns err as before
        assert found.after[name] < 0.9 * found.before[name]


@pytest.mark.slow
def test_weak_legs_and_delayed_motors_of_a_quadruped(tmp_path: Path) -> None:
    true = {"motor_strength.front_left": 0.6, "delay": 0.01}  # two physics steps
    write_log(tmp_path / "walk.csv", api.load("quadruped-velocity"), parameters=true, seconds=4.0, seed=3)
    fit = {f"motor_strength.{leg}": "" for leg in ("front_left", "front_right", "rear_left", "rear_right")} | {
        "delay": ""
    }
    for part in surefoot.identify("quadruped", tmp_path / "walk.csv", fit).fitted:
        assert part.value == pytest.approx(true.get(part.name, 1.0), rel=0.01)
        assert abs(part.value - part.true) < 4 * part.error + 1e-4


@pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("tabulate", "colorama")),
    reason="surefoot[sysid] is not installed",
)
def test_mujocos_solver_on_a_clean_log() -> None:
    found = api.identify("pendulum", pendulums(1, noise=0.0)[0], ["payload", "motor_strength"], solver="mujoco")
    for part in found.fitted:
        assert part.value == pytest.approx(part.true, rel=1e-3)
    assert found.noise == {}


@pytest.mark.skipif(importlib.util.find_spec("tabulate") is not None, reason="mujoco.sysid has its packages")
def test_mujocos_solver_without_its_packages() -> None:
    with pytest.raises(SurefootError, match=r"pip install 'surefoot\[sysid\]'"):
        api.identify("pendulum", pendulums(1)[0], ["payload"], solver="mujoco")


@pytest.mark.parametrize(
    ("fit", "said"),
    [
        ({"payloat": ""}, "unknown parameter 'payloat': did you mean payload?"),
        ({"dead_actuator": ""}, "cannot fit 'dead_actuator', which is on or off"),
        ({"payload": "3:1"}, "range '3:1' for 'payload': expected low <= high"),
        ({"payload": "2"}, "range '2' for 'payload': expected low:high or log:low:high with low < high"),
        ({"payload": "1|2"}, "range '1|2' for 'payload': expected low:high"),
        ({"payload": "0:900"}, "illegal value 900 for parameter 'payload'"),
        ({"kp": "0.5:2"}, "parameter 'kp' needs position-controlled motors; pendulum has torque motors"),
        ({"mass": "", "mass.*": ""}, "would be fitted twice, as 'mass' and as 'mass."),
    ],
)
def test_what_cannot_be_fitted(fit: dict[str, str], said: str) -> None:
    with pytest.raises(SurefootError) as told:
        api.identify("pendulum", "none.csv", fit)
    assert said in str(told.value)


def test_what_is_known_holds_for_the_whole_log() -> None:
    with pytest.raises(SurefootError, match="known 'gravity@5': expected what holds from the start"):
        api.identify("pendulum", pendulums(1)[0], ["payload"], known={"gravity@5": 3.0})


def test_logs_that_do_not_fit() -> None:
    log = pendulums(1)[0]
    with pytest.raises(SurefootError, match="the log is of robot 'pendulum', not of 'cartpole'"):
        api.identify("cartpole", log)
    with pytest.raises(SurefootError, match="unknown solver 'scipy': choose from mujoco, surefoot"):
        api.identify("pendulum", log, solver="scipy")
    with pytest.raises(SurefootError, match=r"windows of 0 s: expected more than 0"):
        api.identify("pendulum", log, window=0.0)
    with pytest.raises(SurefootError, match=r"holds 3 windows of 3 s: expected 5 or more"):
        api.identify("pendulum", log, window=3.0)
    with pytest.raises(
        SurefootError, match=r"4 s give 4 windows of 0\.7 s besides those held out: expected 5 or more to fit 2"
    ):
        api.identify("pendulum", log, seconds=4.0, window=0.7)
    with pytest.raises(SurefootError, match=r"0\.5 s of the log are 11 rows: expected 20 or more"):
        api.identify("pendulum", log, seconds=0.5)


def test_parameters_are_sought_where_robots_are() -> None:
    robot = get_robot("quadruped")
    model = robot.compile()
    table = ParameterTable(robot, model)
    names = [p.name for p in table.parameters if p.law != "flag" and p.fields]
    found = unknowns(dict.fromkeys(names, ""), table, float(model.body_mass.sum()))
    assert {one.name.split(".")[0] for one in found} == set(names)
    assert [one.name for one in found if one.name.startswith("com")] == [n for n in table.names if n.startswith("com.")]
    for one in found:
        assert table.low[one.columns].max() <= one.low <= table.nominal[one.columns[0]] <= one.high
        assert one.value(one.z(one.low)) == pytest.approx(one.low)
        assert one.value(one.z(one.high)) == pytest.approx(one.high)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("identify quadruped log.csv --tell RUN", "--tell RUN and --out FILE belong together"),
        ("identify quadroped log.csv", "unknown robot 'quadroped': did you mean quadruped?"),
        ("identify quadruped none.csv", "no log at 'none.csv'"),
        ("identify quadruped {log} --fit impulse", "cannot fit 'impulse', which is no part of the robot's model"),
        ("identify quadruped none.csv --fit payload=", "--fit payload=: expected KEY or KEY=RANGE"),
        ("identify quadruped none.csv --fit kp --fit kp=1:2", "--fit kp=1:2: 'kp' was already given"),
        ("identify quadruped none.csv --json fit.txt", "cannot write 'fit.txt': expected a name that ends in .json"),
        ("identify quadruped {log} --columns none.yaml", "cannot read 'none.yaml'"),
    ],
)
def test_bad_command_lines(line: str, said: str, walk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(line.format(log=walk).split()) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
