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

from surefoot.replay import Recording, pack_model, write_page
from surefoot.robots import SurefootError, get_robot

FLAGS = "--no-sandbox --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync"
SMALL = {"width": 480, "height": 640}  # software WebGL is slow
NO_WEBGL = """
const get = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
  return kind.startsWith("webgl") ? null : get.call(this, kind, ...rest);
};
"""
CURVE = {
    "label": "after",
    "x": [0, 1, 2],
    "y": [1, float("nan"), 3],
    "xlabel": "s",
    "ylabel": "return",
    "also": {"steps": [0, 50, 99]},
}
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
        self.ready()

    def ready(self) -> None:
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
        """The 3-D view drawn now, (height, width, 3), without what stands over it."""
        coded = self("(surefoot.scene.draw(surefoot.time), document.getElementById('scene').toDataURL())")
        return np.asarray(Image.open(io.BytesIO(base64.b64decode(coded.partition(",")[2]))).convert("RGB")).astype(int)


@pytest.fixture(scope="module")
def standing() -> Recording:
    """A quadruped that stands, 0.8 s in steps of 0.02 s: feet with touch sensors, a payload that doubles, beliefs about it."""
    robot = get_robot("quadruped")
    model = robot.compile()
    data = mujoco.MjData(model)
    data.qpos[:] = robot.home_qpos(model)
    state: list[list[np.ndarray]] = []
    for _ in range(40):
        data.ctrl[:] = robot.home_qpos(model)[7:]
        mujoco.mj_step(model, data, robot.substeps(model))
        state.append([a.copy() for a in (data.qpos, data.qvel, data.ctrl, data.actuator_force, data.sensordata)])
    qpos, qvel, action, force, sensor = (np.array(rows) for rows in zip(*state, strict=True))
    names = [model.sensor(i).name for i in range(model.nsensor) for _ in range(model.sensor_dim[i])]
    touch = [names.index(f"{foot}_touch") for foot in robot.feet]
    steps, zeros = len(qpos), np.zeros(len(qpos))
    return Recording(
        robot="quadruped", task="velocity", label="standing", dt=robot.control_dt, model=pack_model(robot.make_spec()),
        base=robot.base, qpos=qpos, qvel=qvel, action=action, force=force, reward=zeros, done=zeros,
        command=np.zeros((steps, 3)), actual=qvel[:, [0, 1, 5]], command_names=("vx", "vy", "yaw"),
        contact=sensor[:, touch] > 0, foot_names=robot.feet, sensor=sensor, sensor_names=tuple(names),
        inferred=np.linspace([0.0], [4.0], steps), inferred_std=np.full((steps, 1), 0.5), inferred_names=("payload",),
        parameters={"payload": 2.0, "motor_strength.front_left_calf": 0.5},
        changes=((20, {"payload": 4.0, "motor_strength.front_left_calf": 0.5}),),
    )  # fmt: skip


