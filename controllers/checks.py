"""Hyperparameters that make no sense, named in one line each."""

import math
import os

from ..envs.inputs import REMEMBERED
from ..envs.samplers import SAMPLERS
from ..envs.views import VIEWS
from ..robots import SurefootError, unknown
from .networks import ACTIVATIONS, HISTORY_NETWORKS, NETWORKS, NORM_LAYERS
from .optimizers import OPTIMIZERS
from .settings import (
    ActorCriticSettings,
    ARSSettings,
    ContextSACSettings,
    CrossQSettings,
    OffPolicySettings,
    OnPolicySettings,
    PPOSettings,
    RecurrentPPOSettings,
    SACSettings,
    Settings,
    TabularSettings,
    TQCSettings,
    TRPOSettings,
    ValueSettings,
)

CELLS = ("lstm", "gru")


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
    if settings.clip_obs is not None and not settings.clip_obs >= 3:
        raise SurefootError(
            f"hyperparameter clip_obs={settings.clip_obs}: expected 3 or more standard deviations, or none"
        )
    if isinstance(settings, OnPolicySettings) and not settings.clip_reward > 0:
        raise SurefootError(f"hyperparameter clip_reward={settings.clip_reward}: expected more than 0")
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
    if isinstance(settings, ContextSACSettings):
        _check_context(settings)
    if isinstance(settings, ValueSettings | TabularSettings):
        _check_values(settings)


def check_memory(settings: Settings, observation_size: int) -> None:
    """Raise `SurefootError` where what is kept of observations (float32) would not fit into .8 of this machine's memory."""
    rows = 0
    if isinstance(settings, OnPolicySettings):
        rows = settings.n_steps * settings.num_envs
    elif isinstance(settings, OffPolicySettings):
        rows = 2 * settings.buffer_size
    needed, there = 4 * rows * observation_size, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > 0.8 * there:
        raise SurefootError(
            f"{rows:,} observations of {observation_size} numbers take {needed / 2**30:.1f} GiB of this machine's "
            f"{there / 2**30:.1f}: lower history={settings.history}, num_envs, n_steps or buffer_size"
        )


def _check_network(settings: Settings) -> None:
    choices = {
        "network": NETWORKS, "activation": ACTIVATIONS, "norm_layer": NORM_LAYERS, "optimizer": OPTIMIZERS
    }  # fmt: skip
    for name, known in choices.items():
        if getattr(settings, name) not in known:
            raise unknown(name.replace("_", " "), getattr(settings, name), known)
    for name in ("history", "encoder_width", "trial"):
        if getattr(settings, name) < 1:
            raise SurefootError(f"hyperparameter {name}={getattr(settings, name)}: expected 1 or more")
    if not 0 <= settings.redraw <= 1:
        raise SurefootError(f"hyperparameter redraw={settings.redraw}: expected a probability per control step, 0 to 1")
    if settings.sampler not in SAMPLERS:
        raise unknown("sampler", settings.sampler, SAMPLERS)
    if settings.weight_decay is not None and not settings.weight_decay >= 0:
        raise SurefootError(f"hyperparameter weight_decay={settings.weight_decay}: expected 0 or more")
    if settings.network in HISTORY_NETWORKS and settings.history == 1:
        raise SurefootError(f"network {settings.network!r} reads a history: set history=16 or another number above 1")
    told = [name not in REMEMBERED for name in settings.inputs]
    if settings.network == "privileged" and (settings.history > 1 or not any(told) or sorted(told) != told):
        raise SurefootError(
            f"network 'privileged' encodes parameters: expected history=1 and inputs=parameters, or parameters by name, "
            f"after what is remembered, not inputs={','.join(settings.inputs) or 'none'} and history={settings.history}"
        )
    pictures = [name for name in settings.inputs if name in VIEWS]
    if settings.network == "privileged" and pictures:
        raise SurefootError(f"network 'privileged' encodes parameters: expected inputs without {pictures[0]}")
    if settings.network == "cnn" and (settings.history > 1 or (getattr(settings, "mirror", False) and not pictures)):
        raise SurefootError("network 'cnn' reads one image: expected history=1 and mirror=false")
    if getattr(settings, "untied", False) and not getattr(settings, "mirror", False):
        raise SurefootError("untied=true is for a mirrored network: set mirror=true as well")


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
    if settings.network != "mlp":
        raise SurefootError(f"network {settings.network!r}: ars searches linear policies and MLPs, expected 'mlp'")
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
        start = str(settings.ent_coef).removeprefix("auto_") if settings.ent_coef != "auto" else "1"
        try:
            fits = 0 < float(start) < math.inf
        except ValueError:
            fits = False
        if not fits:
            raise SurefootError(
                f"hyperparameter ent_coef={settings.ent_coef!r}: expected a number above 0, auto or auto_0.1"
            )


def _check_context(settings: ContextSACSettings) -> None:
    for name in ("latent", "tasks", "context", "recent", "attempts"):
        if getattr(settings, name) < 1:
            raise SurefootError(f"hyperparameter {name}={getattr(settings, name)}: expected 1 or more")
    if not settings.kl_weight >= 0:
        raise SurefootError(f"hyperparameter kl_weight={settings.kl_weight}: expected 0 or more")
    if settings.tasks > settings.num_envs:
        raise SurefootError(
            f"hyperparameter tasks={settings.tasks}: expected at most num_envs = {settings.num_envs}, one task a world"
        )
    if settings.batch_size % settings.tasks:
        raise SurefootError(
            f"hyperparameter batch_size={settings.batch_size}: expected a multiple of tasks = {settings.tasks}"
        )
    expected = {"network": "mlp", "history": 1, "inputs": REMEMBERED, "trial": 1, "redraw": 0.0, "sampler": "uniform"}
    for name, value in expected.items():
        if getattr(settings, name) != value:
            raise SurefootError(f"hyperparameter {name}={getattr(settings, name)!r}: context_sac expects {value!r}")


def _check_values(settings: ValueSettings | TabularSettings) -> None:
    if settings.bins is not None and settings.bins < 2:
        raise SurefootError(f"hyperparameter bins={settings.bins}: expected 2 or more levels of each actuator")
    for name in ("exploration_fraction", "exploration_initial_eps", "exploration_final_eps"):
        if not 0 <= getattr(settings, name) <= 1:
            raise SurefootError(f"hyperparameter {name}={getattr(settings, name)}: expected 0 to 1")
    for name in ("target_update_interval", "n_quantiles", "learning_starts", "train_freq"):
        if getattr(settings, name, 1) < 1:
            raise SurefootError(f"hyperparameter {name}={getattr(settings, name)}: expected 1 or more")
    if isinstance(settings, TabularSettings):
        if settings.net:
            raise SurefootError(f"hyperparameter net={settings.net}: a table has no network, expected ()")
        if len(settings.cells) != len(settings.span):
            raise SurefootError(
                f"hyperparameters cells={settings.cells} and span={settings.span}: expected as many of one as of the other"
            )
        if min(settings.cells, default=1) < 1 or not min(settings.span, default=1.0) > 0:
            raise SurefootError(
                f"hyperparameters cells={settings.cells} and span={settings.span}: expected 1 or more cells and spans above 0"
            )
