"""Value-based deep learning over many worlds: DQN, QR-DQN and deep SARSA.

SB3's classes, loop and updates; what is added is exploration world by world (theirs decides once for all worlds whether the
step is random) and the observation statistics, which belong to the policy.
"""

from typing import Any, NamedTuple

import numpy as np
import sb3_contrib
import stable_baselines3
import torch
from gymnasium.spaces import Discrete
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.noise import ActionNoise
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.vec_env import VecNormalize
from torch.nn import functional as F


def explore(rng: np.random.Generator, greedy: np.ndarray, actions: int, epsilon: float) -> np.ndarray:
    """Epsilon-greedy: `greedy` (N,) with each entry replaced by one of `actions` at random with probability `epsilon`."""
    return np.where(rng.random(len(greedy)) < epsilon, rng.integers(actions, size=len(greedy)), greedy)


class ValueBased(OffPolicyAlgorithm):
    """What DQN and QR-DQN have in common here. Statistics grow until learning is well under way, then stay."""

    action_space: Discrete
    exploration_rate: float

    def _setup_model(self) -> None:
        super()._setup_model()
        # Not the environment's generator, which starts from the same seed.
        self.rng = np.random.default_rng(None if self.seed is None else [self.seed, 1])

    def choose(self, observation: np.ndarray) -> np.ndarray:
        """Epsilon-greedy actions (N,) for observations (N, O); at random before learning starts."""
        epsilon = 1.0 if self.num_timesteps < self.learning_starts else self.exploration_rate
        greedy = self.policy.predict(observation, deterministic=True)[0]
        return explore(self.rng, greedy, int(self.action_space.n), epsilon)

    def _sample_action(
        self, learning_starts: int, action_noise: ActionNoise | None = None, n_envs: int = 1
    ) -> tuple[np.ndarray, np.ndarray]:
        assert isinstance(self._last_obs, np.ndarray)
        actions = self.choose(self._last_obs)
        return actions, actions

    def _store_transition(
        self,
        replay_buffer: ReplayBuffer,
        buffer_action: np.ndarray,
        new_obs: Any,
        reward: np.ndarray,
        dones: np.ndarray,
        infos: list[dict[str, Any]],
    ) -> None:
        if self.num_timesteps < 10 * max(self.learning_starts, 1000):
            self.policy.features_extractor_kwargs["norm"].update(torch.as_tensor(new_obs))
        super()._store_transition(replay_buffer, buffer_action, new_obs, reward, dones, infos)

    def train(self, gradient_steps: int, batch_size: int = 100) -> None:
        """As SB3's, once the buffer holds `learning_starts` transitions: a resumed run fills it first."""
        buffer = self.replay_buffer
        assert buffer is not None
        if buffer.full or buffer.size() * self.n_envs >= self.learning_starts:
            self.improve(gradient_steps, batch_size)

    def improve(self, gradient_steps: int, batch_size: int) -> None:
        """SB3's own update."""
        super().train(gradient_steps, batch_size)


class DQN(ValueBased, stable_baselines3.DQN):
    """SB3's DQN."""


class QRDQN(ValueBased, sb3_contrib.QRDQN):
    """sb3-contrib's QR-DQN."""


class SarsaSamples(NamedTuple):
    """A minibatch of B transitions, in SB3's order, and the actions that followed."""

    observations: torch.Tensor  # (B, O)
    actions: torch.Tensor  # (B, 1)
    next_observations: torch.Tensor  # (B, O)
    dones: torch.Tensor  # (B, 1), 1 where the episode ended by termination
    rewards: torch.Tensor  # (B, 1)
    next_actions: torch.Tensor  # (B, 1)


