"""What a run was asked to do: validated, written beside its results, read back without running code."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..envs.typed import Range, check_ranges, typed
from ..robots import SurefootError, unknown
from ..robots.files import parse_json, replacing

D = TypeVar("D")


class TrainConfig(BaseModel):
    """Everything that decides a training run.

    Attributes:
        robot, task, algo: names.
        steps: environment steps; seconds: wall-clock limit, whichever comes first (None: no limit).
        seed: of environment, networks and exploration.
        vary: parameter variation in the command line's grammar, e.g. {"payload": "0:3"}.
        parameters: fixed parameters instead of a variation, e.g. {"payload": 6}.
        options: of the task, e.g. {"vx": 1.0, "push_interval": 5}.
        hyperparameters: overrides of the preset.
        method: of adaptation, for which it was trained; "": none in particular. meta: settings of that training.
        suite, suite_sha256: task suite whose split `train` the episodes come from, by name or file, and its hash.
        robot_sha256: of a robot that is the user's own file (`robot` is its absolute path), with all that belongs to it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    robot: str
    task: str
    algo: str = "ppo"
    steps: int = Field(gt=0)
    seconds: float | None = Field(default=None, gt=0)
    seed: int = Field(default=0, ge=0)
    vary: dict[str, str] = {}
    parameters: dict[str, float | str] = {}
    options: dict[str, Any] = {}
    hyperparameters: dict[str, Any] = {}
    method: str = ""
    meta: dict[str, Any] = {}
    suite: str | None = None
    suite_sha256: str | None = None
    robot_sha256: str | None = None

    def asked(self) -> dict[str, Any]:
        """As `train` takes it: without the hashes of files, which it computes itself."""
        return self.model_dump(exclude={"suite_sha256", "robot_sha256"})

    @classmethod
    def parse(cls, text: str, where: str) -> "TrainConfig":
        """From JSON; `where` names the file in the one-line error."""
        try:
            return cls.model_validate(parse_json(text))
        except (ValidationError, ValueError) as error:
            raise SurefootError(f"{where}: not a training configuration ({first_problem(error)})") from error

    def save(self, path: Path) -> None:
        with replacing(path) as temporary:
            temporary.write_text(self.model_dump_json(indent=2) + "\n")


@dataclass(frozen=True)
class PlannerConfig:
    """How a controller plans (`planner.Planner`).

    Attributes:
        samples: variants of the future that are simulated for each robot and step; horizon: their length in control steps.
        noise: standard deviation of the residual actions, relative to half the range of actions.
        correlation: of the noise from one control step to the next, 0 to below 1.
        temperature: of the weights, in standard deviations of the variants' returns; 0 takes the best variant.
        iterations: times that a plan is improved before it is acted on.
        model: parameters of the robot that it simulates: "own" (what the controller is told, else the true ones), "nominal",
            or some by name, such as {"payload": 4.5}.
    """

    samples: int = 32
    horizon: int = 10
    noise: float = 0.3
    correlation: float = 0.8
    temperature: float = 0.1
    iterations: int = 1
    model: Literal["own", "nominal"] | Mapping[str, float | str] = "own"

    def __post_init__(self) -> None:
        ranges: tuple[Range, ...] = (
            ("3 or more, at most 131,072", lambda x: 3 <= x <= 2**17, ("samples",)),
            ("1 or more, at most 10,000", lambda x: 1 <= x <= 10_000, ("horizon",)),
            ("0 or more", lambda x: x >= 0, ("noise", "temperature")),
            ("0 or more, below 1", lambda x: 0 <= x < 1, ("correlation",)),
            ("1 or more, at most 1,000", lambda x: 1 <= x <= 1000, ("iterations",)),
        )
        check_ranges("planner setting", self, ranges)

    @classmethod
    def parse(cls, settings: Mapping[str, Any]) -> "PlannerConfig":
        """From settings by name, such as {"samples": 64}. Raises `SurefootError` for an unknown name or a wrong value."""
        return from_settings("planner setting", cls, settings)


def checked_config(**fields: Any) -> TrainConfig:
    """A `TrainConfig`, with one clear line for the first field that is wrong."""
    try:
        return TrainConfig(**fields)
    except ValidationError as error:
        raise SurefootError(f"training configuration: {first_problem(error)}") from error


def from_settings(kind: str, cls: type[D], settings: Mapping[str, Any]) -> D:
    """A dataclass from settings by name. Raises `SurefootError` for an unknown name or a wrong value; `kind` says of what."""
    names = {f.name for f in fields(cls)}  # type: ignore[arg-type]
    for name in settings:
        if name not in names:
            raise unknown(kind, name, names)
    return cls(**typed(kind, dict(settings), cls))


def first_problem(error: Exception) -> str:
    """One line from a validation error."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        value = repr(first["input"])
        return f"{'.'.join(map(str, first['loc']))}={value[:60]}{'…' * (len(value) > 60)}: {first['msg'].lower()}"
    return " ".join(str(error).split())
