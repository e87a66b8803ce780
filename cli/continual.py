"""`surefoot continual`."""

from dataclasses import dataclass, field
from typing import Annotated

import tyro
from tyro.conf import Positional

from .options import Count, File, Flag, Moment, Seconds, Seed, Values, parameters, planner


@dataclass
class Arguments:
    """Let robots walk, change them in mid-walk, and say how many notice, how many walk as before again, and how soon.

    What the controller adapts by while it walks runs on: a memory (method recurrent), a history (rma), an identifier that
    looks again after a drop in reward (identify). With --method a robot that has noticed, or fallen, is adapted and set out
    again. Others show what happens without."""

    source: Positional[Annotated[str, tyro.conf.arg(metavar="RUN")]]
    """Run folder, controller file (*.safetensors) or name of a shipped controller."""
    parameters: Annotated[Values, tyro.conf.arg(name="set", metavar="KEY=VALUE")] = field(default_factory=list)
    """What the robot changes into, such as dead_actuator=rear_left_calf or payload=6 (kg); repeatable.
    A command such as vx=0.8 holds from then on. Keys and units: `surefoot list parameters ROBOT`."""
    before: Annotated[Values, tyro.conf.arg(metavar="KEY=VALUE")] = field(default_factory=list)
    """What is different about it until then; repeatable; none: the nominal robot."""
    at: Seconds = None
    """Second of the change; none: 4."""
    seconds: Seconds = None
    """Seconds of the whole walk; none: 20."""
    robots: Count = 50
    """Number of robots."""
    method: Annotated[str, tyro.conf.arg(metavar="NAME")] = ""
    """Adapt robots that have noticed by this method, which makes another controller: twin, finetune,
    search, maml or reptile."""
    budget: Moment = None  # of 0 `Budget` says in one line what is wrong
    """Seconds of wall-clock that --method may take; none: 60."""
    gate: Flag = False
    """Refuse the adapted controller, and set the robots out again with the one that there was, where it scores less or is less
    safe on the changed robot: more falls, or more steps at a limit of joints or motors. Ends with exit code 1 then."""
    plan: Flag = False
    """Plan each step with the controller's policy and value function in a simulation of the robot: slow, so that
    --robots 4 is a start."""
    planner: Values = field(default_factory=list)
    """Plan with this setting, such as samples=64, horizon=16 or model=nominal (it believes that nothing has changed);
    repeatable."""
    seed: Seed = 0
    """Seed of start states and commands."""
    json: File = None
    """Write the figures to this file (*.json)."""


def run(given: Arguments) -> str:
    """Let them walk and print the table; returns why the safety gate refused the outcome, empty where it did not."""
    from .. import api
    from ..robots import SurefootError
    from .tables import console, show_summary

    if not given.parameters:
        raise SurefootError(
            "continual needs a change, for example: surefoot continual RUN --set dead_actuator=rear_left_calf"
        )
    api.check_name(given.json, ".json")
    change = api.continual(
        given.source,
        parameters("--set", given.parameters),
        before=parameters("--before", given.before) or None,
        at=4.0 if given.at is None else given.at,
        seconds=20.0 if given.seconds is None else given.seconds,
        robots=50 if given.robots is None else given.robots,
        seed=given.seed or 0,
        method=given.method,
        budget=given.budget,
        gate=given.gate,
        plan=planner(given.plan, given.planner),
    )
    show_summary(api.change_table(change))
    if given.json is not None:
        api.write_content(
            given.json, {"method": change.method, "at": change.at, "refused": change.refused, **change.figures()}
        )
        console().print(f"wrote {given.json}", soft_wrap=True)
    return f"the safety gate refused the adapted controller: {change.refused}" if change.refused else ""
