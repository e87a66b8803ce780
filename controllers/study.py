"""The study of `surefoot tune` on disk: one file of JSON lines that several processes share and that survives any of them.

The file is Optuna's journal. Nothing in it is ever unpickled: only Optuna's Redis back-end and its CMA-ES sampler keep pickles,
and neither is used here. A second file, `….journal.lock`, holds no data but two kinds of record locks, which the kernel takes
back from a process that dies: byte 0 is the right to write, byte 1 + n says that trial n is being worked on.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock, JournalStorage
from optuna.trial import FrozenTrial, Trial, TrialState
from pydantic import Field, ValidationError

from ..robots import SurefootError
from ..robots.files import parse_json
from .config import TrainConfig, first_problem

POINTS = 6  # of a trial's curve, at even shares of its budget; the last is its result
MAX_DEATHS = 3  # a trial whose process was killed is tried again, but not for ever: it may be what fills the memory
MISFIT = "does not fit together: "  # how the reason of a trial begins that was never trained
KEY = "surefoot"

# The median rule, and not Hyperband or ASHA: a study here has tens of trials, not thousands. A rung that keeps a quarter would
# compare three or four, and drop whatever starts slower than the preset, which comes first. The first five trials, and the
# first third of each, are never cut.
PRUNER = optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=POINTS // 3)


class TuneConfig(TrainConfig):
    """What a study asks, the same in every process that joins it: what each trial trains, and how it is judged.

    Attributes:
        steps: None: as many as the hyperparameters say.
        seed: of the first training of every trial, and of the search; seeds: trainings a trial, on successive seeds.
        episodes: of each evaluation.
        hyperparameters: the fixed ones. search: the law of each searched one, as text.
    """

    steps: int | None = Field(gt=0)  # type: ignore[assignment]  # None as well
    seeds: int
    episodes: int
    search: dict[str, str]


class Lock(JournalFileOpenLock):
    """Record locks in `….journal.lock`. Held twice by one process, it is given back once, at the end."""

    def __init__(self, path: Path):
        super().__init__(str(path))
        self._path, self._depth = path, 0
        self._file = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o644)

    def acquire(self) -> bool:
        if not self._depth:
            fcntl.lockf(self._file, fcntl.LOCK_EX, 1, 0)
            _drop_unfinished_line(self._path)
        self._depth += 1
        return True

    def release(self) -> None:
        self._depth -= 1
        if not self._depth:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, 0)

    def close(self) -> None:
        os.close(self._file)

    def start(self, number: int) -> None:
        """Say that this process works on a trial, until `stop` or until it dies."""
        fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 1 + number)

    def stop(self, number: int) -> None:
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, 1 + number)

    def somebody_works_on(self, number: int) -> bool:
        """Whether another process does."""
        try:
            self.start(number)
        except OSError:
            return True
        self.stop(number)
        return False


def _drop_unfinished_line(path: Path) -> None:
    """What a process that was killed while it wrote has left would spoil the next line too."""
    with path.open("rb+") as file:
        size = file.seek(0, os.SEEK_END)
        if size:
            file.seek(size - 1)
            if file.read(1) != b"\n":
                file.seek(0)
                file.truncate(file.read().rfind(b"\n") + 1)


class Study:
    """A study file, opened. Use as a context; raises `SurefootError` for a file that is none, or that cannot be written."""

    def __init__(self, path: Path, config: TuneConfig | None = None):
        """Join the study in `path`; where there is none, `config` begins one."""
        self.path = path
        if config is None and not path.is_file():
            raise SurefootError(f"no study at {str(path)!r}")
        _check_is_study(path)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        with storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            self.lock = Lock(path)
            try:
                with self.locked():
                    self._open(config)
            except BaseException:
                self.lock.close()
                raise

    def _open(self, config: TuneConfig | None) -> None:
        storage = JournalStorage(JournalFileBackend(str(self.path), self.lock))
        names = optuna.get_all_study_names(storage)
        if KEY not in names and (names or config is None):
            raise SurefootError(f"{str(self.path)!r} holds no study of surefoot tune")
        if KEY in names:
            self.optuna = optuna.load_study(study_name=KEY, storage=storage, pruner=PRUNER)
        else:
            self.optuna = optuna.create_study(study_name=KEY, storage=storage, pruner=PRUNER, direction="maximize")
        self.config = self._config(config)

    def __enter__(self) -> "Study":
        return self

    def __exit__(self, *exception: object) -> None:
        self.lock.close()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else writes meanwhile."""
        self.lock.acquire()
        try:
            yield
        finally:
            self.lock.release()

    def _config(self, config: TuneConfig | None) -> TuneConfig:
        held = self.optuna.user_attrs.get(KEY)
        if held is None:
            if config is None or self.trials():
                raise SurefootError(f"{str(self.path)!r} holds no study of surefoot tune")
            held = config.model_dump(mode="json")
            self.optuna.set_user_attr(KEY, held)
        try:
            found = TuneConfig.model_validate(held)
        except ValidationError as error:
            raise SurefootError(f"{str(self.path)!r}: not a study of surefoot tune ({first_problem(error)})") from error
        wanted = (config or found).model_dump(mode="json")
        for name, there in found.model_dump(mode="json").items():
            if (said := wanted[name]) != there:
                raise SurefootError(
                    f"study {str(self.path)!r} has {name} {there!r}, not {said!r}: give another file with --study"
                )
        return found

    def trials(self) -> list[FrozenTrial]:
        with storage_errors(self.path):
            return self.optuna.get_trials(deepcopy=False)

    def enqueue(self, drawn: dict[str, Any], deaths: int = 0) -> None:
        with storage_errors(self.path):
            self.optuna.enqueue_trial(drawn, user_attrs={"deaths": deaths})

    def claim(self, trials: int) -> Trial | None:
        """The next trial for this process, or None when `trials` are done or being worked on."""
        with storage_errors(self.path), self.locked():
            self.release_dead()
            there = self.trials()
            if sum(map(counts, there)) >= trials:
                return None
            # Seeded by the trial's number: a study that goes on tomorrow draws what it would have drawn today.
            seed = np.random.SeedSequence([self.config.seed, len(there)]).generate_state(1)[0]
            self.optuna.sampler = optuna.samplers.TPESampler(seed=int(seed))
            trial = self.optuna.ask()
            self.lock.start(trial.number)
            return trial

    def note(self, trial: Trial, **notes: Any) -> None:
        """Keep values with a trial, as JSON."""
        with storage_errors(self.path):
            for name, value in notes.items():
                trial.set_user_attr(name, value)

    def report(self, trial: Trial, value: float, step: int) -> bool:
        """Add a point to a trial's curve; whether the trial should be cut off there."""
        with storage_errors(self.path):
            trial.report(value, step)
            return trial.should_prune()

    def finish(self, trial: Trial, value: float | None, state: TrialState, reason: str) -> None:
        self.note(trial, reason=reason)
        with storage_errors(self.path):
            self.optuna.tell(trial, value, state)
            self.lock.stop(trial.number)

    def release_dead(self) -> list[int]:
        """Mark the trials as failed whose process has died, and put them back into the queue; their numbers."""
        with storage_errors(self.path), self.locked():
            dead = [
                t for t in self.trials() if t.state == TrialState.RUNNING and not self.lock.somebody_works_on(t.number)
            ]
            for trial in dead:
                self.optuna.tell(trial.number, state=TrialState.FAIL)
                self.put_back(trial, died=True)
        return [trial.number for trial in dead]

    def put_back(self, trial: FrozenTrial, *, died: bool = False) -> None:
        """Have the same values tried again: the trial was cut off, which says nothing about them."""
        deaths = _whole(trial.user_attrs.get("deaths")) + died
        drawn = trial.params or trial.system_attrs.get("fixed_params")
        if drawn and deaths < MAX_DEATHS:
            self.enqueue(drawn, deaths)


