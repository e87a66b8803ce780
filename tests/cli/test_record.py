"""`surefoot record` and `surefoot info`: a file of many worlds, what is in it, and what bad input is told."""

import io
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

import surefoot
from surefoot.cli.main import run
from surefoot.replay import RecordingFile, read_world

CONTROLLER = "half_cheetah-run"


@pytest.fixture
def recorded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    path = tmp_path / "x.recording.npz"
    line = f"record {CONTROLLER} --worlds 3 --seconds 20 --vary payload=0:3 --seed 7 --label before --out {path}"
    assert run(line.split()) == 0
    text = capsys.readouterr().out
    assert f"wrote {path}" in text
    return path


def test_info_says_what_was_recorded(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["info", str(recorded)]) == 0
    text = capsys.readouterr().out
    file = RecordingFile(recorded)
    worlds = [read_world(file, i) for i in range(3)]
    falls, mean = sum(int((r.done == 1).sum()) for r in worlds), np.mean([r.reward.mean() for r in worlds])
    for word in ("half_cheetah", "before", "20.0 s in steps of 0.05 s", f"{mean:.4g} a step", "forward, control",
                 f"{falls} of them by a fall", "payload=", " to ", "ppo", "steps of training", "qpos 9"):  # fmt: skip
        assert word in text, word
    assert file.header.seed == 7
    assert worlds[0].controller["config"]["robot"] == "half_cheetah"
    assert len({r.parameters["payload"] for r in worlds}) == 3
    assert np.ptp([r.qpos[-1, 0] for r in worlds]) > 0
    assert (np.array([r.qpos[-1, 0] for r in worlds]) > 1).all()  # a trained controller runs, whatever it carries


def test_one_that_breaks_off_is_shown_with_one_line_of_warning(
    recorded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded.write_bytes(recorded.read_bytes()[: int(recorded.stat().st_size * 0.8)])
    assert run(["info", str(recorded)]) == 0
    said = capsys.readouterr()
    assert "then it breaks off" in said.out
    (line,) = said.err.splitlines()
    assert line.startswith("surefoot: ")
    assert "breaks off: read to its last whole chunk, 12.8 s" in line
    assert run(["replay", str(recorded), "--html", str(recorded.with_suffix(".html"))]) == 0
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_the_recording_of_another_machine_opens(recorded: Path, tmp_path: Path) -> None:
    """Nothing of where it was made is in it: it is replayed in another folder, with the robots' own models out of reach."""
    away = tmp_path / "away" / "y.recording.npz"
    away.parent.mkdir()
    recorded.rename(away)
    code = (
        "import sys; from surefoot.robots import catalogue; catalogue.ROBOTS.clear(); "
        "from surefoot.replay import load_many, write_page; "
        "write_page(sys.argv[2], load_many(sys.argv[1]), title='x')"
    )
    page = away.with_name("page.html")
    done = subprocess.run([sys.executable, "-c", code, away, page], capture_output=True, text=True, cwd=away.parent)
    assert done.returncode == 0, done.stderr
    assert page.stat().st_size > 10_000


@pytest.mark.menagerie
def test_a_robot_of_meshes_opens_where_there_is_no_menagerie(tmp_path: Path) -> None:
    """Its meshes are in the file: it is packed without the tree, and shown by a machine that has none."""
    made, page = tmp_path / "go1.recording.npz", tmp_path / "go1.html"
    surefoot.record_worlds("go1-velocity", made, seconds=0.4)
    environment = {
        **os.environ,
        "MENAGERIE_ROOT": str(tmp_path / "nowhere"),
        "HOME": str(tmp_path),
        "XDG_CACHE_HOME": str(tmp_path),
    }
    command = [sys.executable, "-m", "surefoot.cli.main", "replay", str(made), "--html", str(page)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    assert '"type": "mesh"' in page.read_text()
    with zipfile.ZipFile(io.BytesIO(RecordingFile(made).model)) as packed:  # nothing of where it was made
        assert not [name for name in packed.namelist() if "/" in name or b"menagerie" in packed.read(name)]
    assert {p.name for p in tmp_path.iterdir()} == {made.name, page.name}


def test_whole_episodes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.recording.npz"
    file = surefoot.record_worlds(CONTROLLER, path, worlds=2, episodes=1, parameters={"payload": 1.0}, seconds=None)
    assert [len(read_world(file, i)) for i in range(2)] == [1000, 1000]
    assert read_world(file, 1, 990).done[-1] == 2
    assert read_world(file, 0).parameters == {"payload": 1.0}


def test_ctrl_c_keeps_what_was_recorded(tmp_path: Path) -> None:
    path = tmp_path / "x.recording.npz"
    command = [sys.executable, "-m", "surefoot.cli.main", "record", CONTROLLER, "--seconds", "1e6", "--out", path]
    # A shell's background job, which the tests may run in, ignores Ctrl-C, and so would the process.
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    for _ in range(600):
        part = next(tmp_path.iterdir(), None)
        if part is not None and part.stat().st_size > 100_000:
            break
        time.sleep(0.1)
    os.kill(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"what was recorded is in {path}" in said
    assert RecordingFile(path).whole
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("line", "word"),
    [
        (f"record {CONTROLLER} --out x.npz", "ends in .recording.npz"),
        (f"record {CONTROLLER} --worlds 0", "worlds 0: expected 1 or more"),
        (f"record {CONTROLLER} --episodes 0", "episodes 0: expected 1 or more"),
        (f"record {CONTROLLER} --set payload=1 --vary payload=0:1", "not both"),
        ("record nowhere", "'nowhere'"),
        ("info nowhere.recording.npz", "no recording at"),
        ("info pyproject.toml", "damaged or not a recording"),
    ],
)
def test_bad_input(line: str, word: str, refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pyproject.toml").write_text("hello")
    monkeypatch.chdir(tmp_path)
    assert word in refused(*line.split())
    assert [p.name for p in tmp_path.iterdir()] == ["pyproject.toml"]


def test_a_recording_is_exported_and_not_walked_again(refused, tmp_path: Path) -> None:
    line = refused("record", tmp_path / "walk.recording.npz")
    assert "is a recording: export it by --minari or --rerun" in line
