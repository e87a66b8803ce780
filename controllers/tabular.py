"""Tabular Q-learning and SARSA over many worlds at once: one number for each state and action, no network.

An observation's state is the cell of a grid in which it lies; `settings.TabularSettings` says how the grid is cut.
"""

from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box, Discrete, Space
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import MaybeCallback, Schedule
from stable_baselines3.common.utils import LinearSchedule, safe_mean
from stable_baselines3.common.vec_env import VecEnv

from ..envs.sb3 import SB3VecEnv
from ..robots import SurefootError
from .discrete import OnGrid
from .values import explore

MAX_ENTRIES = 50_000_000  # of a table: 400 MB
ROLLOUT = 200  # steps of all worlds between two lines of the log


def cell_of(observation: np.ndarray, cells: np.ndarray, span: np.ndarray) -> np.ndarray:
    """Index (N,) of the cell in which each observation (N, O) lies: `cells` (O,) even ones between -span and span (O,).

    What is beyond the span belongs to the outermost cell. The last dimension's digit is the last one.
    """
    digits = np.floor((observation / span + 1) * 0.5 * cells).clip(0, cells - 1).astype(np.int64)
    return np.ravel_multi_index(tuple(digits.T), tuple(cells))


def q_target(reward: np.ndarray, terminated: np.ndarray, following: np.ndarray, gamma: float) -> np.ndarray:
    """r + gamma max over a' of Q(s', a'), or r where the episode ended (Watkins & Dayan, 1992, Machine Learning 8).

    `following` (N, actions) are the entries Q(s', .), the others (N,).
    """
    return reward + gamma * ~terminated * following.max(axis=1)


def sarsa_target(
    reward: np.ndarray, terminated: np.ndarray, following: np.ndarray, next_action: np.ndarray, gamma: float
) -> np.ndarray:
    """r + gamma Q(s', a') with the action a' that is taken next (Rummery & Niranjan, 1994, CUED/F-INFENG/TR 166)."""
    return reward + gamma * ~terminated * np.take_along_axis(following, next_action[:, None], axis=1)[:, 0]


def update(table: np.ndarray, state: np.ndarray, action: np.ndarray, target: np.ndarray, rate: float) -> None:
    """Q(s, a) += rate (target - Q(s, a)) in `table` (states, actions), in place, for N visits at once.

    k worlds at the same entry move it as k visits one after the other would with their mean target: by 1 - (1 - rate)^k.
    """
    entry, inverse, count = np.unique(state * table.shape[1] + action, return_inverse=True, return_counts=True)
    mean = np.bincount(inverse, target) / count
    flat = table.reshape(-1)
    flat[entry] += (1 - (1 - rate) ** count) * (mean - flat[entry])


class TablePolicy(OnGrid):
    """Greedy actions from a table (states, actions), of observations that are discrete or cut into cells."""

    table: torch.Tensor
    action_space: Discrete

    def __init__(
        self,
        observation_space: Space[Any],
        action_space: Discrete,
        lr_schedule: Schedule,
        cells: tuple[int, ...] = (),
        span: tuple[float, ...] = (),
        grid: np.ndarray | None = None,
    ):
        super().__init__(observation_space, action_space, grid=grid)
        self.cells, self.span = np.array(cells, np.int64), np.array(span)
        if isinstance(observation_space, Discrete):
            if cells:
                raise SurefootError(
                    f"hyperparameter cells={cells}: the {observation_space.n} observations are discrete"
                )
            states = int(observation_space.n)
        else:
            assert isinstance(observation_space, Box)
            size = observation_space.shape[0]
            if len(cells) != size:
                raise SurefootError(
                    f"hyperparameters cells={tuple(cells)} and span={tuple(span)}: expected {size} of each, one for each "
                    "number of the observation, such as "
                    f"--hyper cells={','.join(['8'] * size)} --hyper span={','.join(['1.0'] * size)}"
                )
            states = int(np.prod(self.cells.astype(object)))
        if states * int(action_space.n) > MAX_ENTRIES:
            raise SurefootError(
                f"hyperparameter cells={tuple(cells)}: {states:,} states and {action_space.n} actions make a table of more "
                f"than {MAX_ENTRIES:,} entries: expected fewer cells or bins"
            )
        self.register_buffer("table", torch.zeros(states, int(action_space.n), dtype=torch.float64))

    def states(self, observation: np.ndarray) -> np.ndarray:
        """Rows of the table (N,) for observations (N, O), or (N,) where they are discrete."""
        if isinstance(self.observation_space, Discrete):
            return observation.reshape(-1).astype(np.int64)
        return cell_of(observation, self.cells, self.span)

    def _predict(self, observation: Any, deterministic: bool = True) -> torch.Tensor:
        return self.table[torch.as_tensor(self.states(observation.numpy()))].argmax(dim=1)


