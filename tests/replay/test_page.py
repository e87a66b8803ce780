"""The page in a real browser: opens from disk, asks nobody for anything, and shows what was recorded."""

import base64
import dataclasses
import io
import json
import re
import time
from pathlib import Path

import mujoco
import numpy as np
import pytest
from PIL import Image

from surefoot.replay import write_page
from surefoot.robots import SurefootError

FLAGS = "--no-sandbox --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync"
SMALL = {"width": 480, "height": 640}  # software WebGL is slow
NO_WEBGL = """
const get = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
  return kind.startsWith("webgl") ? null : get.call(this, kind, ...rest);
};
"""
CURVE = {"label": "after", "x": [0, 1, 2], "y": [1, float("nan"), 3], "xlabel": "s", "ylabel": "return"}
SUMMARY = {"columns": ["", "return"], "rows": [["before", 1.25], ["after", 2.5]], "note": "A note."}


@pytest.fixture(scope="module")
def browser(browser_path):
    playwright = pytest.importorskip("playwright.sync_api", reason="the browser tests need `pip install playwright`")
    with playwright.sync_playwright() as running:
        instance = running.chromium.launch(executable_path=browser_path, args=FLAGS.split())
        yield instance
        instance.close()


class Page:
    """A page opened from disk, with everything it complained about and asked for."""

    def __init__(self, browser, path: Path, **options) -> None:
        self.tab = browser.new_page(viewport=SMALL, **options)
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.tab.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.tab.on("console", lambda m: self.complaints.append(m.text) if m.type == "error" else None)
        self.tab.on("request", lambda request: self.requests.append(request.url))

        self.tab.goto(path.as_uri())
        self.wait("Boolean(window.surefoot?.ready) || !document.getElementById('alert').hidden")

    def __call__(self, script: str):
        return self.tab.evaluate(f"() => {{ return {script} }}")

    def wait(self, condition: str, seconds: float = 60) -> None:
        """Ask again and again: Playwright's own waiting needs eval, which the page's policy forbids."""
        end = time.monotonic() + seconds
        while not self(condition):
            assert time.monotonic() < end, f"never came true: {condition}; {self.complaints}"
            time.sleep(0.05)

    def seek(self, t: float) -> None:
        self(f"surefoot.seek({t})")
        self.tab.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def picture(self) -> np.ndarray:
        """The 3-D view as shown, (height, width, 3)."""
        png = self.tab.locator("#scene").screenshot(timeout=120_000)
        return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


@pytest.fixture
def page(browser, before, after, tmp_path):
    path = tmp_path / "page.html"
    write_page(path, [before, after], title="Ant", summary=SUMMARY, curves=[CURVE])
    opened = Page(browser, path)
    yield opened
    opened.tab.close()


@pytest.mark.browser
def test_opens_from_disk_and_moves_with_time(page, before, artifacts):
    page.seek(0)
    first = page.picture()
    page.tab.screenshot(path=artifacts / "page-start.png", timeout=120_000, full_page=True)
    page.seek(1.5)
    second = page.picture()
    page.tab.screenshot(path=artifacts / "page-later.png", timeout=120_000, full_page=True)
    assert first.std() > 5, "the canvas is blank"
    assert (np.abs(first - second).max(axis=2) > 40).mean() > 0.005, "the picture does not change with time"
    assert page("surefoot.duration") == pytest.approx(before.times[-1])
    assert page.complaints == []
    assert {url.split(":")[0] for url in page.requests} <= {"file", "blob", "data"}


@pytest.mark.browser
def test_poses_are_those_of_mujoco(page, before, after):
    for index, recording in enumerate((before, after)):
        model = recording.compile()
        data = mujoco.MjData(model)
        row = 30
        page.seek(recording.times[row])
        data.qpos[:] = recording.qpos[row]
        mujoco.mj_kinematics(model, data)
        for name in ("torso", "aux_1"):
            body = data.body(name)
            pose = page(f"surefoot.bodyPose({index}, '{name}')")
            span = np.ptp(recording.qpos[:, :3], axis=0).max() + 2
            np.testing.assert_allclose(pose["position"], body.xpos, atol=span / 65535)
            assert abs(np.dot(pose["quaternion"], body.xquat)) == pytest.approx(1, abs=1e-6)


@pytest.mark.browser
def test_no_interpolation_across_a_reset(page, before):
    fall = int(np.flatnonzero(before.done == 1)[0])
    page.seek(before.times[fall] + before.dt / 2)
    pose = page("surefoot.bodyPose(0, 'torso')")
    np.testing.assert_allclose(pose["position"], before.qpos[fall, :3], atol=1e-3)


