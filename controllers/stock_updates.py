"""SB3's A2C and sb3-contrib's TRPO over thousands of batched worlds: their own updates, on the rollout as it is."""

import sb3_contrib
import stable_baselines3
import torch

from . import threads
from .rollouts import BatchedRollouts


class StockUpdate(BatchedRollouts):
    """Runs the update of the SB3 class that it is mixed into on `self.rollout`, through a `RolloutView`."""

    def train(self) -> None:
        if self.rollout is None:
            super().train()
            return
        torch.set_num_threads(threads.UPDATE_THREADS)
        self.policy.sees_features = True
        try:
            super().train()
        finally:
            self.policy.sees_features = False
            torch.set_num_threads(1)


class A2C(StockUpdate, stable_baselines3.A2C):
    """Advantage actor-critic (Mnih et al., 2016): one gradient step for each rollout."""


class TRPO(StockUpdate, sb3_contrib.TRPO):
    """Trust-region policy optimisation (Schulman et al., 2015)."""
