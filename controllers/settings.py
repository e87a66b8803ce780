"""Hyperparameters of each algorithm: SB3's names and meanings, plus what a batch of worlds and a network need."""

from dataclasses import dataclass

from ..envs.inputs import REMEMBERED


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
        inputs: what it holds beside the task's own numbers: last_action, last_reward, last_done, or, known in simulation
            alone, parameters and commands by name; "parameters" stands for those that the training varies, with its goals.
        trial: episodes on the same robot that the learner takes for one, but for what follows a fall.
        redraw: probability per control step that a robot becomes another one in mid-episode.
        sampler: which robots of the variation are trained on: uniform, grid, plr or adr (`envs.samplers`).
        adr_low, adr_high: of sampler adr, mean returns of an episode at which it narrows and widens a range.
        encoder_width: channels, hidden state or model dimension of `network`.
        optimizer: by name; weight_decay: of the weights per step and learning rate (None: the optimiser's own).
        clip_obs: normalised observations are clipped to +-clip_obs, as by SB3's VecNormalize; at least 3, because the
            statistics are taken of what was clipped; None: not at all.
        evaluations: so many times it is evaluated during the training, and the best controller kept (`best.Best`); 0: the last.
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
    inputs: tuple[str, ...] = ()
    trial: int = 1
    redraw: float = 0.0
    sampler: str = "uniform"
    adr_low: float | None = None
    adr_high: float | None = None
    encoder_width: int = 64
    optimizer: str = "adam"
    weight_decay: float | None = None
    clip_obs: float | None = 10.0
    evaluations: int = 0


@dataclass(frozen=True)
class OnPolicySettings(Settings):
    """Of algorithms that learn from whole rollouts with `policy.Policy`.

    Attributes:
        log_std_init: logarithm of the actions' first standard deviation.
        ortho_init: first weights are orthogonal, with SB3's gains; otherwise torch's defaults.
        mirror: a network that is left-right symmetric by construction; needs a robot with a symmetry map.
        untied: such a network whose two sides learn apart (`adaptation.finetune`).
        clip_reward: normalised rewards are clipped to +-clip_reward, as by SB3's VecNormalize.
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
    clip_reward: float = 10.0


@dataclass(frozen=True)
class JointLossSettings(OnPolicySettings):
    """Of those that descend one loss: the policy's + `vf_coef` x the value function's - `ent_coef` x entropy."""

    ent_coef: float = 0.002
    vf_coef: float = 1.0
    max_grad_norm: float = 1.0


@dataclass(frozen=True)
class PPOSettings(JointLossSettings):
    """Proximal policy optimisation; `adaptive_kl` (None: off) adapts the learning rate to hold the divergence of an update.

    With `linear_decay` this divergence falls to nearly nothing over the training instead of the rate.
    """

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
    ent_coef: float | str = "auto"


@dataclass(frozen=True)
class ContextSACSettings(SACSettings):
    """Soft actor-critic with a latent context (PEARL): each world keeps one task for the whole training.

    Attributes:
        num_envs: worlds, dealt to the tasks in turn: with fewer of them than tasks, some are never met.
        latent: dimensions of the latent. encoder_width: of the two hidden layers that read a transition.
        batch_size: of all tasks of a minibatch together. tasks: how many those are.
        context: so many transitions stand for a trial's first steps, of which the belief is made.
        attempts: episodes after which the belief is given up and begins anew.
        kl_weight: of the belief's divergence from the prior, beside the critics' loss, which grows with the square of
            `reward_scale`: where rewards are small, a weight that is too large leaves a belief that says nothing.
    """

    num_envs: int = 100
    steps: int = 2_000_000
    inputs: tuple[str, ...] = REMEMBERED
    latent: int = 5
    encoder_width: int = 128
    batch_size: int = 2048
    tasks: int = 16
    context: int = 64
    attempts: int = 2
    kl_weight: float = 0.1


@dataclass(frozen=True)
class TQCSettings(SACSettings):
    """Truncated quantile critics: each critic has `n_quantiles`, of which the target leaves out the highest."""

    n_quantiles: int = 25
    top_quantiles_to_drop_per_net: int = 2


@dataclass(frozen=True)
class CrossQSettings(ActorCriticSettings):
    """CrossQ: batch normalisation instead of target networks; the actor learns at every `policy_delay`-th step."""

    learning_rate: float = 1e-3
    ent_coef: float | str = "auto"
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


@dataclass(frozen=True)
class ValueSettings(OffPolicySettings):
    """Of algorithms that learn what each of finitely many actions is worth, with a network and epsilon-greedy exploration.

    Attributes:
        bins: levels of each actuator where actions are continuous; None where they are discrete already.
        exploration_fraction: share of the training in which epsilon falls from `exploration_initial_eps` to
            `exploration_final_eps`, the probability of a random action.
        target_update_interval: environment steps, all worlds together, between two updates of the target network, of which
            `tau` is the step (1: a copy).
    """

    bins: int | None = None
    batch_size: int = 128
    buffer_size: int = 100_000
    learning_starts: int = 2000
    gradient_steps: int = 4
    tau: float = 1.0
    target_update_interval: int = 1000
    exploration_fraction: float = 0.3
    exploration_initial_eps: float = 1.0
    exploration_final_eps: float = 0.05
    max_grad_norm: float = 10.0


@dataclass(frozen=True)
class DQNSettings(ValueSettings):
    """Deep Q-network (Mnih et al., 2015)."""


@dataclass(frozen=True)
class QRDQNSettings(ValueSettings):
    """Quantile-regression DQN: the distribution of returns in `n_quantiles` quantiles (Dabney et al., 2018)."""

    n_quantiles: int = 50


@dataclass(frozen=True)
class DeepSarsaSettings(ValueSettings):
    """Deep SARSA: DQN whose target is the value of the action that was taken next (Rummery & Niranjan, 1994)."""


@dataclass(frozen=True)
class TabularSettings(Settings):
    """Of algorithms that learn one number for each state and action, in a table.

    Attributes:
        bins: levels of each actuator where actions are continuous; None where they are discrete already.
        cells: into how many cells each dimension of the observation is cut; () where observations are discrete.
        span: the cells of a dimension lie evenly between -span and span; what is beyond belongs to the outermost ones.
        exploration_fraction, exploration_initial_eps, exploration_final_eps: as in `ValueSettings`.
        net, activation: there is no network.
    """

    bins: int | None = None
    cells: tuple[int, ...] = ()
    span: tuple[float, ...] = ()
    num_envs: int = 16
    steps: int = 500_000
    learning_rate: float = 0.1
    exploration_fraction: float = 0.5
    exploration_initial_eps: float = 1.0
    exploration_final_eps: float = 0.02
    net: tuple[int, ...] = ()


@dataclass(frozen=True)
class QLearningSettings(TabularSettings):
    """Tabular Q-learning: learns what acting best is worth, whatever it does meanwhile (Watkins & Dayan, 1992)."""


@dataclass(frozen=True)
class SarsaSettings(TabularSettings):
    """Tabular SARSA: learns what it is worth to go on as it does, exploration included (Rummery & Niranjan, 1994)."""


# Ours rather than arguments of SB3's constructors, which all other fields are.
OURS = {
    "num_envs", "steps", "learning_rate", "linear_decay", "net", "activation", "log_std_init", "mirror", "cell", "hidden",
    "layers", "norm_layer", "network", "history", "inputs", "trial", "redraw", "sampler",
    "adr_low", "adr_high", "encoder_width", "optimizer", "weight_decay",
    "ortho_init", "untied", "critic_net", "n_critics", "n_quantiles", "bins", "cells", "span", "clip_obs", "latent",
    "evaluations",
}  # fmt: skip
