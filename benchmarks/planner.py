"""Does planning lift a quadruped that is a quarter trained, and does it save it under a payload?

    python benchmarks/planner.py            # 3 seeds, about 45 minutes on 2 cores

For each seed PPO trains until the tracking term, with exploration on, passes the walking bar of .8; a second training with the
same seed stops after a quarter of those steps. That controller drives the nominal robot and one with a payload that it has
never met, alone and with a planner around it: one that knows the payload, and one that plans with the nominal robot. All drive
the same starts and commands. Tracking is the mean of exp(-e^2/.25) of the horizontal velocity over whole 20 s episodes, 0
after a fall. `act` is timed for one robot; `throughput` compares what plans could be simulated with.
"""

import argparse
import dataclasses
import time
from typing import Any

import surefoot  # noqa: F401  # isort: skip
# ^ before anything loads torch: it limits the spinning of torch's threads

import numpy as np
from common import write_result
from walking import Watch

from surefoot import api
from surefoot.controllers.config import PlannerConfig
from surefoot.controllers.controller import Controller
from surefoot.controllers.evaluation import evaluate
from surefoot.controllers.planner import Planner
from surefoot.controllers.training import train
from surefoot.envs.batch_env import BatchEnv
from surefoot.envs.variation import Task


class UntilBar(Watch):
    """Ends the training when the tracking term has passed the bar."""

    def __init__(self, bar: float):
        super().__init__()
        self.bar = bar

    def _on_step(self) -> bool:
        return self.passed(self.bar) is None if len(self.curve) >= 10 else True


def judge(controller: Controller, payload: float, episodes: int) -> dict[str, Any]:
    started = time.perf_counter()
    result = evaluate(controller, task=Task({"payload": payload}), episodes=episodes, seed=12345)
    low, high = result.interval()
    return {
        "tracking": round(result.tracking, 4), "falls": float(result.fell.mean()), "return": round(result.mean, 2),
        "return_95_interval": [round(low, 2), round(high, 2)], "seconds": round(time.perf_counter() - started, 1),
    }  # fmt: skip


def control_rate(controller: Controller, settings: PlannerConfig, steps: int = 100) -> dict[str, Any]:
    """How often a second one robot can be planned for."""
    env = BatchEnv("quadruped", "velocity", 1, seed=0)
    planner = Planner(api.load(controller, settings), env)
    observation = env.reset()
    seconds = []
    for _ in range(steps):
        started = time.perf_counter()
        actions = planner.act(observation)
        seconds.append(time.perf_counter() - started)
        observation = env.step(actions)[0]
    return {
        "samples": settings.samples, "horizon": settings.horizon, "iterations": settings.iterations,
        "act_hz_median": round(1 / float(np.median(seconds)), 1),
        "act_ms_95_percent": round(1000 * float(np.percentile(seconds, 95)), 1),
        "robot_hz": round(1 / env.robot.control_dt),
    }  # fmt: skip


def throughput(controller: Controller, worlds: int = 512, steps: int = 40) -> dict[str, float]:
    """Control steps/s of the two ways to simulate plans: closed loop through `BatchEnv`, open loop in `Batch.rollout`."""
    env = BatchEnv("quadruped", "velocity", worlds, seed=0)
    env.reset()
    sim = env.simulation
    for _ in range(10):
        env.step(controller.act(env.observation))
    start = sim.batch.state.copy()
    controls = np.repeat(np.repeat(sim.ctrl[:, None], steps, axis=1), sim.substeps, axis=1)

    def loop() -> None:
        for _ in range(steps):
            env.step(controller.act(env.observation))

    def bare() -> None:
        for _ in range(steps):
            sim.batch.step(nstep=sim.substeps)

    def rollout() -> None:
        record = ("qpos", "qvel", "sensordata", "actuator_force")  # what the rewards are made of
        sim.batch.rollout(steps * sim.substeps, controls, record=record)

    found: dict[str, list[float]] = {"env_and_policy": [], "batch_step": [], "batch_rollout": []}
    for _ in range(5):
        for name, run in zip(found, (loop, bare, rollout), strict=True):
            sim.batch.state[:] = start
            started = time.perf_counter()
            run()
            found[name].append(worlds * steps / (time.perf_counter() - started))
    return {name: round(float(np.median(rates))) for name, rates in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds")
    parser.add_argument("--bar", type=float, default=0.8, help="tracking term at which a controller counts as walking")
    parser.add_argument("--steps", type=int, help="steps of the controllers, instead of a quarter of those to the bar")
    parser.add_argument("--payload", type=float, default=6.0, help="kg")
    parser.add_argument("--episodes", type=int, default=16, help="evaluation episodes of 20 s")
    parser.add_argument("--planner", nargs="*", default=[], metavar="KEY=VALUE", help="settings of the planner")
    parser.add_argument("--out", default="planner.json", help="result file")
    args = parser.parse_args()
    settings = PlannerConfig.parse({k: float(v) for k, v in (item.split("=") for item in args.planner)})
    rows = []
    for seed in range(args.seeds):
        watch = UntilBar(args.bar)
        steps = args.steps
        if steps is None:
            walking = train(
                "quadruped", "velocity", steps=3_000_000, seed=seed, progress=False, callback=watch
            ).timesteps
            steps = walking // 4
        controller = train("quadruped", "velocity", steps=steps, seed=seed, progress=False)
        row: dict[str, Any] = {"seed": seed, "steps": controller.timesteps}
        if args.steps is None:
            row["steps_to_bar"] = walking
        ways = {
            "policy": controller,
            "planner": api.load(controller, settings),
            "planner_nominal_model": api.load(controller, dataclasses.replace(settings, model="nominal")),
        }
        for robot, payload in (("nominal", 0.0), ("payload", args.payload)):
            row[robot] = {
                name: judge(driver, payload, args.episodes)
                for name, driver in ways.items()
                if payload or name != "planner_nominal_model"
            }
            for name, result in row[robot].items():
                result["lift"] = round(result["tracking"] / row[robot]["policy"]["tracking"] - 1, 3)
                print(seed, controller.timesteps, robot, name, result, flush=True)
        rows.append(row)
    figures = {
        "settings": dataclasses.asdict(settings), "payload_kg": args.payload, "evaluation_episodes": args.episodes,
        "runs": rows,
        "lift_mean": {
            f"{robot} {name}": round(float(np.mean([row[robot][name]["lift"] for row in rows])), 3)
            for robot in ("nominal", "payload") for name in rows[0][robot] if name != "policy"
        },
        "control_rate": [control_rate(controller, dataclasses.replace(settings, samples=k)) for k in (8, 16, 32, 64)],
        "throughput_steps_per_second": throughput(controller),
    }  # fmt: skip
    print(figures["lift_mean"], figures["control_rate"], figures["throughput_steps_per_second"])
    write_result(args.out, figures, seed=0)


if __name__ == "__main__":
    main()
