"""MAML: a policy from which one gradient step on a little of the robot's motion goes far (Finn et al., 2017).

Meta-training repeats: robots of several tasks move with the policy, each task's policy takes an inner gradient step, the robots
move again with those, and the outer step improves the policy through the inner one. Inner steps are likelihood-ratio steps
whose second derivatives are right and of low variance (ProMP, Rothfuss et al., 2019), with a learnt step size for each weight
(Meta-SGD, Li et al., 2017); the outer objective is PPO's. `order` 1 leaves out the derivative of the inner step (first-order
MAML), and method `reptile` moves the policy towards those of several inner steps instead (Nichol et al., 2018), by Adam: what
the tasks have in common is small beside what they do not, and of directions that differ in sign nothing else is left.
"""

import dataclasses
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch.func import functional_call, grad, vmap

from ...envs.batch_env import BatchEnv
from ...envs.suites import TrainingTasks, load_suite
from ...envs.typed import Range, check_ranges
from ...envs.variation import Task, Variation
from ...robots import SurefootError
from .. import threads
from ..config import TrainConfig, from_settings
from ..controller import Controller
from ..evaluation import evaluate
from ..gaussian import log_density
from ..policy import Policy
from ..presets import settings_for
from ..training import CHECKPOINT_SECONDS, TELL_SECONDS, make_algorithm, make_env, new_folder, train, train_config
from ..worlds import worlds_of
from .base import Adaptation, Budget, Point
from .finetune import hand_over
from .rma import has_goals

Weights = dict[str, torch.Tensor]
LEAST = 3  # gradient steps of an adaptation, which published curves have as well


@dataclasses.dataclass(frozen=True)
class MamlConfig:
    """How MAML and Reptile learn and adapt; what MAML alone uses is marked *.

    Attributes:
        tasks, worlds: of a meta-iteration (Reptile: 4), and robots of each task. horizon: control steps of a rollout.
        order*: 2, or 1 to leave out the derivative of the inner step.
        inner_steps, inner_rate: gradient steps of an adaptation in training (Reptile: 5), and their size to begin with.
        learn_rates*: whether that is learnt, for each weight by itself.
        rate: of the outer step (Adam). epochs*, clip*: of MAML's outer objective, which is PPO's.
        gamma: discount.
        pretrain: environment steps of plain PPO on all robots before that, with the robot's preset, of those of the training:
            what walking has in common is learnt there, where a step teaches more. Its controller is kept in OUT/base.
    """

    tasks: int = 20
    worlds: int = 16
    horizon: int = 100
    order: int = 2
    inner_steps: int = 1
    inner_rate: float = 0.1
    learn_rates: bool = True
    epochs: int = 5
    rate: float = 1e-3
    clip: float = 0.3
    gamma: float = 0.99
    pretrain: int = 0

    def __post_init__(self) -> None:
        ranges: tuple[Range, ...] = (
            ("1 or more", lambda x: x >= 1, ("tasks", "worlds", "inner_steps", "epochs")),
            ("2 or more", lambda x: x >= 2, ("horizon",)),  # one advantage has no spread to be divided by
            ("0 or more", lambda x: x >= 0, ("inner_rate", "pretrain")),
            ("more than 0", lambda x: x > 0, ("rate", "clip")),
            ("more than 0, at most 1", lambda x: 0 < x <= 1, ("gamma",)),
        )
        check_ranges("meta setting", self, ranges)
        if self.order not in (1, 2):
            raise SurefootError(f"meta setting order={self.order}: expected 2, or 1 without second derivatives")

    @classmethod
    def parse(cls, settings: Mapping[str, Any], method: str = "maml") -> "MamlConfig":
        """From settings by name, such as {"order": 1}. Raises `SurefootError` for an unknown name or a wrong value."""
        own = {"tasks": 4, "inner_steps": 5} if method == "reptile" else {}
        plan = from_settings("meta setting", cls, {**own, **settings})
        # Nichol et al., section 3: with one inner step the expected step is the mean of the tasks' gradients.
        if own and plan.inner_steps < 2:
            raise SurefootError(
                "meta setting inner_steps=1: expected 2 or more, Reptile with one is training on all tasks at once"
            )
        return plan


