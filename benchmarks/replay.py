"""The page to send: its size, how long it takes to export and how long its scripts take to open.

    python benchmarks/replay.py [--seconds 20] [--rounds 3]          # about 4 minutes on 2 cores

A Go1 of Menagerie walks before and after an adaptation (here the shipped controller, twice: the page is as large whatever
drives it), recorded beforehand. `export_s` is reading both files and writing the page, `script_ms` the page's own performance
measure from the start of its script until the first picture is drawn, in headless Chromium with software WebGL, 1280 x 720.
Each is the median of the rounds. `long` is the same of five minutes (15,000 steps) of one robot, with `frame_ms`: what the
page's script takes for one frame while it plays (without WebGL, whose software would be all that is measured); 33 ms are 30
frames a second.
"""

import argparse
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import surefoot  # noqa: F401  # isort: skip
# ^ before anything loads torch: it limits the spinning of torch's threads

import numpy as np
from common import write_result
from playwright.sync_api import sync_playwright

from surefoot import api

CONTROLLER, TASK = "go1-velocity", {"payload": 3.0, "motor_strength.front_left": 0.7}
LIMITS = {"page_mb": 5.0, "export_s": 10.0, "script_ms": 3000.0}
FLAGS = "--no-sandbox --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync"


# Before the page's own scripts: how long its frames take, and no WebGL where that is asked for.
TIMED = """
window.frames_ms = [];
const ask = requestAnimationFrame;
window.requestAnimationFrame = (f) => ask((now) => {
  const start = performance.now();
  f(now);
  frames_ms.push(performance.now() - start);
});
"""
NO_WEBGL = """
const get = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
  return kind.startsWith("webgl") ? null : get.call(this, kind, ...rest);
};
"""


def played(page: Path, seconds: float = 5.0) -> float:
    """Milliseconds of script a frame, the median while the page plays."""
    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS.split())
        tab = browser.new_page(viewport={"width": 1280, "height": 720})
        tab.add_init_script(TIMED + NO_WEBGL)
        tab.goto(page.as_uri())
        while not tab.evaluate("() => Boolean(window.surefoot?.ready)"):
            time.sleep(0.05)
        tab.evaluate("() => { frames_ms.length = 0; document.getElementById('play').click(); }")
        time.sleep(seconds)
        found = tab.evaluate("() => frames_ms")
        browser.close()
    return float(np.median(found))


def opened(page: Path, rounds: int) -> list[float]:
    """Milliseconds of script until the first picture, in a fresh tab each time."""
    found = []
    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS.split())
        for _ in range(rounds):
            tab = browser.new_page(viewport={"width": 1280, "height": 720})
            tab.goto(page.as_uri())
            while not tab.evaluate("() => Boolean(window.surefoot?.ready)"):
                time.sleep(0.05)
            found.append(tab.evaluate("() => performance.getEntriesByName('surefoot-open')[0].duration"))
            tab.close()
        browser.close()
    return found


def measure(seconds: float, rounds: int, seed: int, folder: Path) -> dict[str, Any]:
    for label in ("before", "after"):
        recording = api.record(CONTROLLER, parameters=TASK, seconds=seconds, seed=seed, label=label)
        recording.save(folder / f"{label}.recording.npz")
    page, exports = folder / "page.html", []
    for _ in range(rounds):
        start = time.perf_counter()
        api.replay(str(folder), html=page)
        exports.append(time.perf_counter() - start)
    figures = {
        "page_mb": round(page.stat().st_size / 1e6, 2),
        "export_s": round(float(np.median(exports)), 2),
        "script_ms": round(float(np.median(opened(page, rounds)))),
    }
    return {**figures, "limits": LIMITS, "met": all(figures[name] <= limit for name, limit in LIMITS.items())}


def measure_long(rounds: int, seed: int, folder: Path) -> dict[str, Any]:
    recording, page = api.record(CONTROLLER, seconds=300.0, seed=seed), folder / "long.html"
    api.replay(recording, html=page)
    return {
        "steps": len(recording),
        "page_mb": round(page.stat().st_size / 1e6, 2),
        "script_ms": round(float(np.median(opened(page, rounds)))),
        "frame_ms": round(played(page), 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default="replay.json", help="result file")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(args.seconds, args.rounds, args.seed, Path(folder))
        figures["long"] = measure_long(args.rounds, args.seed, Path(folder))
    print(figures)
    print("wrote", write_result(args.out, figures, args.seed))


if __name__ == "__main__":
    main()
