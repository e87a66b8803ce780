"""`surefoot play`."""

from dataclasses import dataclass, field
from typing import Annotated

import tyro
from tyro.conf import Positional

from .options import Count, File, Flag, Seed, Values, parameters, planner


@dataclass
class Arguments:
    """Let a controller walk in real time and drive it in the browser: command it, push it, change the robot while it
    walks, kill a motor, switch its adapting off, record what happens. Ctrl-C ends it."""

    source: Positional[Annotated[str, tyro.conf.arg(metavar="CONTROLLER")]]
    """Run folder, controller file (*.safetensors or *.onnx) or name of a shipped controller."""
    parameters: Annotated[Values, tyro.conf.arg(name="set", metavar="KEY=VALUE")] = field(default_factory=list)
    """What is different about the robot at first, such as payload=6 (kg), or a command it starts with, such as vx=0.8;
    repeatable."""
    adapted: File = None
    """A second controller that walks on the same robot under the same commands, as "after" beside "before"."""
    host: Annotated[str, tyro.conf.arg(metavar="ADDRESS")] = "127.0.0.1"
    """Where to listen. Anything but this machine itself (such as 0.0.0.0, all of its networks) is told and asks for a token."""
    port: Count = 8080
    """At which port; the next free one where it is in use."""
    no_browser: Flag = False
    """Open no browser, only say where the page is."""
    seed: Seed = 0
    """Seed of the start states."""
    plan: Flag = False
    """Plan each step with the controller's policy and value function in a simulation of the robot: better, and slow."""
    planner: Values = field(default_factory=list)
    """Plan with this setting, such as samples=64, horizon=16 or model=nominal (what it believes of the robot); repeatable."""


def run(given: Arguments) -> None:
    """Serve the page until Ctrl-C."""
    from .. import api

    api.play(
        given.source,
        parameters=parameters("--set", given.parameters) or None,
        adapted=given.adapted,
        seed=given.seed or 0,
        host=given.host,
        port=8080 if given.port is None else given.port,
        browser=not given.no_browser,
        plan=planner(given.plan, given.planner),
    )
