"""`surefoot info`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from tyro.conf import Positional


@dataclass
class Arguments:
    """What is in a recording: robot, task, worlds, length, episodes, falls, return, reward terms, parameters, controller."""

    file: Positional[Annotated[Path, tyro.conf.arg(metavar="RECORDING")]]
    """The recording (*.recording.npz); one that breaks off is read to its last whole chunk."""


def run(given: Arguments) -> None:
    """Print the table."""
    from .. import api
    from .tables import show_summary

    show_summary(api.info_table(api.info(given.file)))
