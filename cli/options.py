"""Options that several verbs share, and the one parser of KEY=VALUE."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro

from ..robots.errors import MOST, SurefootError
from ..robots.files import parse_json

Values = Annotated[tyro.conf.UseAppendAction[list[str]], tyro.conf.arg(metavar="KEY=VALUE")]
Limits = Annotated[tyro.conf.UseAppendAction[list[str]], tyro.conf.arg(metavar="CRITERION=VALUE")]
Ranges = Annotated[tyro.conf.UseAppendAction[list[str]], tyro.conf.arg(metavar="KEY=RANGE")]
Fits = Annotated[tyro.conf.UseAppendAction[list[str]], tyro.conf.arg(metavar="KEY[=RANGE]")]
Flag = Annotated[bool, tyro.conf.FlagCreatePairsOff]


def _count(text: Sequence[str]) -> int:
    number = float(text[0])
    if not 0 <= number <= MOST or number != int(number):
        raise ValueError(f"expected a whole number such as 20000 or 5e6, at most {MOST:g}, not {text[0]!r}")
    return int(number)


def _seed(text: Sequence[str]) -> int:
    number = _count(text)
    if number >= 2**32:  # what NumPy's older generators take
        raise ValueError(f"expected a whole number from 0 to {2**32 - 1}, not {text[0]!r}")
    return number


def _number(expected: str, fits: Callable[[float], bool]) -> Callable[[Sequence[str]], float]:
    """A parser of one number that `fits`, which NaN never does."""

    def parse(text: Sequence[str]) -> float:
        number = float(text[0])
        if not fits(number):
            raise ValueError(f"expected {expected}, not {text[0]!r}")
        return number

    return parse


_seconds = _number(f"a number of seconds above 0, at most {MOST:g}", lambda number: 0 < number <= MOST)
_moment = _number(f"a number of seconds, 0 to {MOST:g}", lambda number: 0 <= number <= MOST)
_positive = _number(f"a number above 0, at most {MOST:g}", lambda number: 0 < number <= MOST)


def _shown(value: Any) -> list[str]:
    return ["none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)]


def _spec(metavar: str, parse: Any, kind: type) -> Any:
    return tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar=metavar,
        instance_from_str=parse,
        is_instance=lambda value: value is None or isinstance(value, kind),
        str_from_instance=_shown,
    )


Count = Annotated[int | None, _spec("N", _count, int)]
Seed = Annotated[int | None, _spec("N", _seed, int)]
Seconds = Annotated[float | None, _spec("SECONDS", _seconds, float)]
Moment = Annotated[float | None, _spec("SECONDS", _moment, float)]
Number = Annotated[float | None, _spec("NUMBER", _positive, float)]
File = Annotated[Path | None, _spec("FILE", lambda text: Path(text[0]), Path)]
Folder = Annotated[Path | None, _spec("FOLDER", lambda text: Path(text[0]), Path)]


def pairs(flag: str, items: Sequence[str]) -> dict[str, str]:
    """{key: text} from the repeated KEY=VALUE of one flag. Raises `SurefootError` for anything else."""
    found: dict[str, str] = {}
    for item in items:
        key, equals, value = (part.strip() for part in item.partition("="))
        if not (key and equals and value):
            raise SurefootError(f"{flag} {item}: expected KEY=VALUE")
        if key in found:
            raise SurefootError(f"{flag} {item}: {key!r} was already given as {found[key]!r}")
        found[key] = value
    return found


def fits(items: Sequence[str], flag: str = "--fit") -> dict[str, str]:
    """What to fit (or map) and where to look for it, "" for the usual range, from the repeated `--fit KEY[=RANGE]`."""
    found: dict[str, str] = {}
    for item in items:
        key, equals, text = (part.strip() for part in item.partition("="))
        if not key or bool(equals) != bool(text):
            raise SurefootError(f"{flag} {item}: expected KEY or KEY=RANGE")
        if key in found:
            raise SurefootError(f"{flag} {item}: {key!r} was already given")
        found[key] = text
    return found


def parameters(flag: str, items: Sequence[str]) -> dict[str, float | str]:
    """Fixed parameters: numbers, or names for flags such as dead_actuator."""
    return {key: _number_or_text(text) for key, text in pairs(flag, items).items()}


def values(flag: str, items: Sequence[str]) -> dict[str, Any]:
    """Settings of any type: numbers, true, false, none, lists as 64,64, anything else as text."""
    return {key: _value(text) for key, text in pairs(flag, items).items()}


def is_gym(robot: str | None) -> bool:
    """Whether ROBOT is a Gymnasium id, which is a whole environment and has no TASK."""
    return (robot or "").startswith("gym:")


def robot_and_task(robot: str | None, task: str | None, example: str) -> tuple[str, str]:
    """Both, "" for the task of a Gymnasium id. Raises `SurefootError` with an `example` where one is missing."""
    if robot is None or (task is None and not is_gym(robot)):
        raise SurefootError(f"{example.split()[0]} needs ROBOT and TASK, for example: surefoot {example}")
    return robot, task or ""


def name_of(robot: str | None, task: str | None) -> str:
    """What is trained, as part of a file's name: hopper-run, or CartPole-v1."""
    if is_gym(robot):
        return str(robot).removeprefix("gym:").replace("/", "-")
    return f"{Path(str(robot)).stem.replace(':', '-')}-{task}"  # a file's name, without its folders


def with_terrain(terrain: str | None, options: dict[str, Any]) -> dict[str, Any]:
    """A task's options with that of `--terrain`. Raises `SurefootError` where they name another ground."""
    if terrain is None:
        return options
    if options.get("terrain", terrain) != terrain:
        raise SurefootError(f"--terrain {terrain}: --option already says terrain={options['terrain']}")
    return {**options, "terrain": terrain}


def planner(plan: bool, items: Sequence[str]) -> bool | dict[str, Any] | None:
    """What `--plan` and the repeated `--planner KEY=VALUE`, which implies it, ask for; None where neither is given."""
    return values("--planner", items) or plan or None


def _number_or_text(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _value(text: str) -> Any:
    words = {"true": True, "false": False, "none": None, "null": None}
    if text.lower() in words:
        return words[text.lower()]
    if text[0] in "[{":
        try:
            return parse_json(text)
        except ValueError:
            return text
    if "," in text:
        return [_value(part.strip()) for part in text.split(",") if part.strip()]
    number = _number_or_text(text)
    return int(number) if isinstance(number, float) and number.is_integer() else number
