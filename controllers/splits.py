"""How good is a controller on the splits of a task suite, and which of a run's controllers is the best on `validation`?"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..envs.suites import TaskSuite
from ..envs.variation import Task
from ..robots import SurefootError
from .adaptation.inference import Inferring
from .controller import Controller, controller_file
from .evaluation import Evaluation, run_episodes
from .planner import driver
from .statistics import bootstrap, mean
from .worlds import worlds_of

# Options that belong to a controller, because they say what its actions and observations mean; all others say what is asked.
OWN = ("reference_gait", "gait_frequency", "scan_size", "scan_spacing", "camera", "camera_size")
ELSEWHERE = "not trained on this suite, and may have met robots of its tests"  # of `SplitResult.elsewhere`


@dataclass(frozen=True)
class SplitResult:
    """E episodes on each of the T tasks of one split.

    Attributes:
        suite, split: names. tasks: T tasks, in the suite's order.
        evaluation: of all T x E episodes, those of one task in a row.
        elsewhere: the controller was not trained on this suite as it is, so that it may have met these very tasks.
        trained: environment steps and seconds of wall-clock that the controller's training took, None where not known.
    """

    suite: str
    split: str
    tasks: tuple[Task, ...]
    evaluation: Evaluation
    elsewhere: bool = False
    trained: tuple[int, float] | None = None

    @property
    def returns(self) -> np.ndarray:
        """(T, E)."""
        return self.evaluation.returns.reshape(len(self.tasks), -1)

    def interval(self, seed: int = 0) -> tuple[float, float]:
        """95 % interval of the mean return by stratified bootstrap: episodes are drawn again within each task.

        The tasks are the suite's and stay (Agarwal et al., 2021, resample runs within tasks in the same way). Where a task
        has one episode, tasks are drawn again instead.
        """
        returns = self.returns
        return bootstrap(mean, returns if returns.shape[1] == 1 else returns.T, by_task=True, seed=seed)


def evaluate_suite(
    controller: Controller,
    suite: TaskSuite,
    splits: Sequence[str] | None = None,
    *,
    episodes: int = 10,
    trial: int = 1,
    seed: int = 1000,
    safety: bool = False,
    infers: bool = False,
) -> list[SplitResult]:
    """`episodes` whole episodes on every task of each split (all splits by default), a world each, exploration off.

    With `trial` K they are trials: K episodes in a row, of which the controller remembers the earlier ones.
    The suite's options rule, not those of the training (but for `OWN`), so that all controllers are asked the same. Same
    seed, same start states and commands. Raises `SurefootError` for an unknown split, for a suite of another robot or task,
    and where a split's robot is one that the controller does not fit. `safety` watches limits, impacts and energy, too.
    A controller of `identify` is told the truth about its robot, or with `infers` what it finds out while it walks.
    """
    config = controller.config
    suite.check_for(config.robot, config.task)
    if episodes < 1:
        raise SurefootError(f"number of episodes {episodes}: expected 1 or more")
    wanted = [(split, suite.tasks(split)) for split in splits or suite.splits]
    config = config.model_copy(update={"options": {k: v for k, v in config.options.items() if k in OWN}})
    results = []
    for split, tasks in wanted:
        env = worlds_of(
            config,
            len(tasks) * episodes,
            robot=suite.robot_of(split),
            options=suite.options,
            told=controller.told,
            tasks=[task for task in tasks for _ in range(episodes)],
            seed=seed,
            trial=trial,
            autoreset=False,
        )
        controller.check(env)
        drives = Inferring(controller, env) if infers else driver(controller, env, seed)
        found = run_episodes(env, drives, safety=safety)
        elsewhere = config.suite_sha256 != suite.sha256
        trained = controller.timesteps, controller.seconds
        results.append(SplitResult(str(suite), split, tuple(tasks), found, elsewhere, trained))
    return results


def validate(
    run: str | Path, suite: TaskSuite, *, episodes: int = 10, seed: int = 1000
) -> list[tuple[Path, SplitResult]]:
    """Every controller of a run folder on split `validation`, best first: how a model is chosen without seeing the tests."""
    folder = Path(run)
    if not folder.is_dir():
        raise SurefootError(f"no run folder at {str(run)!r}: its checkpoints are what is compared")
    files = sorted({*folder.glob("checkpoints/step_*.safetensors"), controller_file(folder)})
    found = []
    for file in files:
        controller = Controller.load(file)
        found += [(file, r) for r in evaluate_suite(controller, suite, ["validation"], episodes=episodes, seed=seed)]
    return sorted(found, key=lambda pair: -pair[1].evaluation.mean)
