"""Which of the controllers that one training passes through is the best: some algorithms forget what they had learnt."""

from stable_baselines3.common.callbacks import BaseCallback

from .config import TrainConfig
from .controller import Controller
from .evaluation import evaluate_as_trained

EPISODES = 20  # of one evaluation
SEED = 20_000  # far from those that results are judged with


class Best(BaseCallback):
    """Evaluates `evaluations` times, evenly over the training, and keeps the best controller, as SB3's `EvalCallback` does.

    Judged by whole episodes without exploration on the robots that the training draws (of a suite: on its split
    `validation`), always from the same start states. Of equally good ones the last is kept.
    """

    def __init__(self, config: TrainConfig, evaluations: int):
        super().__init__()
        self.config, self.every = config, config.steps / evaluations
        self.best: Controller | None = None
        self.value = float("-inf")
        self._next = 0.0

    def _on_training_start(self) -> None:
        self._next = self.num_timesteps + self.every

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        if self.num_timesteps >= self._next:
            self._next += self.every
            self.judge(Controller.from_algorithm(self.config, self.model).copy())

    def judge(self, controller: Controller) -> None:
        """Evaluate it, and keep it if it is the best until now."""
        value = evaluate_as_trained(controller, episodes=EPISODES, seed=SEED + self.config.seed).mean
        self.logger.record("eval/mean_reward", value)
        if value >= self.value:
            self.best, self.value = controller, value

    def of(self, last: Controller) -> Controller:
        """The best one, `last` included, with the steps and the time of the whole training."""
        self.judge(last.copy())
        assert self.best is not None
        self.best.timesteps, self.best.seconds = last.timesteps, last.seconds
        return self.best