@dataclasses.dataclass
class Rollouts:
    """Of M tasks, B = worlds x horizon steps each."""

    features: torch.Tensor  # (M, B, O), normalised observations
    actions: torch.Tensor  # (M, B, nu)
    log_probs: torch.Tensor  # (M, B), when they were drawn
    advantages: torch.Tensor  # (M, B), normalised within each task

    def columns(self) -> tuple[torch.Tensor, ...]:
        return self.features, self.actions, self.log_probs, self.advantages


class Actor(torch.nn.Module):
    """The part of a policy that acts, as a function of its weights."""

    def __init__(self, policy: Policy):
        super().__init__()
        self.policy = policy

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Means (n, nu) and logarithms of the standard deviations (nu,) of features (n, O)."""
        return self.policy.means(features), self.policy.log_std

    def weights(self) -> Weights:
        """By name; those of the value function are none of them."""
        return {name: p.detach().clone() for name, p in self.named_parameters() if "value_net" not in name}

    def log_prob(self, weights: Weights, features: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        """(n,) of actions (n, nu)."""
        mean, log_std = functional_call(self, weights, (features,))
        return log_density((actions - mean) * torch.exp(-log_std), log_std)

    def inner_loss(
        self,
        weights: Weights,
        features: torch.Tensor,
        actions: torch.Tensor,
        old: torch.Tensor,
        advantage: torch.Tensor,
    ) -> torch.Tensor:
        """- mean of ratio * advantage, not clipped: its first and second derivatives are those of the expected return."""
        return -((self.log_prob(weights, features, actions) - old).exp() * advantage).mean()

    def adapted(self, weights: Weights, rates: Weights, order: int, *rollout: torch.Tensor) -> Weights:
        """The weights after one inner step on one task's rollout, as a function of `weights` and `rates`."""
        gradient = grad(self.inner_loss)(weights, *rollout)
        if order == 1:
            gradient = {name: g.detach() for name, g in gradient.items()}
        return {name: w - rates[name] * gradient[name] for name, w in weights.items()}

    def outer_loss(
        self, weights: Weights, rates: Weights, clip: float, order: int, pre: list[Rollouts], post: Rollouts
    ) -> torch.Tensor:
        """PPO's objective on the rollouts after adaptation, mean over tasks, as a function of the weights before it."""

        def of_task(*columns: torch.Tensor) -> torch.Tensor:
            adapted, steps = weights, len(pre)
            for k in range(steps):
                adapted = self.adapted(adapted, rates, order, *columns[4 * k : 4 * k + 4])
            features, actions, old, advantage = columns[4 * steps :]
            ratio = (self.log_prob(adapted, features, actions) - old).exp()
            return -torch.min(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage).mean()

        columns = [c for rollout in (*pre, post) for c in rollout.columns()]
        return vmap(of_task)(*columns).mean()


def advantages_of(features: torch.Tensor, rewards: torch.Tensor, dones: torch.Tensor, gamma: float) -> torch.Tensor:
    """Returns minus a baseline that is linear in the features, their squares and powers of time (Duan et al., 2016).

    `features` (M, W, T, O), `rewards` and `dones` (M, W, T); the baseline is fitted for each task. (M, W*T), normalised.
    """
    returns = torch.zeros_like(rewards)
    running = torch.zeros_like(rewards[..., 0])
    for t in reversed(range(rewards.shape[-1])):
        running = rewards[..., t] + gamma * running * (1 - dones[..., t])
        returns[..., t] = running
    time_ = torch.linspace(0, 1, rewards.shape[-1]).expand(rewards.shape)[..., None]
    parts = [features, features.square(), time_, time_**2, time_**3, torch.ones_like(time_)]
    x, y = torch.cat(parts, -1).flatten(1, 2), returns.flatten(1)[..., None]
    gram = x.mT @ x + 1e-3 * x.shape[1] * torch.eye(x.shape[2])
    left = (y - x @ torch.linalg.solve(gram, x.mT @ y))[..., 0]
    return (left - left.mean(1, keepdim=True)) / (left.std(1, keepdim=True) + 1e-8)


