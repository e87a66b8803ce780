"""`surefoot tune`: a search for hyperparameters, by one process or several, in a study that can be continued; what it found."""

import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from ..envs.typed import typed
from ..robots import SurefootError
from ..robots.files import replacing
from .algorithms import find_algorithm
from .presets import settings_for, unchecked_settings
from .search import laws_of, nearest_to, space_of
from .study import MISFIT, Study, TuneConfig, counts
from .training import make_algorithm, make_worlds, train_config
from .trials import FAILURES, work

ENOUGH_TO_RANK = 10  # complete trials, below which importance would be noise


@dataclass(frozen=True)
class Tried:
    """One trial.

    Attributes:
        state: complete, pruned, failed, running, waiting or misfit (values that do not fit together: not trained).
        value: mean return of the deterministic evaluation, or tracking on `velocity`; of a pruned trial, its last one.
        steps, seconds: of training, evaluations not counted.
        hyperparameters: the searched ones. reason: why it failed or does not fit.
    """

    number: int
    state: str
    value: float | None
    steps: int
    seconds: float
    hyperparameters: dict[str, Any]
    reason: str


@dataclass(frozen=True)
class Tuning:
    """What a study knows: every trial, by number, and the importance of each hyperparameter, most important first.

    `importance` sums to 1 (PED-ANOVA, Watanabe et al., 2023); {} below `ENOUGH_TO_RANK` complete trials.
    """

    study: Path
    config: TuneConfig
    trials: tuple[Tried, ...]
    importance: dict[str, float]

    @property
    def ranking(self) -> list[Tried]:
        """Complete trials, best first."""
        done = [
            (-trial.value, trial.number)
            for trial in self.trials
            if trial.state == "complete" and trial.value is not None
        ]
        return [self.trials[number] for _, number in sorted(done)]

    @property
    def command(self) -> str:
        """The line that trains with the best values; "" while no trial is complete."""
        if not self.ranking:
            return ""
        c = self.config
        words = ["surefoot", "train", c.robot, *([c.task] if c.task else []), "--algo", c.algo, "--seed", str(c.seed)]
        words += [] if c.steps is None else ["--steps", str(c.steps)]
        words += [] if c.seconds is None else ["--seconds", f"{c.seconds:g}"]
        best = {**c.hyperparameters, **self.ranking[0].hyperparameters}
        flags: dict[str, Mapping[str, Any]] = {
            "--vary": c.vary,
            "--set": c.parameters,
            "--option": c.options,
            "--hyper": best,
        }
        for flag, settings in flags.items():
            words += [word for name, value in settings.items() for word in (flag, f"{name}={as_text(value)}")]
        return shlex.join(words)

    def save(self, path: Path) -> None:
        """As JSON."""
        found = {
            "config": self.config.model_dump(mode="json"),
            "best": asdict(self.ranking[0]) if self.ranking else None,
            "command": self.command,
            "importance": self.importance,
            "trials": [asdict(trial) for trial in self.trials],
        }
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(found, indent=2) + "\n")


def as_text(value: Any) -> str:
    """A hyperparameter as it is typed on the command line."""
    if isinstance(value, list | tuple):
        return ",".join(map(as_text, value)) + "," * (len(value) == 1)
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def tune(
    robot: str,
    task: str = "",
    *,
    study: str | Path,
    algo: str = "ppo",
    trials: int = 20,
    steps: int | None = None,
    seconds: float | None = None,
    jobs: int = 1,
    search: Mapping[str, str] | None = None,
    only: bool = False,
    hyperparameters: dict[str, Any] | None = None,
    vary: dict[str, str] | None = None,
    parameters: dict[str, float | str] | None = None,
    options: dict[str, Any] | None = None,
    seed: int = 0,
    seeds: int = 1,
    episodes: int = 20,
    progress: bool = True,
) -> Tuning:
    """Search for hyperparameters until the study in file `study` (*.journal) has `trials` trials, by `jobs` processes.

    A trial trains `seeds` controllers as `train` would, for `steps` or `seconds` (60 where neither is given), and is worth
    what they reach in deterministic evaluations on the robots that they were trained on. The first trial is the preset.
    `search` ({"learning_rate": "log:1e-4:3e-3"}) adds to the algorithm's own space (`search.SEARCH`) or, with `only`, takes
    its place. A study that exists is continued, also while other processes work on it; with one process and a budget in
    steps, the same seed gives the same trials. What is known at the end, also after Ctrl-C, is in a JSON file beside the
    study. Raises `SurefootError` for whatever is wrong, before anything is written.
    """
    for name, number in (("trials", trials), ("jobs", jobs), ("seeds", seeds), ("episodes", episodes)):
        if number < 1:
            raise SurefootError(f"number of {name} {number}: expected 1 or more")
    fixed = typed("hyperparameter", hyperparameters or {}, find_algorithm(algo).settings)
    preset = unchecked_settings(robot, task, algo, fixed)
    space = {} if only else {name: law for name, law in space_of(algo, robot).items() if name not in fixed}
    space |= search or {}
    laws = laws_of(space, preset, fixed)
    if not laws:
        raise SurefootError("nothing to search: give a law with --search, such as learning_rate=log:1e-4:3e-3")
    if steps is not None and "steps" in space:
        raise SurefootError("hyperparameter 'steps' is both fixed (--steps) and searched (--search): give one")
    if steps is None and seconds is None:
        seconds = 60.0
    drawn = nearest_to(preset, laws)
    first = {law.name: law.value(drawn[law.name], type(preset)) for law in laws if law.name in drawn}
    each = train_config(
        robot, task, algo=algo, steps=steps, seconds=seconds, seed=seed, vary=vary, parameters=parameters,
        options=options, hyperparameters={**fixed, **first},
    )  # fmt: skip
    fields = each.model_dump() | {"steps": steps, "hyperparameters": fixed}
    config = TuneConfig(**fields, seeds=seeds, episodes=episodes, search=space)
    make_algorithm(
        each, make_worlds(each, settings_for(robot, task, algo, each.hyperparameters).num_envs)
    )  # or says why not
    with Study(Path(study), config) as opened:
        with opened.locked():
            if not opened.trials():
                opened.enqueue(drawn)
        tell = Teller(opened, progress)
        try:
            if jobs == 1:
                work(opened, trials, tell)
            else:
                _employ(opened, trials, jobs, tell)
        finally:
            found = _tuning(opened)
            found.save(opened.path.with_suffix(".json"))
    return found


