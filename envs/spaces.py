"""Gymnasium spaces of a `BatchEnv`."""

import numpy as np
from gymnasium.spaces import Box

from .batch_env import BatchEnv


def observation_space(core: BatchEnv) -> Box:
    """Of one world: (H*O,), unbounded."""
    return Box(-np.inf, np.inf, (core.observation_size,), core.observation.dtype.type)


def action_space(core: BatchEnv) -> Box:
    """Of one world: (nu,), float32 as in Gymnasium."""
    return Box(core.task.action_low.astype(np.float32), core.task.action_high.astype(np.float32), dtype=np.float32)
