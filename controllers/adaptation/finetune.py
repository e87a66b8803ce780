"""Fine-tuning: PPO continues from the trained controller on the new task.

What makes it fast: policy, value function, observation statistics and the scale of returns go on from where training
stopped; small rollouts are used for ten epochs, because the robot's time is scarcer than the computer's; and a symmetric
policy may lose its symmetry. The curve evaluates with exploration off.
"""

import math
import time

import torch
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import configure

from ...envs.variation import Task
from ...robots import SurefootError, get_robot
from ..config import TrainConfig, checked_config
from ..controller import Controller
from ..evaluation import evaluate
from ..policy import Policy
from ..ppo import PPO
from ..rollouts import core_of
from ..settings import OnPolicySettings
from ..training import make_algorithm, make_env
from .base import Adaptation, Budget, Point

# On top of the hyperparameters that the controller was trained with.
FINETUNE = {
    "num_envs": 256, "n_steps": 24, "batch_size": 1536, "learning_rate": 1e-3, "n_epochs": 10, "adaptive_kl": 0.03,
}  # fmt: skip
EXPLORATION = 0.35  # standard deviation of the actions to begin with, at least


def finetune(
    controller: Controller, task: Task, budget: Budget, *, seed: int = 0, episodes: int = 50, points: int = 4
) -> Adaptation:
    """Continue PPO on `task` until the budget is spent. Raises `SurefootError` for controllers of other algorithms."""
    if controller.config.algo != "ppo":
        raise SurefootError(f"method 'finetune' continues ppo controllers, not {controller.config.algo!r}")
    limit = budget.limit(get_robot(controller.config.robot).control_dt)
    hyperparameters = settings_within(limit)
    # A broken leg has no mirror image: a symmetric policy is continued as the same function without the tie.
    settings = controller.settings
    untie = isinstance(settings, OnPolicySettings) and settings.mirror and not settings.untied
    network = {"untied": True} if untie else {}
    fields = controller.config.model_dump()
    fields["hyperparameters"] |= network
    adapted_config = checked_config(**fields)
    fields |= {"vary": {}, "parameters": dict(task.parameters), "seed": seed, "seconds": None}
    fields |= {"suite": None, "suite_sha256": None}  # of the training; adapting may see any task
    fields |= {"hyperparameters": {**fields["hyperparameters"], **hyperparameters}, "steps": limit or 10**12}
    config = checked_config(**fields)
    env = make_env(config, int(hyperparameters["num_envs"]))
    env.set_tasks(task)  # goals as well as parameters
    model = make_algorithm(config, env)
    assert isinstance(model, PPO)
    if untie:
        controller.give_statistics(model)
        assert isinstance(controller.policy, Policy)
        assert isinstance(model.policy, Policy)
        controller.policy.untie(model.policy)
    else:
        controller.give_to(model, optimizer=False)
    with torch.no_grad():
        model.policy.log_std.clamp_(min=math.log(EXPLORATION))
    model.set_logger(configure(None, []))
    curve = Curve(adapted_config, task, budget.seconds, limit, episodes, points, 1000 + seed)
    rollout = model.n_envs * model.n_steps
    model.learn(config.steps // rollout * rollout, callback=curve)  # SB3 would round up to whole rollouts
    if not curve.over and curve.points[-1].steps < model.num_timesteps:
        curve.measure(model.num_timesteps)
    adapted = Controller.from_algorithm(adapted_config, model)
    adapted.policy.set_training_mode(False)
    return Adaptation("finetune", task, adapted, tuple(curve.points))


def settings_within(limit: int | None) -> dict[str, float]:
    """`FINETUNE`, with fewer worlds where this many steps would not last for four rollouts."""
    if limit is None:
        return FINETUNE
    n_steps = int(FINETUNE["n_steps"])
    worlds = int(min(FINETUNE["num_envs"], max(1, limit // (4 * n_steps))))
    return {**FINETUNE, "num_envs": worlds, "batch_size": min(FINETUNE["batch_size"], max(2, worlds * n_steps // 4))}


class Curve(BaseCallback):
    """Evaluates at even shares of the budget, on a clock that stands still meanwhile, and ends when it is spent."""

    def __init__(
        self,
        config: TrainConfig,
        task: Task,
        seconds: float | None,
        steps: int | None,
        episodes: int,
        points: int,
        seed: int,
    ):
        super().__init__()
        self.config, self.task, self.seconds, self.steps = config, task, seconds, steps
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
        current = Controller(self.config, self.model.policy)
        self.model.policy.set_training_mode(False)
        result = evaluate(current, task=self.task, episodes=self.episodes, seed=self.seed)
        dt = core_of(self.model).robot.control_dt
        self.points.append(Point(steps, self.ended, steps * dt, self.spent, result))
        self._resumed = time.perf_counter()