class Tabular(BaseAlgorithm):
    """Temporal-difference learning of a table, epsilon-greedy in each world, with SB3's constructor and `learn()`."""

    policy: TablePolicy
    action_space: Discrete

    def __init__(
        self,
        policy: type[BasePolicy],
        env: VecEnv,
        learning_rate: float | Schedule = 0.1,
        gamma: float = 0.99,
        exploration_fraction: float = 0.5,
        exploration_initial_eps: float = 1.0,
        exploration_final_eps: float = 0.02,
        policy_kwargs: dict[str, Any] | None = None,
        seed: int | None = None,
        device: str = "cpu",
    ):
        super().__init__(
            policy, env, learning_rate, policy_kwargs, seed=seed, device=device, support_multi_env=True,
            supported_action_spaces=(Discrete,),
        )  # fmt: skip
        self.gamma = gamma
        self.epsilon = LinearSchedule(exploration_initial_eps, exploration_final_eps, exploration_fraction)
        self._setup_model()

    def _setup_model(self) -> None:
        self._setup_lr_schedule()
        self.set_random_seed(self.seed)
        # Not the environment's generator, which starts from the same seed.
        self.rng = np.random.default_rng(None if self.seed is None else [self.seed, 1])
        made = self.policy_class(self.observation_space, self.action_space, self.lr_schedule, **self.policy_kwargs)
        assert isinstance(made, TablePolicy)
        self.policy = made

    @property
    def table(self) -> np.ndarray:
        """(states, actions), the policy's own memory."""
        return self.policy.table.numpy()

    def target(
        self, reward: np.ndarray, terminated: np.ndarray, following: np.ndarray, next_action: np.ndarray
    ) -> np.ndarray:
        """What Q(s, a) moves towards, (N,); `following` (N, actions) are the entries Q(s', .)."""
        raise NotImplementedError

    def choose(self, state: np.ndarray) -> np.ndarray:
        """Epsilon-greedy actions (N,)."""
        greedy = self.table[state].argmax(axis=1)
        return explore(self.rng, greedy, self.table.shape[1], self.epsilon(self._current_progress_remaining))

    def learn(
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        log_interval: int = 1,
        tb_log_name: str = "run",
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> "Tabular":
        total, called = self._setup_learn(total_timesteps, callback, reset_num_timesteps, tb_log_name, progress_bar)
        called.on_training_start(locals(), globals())
        assert isinstance(self._last_obs, np.ndarray)
        state = self.policy.states(self._last_obs)
        self._update_current_progress_remaining(self.num_timesteps, total)
        action = self.choose(state)
        while self.num_timesteps < total:
            called.on_rollout_start()
            for _ in range(ROLLOUT):
                state, action = self._step(state, action)
                self.num_timesteps += self.n_envs
                self._update_current_progress_remaining(self.num_timesteps, total)
                if not called.on_step():
                    return self
                if self.num_timesteps >= total:
                    break
            self._log()
            called.on_rollout_end()
        called.on_training_end()
        return self

    def _step(self, state: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """One step of all worlds and what is learnt from it; states and actions (N,) to go on with."""
        observation, reward, terminated, ended, final = self._advance(action)
        next_state = self.policy.states(observation)
        next_action = self.choose(next_state)
        reached, followed = next_state, next_action
        if len(ended):  # the worlds go on in a new episode, but learn from where the old one ended
            reached, followed = next_state.copy(), next_action.copy()
            reached[ended] = self.policy.states(final)
            followed[ended] = self.choose(reached[ended])
        target = self.target(reward, terminated, self.table[reached], followed)
        update(self.table, state, action, target, self.lr_schedule(self._current_progress_remaining))
        return next_state, next_action

    def _advance(self, action: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Observation (N, O), reward and terminated (N,), the worlds that ended (k,) and what they showed last (k, O)."""
        env = self.env
        assert env is not None
        if isinstance(env, SB3VecEnv):
            core = env.core
            core.step(env.controls(action))
            self._last_obs = core.observation
            if len(core.ended) and self.ep_info_buffer is not None:
                self.ep_info_buffer.extend(
                    {"r": r, "l": n, "t": 0.0} for r, n in zip(core.ended_return, core.ended_length, strict=True)
                )
            return core.observation, core.reward, core.terminated, core.ended, core.final_observation[core.ended]
        observation, reward, done, infos = env.step(action)
        assert isinstance(observation, np.ndarray)
        self._last_obs = observation
        self._update_info_buffer(infos, done)
        cut = np.array([info.get("TimeLimit.truncated", False) for info in infos])
        ended = np.flatnonzero(done)
        final = np.array([infos[i]["terminal_observation"] for i in ended])
        return observation, reward, done & ~cut, ended, final

    def _log(self) -> None:
        finished = self.ep_info_buffer or ()
        if finished:
            self.logger.record("rollout/ep_rew_mean", safe_mean([e["r"] for e in finished]))
            self.logger.record("rollout/ep_len_mean", safe_mean([e["l"] for e in finished]))
        self.logger.record("rollout/exploration_rate", self.epsilon(self._current_progress_remaining))
        self.logger.record("train/states_seen", int((self.table != 0).any(axis=1).sum()))
        self.logger.record("time/total_timesteps", self.num_timesteps, exclude="tensorboard")
        self.logger.dump(self.num_timesteps)


class QLearning(Tabular):
    """Q-learning: learns about the best action, whatever was done."""

    def target(
        self, reward: np.ndarray, terminated: np.ndarray, following: np.ndarray, next_action: np.ndarray
    ) -> np.ndarray:
        return q_target(reward, terminated, following, self.gamma)


class Sarsa(Tabular):
    """SARSA: learns about the action that is taken next."""

    def target(
        self, reward: np.ndarray, terminated: np.ndarray, following: np.ndarray, next_action: np.ndarray
    ) -> np.ndarray:
        return sarsa_target(reward, terminated, following, next_action, self.gamma)