@pytest.fixture(scope="module")
def page(browser, before, after, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "page.html"
    write_page(path, [before, after], title="Ant", summary=SUMMARY, curves=[CURVE])
    opened = Page(browser, path)
    yield opened
    opened.tab.close()


@pytest.fixture(scope="module")
def rich(browser, before, standing, tmp_path_factory):
    """Two robots of different kinds, lengths and time steps, one of which becomes another in mid-recording."""
    path = tmp_path_factory.mktemp("page") / "rich.html"
    write_page(path, [before, standing], title="Ant and quadruped")
    opened = Page(browser, path)
    opened("surefoot.scene.setQuality(0.7, false)")
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
    press("Home")
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
    press("g")
    press(".")
    assert page("surefoot.time") == pytest.approx((first_fall + 1) * before.dt, abs=1e-3)
    press(",")
    press(",")
    assert page("surefoot.time") == pytest.approx((first_fall - 1) * before.dt, abs=1e-3)
    for key, camera in (("3", "above"), ("2", "orbit"), ("1", "follow")):
        press(key)
        assert page("surefoot.scene.camera") == page("document.getElementById('camera').value") == camera
    press("1")
    page.seek(page("surefoot.time"))
    eye, seen = "({...surefoot.scene.eye.position})", []
    for key in "hu":
        seen.append(page(eye))
        press(key)
        page.seek(page("surefoot.time"))
    seen.append(page(eye))
    assert seen[0]["x"] != seen[1]["x"]
    assert seen[1]["z"] < seen[2]["z"]
    far = page("surefoot.scene.eye.position.distanceTo(surefoot.scene.eye.target)")
    press("i")
    page.seek(page("surefoot.time"))
    assert page("surefoot.scene.eye.position.distanceTo(surefoot.scene.eye.target)") < 0.9 * far
    press("c")
    press("+")
    assert page("document.getElementById('speed').value") == "2"
    press("-")
    press("?")
    assert "next fall" in page("document.getElementById('key-list').innerText")
    assert page("document.getElementById('help').open")
    press("f")  # the help has the keys to itself
    assert page("surefoot.time") == pytest.approx((first_fall - 1) * before.dt, abs=1e-3)
    press("Escape")
    assert not page("document.getElementById('help').open")
    assert page.complaints == []


@pytest.mark.browser
def test_loop_begins_again(page):
    page.tab.keyboard.press("l")
    page.seek(page("surefoot.duration") - 0.01)
    page.tab.keyboard.press("Space")
    page.wait("surefoot.playing && surefoot.time < 1")
    page.tab.keyboard.press("Space")
    page.tab.keyboard.press("l")
    assert not page("document.getElementById('loop').checked")


@pytest.mark.browser
@pytest.mark.parametrize("size", [(1280, 720), (390, 844)])
def test_fits_the_window(page, size, artifacts):
    """No sideways scrolling, and at 1280 x 720 everything that drives the replay is in the window; dark is another look."""
    page.tab.set_viewport_size({"width": size[0], "height": size[1]})
    assert page("document.documentElement.scrollWidth") <= size[0]
    if size[0] > 1000:
        assert page("document.getElementById('layers').getBoundingClientRect().bottom") <= size[1]
    light = page("getComputedStyle(document.body).backgroundColor")
    page.tab.emulate_media(color_scheme="dark")
    assert page("getComputedStyle(document.body).backgroundColor") != light
    page.tab.screenshot(path=artifacts / f"page-dark-{size[0]}.png", timeout=120_000)
    page.tab.select_option("#theme", "light")
    assert page("getComputedStyle(document.body).backgroundColor") == light
    page.tab.emulate_media(color_scheme="light")
    page.tab.select_option("#theme", "dark")
    assert page("getComputedStyle(document.body).backgroundColor") != light
    assert page.picture().mean() < 110  # the scene too
    page.tab.select_option("#theme", "system")
    assert page("getComputedStyle(document.body).backgroundColor") == light
    page.tab.set_viewport_size(SMALL)
    assert page.complaints == []


@pytest.mark.browser
def test_tables_and_captions(page):
    text = page("document.body.innerText")
    for word in ("A note.", "before", "after", "1.25", "payload", "nominal", "episode 1 of 2"):
        assert word in text
    assert page("document.querySelectorAll('.plot').length") == 6  # vx, vy, reward, forces, feet, curve
    curve = "document.querySelector('#more .plot')"
    assert page(f"[...{curve}.querySelectorAll('option')].map((o) => o.value)") == ["s", "steps"]
    before_ = page(f"{curve}.querySelector('canvas').toDataURL()")
    page(
        f"(() => {{ const s = {curve}.querySelector('select'); s.value = 'steps'; s.dispatchEvent(new Event('change')); }})()"
    )
    assert page(f"{curve}.querySelector('canvas').toDataURL()") != before_


@pytest.mark.browser
def test_different_robots_lengths_and_time_steps_play_in_step(rich, before, standing):
    t = 0.42  # a row of both: 0.02 s and 0.05 s would not be in step by row
    for time_ in (t, standing.times[-1] + 0.4):
        rich.seek(time_)
        for index, recording, body in ((0, before, "torso"), (1, standing, "trunk")):
            qpos = [np.interp(min(time_, recording.times[-1]), recording.times, recording.qpos[:, i]) for i in range(3)]
            np.testing.assert_allclose(rich(f"surefoot.bodyPose({index}, '{body}')")["position"], qpos, atol=1e-3)
    assert "recording ended" in rich("document.getElementById('captions').innerText")
    assert rich("surefoot.duration") == pytest.approx(max(before.times[-1], standing.times[-1]))


@pytest.mark.browser
def test_feet_and_centre_of_mass_are_those_of_the_robot_as_it_was(rich, standing):
    model = standing.compile()
    trunk = model.body("trunk").id
    nominal = model.body_mass.copy()
    for row, payload in ((10, 2.0), (30, 4.0)):
        rich.seek(standing.times[row])
        model.body_mass[:] = nominal
        model.body_mass[trunk] += payload
        mujoco.mj_setConst(model, mujoco.MjData(model))
        data = mujoco.MjData(model)
        data.qpos[:] = standing.qpos[row]
        mujoco.mj_forward(model, data)
        np.testing.assert_allclose(rich("surefoot.centreOfMass(1)"), data.subtree_com[trunk], atol=1e-4)
        feet = [data.geom(name).xpos for name in standing.foot_names]
        np.testing.assert_allclose(rich("surefoot.feet(1)"), feet, atol=1e-3)


@pytest.mark.browser
def test_changes_of_parameters_are_followed(rich, standing):
    press, rows = rich.tab.keyboard.press, "[...document.querySelectorAll('.parameters tr')]"
    cell = f"{rows}.find((row) => row.innerText.startsWith('payload'))"
    rich.seek(0)
    assert rich(f"{cell}.innerText").split()[-3:] == ["0", "2", "2"]  # nominal, the ant's, the quadruped's
    press("n")
    assert rich("surefoot.time") == pytest.approx(20 * standing.dt, abs=1e-3)
    rich.seek(rich("surefoot.time"))
    assert rich(f"{cell}.innerText").split()[-3:] == ["0", "2", "4"]
    assert rich(f"{cell}.lastChild.className") == "number changed fresh"
    assert rich("document.querySelectorAll('#marks i.change').length") == 1
    press("N")
    assert rich("surefoot.time") == pytest.approx(20 * standing.dt, abs=1e-3)  # there is none before
    rich("[...document.querySelectorAll('button.link')].forEach((b) => b.click())")
    assert "gravity" in rich("document.getElementById('parameters').innerText")


@pytest.mark.browser
def test_plots_follow_the_time_and_what_is_chosen(rich, standing):
    plot = "[...document.querySelectorAll('.plot')].find((p) => p.querySelector('h2').textContent.startsWith('{}'))"
    cursor, keys = f"{plot}.querySelector('.cursor').style.left", f"{plot}.querySelector('.legend').innerText"
    choose = (
        "(() => {{ const s = {}.querySelector('select'); s.value = '{}'; s.dispatchEvent(new Event('change')); }})()"
    )
    found = []
    for row in (0, 30):
        rich.seek(standing.times[row])
        found.append([rich(text.format(name)) for name in ("Believed", "Forward") for text in (cursor, keys)])
    assert all(a != b for a, b in zip(*found, strict=True))
    assert re.search(r"standing believes 3\.08 ± 0\.82", found[1][1])  # 1.645 standard deviations
    assert "true 4" in found[1][1]
    actuator = "front_left_calf"
    rich(choose.format(plot.format("Actuator"), actuator))
    limit = standing.compile().actuator(actuator).forcerange[1] * 0.5  # its motor has half its strength
    force = standing.force[30, standing.compile().actuator(actuator).id]
    said = rich(keys.format("Actuator"))
    assert f"limit {limit:.3g}" in said
    assert float(re.search(r"standing (\S+)", said)[1].replace("−", "-")) == pytest.approx(force, abs=0.02)
    rich(choose.format(plot.format("Reward"), "reward term: forward"))
    assert "before" in rich(keys.format("Reward"))
    assert rich.complaints == []


@pytest.mark.browser
def test_layers_are_switched_and_remembered(rich, standing, artifacts):
    press = rich.tab.keyboard.press
    rich.seek(0.5)
    last = rich.picture()
    for name, key in (("velocity", "v"), ("trails", "t"), ("contacts", "x"), ("centre", "m"), ("support", "p")):
        on = rich(f"surefoot.scene.layers.{name}")
        press(key)
        assert rich(f"surefoot.scene.layers.{name}") is not on
        assert (
            rich(f"document.querySelector('[data-layer={name}]').getAttribute('aria-pressed')") == str(not on).lower()
        )
        now = rich.picture()
        assert (np.abs(last - now).max(axis=2) > 30).sum() > 20, f"{name} is not seen"
        last = now
    rich.tab.screenshot(path=artifacts / "page-layers.png", timeout=120_000)
    rich.tab.reload()
    rich.ready()
    assert rich("surefoot.scene.layers") == {
        "velocity": False, "trails": False, "contacts": False, "centre": True, "support": True,
    }  # fmt: skip


@pytest.mark.browser
@pytest.mark.render
def test_scrubbing_shows_the_pose_of_that_time(page, after, artifacts):
    """The robot covers the pixels that it covers in MuJoCo's picture of that state, taken by the same camera."""
    page("document.querySelectorAll('#layers [aria-pressed=true]').forEach((button) => button.click())")
    page("surefoot.scene.setQuality(1, false)")
    page.seek(after.times[28])
    x, y, width, height = (round(v) for v in page("surefoot.scene.views()[1]"))
    shown = page.picture()[y + 2 : y + height - 24, x + 2 : x + width - 2]  # without borders and the floor's legend
    tinted = np.ptp(shown, axis=2) > 45  # the robot is blue, everything else is grey
    same, other = (silhouette(after, row, page("surefoot.scene.eye"), (width, height))[2:-24, 2:-2] for row in (28, 8))
    overlap = [(tinted & mask).sum() / (tinted | mask).sum() for mask in (same, other)]
    Image.fromarray(np.stack([tinted, same, other], axis=2).astype(np.uint8) * 255).save(
        artifacts / "page-silhouette.png"
    )
    assert overlap[0] > 0.85 > 0.7 > overlap[1], overlap


def silhouette(recording: Recording, row: int, eye: dict, size: tuple[int, int]) -> np.ndarray:
    """Pixels (height, width) that the robot covers in MuJoCo's own picture of that row."""
    model = recording.compile()
    model.vis.global_.fovy = eye["fov"]
    model.vis.global_.offwidth, model.vis.global_.offheight = size
    data, camera = mujoco.MjData(model), mujoco.MjvCamera()
    data.qpos[:] = recording.qpos[row]
    mujoco.mj_forward(model, data)
    forward = np.array([eye["target"][axis] - eye["position"][axis] for axis in "xyz"])
    camera.lookat[:] = [eye["target"][axis] for axis in "xyz"]
    camera.distance = np.linalg.norm(forward)
    camera.azimuth = np.degrees(np.arctan2(forward[1], forward[0]))
    camera.elevation = np.degrees(np.arcsin(forward[2] / camera.distance))
    with mujoco.Renderer(model, size[1], size[0]) as renderer:
        renderer.enable_segmentation_rendering()
        renderer.update_scene(data, camera)
        ids, kinds = np.moveaxis(renderer.render(), 2, 0)
    robot = model.geom_bodyid[np.clip(ids, 0, None)] != 0
    return (kinds == mujoco.mjtObj.mjOBJ_GEOM) & (ids >= 0) & robot


@pytest.mark.browser
def test_divergence_and_what_is_missing_are_said(browser, before, tmp_path):
    cut = dataclasses.replace(
        before.rows(np.arange(len(before)) < 30), diverged=30 * before.dt, notes=("diverged at 1.50 s", "breaks off")
    )
    write_page(tmp_path / "page.html", [cut], title="Diverged")
    page = Page(browser, tmp_path / "page.html")
    assert page("document.getElementById('notes').innerText").split("\n") == ["diverged at 1.50 s", "breaks off"]
    assert page("document.querySelectorAll('#marks i.diverged').length") == 1
    page.tab.keyboard.press("f")
    assert page("surefoot.time") == pytest.approx(29 * before.dt, abs=1e-3)
    page.seek(page("surefoot.time"))
    assert "diverged at 1.50 s" in page("document.getElementById('captions').innerText")
    assert page.complaints == []
    page.tab.close()


@pytest.mark.browser
def test_without_scripts_one_line_says_so(browser, before, tmp_path):
    write_page(tmp_path / "page.html", [before], title="No script")
    tab = browser.new_page(java_script_enabled=False)
    tab.goto((tmp_path / "page.html").as_uri())
    assert "needs JavaScript" in tab.locator("noscript .alert").inner_text()
    assert not tab.locator("main").is_visible()
    tab.close()


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
