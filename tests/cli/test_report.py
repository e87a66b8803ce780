"""`surefoot report` and the pictures of `surefoot replay`, as people type them."""

import csv
import json
import re
import shutil
from base64 import b64decode
from pathlib import Path
from urllib.request import pathname2url
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from surefoot.api.reporting import Training, _trainings, write_report
from surefoot.cli.main import run
from surefoot.controllers.config import TrainConfig
from surefoot.envs import opengl
from surefoot.replay import video

SVG = "{http://www.w3.org/2000/svg}"
EVIL = "<script>alert(1)</script>"
COMPARISON = {
    "suite": f"s {EVIL}", "robot": "quadruped", "task": "velocity", "baseline": "plain", "oracle": None,
    "episodes": 2, "trial": 1, "cvar_share": 0.1,
    "splits": {
        "test": {
            "tasks": ["payload=1", "payload=2"], "thresholds": [0.0, 5.0, 10.0],
            "methods": {
                name: {
                    "seeds": 2, "mean": 1.0, "iqm": 1.0, "cvar": 1.0, "iqm_interval": [0.5, 1.5], "success": 0.75,
                    "task_returns": [[1.0, 2.0], [2.0, 3.0]], "profile": [1.0, 0.5, 0.0],
                    "safety": {"falls": 0.25, "impact": None, "energy": 123.4},
                } for name in ("plain", EVIL)
            },
        },
    },
}  # fmt: skip


def a_run(folder: Path, seed: int, returns: list[float], **changes: object) -> Path:
    """A run folder with a log of these returns, a million steps apart."""
    config = {
        "robot": "quadruped",
        "task": "velocity",
        "steps": 10,
        "seed": seed,
        "vary": {"payload": "0:3"},
        **changes,
    }
    (folder / "log_0").mkdir(parents=True)
    TrainConfig(**config).save(folder / "config.json")
    columns = ["time/total_timesteps", "time/time_elapsed", "rollout/ep_rew_mean", "reward/gait"]
    with (folder / "log_0" / "progress.csv").open("w", newline="") as file:
        rows = [[1e6 * (i + 1), 30 * (i + 1), value, value / 10] for i, value in enumerate(returns)]
        csv.writer(file).writerows([columns, *rows])
    return folder


def figures(page: str) -> list[ElementTree.Element]:
    found = re.findall(r"data:image/svg\+xml;base64,([^\"]+)", page)
    return [ElementTree.fromstring(b64decode(content)) for content in found]


def test_runs_of_one_configuration_are_seeds(tmp_path: Path) -> None:
    for seed, shift in ((0, -1.0), (1, 0.0), (2, 1.0)):
        a_run(tmp_path / f"s{seed}", seed, [shift, 10 + shift, 20 + shift])
    other = a_run(tmp_path / "other", 0, [5.0, 6.0], vary={})
    runs = [(path.name, path) for path in (tmp_path / "s0", tmp_path / "s1", tmp_path / "s2", other)]
    first, second = _trainings(runs)
    assert ([len(t.logs) for t in (first, second)], first.label, second.label) == ([3, 1], "s0", "other")
    curve = first.curve("rollout/ep_rew_mean", "return")
    assert (curve["x"][0], curve["x"][-1], curve["y"][0], curve["y"][-1]) == pytest.approx((1, 3, 0, 20))
    assert (curve["low"][-1], curve["high"][-1]) == pytest.approx((19, 21))  # of means of three draws out of 19, 20, 21
    assert "low" not in second.curve("rollout/ep_rew_mean", "return")
    page = write_report([path for _, path in runs], tmp_path / "report.html").read_text()
    (main, terms) = figures(page)
    assert len(list(main.iter(f"{SVG}polygon"))) == 1
    assert len(list(terms.iter(f"{SVG}polyline"))) == 2
    assert "20.0 [19.0, 21.0]" in page
    assert page.count("<details>") == 1


def test_seeds_of_other_lengths_end_with_the_shortest() -> None:
    logs = tuple({"c": (np.array(x, float), np.array(x, float))} for x in ([1e6, 2e6, 9e6], [2e6, 3e6]))
    curve = Training("t", TrainConfig(robot="a", task="b", steps=1), (), logs).curve("c", "y")
    assert (curve["x"][0], curve["x"][-1]) == (2, 3)


def test_a_comparison_with_safety_is_escaped(tmp_path: Path) -> None:
    file = tmp_path / "compare.json"
    file.write_text(json.dumps(COMPARISON))
    assert run(["report", str(file), "--out", str(tmp_path / "r.html")]) == 0
    page = (tmp_path / "r.html").read_text()
    assert EVIL not in page
    assert "1.0 [0.5, 1.5]" in page
    assert "123.4 J" in page
    assert "<td>-</td>" in page  # no foot sensors


