"""`surefoot report`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from tyro.conf import Positional

from .options import File, Flag, Seconds, Seed


@dataclass
class Arguments:
    """Put trainings, comparisons and recordings on one page that opens in any browser, from disk: curves with intervals over
    seeds, tables, safety figures, gait diagrams."""

    sources: Positional[Annotated[tuple[str, ...], tyro.conf.arg(metavar="RUN|RECORDING|JSON")]] = ()
    """Run folders (runs that differ in their seed alone are seeds of one training), names of shipped controllers, recordings or
    folders of them, and files that compare --json or envelope --json wrote."""
    out: File = Path("report.html")
    """The page (*.html)."""
    record: Flag = False
    """Roll each controller out besides, for the gait and for --videos."""
    seconds: Seconds = 20.0
    """Length of these roll-outs in seconds of robot time."""
    seed: Seed = 0
    """Seed of their start."""
    videos: Flag = False
    """Embed a poster and a video of the recordings: some seconds of rendering and half a megabyte for each."""


def run(given: Arguments) -> None:
    """Write the page."""
    from .. import api
    from .tables import console

    out = api.write_report(
        given.sources,
        given.out or Path("report.html"),
        record=given.record,
        seconds=20.0 if given.seconds is None else given.seconds,
        seed=given.seed or 0,
        videos=given.videos,
    )
    console().print(f"wrote {out}", soft_wrap=True)
