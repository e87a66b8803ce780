"""`surefoot play` in a process of its own, driven by WebSocket clients and by a real browser."""

import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

from surefoot.cli.main import run
from surefoot.envs.suites import table_of
from surefoot.replay import RecordingFile

client = pytest.importorskip("websockets.sync.client", reason="the live page needs `pip install surefoot[view]`")
from websockets.exceptions import ConnectionClosed, InvalidStatus  # noqa: E402

BROWSER = "--no-sandbox --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync"


class Play:
    """A running `surefoot play`."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        command = [
            sys.executable,
            "-m",
            "surefoot.cli.main",
            "play",
            "quadruped-velocity",
            "--no-browser",
            "--port",
            "0",
        ]
        self.process = subprocess.Popen(
            [*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip
        assert self.process.stdout is not None
        line = ""
        while "http://" not in line:
            line = self.process.stdout.readline()
            assert line, self.process.communicate()
        self.url = next(word for word in line.split() if word.startswith("http://"))
        self.folder, parts = folder, urlsplit(self.url)
        self.socket = f"ws://127.0.0.1:{parts.port}/socket" + (f"?{parts.query}" if parts.query else "")

    def end(self) -> tuple[int, str, str]:
        """Ctrl-C: exit code, and what was said on the way out."""
        os.kill(self.process.pid, signal.SIGINT)
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Play]:
    found = Play(tmp_path_factory.mktemp("play"))
    yield found
    if found.process.poll() is None:
        found.process.kill()
        found.process.communicate()


def ask(connection: Any, **what: Any) -> None:
    connection.send(json.dumps(what))


def heard(connection: Any, kind: str, until: Callable[[Any], bool] = lambda _: True) -> Any:
    """The next message of this kind ("state", "error", "frame") of which `until` holds."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        message = connection.recv(timeout=60)
        if isinstance(message, bytes):
            found = np.frombuffer(message[8:], "<f4") if kind == "frame" else None
        else:
            found = json.loads(message).get(kind)
        if found is not None and until(found):
            return found
    raise AssertionError(f"no {kind} as expected")


def test_two_pages_see_and_drive_the_same_robot(play: Play) -> None:
    with client.connect(play.socket) as one, client.connect(play.socket) as two:
        heard(two, "state", lambda state: state["watching"] == 2)
        ask(one, do="command", value=[0.9, 0, 0])
        assert heard(two, "state", lambda state: state["command"][0] == 0.9)["paused"] is False
        heard(two, "frame", lambda frame: frame[5] > 0.6)  # it follows, m/s
        ask(two, do="set", key="payload", value=3)
        heard(one, "state", lambda state: 3 in state["values"])
        ask(two, do="pause", value=True)
        heard(one, "state", lambda state: state["paused"])
        ask(one, do="pause", value=False)
        heard(two, "state", lambda state: not state["paused"])
    with client.connect(play.socket) as three:
        ask(three, do="nominal")
        heard(three, "state", lambda state: state["watching"] == 1 and 3 not in state["values"])


def test_nonsense_is_answered_and_nobody_else_is_bothered(play: Play) -> None:
    with client.connect(play.socket) as good, client.connect(play.socket) as bad:
        for said in ("nonsense", b"\x00\xff", '{"do": "fly"}', '{"do": "set", "key": "payload", "value": 1e9}'):
            bad.send(said)
            assert heard(bad, "error")
        bad.send("x" * 10_000)
        with pytest.raises(ConnectionClosed, match="1009"):
            heard(bad, "nothing")
        with client.connect(play.socket) as gone:
            gone.send('{"do": "push"}')
            gone.socket.sendall(b"\x81\xfe\x10\x00abcd")  # a message of 4096 bytes begins …
            gone.socket.shutdown(socket.SHUT_RDWR)  # … and never ends
        for _ in range(5):
            heard(good, "frame")
        heard(good, "state", lambda state: state["watching"] == 1)


def test_other_pages_are_refused(play: Play) -> None:
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": "http://127.0.0.1:1"}):
        with pytest.raises(InvalidStatus, match="403"), client.connect(play.socket, additional_headers=headers):
            pass
    with client.connect(play.socket, additional_headers={"Origin": play.url.rstrip("/")}) as own:
        assert heard(own, "frame").size > 90


