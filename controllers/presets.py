"""Hyperparameters per algorithm, robot and task, in one readable place."""

import dataclasses
from dataclasses import dataclass
from typing import Any

from ..robots import SurefootError, unknown

ACTIVATIONS = ("tanh", "relu", "elu")


@dataclass(frozen=True)
class PPOSettings:
    """SB3's names and meanings, plus the number of worlds and what `controllers.ppo.PPO` adds."""

    num_envs: int = 512
    n_steps: int = 24
    batch_size: int = 3072
    n_epochs: int = 5
    learning_rate: float = 1e-3
    linear_decay: bool = False
    adaptive_kl: float | None = 0.02
    gamma: float = 0.99
    gae_lambda: float = 0.95
    clip_range: float = 0.2
    ent_coef: float = 0.002
    vf_coef: float = 1.0
    max_grad_norm: float = 1.0
    net: tuple[int, ...] = (128, 128)
    activation: str = "elu"
    log_std_init: float = -1.2
    mirror: bool = False
    steps: int = 4_000_000


@dataclass(frozen=True)
class SACSettings:
    """SB3's names and meanings, plus the number of worlds."""

    num_envs: int = 16
    batch_size: int = 256
    learning_rate: float = 3e-4
    buffer_size: int = 1_000_000
    learning_starts: int = 10_000
    gradient_steps: int = 8
    gamma: float = 0.99
    tau: float = 0.005
    net: tuple[int, ...] = (256, 256)
    activation: str = "relu"
    steps: int = 1_000_000


Settings = PPOSettings | SACSettings
ALGORITHMS: dict[str, type[PPOSettings] | type[SACSettings]] = {"ppo": PPOSettings, "sac": SACSettings}

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
    if algo not in ALGORITHMS:
        raise unknown("algorithm", algo, ALGORITHMS)
    settings = PRESETS.get((robot, task, algo), ALGORITHMS[algo]())
    known = {f.name for f in dataclasses.fields(settings)}
    for name in overrides or {}:
        if name not in known:
            raise unknown(f"hyperparameter of {algo}", name, known)
    settings = dataclasses.replace(settings, **(overrides or {}))
    check(settings)
    return settings


def check(settings: Settings) -> None:
    """Raise `SurefootError` naming the first hyperparameter that makes no sense."""
    for name in ("num_envs", "n_steps", "batch_size", "n_epochs", "buffer_size", "gradient_steps", "steps"):
        value = getattr(settings, name, 1)
        if value < 1:
            raise SurefootError(f"hyperparameter {name}={value}: expected 1 or more")
    if not 0 < settings.gamma <= 1:
        raise SurefootError(f"hyperparameter gamma={settings.gamma}: expected 0 < gamma <= 1")
    if not 0 < settings.learning_rate < 1:
        raise SurefootError(f"hyperparameter learning_rate={settings.learning_rate}: expected between 0 and 1")
    if settings.activation not in ACTIVATIONS:
        raise unknown("activation", settings.activation, ACTIVATIONS)
    if isinstance(settings, PPOSettings) and settings.batch_size > settings.num_envs * settings.n_steps:
        raise SurefootError(
            f"hyperparameter batch_size={settings.batch_size}: expected at most num_envs x n_steps = "
            f"{settings.num_envs * settings.n_steps}, the size of a rollout"
        )
