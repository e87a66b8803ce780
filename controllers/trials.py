"""The work of `surefoot tune`: a trial trains with the values that the study draws, reports on the way, and is worth a number.

`python -m surefoot.controllers.trials STUDY TRIALS PROCESSES` works on a study as one of so many processes.
"""

import ctypes
import math
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import Trial, TrialState
from stable_baselines3.common.callbacks import BaseCallback

from ..robots import SurefootError
from . import threads
from .config import TrainConfig
from .controller import Controller
from .evaluation import Evaluation, evaluate_as_trained
from .presets import unchecked_settings
from .search import Law, laws_of
from .settings import Settings
from .study import MISFIT, POINTS, Study
from .training import train, train_config

FAILURES = 3  # trials in a row that end in an error, before the work itself ends in it
MISFITS = 100  # draws in a row that do not fit together, for example a minibatch larger than the rollout


def work(study: Study, trials: int, after_each: Callable[[], None] = lambda: None) -> None:
    """Run trials, one after another, until the study has `trials`. Raises `SurefootError` when they fail in a row."""
    c = study.config
    settings = unchecked_settings(c.robot, c.task, c.algo, c.hyperparameters)
    laws = laws_of(c.search, settings)
    failures = misfits = 0
    while (trial := study.claim(trials)) is not None:
        state, value, reason = TrialState.FAIL, None, "interrupted"
        try:
            value = _value_of(trial, study, laws, type(settings))
            state, reason = TrialState.COMPLETE, ""
        except optuna.TrialPruned as pruned:
            state, reason = TrialState.PRUNED, str(pruned)
        except SurefootError as error:  # each value is legal by itself
            state, reason = TrialState.PRUNED, MISFIT + str(error)
        except Exception as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
        finally:  # also when the person has had enough
            study.finish(trial, value, state, reason)
            if reason == "interrupted":
                study.put_back(study.trials()[trial.number])
        after_each()
        misfits = misfits + 1 if reason.startswith(MISFIT) else 0
        failures = failures + 1 if state == TrialState.FAIL else 0
        if failures == FAILURES or misfits == MISFITS:
            raise SurefootError(f"{failures or misfits} trials in a row came to nothing, the last: {reason}")


def score(evaluation: Evaluation) -> float:
    """What a controller is worth: tracking where commands are followed, otherwise the mean return."""
    return evaluation.mean if math.isnan(evaluation.tracking) else evaluation.tracking


def _value_of(trial: Trial, study: Study, laws: list[Law], kind: type[Settings]) -> float:
    """Train and evaluate with what `trial` draws. Raises `TrialPruned` where it is not worth going on."""
    c = study.config
    drawn = {law.name: law.value(_draw(trial, law), kind) for law in laws}
    study.note(trial, hyperparameters=drawn)
    own = {"seconds", "seed", "seeds", "episodes", "hyperparameters", "search"}
    asked = {name: value for name, value in c.asked().items() if name not in own}
    worth: list[float] = []
    spent, steps = 0.0, 0
    for k in range(c.seeds):
        config = train_config(**asked, hyperparameters={**c.hyperparameters, **drawn}, seed=c.seed + k)
        curve = Curve(trial, study, config, worth)
        try:
            controller = train(**config.asked(), progress=False, callback=curve)
            curve.stop_clock()
            worth.append(curve.measure(POINTS, controller))
        finally:  # also when it was cut off
            spent, steps = spent + curve.spent, steps + curve.num_timesteps
            study.note(trial, seconds=round(spent, 1), steps=steps)
    return sum(worth) / len(worth)


def _draw(trial: Trial, law: Law) -> Any:
    if law.choices:
        return trial.suggest_categorical(law.name, law.choices)
    if law.whole:
        return trial.suggest_int(law.name, int(law.low), int(law.high), log=law.log)
    return trial.suggest_float(law.name, law.low, law.high, log=law.log)


class Curve(BaseCallback):
    """Evaluates one training at even shares of its budget, on a clock that stands still meanwhile, and reports to the study.

    `worth` are the results of the trial's earlier seeds; what is reported is the mean with them.
    """

    def __init__(self, trial: Trial, study: Study, config: TrainConfig, worth: list[float]):
        super().__init__()
        self.trial, self.study, self.config, self.worth = trial, study, config, worth
        self.seconds = study.config.seconds
        self.spent, self._point = 0.0, 0
        self._resumed = time.perf_counter()

    def _on_training_start(self) -> None:
        self._resumed = time.perf_counter()

    def _on_step(self) -> bool:
        return self.seconds is None or self._elapsed() < self.seconds

    def _on_rollout_start(self) -> None:
        # Between update and rollout, so that a point shows what the steps before it have taught.
        share = self.num_timesteps / self.config.steps
        if self.seconds is not None:
            share = max(share, self._elapsed() / self.seconds)
        point = int(POINTS * share)
        if self._point < point < POINTS:
            self._point = point
            self.stop_clock()
            self.measure(point, Controller.from_algorithm(self.config, self.model))
            self._resumed = time.perf_counter()

    def measure(self, point: int, controller: Controller) -> float:
        """What `controller` is worth now; raises `TrialPruned` where others were better at the same point."""
        found = score(evaluate_as_trained(controller, episodes=self.study.config.episodes))
        if not math.isfinite(found):
            raise optuna.TrialPruned("diverged")
        seen = [*self.worth, found]
        step = len(self.worth) * POINTS + point
        prune = self.study.report(self.trial, sum(seen) / len(seen), step)
        if prune and step < self.study.config.seeds * POINTS:
            raise optuna.TrialPruned
        return found

    def _elapsed(self) -> float:
        return self.spent + time.perf_counter() - self._resumed

    def stop_clock(self) -> None:
        self.spent, self._resumed = self._elapsed(), time.perf_counter()


def _stop(*_: object) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):  # once is enough: the trial is being put back
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _worker(path: str, trials: str, processes: str) -> int:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG: stop when the process that started this one is gone
    threads.share_cpus(int(processes))
    try:
        with Study(Path(path)) as study:
            work(study, int(trials))
    except SurefootError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(_worker(*sys.argv[1:]))