def counts(trial: FrozenTrial) -> bool:
    """Whether a trial is one of those that were asked for: not one that failed, waits, or did not fit together."""
    if trial.state == TrialState.PRUNED:
        return not str(trial.user_attrs.get("reason")).startswith(MISFIT)
    return trial.state in (TrialState.COMPLETE, TrialState.RUNNING)


def _whole(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _check_is_study(path: Path) -> None:
    """Before Optuna appends to it."""
    if path.suffix != ".journal":
        raise SurefootError(f"cannot keep a study in {str(path)!r}: expected a name that ends in .journal")
    if not path.exists():
        return
    try:
        with path.open("rb") as file:
            line = file.readline(100_000)
        begins = not line or parse_json(line)["op_code"] == 0
    except OSError as error:
        raise SurefootError(f"cannot read {str(path)!r}: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError):
        begins = False
    if not begins:
        raise SurefootError(
            f"{str(path)!r} is not a study: expected the journal of an earlier surefoot tune, or no file"
        )


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """One line for a disk that refuses and for a damaged file, which Optuna meets with whatever exception comes first."""
    try:
        yield
    except OSError as error:
        raise SurefootError(f"cannot write study {str(path)!r}: {error.strerror or error}") from error
    except SurefootError:
        raise
    except (ValueError, LookupError, TypeError, AttributeError, AssertionError, RecursionError) as error:
        raise SurefootError(
            f"study {str(path)!r} is damaged: {first_problem(error) or type(error).__name__}"
        ) from error
