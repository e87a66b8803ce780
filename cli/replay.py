"""`surefoot replay`."""

from dataclasses import dataclass, field
from typing import Annotated

import tyro
from tyro.conf import Positional

from .options import Count, File, Flag, Folder, Moment, Seconds, Seed, Values, parameters, planner
from .pictures import Pictures


@dataclass
class Arguments(Pictures):
    """Roll controllers out, or open recordings, and show them: in a viewer in the browser, until Ctrl-C, or as a page, a
    video or a poster where a file is asked for. Several are shown together, in step by time."""

    source: Positional[Annotated[tuple[str, ...], tyro.conf.arg(metavar="RUN|RECORDING [RUN|RECORDING ...]")]]
    """Run folders, controller files (*.safetensors or *.onnx), names of shipped controllers, recordings (*.recording.npz) or
    folders of recordings."""
    html: File = None
    """Write a page that opens in any browser, from disk."""
    parameters: Annotated[Values, tyro.conf.arg(name="set", metavar="KEY=VALUE")] = field(default_factory=list)
    """What is different about the robot, such as payload=6 (kg); repeatable. Not for recordings."""
    adapted: File = None
    """A second controller that does the same on the same robot, shown as "after" beside "before". Not for recordings."""
    start: Moment = None
    """Show recordings from this second on."""
    seconds: Seconds = None
    """Length in seconds of robot time: of a roll-out (none: 20), or of what is read of a recording (none: all, up to 300)."""
    seed: Seed = 0
    """Seed of the roll-out's start."""
    plan: Flag = False
    """Plan each step with the controller's policy and value function in a simulation of the robot: better, and slow.
    Not for recordings."""
    planner: Values = field(default_factory=list)
    """Plan with this setting, such as samples=64, horizon=16 or model=nominal (what it believes of the robot); repeatable."""
    save: Folder = None
    """Keep the recordings in this folder."""
    host: Annotated[str, tyro.conf.arg(metavar="ADDRESS")] = "127.0.0.1"
    """Where the viewer listens: on this machine alone, or to others, too, who then need the token that it prints."""
    port: Count = 8080
    """The viewer's port; where it is in use, the next free one."""
    browser: Annotated[bool, tyro.conf.arg(help="Open the viewer in the browser.")] = True


def run(given: Arguments) -> None:
    """Show it, and say what was written, or where the viewer is."""
    from .. import api
    from .tables import console, show_summary

    recordings = api.replay(
        given.source,
        html=given.html,
        parameters=parameters("--set", given.parameters) or None,
        adapted=given.adapted,
        start=given.start,
        seconds=given.seconds,
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
        port = 8080 if given.port is None else given.port
        api.view(recordings, host=given.host, port=port, browser=given.browser)
