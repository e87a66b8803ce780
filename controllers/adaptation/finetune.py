"""Fine-tuning: PPO continues from the trained controller on the new task.

What makes it fast: policy, value function, observation statistics and the scale of returns go on from where training
stopped; rollouts are small, and used for more epochs where the robot's time is scarce than where the computer's is; and a
symmetric policy may lose its symmetry. The curve evaluates with exploration off.
"""

import copy
import dataclasses
import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import configure
from torch.nn.utils.parametrize import register_parametrization, remove_parametrizations

from ...envs.typed import Range, check_ranges
from ...envs.variation import Task
from ...robots import SurefootError, unknown
from ..config import checked_config, from_settings
from ..controller import Controller
from ..evaluation import evaluate
from ..policy import Policy
from ..ppo import PPO
from ..rollouts import core_of
from ..settings import OnPolicySettings
from ..training import make_algorithm, make_env
from ..worlds import robot_of
from .base import Adaptation, Budget, Point
from .search import as_begun

TRAINS = ("all", "last", "low-rank")
# Epochs where steps or motion are limited, and where seconds alone are. Quadrupeds with a dead motor, mean of six
# trainings on one core: ten reach a return of 45 with 440 k steps, in 65 s; five reach 43, in 43 s, and 49 in 60 s.
SPARING, QUICK = 10, 5
# What a controller is for once fine-tuning has left its step sizes or its identifier behind.
OUTGROWN = {"maml": "", "reptile": "", "identify": "search"}


