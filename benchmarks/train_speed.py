"""How long until half_cheetah runs? PPO's preset against stock SB3, in one run.

    python benchmarks/train_speed.py            # 3 seeds and the stock measurements, half an hour on 2 cores
    python benchmarks/train_speed.py --goals ppo --limit 60 --out train_speed_ppo.json   # the first goal alone, 8 minutes

Ours: wall-clock from the call of `train` until the controller reaches 5819 and 9535, the returns that rl-baselines3-zoo
publishes for PPO and SAC after 1 M steps. Judged as there, without exploration: a copy of the controller is taken whenever
the time has grown by 5 %, and after the training each is evaluated on 100 whole episodes of the unmodified v5 task. Beside
it, when the mean of the last 100 training episodes, which explore and end up to 1,000 steps later, reaches the same.
Stock: SB3's PPO with the zoo's tuned hyperparameters on 8 Gymnasium environments, and its SAC (defaults, as in the zoo) on
one; their steps/s, extrapolated to the zoo's 1 M steps.
"""

import argparse
import time
from typing import Any

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

from surefoot.controllers.config import TrainConfig
from surefoot.controllers.controller import Controller
from surefoot.controllers.evaluation import evaluate
from surefoot.controllers.training import train, train_config

GOALS = {"ppo": 5819.0, "sac": 9535.0}  # by the algorithm with which the zoo reaches them
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


EPISODES, LATER = 100, 1.05  # of one evaluation; by which factor of time a copy follows the one before it
# A copy whose training episodes earn less than this share of a goal is not evaluated. It may have reached the goal
# all the same, as exploration costs half and more at first: a time can come out late, never early.
HOPELESS = 0.5


class Watch(BaseCallback):
    """Copies of the controller over time; stops when training episodes reach the last goal, or at the time limit."""

    def __init__(self, config: TrainConfig, goals: list[float], limit: float):
        super().__init__()
        self.config, self.goals, self.limit, self.started = config, goals, limit, time.perf_counter()
        self.copies: list[tuple[float, int, float, Controller]] = []  # seconds, steps, training return
        self.trained: dict[str, tuple[float, int]] = {}  # seconds and steps to each goal

    def _on_step(self) -> bool:
        return len(self.trained) < len(self.goals) and time.perf_counter() - self.started < self.limit

    def _on_rollout_end(self) -> None:
        full = [e["r"] for e in self.model.ep_info_buffer]
        if len(full) < 100:
            return
        elapsed, value = time.perf_counter() - self.started, float(np.mean(full))
        for goal in self.goals:
            if value >= goal:
                self.trained.setdefault(f"{goal:.0f}", (round(elapsed, 1), self.num_timesteps))
        if elapsed > LATER * (self.copies[-1][0] if self.copies else 0.0):
            copy = Controller.from_algorithm(self.config, self.model).copy()
            self.copies.append((elapsed, self.num_timesteps, value, copy))


def ours(seed: int, goals: list[float], limit: float) -> dict[str, Any]:
    # The rate falls over a third of the preset's steps: the goals are reached by then, and sooner.
    asked: dict[str, Any] = {"steps": 5_000_000, "seed": seed}
    watch = Watch(train_config("half_cheetah", "run", **asked), goals, limit)
    train("half_cheetah", "run", **asked, progress=False, callback=watch)
    reached: dict[str, tuple[float, int]] = {}
    curve = []
    for elapsed, steps, value, controller in watch.copies:
        goal = next((g for g in goals if f"{g:.0f}" not in reached), None)
        if goal is None or value < HOPELESS * goal:
            continue
        judged = evaluate(controller, episodes=EPISODES, seed=12345).mean
        curve.append([round(elapsed, 1), steps, round(value), round(judged)])
        if judged >= goal:
            reached[f"{goal:.0f}"] = (round(elapsed, 1), steps)
    seconds, steps, best, _ = watch.copies[-1]
    return {
        "seed": seed, "seconds_and_steps_to": reached, "training_episodes_to": watch.trained,
        "steps": steps, "return": best, "steps_per_second": steps / seconds, "curve": curve,
    }  # fmt: skip


def stock(algo: str, seconds: float) -> dict[str, float]:
    """Steps/s of SB3's own PPO (the zoo's settings, 8 Gymnasium environments) or SAC (defaults, one); one torch thread."""
    torch.set_num_threads(1)
    if algo == "ppo":
        env = VecNormalize(make_vec_env("HalfCheetah-v5", n_envs=8, seed=0))
        model, chunk = stable_baselines3.PPO("MlpPolicy", env, seed=0, device="cpu", **ZOO), 8 * 512
    else:
        env = make_vec_env("HalfCheetah-v5", n_envs=1, seed=0)
        model, chunk = stable_baselines3.SAC("MlpPolicy", env, seed=0, device="cpu", learning_starts=200), 200
    model.learn(2 * chunk)
    started, before = time.perf_counter(), model.num_timesteps
    while time.perf_counter() - started < seconds:
        model.learn(chunk, reset_num_timesteps=False)
    rate = (model.num_timesteps - before) / (time.perf_counter() - started)
    return {"steps_per_second": rate, "seconds_for_1M_steps": ZOO_STEPS / rate}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds")
    parser.add_argument(
        "--goals", nargs="+", choices=GOALS, default=list(GOALS), help="which to reach, by stock algorithm"
    )
    parser.add_argument("--limit", type=float, default=300.0, help="wall-clock limit of one seed, s")
    parser.add_argument("--stock-seconds", type=float, default=40.0, help="how long stock SB3 is measured, s")
    parser.add_argument("--out", default="train_speed.json", help="result file")
    args = parser.parse_args()
    goals = {algo: GOALS[algo] for algo in args.goals}
    runs = []
    for seed in range(args.seeds):
        runs.append(ours(seed, list(goals.values()), args.limit))
        print({k: v for k, v in runs[-1].items() if k != "curve"}, flush=True)
    judged = f"{EPISODES} episodes without exploration"
    figures: dict[str, object] = {"judged": judged, "runs": runs, "gymnasium": gymnasium.__version__}
    for algo, goal in goals.items():
        reference = stock(algo, args.stock_seconds)
        times = [run["seconds_and_steps_to"].get(f"{goal:.0f}", (None,))[0] for run in runs]
        figures[f"to {goal:.0f}"] = {
            "seconds": times, f"stock_sb3_{algo}": reference,
            "stock_over_slowest": None if None in times else reference["seconds_for_1M_steps"] / max(times),
            "stock_over_mean": None if None in times else reference["seconds_for_1M_steps"] / float(np.mean(times)),
        }  # fmt: skip
    print({k: v for k, v in figures.items() if k != "runs"})
    write_result(args.out, figures, seed=0)


if __name__ == "__main__":
    main()
