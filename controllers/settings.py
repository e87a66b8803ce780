"""Hyperparameters of each algorithm: SB3's names and meanings, plus what a batch of worlds and a network need."""

from dataclasses import dataclass

from ..robots import SurefootError, unknown
from .networks import ACTIVATIONS, HISTORY_NETWORKS, NETWORKS, NORM_LAYERS
from .optimizers import OPTIMIZERS

CELLS = ("lstm", "gru")


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
    net: tuple[int, ...] = (128, 128)
    activation: str = "elu"
    log_std_init: float = -1.2
    ortho_init: bool = True
    mirror: bool = False
    untied: bool = False


@dataclass(frozen=True)
class ActorCriticSettings(OnPolicySettings):
    """Of those that descend one loss: the policy's + `vf_coef` x the value function's - `ent_coef` x entropy."""

    ent_coef: float = 0.002
    vf_coef: float = 1.0
    max_grad_norm: float = 1.0


@dataclass(frozen=True)
class PPOSettings(ActorCriticSettings):
    """Proximal policy optimisation; `adaptive_kl` (None: off) adapts the learning rate instead of a schedule."""

    batch_size: int = 3072
    n_epochs: int = 5
    adaptive_kl: float | None = 0.02
    clip_range: float = 0.2


@dataclass(frozen=True)
class RecurrentPPOSettings(PPOSettings):
    """PPO with a memory; a minibatch holds the whole rollouts of `batch_size / n_steps` worlds.

    Attributes:
        cell: of the recurrent layers, "lstm" or "gru".
        hidden, layers: their width and number; the networks see the observation beside the last layer.
    """

    cell: str = "lstm"
    hidden: int = 128
    layers: int = 1


@dataclass(frozen=True)
class A2CSettings(ActorCriticSettings):
    """Advantage actor-critic: one step of RMSprop for each short rollout."""

    n_steps: int = 8
    learning_rate: float = 7e-4
    optimizer: str = "rmsprop"
    normalize_advantage: bool = True


@dataclass(frozen=True)
class TRPOSettings(OnPolicySettings):
    """Trust-region policy optimisation; `learning_rate` and `batch_size` are the value function's alone.

    Attributes:
        target_kl: of one update, mean over the action's dimensions (as sb3-contrib reckons it).
        cg_max_steps, cg_damping: of the conjugate gradients that find the step.
        n_critic_updates: epochs of the value function.
    """

    batch_size: int = 3072
    target_kl: float = 0.01
    cg_max_steps: int = 15
    cg_damping: float = 0.1
    n_critic_updates: int = 10


@dataclass(frozen=True)
class ARSSettings(Settings):
    """Augmented random search: each of the 2 `n_delta` candidates runs in `num_envs / (2 n_delta)` worlds.

    Attributes:
        gamma: discount of the returns by which candidates are compared; 1 in the paper.
        net: widths of hidden layers; none, as in the paper, makes the policy linear.
        n_top: so many of the `n_delta` directions, the best ones, make the step.
        delta_std: standard deviation of a direction.
        alive_bonus_offset: added to each step's reward, to take back a reward for being alive.
    """

    num_envs: int = 64
    steps: int = 10_000_000
    learning_rate: float = 0.02
    gamma: float = 1.0
    net: tuple[int, ...] = ()
    activation: str = "tanh"
    n_delta: int = 32
    n_top: int = 16
    delta_std: float = 0.03
    alive_bonus_offset: float = 0.0


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
OURS = {
    "num_envs", "steps", "learning_rate", "linear_decay", "net", "activation", "log_std_init", "mirror", "cell", "hidden",
    "layers", "norm_layer", "network", "history", "encoder_width", "optimizer", "weight_decay", "ortho_init", "untied",
}  # fmt: skip


def check(settings: Settings) -> None:
    """Raise `SurefootError` naming the first hyperparameter that makes no sense."""
    counts = ("num_envs", "n_steps", "batch_size", "n_epochs", "buffer_size", "gradient_steps", "steps")
    for name in (*counts, "hidden", "layers", "cg_max_steps", "n_critic_updates", "n_delta", "n_top"):
        value = getattr(settings, name, 1)
        if value < 1:
            raise SurefootError(f"hyperparameter {name}={value}: expected 1 or more")
    if not 0 < settings.gamma <= 1:
        raise SurefootError(f"hyperparameter gamma={settings.gamma}: expected 0 < gamma <= 1")
    if not 0 < settings.learning_rate < 1:
        raise SurefootError(f"hyperparameter learning_rate={settings.learning_rate}: expected between 0 and 1")
    _check_network(settings)
    for name in ("target_kl", "delta_std"):
        if not getattr(settings, name, 1) > 0:
            raise SurefootError(f"hyperparameter {name}={getattr(settings, name)}: expected more than 0")
    if isinstance(settings, PPOSettings | TRPOSettings) and settings.batch_size > settings.num_envs * settings.n_steps:
        raise SurefootError(
            f"hyperparameter batch_size={settings.batch_size}: expected at most num_envs x n_steps = "
            f"{settings.num_envs * settings.n_steps}, the size of a rollout"
        )
    if isinstance(settings, RecurrentPPOSettings):
        _check_recurrent(settings)
    if isinstance(settings, ARSSettings):
        _check_ars(settings)


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


def _check_recurrent(settings: RecurrentPPOSettings) -> None:
    if settings.cell not in CELLS:
        raise unknown("cell", settings.cell, CELLS)
    if settings.mirror:
        raise SurefootError("hyperparameter mirror=True: a recurrent policy has no mirror image, expected False")
    if settings.network != "mlp":
        raise SurefootError(f"network {settings.network!r}: a recurrent policy reads observations itself, expected 'mlp'")
    if settings.batch_size < settings.n_steps:
        raise SurefootError(
            f"hyperparameter batch_size={settings.batch_size}: expected at least n_steps = {settings.n_steps}, "
            "the rollout of one world"
        )


def _check_ars(settings: ARSSettings) -> None:
    if settings.n_top > settings.n_delta:
        raise SurefootError(
            f"hyperparameter n_top={settings.n_top}: expected at most n_delta = {settings.n_delta}, the directions"
        )
    if settings.num_envs % (2 * settings.n_delta):
        raise SurefootError(
            f"hyperparameter num_envs={settings.num_envs}: expected a multiple of 2 x n_delta = {2 * settings.n_delta}, "
            "the candidates"
        )
