"""Exported, imported and shipped controllers, as people type it."""

from pathlib import Path

import pytest

from surefoot.cli.main import run

NAME = "quadruped-velocity"


def test_export_then_evaluate_and_replay(
    walk: Path, surefoot, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = surefoot("export", walk, "--onnx", "walk.onnx", "--torchscript", "walk.pt")
    assert (done.returncode, done.stderr) == (0, "")
    for word in ("command (3)", "front_left_hip", "default_pose", "wrote walk.onnx", "wrote walk.pt"):
        assert word in done.stdout
    file, page = str(tmp_path / "walk.onnx"), str(tmp_path / "walk.html")
    assert run(["evaluate", file, "--episodes", "2", "--set", "payload=1"]) == 0
    assert run(["replay", file, "--seconds", "0.4", "--html", page, "--adapted", file]) == 0
    printed = capsys.readouterr()
    assert "tracking_lin_vel" in printed.out
    assert not printed.err
    assert {p.name for p in tmp_path.iterdir()} == {"walk.onnx", "walk.pt", "walk.html"}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("export RUN", "give an ONNX file"),
        ("export RUN --onnx walk.pt", "ends in .onnx"),
        ("export RUN --torchscript walk.zip", "ends in .pt"),
        ("export nowhere --onnx walk.onnx", "no run folder or controller file at 'nowhere'"),
        ("evaluate nowhere.onnx", "cannot read 'nowhere.onnx'"),
        ("evaluate quadruped-velosity", "did you mean quadruped-velocity"),
        ("replay quadruped-velosity", "did you mean quadruped-velocity"),
        ("adapt quadruped-velosity --set payload=1", "did you mean quadruped-velocity"),
        ("train --resume --out quadruped-velocity", "no run folder or controller file at 'quadruped-velocity'"),
        ("import-sb3 nowhere.zip half_cheetah run --runs-code", "no SB3 zip at 'nowhere.zip'"),
        ("import-sb3 nowhere.zip half_cheetah run --runs-code --out a.zip", "ends in .safetensors"),
    ],
)
def test_bad_input(line: str, said: str, walk: Path, refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert said in refused(*[str(walk) if word == "RUN" else word for word in line.split()])
    assert not list(tmp_path.iterdir())


def test_import_sb3(
    refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from stable_baselines3 import PPO

    monkeypatch.chdir(tmp_path)
    PPO("MlpPolicy", "HalfCheetah-v5", n_steps=64, device="cpu").learn(64).save("cheetah.zip")
    assert "--runs-code" in refused("import-sb3", "cheetah.zip", "half_cheetah")
    assert run(["import-sb3", "cheetah.zip", "half_cheetah", "run", "--runs-code"]) == 0
    printed = capsys.readouterr()
    assert "ppo controller, 64 steps: wrote cheetah.safetensors" in printed.out
    assert not printed.err
    assert run(["replay", "cheetah.safetensors", "--seconds", "0.5", "--save", "kept"]) == 0


def test_shipped_controllers_by_name(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(["list", "controllers"]) == 0
    assert NAME in capsys.readouterr().out
    assert run(["evaluate", NAME, "--episodes", "1"]) == 0
    assert "tracking_lin_vel" in capsys.readouterr().out
    assert run(["replay", NAME, "--seconds", "0.2", "--adapted", NAME, "--save", str(tmp_path / "kept")]) == 0
    assert run(["export", NAME, "--onnx", str(tmp_path / "walk.onnx")]) == 0
