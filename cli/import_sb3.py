"""`surefoot import-sb3`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from tyro.conf import Positional

from .options import File, Flag


@dataclass
class Arguments:
    """Turn a Stable-Baselines3 zip (PPO or SAC) into a controller file. SB3's files are pickles, and reading a pickle runs
    the code that is in it: only with --runs-code, and only if you trust where the file comes from."""

    source: Positional[Annotated[Path, tyro.conf.arg(metavar="FILE.zip")]]
    """What SB3's save() wrote."""
    robot: Positional[Annotated[str, tyro.conf.arg(metavar="ROBOT")]]
    """Name of the robot that it drives, such as half_cheetah for HalfCheetah-v5."""
    task: Positional[Annotated[str, tyro.conf.arg(metavar="TASK")]] = "run"
    """Name of the task: run is that of Gymnasium's v5 environments."""
    runs_code: Flag = False
    """Yes, run the code in the file."""
    vecnormalize: File = None
    """The VecNormalize that was saved beside it (*.pkl); none: observations are not normalised."""
    out: File = None
    """Controller file to write (*.safetensors); none: the zip's name with that ending, in this folder."""


def run(given: Arguments) -> None:
    """Convert, and say where the result is."""
    from .. import api
    from .tables import console

    out = given.out or Path(given.source.with_suffix(".safetensors").name)
    controller = api.import_sb3(
        given.source, given.robot, given.task, runs_code=given.runs_code, vecnormalize=given.vecnormalize, out=out
    )
    console().print(f"{controller.config.algo} controller, {controller.timesteps:,} steps: wrote {out}", soft_wrap=True)
    console().print(f"next: surefoot evaluate {out}", soft_wrap=True)
