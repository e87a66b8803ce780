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
    robot: Positional[Annotated[str, tyro.conf.arg(metavar="ROBOT")]] = "quadruped"
    """Robot whose parameters are listed."""


def run(given: Arguments) -> None:
    """Print the tables."""
    from .. import api
    from .tables import show

    names = (
        [given.what] if given.what != "all" else ["robots", "tasks", "rewards", "algorithms", "methods", "controllers"]
    )
    for name in names:
        columns, rows = api.catalogue(name, given.robot)
        show(columns, rows, title=name if len(names) > 1 else None)
        if len(names) > 1:
            print()
