"""`surefoot list`."""

from dataclasses import dataclass
from typing import Annotated, Literal

import tyro
from tyro.conf import Positional

What = Literal["robots", "tasks", "rewards", "algorithms", "methods", "controllers", "parameters", "presets", "all"]


@dataclass
class Arguments:
    """Print what there is by name: robots, tasks, rewards, algorithms, methods, controllers, parameters of a robot, presets."""

    what: Positional[Annotated[What, tyro.conf.arg(metavar="WHAT")]] = "all"
    """What to list; all leaves out rewards, parameters and presets."""
    robot: Positional[Annotated[str | None, tyro.conf.arg(metavar="ROBOT")]] = None
    """Robot whose parameters are listed; quadruped where none is named."""


def run(given: Arguments) -> None:
    """Print the tables."""
    from .. import api
    from ..robots import SurefootError
    from .tables import show

    if given.robot is not None and given.what != "parameters":
        raise SurefootError(
            f"list {given.what} {given.robot}: a robot belongs to parameters, as in list parameters hopper"
        )
    names = (
        [given.what] if given.what != "all" else ["robots", "tasks", "rewards", "algorithms", "methods", "controllers"]
    )
    for name in names:
        columns, rows = api.catalogue(name, given.robot or "quadruped")
        show(columns, rows, title=name if len(names) > 1 else None)
        if len(names) > 1:
            print()
