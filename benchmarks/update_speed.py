"""What updates cost: the off-policy algorithms' against the stock classes, and PPO's with what might make it faster.

    python benchmarks/update_speed.py           # some minutes on 2 cores; only the ratios count on a shared machine
    python benchmarks/update_speed.py --only ppo

Stock: SB3's or sb3-contrib's class, policy and numpy buffer, one torch thread. Ours: the same networks, minibatches of the same
size, with one thread and, where there are two CPUs, with two. Everything is timed alternately in one process; a ratio is of
medians.

PPO: the preset's whole update on one rollout of half_cheetah, on one thread, as it is and with one thing changed: two threads,
Adam tensor by tensor or for-each instead of fused, bfloat16 (autocast), `torch.compile`, minibatches 4 and 16 times as large
(which make fewer steps of the same rollout, so that they cost learning what they save). Its `speed` is the cost as it is over
that with the change.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import surefoot  # noqa: F401  # isort: skip
# ^ before anything loads torch: it limits the spinning of torch's threads

import numpy as np
import sb3_contrib
import stable_baselines3
import torch
from common import write_result
from stable_baselines3.common.callbacks import CallbackList
from stable_baselines3.common.logger import configure
from stable_baselines3.common.type_aliases import TrainFreq, TrainFrequencyUnit

from surefoot.controllers import threads
from surefoot.controllers.config import TrainConfig
from surefoot.controllers.presets import settings_for
from surefoot.controllers.training import make_algorithm, make_env
from surefoot.envs.batch_env import BatchEnv
from surefoot.envs.sb3 import SB3VecEnv

STOCK = {
    "sac": stable_baselines3.SAC, "tqc": sb3_contrib.TQC, "crossq": sb3_contrib.CrossQ, "td3": stable_baselines3.TD3,
    "ddpg": stable_baselines3.DDPG,
}  # fmt: skip
NET = [256, 256]
TRANSITIONS = 100_000
TWO = len(os.sched_getaffinity(0)) > 1  # CPUs
# On one CPU the time of this process alone counts, whoever else is on it; with two, threads that wait count as well.
clock = time.perf_counter if TWO else time.process_time


def models(algo: str, worlds: int, batch: int) -> tuple[Any, Any]:
    """Stock and ours on half_cheetah, with full buffers of random numbers."""
    stock = STOCK[algo](
        "MlpPolicy", SB3VecEnv(BatchEnv("half_cheetah", "run", worlds, seed=0)), buffer_size=TRANSITIONS,
        policy_kwargs={"net_arch": NET}, device="cpu", seed=0, learning_starts=0,
    )  # fmt: skip
    options = {"num_envs": worlds, "net": NET, "critic_net": NET, "buffer_size": TRANSITIONS, "batch_size": batch}
    options |= {"learning_starts": 0}
    config = TrainConfig(robot="half_cheetah", task="run", algo=algo, steps=10**6, hyperparameters=options)
    ours = make_algorithm(config, make_env(config, worlds))
    rng = np.random.default_rng(0)
    buffer = stock.replay_buffer
    for name in ("observations", "actions", "next_observations", "rewards"):
        field = getattr(buffer, name)
        field[:] = rng.uniform(-1, 1, field.shape)
    buffer.full = ours.replay_buffer.full = True
    ours.replay_buffer.rows.uniform_(-1, 1)
    ours.replay_buffer.rows[:, -2] = 0.0
    for model in (stock, ours):
        model.set_logger(configure(None, []))
        model._setup_learn(10**6)
    return stock, ours


def alternate(runs: dict[str, Callable[[], None]], rounds: int) -> dict[str, float]:
    """Median milliseconds of each function, called in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            run()  # once for the caches, which the other one has filled
            started = clock()
            run()
            seconds[name].append(clock() - started)
    return {name: 1e3 * statistics.median(s) for name, s in seconds.items()}


def on(number: int, model: Any, batch: int) -> Callable[[], None]:
    def update() -> None:
        threads.UPDATE_THREADS = number
        torch.set_num_threads(number)
        model.train(gradient_steps=6, batch_size=batch)
        torch.set_num_threads(1)

    return update


def collect(model: Any) -> Callable[[], None]:
    callback = CallbackList([])
    callback.init_callback(model)
    frequency = TrainFreq(4, TrainFrequencyUnit.STEP)
    return lambda: model.collect_rollouts(model.env, callback, frequency, model.replay_buffer)


def ppo() -> dict[str, Callable[[], None]]:
    """The update of the preset on one rollout, as it is and with one thing changed."""
    settings = settings_for("half_cheetah", "run", "ppo")
    changes = ["as it is", "Adam by tensor", "Adam for-each", "bfloat16", "torch.compile", "4 x", "16 x"]
    return {name: ppo_with(name, settings.num_envs) for name in [*changes, *["two threads"] * TWO]}


def ppo_with(change: str, worlds: int) -> Callable[[], None]:
    config = TrainConfig(robot="half_cheetah", task="run", steps=10**6)
    model: Any = make_algorithm(config, make_env(config, worlds))
    model.set_logger(configure(None, []))
    model.learn(1)
    policy = model.policy
    if change.startswith("Adam"):
        foreach = change == "Adam for-each"
        policy.optimizer = torch.optim.Adam(policy.parameters(), 1e-3, eps=1e-5, fused=False, foreach=foreach)
    elif change == "torch.compile":
        policy.heads = torch.compile(policy.heads)
    elif change.endswith(" x"):
        model.batch_size *= int(change.split()[0])

    def update() -> None:
        threads.UPDATE_THREADS = 2 if change == "two threads" else 1
        with torch.autocast("cpu", torch.bfloat16, enabled=change == "bfloat16"):
            model.train()

    return update


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20, help="repetitions of each measurement")
    parser.add_argument("--worlds", type=int, default=64, help="worlds that are stepped")
    parser.add_argument("--only", choices=["ppo", *STOCK], help="one algorithm")
    parser.add_argument("--out", default="update_speed.json", help="result file")
    args = parser.parse_args()
    figures: dict[str, Any] = {}
    if args.only in (None, "ppo"):
        ms = alternate(ppo(), args.rounds)
        figures["ppo update"] = {name: {"ms": v, "speed": ms["as it is"] / v} for name, v in ms.items()}
        for name, found in figures["ppo update"].items():
            print("ppo", name, {k: round(v, 2) for k, v in found.items()}, flush=True)
    for algo in STOCK:
        if args.only not in (None, algo):
            continue
        for batch in (256, 512):
            stock, ours = models(algo, args.worlds, batch)
            runs = {"stock": on(1, stock, batch), "one_thread": on(1, ours, batch)}
            runs |= {"two_threads": on(2, ours, batch)} if TWO else {}
            ms = {name: v / 6 for name, v in alternate(runs, args.rounds).items()}
            figures[f"{algo} update {batch}"] = {
                **{f"{name}_ms": v for name, v in ms.items()},
                **{f"speed_{name}": ms["stock"] / v for name, v in ms.items() if name != "stock"},
            }
            print(algo, batch, {k: round(v, 2) for k, v in figures[f"{algo} update {batch}"].items()}, flush=True)
        ms = alternate({"stock": collect(stock), "ours": collect(ours)}, args.rounds)
        figures[f"{algo} collect"] = {
            "stock_ms": ms["stock"] / 4,
            "ours_ms": ms["ours"] / 4,
            "speed": ms["stock"] / ms["ours"],
        }
        print(algo, "collect", {k: round(v, 2) for k, v in figures[f"{algo} collect"].items()}, flush=True)
    write_result(args.out, figures, seed=0)


if __name__ == "__main__":
    main()