def read_study(path: str | Path) -> Tuning:
    """What the study in a file knows now."""
    with Study(Path(path)) as opened:
        return _tuning(opened)


def _tuning(study: Study) -> Tuning:
    trials = tuple(map(_tried, study.trials()))
    importance: dict[str, float] = {}
    if sum(trial.state == "complete" for trial in trials) >= ENOUGH_TO_RANK:
        found = optuna.importance.get_param_importances(study.optuna)
        importance = dict(sorted(found.items(), key=lambda pair: (-pair[1], pair[0])))
    return Tuning(study.path, study.config, trials, importance)


def _tried(trial: FrozenTrial) -> Tried:
    notes = trial.user_attrs
    reason = str(notes.get("reason", ""))
    if trial.state == TrialState.FAIL:
        state, reason = "failed", reason or "its process died"
    else:
        state = "misfit" if reason.startswith(MISFIT) else trial.state.name.lower()
    drawn = notes.get("hyperparameters")
    return Tried(
        trial.number, state, trial.value, notes.get("steps", 0), notes.get("seconds", 0.0), dict(drawn or {}), reason
    )  # fmt: skip


class Teller:
    """Prints a line for each trial that has ended since, whichever process worked on it."""

    def __init__(self, study: Study, progress: bool):
        self.study, self.progress = study, progress
        self.told = {trial.number for trial in study.trials() if trial.state.is_finished()}

    def __call__(self) -> None:
        if not self.progress:
            return
        for trial in self.study.trials():
            if trial.state.is_finished() and trial.number not in self.told:
                self.told.add(trial.number)
                t = _tried(trial)
                value = "-" if t.value is None else f"{t.value:.4g}"
                values = ", ".join(f"{name}={as_text(v)}" for name, v in t.hyperparameters.items())
                reason = f" ({t.reason})" if t.reason else ""
                self.say(f"trial {t.number}: {value} {t.state}{reason}  {values}")

    def say(self, line: str) -> None:
        if self.progress:
            print(line, file=sys.stderr, flush=True)


def _employ(study: Study, trials: int, jobs: int, tell: Teller) -> None:
    """Keep `jobs` worker processes at work until the study has `trials`; a worker that dies is replaced."""
    command = [sys.executable, "-m", f"{__package__}.trials", str(study.path), str(trials), str(jobs)]
    workers: dict[subprocess.Popen[bytes], IO[bytes]] = {}
    strikes = 0
    try:
        while True:
            for worker in [w for w in workers if w.poll() is not None]:
                said = workers.pop(worker)
                strikes = strikes + 1 if worker.returncode else 0
                if worker.returncode:
                    reason = _last_words(worker, said)
                    tell.say(f"a worker has ended early: {reason}")
                    if strikes == FAILURES:
                        raise SurefootError(f"{strikes} workers in a row ended early, the last: {reason}")
                said.close()
            study.release_dead()
            tell()
            missing = trials - sum(map(counts, study.trials()))
            if missing <= 0 and not workers:
                return
            while missing > 0 and len(workers) < jobs:
                said = tempfile.TemporaryFile()  # noqa: SIM115 - closed with its worker
                # In a session of their own: Ctrl-C reaches this process, which passes it on once.
                workers[subprocess.Popen(command, stdout=said, stderr=said, start_new_session=True)] = said
            time.sleep(0.2)
    finally:
        for worker in workers:
            worker.terminate()
        for worker, said in workers.items():
            try:
                worker.wait(timeout=30)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()
            said.close()
        study.release_dead()


def _last_words(worker: subprocess.Popen[bytes], said: IO[bytes]) -> str:
    if worker.returncode < 0:
        return f"killed by {signal.Signals(-worker.returncode).name}"
    said.seek(0, os.SEEK_END)
    said.seek(max(0, said.tell() - 2000))
    lines = said.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"exit code {worker.returncode}"
