"""What recording costs: throughput of rollouts that are recorded over those that are not, and bytes a world-second.

    python benchmarks/recording.py [--worlds 256] [--rounds 8]          # about 5 minutes on 2 cores

A round is a block of control steps without a recorder and one with it, in turn, by the shipped controller in the same worlds:
the machine's other load falls on both. The ratio is the median over rounds; what is still being compressed when a block ends
is waited for, within its time. `hour` is the most memory that Python and NumPy held while a recording grew tenfold.
"""

import argparse
import tempfile
import time
import tracemalloc
from pathlib import Path
from typing import Any

import surefoot  # noqa: F401  # isort: skip
# ^ before anything loads torch: it limits the spinning of torch's threads

import numpy as np
import torch
from common import write_result

from surefoot import api
from surefoot.controllers.worlds import worlds_of
from surefoot.replay import RecordingFile
from surefoot.replay.rollout import Recorder, recording

CONTROLLERS = ("quadruped-velocity", "go1-velocity", "half_cheetah-run")


def case(name: str, worlds: int, rounds: int, steps: int, folder: Path) -> dict[str, Any]:
    controller = api.load(name)
    plain, recorded = (worlds_of(controller.config, worlds, seed=0, autoreset=auto) for auto in (True, False))
    path = folder / "x.recording.npz"
    ratios, start = [], 0.0
    seen, shown = plain.reset(), recorded.reset()
    for i in range(rounds + 1):
        rates = []
        for block in ("plain", "recorded") if i % 2 else ("recorded", "plain"):
            if block == "plain":
                start = time.perf_counter()
                for _ in range(steps):
                    seen, *_ = plain.step(controller.act(seen))
                rates.append((block, steps / (time.perf_counter() - start)))
                continue
            with open(path, "wb") as out:
                recorder = Recorder(recorded, out, label=name)
                start = time.perf_counter()
                for _ in range(steps):
                    shown = recorder.step(controller.act(shown))
                recorder.writer.close()
                rates.append((block, steps / (time.perf_counter() - start)))
                recorder.writer.drop()
        found = dict(rates)
        if i:  # the first round warms up
            ratios.append(found["recorded"] / found["plain"])
    file = RecordingFile(path)
    assert file.steps == steps
    model = len(file.model)
    size = (file.size - model) / (worlds * file.seconds)
    low, middle, high = np.percentile(ratios, (25, 50, 75))
    raw = 4 * sum(file.header.floats.values()) / recorded.robot.control_dt
    return {
        "throughput_recorded_over_plain": round(float(middle), 3), "quartiles": [round(float(low), 3), round(float(high), 3)],
        "bytes_per_world_second": round(size), "of_float32": round(size / raw, 3), "model_bytes": model,
        "worlds": worlds, "steps_a_block": steps,
    }  # fmt: skip


def memory(name: str, worlds: int, folder: Path) -> dict[str, Any]:
    """The most MB that were held while writing and reading, of a recording and of one ten times as long."""
    controller, found = api.load(name), {}
    for seconds in (12, 120):
        env, path = worlds_of(controller.config, worlds, seed=0, autoreset=False), folder / "y.recording.npz"
        tracemalloc.start()
        with recording(env, path, label=name) as recorder:
            seen = recorder.reset()
            while recorder.seconds < seconds:
                seen = recorder.step(controller.act(seen))
        written = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        file = RecordingFile(path)
        for i in range(len(file.starts)):
            file.chunk(i)
        read = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        found[f"{seconds} s"] = {"writing_mb": round(written / 1e6, 1), "reading_mb": round(read / 1e6, 1)}
        found[f"{seconds} s"]["file_mb"] = round(path.stat().st_size / 1e6, 1)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--steps", type=int, default=1200, help="control steps of a block")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default="recording.json", help="result file")
    args = parser.parse_args()
    torch.set_num_threads(1)  # MuJoCo's pool is at work
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in CONTROLLERS:
            figures[name] = case(name, args.worlds, args.rounds, args.steps, Path(folder))
            print(name, figures[name], flush=True)
        figures["hour"] = memory(CONTROLLERS[0], args.worlds, Path(folder))
        print(figures["hour"])
    print("wrote", write_result(args.out, figures, args.seed))


if __name__ == "__main__":
    main()