def collect(
    env: BatchEnv, actor: Actor, weights: Weights, tasks: int, horizon: int, gamma: float, rng: torch.Generator
) -> tuple[Rollouts, float]:
    """Episodes of `tasks` tasks, whose worlds stand in a row, with weights of their own (M, ...); and the mean return."""
    norm = actor.policy.features_extractor.norm
    act = vmap(lambda w, x: functional_call(actor, w, (x,)))
    worlds, nu = env.num_envs // tasks, env.num_actions
    features = torch.zeros(horizon, env.num_envs, env.observation_size)
    actions, log_probs = torch.zeros(horizon, env.num_envs, nu), torch.zeros(horizon, env.num_envs)
    rewards, dones = torch.zeros(horizon, env.num_envs), torch.zeros(horizon, env.num_envs)
    low, high = env.task.action_low, env.task.action_high
    torch.set_num_threads(1)
    observation = env.reset()
    with torch.no_grad():
        for t in range(horizon):
            features[t] = norm(torch.as_tensor(observation))
            mean, log_std = act(weights, features[t].unflatten(0, (tasks, worlds)))
            noise = torch.randn(tasks, worlds, nu, generator=rng)
            drawn = mean + torch.exp(log_std)[:, None] * noise
            actions[t] = drawn.flatten(0, 1)
            log_probs[t] = log_density(noise, log_std[:, None]).flatten()
            observation, reward, terminated, truncated = env.step(np.clip(actions[t].numpy(), low, high))
            rewards[t], dones[t] = torch.as_tensor(reward), torch.as_tensor(terminated | truncated)

    def by_task(x: torch.Tensor) -> torch.Tensor:  # (T, N, ...) to (M, W, T, ...)
        return x.unflatten(1, (tasks, worlds)).movedim(0, 2)

    advantages = advantages_of(by_task(features), by_task(rewards), by_task(dones), gamma)
    rows = [by_task(x).flatten(1, 2) for x in (features, actions, log_probs)]
    torch.set_num_threads(threads.UPDATE_THREADS)
    return Rollouts(rows[0], rows[1], rows[2], advantages), float(rewards.sum(0).mean())


def meta_train(robot: str, task: str, **asked: Any) -> Controller:
    """MAML over the tasks that `vary` or `suite` describe; `training.train`'s arguments, and `meta` for `MamlConfig`.

    Raises `SurefootError` where all robots would have the same task, or those of a group different ones.
    """
    return _meta_train("maml", robot, task, asked)


def meta_train_reptile(robot: str, task: str, **asked: Any) -> Controller:
    """Reptile, with the same arguments."""
    return _meta_train("reptile", robot, task, asked)


def _meta_train(method: str, robot: str, task: str, asked: dict[str, Any]) -> Controller:
    out, progress = new_folder(asked.pop("out", None)), asked.pop("progress", True)
    plan = MamlConfig.parse(asked.get("meta") or {}, method)
    worlds = plan.tasks * plan.worlds
    asked |= {"algo": "ppo"}
    network: dict[str, Any] = {"mirror": False, "net": (64, 64)}
    plain = {**asked, "steps": plan.pretrain, "meta": {}}
    if plan.pretrain:  # its network; one step on a robot that limps must be able to limp
        trained = train_config(robot, task, **plain).hyperparameters
        network = {"untied": True} if getattr(settings_for(robot, task, "ppo", trained), "mirror", False) else {}
    own = {**network, "num_envs": worlds, "batch_size": worlds, **(asked.get("hyperparameters") or {})}
    config = train_config(robot, task, **{**asked, "hyperparameters": own, "method": method})
    if has_goals(task) and not config.suite:  # without one each world would draw a goal of its own
        raise SurefootError(
            f"method {method!r} learns from groups of robots with the same goal: give a suite (--suite)"
        )
    if not (config.vary or config.suite):
        raise SurefootError(
            f"method {method!r} learns from tasks that differ: give a variation (--vary) or a suite (--suite)"
        )
    if config.parameters:
        raise SurefootError(
            f"method {method!r} draws whole robots: give what is fixed as a variation, too (--vary, not --set)"
        )
    env = make_env(config.model_copy(update={"vary": {}, "suite": None}), worlds)
    if plan.pretrain >= config.steps:
        raise SurefootError(
            f"meta setting pretrain={plan.pretrain}: expected fewer than steps={config.steps}, of which it is"
        )
    if out is not None:
        config.save(out / "config.json")
    started = told = time.monotonic()
    learner = Learner(config, plan, env)
    if plan.pretrain:
        learner.begin_from(train(robot, task, **plain, out=out and out / "base", progress=progress))
    saved, begun = time.monotonic(), learner.steps

    def checkpoint() -> None:
        if out is not None and learner.steps > begun:
            file = out / "checkpoints" / f"step_{learner.steps:012d}.safetensors"
            learner.controller(time.monotonic() - started).save(file)

    try:
        while learner.steps < config.steps and (config.seconds is None or time.monotonic() - started < config.seconds):
            before, after = learner.iterate(reptile=method == "reptile")
            now = time.monotonic()
            if progress and now - told > TELL_SECONDS:
                told = now
                text = f"{told - started:5.0f} s  {learner.steps:,} steps  return {before:.1f}, adapted {after:.1f}"
                print(text, file=sys.stderr, flush=True)
            if now - saved > CHECKPOINT_SECONDS:
                saved = now
                checkpoint()
    except KeyboardInterrupt:
        checkpoint()
        raise
    torch.set_num_threads(1)
    controller = learner.controller(time.monotonic() - started)
    if out is not None:
        controller.save(out / "controller.safetensors")
    return controller


