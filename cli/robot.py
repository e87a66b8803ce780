"""`surefoot robot`."""

from dataclasses import dataclass
from typing import Annotated, Literal

import tyro
from tyro.conf import Positional

from .options import File

What = Literal["list", "check"]


@dataclass
class Arguments:
    """Any robot by name or file. list those that there are beside our own; check one: what is found in its model, what is
    missing, what looks wrong. Warnings do not fail; a robot that cannot be used is told in one line, with exit code 2."""

    what: Positional[Annotated[What, tyro.conf.arg(metavar="WHAT")]] = "list"
    """list or check."""
    name: Positional[Annotated[str | None, tyro.conf.arg(metavar="NAME|FILE")]] = None
    """check: a name of the catalogue, menagerie:NAME, or your own file, robot.xml (MJCF) or robot.urdf. What cannot be derived
    is written into robot.yaml beside it: docs/robots.md."""
    picture: File = None
    """check: write a picture of the home pose (*.png)."""


def run(given: Arguments) -> None:
    """Print what is found."""
    from .. import api
    from ..robots import SurefootError
    from .tables import console, show, show_summary

    if given.what == "list":
        show_summary(api.robots_table())
        return
    if given.name is None:
        raise SurefootError("robot check needs a name or file, for example: surefoot robot check path/to/robot.urdf")
    found = api.check_robot(given.name, picture=given.picture)
    show(["robot", "found"], found.rows[1:], title=found.rows[0][1])
    out = console()
    for warning in found.warnings:
        out.print(f"looks wrong: {warning}", soft_wrap=True)
    out.print("usable" + (f", {len(found.warnings)} to look at" if found.warnings else ""), soft_wrap=True)
    if given.picture:
        out.print(f"wrote {given.picture}", soft_wrap=True)
