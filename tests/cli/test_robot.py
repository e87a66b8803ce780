"""`surefoot robot`, and the way from a file to a controller and back."""

import re
import shlex
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

import surefoot as package
from surefoot.cli.main import run
from surefoot.robots import get_robot

ROOT = Path(__file__).resolve().parents[2]
SMALL = ["--hyper", "num_envs=32", "--hyper", "batch_size=256", "--hyper", "net=16,16", "--quiet"]


def small(robot: str | Path, out: Path, steps: str = "2e3", task: str = "velocity") -> list[str]:
    return ["train", str(robot), task, "--steps", steps, "--out", str(out), *SMALL]


@pytest.mark.render
def test_check_with_a_picture(own_robots: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = own_robots.urdf_dog(tmp_path)
    assert run(["robot", "check", str(file), "--picture", str(tmp_path / "dog.png")]) == 0
    out = capsys.readouterr().out
    for said in (
        "front_left_foot, front_right_foot",
        "12 motors mirrored",
        "looks wrong: gains are guesses",
        "usable, 1 to look at",
    ):
        assert said in out
    assert np.asarray(Image.open(tmp_path / "dog.png")).std() > 10


def test_an_unusable_robot_writes_nothing(tmp_path: Path, refused) -> None:
    file = tmp_path / "rock.xml"
    file.write_text('<mujoco><worldbody><body><freejoint/><geom size="0.1"/></body></worldbody></mujoco>')
    assert "the model has no actuators" in refused("robot", "check", file, "--picture", tmp_path / "rock.png")
    assert "the model has no actuators" in refused("train", file, "velocity", "--out", tmp_path / "run")
    assert "ends in .png" in refused("robot", "check", "quadruped", "--picture", tmp_path / "rock.jpg")
    assert "robot check needs a name or file" in refused("robot", "check")
    assert [path.name for path in tmp_path.iterdir()] == ["rock.xml"]


def test_a_robot_that_blows_up_is_told_and_leaves_no_log(
    own_robots: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    file = own_robots.mjcf_biped(tmp_path)
    file.write_text(file.read_text().replace('damping="1"', 'damping="1" stiffness="-1e8"'))
    monkeypatch.chdir(tmp_path)
    assert run(["robot", "check", str(file)]) == 0
    said = capfd.readouterr()
    assert "the simulation diverges while the home pose is held" in " ".join(said.out.split())
    assert not said.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["biped.xml", "biped.yaml"]


def test_a_robot_of_the_catalogue(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["robot", "check", "quadruped"]) == 0
    assert "kp 35 N m/rad" in capsys.readouterr().out
    assert run(["robot", "check", "half_cheetah"]) == 0
    assert "torque motors" in capsys.readouterr().out


@pytest.mark.menagerie
def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["robot", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    (found,) = (line for line in lines if "menagerie:boston_dynamics_spot" in line)
    assert found.split()[1:] == ["here", "yes"]


def test_a_controller_knows_its_file_again(
    own_robots: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused
) -> None:
    folder = tmp_path / "robot"
    folder.mkdir()
    own_robots.mjcf_dog(folder)
    monkeypatch.chdir(folder)
    assert run(["train", "dog.xml", "velocity", "--steps", "2e3", *SMALL]) == 0
    out = folder / "runs" / "dog-velocity-ppo-0"
    controller = package.load(out)
    assert controller.config.robot == str(folder / "dog.xml")
    assert controller.config.robot_sha256 == get_robot("dog.xml").digest
    monkeypatch.chdir(tmp_path)
    assert run(["evaluate", str(out), "--episodes", "1", "--set", "payload=1"]) == 0
    assert run(["train", "robot/dog.xml", "velocity", "--resume", "--out", str(out), "--steps", "4e3", "--quiet"]) == 0
    assert package.load(out).timesteps >= 4000
    page = tmp_path / "recordings"
    (recording,) = package.replay(out, seconds=0.4, save=page)
    before = (folder / "dog.xml").read_text()
    (folder / "dog.xml").write_text(before.replace('mass="6"', 'mass="7"'))
    assert "has changed" in refused("evaluate", out)
    assert "has changed" in refused("train", "--resume", "--out", out, "--steps", "8e3")
    (folder / "dog.xml").unlink()
    assert "the controller's robot is missing" in refused("evaluate", out)
    assert recording.compile().nu == 12, "a recording needs no file"
    (folder / "dog.xml").write_text(before)
    assert run(["evaluate", str(out), "--episodes", "1"]) == 0


@pytest.mark.render
@pytest.mark.parametrize("make", ["mjcf_dog", "urdf_dog", "mjcf_biped"])
def test_films_of_a_file(make: str, own_robots: ModuleType, tmp_path: Path) -> None:
    """With the floor and sky that we add to a file without any, and those that films of all robots have."""
    assert run(small(getattr(own_robots, make)(tmp_path), tmp_path / "run", "1e3")) == 0
    assert run(["replay", str(tmp_path / "run"), "--seconds", "0.4", "--poster", str(tmp_path / "gait.png")]) == 0
    assert np.asarray(Image.open(tmp_path / "gait.png")).std() > 10


def test_parameters_and_groups_of_a_file(
    own_robots: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str], refused
) -> None:
    file = own_robots.urdf_dog(tmp_path)
    assert run(["list", "parameters", str(file)]) == 0
    assert "front_left" in capsys.readouterr().out
    out = tmp_path / "run"
    line = [
        *small(file, out),
        "--vary",
        "payload=0:2",
        "--vary",
        "motor_strength.rear=0.8:1",
        "--vary",
        "friction.*=0.5:1",
    ]
    assert run(line) == 0
    assert "did you mean" in refused(*small(file, tmp_path / "other"), "--vary", "motor_strength.frontleft=0:1")


def test_the_worked_example(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """docs/robots.md: fewer than 40 lines of robot, and its commands run (with fewer steps)."""
    text = (ROOT / "docs" / "robots.md").read_text()
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```(xml|yaml) (\S+)\n(.*?)```", text, re.DOTALL)
    assert [name for _, name, _ in blocks] == ["cat.xml", "cat.yaml"]
    assert sum(len(block.splitlines()) for _, _, block in blocks) < 40
    for _, name, block in blocks:
        Path(name).write_text(block)
    (commands,) = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    for line in commands.splitlines():
        words = shlex.split(line)
        assert words[0] == "surefoot"
        if words[1] == "train":
            words = [word.replace("5e6", "2e3") for word in words] + SMALL
        assert run([*words[1:], *(["--episodes", "1"] if words[1] == "evaluate" else [])]) == 0, line
        assert "looks wrong" not in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("make", ["mjcf_dog", "urdf_dog", "mjcf_biped"])
def test_twenty_thousand_steps_on_own_files(make: str, own_robots: ModuleType, tmp_path: Path) -> None:
    if make == "mjcf_biped":
        pytest.importorskip("surefoot.envs.tasks.legs", reason="velocity on any number of legs")
    assert run(small(getattr(own_robots, make)(tmp_path), tmp_path / "run", "2e4")) == 0
    assert run(["evaluate", str(tmp_path / "run"), "--episodes", "2"]) == 0


ARMS = ("franka_emika_panda",)
QUADRUPEDS = ("unitree_go1", "boston_dynamics_spot", "google_barkour_vb")
BIPEDS = ("unitree_g1", "unitree_h1", "booster_t1", "robotis_op3", "berkeley_humanoid", "apptronik_apollo")


@pytest.mark.menagerie
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name == "boston_dynamics_spot" else pytest.mark.slow)
             for name in (*QUADRUPEDS, *BIPEDS, *ARMS)],
)  # fmt: skip
def test_twenty_thousand_steps_on_menagerie(name: str, tmp_path: Path) -> None:
    if name not in QUADRUPEDS:
        pytest.importorskip("surefoot.envs.tasks.legs", reason="velocity on any number of legs, reach")
    task = "reach" if name in ARMS else "velocity"
    assert run(small(f"menagerie:{name}", tmp_path / "run", "2e4", task)) == 0
    assert run(["evaluate", str(tmp_path / "run"), "--episodes", "2"]) == 0
