"""Environment steps per second on terrain with a height scan, against the bare physics; results/terrain.json.

    python benchmarks/terrain.py [--quick] [--seed 0] [--threads 0]

The whole environment (mixed ground, per-world parameters, `height-scan`, rewards, resets) against `Batch.step` on the same
ground, parameters and motion, and against `Batch.step` of the same walk on the level floor of the robot's own model. Sides
take turns in short blocks; a ratio is the median of the blocks' ratios.
"""

import argparse
import os
from pathlib import Path
from typing import Any

import numpy as np
from common import write_result
from throughput import CONTROLLERS, VARIATION, Step, alternate, walked

from surefoot.controllers.controller import Controller
from surefoot.envs.batch_env import BatchEnv
from surefoot.envs.options import configured
from surefoot.envs.variation import Variation

WORLDS = (256, 1024)
TERRAIN = {"terrain": "mixed", "terrain_level": (0.0, 0.3)}  # the levels on which a controller for level floors walks


def make(envs: int, threads: int, seed: int, *, ground: bool, scan: bool) -> BatchEnv:
    """Worlds with parameters of their own, spread over the episode as in training."""
    core = BatchEnv(
        "quadruped", "velocity", envs, variation=Variation.parse(VARIATION), seed=seed, threads=threads,
        config=configured("velocity", **(TERRAIN if ground else {})), inputs=("height-scan",) if scan else (),
    )  # fmt: skip
    core.reset()
    core.stagger()
    return core


def physics_of(envs: int, threads: int, seed: int, steps: int, controller: Controller, *, ground: bool) -> Step:
    """`Batch.step` from a state in the midst of a walk, with the controls of that walk, again in each block."""
    core = make(envs, threads, seed, ground=ground, scan=False)
    walked(core, controller, 50, seed)
    start, values = core.simulation.batch.state.copy(), core.values.copy()
    controls = np.empty((steps, *core.simulation.ctrl.shape))
    for t in range(steps):
        walked(core, controller, 1, seed + 1 + t)
        controls[t] = core.simulation.ctrl
    bare = make(envs, threads, seed, ground=ground, scan=False).simulation
    bare.set_parameters(np.arange(envs), values)
    batch, ctrl, substeps = bare.batch, bare.ctrl, bare.substeps

    def step(t: int) -> None:
        if t == 0:
            batch.state[:] = start
        ctrl[:] = controls[t]
        batch.step(nstep=substeps)

    return step


def measure(envs: int, threads: int, seed: int, steps: int, rounds: int, controller: Controller) -> dict[str, Any]:
    """Steps/s of each side, and the ratios of the environment to both kinds of bare physics."""
    twin = make(envs, threads, seed, ground=True, scan=False)
    tape = walked(twin, controller, steps * rounds + max(2, steps // 4), seed)
    core = make(envs, threads, seed, ground=True, scan=True)
    taken: list[int] = []

    def environment(t: int) -> None:
        core.step(tape[len(taken)])
        taken.append(len(core.ended))

    def scan(t: int) -> None:
        core.views[0].look(slice(None), core.observation[:, -187:])

    sides: dict[str, Step] = {
        "surefoot": environment,
        "physics": physics_of(envs, threads, seed, steps, controller, ground=True),
        "physics on a level floor": physics_of(envs, threads, seed, steps, controller, ground=False),
        "height scan alone": scan,
    }
    result = alternate(sides, dict.fromkeys(sides, envs), steps, rounds)
    result["resets_per_step"], result["diverged"] = round(float(np.mean(taken)), 2), core.diverged
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="64 worlds and few blocks, for a look at whether it works")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=20, help="blocks of each side")
    parser.add_argument("--threads", type=int, default=0, help="of the physics; 0: all CPUs")
    parser.add_argument(
        "--controllers", type=Path, default=CONTROLLERS, help="folder with quadruped-velocity.safetensors"
    )
    options = parser.parse_args()
    steps, rounds = (10, 4) if options.quick else (25, options.rounds)
    controller = Controller.load(options.controllers / "quadruped-velocity.safetensors")
    figures: dict[str, Any] = {"threads": options.threads or len(os.sched_getaffinity(0)), "variation": VARIATION}
    figures |= {"terrain": TERRAIN, "asked": "surefoot/physics >= 0.7"}
    for envs in (64,) if options.quick else WORLDS:
        found = measure(envs, options.threads, options.seed, steps, rounds, controller)
        figures[f"{envs} worlds"] = found
        ratios = {k: v["median"] for k, v in found.items() if k.startswith("surefoot/")}
        print(f"{envs:5} worlds  {found['steps_per_s']}  {ratios}", flush=True)
    if not options.quick:
        print("wrote", write_result("terrain.json", figures, options.seed))


if __name__ == "__main__":
    main()
