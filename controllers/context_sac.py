"""SAC with a latent context: a Gaussian belief of which task this is, inferred from transitions (PEARL, Rakelly et al., 2019).

Actor and critics see the observation beside a latent z. The belief is a product of Gaussians, the prior N(0, I) and one factor
for each transition (state, action, reward, next state), so that two sums are all there is to remember, whatever the order.
Each episode draws a hypothesis anew (posterior sampling): z = mean + deviation * noise with noise that stays for the episode,
so that z moves with the belief as it narrows (the paper keeps z for a whole episode instead). The encoder learns from the
critics' loss, and from the divergence of the belief from the prior.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium.spaces import Box, Space
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.type_aliases import ReplayBufferSamples
from stable_baselines3.sac.policies import SACPolicy
from torch import nn
from torch.nn import functional as F

from ..envs.batch_env import BatchEnv
from ..envs.sb3 import SB3VecEnv
from ..robots import SurefootError
from .normalization import RunningNorm
from .off_policy import SAC, Scalars
from .replayed import PackedReplay


def transitions(
    state: torch.Tensor, action: torch.Tensor, reward: torch.Tensor, following: torch.Tensor
) -> torch.Tensor:
    """What the encoder reads, (..., O + nu + 1 + O), of states and next states (..., O), actions (..., nu), rewards (..., 1).

    The next state as the change to it, which is much smaller than the spread of the states, and tells the dynamics.
    """
    return torch.cat([state, action, reward, following - state], dim=-1)


def posterior(evidence: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and standard deviation (..., d) of the prior N(0, I) times the factors whose sum `evidence` (..., 2 d) is.

    A factor N(m, 1 / p) is written p, p * m: of a product these add up. No evidence (zeros) leaves the prior.
    """
    precision, weighted = evidence.chunk(2, dim=-1)
    variance = 1.0 / (1.0 + precision)
    return variance * weighted, variance.sqrt()


def divergence(mean: torch.Tensor, std: torch.Tensor) -> torch.Tensor:
    """KL(N(mean, std^2) || N(0, I)) of (..., d), summed over the last dimension."""
    return 0.5 * (std.square() + mean.square() - 1.0 - 2.0 * std.log()).sum(-1)


class ContextEncoder(nn.Module):
    """From transitions (..., W) to the factors (..., 2 d) that they put into the belief."""

    def __init__(self, size: int, latent: int, width: int):
        super().__init__()
        self.norm = RunningNorm(size)
        self.layers = nn.Sequential(
            nn.Linear(size, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 2 * latent)
        )

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        mean, raw = self.layers(self.norm(rows)).chunk(2, dim=-1)
        precision = F.softplus(raw)
        return torch.cat([precision, precision * mean], dim=-1)


class ContextExtractor(BaseFeaturesExtractor):
    """SB3 features extractor of rows (n, O + d), observations beside latents: the former are normalised."""

    def __init__(self, observation_space: Space[Any], norm: RunningNorm, latent: int):
        super().__init__(observation_space, len(norm.mean) + latent)
        self.norm = norm

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        own = len(self.norm.mean)
        return torch.cat([self.norm(rows[:, :own]), rows[:, own:]], dim=1)


