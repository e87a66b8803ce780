"""What a robot's model file does not say: hand-tuned entries here, a small YAML beside the file for anybody's robot."""

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .errors import SurefootError, unknown
from .files import read_yaml

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class Hints(BaseModel):
    """Each is derived where it is left out. A mapping's keys are joint names or patterns; the last that fits counts.

    Attributes:
        base: the body that commands and payloads are about.
        fixed: True where the base is bolted to the world (an arm), False where it floats.
        feet: names of foot geoms or bodies; [] for none.
        actuators: joints that have a motor, as names or patterns, where the file has no actuators itself.
        home: joint angles (rad; m where it slides) of the home pose; keyframe: or the name of a keyframe that holds it.
        kp, kd: gains of the PD servos, N m/rad and N m s/rad. effort: largest torque, N m.
        velocity_limit: rad/s.
        action_scale: rad per unit of action.
        control_dt, timestep: s; control_dt is .02 on legs and .05 for arms.
        tool: the body, site or geom that an arm works with.
        fallen_height: of the base, m, below which the robot has fallen.
        collisions: "feet" for those of feet and floor only, which is several times as fast, or "all".
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    base: str | None = None
    fixed: bool | None = None
    feet: tuple[str, ...] | None = None
    actuators: tuple[str, ...] = ()
    home: Mapping[str, Finite] = {}
    keyframe: str | None = None
    kp: Positive | Mapping[str, Positive] = {}
    kd: NotNegative | Mapping[str, NotNegative] = {}
    effort: Positive | Mapping[str, Positive] = {}
    velocity_limit: Positive | Mapping[str, Positive] = {}
    action_scale: Positive | Mapping[str, Positive] = {}
    control_dt: Annotated[float, Field(ge=1e-4, le=1)] | None = None
    timestep: Annotated[float, Field(ge=1e-6, le=0.1)] | None = None
    tool: str | None = None
    fallen_height: Positive | None = None
    collisions: Literal["feet", "all"] = "feet"


def read_hints(path: Path) -> Hints:
    """The YAML at `path`; what is derived where there is none. Raises `SurefootError` naming what is misspelt or wrong."""
    if not path.is_file():
        return Hints()
    found = read_yaml(path)
    for key in found:
        if key not in Hints.model_fields:
            raise unknown(f"key in {str(path)!r}", str(key), Hints.model_fields)
    return _checked(found, str(path))


def _checked(found: Mapping[str, Any], where: str) -> Hints:
    try:
        return Hints(**found)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"] if not str(part).startswith(("constrained", "dict", "float")))
        raise SurefootError(f"{where}: {key}={first['input']!r}: {first['msg'].lower()}") from error


def by_joint(
    where: str, key: str, given: float | Mapping[str, float], joints: Sequence[str], otherwise: Iterable[float]
) -> list[float]:
    """One value a joint: from a number, or from a mapping of names and patterns, else the one in `otherwise`.

    Raises `SurefootError`, with the nearest, for a name or pattern that fits no joint.
    """
    if not isinstance(given, Mapping):
        return [float(given)] * len(joints)
    values = list(otherwise)
    for pattern, value in given.items():
        fits = [i for i, joint in enumerate(joints) if fnmatchcase(joint, pattern)]
        if not fits:
            raise unknown(f"joint in {key!r} of robot {where!r}", pattern, joints)
        for i in fits:
            values[i] = float(value)
    return values
