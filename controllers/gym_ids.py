"""Training on any registered Gymnasium id, `gym:CartPole-v1` in place of robot and task: SB3's own environments and loops.

The controller file, evaluation and settings are those of the robots; what needs a robot (adaptation, replay, physical
parameters) says so in one line.
"""

import inspect
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium.spaces import Box, Discrete, Space
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

from ..robots import SurefootError, unknown
from .algorithms import ALGORITHMS, Algorithm, find_algorithm
from .config import TrainConfig
from .discrete import takes_discrete
from .settings import ContextSACSettings, OffPolicySettings, TabularSettings

PREFIX = "gym:"
ON_POLICY = ("ppo", "a2c", "trpo")  # run with SB3's own MlpPolicy here, ours being for batched worlds
# Hyperparameters that only Surefoot's own rollouts and policies know, and what each is without them.
ROBOTS_ONLY: dict[str, Any] = {
    "network": "mlp", "history": 1, "inputs": (), "trial": 1, "redraw": 0, "sampler": "uniform", "mirror": False,
    "untied": False, "adaptive_kl": None,
}  # fmt: skip


def is_gym(robot: str) -> bool:
    """Whether this names a Gymnasium environment instead of a robot."""
    return robot.startswith(PREFIX)


def needs_robot(config: TrainConfig, what: str) -> None:
    """Raise `SurefootError` where `config` is not about one of Surefoot's robots; `what` says what needs one."""
    if is_gym(config.robot):
        raise SurefootError(f"{what} needs a Surefoot robot, not {config.robot!r}: surefoot list robots")


def check_config(config: TrainConfig) -> None:
    """Raise `SurefootError` for what an environment of Gymnasium does not have."""
    if config.task:
        raise SurefootError(f"{config.robot!r} is a whole environment: leave out the task {config.task!r}")
    asked = {"--vary": config.vary, "--set": config.parameters, "--suite": config.suite, "--option": config.options}
    for flag, given in asked.items():
        if given:
            needs_robot(config, flag)
    for name, plain in ROBOTS_ONLY.items():
        if (value := config.hyperparameters.get(name)) and value != plain:
            needs_robot(config, f"hyperparameter {name}={value}")


def policy_on(
    config: TrainConfig, algorithm: Algorithm, kwargs: dict[str, Any]
) -> tuple[type[BasePolicy], dict[str, Any]]:
    """The policy's class and arguments: the algorithm's, or SB3's own where ours is made for batched worlds."""
    if not is_gym(config.robot) or config.algo not in ON_POLICY:
        return algorithm.policy, kwargs
    policy = algorithm.model.policy_aliases["MlpPolicy"]
    known = inspect.signature(policy).parameters
    return policy, {name: value for name, value in kwargs.items() if name in known}


def make_env(config: TrainConfig, num_envs: int, *, seed: int | None = None) -> VecEnv:
    """`num_envs` of the environment, one after the other in this process, with SB3's Monitor.

    Raises `SurefootError` for an unknown id, one that cannot be made here, or spaces that the algorithm cannot handle.
    """
    name = config.robot.removeprefix(PREFIX)
    if name not in gymnasium.registry:
        raise unknown("Gymnasium id", name, gymnasium.registry)
    try:
        env = make_vec_env(lambda: gymnasium.make(name), num_envs, config.seed if seed is None else seed)
    except Exception as error:  # whatever the environment's own code raises, such as a missing dependency
        raise SurefootError(f"{config.robot!r} cannot be made: {' '.join(str(error).split())}") from error
    _check_spaces(config, env.observation_space, env.action_space)
    return env


