"""Hyperparameters of each algorithm: SB3's names and meanings, plus what a batch of worlds and a network need."""

from dataclasses import dataclass

from ..robots import SurefootError, unknown

ACTIVATIONS = ("tanh", "relu", "elu")


@dataclass(frozen=True)
class Settings:
    """What every algorithm has.

    Attributes:
        num_envs: worlds.
        steps: environment steps of a whole training, all worlds together.
        linear_decay: let the learning rate fall to nearly zero over the training.
        net: widths of the hidden layers.
        activation: between them, by name.
    """

    num_envs: int = 16
    steps: int = 1_000_000
    learning_rate: float = 3e-4
    linear_decay: bool = False
    gamma: float = 0.99
    net: tuple[int, ...] = (256, 256)
    activation: str = "relu"


@dataclass(frozen=True)
class OnPolicySettings(Settings):
    """Of algorithms that learn from whole rollouts with `policy.Policy`.

    Attributes:
        log_std_init: logarithm of the actions' first standard deviation.
        mirror: a network that is left-right symmetric by construction; needs a robot with a symmetry map.
    """

    num_envs: int = 512
    steps: int = 4_000_000
    n_steps: int = 24
    learning_rate: float = 1e-3
    gae_lambda: float = 0.95
    ent_coef: float = 0.002
    vf_coef: float = 1.0
    max_grad_norm: float = 1.0
    net: tuple[int, ...] = (128, 128)
    activation: str = "elu"
    log_std_init: float = -1.2
    mirror: bool = False


@dataclass(frozen=True)
class PPOSettings(OnPolicySettings):
    """Proximal policy optimisation; `adaptive_kl` (None: off) adapts the learning rate instead of a schedule."""

    batch_size: int = 3072
    n_epochs: int = 5
    adaptive_kl: float | None = 0.02
    clip_range: float = 0.2


@dataclass(frozen=True)
class OffPolicySettings(Settings):
    """Of algorithms that learn from a replay buffer: `gradient_steps` updates for each step of all worlds."""

    batch_size: int = 256
    buffer_size: int = 1_000_000
    learning_starts: int = 10_000
    train_freq: int = 1
    gradient_steps: int = 8
    tau: float = 0.005


@dataclass(frozen=True)
class SACSettings(OffPolicySettings):
    """Soft actor-critic."""


# Ours rather than arguments of SB3's constructors, which all other fields are.
OURS = {"num_envs", "steps", "learning_rate", "linear_decay", "net", "activation", "log_std_init", "mirror"}


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
