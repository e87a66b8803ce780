"""Continuous actions as finitely many: a grid of levels for each actuator, for algorithms that compare actions."""

from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box, Discrete, Space
from sb3_contrib.qrdqn.policies import QRDQNPolicy
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.dqn.policies import DQNPolicy

from ..robots import SurefootError
from .settings import Settings, TabularSettings, ValueSettings

MAX_ACTIONS = 4096  # of a grid: outputs of a network, or columns of a table


def action_grid(low: np.ndarray, high: np.ndarray, bins: int) -> np.ndarray:
    """All combinations of `bins` even levels from `low` to `high` (nu,) of each actuator: (bins^nu, nu) float32.

    Row i holds the levels that are the digits of i in base `bins`, the last actuator's last. Raises `SurefootError`, saying
    how many levels are possible, for more than `MAX_ACTIONS` rows.
    """
    nu = len(low)
    if bins**nu > MAX_ACTIONS:
        most = max((b for b in range(1, min(bins, MAX_ACTIONS + 1)) if b**nu <= MAX_ACTIONS), default=1)
        possible = f"at most bins={most}" if most > 1 else "an algorithm with continuous actions, such as ppo or sac"
        raise SurefootError(
            f"hyperparameter bins={bins}: {nu} actuators would have {bins}^{nu} actions, more than {MAX_ACTIONS:,}: "
            f"expected {possible}"
        )
    digits = np.indices((bins,) * nu).reshape(nu, -1).T
    return (low + (high - low) * (digits / (bins - 1))).astype(np.float32)


def takes_discrete(settings: type[Settings] | Settings) -> bool:
    """Whether algorithms with these settings compare actions one by one, so that they need finitely many."""
    kind = settings if isinstance(settings, type) else type(settings)
    return issubclass(kind, ValueSettings | TabularSettings)


def grid_for(algo: str, settings: Settings, space: Space[Any], whose: str) -> np.ndarray | None:
    """The grid that `settings` ask for on actions in `space`; None where actions are taken as they are.

    `whose` names the robot or environment. Raises `SurefootError` where algorithm, bins and space do not go together.
    """
    if not isinstance(settings, ValueSettings | TabularSettings):
        return None
    if isinstance(space, Discrete):
        if settings.bins is not None:
            raise SurefootError(
                f"hyperparameter bins={settings.bins} is for continuous actions: {whose} has {space.n} discrete ones"
            )
        return None
    assert isinstance(space, Box)
    nu = int(np.prod(space.shape))
    if settings.bins is None:
        bins = next((b for b in (5, 3, 2) if b**nu <= MAX_ACTIONS), None)
        remedy = (
            f"--hyper bins={bins} gives each of its {nu} actuators {bins} levels ({bins**nu:,} actions)"
            if bins
            else f"its {nu} actuators are too many to make them discrete, choose ppo or sac"
        )
        raise SurefootError(f"algorithm {algo!r} needs discrete actions and those of {whose} are continuous: {remedy}")
    return action_grid(space.low.ravel(), space.high.ravel(), settings.bins)


class OnGrid(BasePolicy):
    """A policy whose discrete actions may stand for the rows of `grid` (actions, nu), which is saved with it."""

    grid: torch.Tensor | None

    def __init__(self, *args: Any, grid: np.ndarray | None = None, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.register_buffer("grid", None if grid is None else torch.as_tensor(grid))


class QPolicy(OnGrid, DQNPolicy):
    """SB3's policy of DQN, on a grid or on discrete actions."""


class QuantilePolicy(OnGrid, QRDQNPolicy):
    """sb3-contrib's policy of QR-DQN, on a grid or on discrete actions."""
