"""`surefoot identify`."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

import tyro
from tyro.conf import Positional

from .options import File, Fits, Seconds, Seed, Values, fits, parameters


@dataclass
class Arguments:
    """Fit parameters of a simulated robot to the log of one that moved, real or simulated: time, joint positions and
    velocities, motor commands and, where the base floats, an IMU. Prints each parameter with its 90 % interval, and how well
    the fitted robot follows parts of the log that were held out."""

    robot: Positional[Annotated[str, tyro.conf.arg(metavar="ROBOT")]]
    """Name of the robot: `surefoot list robots`."""
    log: Positional[Annotated[str, tyro.conf.arg(metavar="LOG")]]
    """The log: *.csv, or *.parquet (needs surefoot[logs])."""
    fit: Fits = field(default_factory=list)
    """What to fit and perhaps where to look, such as payload=0:6, friction=log:0.3:1.5, kp or motor_strength.* (each motor by
    itself); repeatable; none: those of payload, friction and motor_strength that --set does not name. Keys and units:
    `surefoot list parameters ROBOT`."""
    columns: File = None
    """Map of the log's columns in YAML; none: time, position.JOINT, velocity.JOINT, command.MOTOR, orientation.w to .z,
    angular_velocity.x to .z and, where they are there, acceleration.x, linear_velocity.x and height. For example:
    {time: {column: t, unit: ms}, position: {column: "q_{}", unit: deg}, velocity: "dq_{}", command: {front_left_hip: u0, ...},
    orientation: "q{}", angular_velocity: "gyro_{}"}; each column may have unit, sign (1 or -1) and offset."""
    parameters: Annotated[Values, tyro.conf.arg(name="set", metavar="KEY=VALUE")] = field(default_factory=list)
    """What is known to differ from the nominal robot, such as payload=2; repeatable."""
    seconds: Seconds = None
    """Use this much of the log from its start; none: all. The time that it takes grows with it."""
    window: Seconds = None
    """Length of the windows into which the log is cut; none: 0.2."""
    solver: Literal["surefoot", "mujoco"] = "surefoot"
    """mujoco: least squares by mujoco.sysid (needs surefoot[sysid]), which takes each window's first row for exact."""
    seed: Seed = 0
    """Seed of the search."""
    tell: Annotated[str | None, tyro.conf.arg(metavar="RUN")] = None
    """Tell this controller, one of --method identify or search, what was fitted, and write it to --out."""
    out: File = None
    """File of the controller that was told (*.safetensors): it walks by what the log says."""
    json: File = None
    """Write everything that was found to this file (*.json), with the settings that --set and --vary of other verbs take."""


def run(given: Arguments) -> None:
    """Fit and print the tables."""
    from .. import api
    from ..controllers.adaptation.sysid import WINDOW
    from ..robots import SurefootError, get_robot
    from .tables import console, show_summary

    api.check_name(given.json, ".json")
    api.check_name(given.out, ".safetensors")
    if (given.tell is None) != (given.out is None):
        raise SurefootError("--tell RUN and --out FILE belong together: who is told, and where that is written")
    told = None if given.tell is None else api.load(given.tell)
    if told is not None:  # before the fit, which takes minutes
        api.check_told(told, get_robot(given.robot).name)
    found = api.identify(
        given.robot,
        given.log,
        fits(given.fit),
        columns=given.columns,
        known=parameters("--set", given.parameters),
        seconds=given.seconds,
        solver=given.solver,
        seed=given.seed or 0,
        window=WINDOW if given.window is None else given.window,
    )
    for table in api.identification_tables(found):
        show_summary(table)
    if given.json is not None:
        found.save(given.json)
        console().print(f"wrote {given.json}", soft_wrap=True)
    if told is not None:
        api.tell(told, found, out=given.out)
        console().print(f"wrote {given.out}", soft_wrap=True)
