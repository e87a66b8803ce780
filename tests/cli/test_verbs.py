"""Every verb, run as people type it."""

import dataclasses
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import get_type_hints

import pytest
from safetensors import safe_open

from surefoot.cli.main import VERBS, main, run
from surefoot.cli.options import pairs, parameters, values
from surefoot.controllers.controller import Controller
from surefoot.robots import SurefootError


def test_help_of_each_verb_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    for verb, (module, _, example) in VERBS.items():
        with pytest.raises(SystemExit) as stop:
            run([verb, "--help"])
        assert stop.value.code == 0
        text = capsys.readouterr().out
        flat = " ".join(text.replace("│", " ").split())
        assert example in flat
        arguments = importlib.import_module(f"surefoot.cli.{module}").Arguments
        hints = get_type_hints(arguments, include_extras=True)
        for field in dataclasses.fields(arguments):
            name = {"parameters": "set"}.get(field.name, field.name).replace("_", "-")
            positional = "Positional" in repr(hints[field.name])
            assert (f"--{name}" in text) != positional, f"{verb}: {name}"
        assert "(required)" in text or "default" in text


def test_the_help_of_a_verb_imports_nothing_heavy() -> None:
    code = """
import sys
from surefoot.cli.main import run
for verb in ("list", "train", "adapt", "evaluate", "tune", "replay", "demo"):
    try:
        run([verb, "--help"])
    except SystemExit:
        pass
assert not {"torch", "stable_baselines3", "optuna"} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_version_and_overview(surefoot) -> None:
    done = surefoot("--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("surefoot 0")
    assert surefoot().stdout == surefoot("--help").stdout


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    for what in ("all", "robots", "tasks", "algorithms", "methods", "parameters", "presets"):
        assert run(["list", what]) == 0
    text = capsys.readouterr().out
    for name in (
        "quadruped",
        "velocity",
        "ppo",
        "sac",
        "deep_sarsa",
        "cartpole",
        "swing-up",
        "finetune",
        "zero-shot",
        "motor_strength",
        "m/s^2",
        "batch_size",
    ):
        assert name in text
    assert run(["list", "parameters", "hopper"]) == 0
    assert "kp" not in capsys.readouterr().out.split()


def test_train_leaves_a_whole_run(walk: Path) -> None:
    config = json.loads((walk / "config.json").read_text())
    assert config["vary"] == {"motor_strength": "0.8:1.2", "payload": "0:3"}
    assert (config["steps"], config["seed"], config["algo"]) == (2000, 0, "ppo")
    assert config["hyperparameters"] == {"num_envs": 32, "batch_size": 256, "net": [16, 16]}
    assert (walk / "controller.safetensors").stat().st_mode & 0o044
    assert list(walk.glob("log_0/events.out.tfevents.*"))
    assert not [p for p in walk.rglob("*") if p.name.startswith(".")]


def test_train_resumes(walk: Path, surefoot, tmp_path: Path, refused) -> None:
    copy = tmp_path / "walk"
    subprocess.run(["cp", "-r", walk, copy], check=True)
    assert "complete" in refused("train", "--resume", "--out", copy)
    done = surefoot("train", "quadruped", "velocity", "--resume", "--out", copy, "--steps", "4e3")
    assert done.returncode == 0, done.stderr
    with safe_open(copy / "controller.safetensors", "pt") as file:
        header = json.loads(file.metadata()["surefoot"])
    assert header["timesteps"] >= 4000
    assert header["config"]["vary"] == {"motor_strength": "0.8:1.2", "payload": "0:3"}
    assert (copy / "log_2304" / "progress.csv").is_file()


def test_train_takes_fixed_parameters_and_options(surefoot, tmp_path: Path) -> None:
    line = "train quadruped velocity --set payload=2 --set dead_actuator=rear_left_calf --option vx=1.0"
    small = "--option push_interval=5 --hyper num_envs=8 --hyper batch_size=64 --hyper mirror=false"
    done = surefoot(*line.split(), *small.split(), "--quiet", "--seconds", "1.5", "--out", "fixed")
    assert (done.returncode, done.stderr) == (0, "")
    config = json.loads((tmp_path / "fixed" / "config.json").read_text())
    assert config["parameters"] == {"payload": 2.0, "dead_actuator": "rear_left_calf"}
    assert config["options"] == {"vx": 1.0, "push_interval": 5.0}
    assert config["seconds"] == 1.5


def test_adapt_prints_the_table_and_writes(walk: Path, surefoot, tmp_path: Path) -> None:
    line = "--set payload=6 --set motor_strength.front_left=0.4 --method finetune --seconds 2 --episodes 3"
    done = surefoot("adapt", walk, *line.split(), "--out", "adapted.safetensors", "--html", "page.html")
    assert done.returncode == 0, done.stderr
    for word in ("before", "after", "episodes", "environment steps", "robot time", "wall-clock", "adapted for"):
        assert word in done.stdout
    assert "payload=6" in done.stdout
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>".upper()[:2])
    kept = Controller.load(tmp_path / "adapted.safetensors")  # with what the adaptation was
    assert kept.adapted is not None
    assert (kept.adapted.method, kept.adapted.task) == ("finetune", "payload=6.0, motor_strength.front_left=0.4")
    assert len(kept.adapted.returns) > 1
    done = surefoot(
        "replay", walk, *line.split()[:4], "--adapted", "adapted.safetensors", "--seconds", "1", "--html", "b.html"
    )
    assert done.returncode == 0, done.stderr
    assert "return while adapting (finetune)" in (tmp_path / "b.html").read_text()

    line = "--set payload=6 --episodes 3 --seed 5"
    for source in (walk, "adapted.safetensors"):
        done = surefoot("evaluate", source, *line.split())
        assert done.returncode == 0, done.stderr
        assert "tracking_lin_vel" in done.stdout


def test_adapt_within_steps_and_without_adaptation(walk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["adapt", str(walk), "--set", "payload=6", "--steps", "1e3", "--episodes", "2"]) == 0
    assert "960" in capsys.readouterr().out  # 10 worlds x 24 steps x 4 rollouts
    assert run(["adapt", str(walk), "--set", "payload=6", "--method", "zero-shot", "--episodes", "2", "--quiet"]) == 0
    assert "zero-shot" in capsys.readouterr().out


@pytest.mark.slow
def test_planning(walk: Path, surefoot, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = ["--planner", "samples=3", "--planner", "horizon=2"]
    line = ["adapt", str(walk), "--set", "payload=6", "--method", "planner", "--episodes", "2", *small]
    assert run([*line, "--out", str(tmp_path / "plans.safetensors")]) == 0
    adapted = capsys.readouterr().out
    assert "planner on payload=6" in adapted
    assert "it simulates what the controller is told or identifies, else (model=own) the robot itself" in " ".join(
        adapted.split()
    )
    line = ["--set", "payload=6", "--episodes", "2"]
    outputs = {}
    for name, source, extra in (
        ("as saved", tmp_path / "plans.safetensors", []),
        ("asked for", walk, small),
        ("nominal", walk, [*small, "--plan", "--planner", "model=nominal"]),
        ("policy alone", walk, []),
    ):
        assert run(["evaluate", str(source), *line, *extra]) == 0
        outputs[name] = capsys.readouterr().out
    assert outputs["as saved"] == outputs["asked for"]
    assert len(set(outputs.values())) == 3
    done = surefoot("replay", walk, "--seconds", "0.3", "--save", "kept", "--html", "plan.html", "--plan", *small)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "plan.html").stat().st_size > 1000


def test_evaluate_on_draws(walk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outputs = []
    for _ in range(2):
        assert run(["evaluate", str(walk), "--vary", "payload=0:3", "--vary", "mass.*=0.9:1.1", "--episodes", "3"]) == 0
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[1]


@pytest.mark.render
def test_replay_writes_page_video_and_recordings(walk: Path, surefoot, tmp_path: Path) -> None:
    line = "--html out.html --video out.mp4 --set payload=3 --seconds 1 --save kept"
    done = surefoot("replay", walk, *line.split(), "--adapted", walk / "controller.safetensors")
    assert done.returncode == 0, done.stderr
    assert {p.name for p in tmp_path.iterdir()} == {"out.html", "out.mp4", "kept"}
    assert {p.name for p in (tmp_path / "kept").iterdir()} == {"before.recording.npz", "after.recording.npz"}
    for source in ("kept", "kept/after.recording.npz"):
        done = surefoot("replay", source, "--html", "again.html")
        assert done.returncode == 0, done.stderr
        assert "payload=3" in done.stdout


def test_a_gymnasium_id_trains_and_is_evaluated(surefoot, tmp_path: Path, refused) -> None:
    small = "--hyper num_envs=2 --hyper learning_starts=50 --hyper net=16,16 --hyper gradient_steps=1"
    done = surefoot("train", "gym:CartPole-v1", *f"--algo dqn --steps 200 --quiet {small}".split())
    assert (done.returncode, done.stderr) == (0, "")
    run_folder = tmp_path / "runs" / "CartPole-v1-dqn-0"
    assert str(run_folder.relative_to(tmp_path)) in done.stdout
    assert "replay" not in done.stdout
    done = surefoot("evaluate", run_folder, "--episodes", "3")
    assert (done.returncode, done.stderr) == (0, "")
    assert "mean length" in done.stdout
    needing_a_robot = "adapt RUN --set payload=1", "replay RUN --html x.html", "evaluate RUN --set payload=1"
    for line in (*needing_a_robot, "export RUN --onnx x.onnx"):
        said = refused(*[run_folder if word == "RUN" else word for word in line.split()])
        assert "needs a Surefoot robot, not 'gym:CartPole-v1'" in said
    assert surefoot("train", "--resume", "--out", run_folder, "--steps", "300", "--quiet").returncode == 0


@pytest.mark.slow
def test_a_pole_trains_and_is_replayed(surefoot, tmp_path: Path) -> None:
    line = "train pendulum swing-up --algo q_learning --steps 5e3 --vary gravity=8:12 --vary mass.*=0.8:1.2 --quiet"
    done = surefoot(*line.split(), "--out", "run")
    assert (done.returncode, done.stderr) == (0, "")
    done = surefoot("replay", "run", "--html", "page.html", "--seconds", "2", "--set", "gravity=5")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "page.html").stat().st_size > 10_000


def test_demo_quick(surefoot, tmp_path: Path) -> None:
    done = surefoot("demo", "--out", "demo", "--quick", "--seconds-train", "4")
    assert done.returncode == 0, done.stderr
    for name in ("index.html", "before.recording.npz", "after.recording.npz", "adapted.safetensors"):
        assert (tmp_path / "demo" / name).stat().st_size > 1000
    assert (tmp_path / "demo" / "run" / "controller.safetensors").is_file()
    told = done.stderr.splitlines()
    assert all(line[0].isdigit() and ":" in line for line in told)
    assert "before" in done.stdout
    page = (tmp_path / "demo" / "index.html").read_text()
    assert "million environment steps" in page
    assert "seconds of adaptation" in page


def test_interrupted_training_says_what_is_there(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "surefoot.cli.main", "train", "quadruped", "velocity", "--out", "walk"]
    small = ["--hyper", "num_envs=32", "--hyper", "batch_size=256", "--quiet"]
    # A shell's background job ignores Ctrl-C and hands that on: the person at the keyboard's process does not.
    process = subprocess.Popen(
        [*command, *small],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    log = tmp_path / "walk" / "log_0" / "progress.csv"
    give_up = time.monotonic() + 60
    while not (log.exists() and log.stat().st_size) and time.monotonic() < give_up:
        time.sleep(0.1)
    os.kill(process.pid, signal.SIGINT)
    try:
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, said
    (line,) = said.splitlines()
    assert line.startswith("surefoot: interrupted; 'walk/checkpoints/step_")
    assert run(["evaluate", str(tmp_path / "walk"), "--episodes", "1"]) == 0


def test_pairs() -> None:
    assert pairs("--set", ["a=1", "b.c = x=y"]) == {"a": "1", "b.c": "x=y"}
    assert parameters("--set", ["payload=6", "dead_actuator=a+b"]) == {"payload": 6.0, "dead_actuator": "a+b"}
    given = ["a=3e-4", "b=true", "c=none", "d=64,64", "e=[1, 2]", "f=elu", "g=5e3"]
    read = values("--hyper", given)
    assert read == {"a": 3e-4, "b": True, "c": None, "d": [64, 64], "e": [1, 2], "f": "elu", "g": 5000}
    for wrong in (["payload"], ["payload="], ["=3"], [""], ["a=1", "a=2"]):
        with pytest.raises(SurefootError, match="--set"):
            pairs("--set", wrong)


def test_main_exits_with_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["surefoot", "--version"])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 0