def _check_spaces(config: TrainConfig, seen: Space[Any], done: Space[Any]) -> None:
    """Raise `SurefootError` where the environment's spaces do not go together with the algorithm."""
    algorithm = find_algorithm(config.algo)
    tabular = issubclass(algorithm.settings, TabularSettings)
    flat = isinstance(seen, Box) and len(seen.shape) == 1
    if not flat and not (tabular and isinstance(seen, Discrete) and seen.start == 0):
        also = " or Discrete" if tabular else ""
        hint = ", or q_learning or sarsa" if isinstance(seen, Discrete) and not tabular else ""
        raise SurefootError(
            f"observations of {config.robot!r} are {_said(seen)}: {config.algo} expects a flat Box{also}{hint}"
        )
    discrete = isinstance(done, Discrete) and done.start == 0
    box = isinstance(done, Box) and len(done.shape) == 1 and bool(np.isfinite([done.low, done.high]).all())
    if not discrete and not box:
        raise SurefootError(f"actions of {config.robot!r} are {_said(done)}: expected Discrete or a flat, finite Box")
    if not fits(config.algo, discrete):
        kind = "discrete" if discrete else "continuous"
        choices = ", ".join(name for name in ALGORITHMS if fits(name, discrete))
        raise SurefootError(
            f"algorithm {config.algo!r} does not train on the {kind} actions of {config.robot!r}: choose from {choices}"
        )


def callbacks(config: TrainConfig) -> list[BaseCallback]:
    """What training on a Gymnasium id needs besides: off-policy algorithms keep their statistics, and tables need none."""
    return [Statistics()] if is_gym(config.robot) and config.algo in ON_POLICY else []


def fits(algo: str, discrete: bool) -> bool:
    """Whether an algorithm trains on Gymnasium ids with discrete or with continuous actions (perhaps made discrete)."""
    settings = ALGORITHMS[algo].settings
    off_policy = issubclass(settings, OffPolicySettings) and not discrete and settings is not ContextSACSettings
    return algo in ON_POLICY or takes_discrete(settings) or off_policy


def trains(algo: str) -> bool:
    """Whether an algorithm trains on any Gymnasium id at all."""
    return fits(algo, discrete=True) or fits(algo, discrete=False)


def _said(space: Space[Any]) -> str:
    return f"{type(space).__name__}{space.shape or ''}"


class GridVecEnv(VecEnvWrapper):
    """Environments with continuous actions, which take the row of `grid` (actions, nu) of each discrete one."""

    def __init__(self, env: VecEnv, grid: np.ndarray):
        super().__init__(env, action_space=Discrete(len(grid)))
        self.grid = grid

    def reset(self) -> VecEnvObs:
        return self.venv.reset()

    def step_async(self, actions: np.ndarray) -> None:
        self.venv.step_async(self.grid[actions])

    def step_wait(self) -> VecEnvStepReturn:
        return self.venv.step_wait()


class Statistics(BaseCallback):
    """Keeps the observation statistics of the policy, which SB3's own on-policy loop knows nothing of.

    They change between rollouts alone, so that all of a rollout is seen, and learnt from, with the same ones.
    """

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[np.ndarray] = []

    def _on_step(self) -> bool:
        self.seen.append(self.locals["new_obs"])
        return True

    def _on_rollout_start(self) -> None:
        if self.seen:
            norm = self.model.policy.features_extractor_kwargs["norm"]
            norm.update(torch.as_tensor(np.concatenate(self.seen)))
            self.seen.clear()


def run_episodes(config: TrainConfig, act: Any, episodes: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns, lengths and whether it was terminated (not cut by a time limit) of whole episodes, (episodes,) each.

    `act` is `Controller.act` with or without exploration. Episode i starts from seed + i.
    """
    env = make_env(config, episodes, seed=seed)
    assert isinstance(env, DummyVecEnv)
    returns, lengths, terminated = np.zeros(episodes), np.zeros(episodes, np.int64), np.zeros(episodes, bool)
    running = np.ones(episodes, bool)
    observation = env.reset()
    while running.any():
        observation, reward, done, infos = env.step(act(observation))
        returns += reward * running
        lengths += running
        cut = np.array([info.get("TimeLimit.truncated", False) for info in infos])
        terminated |= running & done & ~cut
        running &= ~done
    env.close()
    return returns, lengths, terminated
