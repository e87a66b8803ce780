"""`surefoot adapt`."""

from dataclasses import dataclass, field
from typing import Annotated

import tyro
from tyro.conf import Positional

from .options import Count, File, Fits, Flag, Moment, Seed, Values, fits, parameters, planner, values


@dataclass
class Arguments:
    """Adapt a controller to one robot that it was not trained on, and show before, after and the curve between."""

    source: Positional[Annotated[str, tyro.conf.arg(metavar="RUN")]]
    """Run folder, controller file (*.safetensors) or name of a shipped controller."""
    parameters: Annotated[Values, tyro.conf.arg(name="set", metavar="KEY=VALUE")] = field(default_factory=list)
    """What is different about the robot, such as payload=6 (kg) or motor_strength.front_left=0.4 (factor); repeatable.
    Keys and units: `surefoot list parameters ROBOT`."""
    robot: Annotated[str | None, tyro.conf.arg(metavar="ROBOT")] = None
    """Adapt to another robot, which is sensed and driven alike, such as go1 for a controller of quadruped; none: its own."""
    method: Annotated[str, tyro.conf.arg(metavar="NAME")] = "finetune"
    """Adaptation method: `surefoot list methods`; auto: what the controller was trained for, or else fits the budget."""
    planner: Values = field(default_factory=list)
    """Setting of method planner, such as samples=64, horizon=16 or model=nominal (what it believes of the robot);
    repeatable."""
    finetune: Values = field(default_factory=list)
    """Setting of method finetune, or of twin's fine-tuning, such as trains=last (all, last or low-rank), rank=8, leash=0.1
    (weight of the divergence from the trained policy), learning_rate=3e-4 or n_epochs=3 (how often each rollout is used);
    repeatable."""
    fit: Fits = field(default_factory=list)
    """What method twin fits to the robot's motion and perhaps where to look, such as payload=0:6 or motor_strength.* (each
    motor by itself); repeatable; none: what the training varied, and, where that does not explain the motion, payload, centre
    of mass, friction and each motor as well."""
    seconds: Moment = None  # of 0 `Budget` says in one line what is wrong
    """Budget of wall-clock time in seconds, evaluations not counted; none: 60, or no limit where another budget is given."""
    steps: Count = None
    """Budget of environment steps, all worlds together; none: no limit."""
    robot_seconds: Moment = None
    """Budget of the robot's motion in seconds, of all robots together where a method uses many at once; none: no limit, or
    what a method needs (twin: 10)."""
    episodes: Count = 50
    """Episodes of each evaluation on the curve."""
    seed: Seed = 0
    """Seed of robots, exploration and evaluation."""
    out: File = None
    """Save the adapted controller in this file (*.safetensors)."""
    html: File = None
    """Write a page with before and after side by side, the table and the curve."""
    gate: Flag = False
    """Refuse the adapted controller, and keep the one that there was, where it scores less or is less safe: more falls, or
    more steps at a limit of joints or motors. Ends with exit code 1 then."""
    quiet: Flag = False
    """Print the table alone, without the curve and what was inferred."""


def run(given: Arguments) -> str:
    """Adapt and print the table and the curve; returns why the safety gate refused the outcome, empty where it did not."""
    from .. import api
    from .tables import console, show, show_summary

    adaptation = api.adapt(
        given.source,
        parameters("--set", given.parameters),
        robot=given.robot,
        method=given.method,
        seconds=60.0 if {given.seconds, given.steps, given.robot_seconds} == {None} else given.seconds,
        steps=given.steps,
        robot_seconds=given.robot_seconds,
        episodes=50 if given.episodes is None else given.episodes,
        seed=given.seed or 0,
        out=given.out,
        html=given.html,
        plan=planner(False, given.planner),
        finetune=values("--finetune", given.finetune),
        fit=fits(given.fit),
        gate=given.gate,
    )
    show_summary(api.summary_table(adaptation))
    if not given.quiet:
        show(*api.curve_table(adaptation))
        if adaptation.inferred:
            show_summary(api.inferred_table(adaptation))
    for path in (given.out, given.html):
        if path is not None:
            console().print(f"wrote {path}", soft_wrap=True)
    return f"the safety gate refused the adapted controller: {adaptation.refused}" if adaptation.refused else ""
