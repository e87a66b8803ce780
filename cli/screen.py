"""`surefoot screen`."""

from dataclasses import dataclass
from typing import Annotated

import tyro
from tyro.conf import Positional

from .options import Folder, Number


@dataclass
class Arguments:
    """Check recorded episodes before anything learns from them: those that are not finite, beyond the robot's limits,
    duplicated, mislabelled or poisoned are named, with step and reason, and left out of what --out keeps."""

    sources: Positional[Annotated[tuple[str, ...], tyro.conf.arg(metavar="RECORDING|FOLDER")]]
    """Recordings (*.recording.npz), or folders of them."""
    out: Folder = None
    """Save what is left of each recording in this folder."""
    tolerance: Number = 1e-3
    """Error of a re-simulated step that is no contradiction, as a share of a usual step's change: more for noisy data."""


def run(given: Arguments) -> None:
    """Print what was found."""
    from .. import api
    from ..robots import SurefootError
    from .tables import console, show_summary

    if not given.sources:
        raise SurefootError("screen needs recordings, for example: surefoot screen demo/recordings")
    screening, left = api.screen(given.sources, out=given.out, tolerance=given.tolerance)
    show_summary(api.screening_table(screening))
    if given.out is not None:
        console().print(f"wrote {len(left)} recordings to {given.out}", soft_wrap=True)
