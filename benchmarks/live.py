"""What `surefoot play` pushes: frames a second that a page receives, and how fast the loop is when it need not wait.

    python benchmarks/live.py [--seconds 20] [--pages 1] [--out results.json]       # half a minute a robot

The server is a process of its own; the pages are plain WebSocket clients that draw nothing. `frames_per_second` is the least
of the pages', `longest_gap_ms` the longest wait between two frames, `real_time` robot seconds a second. `steps_per_second` is
the loop without its clock: acting, stepping, and making a frame.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import surefoot  # noqa: F401  # isort: skip
# ^ before anything loads torch: it limits the spinning of torch's threads

import numpy as np
from common import write_result
from websockets.sync.client import connect

from surefoot.api.playing import live_of

CONTROLLERS = ("quadruped-velocity", "go1-velocity", "half_cheetah-run", "humanoid-run")


def watch(address: str, seconds: float) -> tuple[float, float, float]:
    """Frames a second, longest gap (s) and robot seconds a second that one page sees."""
    with connect(address) as page:
        times, robot, end = [], [], time.perf_counter() + 1 + seconds
        start = end - seconds  # the first second warms up
        while (now := time.perf_counter()) < end:
            message = page.recv(timeout=30)
            if isinstance(message, bytes) and now > start:
                times.append(time.perf_counter())
                robot.append(float(np.frombuffer(message[:8], "<f8")[0]))
    taken = times[-1] - times[0]
    return (len(times) - 1) / taken, float(np.diff(times).max()), (robot[-1] - robot[0]) / taken


def pushed(name: str, seconds: float, pages: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "surefoot.cli.main", "play", name, "--no-browser", "--port", "0"]
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder)
        try:
            assert process.stdout is not None
            line = next(line for line in process.stdout if "http://" in line)
            address = line.split("http://")[1].split("/")[0]
            with ThreadPoolExecutor(pages) as pool:
                found = list(pool.map(watch, [f"ws://{address}/socket"] * pages, [seconds] * pages))
        finally:
            process.terminate()
            process.wait()
    return {
        "frames_per_second": round(min(rate for rate, *_ in found), 1),
        "longest_gap_ms": round(1e3 * max(gap for _, gap, _ in found)),
        "real_time": round(min(real for *_, real in found), 3),
    }


def unclocked(name: str, steps: int = 500) -> dict[str, Any]:
    live = live_of(name)
    for _ in range(50):
        live.step()
    start = time.perf_counter()
    for _ in range(steps):
        live.step()
        frame = live.frame()
    rate = steps / (time.perf_counter() - start)
    needed = 1 / live.dt
    return {"steps_per_second": round(rate), "needed": round(needed, 1), "frame_bytes": len(frame)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--pages", type=int, default=1)
    parser.add_argument("--controllers", nargs="*", default=CONTROLLERS)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    results: dict[str, Any] = {}
    for name in given.controllers:
        results[name] = {**unclocked(name), **pushed(name, given.seconds, given.pages)}
        print(name, results[name], flush=True)
    if given.out:
        write_result(given.out, results, seed=0)


if __name__ == "__main__":
    main()