class ContextPolicy(SACPolicy):
    """SB3's policy of SAC over rows (n, O + d) of observations and latents, with the encoder of the latents.

    From outside it sees observations that end with last action, reward and done (`envs.inputs.REMEMBERED`), and remembers,
    world by world in one array (1, N, width): evidence, noise, previous observation, whether there is one. Zeros know nothing.
    """

    def __init__(
        self, observation_space: Box, action_space: Box, *args: Any, latent: int, encoder_width: int, **kwargs: Any
    ):
        self.latent, self.encoder_width = latent, encoder_width
        self.own = observation_space.shape[0] - action_space.shape[0] - 2  # numbers of the task's observation, O
        clip = kwargs.pop("features_extractor_kwargs")["norm"].clip
        kwargs |= {"features_extractor_class": ContextExtractor}
        kwargs |= {"features_extractor_kwargs": {"norm": RunningNorm(self.own, clip), "latent": latent}}
        self.draws = torch.Generator()
        super().__init__(observation_space, action_space, *args, **kwargs)

    def _build(self, lr_schedule: Any) -> None:
        super()._build(lr_schedule)
        assert isinstance(self.action_space, Box)
        size = 2 * self.own + self.action_space.shape[0] + 1
        self.encoder = ContextEncoder(size, self.latent, self.encoder_width)
        self.critic.optimizer.add_param_group({"params": list(self.encoder.parameters())})  # one loss, one step

    def _predict(self, observation: Any, deterministic: bool = False) -> torch.Tensor:
        raise SurefootError(
            "a policy with a context acts by all that it has seen: it has no action for one observation"
        )

    def predict(
        self,
        observation: Any,
        state: tuple[np.ndarray, ...] | None = None,
        episode_start: np.ndarray | None = None,
        deterministic: bool = False,
    ) -> tuple[np.ndarray, tuple[np.ndarray, ...] | None]:
        """SB3's interface: actions and the memory afterwards. Raises `SurefootError` for a memory of other worlds.

        `deterministic` is about the actions; hypotheses are drawn in any case, the same ones after each start without memory.
        """
        self.set_training_mode(False)
        obs, many = self.obs_to_tensor(observation)
        assert isinstance(obs, torch.Tensor)
        assert isinstance(self.action_space, Box)
        parts = [2 * self.latent, self.latent, self.own, 1]
        if state is None:
            self.draws.manual_seed(0)
        memory = torch.zeros(len(obs), sum(parts)) if state is None else torch.as_tensor(state[0][0])
        if len(memory) != len(obs):
            raise SurefootError(
                f"{len(obs)} observations, but a memory of {len(memory)} worlds: expected as many, or a reset before"
            )
        if episode_start is not None:
            memory = memory * torch.as_tensor(~np.asarray(episode_start, bool))[:, None]
        evidence, noise, before, begun = memory.split(parts, dim=1)
        own, action, reward, done = obs.float().split([self.own, self.action_space.shape[0], 1, 1], dim=1)
        low, high = (torch.as_tensor(limit) for limit in (self.action_space.low, self.action_space.high))
        with torch.no_grad():
            # After an episode's end the next state is another episode's start: such a transition says nothing.
            whole = begun * (1.0 - done)
            action = (2.0 * (action - low) / (high - low) - 1.0).clamp(-1.0, 1.0)
            evidence = evidence + whole * self.encoder(transitions(before, action, reward, own))
            if not whole.all():
                noise = torch.where(whole > 0, noise, torch.randn(noise.shape, generator=self.draws))
            mean, std = posterior(evidence)
            actions = self.actor(torch.cat([own, mean + std * noise], dim=1), deterministic).numpy()
        actions = np.clip(self.unscale_action(actions), self.action_space.low, self.action_space.high)
        memory = torch.cat([evidence, noise, own, torch.ones_like(begun)], dim=1)
        return (actions if many else actions[0]), (memory[None].numpy(),)


class TaskSamples(NamedTuple):
    """Of M tasks: `learnt`, B / M transitions of each in a row, and what tells the task.

    `context` (M, C, W): C transitions, drawn with replacement from the first `seen` (M, 1) of a trial.
    """

    learnt: ReplayBufferSamples
    context: torch.Tensor
    seen: torch.Tensor


