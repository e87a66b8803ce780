"""Environment steps per second: Surefoot against the bare physics, EnvPool and SB3's SubprocVecEnv; results/throughput.json.

    python benchmarks/throughput.py [--quick] [--seed 0] [--threads 0]

One process, one tape of actions. Both sides of each ratio take turns in short blocks, so that whatever else the machine does
hits both; the ratio is the median of the blocks' ratios.
"""

import argparse
import multiprocessing
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from common import write_result

import surefoot
from surefoot.controllers.controller import Controller
from surefoot.envs.batch_env import BatchEnv
from surefoot.envs.variation import Variation

CONTROLLERS = Path(surefoot.__file__).parent / "assets" / "controllers"
EXPLORATION = 0.2  # standard deviation of the actions, about that of a training
SCALE = {"run": 1.0, "velocity": 0.1, "reach": 0.3}  # share of the action range that a random tape covers
CASES = {"half_cheetah": "run", "quadruped": "velocity", "go1": "velocity"}
VARIATION = {
    "mass.*": "0.8:1.2",
    "payload": "0:2",
    "friction": "0.5:1.5",
    "damping.*": "0.7:1.3",
    "motor_strength.*": "0.8:1.2",
}
Step = Callable[[int], Any]


def tape_of(core: BatchEnv, length: int, seed: int) -> np.ndarray:
    """Actions (length, N, nu), float32: uniform over `SCALE` of their range."""
    rng, scale = np.random.default_rng(seed), SCALE[core.task_name]
    low, high = scale * core.task.action_low, scale * core.task.action_high
    return rng.uniform(low, high, (length, core.num_envs, core.num_actions)).astype(np.float32)