@dataclasses.dataclass(frozen=True)
class FinetuneConfig:
    """How a controller is fine-tuned, on top of the hyperparameters that it was trained with.

    Attributes:
        num_envs, n_steps, batch_size, learning_rate, adaptive_kl: PPO's; fewer worlds where a budget is small.
        n_epochs: PPO's as well; by default `SPARING` with a budget of steps or motion, `QUICK` with one of seconds alone.
        exploration: standard deviation of the actions to begin with, at least.
        trains: "all" weights; the "last" layers of actor and critic; "low-rank" changes of every layer's weights (LoRA, Hu et
            al., 2022), of this `rank`.
        leash: weight of the divergence KL(policy || trained policy) in the loss; 0: none.
    """

    num_envs: int = 256
    n_steps: int = 24
    batch_size: int = 1536
    learning_rate: float = 1e-3
    n_epochs: int | None = None
    adaptive_kl: float = 0.03
    exploration: float = 0.35
    trains: str = "all"
    rank: int = 4
    leash: float = 0.0

    def __post_init__(self) -> None:
        if self.trains not in TRAINS:
            raise unknown("finetune setting trains", self.trains, TRAINS)
        ranges: tuple[Range, ...] = (
            ("1e-06 or more", lambda x: x >= 1e-6, ("exploration",)),
            ("1 or more", lambda x: x >= 1, ("n_steps", "rank")),
            ("1 or more, at most 10,000", lambda x: 1 <= x <= 10_000, ("n_epochs",)),
            ("0 or more", lambda x: x >= 0, ("leash",)),
        )
        check_ranges("finetune setting", self, ranges)

    @classmethod
    def parse(cls, settings: Mapping[str, Any]) -> "FinetuneConfig":
        """From settings by name, such as {"trains": "last"}. Raises `SurefootError` for an unknown name or a wrong value."""
        return from_settings("finetune setting", cls, settings)

    def within(self, limit: int | None) -> dict[str, float]:
        """PPO's hyperparameters for so many steps (None: any number), with fewer worlds where these are under four rollouts."""
        worlds, batch = self.num_envs, self.batch_size
        if limit is not None:
            worlds = min(worlds, max(1, limit // (4 * self.n_steps)))
            batch = min(batch, max(2, worlds * self.n_steps // 4))
        epochs = self.n_epochs or (QUICK if limit is None else SPARING)
        own = {name: getattr(self, name) for name in ("n_steps", "learning_rate", "adaptive_kl")}
        return {"num_envs": worlds, "batch_size": batch, "n_epochs": epochs, **own}


def finetune(
    controller: Controller,
    task: Task,
    budget: Budget,
    *,
    seed: int = 0,
    episodes: int = 50,
    points: int = 4,
    settings: FinetuneConfig | None = None,
    robots: Mapping[str, str] | None = None,
) -> Adaptation:
    """Continue PPO on `task` until the budget is spent.

    With `robots`, a variation as `--vary` takes it, it learns on these instead, with the goal of `task`, which the curve is
    still measured on. What the controller is told of the robot stays as it begins (`as_begun`). Raises `SurefootError` for
    controllers of other algorithms.
    """
    if why := untunable(controller):
        raise SurefootError(why)
    controller = as_begun(controller)
    plan = settings or FinetuneConfig()
    limit = budget.limit(robot_of(controller.config).control_dt, plan.n_steps)
    hyperparameters: dict[str, Any] = plan.within(limit)
    if robots:
        hyperparameters |= {"sampler": "uniform", "redraw": 0.0}  # those of the training had its robots to choose from
    # A broken leg has no mirror image: a symmetric policy is continued as the same function without the tie.
    trained = controller.settings
    untie = isinstance(trained, OnPolicySettings) and trained.mirror and not trained.untied
    network = {"untied": True} if untie else {}
    fields = controller.config.model_dump()
    fields["hyperparameters"] |= network
    fields["method"] = OUTGROWN.get(controller.config.method, controller.config.method)
    adapted_config = checked_config(**fields)
    fields |= {"vary": dict(robots or {}), "parameters": {} if robots else dict(task.parameters)}
    fields |= {"seed": seed, "seconds": None}
    fields |= {"suite": None, "suite_sha256": None}  # of the training; adapting may see any task
    fields |= {"hyperparameters": {**fields["hyperparameters"], **hyperparameters}, "steps": limit or 10**12}
    config = checked_config(**fields)
    env = make_env(config, int(hyperparameters["num_envs"]))
    if robots:
        env.task.set_goal(np.arange(env.num_envs), task)
    else:
        env.set_tasks(task)  # goals as well as parameters
    for name, value in controller.told.items():
        env.inputs.believe(name, value)
    model = make_algorithm(config, env)
    assert isinstance(model, PPO)
    assert isinstance(model.policy, Policy)
    hand_over(controller, model)
    if plan.leash:
        model.leash = plan.leash, copy.deepcopy(model.policy).requires_grad_(False)
    with torch.no_grad():
        model.policy.log_std.clamp_(min=math.log(plan.exploration))
    merge = choose_trained(model.policy, plan)
    model.set_logger(configure(None, []))
    measured = Controller(adapted_config, model.policy)
    measured.told, measured.told_std = dict(controller.told), dict(controller.told_std)
    curve = Curve(measured, task, budget.seconds, limit, episodes, points, 1000 + seed)
    rollout = model.n_envs * model.n_steps
    model.learn(config.steps // rollout * rollout, callback=curve)  # SB3 would round up to whole rollouts
    if not curve.over and curve.points[-1].steps < model.num_timesteps:
        curve.measure(model.num_timesteps)
    merge()
    adapted = Controller.from_algorithm(adapted_config, model)
    adapted.told, adapted.told_std = measured.told, measured.told_std
    adapted.policy.set_training_mode(False)
    return Adaptation("finetune", task, adapted, tuple(curve.points))


def hand_over(controller: Controller, model: BaseAlgorithm) -> None:
    """Give `model` the weights and statistics of `controller`; where its policy alone is untied, as the same function."""
    policy, heir = controller.policy, model.policy
    assert isinstance(heir, Policy)
    if not heir.untied or policy.untied:
        controller.give_to(model, optimizer=False)
        return
    controller.give_statistics(model)
    assert isinstance(policy, Policy)
    policy.untie(heir)


class LowRank(torch.nn.Module):
    """A weight plus the product of two thin matrices, which is 0 to begin with."""

    def __init__(self, weight: torch.Tensor, rank: int):
        super().__init__()
        rows, columns = weight.shape
        rank = min(rank, rows, columns)  # a matrix has no more
        self.down = torch.nn.Parameter(torch.randn(rank, columns) / math.sqrt(columns))
        self.up = torch.nn.Parameter(torch.zeros(rows, rank))

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        return weight + self.up @ self.down


def choose_trained(policy: Policy, plan: FinetuneConfig) -> Callable[[], None]:
    """Let only what `plan` says learn. Returns what makes an ordinary policy of it again afterwards."""
    layers = [m for m in policy.modules() if isinstance(m, torch.nn.Linear)]
    if plan.trains == "all":
        return lambda: None
    policy.requires_grad_(False)
    policy.log_std.requires_grad_(True)
    for name, layer in policy.named_modules():
        if plan.trains == "last" and layer in layers and name.split(".")[-1] in ("action_net", "value_net"):
            layer.requires_grad_(True)
    if plan.trains == "low-rank":
        for layer in layers:
            register_parametrization(layer, "weight", LowRank(layer.weight, plan.rank))
    learning = [p for p in policy.parameters() if p.requires_grad]
    policy.optimizer = policy.optimizer_class(learning, lr=plan.learning_rate, **policy.optimizer_kwargs)  # type: ignore[call-arg]

    def merge() -> None:
        for layer in layers if plan.trains == "low-rank" else ():
            remove_parametrizations(layer, "weight", leave_parametrized=True)
        policy.requires_grad_(True)
        policy.optimizer = policy.optimizer_class(policy.parameters(), lr=plan.learning_rate, **policy.optimizer_kwargs)  # type: ignore[call-arg]

    return merge


class Curve(BaseCallback):
    """Evaluates at even shares of the budget, on a clock that stands still meanwhile, and ends when it is spent."""

    def __init__(
        self,
        controller: Controller,
        task: Task,
        seconds: float | None,
        steps: int | None,
        episodes: int,
        points: int,
        seed: int,
    ):
        super().__init__()
        self.controller, self.task, self.seconds, self.steps = controller, task, seconds, steps
        self.episodes, self.count, self.seed = episodes, points, seed
        self.points: list[Point] = []
        self.spent, self.ended = 0.0, 0
        self._resumed = 0.0
        self.over = False

    def _on_training_start(self) -> None:
        self.measure(0)

    def _on_step(self) -> bool:
        self.ended += len(core_of(self.model).ended)
        return not self.over

    def _on_rollout_start(self) -> None:
        # Between update and rollout, so that a point shows what the steps before it have taught.
        self.over = self.share() >= 1.0
        if self.share() >= len(self.points) / self.count:
            self.measure(self.num_timesteps)

    def share(self) -> float:
        """Fraction of the budget that is spent."""
        used = self.spent + time.perf_counter() - self._resumed
        shares = [used / self.seconds if self.seconds else 0.0]
        shares.append(self.num_timesteps / self.steps if self.steps else 0.0)
        return max(shares)

    def measure(self, steps: int) -> None:
        """Stop the clock, evaluate, go on."""
        if self.points:
            self.spent += time.perf_counter() - self._resumed
        self.model.policy.set_training_mode(False)
        result = evaluate(self.controller, task=self.task, episodes=self.episodes, seed=self.seed)
        dt = core_of(self.model).robot.control_dt
        self.points.append(Point(steps, self.ended, steps * dt, self.spent, result))
        self._resumed = time.perf_counter()


def untunable(controller: Controller) -> str:
    """Why a controller cannot be fine-tuned, in one line; "" where it can."""
    algo = controller.config.algo
    return "" if algo == "ppo" else f"method 'finetune' continues ppo controllers, not {algo!r}"
