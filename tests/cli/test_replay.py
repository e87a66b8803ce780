"""`surefoot replay`: several sources in one page, parts of long recordings, and the viewer."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import surefoot
from surefoot.cli.main import run

CONTROLLER = "half_cheetah-run"
BROWSER = "--no-sandbox --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync"


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


@pytest.fixture(scope="module")
def viewer(recorded: Path) -> Iterator[str]:
    """The address of a viewer of both recordings, which Ctrl-C ends."""
    command = [sys.executable, "-m", "surefoot.cli.main", "replay", str(recorded / "a"), str(recorded / "b")]
    process = subprocess.Popen(
        [*command, "--no-browser", "--port", "8917"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        address = re.search(r"http://127\.0\.0\.1:\d+/", line)
        if address:
            break
    else:
        pytest.fail(f"no address: {said}")
    yield address[0]
    os.kill(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode in (0, 130)


def test_the_viewer_serves_the_page(viewer: str) -> None:
    with urllib.request.urlopen(viewer) as answer:
        assert "half_cheetah run" in answer.read().decode()


@pytest.mark.browser
def test_the_viewer_in_a_browser(viewer: str, browser_path: str, artifacts: Path) -> None:
    """As the exported page, under the server's own policy: nothing complains, asks elsewhere, or stands still."""
    playwright = pytest.importorskip("playwright.sync_api", reason="the browser tests need `pip install playwright`")
    said: list[str] = []
    asked: list[str] = []
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=browser_path, args=BROWSER.split())
        tab = browser.new_page(viewport={"width": 420, "height": 700})  # software WebGL is slow
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.on("console", lambda m: said.append(m.text) if m.type == "error" else None)
        tab.on("request", lambda request: asked.append(request.url))
        tab.goto(viewer)

        def page(script: str) -> Any:
            return tab.evaluate(f"() => {{ return {script} }}")

        def wait(condition: str) -> None:
            end = time.monotonic() + 60
            while not page(condition):
                assert time.monotonic() < end, f"never came true: {condition}; {said}"
                time.sleep(0.05)

        wait("window.surefoot?.ready")
        places, pictures = [], []
        for key in ("Home", "End"):
            tab.keyboard.press(key)
            tab.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
            places.append(page("surefoot.bodyPose(1, 'torso').position"))
            pictures.append(tab.locator("#scene").screenshot(timeout=120_000))
        assert np.linalg.norm(np.subtract(*places)) > 0.02
        assert pictures[0] != pictures[1]
        tab.keyboard.press("Home")
        tab.keyboard.press(" ")
        wait("surefoot.playing || surefoot.time === surefoot.duration")
        wait("surefoot.time > 0")
        tab.screenshot(path=artifacts / "viewer.png", timeout=120_000)
        browser.close()
    assert said == []
    assert {url for url in asked if not url.startswith(("blob:", "data:"))} == {viewer}