def alternate(sides: dict[str, Step], worlds: dict[str, int], steps: int, rounds: int) -> dict[str, Any]:
    """Steps/s of each side (median over rounds) and the other sides' ratios to the first, block by block."""
    order = list(sides)
    rates: dict[str, list[float]] = {name: [] for name in order}
    for name in order:
        for t in range(max(2, steps // 4)):
            sides[name](t)
    for turn in range(rounds):
        for name in order if turn % 2 == 0 else order[::-1]:
            step, start = sides[name], time.perf_counter()
            for t in range(steps):
                step(t)
            rates[name].append(worlds[name] * steps / (time.perf_counter() - start))
    first = np.array(rates[order[0]])
    result: dict[str, Any] = {"steps_per_s": {name: round(float(np.median(r)), 1) for name, r in rates.items()}}
    for name in order[1:]:
        ratio = first / np.array(rates[name])
        low, middle, high = np.percentile(ratio, [25, 50, 75])
        result[f"{order[0]}/{name}"] = {
            "median": round(float(middle), 3),
            "quartiles": [round(float(low), 3), round(float(high), 3)],
        }
    result["blocks"], result["steps_per_block"] = rounds, steps
    return result


def make(robot: str, envs: int, threads: int, seed: int) -> BatchEnv:
    """An environment with per-world parameters, spread over the episode as in training."""
    core = BatchEnv(robot, CASES[robot], envs, variation=Variation.parse(VARIATION), seed=seed, threads=threads)
    core.reset()
    core.stagger()
    return core


def walked(core: BatchEnv, controller: Controller, length: int, seed: int) -> np.ndarray:
    """Actions (length, N, nu) with which the robots of `core` walk as in training: the controller's, and exploration."""
    rng, actions = np.random.default_rng(seed), np.empty((length, core.num_envs, core.num_actions), np.float32)
    for t in range(length):
        noise = EXPLORATION * rng.standard_normal(actions[t].shape, np.float32)
        actions[t] = np.clip(controller.act(core.observation) + noise, core.task.action_low, core.task.action_high)
        core.step(actions[t])
    return actions


def against_physics(
    build: Callable[[], BatchEnv], seed: int, steps: int, rounds: int, controller: Controller | None
) -> dict[str, Any]:
    """The whole environment (observation, reward, resets) against `Batch.step` on the same model, parameters and actions.

    `build` makes equal environments, each time it is called.

    With a controller the tape is what it does in an equal environment, which walks the same way, since it is deterministic.
    Each block of physics repeats the controls of a stretch of that walk from the states and parameters of its beginning: both
    simulate the same motion.
    """
    total = steps * rounds + max(2, steps // 4)
    twin, core, bare = build(), build(), build()
    envs = core.num_envs
    tape = tape_of(core, total, seed) if controller is None else walked(twin, controller, total, seed)
    twin = build()
    for t in range(total // 2):
        twin.step(tape[t])
    batch, ctrl, substeps = bare.simulation.batch, bare.simulation.ctrl, bare.simulation.substeps
    bare.simulation.set_parameters(np.arange(envs), twin.values.copy())
    start, controls = twin.simulation.batch.state.copy(), np.empty((steps, *ctrl.shape))
    for t in range(steps):
        twin.step(tape[total // 2 + t])
        controls[t] = twin.simulation.ctrl

    def physics(t: int) -> None:
        if t == 0:
            batch.state[:] = start
        ctrl[:] = controls[t]
        batch.step(nstep=substeps)

    resets: list[int] = []

    def environment(t: int) -> None:
        core.step(tape[len(resets)])
        resets.append(len(core.ended))

    sides = {"surefoot": environment, "physics": physics}
    result = alternate(sides, dict.fromkeys(sides, envs), steps, rounds)
    result["resets_per_step"], result["diverged"] = round(float(np.mean(resets)), 2), core.diverged
    return result


def against_envpool(
    robot: str, name: str, envs: int, threads: int, seed: int, steps: int, rounds: int
) -> dict[str, Any]:
    """Against an environment of EnvPool: synchronous, the same number of environments and threads, the same tape."""
    import envpool

    core = make(robot, envs, threads, seed)
    count = threads or len(os.sched_getaffinity(0))
    pool = envpool.make(name, env_type="gymnasium", num_envs=envs, batch_size=envs, num_threads=count, seed=seed)
    low, high = pool.action_space.low, pool.action_space.high
    tape = tape_of(core, steps, seed)
    theirs = np.clip(tape, low, high).astype(pool.action_space.dtype)
    pool.reset()
    result = alternate(
        {"surefoot": lambda t: core.step(tape[t]), "envpool": lambda t: pool.step(theirs[t])},
        {"surefoot": envs, "envpool": envs},
        steps,
        rounds,
    )
    pool.close()
    return {"environment": name, "num_envs": envs, **result}


def against_subprocesses(envs: int, processes: int, threads: int, seed: int, steps: int, rounds: int) -> dict[str, Any]:
    """Against SB3's SubprocVecEnv of Gymnasium's HalfCheetah-v5, one environment a process (more would only queue)."""
    import gymnasium
    from stable_baselines3.common.vec_env import SubprocVecEnv

    def build() -> gymnasium.Env:
        return gymnasium.make("HalfCheetah-v5")

    core = make("half_cheetah", envs, threads, seed)
    tape = tape_of(core, steps, seed)
    many = SubprocVecEnv([build] * processes, start_method="forkserver")
    many.reset()
    result = alternate(
        {"surefoot": lambda t: core.step(tape[t]), "subproc": lambda t: many.step(tape[t][:processes])},
        {"surefoot": envs, "subproc": processes},
        steps,
        rounds,
    )
    many.close()
    return {"num_envs": envs, "processes": processes, **result}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes, for a look at whether it works")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0, help="of the physics; 0: all CPUs")
    parser.add_argument("--envs", type=int, default=1024)
    parser.add_argument("--controllers", type=Path, default=CONTROLLERS, help="folder with ROBOT-velocity.safetensors")
    parser.add_argument("--only", default="", help="physics, envpool or subproc")
    options = parser.parse_args()
    envs, threads, seed = (64 if options.quick else options.envs), options.threads, options.seed
    steps, rounds = (10, 4) if options.quick else (25, 20)
    figures: dict[str, Any] = {
        "num_envs": envs,
        "threads": threads or len(os.sched_getaffinity(0)),
        "variation": VARIATION,
    }

    def report(name: str, found: dict[str, Any]) -> None:
        figures[name] = found
        ratios = {k: v["median"] for k, v in found.items() if k.startswith("surefoot/")}
        print(f"{name:36} {found['steps_per_s']}  {ratios}", flush=True)

    for robot, task in CASES.items() if options.only in ("", "physics") else ():
        controller = (
            Controller.load(options.controllers / f"{robot}-{task}.safetensors") if task == "velocity" else None
        )
        found = against_physics(partial(make, robot, envs, threads, seed), seed, steps, rounds, controller)
        report(f"{robot} over its physics", found)
    if options.only in ("", "envpool"):
        report(
            "half_cheetah over EnvPool",
            against_envpool("half_cheetah", "HalfCheetah-v5", envs, threads, seed, steps, rounds),
        )
        for n in (64, 256) if envs != 64 else (64,):  # EnvPool needs over 24 GB for 1024
            name, turns = f"go1 over EnvPool at {n}", steps * max(1, envs // n // 4)
            report(
                name, against_envpool("go1", "Go1JoystickFlatTerrain-v1", n, threads, seed, turns, max(2, rounds // 2))
            )
    if options.only in ("", "subproc"):
        for processes in (2,) if options.quick else (2, 8):
            report(f"half_cheetah over SubprocVecEnv {processes}",
                   against_subprocesses(envs, processes, threads, seed, steps, rounds))  # fmt: skip
    if not options.quick:
        name = f"throughput_{options.only}.json" if options.only else "throughput.json"
        print("wrote", write_result(name, figures, seed))


if __name__ == "__main__":
    multiprocessing.set_start_method("forkserver", force=True)
    main()