class Learner:
    """The state of a meta-training."""

    def __init__(self, config: TrainConfig, plan: MamlConfig, env: BatchEnv):
        self.config, self.plan, self.env = config, plan, env
        self.model = make_algorithm(config, env)
        assert isinstance(self.model.policy, Policy)
        self.policy, self.actor, self.steps = self.model.policy, Actor(self.model.policy), 0
        self.weights = self.actor.weights()
        self.rates = {name: torch.full_like(w, plan.inner_rate) for name, w in self.weights.items()}
        learnt = [*self.weights.values(), *(self.rates.values() if plan.learn_rates else ())]
        self.optimizer = torch.optim.Adam([w.requires_grad_() for w in learnt], plan.rate)
        self.rng, self.torch_rng = env.rng, torch.Generator().manual_seed(config.seed)
        self.sample = sampler(config, env)
        env.reset()
        self.policy.update_statistics(torch.as_tensor(env.observation))

    def begin_from(self, base: Controller) -> None:
        """Take what `base` has learnt."""
        hand_over(base, self.model)
        self.steps = base.timesteps
        with torch.no_grad():
            for name, w in self.actor.weights().items():
                self.weights[name].copy_(w)

    def draw_tasks(self) -> None:
        """Give each group of worlds another robot and goal."""
        values, goals = self.sample(self.rng, self.plan.tasks)
        everyone = np.arange(self.env.num_envs)
        self.env.simulation.set_parameters(everyone, np.repeat(values, self.plan.worlds, axis=0))
        if goals is not None:
            self.env.task.set_goals(everyone, np.repeat(goals, self.plan.worlds, axis=0))

    def rollouts(self, weights: Weights) -> tuple[Rollouts, float]:
        p = self.plan
        self.steps += self.env.num_envs * p.horizon
        return collect(self.env, self.actor, weights, p.tasks, p.horizon, p.gamma, self.torch_rng)

    def iterate(self, *, reptile: bool) -> tuple[float, float]:
        """One meta-iteration; returns the mean returns before and after adaptation."""
        p = self.plan
        self.draw_tasks()
        adapted = {name: w.detach().expand(p.tasks, *w.shape) for name, w in self.weights.items()}
        rates = {name: r.detach() for name, r in self.rates.items()}
        step = vmap(lambda w, *c: self.actor.adapted(w, rates, 1, *c))
        pre, earned = [], []
        for _ in range(p.inner_steps):
            rollouts, mean = self.rollouts(adapted)
            pre.append(rollouts)
            earned.append(mean)
            adapted = {name: w.detach() for name, w in step(adapted, *rollouts.columns()).items()}
        if reptile:
            for name, w in self.weights.items():
                w.grad = w.detach() - adapted[name].mean(0)
            self.optimizer.step()
            mean = earned[-1]
        else:
            post, mean = self.rollouts(adapted)
            for _ in range(p.epochs):
                loss = self.actor.outer_loss(self.weights, self.rates, p.clip, p.order, pre, post)
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()
        with torch.no_grad():  # statistics move between iterations only, so that an iteration sees one policy
            norm = self.policy.features_extractor.norm
            self.policy.update_statistics(norm.inverse(pre[0].features.flatten(0, 1)))
            for rate in self.rates.values():
                rate.clamp_(min=0.0)
        return earned[0], mean

    def controller(self, seconds: float = 0.0) -> Controller:
        """What has been learnt in so many seconds, with the step sizes."""
        own = dict(self.actor.named_parameters())
        with torch.no_grad():
            for name, w in self.weights.items():
                own[name].copy_(w)
        controller = Controller(self.config, self.policy, self.steps)
        controller.seconds = seconds
        controller.training = {f"inner_rate.{name}": r.detach().clone() for name, r in self.rates.items()}
        controller.policy.set_training_mode(False)
        return controller


