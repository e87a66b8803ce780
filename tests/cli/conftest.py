"""A tiny trained run, the command as a subprocess, and the command in this process for the many cases of bad input."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from surefoot.cli.main import run

SMALL = ["--hyper", "num_envs=32", "--hyper", "batch_size=256", "--hyper", "net=16,16"]
Command = Callable[..., subprocess.CompletedProcess[str]]


def surefoot_command(*arguments: str | Path, cwd: Path, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    """`surefoot …` as a person's shell runs it."""
    command = [str(Path(sys.executable).with_name("surefoot")), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=timeout)


@pytest.fixture
def surefoot(tmp_path: Path) -> Command:
    """Runs the command in a folder of its own and returns the finished process."""
    return lambda *arguments, **options: surefoot_command(*arguments, cwd=tmp_path, **options)


@pytest.fixture(scope="session")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder trained by the issue's own line, with a limit of steps that fits a test."""
    folder = tmp_path_factory.mktemp("runs")
    line = "train quadruped velocity --algo ppo --steps 2e3 --vary motor_strength=0.8:1.2 --vary payload=0:3 --seed 0"
    done = surefoot_command(*line.split(), "--out", "runs/walk", *SMALL, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "runs" / "walk"


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs bad input in this process, checks the exit code and that it is told in one line, and returns the line."""

    def call(*arguments: str | Path) -> str:
        capsys.readouterr()
        assert run([str(a) for a in arguments]) == 2
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 1, lines
        assert lines[0].startswith("surefoot: ")
        return lines[0]

    return call
