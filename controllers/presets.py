"""Hyperparameters per robot, task and algorithm, in one readable place."""

import dataclasses
from typing import Any

from ..robots import unknown
from .algorithms import find_algorithm
from .settings import PPOSettings, SACSettings, Settings, check

_RUN_PPO = PPOSettings(
    num_envs=128,
    n_steps=64,
    batch_size=1024,
    adaptive_kl=None,
    linear_decay=True,
    gamma=0.98,
    ent_coef=0.0,
    vf_coef=0.5,
    max_grad_norm=0.5,
    net=(64, 64),
    activation="tanh",
    log_std_init=-1.0,
    steps=3_000_000,
)
_WALK_PPO = PPOSettings(mirror=True, gamma=0.97)

_RUN_ROBOTS = ("half_cheetah", "hopper", "walker2d", "ant", "humanoid")
_QUADRUPEDS = ("quadruped", "go1")

# PPO is tuned on half_cheetah and on quadruped (benchmarks/results); SAC has the zoo's values, which are SB3's defaults.
PRESETS: dict[tuple[str, str, str], Settings] = {
    **{(robot, "run", "ppo"): _RUN_PPO for robot in _RUN_ROBOTS},
    **{(robot, "velocity", "ppo"): _WALK_PPO for robot in _QUADRUPEDS},
    **{(robot, "run", "sac"): SACSettings() for robot in _RUN_ROBOTS},
    **{(robot, "velocity", "sac"): SACSettings() for robot in _QUADRUPEDS},
}


def settings_for(robot: str, task: str, algo: str, overrides: dict[str, Any] | None = None) -> Settings:
    """The preset, or the algorithm's defaults, with `overrides` applied.

    Raises `SurefootError` for an unknown algorithm, an unknown hyperparameter or a value out of range.
    """
    settings = PRESETS.get((robot, task, algo)) or find_algorithm(algo).settings()
    known = {f.name for f in dataclasses.fields(settings)}
    for name in overrides or {}:
        if name not in known:
            raise unknown(f"hyperparameter of {algo}", name, known)
    settings = dataclasses.replace(settings, **(overrides or {}))
    check(settings)
    return settings
