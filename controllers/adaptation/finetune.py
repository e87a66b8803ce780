"""Fine-tuning: PPO continues from the trained controller on the new task.

What makes it fast: statistics, optimiser state and exploration noise go on from where training stopped instead of being
relearnt, and small rollouts give many updates a second. The curve evaluates with exploration off.
"""

import time

import torch
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import configure

from ...envs.variation import Task
from ...robots import SurefootError
from ..config import checked_config
from ..controller import Controller
from ..evaluation import evaluate
from ..training import make_algorithm, make_env
from .base import Adaptation, Budget, Point

# On top of the hyperparameters that the controller was trained with.
FINETUNE = {"num_envs": 512, "n_steps": 24, "batch_size": 3072, "learning_rate": 5e-4}
EXPLORATION = 0.35  # standard deviation of the actions to begin with, at least


def finetune(
    controller: Controller, task: Task, budget: Budget, *, seed: int = 0, episodes: int = 50, points: int = 4
) -> Adaptation:
    """Continue PPO on `task` until the budget is spent. Raises `SurefootError` for controllers of other algorithms."""
    if controller.config.algo != "ppo":
        raise SurefootError(f"method 'finetune' continues ppo controllers, not {controller.config.algo!r}")
    fields = controller.config.model_dump()
    fields |= {"vary": {}, "parameters": dict(task.parameters), "seed": seed}
    fields |= {"hyperparameters": {**fields["hyperparameters"], **FINETUNE}, "steps": budget.steps or 10**12, "seconds": None}
    config = checked_config(**fields)
    env = make_env(config, int(FINETUNE["num_envs"]))
    env.set_tasks(task)  # goals as well as parameters
    model = make_algorithm(config, env)
    controller.give_to(model, optimizer=False)
    with torch.no_grad():
        model.policy.log_std.clamp_(min=float(torch.tensor(EXPLORATION).log()))
    model.set_logger(configure(None, []))
    curve = Curve(controller, task, budget, episodes, points, 1000 + seed)
    model.learn(config.steps, callback=curve)
    adapted = Controller.from_algorithm(controller.config, model)
    adapted.policy.set_training_mode(False)
    return Adaptation("finetune", task, adapted, tuple(curve.points))


class Curve(BaseCallback):
    """Evaluates at even shares of the budget, on a clock that stands still meanwhile, and ends when it is spent."""

    def __init__(self, controller: Controller, task: Task, budget: Budget, episodes: int, points: int, seed: int):
        super().__init__()
        self.source, self.task, self.budget = controller, task, budget
        self.episodes, self.count, self.seed = episodes, points, seed
        self.points: list[Point] = []
        self.spent, self.ended = 0.0, 0
        self._resumed = 0.0
        self.over = False

    def _on_training_start(self) -> None:
        self.measure(0)

    def _on_step(self) -> bool:
        self.ended += len(self.training_env.core.ended)
        return not self.over

    def _on_rollout_start(self) -> None:
        # Between update and rollout, so that a point shows what the steps before it have taught.
        self.over = self.share() >= 1.0
        if self.share() >= len(self.points) / self.count:
            self.measure(self.num_timesteps)

    def share(self) -> float:
        """Fraction of the budget that is spent."""
        used = self.spent + time.perf_counter() - self._resumed
        shares = [used / self.budget.seconds if self.budget.seconds else 0.0]
        shares.append(self.num_timesteps / self.budget.steps if self.budget.steps else 0.0)
        return max(shares)

    def measure(self, steps: int) -> None:
        """Stop the clock, evaluate, go on."""
        if self.points:
            self.spent += time.perf_counter() - self._resumed
        current = Controller(self.source.config, self.model.policy)
        self.model.policy.set_training_mode(False)
        result = evaluate(current, task=self.task, episodes=self.episodes, seed=self.seed)
        dt = self.training_env.core.robot.control_dt
        self.points.append(Point(steps, self.ended, steps * dt, self.spent, result))
        self._resumed = time.perf_counter()
