"""Hyperparameters that make no sense, named in one line each."""

import math
import os

from ..envs.inputs import REMEMBERED
from ..envs.samplers import SAMPLERS
from ..envs.typed import Range, check_ranges
from ..envs.views import VIEWS
from ..robots import SurefootError, unknown
from .networks import ACTIVATIONS, HISTORY_NETWORKS, NETWORKS, NORM_LAYERS
from .optimizers import OPTIMIZERS
from .settings import (
    ARSSettings,
    ContextSACSettings,
    CrossQSettings,
    JointLossSettings,
    OffPolicySettings,
    OnPolicySettings,
    PPOSettings,
    RecurrentPPOSettings,
    SACSettings,
    Settings,
    TabularSettings,
    TQCSettings,
    TRPOSettings,
)

CELLS = ("lstm", "gru")


# What a number may be, wherever an algorithm has one of that name: in words, as a test, and the names.
WIDEST, MOST_WORLDS = 2**14, 2**17
RANGES: tuple[Range, ...] = (
    ("1 or more", lambda x: x >= 1, (
        "n_steps", "batch_size", "buffer_size", "train_freq", "steps", "trial", "target_update_interval", "n_delta", "n_top",
        "tasks", "context", "attempts",
    )),
    ("1 or more, at most 10,000", lambda x: 1 <= x <= 10_000, (
        "n_epochs", "gradient_steps", "cg_max_steps", "n_critic_updates", "policy_delay",
    )),
    (f"1 or more, at most {MOST_WORLDS:,}", lambda x: 1 <= x <= MOST_WORLDS, ("num_envs",)),
    (f"1 or more, at most {WIDEST:,}", lambda x: 1 <= x <= WIDEST, (
        "history", "encoder_width", "hidden", "latent", "n_quantiles",
    )),
    ("1 or more, at most 100", lambda x: 1 <= x <= 100, ("layers", "n_critics")),
    ("2 or more levels of each actuator", lambda x: x >= 2, ("bins",)),
    ("more than 0", lambda x: x > 0, (
        "clip_range", "clip_reward", "max_grad_norm", "adaptive_kl", "target_kl", "delta_std", "reward_scale",
    )),
    ("0 or more", lambda x: x >= 0, (
        "vf_coef", "weight_decay", "cg_damping", "learning_starts", "exploration_noise", "target_policy_noise",
        "target_noise_clip", "kl_weight", "evaluations",
    )),
    ("between 0 and 1", lambda x: 0 < x < 1, ("learning_rate",)),
    ("more than 0, at most 1", lambda x: 0 < x <= 1, ("gamma", "tau")),
    ("-20 to 2", lambda x: -20 <= x <= 2, ("log_std_init",)),  # SB3's limits in SAC; float32 ends at e^88
    ("0 to 1", lambda x: 0 <= x <= 1, (
        "gae_lambda", "exploration_fraction", "exploration_initial_eps", "exploration_final_eps",
    )),
    ("a probability per control step, 0 to 1", lambda x: 0 <= x <= 1, ("redraw",)),
    ("3 or more standard deviations, or none", lambda x: x >= 3, ("clip_obs",)),
)  # fmt: skip


def check(settings: Settings) -> None:
    """Raise `SurefootError` naming the first hyperparameter that makes no sense."""
    check_ranges("hyperparameter", settings, RANGES)
    for name in ("net", "critic_net"):
        widths = getattr(settings, name, ())
        if not all(1 <= width <= WIDEST for width in widths):
            raise SurefootError(f"hyperparameter {name}={widths}: expected widths of 1 to {WIDEST:,}")
    _check_network(settings)
    if isinstance(settings, JointLossSettings) and not settings.ent_coef >= 0:
        raise SurefootError(f"hyperparameter ent_coef={settings.ent_coef}: expected 0 or more")
    if isinstance(settings, PPOSettings | TRPOSettings) and settings.batch_size > settings.num_envs * settings.n_steps:
        raise SurefootError(
            f"hyperparameter batch_size={settings.batch_size}: expected at most num_envs x n_steps = "
            f"{settings.num_envs * settings.n_steps}, the size of a rollout"
        )
    if isinstance(settings, PPOSettings | TRPOSettings | CrossQSettings) and settings.batch_size == 1:
        raise SurefootError("hyperparameter batch_size=1: expected 2 or more, which are normalised together")
    if isinstance(settings, OffPolicySettings) and settings.batch_size > settings.buffer_size:
        raise SurefootError(
            f"hyperparameter batch_size={settings.batch_size}: expected at most buffer_size = {settings.buffer_size}"
        )
    if isinstance(settings, RecurrentPPOSettings):
        _check_recurrent(settings)
    if isinstance(settings, ARSSettings):
        _check_ars(settings)
    if isinstance(settings, TQCSettings) and not 0 <= settings.top_quantiles_to_drop_per_net < settings.n_quantiles:
        raise SurefootError(
            f"hyperparameter top_quantiles_to_drop_per_net={settings.top_quantiles_to_drop_per_net}: expected 0 to "
            f"{settings.n_quantiles - 1}, fewer than n_quantiles"
        )
    if isinstance(settings, SACSettings | CrossQSettings):
        _check_temperature(settings)
    if isinstance(settings, ContextSACSettings):
        _check_context(settings)
    if isinstance(settings, TabularSettings):
        _check_table(settings)


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
    if settings.sampler not in SAMPLERS:
        raise unknown("sampler", settings.sampler, SAMPLERS)
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


def _check_temperature(settings: SACSettings | CrossQSettings) -> None:
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


def _check_table(settings: TabularSettings) -> None:
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
