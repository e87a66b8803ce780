"""Where the time of a training goes: PPO on 1,024 worlds, as shares, and over the ceiling that bare physics sets.

    python benchmarks/time_shares.py [--seconds 30]          # half_cheetah and go1, about 5 minutes on 2 cores

Shares are of the wall-clock of `learn`: physics (`Batch.step`), environment (the rest of `BatchEnv.step`), policy (actions and
values while collecting), update (`train`), bookkeeping (the rest). The ceiling is `Batch.step` alone, repeating the controls
of the training itself from its states. `lean` has smaller networks and fewer epochs than the preset. Stock SB3 and SBX
(JAX; `pip install sbx-rl`) run their own settings on 8 Gymnasium environments; SBX is left out where it is not installed.
"""

import argparse
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import surefoot  # noqa: F401  # isort: skip
# ^ before anything loads torch: it limits the spinning of torch's threads

import numpy as np
import stable_baselines3
import torch
from common import write_result
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.logger import configure
from stable_baselines3.common.vec_env import VecNormalize

from surefoot.controllers.config import checked_config
from surefoot.controllers.presets import settings_for
from surefoot.controllers.training import make_algorithm, make_env

WORLDS = 1024
# Robot, task and what differs from the preset. The lean ones update less, as one does where physics is to be the limit.
LEAN: dict[str, Any] = {"net": (64, 64), "n_epochs": 3}
CASES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "half_cheetah": ("half_cheetah", "run", {"n_steps": 16, "batch_size": 4096}),
    "half_cheetah, lean": ("half_cheetah", "run", {"n_steps": 16, "batch_size": 4096, **LEAN}),
    "go1": ("go1", "velocity", {"n_steps": 24, "batch_size": 6144}),
    "go1, lean": ("go1", "velocity", {"n_steps": 24, "batch_size": 6144, **LEAN, "mirror": False}),
}


class Shares:
    """Exclusive seconds by label: what a wrapped call spends in other wrapped calls counts for those."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._inner: list[float] = []

    def wrap(self, function: Callable[..., Any], label: str) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:
            self._inner.append(0.0)
            start = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                spent = time.perf_counter() - start
                self.seconds[label] = self.seconds.get(label, 0.0) + spent - self._inner.pop()
                if self._inner:
                    self._inner[-1] += spent

        return timed


class Stop(BaseCallback):
    """Ends a training after some seconds, between two rollouts."""

    def __init__(self, seconds: float):
        super().__init__()
        self.seconds, self.over = seconds, False

    def _on_training_start(self) -> None:
        self.started = time.perf_counter()

    def _on_rollout_start(self) -> None:
        self.over = time.perf_counter() - self.started > self.seconds

    def _on_step(self) -> bool:
        return not self.over


class TimedBatch:
    """MuJoCo's batch with a timed `step`."""

    def __init__(self, batch: Any, shares: Shares):
        self._batch, self.step = batch, shares.wrap(batch.step, "physics")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)


def case(name: str, seconds: float, seed: int) -> dict[str, Any]:
    robot, task, hyperparameters = CASES[name]
    hyperparameters = {"num_envs": WORLDS, **hyperparameters}
    settings = settings_for(robot, task, "ppo", hyperparameters)
    config = checked_config(robot=robot, task=task, steps=10**9, seed=seed, hyperparameters=hyperparameters)
    env = make_env(config, WORLDS)
    env.reset()
    model = make_algorithm(config, env)
    model.set_logger(configure(None, []))
    model.learn(10**9, callback=Stop(seconds / 3))  # past the first falls and threads' start
    shares, batch, sim = Shares(), env.simulation.batch, env.simulation
    sim.batch = TimedBatch(batch, shares)  # type: ignore[assignment]
    env.step = shares.wrap(env.step, "environment")  # type: ignore[method-assign]
    policy = model.policy
    collect, distribution = model.collect_rollouts, policy.distribution
    policy.means, policy.values = shares.wrap(policy.means, "policy"), shares.wrap(policy.values, "policy")
    policy.distribution = shares.wrap(distribution, "policy")
    train = shares.wrap(model.train, "update")

    def update() -> None:  # the policy's part in the update counts for the update
        wrapped, policy.distribution = policy.distribution, distribution
        train()
        policy.distribution = wrapped

    model.train, model.collect_rollouts = update, shares.wrap(collect, "bookkeeping")
    before, start = model.num_timesteps, time.perf_counter()
    model.learn(10**9, callback=Stop(seconds), reset_num_timesteps=False)
    elapsed, steps = time.perf_counter() - start, model.num_timesteps - before
    share = {k: round(v / elapsed, 4) for k, v in shares.seconds.items()}
    share["bookkeeping"] = round(share["bookkeeping"] + 1 - sum(share.values()), 4)
    sim.batch = batch
    loop, ceiling = steps / elapsed, bare(env, model.policy, sim.substeps)
    return {
        "worlds": WORLDS, "settings": {k: getattr(settings, k) for k in ("n_steps", "batch_size", "n_epochs", "net")},
        "shares": share, "rest": round(1 - share["physics"] - share["update"], 4),
        "steps_per_s": round(loop), "ceiling_steps_per_s": round(ceiling), "over_ceiling": round(loop / ceiling, 3),
    }  # fmt: skip


def bare(env: Any, policy: Any, substeps: int, steps: int = 24, rounds: int = 8) -> float:
    """`Batch.step` alone in steps/s (median of rounds), over controls and states of the training."""
    sim = env.simulation
    start, controls = sim.batch.state.copy(), np.empty((steps, *sim.ctrl.shape))
    for t in range(steps):
        env.step(policy.predict(env.observation, deterministic=False)[0])
        controls[t] = sim.ctrl
    rates = []
    for _ in range(rounds):
        sim.batch.state[:] = start
        begin = time.perf_counter()
        for t in range(steps):
            sim.ctrl[:] = controls[t]
            sim.batch.step(nstep=substeps)
        rates.append(steps * env.num_envs / (time.perf_counter() - begin))
    return float(np.median(rates))


def stock(library: Any, seconds: float) -> float:
    """Steps/s of PPO with the library's own defaults on 8 Gymnasium HalfCheetahs in one process, one torch thread."""
    torch.set_num_threads(1)
    env = VecNormalize(make_vec_env("HalfCheetah-v5", n_envs=8, seed=0))
    model = library.PPO("MlpPolicy", env, n_steps=256, seed=0, device="cpu")
    model.learn(2 * 8 * 256)  # compilation, threads
    start, before = time.perf_counter(), model.num_timesteps
    while time.perf_counter() - start < seconds:
        model.learn(8 * 256, reset_num_timesteps=False)
    return (model.num_timesteps - before) / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30.0, help="of each measurement")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default="time_shares.json", help="result file")
    args = parser.parse_args()
    figures: dict[str, Any] = {}
    for name in CASES:
        figures[name] = case(name, args.seconds, args.seed)
        print(name, figures[name], flush=True)
    rates = {"stable_baselines3": stock(stable_baselines3, args.seconds)}
    if find_spec("sbx"):
        import sbx

        rates["sbx"] = stock(sbx, args.seconds)
    for name, rate in rates.items():
        ratio = round(figures["half_cheetah"]["steps_per_s"] / rate, 1)
        lean = round(figures["half_cheetah, lean"]["steps_per_s"] / rate, 1)
        figures[name] = {"steps_per_s": round(rate), "surefoot_over_it": ratio, "lean_over_it": lean}
        print(name, figures[name], flush=True)
    print("wrote", write_result(args.out, figures, args.seed))


if __name__ == "__main__":
    main()
