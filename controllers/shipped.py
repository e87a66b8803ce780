"""Trained controllers that come with Surefoot: small files in `assets/controllers`, found by name, each with its card."""

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict
from safetensors import SafetensorError, safe_open

from ..robots import SurefootError
from ..robots.errors import nearest
from .config import first_problem

FOLDER = Path(__file__).resolve().parent.parent / "assets" / "controllers"
SUFFIX = ".safetensors"
LIMIT = 1_000_000  # bytes of one file: a humanoid's 256 x 256 actor and critic have 880 kB


class Card(BaseModel):
    """Where a shipped controller comes from and how good it was, exploration off, on the robot as it is.

    Attributes:
        robot, task, algo, steps, vary: what was trained, for how many environment steps, and on which variation of the robot.
        seed: of this controller; seeds, seed_returns: all that were trained, and each one's mean return in the evaluation
            (of other episodes) by which this one was chosen.
        mean_return, interval: over `episodes` episodes from `evaluation_seed`, and its 95 % bootstrap interval.
        tracking: of `velocity`, as in `Evaluation`; None for other tasks. success: share of the episodes, of tasks that say
            what it is. falls: share of the episodes.
        suites: by frozen suite of this robot and task, the mean return on each of its splits (benchmarks/zero_shot.py).
        training_seconds, machine: wall-clock of this seed's training, and where.
        surefoot, commit, date: version, git commit and day (UTC) on which it was made.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    robot: str
    task: str
    algo: str
    steps: int
    vary: dict[str, str] = {}
    seed: int
    seeds: tuple[int, ...]
    seed_returns: tuple[float, ...]
    mean_return: float
    interval: tuple[float, float]
    episodes: int
    evaluation_seed: int
    tracking: float | None = None
    success: float | None = None
    falls: float | None = None
    suites: dict[str, dict[str, float]] = {}
    training_seconds: float
    machine: str
    surefoot: str
    commit: str
    date: str


def names() -> list[str]:
    """Names of the shipped controllers."""
    return sorted(file.name.removesuffix(SUFFIX) for file in FOLDER.glob(f"*{SUFFIX}"))


def card_of(name: str) -> Card:
    """The card of the shipped controller of this name; reads no weights."""
    file = FOLDER / f"{name}{SUFFIX}"
    try:
        with safe_open(str(file), framework="np") as opened:
            return Card.model_validate(json.loads(opened.metadata()["surefoot"])["card"])
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise SurefootError(
            f"the shipped controller {str(file)!r} has no readable card: {first_problem(error)}"
        ) from error


def find(source: str | Path, expected: str = "run folder or controller file") -> Path:
    """A path as it is where something is there, or else the file of the shipped controller of this name.

    Raises `SurefootError`, with the nearest names, where it is neither; `expected` says in it what was looked for.
    """
    path = Path(source)
    if path.exists():
        return path
    shipped = FOLDER / f"{path}{SUFFIX}"
    if len(path.parts) == 1 and shipped.is_file():
        return shipped
    text = f"no {expected} at {str(source)!r}"
    if len(path.parts) == 1 and not path.suffix and names():
        text += f", and no shipped controller of that name: {nearest(str(path), names())}"
    raise SurefootError(text)
