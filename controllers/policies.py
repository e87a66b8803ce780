"""Which policy a configuration calls for, built anew: for training, and for the weights of a file."""

import dataclasses
import json
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from gymnasium.spaces import Box, Discrete, Space
from pydantic import BaseModel, ConfigDict
from stable_baselines3.common.policies import BasePolicy

from ..envs.inputs import REMEMBERED
from ..envs.options import configured
from ..envs.terrain import TerrainOptions
from ..envs.views import VIEWS, view_shape
from .adapted import Adapted
from .algorithms import find_algorithm
from .config import PlannerConfig, TrainConfig
from .discrete import action_grid
from .gym_ids import policy_on
from .networks import EncodedExtractor, hidden, make_encoder
from .normalization import NormalizedExtractor, PixelNorm, RunningNorm
from .optimizers import make_optimizer
from .policy import Mirror
from .presets import settings_for
from .settings import (
    ActorCriticSettings,
    ARSSettings,
    ContextSACSettings,
    CrossQSettings,
    OnPolicySettings,
    QRDQNSettings,
    RecurrentPPOSettings,
    Settings,
    TabularSettings,
    TQCSettings,
    ValueSettings,
)
from .shipped import Card

FORMAT = 1


class Header(BaseModel):
    """The JSON in the file's header.

    `image` is the shape (channels, height, width) where observations are images. `states` and `actions` are their numbers
    where observations or actions are discrete; `action_low` and `action_high` are then the limits of the grid that the
    actions stand for, or empty. `settings` are all hyperparameters, which a later version's preset may have other values for.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    format: int
    config: TrainConfig
    settings: dict[str, Any] = {}
    observation_size: int
    image: tuple[int, int, int] | None = None
    states: int | None = None
    action_low: list[float]
    action_high: list[float]
    actions: int | None = None
    timesteps: int = 0
    seconds: float = 0.0
    learning_rate: float | None = None
    plan: PlannerConfig | None = None
    told: dict[str, float] = {}
    told_std: dict[str, float] = {}
    identifies: tuple[str, ...] = ()
    card: Card | None = None
    adapted: Adapted | None = None


def as_trained(header: Header) -> TrainConfig:
    """The header's configuration, with a hyperparameter more for each whose preset is no longer what it was in training."""
    config = header.config
    now = dataclasses.asdict(settings_for(config.robot, config.task, config.algo, config.hyperparameters))
    now = json.loads(json.dumps(now))
    changed = {name: value for name, value in header.settings.items() if now.get(name, value) != value}
    return config.model_copy(update={"hyperparameters": {**config.hyperparameters, **changed}})


def known_inputs(settings: Settings) -> list[str]:
    """Which of a policy's inputs only simulation knows: parameters and commands, each a number."""
    return [name for name in settings.inputs if name not in (*REMEMBERED, *VIEWS)]


def pictures_of(config: TrainConfig, settings: Settings) -> list[tuple[int, int, int]]:
    """(channels, rows, columns) of each picture that the last numbers of an observation are."""
    names = [name for name in settings.inputs if name in VIEWS]
    if not names:
        return []
    options = configured(config.task, **config.options)
    if not isinstance(options, TerrainOptions):
        options = TerrainOptions()
    return [view_shape(name, options) for name in names]


def policy_kwargs(
    settings: Settings,
    observation_size: int,
    mirror: Mirror | None = None,
    grid: np.ndarray | None = None,
    pictures: Sequence[tuple[int, int, int]] = (),
) -> dict[str, Any]:
    """SB3's policy_kwargs; actor and critics share one set of observation statistics, those of one control step."""
    if isinstance(settings, TabularSettings):
        return {"cells": tuple(settings.cells), "span": tuple(settings.span), "grid": grid}
    images = settings.network == "cnn" and not pictures
    kwargs: dict[str, Any] = {
        "net_arch": list(settings.net),
        "activation_fn": hidden(settings.activation, settings.norm_layer),
        "features_extractor_class": NormalizedExtractor,
        "features_extractor_kwargs": {
            "norm": PixelNorm() if images else RunningNorm(observation_size // settings.history, settings.clip_obs)
        },
        "normalize_images": False,  # PixelNorm does
        "optimizer_class": partial(make_optimizer, name=settings.optimizer, weight_decay=settings.weight_decay),
    }
    if isinstance(settings, ARSSettings):  # which has neither images nor an optimiser
        return {k: v for k, v in kwargs.items() if k not in ("normalize_images", "optimizer_class")}
    encoder = None
    if settings.network != "mlp":
        encoder = partial(
            make_encoder, network=settings.network, history=settings.history, width=settings.encoder_width,
            activation=settings.activation, norm_layer=settings.norm_layer, known=len(known_inputs(settings)),
            pictures=pictures,
        )  # fmt: skip
    if isinstance(settings, OnPolicySettings):
        kwargs |= {"log_std_init": settings.log_std_init, "ortho_init": settings.ortho_init}
        kwargs |= {"mirror": mirror, "untied": settings.untied, "encoder": encoder}
    elif encoder:
        kwargs["features_extractor_class"] = EncodedExtractor
        kwargs["features_extractor_kwargs"]["encoder"] = encoder
    if isinstance(settings, RecurrentPPOSettings):
        kwargs |= {"cell": settings.cell, "hidden": settings.hidden, "layers": settings.layers}
    if isinstance(settings, ActorCriticSettings):
        kwargs["net_arch"] = {"pi": list(settings.net), "qf": list(settings.critic_net or settings.net)}
        kwargs |= {"n_critics": settings.n_critics, "optimizer_kwargs": {"eps": 1e-8}}  # torch's, as in SB3
    if isinstance(settings, CrossQSettings):
        kwargs["optimizer_kwargs"] = {"betas": (0.5, 0.999)}
    if isinstance(settings, ContextSACSettings):
        kwargs |= {"latent": settings.latent, "encoder_width": settings.encoder_width}
    if isinstance(settings, ValueSettings):
        kwargs |= {"grid": grid}
    if isinstance(settings, TQCSettings | QRDQNSettings):
        kwargs |= {"n_quantiles": settings.n_quantiles}
    return kwargs


def empty_policy(header: Header) -> BasePolicy:
    config = header.config
    settings = settings_for(config.robot, config.task, config.algo, json.loads(json.dumps(config.hyperparameters)))
    observation: Space[Any] = Box(-np.inf, np.inf, (header.observation_size,), np.float32)
    low, high = np.array(header.action_low, np.float32), np.array(header.action_high, np.float32)
    action: Space[Any] = Box(low, high, dtype=np.float32)
    if header.image:
        observation = Box(0, 255, header.image, np.uint8)
    if header.states is not None:
        observation = Discrete(header.states)
    grid = None
    if header.actions is not None:
        action = Discrete(header.actions)
        if isinstance(settings, ValueSettings | TabularSettings) and settings.bins is not None:
            grid = action_grid(low, high, settings.bins)
    mirror: Mirror | None = None
    if (
        isinstance(settings, OnPolicySettings) and settings.mirror
    ):  # of the right sizes; the values come with the weights
        o, a = header.observation_size // settings.history, len(header.action_low)
        mirror = (np.arange(o), np.ones(o), np.arange(a), np.ones(a))
    kwargs = policy_kwargs(settings, header.observation_size, mirror, grid, pictures_of(config, settings))
    kind, kwargs = policy_on(config, find_algorithm(config.algo), kwargs)
    return kind(observation, action, lambda _: settings.learning_rate, **kwargs)
