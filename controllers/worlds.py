"""The worlds that a controller was made for: its robot and task, and what it observes of them."""

from collections.abc import Mapping
from typing import Any

from ..envs.batch_env import BatchEnv, configured
from .config import TrainConfig
from .presets import settings_for


def worlds_of(
    config: TrainConfig, num_envs: int, *, options: Mapping[str, object] | None = None, **others: Any
) -> BatchEnv:
    """`num_envs` worlds for controllers of `config`; `options` change those of its task, `others` are `BatchEnv`'s."""
    settings = settings_for(config.robot, config.task, config.algo, config.hyperparameters)
    return BatchEnv(
        config.robot,
        config.task,
        num_envs,
        config=configured(config.task, **{**config.options, **(options or {})}),
        **{"history": settings.history, **others},
    )
