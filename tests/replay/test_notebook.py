"""What Jupyter shows of recordings and environments: escaped, with a picture where there is OpenGL, and the page itself."""

import base64
import dataclasses
import io
import re
import time

import numpy as np
import pytest
from PIL import Image

import surefoot
from surefoot.replay import notebook
from surefoot.robots import SurefootError

EVIL = '<script>alert("x")</script>'


def picture(html: str) -> Image.Image:
    (content,) = re.findall(r'src="data:image/webp;base64,([^"]+)"', html)
    return Image.open(io.BytesIO(base64.b64decode(content)))


@pytest.mark.render
def test_a_recording(before):
    html = dataclasses.replace(before, label=EVIL)._repr_html_()
    assert len(html) < 1_000_000
    assert EVIL not in html
    for fact in ("ant · run", "3.0 s in steps of 0.05 s", "1 of them ended by a fall", "payload 2"):
        assert fact in html
    assert np.asarray(picture(html)).std() > 10


def test_a_recording_without_opengl_says_so(before, monkeypatch):
    def refuse(*_):
        raise SurefootError("no OpenGL back-end draws pictures here")

    monkeypatch.setattr(notebook, "poster", refuse)
    html = before._repr_html_()
    assert "no OpenGL back-end" in html
    assert "<img" not in html


@pytest.mark.browser
def test_the_page_runs_in_its_frame_and_reaches_nothing_outside(before, after, browser_path, tmp_path, monkeypatch):
    playwright = pytest.importorskip("playwright.sync_api", reason="the browser tests need `pip install playwright`")
    file = tmp_path / "cell.html"
    file.write_text(f"<!doctype html><meta charset=utf-8>{notebook.Recordings([before, after])._repr_html_()}", "utf-8")
    complaints, requests = [], []
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 640, "height": 720})
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
        tab.on("request", lambda request: requests.append(request.url))
        tab.goto(file.as_uri())
        frame, end = tab.frames[1], time.monotonic() + 90
        while not frame.evaluate("() => window.surefoot?.ready === true"):
            assert time.monotonic() < end, complaints
            time.sleep(0.1)
        scene = Image.open(io.BytesIO(frame.locator("canvas").first.screenshot(timeout=120_000)))
        assert np.asarray(scene.convert("RGB")).std() > 5, "the canvas is blank"
        assert frame.evaluate("() => { try { return parent.document.title } catch { return 'refused' } }") == "refused"
        assert not complaints
        assert [url for url in requests if not url.startswith(("data:", "blob:", "file:", "about:"))] == []
        browser.close()
    monkeypatch.setattr(notebook, "LARGEST", 1000)
    assert "too large for a notebook" in notebook.page_html([before])


@pytest.mark.render
def test_environments():
    envs = surefoot.make_vec("quadruped", "velocity", num_envs=3, variation={"payload": "0:3"}, seed=0)
    envs.reset()
    html = envs._repr_html_()
    for fact in (
        "quadruped · velocity",
        "12 positions, 50 times a second",
        "vx, vy, yaw",
        "payload",
        "joint_position 12",
    ):
        assert fact in html
    assert np.asarray(picture(html)).std() > 10
    one = surefoot.make("hopper", "run", tasks={"gravity": 3.7})
    assert "fixed, gravity 3.7" in one._repr_html_()
    one.close()


def test_an_environment_without_a_screen_is_a_table(monkeypatch):
    for name in ("MUJOCO_GL", "DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    html = surefoot.make_vec("hopper", "run", num_envs=2)._repr_html_()
    assert "hopper · run" in html
    assert "<img" not in html
