"""`surefoot demo`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from .options import Flag, Seconds


@dataclass
class Arguments:
    """Train a quadruped under randomised physics, break it (a payload and a weak leg that it has never met), adapt it,
    and write a page that shows before and after."""

    out: Annotated[Path, tyro.conf.arg(metavar="FOLDER")] = Path("demo")
    """Folder for index.html, the recordings and the controllers; what an earlier demo left there is replaced."""
    quick: Flag = False
    """Tiny budgets: everything runs, nothing is learnt (for tests)."""
    seconds_train: Seconds = None
    """Wall-clock seconds of training; none: the demo's own."""


def run(given: Arguments) -> None:
    """Run the demo, telling each step with the time since the start."""
    from ..demo import run_demo
    from .tables import console, show_summary

    result = run_demo(given.out, quick=given.quick, train_seconds=given.seconds_train)
    show_summary(result.summary)
    console().print(f"open {result.page}", soft_wrap=True)