class TaskReplay(PackedReplay):
    """Transitions of worlds that each keep one task, without the inputs that only a memory needs."""

    def __init__(
        self,
        buffer_size: int,
        seen: Space[Any],
        *args: Any,
        tasks: int,
        context: int,
        scale: float,
        **kwargs: Any,
    ):
        """Samples are of `tasks` worlds, with `context` transitions of each; `scale`: of rewards."""
        assert isinstance(seen, Box)
        own = seen.shape[0] - args[0].shape[0] - 2
        super().__init__(buffer_size, Box(-np.inf, np.inf, (own,), np.float32), *args, **kwargs)
        self.tasks, self.context, self.scale = tasks, context, scale
        # Steps since each world's trial began, and the one before.
        self.trials = torch.zeros(2, self.n_envs, dtype=torch.int64)

    def add(self, *fields: torch.Tensor) -> None:
        super().add(*fields)
        self.trials += 1

    def begin_trial(self, worlds: np.ndarray) -> None:
        self.trials[1, worlds], self.trials[0, worlds] = self.trials[0, worlds], 0

    def transitions(self, pick: torch.Tensor) -> torch.Tensor:
        """Rows of any shape as the encoder reads them, rewards as the robots got them."""
        state, action, following, _, reward = self.rows[pick].split(self.widths, dim=-1)
        return transitions(state, action, reward / self.scale, following)

    def newest(self) -> torch.Tensor:
        """Of each world, the row of its last transition, (N,)."""
        return (self.pos - self.n_envs + torch.arange(self.n_envs)) % self.buffer_size

    def sample(self, batch_size: int, env: Any = None) -> TaskSamples:  # type: ignore[override]
        draw, steps = self.generator, self.size() // self.n_envs
        worlds = torch.randperm(self.n_envs, generator=draw)[: self.tasks, None]
        when = torch.randint(steps, (self.tasks, batch_size // self.tasks), generator=draw)
        pick = (when * self.n_envs + worlds).flatten()
        learnt = ReplayBufferSamples(*self.rows.index_select(0, pick).split(self.widths, dim=1))
        # The belief is in use what a trial's first steps make it, and those tell more of a task than as many later ones: how
        # far a steady robot is from its goal does not say on which side. Late trials, such as this policy makes.
        shape = (self.tasks, 1)
        current, before = self.trials[:, worlds]
        late = (current >= steps) | (current > 0) & ((current == before) | (torch.rand(shape, generator=draw) < 0.5))
        begin, end = torch.where(late, current, before).clamp(max=steps), torch.where(late, 0, current)
        seen = 1 + (torch.rand(shape, generator=draw) * (begin - end)).long()
        age = begin - 1 - (torch.rand(self.tasks, self.context, generator=draw) * seen).long()
        rows = (self.newest()[worlds] - age * self.n_envs) % self.buffer_size
        return TaskSamples(learnt, self.transitions(rows), seen)


class ContextSAC(SAC):
    """Our SAC with a `ContextPolicy`, over worlds that each keep a task and begin a new belief every `attempts` episodes."""

    policy: ContextPolicy

    def __init__(
        self,
        *args: Any,
        tasks: int = 16,
        context: int = 64,
        attempts: int = 2,
        kl_weight: float = 0.1,
        **kwargs: Any,
    ):
        self.tasks, self.context = tasks, context
        self.attempts, self.kl_weight, self._kl = attempts, kl_weight, torch.zeros(())
        super().__init__(*args, **kwargs)

    def _setup_model(self) -> None:
        if not isinstance(self.env, SB3VecEnv):
            raise SurefootError("context_sac learns on Surefoot's robots only: others do not tell tasks apart")
        super()._setup_model()

    def replay(self) -> tuple[type[PackedReplay], dict[str, Any]]:
        kind, kwargs = super().replay()
        assert kind is PackedReplay
        kwargs |= {"tasks": self.tasks, "context": self.context, "scale": self.reward_scale}
        return TaskReplay, kwargs

    def _setup_learn(self, *args: Any, **kwargs: Any) -> Any:
        assert isinstance(self.env, SB3VecEnv)
        self.env.core.settle()
        prepared = super()._setup_learn(*args, **kwargs)
        worlds, d = self.n_envs, self.policy.latent
        self._evidence, self._noise = torch.zeros(worlds, 2 * d), torch.randn(worlds, d)
        self._episode = np.zeros(worlds, np.int64)
        return prepared

    def seen(self, observation: np.ndarray) -> torch.Tensor:
        return super().seen(observation[:, : self.policy.own])

    def explore(self, observation: torch.Tensor) -> torch.Tensor:
        mean, std = posterior(self._evidence)
        return super().explore(torch.cat([observation, mean + std * self._noise], dim=1))

    def _store(self, core: BatchEnv, buffer: PackedReplay, observation: torch.Tensor, actions: torch.Tensor) -> None:
        super()._store(core, buffer, observation, actions)
        assert isinstance(buffer, TaskReplay)
        rows, encoder = buffer.transitions(buffer.newest()), self.policy.encoder
        encoder.norm.update(rows)
        with torch.no_grad():
            self._evidence += encoder(rows)
        if len(core.ended):
            self._episode[core.ended] += 1
            self._noise[core.ended] = torch.randn(len(core.ended), self.policy.latent)
            anew = core.ended[self._episode[core.ended] % self.attempts == 0]
            self._evidence[anew] = 0.0
            buffer.begin_trial(anew)

    def update(self, batch: TaskSamples) -> Scalars:  # type: ignore[override]
        """One step of everything. To the actor's loss and the target z is given: the encoder learns from the critics' alone."""
        mean, std = posterior(self.policy.encoder(batch.context).mean(dim=1) * batch.seen)
        self._kl = divergence(mean, std).mean()
        z = mean + std * torch.randn_like(mean)
        z = z.repeat_interleave(len(batch.learnt.actions) // len(z), dim=0)
        learnt = batch.learnt._replace(
            observations=torch.cat([batch.learnt.observations, z], dim=1),
            next_observations=torch.cat([batch.learnt.next_observations, z.detach()], dim=1),
        )
        return super().update(learnt) | {"kl": self._kl.detach(), "context_std": std.detach().mean()}

    def critic_loss(self, judged: Any, target: torch.Tensor) -> torch.Tensor:
        return super().critic_loss(judged, target) + self.kl_weight * self._kl