def test_a_trained_run_and_a_shipped_controller(walk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["report", str(walk), "quadruped-velocity", "--record", "--seconds", "3", "--out", str(tmp_path / "r.html")]
    assert run(line) == 0
    assert "wrote" in capsys.readouterr().out
    page = (tmp_path / "r.html").read_text()
    for said in (
        "Training",
        "Controller cards",
        "Recordings",
        "cost of transport",
        "front left",
        "motor_strength 0.8:1.2",
    ):
        assert said in page
    gait = next(f for f in figures(page) if any("feet on the ground" in (t.text or "") for t in f.iter(f"{SVG}text")))
    assert len([r for r in gait.iter(f"{SVG}rect") if r.get("class") == "s1 dot"]) > 8  # the walker's strides
    assert [p.name for p in tmp_path.iterdir()] == ["r.html"]


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("nothing", "nothing to report"),
        ("nowhere", "no run folder, controller, recording or comparison (*.json) at"),
        ("empty", "expected a run, seeds of one, or recordings"),
        ("no-log", "has no log: expected log_*/progress.csv"),
        ("bad-log", "cannot read the log"),
        ("bad-json", "cannot read"),
        ("other-json", "is no comparison and no robustness map"),
        ("cut-json", "is not a whole comparison: KeyError: 'baseline'"),
        ("pdf", "ends in .html"),
    ],
)
def test_bad_input_is_one_line(what: str, said: str, refused, tmp_path: Path) -> None:
    given, out = tmp_path / what, tmp_path / "out" / ("r.pdf" if what == "pdf" else "r.html")
    if what == "empty":
        given.mkdir()
    elif what in ("no-log", "bad-log", "pdf"):
        a_run(given, 0, [1.0])
        if what == "no-log":
            shutil.rmtree(given / "log_0")
        if what == "bad-log":
            (given / "log_0" / "progress.csv").write_text("time/total_timesteps,a\n1,many\n")
    elif what.endswith("json"):
        given = tmp_path / f"{what}.json"
        given.write_text({"bad-json": "{", "other-json": "{}", "cut-json": '{"splits": {}}'}[what])
    line = refused("report", *([] if what == "nothing" else [given]), "--out", out)
    assert said in line
    assert not out.parent.exists()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--poster a.png --camera sied", "unknown camera 'sied': did you mean side"),
        ("--video a.mp4 --size 640", "size '640': expected WIDTHxHEIGHT"),
        ("--video a.mp4 --size 641x480", "expected even numbers of pixels"),
        ("--gif a.gif --quality best", "unknown quality 'best'"),
        ("--webp a.gif", "ends in .webp"),
        ("--poster a.jpg", "ends in .png"),
    ],
)
def test_bad_pictures_are_told_before_the_work(
    flags: str, said: str, refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert said in refused("replay", "quadruped-velocity", *flags.split())
    assert not list(tmp_path.iterdir())


def test_without_opengl_a_poster_is_refused_in_one_line(
    refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(opengl, "_TRIAL", "raise SystemExit(1)")
    monkeypatch.setattr(video, "pick_backend", opengl.pick_backend.__wrapped__)
    assert "no OpenGL back-end draws pictures here" in refused("replay", "quadruped-velocity", "--poster", "a.png")
    assert not list(tmp_path.iterdir())


@pytest.mark.render
def test_replay_writes_pictures_and_a_report_films(tmp_path: Path, artifacts: Path) -> None:
    pytest.importorskip("imageio_ffmpeg", reason="video needs `pip install surefoot[video]`")
    made = {name: tmp_path / f"a.{suffix}" for name, suffix in (("video", "mp4"), ("gif", "gif"), ("poster", "png"))}
    flags = [word for name, path in made.items() for word in (f"--{name}", str(path))]
    line = ["replay", "half_cheetah-run", "--seconds", "1", "--size", "160x120", "--camera", "side", *flags]
    assert run([*line, "--save", str(tmp_path / "kept")]) == 0
    assert all(path.stat().st_size > 1000 for path in made.values())
    with Image.open(made["poster"]) as image:
        assert image.size == (160, 120)
    out = artifacts / "report.html"
    assert run(["report", str(tmp_path / "kept"), "--videos", "--out", str(out)]) == 0
    page = out.read_text()
    assert page.count("<video ") == page.count(' poster="data:image/webp;base64,') == 1
    assert "data:video/mp4;base64," in page


@pytest.mark.browser
def test_a_browser_asks_no_host_for_a_report(tmp_path: Path, browser_path: str, artifacts: Path) -> None:
    from playwright.sync_api import sync_playwright

    comparison = tmp_path / "compare.json"
    comparison.write_text(json.dumps(COMPARISON))
    out = write_report([a_run(tmp_path / "walk", 0, [1.0, 5.0, 9.0]), comparison], tmp_path / "r.html")
    asked, said = [], []
    with sync_playwright() as player:
        browser = player.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 390, "height": 800})
        page.on("request", lambda request: asked.append(request.url[:200]))
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(f"file://{pathname2url(str(out))}")
        drawn = page.evaluate("[...document.images].map(i => [i.complete, i.naturalWidth])")
        wide = page.evaluate("document.documentElement.scrollWidth")
        page.screenshot(path=artifacts / "report.png")
        browser.close()
    assert not said
    assert not [url for url in asked if not url.startswith(("file:", "data:"))]
    assert len(drawn) == 3
    assert all(complete and width > 0 for complete, width in drawn)
    assert wide <= 390  # on a phone, only figures and tables scroll