@pytest.mark.browser
def test_keys(page, before):
    press = page.tab.keyboard.press
    press("ArrowRight")
    assert page("surefoot.time") == pytest.approx(before.dt, abs=1e-3)
    press("ArrowLeft")
    assert page("surefoot.time") == pytest.approx(0, abs=1e-3)
    press("Space")
    page.wait("surefoot.playing && surefoot.time > 0.1")
    press("Space")
    assert page("surefoot.playing") is False
    press("End")
    assert page("surefoot.time") == pytest.approx(before.times[-1], abs=1e-3)
    press("Home")
    press("f")
    first_fall = min(30, int(np.flatnonzero(before.done == 1)[0]))  # after's fall, 30, comes first
    assert page("surefoot.time") == pytest.approx(first_fall * before.dt, abs=1e-3)
    press("g")
    assert page("document.getElementById('mode').value") == "ghosts"
    assert page.complaints == []


@pytest.mark.browser
def test_tables_and_captions(page):
    text = page("document.body.innerText")
    for word in ("A note.", "before", "after", "1.25", "payload", "nominal", "episode 1 of 2"):
        assert word in text
    assert page("document.querySelectorAll('.plot').length") == 5  # vx, vy, reward, feet, curve


@pytest.mark.browser
def test_names_are_text_never_code(browser, before, tmp_path):
    evil = "</script><img src=x onerror=\"document.title='owned'\"><!--<script>{{data}}"
    recording = dataclasses.replace(
        before, robot=evil, label=evil, task=evil, terms={evil: before.reward}, parameters={evil: 1.0},
        command_names=(evil, "vy"),
    )  # fmt: skip
    path = tmp_path / "evil.html"
    summary = {"columns": [evil], "rows": [[evil]], "note": evil}
    write_page(path, [recording], title=evil, summary=summary, curves=[CURVE | {"label": evil, "xlabel": evil}])
    page = Page(browser, path)
    assert page("document.title") == evil
    assert page("document.images.length") == 0
    assert page.complaints == []
    page.tab.close()


@pytest.mark.browser
def test_without_webgl_the_rest_works(browser, before, tmp_path):
    path = tmp_path / "page.html"
    write_page(path, [before], title="No 3-D")
    text = path.read_text().replace("<script ", f"<script>{NO_WEBGL}</script><script ", 1)
    path.write_text(text)
    page = Page(browser, path)
    assert "no WebGL" in page("document.getElementById('message').innerText")
    page.seek(1.0)
    assert page("surefoot.bodyPose(0, 'torso')")
    assert page("document.querySelector('.plot canvas').width") > 0
    page.tab.close()


@pytest.mark.browser
def test_curves_without_recordings(browser, tmp_path):
    path = tmp_path / "curves.html"
    write_page(path, [], title="Training", curves=[CURVE])
    page = Page(browser, path)
    assert page("document.querySelectorAll('.plot').length") == 1
    assert page.complaints == []
    page.tab.close()


@pytest.mark.browser
def test_a_damaged_page_says_so(browser, before, tmp_path):
    path = tmp_path / "page.html"
    write_page(path, [before], title="x")
    path.write_text(
        re.sub(r'(<script id="blob"[^>]*>.{100}).*?</script>', r"\1</script>", path.read_text(), flags=re.S)
    )
    page = Page(browser, path)
    assert "damaged" in page("document.getElementById('alert').innerText")
    page.tab.close()


def test_page_is_small_and_self_contained(before, after, tmp_path):
    path = tmp_path / "page.html"
    write_page(path, [before, after], title="x")
    text = path.read_text()
    assert len(text) < 600_000
    assert not re.search(r"""(src|href)\s*=\s*["']?(https?:)?//""", text)
    assert json.loads(re.search(r'<script id="data"[^>]*>(.*?)</script>', text, re.S)[1])["title"] == "x"
    assert base64.b64decode(re.search(r'<script id="blob"[^>]*>(.*?)</script>', text, re.S)[1])[:2] == b"\x1f\x8b"


def test_bad_input(before, tmp_path):
    with pytest.raises(SurefootError, match="nothing to show"):
        write_page(tmp_path / "x.html", [], title="x")
    with pytest.raises(SurefootError, match="expected 1"):
        write_page(tmp_path / "x.html", [before], title="x", summary={"columns": ["a"], "rows": [[1, 2]]})
    with pytest.raises(SurefootError, match="curve 'after'"):
        write_page(tmp_path / "x.html", [before], title="x", curves=[CURVE | {"y": [1]}])
    assert not list(tmp_path.iterdir())
