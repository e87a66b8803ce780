"""`surefoot record`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro
from tyro.conf import Positional

from ..robots.errors import SurefootError
from .options import Count, File, Flag, Ranges, Seconds, Seed, Values, pairs, parameters, planner


@dataclass
class Arguments:
    """Roll a controller out in one or many worlds and write all that happens into one file, chunk by chunk while it does:
    an hour takes no more memory than a minute. Ctrl-C ends the recording and keeps it. A recording in place of a controller is
    exported only, by --minari or --rerun."""

    source: Positional[Annotated[str, tyro.conf.arg(metavar="RUN|RECORDING")]]
    """Run folder, controller file (*.safetensors or *.onnx), name of a shipped controller, or recording."""
    out: File = None
    """The recording (*.recording.npz); none: controller.recording.npz."""
    minari: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None
    """Export all episodes that are fit to learn from (as `surefoot screen` finds) as this Minari dataset, such as
    surefoot/walk-v0, below $MINARI_DATASETS_PATH or ~/.minari."""
    rerun: File = None
    """Export the first worlds as a file of the rerun viewer (*.rrd)."""
    worlds: Count = 1
    """How many robots at once."""
    seconds: Seconds = None
    """Length in seconds of robot time; falls begin new episodes. None: 20, or as long as --episodes takes."""
    episodes: Count = None
    """Whole episodes of each robot, which then stands still."""
    parameters: Annotated[Values, tyro.conf.arg(name="set", metavar="KEY=VALUE")] = field(default_factory=list)
    """What is different about the robots, such as payload=6 (kg), or a command that they hold, such as vx=0.8; repeatable."""
    vary: Ranges = field(default_factory=list)
    """Draw the robots anew for each episode instead: KEY=low:high and the rest of train's grammar; repeatable."""
    seed: Seed = 0
    """Seed of robots, start states and commands."""
    label: Annotated[str, tyro.conf.arg(metavar="NAME")] = "controller"
    """What it is called where it is shown, such as before or after."""
    plan: Flag = False
    """Plan each step with the controller's policy and value function in a simulation of the robot: better, and slow."""
    planner: Values = field(default_factory=list)
    """Plan with this setting, such as samples=64, horizon=16 or model=nominal (what it believes of the robot); repeatable."""


def run(given: Arguments) -> None:
    """Record, and say what is in the file."""
    from .. import api
    from .tables import console, show_summary

    api.check_exports(given.minari, given.rerun)
    written = api.recording_of(given.source)
    if written is None:
        written = _out(given)
        api.record_worlds(
            given.source,
            written,
            parameters=parameters("--set", given.parameters) or None,
            vary=pairs("--vary", given.vary) or None,
            worlds=1 if given.worlds is None else given.worlds,
            seconds=given.seconds,
            episodes=given.episodes,
            seed=given.seed or 0,
            label=given.label,
            plan=planner(given.plan, given.planner),
        )
    elif given.minari is None and given.rerun is None:
        raise SurefootError(f"{given.source!r} is a recording: export it by --minari or --rerun")
    show_summary(api.info_table(api.info(written)))
    exported = api.export_recording(written, minari=given.minari, rerun=given.rerun)
    for path in [*([written] if str(written) != given.source else []), *exported]:
        console().print(f"wrote {path}", soft_wrap=True)


def interrupted(given: Arguments) -> str:
    """What Ctrl-C leaves."""
    out = _out(given)
    return f"what was recorded is in {out}" if out.exists() else ""


def _out(given: Arguments) -> Path:
    return given.out or Path("controller.recording.npz")
