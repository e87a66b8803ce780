"""The recorded robot's own parameters, and a model that is as large as it was."""

from typing import TYPE_CHECKING

import mujoco

from ..robots import shape
from ..robots.errors import SurefootError
from ..robots.parameters import PARAMETERS, ParameterTable
from ..robots.robot import Robot

if TYPE_CHECKING:
    from .recording import Recording

SIZES = tuple(p.name for p in PARAMETERS if p.fields is shape.FIELDS)


def is_size(name: str) -> bool:
    """Whether a parameter, or an element of one, changes the geometry."""
    return name.split(".")[0] in SIZES


def parameter_table(recording: "Recording", model: mujoco.MjModel) -> ParameterTable | None:
    """The parameters of the recorded robot, as its own model has them; None for a model that has none we know."""
    feet = recording.foot_names if any(name.startswith("foot_size") for name in recording.parameters) else ()
    # "position", because a robot with servos has every parameter; those of servos stay nominal where there are none.
    robot = Robot(recording.robot, recording.spec, recording.base, "position", recording.dt, feet=feet)
    try:
        return ParameterTable(robot, model)
    except SurefootError:
        return None


def resize(recording: "Recording", model: mujoco.MjModel) -> None:
    """Give `model` in place the sizes that the robot has when the recording begins, and the masses that go with them.

    Sizes that change later are not shown: a page has one geometry for each recording.
    """
    sizes = {name: value for name, value in recording.parameters.items() if is_size(name)}
    table = parameter_table(recording, model) if sizes else None
    if table is None:
        return
    values = table.nominal.copy()
    for name in sizes.keys() & set(table.names):
        values[table.names.index(name)] = sizes[name]
    try:
        fields = table.fields(values[None])
    except SurefootError:  # outside of the legal range, in a file made by another program
        return
    for name, rows in fields.items():
        getattr(model, name)[:] = rows[0]
