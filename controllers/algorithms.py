"""Which algorithms there are: for each its settings, its SB3 class and its policy."""

from dataclasses import dataclass

from sb3_contrib.tqc.policies import TQCPolicy
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.sac.policies import SACPolicy
from stable_baselines3.td3.policies import TD3Policy

from ..robots import unknown
from .ars import ARS, ARSPolicy
from .context_sac import ContextPolicy, ContextSAC
from .discrete import QPolicy, QuantilePolicy
from .off_policy import DDPG, SAC, TD3, TQC, CrossQ, CrossQPolicy
from .policy import Policy
from .ppo import PPO
from .recurrent import RecurrentPolicy, RecurrentPPO
from .settings import (
    A2CSettings,
    ARSSettings,
    ContextSACSettings,
    CrossQSettings,
    DDPGSettings,
    DeepSarsaSettings,
    DQNSettings,
    PPOSettings,
    QLearningSettings,
    QRDQNSettings,
    RecurrentPPOSettings,
    SACSettings,
    SarsaSettings,
    Settings,
    TD3Settings,
    TQCSettings,
    TRPOSettings,
)
from .stock_updates import A2C, TRPO
from .tabular import QLearning, Sarsa, TablePolicy
from .values import DQN, QRDQN, DeepSarsa


@dataclass(frozen=True)
class Algorithm:
    """One algorithm: the constructor takes the fields of `settings` that are not `settings.OURS`."""

    settings: type[Settings]
    model: type[BaseAlgorithm]
    policy: type[BasePolicy]


ALGORITHMS: dict[str, Algorithm] = {
    "ppo": Algorithm(PPOSettings, PPO, Policy),
    "a2c": Algorithm(A2CSettings, A2C, Policy),
    "trpo": Algorithm(TRPOSettings, TRPO, Policy),
    "recurrent_ppo": Algorithm(RecurrentPPOSettings, RecurrentPPO, RecurrentPolicy),
    "ars": Algorithm(ARSSettings, ARS, ARSPolicy),
    "sac": Algorithm(SACSettings, SAC, SACPolicy),
    "context_sac": Algorithm(ContextSACSettings, ContextSAC, ContextPolicy),
    "tqc": Algorithm(TQCSettings, TQC, TQCPolicy),
    "crossq": Algorithm(CrossQSettings, CrossQ, CrossQPolicy),
    "td3": Algorithm(TD3Settings, TD3, TD3Policy),
    "ddpg": Algorithm(DDPGSettings, DDPG, TD3Policy),
    "dqn": Algorithm(DQNSettings, DQN, QPolicy),
    "qrdqn": Algorithm(QRDQNSettings, QRDQN, QuantilePolicy),
    "deep_sarsa": Algorithm(DeepSarsaSettings, DeepSarsa, QPolicy),
    "q_learning": Algorithm(QLearningSettings, QLearning, TablePolicy),
    "sarsa": Algorithm(SarsaSettings, Sarsa, TablePolicy),
}


def find_algorithm(name: str) -> Algorithm:
    """Raises `SurefootError`, with the nearest name, for an unknown one."""
    if name not in ALGORITHMS:
        raise unknown("algorithm", name, ALGORITHMS)
    return ALGORITHMS[name]
