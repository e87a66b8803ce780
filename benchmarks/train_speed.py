"""How long until half_cheetah runs? PPO's preset against stock SB3, in one run.

    python benchmarks/train_speed.py            # 3 seeds and the stock measurement, about 6 minutes on 2 cores

Ours: wall-clock from the call of `train` until the mean of the last 100 training episodes (whole 1000-step episodes,
unmodified v5 reward) reaches 5819, the return that rl-baselines3-zoo publishes for PPO after 1 M steps. Stock: SB3's PPO
with the zoo's tuned hyperparameters on 8 Gymnasium environments; its steps/s, extrapolated to the zoo's 1 M steps.
"""

import argparse
import time

import surefoot  # noqa: F401  # isort: skip
# ^ before anything loads torch: it limits the spinning of torch's threads

import gymnasium
import numpy as np
import stable_baselines3
import torch
from common import write_result
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecNormalize

from surefoot.controllers.training import train

GOAL = 5819.0
ZOO_STEPS = 1_000_000
# rl-baselines3-zoo, hyperparams/ppo.yml, HalfCheetah-v3 (facts/locomotion.md)
ZOO = {
    "n_steps": 512, "batch_size": 64, "n_epochs": 20, "gamma": 0.98, "gae_lambda": 0.92, "learning_rate": 2.0633e-5,
    "ent_coef": 4.01762e-4, "clip_range": 0.1, "vf_coef": 0.58096, "max_grad_norm": 0.8,
    "policy_kwargs": {
        "log_std_init": -2, "ortho_init": False, "activation_fn": torch.nn.ReLU,
        "net_arch": {"pi": [256, 256], "vf": [256, 256]},
    },
}  # fmt: skip


class Watch(BaseCallback):
    """Training return over time; stops at the goal or the time limit."""

    def __init__(self, limit: float):
        super().__init__()
        self.started, self.limit = time.perf_counter(), limit
        self.curve: list[tuple[float, int, float]] = []
        self.reached: float | None = None

    def _on_step(self) -> bool:
        return self.reached is None and time.perf_counter() - self.started < self.limit

    def _on_rollout_end(self) -> None:
        full = [e["r"] for e in self.model.ep_info_buffer]
        if len(full) == 100:
            elapsed = time.perf_counter() - self.started
            self.curve.append((elapsed, self.num_timesteps, float(np.mean(full))))
            if self.curve[-1][2] >= GOAL and self.reached is None:
                self.reached = elapsed


def ours(seed: int, limit: float) -> dict[str, object]:
    watch = Watch(limit)
    train("half_cheetah", "run", seed=seed, progress=False, callback=watch)
    seconds, steps, best = watch.curve[-1]
    return {
        "seed": seed, "seconds_to_goal": watch.reached, "steps": steps, "return": best, "steps_per_second": steps / seconds,
        "curve": [[round(t, 1), n, round(r)] for t, n, r in watch.curve[::10]],
    }  # fmt: skip


def stock(seconds: float) -> dict[str, float]:
    """Steps/s of SB3's own PPO with the zoo's settings on 8 Gymnasium environments in one process, one torch thread."""
    torch.set_num_threads(1)
    env = VecNormalize(make_vec_env("HalfCheetah-v5", n_envs=8, seed=0))
    model = stable_baselines3.PPO("MlpPolicy", env, seed=0, device="cpu", **ZOO)
    model.learn(2 * 8 * 512)
    started, before = time.perf_counter(), model.num_timesteps
    while time.perf_counter() - started < seconds:
        model.learn(8 * 512, reset_num_timesteps=False)
    rate = (model.num_timesteps - before) / (time.perf_counter() - started)
    return {"steps_per_second": rate, "seconds_for_1M_steps": ZOO_STEPS / rate}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds")
    parser.add_argument("--limit", type=float, default=150.0, help="wall-clock limit of one seed, s")
    parser.add_argument("--stock-seconds", type=float, default=45.0, help="how long stock SB3 is measured, s")
    parser.add_argument("--out", default="train_speed.json", help="result file")
    args = parser.parse_args()
    runs = []
    for seed in range(args.seeds):
        runs.append(ours(seed, args.limit))
        print({k: v for k, v in runs[-1].items() if k != "curve"}, flush=True)
    reference = stock(args.stock_seconds)
    times = [r["seconds_to_goal"] for r in runs]
    slowest = None if None in times else max(times)
    figures = {
        "goal": GOAL, "runs": runs, "stock_sb3_zoo_settings_8_envs": reference, "slowest_seconds_to_goal": slowest,
        "stock_time_over_slowest": None if slowest is None else reference["seconds_for_1M_steps"] / slowest,
        "gymnasium": gymnasium.__version__,
    }  # fmt: skip
    print({k: v for k, v in figures.items() if k != "runs"})
    write_result(args.out, figures, seed=0)


if __name__ == "__main__":
    main()