@pytest.mark.browser
def test_the_page_in_a_browser(play: Play, browser_path: str, artifacts: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    playwright = pytest.importorskip("playwright.sync_api", reason="the browser tests need `pip install playwright`")
    complaints: list[str] = []
    requests: set[str] = set()
    with playwright.sync_playwright() as running, client.connect(play.socket) as watcher:
        browser = running.chromium.launch(executable_path=browser_path, args=BROWSER.split())
        tab = browser.new_page(viewport={"width": 420, "height": 700})  # software WebGL is slow
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
        tab.on("request", lambda request: requests.add(request.url))

        def page(script: str) -> Any:
            return tab.evaluate(f"() => {{ return {script} }}")

        def wait(condition: str) -> None:
            end = time.monotonic() + 90
            while not page(condition):
                assert time.monotonic() < end, f"never came true: {condition}; {complaints}"
                time.sleep(0.1)

        def picture() -> np.ndarray:
            png = tab.locator("#scene").screenshot(timeout=120_000)
            return np.asarray(image.open(io.BytesIO(png)).convert("RGB")).astype(int)

        tab.goto(play.url)
        wait("window.surefoot?.ready && surefoot.frames > 5")
        assert page("surefoot.linked") == "live"
        tab.locator("#drive input[type=number]").first.fill("1.1")
        tab.keyboard.press("Tab")
        assert heard(watcher, "state", lambda state: state["command"][0] == 1.1)
        wait("surefoot.latest[0].actual[0] > 0.7")  # the robot follows
        place = page("surefoot.bodyPose(0, 'trunk').position")
        first = picture()
        assert first.std() > 5, "the canvas is blank"
        tab.locator("#drive input[type=range]").nth(2).press("End")
        assert heard(watcher, "state", lambda state: state["command"][2] > 1)
        tab.locator("#scene").focus()
        for key, done in (
            ("w", lambda state: state["command"][0] > 1.1),
            ("x", lambda state: state["command"] == [0, 0, 0]),
            ("ArrowDown", lambda state: state["command"][0] < 0),
            ("q", lambda state: state["command"][2] > 0),
            ("p", lambda state: state["paused"]),
            ("p", lambda state: not state["paused"]),
        ):
            tab.keyboard.press(key)
            told = heard(watcher, "state", done)
            # Else the page would go by what was before.
            wait(f"surefoot.state.paused === {json.dumps(told['paused'])}")
            wait(f"{json.dumps(told['command'])}.every((v, i) => v === surefoot.state.command[i])")
        before = page("surefoot.frames")
        tab.keyboard.press(" ")  # pushes
        tab.locator("#motors button").first.click()
        dead = table_of("quadruped").columns("dead_actuator")
        assert heard(watcher, "state", lambda state: sum(state["values"][k] for k in dead) == 1)
        wait("document.querySelector('#motors button').getAttribute('aria-pressed') === 'true'")
        payload = tab.locator("#robot .setting").filter(has_text="payload")
        payload.locator("input[type=number]").fill("5")
        tab.keyboard.press("Tab")
        assert heard(watcher, "state", lambda state: 5 in state["values"])
        wait("document.querySelector('.setting.changed')?.textContent.includes('payload')")
        wait(f"surefoot.frames > {before} + 20")
        moved = page("surefoot.bodyPose(0, 'trunk').position")
        assert np.linalg.norm(np.subtract(moved, place)) > 0.05
        second, rows = picture(), slice(0, 300)  # a scrolled page may be shown half a pixel off
        assert (np.abs(first[rows] - second[rows]).max(axis=2) > 40).mean() > 0.005, "the picture does not change"
        assert page("document.getElementById('adapting').textContent.includes('does not adapt')")
        assert page("document.querySelector('#adapting input').disabled")
        tab.screenshot(path=artifacts / "live-phone.png", timeout=120_000)
        assert page("document.documentElement.scrollWidth <= innerWidth")
        assert complaints == []
        assert {urlsplit(url).netloc for url in requests if not url.startswith(("data:", "blob:"))} == {
            urlsplit(play.url).netloc
        }
        # The server is suspended, and answers again: the page says so, and goes on.
        os.kill(play.process.pid, signal.SIGSTOP)
        wait("surefoot.linked === 'silent'")
        os.kill(play.process.pid, signal.SIGCONT)
        wait("surefoot.linked === 'live'")
        browser.close()


def test_ctrl_c_ends_it_and_keeps_what_is_recorded(play: Play) -> None:
    with client.connect(play.socket) as watcher:
        ask(watcher, do="record", value=True)
        (name,) = heard(watcher, "state", lambda state: state["recording"])["recording"]
        for _ in range(20):
            heard(watcher, "frame")
        code, out, err = play.end()
        with pytest.raises(ConnectionClosed):
            heard(watcher, "nothing")
    assert (code, err) == (0, "")  # nor did anything that the tests above have done leave a word
    assert f"wrote {name}" in out
    assert RecordingFile(play.folder / name).steps >= 20
    assert [path.name for path in play.folder.iterdir()] == [name]


def test_beyond_this_machine_a_token_is_needed_for_both(tmp_path: Path) -> None:
    wide = Play(tmp_path, "--host", "0.0.0.0")
    assert "?token=" in wide.socket
    with client.connect(wide.socket) as own:
        heard(own, "frame")
    for other in (wide.socket.partition("?")[0], wide.socket[:-1], wide.socket + "x"):
        with pytest.raises(InvalidStatus, match="403"), client.connect(other):
            pass
    assert wide.end()[::2] == (0, "")


def test_bad_input(refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for line, said in (
        ("play nowhere", "no run folder or controller file at 'nowhere'"),
        ("play quadruped-velocity --set payloat=3", "did you mean payload"),
        ("play walk.recording.npz", "is a recording, which surefoot replay shows"),
        ("play quadruped-velocity --adapted half_cheetah-run", "expected the same robot and task"),
        ("play quadruped-velocity --host no-such.invalid --no-browser", "host 'no-such.invalid' is not known here"),
        ("play quadruped-velocity --port 70000 --no-browser", "port 70000: expected 0"),
    ):
        assert said in refused(*line.split())
    assert not list(tmp_path.iterdir())
    monkeypatch.setitem(sys.modules, "websockets.asyncio.server", None)
    assert run(["play", "quadruped-velocity"]) == 2
