"""Hyperparameters of each algorithm: SB3's names and meanings, plus what a batch of worlds and a network need."""

from dataclasses import dataclass

from ..robots import SurefootError, unknown
from .networks import ACTIVATIONS, HISTORY_NETWORKS, NETWORKS, NORM_LAYERS
from .optimizers import OPTIMIZERS


@dataclass(frozen=True)
class Settings:
    """What every algorithm has.

    Attributes:
        num_envs: worlds.
        steps: environment steps of a whole training, all worlds together.
        linear_decay: let the learning rate fall to nearly zero over the training.
        net: widths of the hidden layers.
        activation, norm_layer: after each of them, by name; "none" of the latter leaves it out.
        network: what reads the observation before the hidden layers, by name; "mlp": nothing.
        history: how many control steps an observation holds; 1: the current one.
        encoder_width: channels, hidden state or model dimension of `network`.
        optimizer: by name; weight_decay: of the weights per step and learning rate (None: the optimiser's own).
    """

    num_envs: int = 16
    steps: int = 1_000_000
    learning_rate: float = 3e-4
    linear_decay: bool = False
    gamma: float = 0.99
    net: tuple[int, ...] = (256, 256)
    activation: str = "relu"
    norm_layer: str = "none"
    network: str = "mlp"
    history: int = 1
    encoder_width: int = 64
    optimizer: str = "adam"
    weight_decay: float | None = None


@dataclass(frozen=True)
class OnPolicySettings(Settings):
    """Of algorithms that learn from whole rollouts with `policy.Policy`.

    Attributes:
        log_std_init: logarithm of the actions' first standard deviation.
        ortho_init: first weights are orthogonal, with SB3's gains; otherwise torch's defaults.
        mirror: a network that is left-right symmetric by construction; needs a robot with a symmetry map.
        untied: such a network whose two sides learn apart (`adaptation.finetune`).
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
    ortho_init: bool = True
    mirror: bool = False
    untied: bool = False


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
OURS |= {"norm_layer", "network", "history", "encoder_width", "optimizer", "weight_decay", "ortho_init", "untied"}


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
    _check_network(settings)
    if isinstance(settings, PPOSettings) and settings.batch_size > settings.num_envs * settings.n_steps:
        raise SurefootError(
            f"hyperparameter batch_size={settings.batch_size}: expected at most num_envs x n_steps = "
            f"{settings.num_envs * settings.n_steps}, the size of a rollout"
        )


def _check_network(settings: Settings) -> None:
    choices = {
        "network": NETWORKS, "activation": ACTIVATIONS, "norm_layer": NORM_LAYERS, "optimizer": OPTIMIZERS
    }  # fmt: skip
    for name, known in choices.items():
        if getattr(settings, name) not in known:
            raise unknown(name.replace("_", " "), getattr(settings, name), known)
    for name in ("history", "encoder_width"):
        if getattr(settings, name) < 1:
            raise SurefootError(f"hyperparameter {name}={getattr(settings, name)}: expected 1 or more")
    if settings.weight_decay is not None and not settings.weight_decay >= 0:
        raise SurefootError(f"hyperparameter weight_decay={settings.weight_decay}: expected 0 or more")
    if settings.network in HISTORY_NETWORKS and settings.history == 1:
        raise SurefootError(f"network {settings.network!r} reads a history: set history=16 or another number above 1")
    if settings.network == "cnn" and (settings.history > 1 or getattr(settings, "mirror", False)):
        raise SurefootError("network 'cnn' reads one image: expected history=1 and mirror=false")