class SarsaBuffer(ReplayBuffer):
    """SB3's replay buffer with the action that was taken next, which `next_actions[pos]` gets before each `add`."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.next_actions = np.zeros_like(self.actions)

    def _get_samples(self, batch_inds: np.ndarray, env: VecNormalize | None = None) -> SarsaSamples:  # type: ignore[override]
        worlds = np.random.randint(0, self.n_envs, len(batch_inds))  # noqa: NPY002 - the generator that SB3 seeds
        at = (batch_inds, worlds)
        ended = self.dones[at] * (1 - self.timeouts[at])
        arrays = (
            self.observations[at], self.actions[at], self.next_observations[at], ended[:, None],
            self.rewards[at][:, None], self.next_actions[at],
        )  # fmt: skip
        return SarsaSamples(*map(self.to_torch, arrays))


def sarsa_target(
    rewards: torch.Tensor, dones: torch.Tensor, next_values: torch.Tensor, next_actions: torch.Tensor, gamma: float
) -> torch.Tensor:
    """r + gamma Q(s', a') with the action a' that was taken next, or r where the episode ended; all (B, 1).

    `next_values` (B, actions) are those of the target network (Rummery & Niranjan, 1994, On-line Q-learning using
    connectionist systems; Sutton & Barto, 2018, eq. 6.7; with a replay buffer: Zhao et al., 2016, IEEE SSCI).
    """
    return rewards + (1 - dones) * gamma * next_values.gather(1, next_actions)


class DeepSarsa(DQN):
    """DQN with an on-policy target: not the best action's value, but that of the action that was really taken next.

    So the next action is chosen when a transition is stored, and is the one that the worlds then take. Where a time limit
    cuts an episode, it is the action that would have been taken in its last state.
    """

    replay_buffer: SarsaBuffer

    def __init__(self, *args: Any, **kwargs: Any):
        self._chosen: np.ndarray | None = None
        kwargs["replay_buffer_class"] = SarsaBuffer
        super().__init__(*args, **kwargs)

    def _setup_learn(self, *args: Any, **kwargs: Any) -> Any:
        self._chosen = None
        return super()._setup_learn(*args, **kwargs)

    def _sample_action(
        self, learning_starts: int, action_noise: ActionNoise | None = None, n_envs: int = 1
    ) -> tuple[np.ndarray, np.ndarray]:
        if self._chosen is None:
            return super()._sample_action(learning_starts, action_noise, n_envs)
        return self._chosen, self._chosen

    def _store_transition(
        self,
        replay_buffer: ReplayBuffer,
        buffer_action: np.ndarray,
        new_obs: Any,
        reward: np.ndarray,
        dones: np.ndarray,
        infos: list[dict[str, Any]],
    ) -> None:
        self._chosen = self.choose(new_obs)
        followed = self._chosen.copy()
        cut = [i for i in np.flatnonzero(dones) if infos[i].get("TimeLimit.truncated")]
        if cut:
            followed[cut] = self.choose(np.stack([infos[i]["terminal_observation"] for i in cut]))
        self.replay_buffer.next_actions[self.replay_buffer.pos] = followed[:, None]
        super()._store_transition(replay_buffer, buffer_action, new_obs, reward, dones, infos)

    def improve(self, gradient_steps: int, batch_size: int) -> None:
        """SB3's `DQN.train` with `sarsa_target`."""
        self.policy.set_training_mode(True)
        self._update_learning_rate(self.policy.optimizer)
        losses: list[float] = []
        for _ in range(gradient_steps):
            data: Any = self.replay_buffer.sample(batch_size)  # SarsaSamples
            with torch.no_grad():
                following = self.q_net_target(data.next_observations)
                target = sarsa_target(data.rewards, data.dones, following, data.next_actions.long(), self.gamma)
            loss = F.smooth_l1_loss(self.q_net(data.observations).gather(1, data.actions.long()), target)
            losses.append(loss.item())
            self.policy.optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.policy.parameters(), self.max_grad_norm)
            self.policy.optimizer.step()
        self._n_updates += gradient_steps
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        self.logger.record("train/loss", float(np.mean(losses)))
