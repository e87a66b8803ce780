"""Learning from a replay buffer that a batch of worlds fills, for SB3's off-policy classes.

What is replaced is what would cost more than the physics: the per-world Python of SB3's loop, its numpy buffer, and the
copies between the two. On any other environment SB3's own loop and buffer run. Each algorithm's update is in `off_policy`.
"""

from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.buffers import BaseBuffer, ReplayBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.noise import ActionNoise, NormalActionNoise
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.type_aliases import ReplayBufferSamples, RolloutReturn, TrainFreq, TrainFrequencyUnit
from stable_baselines3.common.vec_env import VecEnv

from ..envs.batch_env import BatchEnv
from ..envs.sb3 import SB3VecEnv
from . import threads
from .normalization import RunningNorm

LOG_LINES = 500  # in the log of a whole training


class PackedReplay(BaseBuffer):
    """Transitions as rows of one float32 tensor: observation, action, next observation, done, reward.

    All worlds' rows of a step lie together, so a minibatch is one `index_select`, whose columns are handed out as views.
    The next observation is stored, not looked up in a later row: twice the memory, and nothing to get wrong at the ends of
    episodes. A transition takes 4 (2 O + nu + 2) bytes: a million of half_cheetah 168 MB, of humanoid 2.9 GB.
    """

    def __init__(
        self,
        buffer_size: int,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        device: torch.device | str = "cpu",
        n_envs: int = 1,
        optimize_memory_usage: bool = False,
        seed: int | None = None,
    ):
        """`buffer_size` transitions, rounded down to whole steps of `n_envs` worlds; `seed` decides what is sampled."""
        super().__init__(max(buffer_size // n_envs, 1) * n_envs, observation_space, action_space, device, n_envs)
        size = int(np.prod(self.obs_shape))
        self.widths = [size, self.action_dim, size, 1, 1]
        self.rows = torch.zeros(self.buffer_size, sum(self.widths))
        self.columns = self.rows.split(self.widths, dim=1)
        self.generator = torch.Generator()
        if seed is not None:
            self.generator.manual_seed(seed)

    def add(self, *fields: torch.Tensor) -> None:
        """One step of all worlds: observation (N, O), action (N, nu), next observation (N, O), done (N, 1), reward (N, 1)."""
        end = self.pos + self.n_envs
        for column, field in zip(self.columns, fields, strict=True):
            column[self.pos : end] = field
        self.full = self.full or end == self.buffer_size
        self.pos = end % self.buffer_size

    def sample(self, batch_size: int, env: Any = None) -> ReplayBufferSamples:
        """`batch_size` transitions, each drawn from all that are stored with the same probability."""
        pick = torch.randint(self.size(), (batch_size,), generator=self.generator)
        return ReplayBufferSamples(*self.rows.index_select(0, pick).split(self.widths, dim=1))

    def _get_samples(self, batch_inds: np.ndarray, env: Any = None) -> ReplayBufferSamples:
        return ReplayBufferSamples(*self.rows[torch.as_tensor(batch_inds)].split(self.widths, dim=1))


class BatchedReplay(OffPolicyAlgorithm):
    """An SB3 off-policy algorithm that collects from a `BatchEnv` and counts on `update` for one gradient step.

    `exploration_noise`: standard deviation of Gaussian noise on actions in [-1, 1], for policies without any of their own.
    `reward_scale`: rewards are multiplied by it before they are stored.
    The observation statistics grow with every observation; their mean over all that was seen moves ever more slowly.
    """

    actor: Any
    critic: Any

    def __init__(self, *args: Any, exploration_noise: float = 0.0, reward_scale: float = 1.0, **kwargs: Any):
        self.exploration_noise, self.reward_scale = exploration_noise, reward_scale
        super().__init__(*args, **kwargs)

    def update(self, batch: ReplayBufferSamples) -> dict[str, torch.Tensor]:
        """One gradient step on a minibatch; scalars for the log, by name."""
        raise NotImplementedError

    def _setup_model(self) -> None:
        if isinstance(self.env, SB3VecEnv):
            self.replay_buffer_class, self.replay_buffer_kwargs = self.replay()  # type: ignore[assignment]
        elif self.exploration_noise and self.action_noise is None:  # for SB3's loop
            spread = np.full(self.action_space.shape or (), self.exploration_noise)
            self.action_noise = NormalActionNoise(np.zeros_like(spread), spread)
        super()._setup_model()

    def replay(self) -> tuple[type[PackedReplay], dict[str, Any]]:
        """What keeps the transitions of a `BatchEnv`, and its arguments beside the usual ones."""
        return PackedReplay, {"seed": self.seed}

    def _setup_learn(self, *args: Any, **kwargs: Any) -> Any:
        prepared = super()._setup_learn(*args, **kwargs)
        if isinstance(self.env, SB3VecEnv):
            self.env.core.stagger()
            self._terms, self._steps_since_log = np.zeros(len(self.env.core.task.terms)), 0
        return prepared

    def seen(self, observation: np.ndarray) -> torch.Tensor:
        """What is learnt from observations (n, O)."""
        return torch.tensor(observation, dtype=torch.float32)

    def explore(self, observation: torch.Tensor) -> torch.Tensor:
        """Actions (N, nu) in [-1, 1] for observations (N, O): uniform before `learning_starts`, then the policy's."""
        if self.num_timesteps < self.learning_starts:
            return 2.0 * torch.rand(len(observation), *self.action_space.shape) - 1.0  # type: ignore[misc]
        with torch.no_grad():
            actions = self.actor(observation)
            if self.exploration_noise:
                actions = (actions + self.exploration_noise * torch.randn_like(actions)).clamp_(-1.0, 1.0)
        return actions

    def collect_rollouts(
        self,
        env: VecEnv,
        callback: BaseCallback,
        train_freq: TrainFreq,
        replay_buffer: Any,
        action_noise: ActionNoise | None = None,
        learning_starts: int = 0,
        log_interval: int | None = None,
    ) -> RolloutReturn:
        if not isinstance(env, SB3VecEnv):
            return super().collect_rollouts(
                env, callback, train_freq, replay_buffer, action_noise, learning_starts, log_interval
            )
        assert train_freq.unit == TrainFrequencyUnit.STEP
        assert isinstance(replay_buffer, PackedReplay)
        core, norm = env.core, self.actor.features_extractor.norm
        assert isinstance(norm, RunningNorm)
        self.policy.set_training_mode(False)
        callback.on_rollout_start()
        for step in range(1, train_freq.frequency + 1):
            observation = self.seen(core.observation)
            norm.update(observation)
            actions = self.explore(observation)
            core.step(self.policy.unscale_action(actions.numpy()))
            self._store(core, replay_buffer, observation, actions)
            self.num_timesteps += core.num_envs
            self._update_current_progress_remaining(self.num_timesteps, self._total_timesteps)
            self._on_step()
            self._note(core)
            if not callback.on_step():
                return RolloutReturn(step * core.num_envs, len(core.ended), continue_training=False)
        callback.on_rollout_end()
        return RolloutReturn(train_freq.frequency * core.num_envs, len(core.ended), continue_training=True)

    def _store(self, core: BatchEnv, buffer: PackedReplay, observation: torch.Tensor, actions: torch.Tensor) -> None:
        following = self.seen(core.observation)
        if len(core.ended):  # these worlds show their next episode already
            following[core.ended] = self.seen(core.final_observation[core.ended])
        # A time limit is not an end: `done` is 0 there, and the target bootstraps from the final observation.
        done = torch.as_tensor(core.fell)[:, None]
        reward = torch.as_tensor(core.reward)[:, None] * self.reward_scale
        buffer.add(observation, actions, following, done, reward)

    def _store_transition(
        self,
        replay_buffer: ReplayBuffer,
        buffer_action: np.ndarray,
        new_obs: Any,
        reward: np.ndarray,
        dones: np.ndarray,
        infos: list[dict[str, Any]],
    ) -> None:
        """In SB3's loop: statistics and scaled rewards as in ours."""
        norm = getattr(self.actor.features_extractor, "norm", None)
        if isinstance(norm, RunningNorm):
            norm.update(torch.as_tensor(self._last_obs))
        super()._store_transition(replay_buffer, buffer_action, new_obs, reward * self.reward_scale, dones, infos)

    def _note(self, core: BatchEnv) -> None:
        self._terms += core.terms.mean(axis=0)
        self._steps_since_log += 1
        self._episode_num += len(core.ended)
        if len(core.ended) and self.ep_info_buffer is not None:
            self.ep_info_buffer.extend(
                {"r": r, "l": n, "t": 0.0} for r, n in zip(core.ended_return, core.ended_length, strict=True)
            )
        if self._steps_since_log * core.num_envs * LOG_LINES < self._total_timesteps:
            return
        for name, value in zip(core.task.terms, self._terms / self._steps_since_log, strict=True):
            self.logger.record(f"reward/{name}", float(value))
        self.logger.record("rollout/diverged", core.diverged)
        if core.ground is not None:
            self.logger.record("terrain/level", float(core.ground.level.mean()))
        self.dump_logs()
        self._terms[:], self._steps_since_log = 0.0, 0

    def train(self, gradient_steps: int, batch_size: int = 256) -> None:
        """`gradient_steps` updates, once the buffer holds `learning_starts` transitions: a resumed run fills it first."""
        buffer: Any = self.replay_buffer
        if isinstance(buffer, PackedReplay) and buffer.size() < min(self.learning_starts, buffer.buffer_size):
            return
        torch.set_num_threads(threads.UPDATE_THREADS)
        self.policy.set_training_mode(True)
        self._update_learning_rate(self.optimizers())
        logged: dict[str, list[float]] = {}
        for _ in range(gradient_steps):
            self._n_updates += 1
            for name, value in self.update(buffer.sample(batch_size, env=self._vec_normalize_env)).items():
                logged.setdefault(name, []).append(value.item())
        torch.set_num_threads(1)
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        for name, values in logged.items():
            self.logger.record(f"train/{name}", float(np.mean(values)))

    def optimizers(self) -> list[torch.optim.Optimizer]:
        return [self.actor.optimizer, self.critic.optimizer]


def descend(optimizer: torch.optim.Optimizer, loss: torch.Tensor) -> None:
    """One step of `optimizer` down `loss`; other gradients, such as those of a critic that judges actions, are not computed."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters, allow_unused=True), strict=True):
        parameter.grad = gradient
    optimizer.step()


def follow(target: torch.nn.Module, source: torch.nn.Module, tau: float) -> None:
    """Move the parameters of `target` towards those of `source` by the share `tau` (Polyak averaging)."""
    with torch.no_grad():
        torch._foreach_lerp_(list(target.parameters()), list(source.parameters()), tau)
