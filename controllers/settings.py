"""Hyperparameters of each algorithm: SB3's names and meanings, plus what a batch of worlds and a network need."""

import math
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
class JointLossSettings(OnPolicySettings):
    """Of those that descend one loss: the policy's + `vf_coef` x the value function's - `ent_coef` x entropy."""

    ent_coef: float = 0.002
    vf_coef: float = 1.0
    max_grad_norm: float = 1.0


@dataclass(frozen=True)
class PPOSettings(JointLossSettings):
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
class A2CSettings(JointLossSettings):
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


@dataclass(frozen=True)
class ActorCriticSettings(OffPolicySettings):
    """Of algorithms with an actor and critics that judge its actions.

    Attributes:
        critic_net: widths of the critics' hidden layers; () for those of the actor, `net`.
        n_critics: how many, each with weights of its own.
        reward_scale: rewards are multiplied by it.
    """

    critic_net: tuple[int, ...] = ()
    n_critics: int = 2
    reward_scale: float = 1.0


@dataclass(frozen=True)
class SACSettings(ActorCriticSettings):
    """Soft actor-critic.

    Attributes:
        tau: step of the target critics towards the critics.
        ent_coef: temperature: a number, or "auto" (found, from 1), or "auto_0.1" (found, from 0.1).
    """

    tau: float = 0.005
    ent_coef: str = "auto"


@dataclass(frozen=True)
class TQCSettings(SACSettings):
    """Truncated quantile critics: each critic has `n_quantiles`, of which the target leaves out the highest."""

    n_quantiles: int = 25
    top_quantiles_to_drop_per_net: int = 2


@dataclass(frozen=True)
class CrossQSettings(ActorCriticSettings):
    """CrossQ: batch normalisation instead of target networks; the actor learns at every `policy_delay`-th step."""

    learning_rate: float = 1e-3
    ent_coef: str = "auto"
    policy_delay: int = 3


@dataclass(frozen=True)
class DDPGSettings(ActorCriticSettings):
    """Deep deterministic policy gradient; `exploration_noise` is a standard deviation on actions in [-1, 1]."""

    n_critics: int = 1
    learning_rate: float = 1e-3
    tau: float = 0.005
    exploration_noise: float = 0.1


@dataclass(frozen=True)
class TD3Settings(DDPGSettings):
    """Twin delayed DDPG.

    Attributes:
        policy_delay: the actor and the targets learn at every such gradient step.
        target_policy_noise, target_noise_clip: standard deviation and limit of the noise on the target's actions.
    """

    n_critics: int = 2
    policy_delay: int = 2
    target_policy_noise: float = 0.2
    target_noise_clip: float = 0.5


# Ours rather than arguments of SB3's constructors, which all other fields are.
OURS = {
    "num_envs", "steps", "learning_rate", "linear_decay", "net", "activation", "log_std_init", "mirror", "cell", "hidden",
    "layers", "norm_layer", "network", "history", "encoder_width", "optimizer", "weight_decay", "ortho_init", "untied",
    "critic_net", "n_critics", "n_quantiles",
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
    if isinstance(settings, ActorCriticSettings):
        _check_actor_critic(settings)


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
        raise SurefootError(
            f"network {settings.network!r}: a recurrent policy reads observations itself, expected 'mlp'"
        )
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


def _check_actor_critic(settings: ActorCriticSettings) -> None:
    for name in ("train_freq", "n_critics", "n_quantiles", "policy_delay"):
        if getattr(settings, name, 1) < 1:
            raise SurefootError(f"hyperparameter {name}={getattr(settings, name)}: expected 1 or more")
    for name in ("learning_starts", "exploration_noise", "target_policy_noise", "target_noise_clip"):
        if getattr(settings, name, 0) < 0:
            raise SurefootError(f"hyperparameter {name}={getattr(settings, name)}: expected 0 or more")
    if not 0 < getattr(settings, "tau", 1.0) <= 1:
        raise SurefootError(f"hyperparameter tau={getattr(settings, 'tau', 1.0)}: expected 0 < tau <= 1")
    if not settings.reward_scale > 0:
        raise SurefootError(f"hyperparameter reward_scale={settings.reward_scale}: expected more than 0")
    if isinstance(settings, TQCSettings) and not 0 <= settings.top_quantiles_to_drop_per_net < settings.n_quantiles:
        raise SurefootError(
            f"hyperparameter top_quantiles_to_drop_per_net={settings.top_quantiles_to_drop_per_net}: expected 0 to "
            f"{settings.n_quantiles - 1}, fewer than n_quantiles"
        )
    if isinstance(settings, SACSettings | CrossQSettings):
        start = settings.ent_coef.removeprefix("auto_") if settings.ent_coef != "auto" else "1"
        try:
            fits = 0 < float(start) < math.inf
        except ValueError:
            fits = False
        if not fits:
            raise SurefootError(
                f"hyperparameter ent_coef={settings.ent_coef!r}: expected a number above 0, auto or auto_0.1"
            )
