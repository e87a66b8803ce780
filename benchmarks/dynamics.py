"""What robots that all differ cost: speed, drawing them, resets, memory; results/dynamics.json.

    python benchmarks/dynamics.py [--quick] [--seed 0] [--robots quadruped ant ...]

Every world has another body (size, lengths, girths, feet) and other dynamics, and the robots do what their shipped controller
does, or move at random. `surefoot/physics` is the whole environment against `Batch.step` with the same per-world fields on a
stretch of the same motion, block by block in turn. Draws and resets are in units of that environment's own control step.
Asked: ratio .85 or more, a draw for 1,024 worlds 5 steps or less, a reset of 1 % of the worlds a tenth of a step or less.
"""

import argparse
import resource
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from common import write_result
from throughput import CONTROLLERS, against_physics

from surefoot.controllers.controller import Controller
from surefoot.envs.batch_env import BatchEnv
from surefoot.envs.simulation import Simulation
from surefoot.envs.variation import Variation
from surefoot.robots import get_robot

TASKS = {
    **dict.fromkeys(("half_cheetah", "hopper", "walker2d", "swimmer", "ant", "humanoid"), "run"),
    **dict.fromkeys(("quadruped", "go1", "hexapod", "biped", "g1"), "velocity"), "arm": "reach",
}  # fmt: skip
SHAPES = {"size": "0.9:1.1", "length.*": "0.8:1.2", "girth.*": "0.8:1.2", "foot_size": "0.8:1.2"}
FULL = {
    **SHAPES, "mass.*": "0.8:1.2", "payload": "0:1", "com.*": "-0.02:0.02", "friction": "0.5:1.5",
    "contact_stiffness": "0.7:1.4", "contact_softness": "0.7:1.4", "damping.*": "0.7:1.3",
    "armature.*": "0.8:1.2", "kp.*": "0.9:1.1", "kd.*": "0.9:1.1",
    "encoder_offset.*": "-0.02:0.02", "motor_strength.*": "0.8:1.2", "torque_speed": "0.01:0.03", "gravity": "9:10.5",
    "force.x": "-5:5", "sensor_noise.position": "0:0.02", "sensor_noise.velocity": "0:0.5", "sensor_bias.position": "0:0.02",
}  # fmt: skip


def variation_for(robot: str) -> Variation:
    """What of `FULL` the robot has."""
    absent = Simulation(get_robot(robot), 1).table.absent
    return Variation.parse({key: law for key, law in FULL.items() if key.split(".")[0] not in absent})


def make(robot: str, worlds: int, seed: int) -> BatchEnv:
    """Worlds that all differ, spread over the episode as in training."""
    env = BatchEnv(robot, TASKS[robot], worlds, variation=variation_for(robot), seed=seed)
    env.reset()
    env.stagger()
    return env


def speed(robot: str, worlds: int, seed: int, steps: int, rounds: int) -> dict[str, Any]:
    """Environment steps/s, and the ratio to the bare batch, while the shipped controller drives."""
    file = CONTROLLERS / f"{robot}-{TASKS[robot]}.safetensors"
    controller = Controller.load(file) if file.exists() else None
    return against_physics(partial(make, robot, worlds, seed), seed, steps, rounds, controller)


def median_seconds(work: Any, rounds: int) -> float:
    """Median wall-clock time of `work()`."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def draws(robot: str, seed: int, rounds: int) -> dict[str, float]:
    """Drawing new robots for 1,024 worlds, and a reset of 1 % of them, in control steps."""
    worlds, variation, rng = 1024, variation_for(robot), np.random.default_rng(seed)
    env = BatchEnv(robot, TASKS[robot], worlds, variation=variation, seed=seed)
    env.reset()
    everyone, actions = np.arange(worlds), np.zeros((worlds, env.num_actions))
    some = np.arange(0, worlds, 100)[:10]
    sim = env.simulation
    step = median_seconds(lambda: env.step(actions), 4 * rounds)
    draw = median_seconds(lambda: sim.set_parameters(everyone, variation.sample(rng, worlds, env.table)), rounds)
    restart = [0.0] * (10 * rounds)
    for i in range(len(restart)):
        start = time.perf_counter()
        env._restart(some)
        restart[i] = time.perf_counter() - start
    # The mean: parameters of many episodes are drawn at once, which a median would hide.
    return {"step_ms": round(1e3 * step, 2), "draw_steps": round(draw / step, 2),
            "reset_1_percent_steps": round(float(np.mean(restart)) / step, 3)}  # fmt: skip


def memory(robot: str, worlds: int) -> float:
    """Resident memory, MiB, of a process with so many worlds that all differ, less that of one with 16."""

    def resident(n: int) -> int:
        command = [sys.executable, __file__, "--memory", robot, str(n)]
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    return round((resident(worlds) - resident(16)) / 2**20, 1)


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--robots", nargs="*", default=list(TASKS))
    parser.add_argument("--worlds", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=15, help="blocks of each side")
    parser.add_argument("--out", default="dynamics.json")
    parser.add_argument("--memory", nargs=2, metavar=("ROBOT", "WORLDS"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.memory:
        robot, worlds = given.memory
        env = BatchEnv(robot, TASKS[robot], int(worlds), variation=variation_for(robot), seed=0)
        env.reset()
        env.step(np.zeros((env.num_envs, env.num_actions)))
        pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
        print(pages * resource.getpagesize())
        return
    steps, rounds = (5, 3) if given.quick else (20, given.rounds)
    figures: dict[str, Any] = {"worlds": given.worlds, "variation": FULL, "robots": {}}
    for robot in given.robots:
        found = speed(robot, given.worlds, given.seed, steps, rounds)
        found |= draws(robot, given.seed, 3 if given.quick else 10)
        found["memory_mib_4096_worlds"] = memory(robot, 4096)
        figures["robots"][robot] = found
        print(robot, found, flush=True)
    where = Path("/dev/null") if given.out == "none" else write_result(given.out, figures, given.seed)
    print(f"wrote {where}")


if __name__ == "__main__":
    main()
