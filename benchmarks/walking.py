"""Does it walk? Train quadruped and go1 on `velocity`, then judge them over the whole command range.

    python benchmarks/walking.py --seconds 180            # 3 seeds of each robot, about 20 minutes on 2 cores
    python benchmarks/walking.py --robots go1 --share 2 & # beside another process, on half of the CPUs: walking_go1.json

Reported for each seed: mean of exp(-e^2/.25) of the horizontal velocity over whole 20 s episodes (standing starts,
command changes and standing still included), the share of episodes with a fall, and when the same term, averaged over
training steps with exploration on, first passed .8 and .9; of the gait, left-right symmetry and trot at 1 m/s, standing still
at command 0, and what is reached of a command in each direction. The untrained controller (the reference gait alone)
is measured beside them.
"""

import argparse
import time

import surefoot  # noqa: F401  # isort: skip
# ^ before anything loads torch: it limits the spinning of torch's threads

import numpy as np
from common import write_result
from stable_baselines3.common.callbacks import BaseCallback

from surefoot.controllers import threads
from surefoot.controllers.controller import Controller
from surefoot.controllers.evaluation import evaluate
from surefoot.controllers.gait import measure_gait
from surefoot.controllers.training import train


class Watch(BaseCallback):
    """Tracking term while training."""

    def __init__(self) -> None:
        super().__init__()
        self.started = time.perf_counter()
        self.curve: list[tuple[float, int, float]] = []

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        core = self.training_env.core
        term = self.logger.name_to_value["reward/tracking_lin_vel"] / core.config.weights["tracking_lin_vel"]
        self.curve.append((time.perf_counter() - self.started, self.num_timesteps, term))

    def passed(self, bar: float) -> float | None:
        smooth = np.convolve([c[2] for c in self.curve], np.ones(10) / 10, "valid")
        over = np.flatnonzero(smooth >= bar)
        return round(self.curve[int(over[0]) + 9][0], 1) if len(over) else None


def judge(controller: Controller, episodes: int) -> dict[str, object]:
    result = evaluate(controller, episodes=episodes, seed=12345)
    straight, still = measure_gait(controller, (1.0, 0.0, 0.0)), measure_gait(controller, (0.0, 0.0, 0.0))
    reached = {
        f"{axis} {sign * size:+}": round(float(measure_gait(controller, sign * size * np.eye(3)[i]).speed[i]), 2)
        for i, (axis, size) in enumerate((("vx", 1.0), ("vy", 0.5), ("yaw", 1.0)))
        for sign in (1, -1)
    }
    return {
        "tracking": round(result.tracking, 4), "falls": float(result.fell.mean()), "return": round(result.mean, 2),
        "symmetry_index": round(straight.symmetry, 4), "trot_share": round(straight.trot, 3),
        "standing_speed": round(float(np.abs(still.speed).max()), 4), "standing_duty": round(float(still.duty.min()), 3),
        "speed_reached": reached,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--robots", nargs="+", default=["quadruped", "go1"], help="which robots")
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds")
    parser.add_argument("--seconds", type=float, default=180.0, help="training time of one seed, s")
    parser.add_argument("--episodes", type=int, default=256, help="evaluation episodes of 20 s")
    parser.add_argument("--share", type=int, default=1, help="so many of these processes share the CPUs")
    args = parser.parse_args()
    threads.share_cpus(args.share)
    figures: dict[str, object] = {
        "training_seconds": args.seconds, "cpus": threads.UPDATE_THREADS, "evaluation_episodes": args.episodes
    }  # fmt: skip
    for robot in args.robots:
        rows = []
        untrained = judge(train(robot, "velocity", steps=1, progress=False, seed=0), args.episodes)
        for seed in range(args.seeds):
            watch = Watch()
            trained = train(
                robot, "velocity", steps=10**9, seconds=args.seconds, seed=seed, progress=False, callback=watch
            )
            row = {"seed": seed, "steps": trained.timesteps, **judge(trained, args.episodes)}
            row |= {"seconds_to_0.8": watch.passed(0.8), "seconds_to_0.9": watch.passed(0.9)}
            rows.append(row | {"curve": [[round(t, 1), n, round(r, 3)] for t, n, r in watch.curve[::20]]})
            print(robot, row, flush=True)
            figures[robot] = {"seeds": rows, "reference_gait_alone": untrained}
            write_result("walking.json" if len(args.robots) > 1 else f"walking_{args.robots[0]}.json", figures, seed=0)


if __name__ == "__main__":
    main()
