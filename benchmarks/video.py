"""How long a video of 20 s of quadruped at 640x480 takes: from a recording to a finished MP4.

python benchmarks/video.py            # the bar: 20 s on two cores
"""

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import surefoot  # noqa: F401  # isort: skip

import imageio_ffmpeg
from common import write_result

from surefoot.api import record
from surefoot.replay import pick_backend, write_video
from surefoot.replay.video import FPS

SIZE = (640, 480)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--controller", default="quadruped-velocity", help="shipped controller or run folder")
    parser.add_argument("--seconds", type=float, default=20.0, help="of robot time")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--qualities", nargs="+", default=["fast", "high"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default="video.json", help="result file")
    args = parser.parse_args()
    recording = record(args.controller, seconds=args.seconds, seed=args.seed)
    figures: dict[str, Any] = {"robot_seconds": args.seconds, "size": SIZE, "fps": FPS, "opengl": pick_backend()}
    with tempfile.TemporaryDirectory() as folder:
        for quality in args.qualities:
            path, rounds = Path(folder) / "video.mp4", []
            for _ in range(args.rounds):
                started, spent = time.perf_counter(), sum(os.times()[:4])
                write_video(path, [recording], SIZE, quality=quality)
                rounds.append([round(time.perf_counter() - started, 2), round(sum(os.times()[:4]) - spent, 2)])
            meta = next(imageio_ffmpeg.read_frames(str(path)))
            figures[quality] = {
                "seconds": min(wall for wall, _ in rounds),
                "wall_and_cpu_seconds": rounds,
                "frames_per_second": round(args.seconds * FPS / min(wall for wall, _ in rounds), 1),
                "megabytes": round(path.stat().st_size / 1e6, 2),
                "video_seconds": meta["duration"],
            }
            print(quality, figures[quality], flush=True)
    print("wrote", write_result(args.out, figures, args.seed))


if __name__ == "__main__":
    main()