def sampler(config: TrainConfig, env: BatchEnv) -> Callable[[np.random.Generator, int], tuple[np.ndarray, Any]]:
    """Draws parameter values (n, K) and goals (n, G), or None, of n tasks."""
    if config.suite:
        return TrainingTasks(load_suite(config.suite, config.suite_sha256), env.table).sample
    variation = Variation.parse(config.vary)
    variation.check(env.table)
    return lambda rng, n: (variation.sample(rng, n, env.table), None)


def maml(
    controller: Controller, task: Task, budget: Budget, *, seed: int = 0, episodes: int = 50, points: int = 4,
    steps: int | None = None,
) -> Adaptation:  # fmt: skip
    """MAML: a few gradient steps, each from a second or two of 16 robots' motion, with learnt step sizes.

    As many `steps` as an adaptation had in training, and three at least, as far as the budget goes.
    """
    return _adapt("maml", controller, task, budget, seed, episodes, points, steps)


def reptile(
    controller: Controller, task: Task, budget: Budget, *, seed: int = 0, episodes: int = 50, points: int = 4,
    steps: int | None = None,
) -> Adaptation:  # fmt: skip
    """Reptile: as MAML, from a policy that was trained to be near those of all tasks."""
    return _adapt("reptile", controller, task, budget, seed, episodes, points, steps)


def least_steps(controller: Controller) -> int:
    """Control steps, of all robots, of one gradient step."""
    plan = MamlConfig.parse(controller.config.meta, controller.config.method or "maml")
    return plan.worlds * plan.horizon


def _adapt(
    method: str,
    controller: Controller,
    task: Task,
    budget: Budget,
    seed: int,
    episodes: int,
    points: int,
    steps: int | None,
) -> Adaptation:
    plan, controller = MamlConfig.parse(controller.config.meta, method), controller.copy()
    assert isinstance(controller.policy, Policy)
    actor = Actor(controller.policy)
    env = worlds_of(controller.config, plan.worlds, tasks=task, seed=2000 + seed)
    dt, round_steps = env.robot.control_dt, plan.worlds * plan.horizon
    limit, rng = budget.limit(dt, round_steps), torch.Generator().manual_seed(seed)
    weights = actor.weights()
    rates = {name: controller.training[f"inner_rate.{name}"] for name in weights}
    own = dict(actor.named_parameters())
    used, spent, ended = 0, 0.0, 0

    def measure() -> Point:
        torch.set_num_threads(1)
        result = evaluate(controller, task=task, episodes=episodes, seed=1000 + seed)
        return Point(used, ended, used * dt, spent, result)

    steps = steps or max(LEAST, plan.inner_steps)
    steps = steps if limit is None else min(steps, limit // round_steps)
    shown = {round(steps * (k + 1) / points) for k in range(points)}
    curve = [measure()]
    for k in range(1, steps + 1):
        started = time.perf_counter()
        alone = {name: w[None] for name, w in weights.items()}
        rollouts, _ = collect(env, actor, alone, 1, plan.horizon, plan.gamma, rng)
        weights = actor.adapted(weights, rates, 1, *(c[0] for c in rollouts.columns()))
        with torch.no_grad():
            for name, w in weights.items():
                own[name].copy_(w)
        used, ended, spent = used + round_steps, ended + plan.worlds, spent + time.perf_counter() - started
        over = budget.seconds is not None and spent > budget.seconds
        if over or k in shown:
            curve.append(measure())
        if over:
            break
    return Adaptation(method, task, controller, tuple(curve))
