"""`surefoot replay`."""

from dataclasses import dataclass, field
from typing import Annotated

import tyro
from tyro.conf import Positional

from .options import Count, File, Flag, Folder, Seconds, Values, parameters, planner
from .pictures import Pictures


@dataclass
class Arguments(Pictures):
    """Roll a controller out, or open recordings, and show them as a page, a video or a poster."""

    source: Positional[Annotated[str, tyro.conf.arg(metavar="RUN|RECORDING")]]
    """Run folder, controller file (*.safetensors or *.onnx), name of a shipped controller, recording (*.recording.npz) or
    folder of recordings."""
    html: File = None
    """Write a page that opens in any browser, from disk."""
    parameters: Annotated[Values, tyro.conf.arg(name="set", metavar="KEY=VALUE")] = field(default_factory=list)
    """What is different about the robot, such as payload=6 (kg); repeatable. Not for recordings."""
    adapted: File = None
    """A second controller that does the same on the same robot, shown as "after" beside "before". Not for recordings."""
    seconds: Seconds = 20.0
    """Length of the roll-out in seconds of robot time. Not for recordings."""
    seed: Count = 0
    """Seed of the roll-out's start."""
    plan: Flag = False
    """Plan each step with the controller's policy and value function in a simulation of the robot: better, and slow.
    Not for recordings."""
    planner: Values = field(default_factory=list)
    """Plan with this setting, such as samples=64, horizon=16 or model=nominal (what it believes of the robot); repeatable."""
    save: Folder = None
    """Keep the recordings in this folder."""


def run(given: Arguments) -> None:
    """Show it, and say what was written."""
    from .. import api
    from .tables import console, show_summary

    recordings = api.replay(
        given.source,
        html=given.html,
        parameters=parameters("--set", given.parameters) or None,
        adapted=given.adapted,
        seconds=20.0 if given.seconds is None else given.seconds,
        seed=given.seed or 0,
        save=given.save,
        plan=planner(given.plan, given.planner),
        **given.pictures(),
    )
    show_summary(api.recording_table(recordings))
    written = [
        path for path in (given.html, given.video, given.webp, given.gif, given.poster, given.save) if path is not None
    ]
    for path in written:
        console().print(f"wrote {path}", soft_wrap=True)
    if not written:
        console().print("nothing was written: --html, --video, --poster FILE and --save FOLDER keep it", soft_wrap=True)
