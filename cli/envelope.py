"""`surefoot envelope`."""

from dataclasses import dataclass, field
from typing import Annotated

import tyro
from tyro.conf import Positional

from .options import Count, File, Moment, Seed, Values, fits, parameters

Axis = Annotated[str | None, tyro.conf.arg(metavar="KEY[=RANGE]")]


@dataclass
class Arguments:
    """Map what a controller survives: episodes on a grid of two parameters, all at once, beside the range of its training.

    An episode is a success if the robot does not fall and, on task velocity, tracks its commands above .6 (1 is perfect); on
    other tasks, if it reaches half of the return that the controller has on the unchanged robot."""

    source: Positional[Annotated[str, tyro.conf.arg(metavar="RUN")]]
    """Run folder, controller file (*.safetensors or *.onnx) or name of a shipped controller."""
    x: Axis = None
    """Parameter from left to right and its range, such as payload=0:12, friction=log:0.1:2 or dead_actuator=none|front_left;
    without a range where `surefoot identify` would look. On task velocity also a command, such as vx=0:2.
    Keys and units: `surefoot list parameters ROBOT`."""
    y: Axis = None
    """Parameter from bottom to top and its range."""
    cells: Count = 12
    """Values of each range, both ends included."""
    episodes: Count = 4
    """Episodes in each cell."""
    parameters: Annotated[Values, tyro.conf.arg(name="set", metavar="KEY=VALUE")] = field(default_factory=list)
    """What is different about the robot besides, such as motor_strength.front_left=0.4; repeatable."""
    adapted: Annotated[str | None, tyro.conf.arg(metavar="RUN")] = None
    """A second controller, on the same grid with the same episodes: after adaptation, beside before."""
    motion: Moment = None
    """Seconds that each robot moves in its cell, for a second map of what its controller has adapted to: of recurrent, rma,
    context and identify, which adapt while they walk; none: 10 for these, unless there is an --adapted; 0: no such map."""
    seed: Seed = 1000
    """Seed of start states and commands."""
    out: File = None
    """Write the map as a figure (*.svg) or as numbers (*.json)."""


def run(given: Arguments) -> None:
    """Evaluate the grid, print it as a heat map, write the file."""
    from .. import api
    from ..robots import SurefootError
    from .tables import console, show

    if given.x is None or given.y is None:
        raise SurefootError("envelope needs two axes, for example: --x payload --y friction=0.2:1.2")
    api.check_name(given.out, ".svg", ".json")
    found = api.envelope(
        given.source,
        fits([given.x, given.y], "--x and --y"),
        adapted=given.adapted,
        motion=given.motion,
        parameters=parameters("--set", given.parameters),
        cells=12 if given.cells is None else given.cells,
        episodes=4 if given.episodes is None else given.episodes,
        seed=1000 if given.seed is None else given.seed,
    ).content()
    for title, table in api.envelope_tables(found):
        show(table["columns"], table["rows"], title if len(found["maps"]) > 1 else None, table.get("note", ""))
    if given.out is not None:
        api.write_content(given.out, found)
        console().print(f"wrote {given.out}", soft_wrap=True)
