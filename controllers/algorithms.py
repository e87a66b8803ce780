"""Which algorithms there are: for each its settings, its SB3 class and its policy."""

from dataclasses import dataclass

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.sac.policies import SACPolicy

from ..robots import unknown
from .policy import Policy
from .ppo import PPO
from .sac import SAC
from .settings import PPOSettings, SACSettings, Settings


@dataclass(frozen=True)
class Algorithm:
    """One algorithm: the constructor takes the fields of `settings` that are not `settings.OURS`."""

    settings: type[Settings]
    model: type[BaseAlgorithm]
    policy: type[BasePolicy]


ALGORITHMS: dict[str, Algorithm] = {
    "ppo": Algorithm(PPOSettings, PPO, Policy),
    "sac": Algorithm(SACSettings, SAC, SACPolicy),
}


def find_algorithm(name: str) -> Algorithm:
    """Raises `SurefootError`, with the nearest name, for an unknown one."""
    if name not in ALGORITHMS:
        raise unknown("algorithm", name, ALGORITHMS)
    return ALGORITHMS[name]
