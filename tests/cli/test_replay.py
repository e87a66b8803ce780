"""`surefoot replay`: several sources in one page, parts of long recordings, and the viewer."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from importlib.util import find_spec
from pathlib import Path

import pytest

import surefoot
from surefoot.cli.main import run

CONTROLLER = "half_cheetah-run"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """a/walk and b/walk of half a second, by one controller."""
    folder = tmp_path_factory.mktemp("recordings")
    for name, seed in (("a", 0), ("b", 1)):
        (folder / name).mkdir()
        surefoot.record_worlds(CONTROLLER, folder / name / "walk.recording.npz", seconds=0.5, seed=seed, label="walk")
    return folder


def shown(page: Path) -> list[dict]:
    """The recordings in a page."""
    found = re.search(r'<script id="data"[^>]*>(.*?)</script>', page.read_text(), re.S)
    assert found is not None
    return json.loads(found[1])["recordings"]


def test_several_sources_are_told_apart(recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page, sources = tmp_path / "page.html", [str(recorded / name / "walk.recording.npz") for name in "ab"]
    assert run(["replay", *sources, CONTROLLER, "--seconds", "0.3", "--html", str(page)]) == 0
    assert f"wrote {page}" in capsys.readouterr().out
    found = shown(page)
    assert [r["label"] for r in found] == ["a/walk", "b/walk", "controller"]
    assert len({tuple(r["colour"]) for r in found}) == 3
    assert {r["times"]["shape"][0] for r in found} == {6}  # 0.3 s of each, in steps of 0.05 s


def test_a_part_of_a_recording(recorded: Path, tmp_path: Path, refused) -> None:
    page, source = tmp_path / "page.html", str(recorded / "a" / "walk.recording.npz")
    assert run(["replay", source, "--start", "0.2", "--seconds", "0.1", "--html", str(page)]) == 0
    assert shown(page)[0]["notes"] == ["seconds 0.2 to 0.3 of 0.5"]
    assert shown(page)[0]["times"]["shape"] == [2]
    assert "ends at 0.5 s" in refused("replay", source, "--start", "9", "--html", page)
    assert "--start is for recordings" in refused("replay", CONTROLLER, "--start", "1", "--html", page)
    assert "one controller to compare" in refused(
        "replay", CONTROLLER, CONTROLLER, "--adapted", CONTROLLER, "--html", page
    )


def test_a_page_of_a_file_that_breaks_off_says_so(recorded: Path, tmp_path: Path) -> None:
    file, page = tmp_path / "cut.recording.npz", tmp_path / "page.html"
    surefoot.record_worlds(CONTROLLER, file, seconds=20)
    file.write_bytes(file.read_bytes()[:-5000])
    assert run(["replay", str(file), "--html", str(page)]) == 0
    (note,) = shown(page)[0]["notes"]
    assert note == "the file breaks off: this is all up to its last whole chunk, 12.8 s"


@pytest.mark.skipif(find_spec("surefoot.replay.server") is None, reason="the viewer's server is not there")
def test_the_viewer_serves_the_page_until_ctrl_c(recorded: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "surefoot.cli.main",
        "replay",
        str(recorded / "a"),
        "--no-browser",
        "--port",
        "8917",
    ]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        address = re.search(r"http://127\.0\.0\.1:\d+\S*", line)
        if address:
            break
    else:
        pytest.fail(f"no address: {said}")
    with urllib.request.urlopen(address[0].rstrip(".,;")) as answer:
        page = answer.read().decode()
    assert "half_cheetah run" in page
    os.kill(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode in (0, 130)
