"""The same training on several seeds, and what they reach together; continued where it was cut off."""

import json
import math
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..robots import SurefootError
from ..robots.files import replacing
from .config import TrainConfig
from .controller import Controller, controller_file
from .evaluation import evaluate_as_trained
from .presets import settings_for
from .statistics import bootstrap, iqm, mean
from .training import make_algorithm, make_worlds, resume, train, train_config


@dataclass(frozen=True)
class Outcome:
    """What one seed reached: means over its evaluation's episodes (`tracking` None but on `velocity`), or the `error` in it."""

    seed: int
    value: float | None = None
    tracking: float | None = None
    falls: float | None = None
    steps: int = 0
    error: str = ""


@dataclass(frozen=True)
class SeedSummary:
    """What several seeds reached; statistics are over the seeds that did not fail.

    Attributes:
        config: of the first seed. episodes: of each evaluation.
    """

    folder: Path
    config: TrainConfig
    episodes: int
    outcomes: tuple[Outcome, ...]

    def statistics(self, of: Callable[[Outcome], float | None] = lambda outcome: outcome.value) -> dict[str, Any]:
        """Mean, its 95 % bootstrap interval and interquartile mean over seeds of `value`, or of another figure."""
        values = np.array([v for v in map(of, self.outcomes) if v is not None])
        if not len(values):
            return {}
        interval = list(bootstrap(mean, values))
        return {"mean": float(values.mean()), "interval": interval, "iqm": float(iqm(values[:, None]))}

    def save(self) -> None:
        """As summary.json."""
        found = {
            "config": self.config.model_dump(mode="json", exclude={"seed"}),
            "episodes": self.episodes,
            "seeds": [asdict(outcome) for outcome in self.outcomes],
            "return": self.statistics(),
            "tracking": self.statistics(lambda outcome: outcome.tracking),
        }
        with replacing(self.folder / "summary.json") as temporary:
            temporary.write_text(json.dumps(found, indent=2) + "\n")


def train_seeds(
    robot: str,
    task: str = "",
    *,
    seeds: int,
    out: str | Path,
    seed: int = 0,
    episodes: int = 50,
    progress: bool = True,
    **asked: Any,
) -> SeedSummary:
    """Train on `seeds` seeds from `seed` on, one after another, evaluate each without exploration, and sum up.

    `asked` are `train`'s other arguments. Seed k has the run folder `out`/seed_k; called again, complete seeds are skipped
    and the one that was cut off goes on. A seed that fails is reported and leaves the others alone. Writes `out`/summary.json.
    Raises `SurefootError` for wrong input before anything is written, for an `out` of another training, or if all fail.
    """
    for name, number in (("seeds", seeds), ("episodes", episodes)):
        if number < 1:
            raise SurefootError(f"number of {name} {number}: expected 1 or more")
    folder = Path(out)
    config = train_config(robot, task, seed=seed, **asked)
    settings = settings_for(robot, task, config.algo, config.hyperparameters)
    make_algorithm(config, make_worlds(config, settings.num_envs))  # or says what is wrong
    _begin(folder, config)
    outcomes = []
    for number in range(seed, seed + seeds):
        outcomes.append(
            _outcome(config.model_copy(update={"seed": number}), folder / f"seed_{number}", episodes, progress)
        )
        if progress:
            last = outcomes[-1]
            print(f"seed {number}: {last.error or f'return {last.value:.1f}'}", file=sys.stderr, flush=True)
    summary = SeedSummary(folder, config, episodes, tuple(outcomes))
    summary.save()
    if all(outcome.error for outcome in outcomes):
        raise SurefootError(f"all seeds failed, the last: {outcomes[-1].error}")
    return summary


def train_or_continue(config: TrainConfig, folder: Path, *, progress: bool = True) -> Controller:
    """The controller of the run in `folder`, trained to the end of `config`: as it is there, continued, or trained.

    A run that was cut off before its first checkpoint begins again. Of a run that is there only steps and seconds are compared
    with `config`. Raises `SurefootError` where it cannot go on (a damaged controller, a full disk), and leaves it as it is.
    """
    final = folder / "controller.safetensors"
    try:
        file = controller_file(folder)
    except SurefootError:  # nothing that had learnt anything: begin again
        (folder / "config.json").unlink(missing_ok=True)
        return train(**config.asked(), out=folder, progress=progress)
    controller = Controller.load(file)
    left = None if config.seconds is None else config.seconds - controller.seconds
    if controller.timesteps < config.steps and (left is None or left > 0):
        return resume(folder, steps=config.steps, seconds=left, progress=progress)
    if file != final:  # cut off at the very end
        controller.save(final)
    return controller


def _begin(folder: Path, config: TrainConfig) -> None:
    """Write down what `folder` is for, or check that it is for this."""
    if (folder / "config.json").exists():
        raise SurefootError(f"{str(folder)!r} already holds a run: choose another folder for several seeds")
    wanted = config.model_dump(mode="json", exclude={"seed"})
    file = folder / "seeds.json"
    if not file.exists():
        with replacing(file) as temporary:
            temporary.write_text(json.dumps(wanted, indent=2) + "\n")
        return
    try:
        there = TrainConfig.parse(file.read_text(), repr(str(file))).model_dump(mode="json", exclude={"seed"})
    except OSError as error:
        raise SurefootError(f"cannot read {str(file)!r}: {error.strerror or error}") from error
    for name, said in wanted.items():
        if there[name] != said:
            raise SurefootError(
                f"the seeds in {str(folder)!r} have {name} {there[name]!r}, not {said!r}: choose another folder"
            )


def _outcome(config: TrainConfig, folder: Path, episodes: int, progress: bool) -> Outcome:
    try:
        controller = train_or_continue(config, folder, progress=progress)
        found = evaluate_as_trained(controller, episodes=episodes)
        if not math.isfinite(found.mean):
            raise SurefootError(f"the return is {found.mean}")
    except Exception as error:  # of this seed: the others may be well
        kind = "" if isinstance(error, SurefootError) else f"{type(error).__name__}: "
        return Outcome(config.seed, error=" ".join(f"{kind}{error}".split()))
    tracking = None if math.isnan(found.tracking) else found.tracking
    return Outcome(config.seed, found.mean, tracking, float(found.fell.mean()), controller.timesteps)
