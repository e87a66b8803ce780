"""The physical quantities in which robots can differ, and how each one is written into model fields.

Every value is relative to the compiled nominal model, so nothing compounds and writing the nominal restores the model
exactly. A table has K columns: one for each element (motor, body, geom, axis) of each parameter that the robot has.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

import mujoco
import numpy as np

from .errors import SurefootError, unknown
from .robot import Robot

Fields = dict[str, np.ndarray]
PAYLOAD_DENSITY = 1000.0  # kg/m^3: the payload is a solid cube of water's density at the base's centre of mass


@dataclass(frozen=True)
class Layout:
    """Indices of a compiled model that the writers below need."""

    motors: tuple[str, ...]  # actuator names, or the joint's where the actuator has none
    dofs: np.ndarray  # (nu,) degree of freedom that each motor drives
    bodies: np.ndarray  # ids of the bodies with mass
    body_names: tuple[str, ...]
    turning: np.ndarray  # positions in `bodies` of those that can turn: a cart on rails cannot
    geoms: np.ndarray  # ids of the robot's geoms whose friction decides that of a contact
    geom_names: tuple[str, ...]
    ground: np.ndarray  # ids of the world's geoms that have a say in it
    contact_friction: np.ndarray  # (geoms, 3) nominal friction of each geom's contacts with the ground
    feet: np.ndarray  # positions in `geoms` of the robot's feet, where it names them
    axes: tuple[str, ...]  # of the base, along which its centre of mass matters (a planar robot's y does not)
    base: int
    terrain: tuple[str, ...] = ()  # kinds of ground that the model has patches of (`envs.terrain`)


def layout_of(model: mujoco.MjModel, robot: Robot) -> Layout:
    """Collect names and indices. Raises `SurefootError` for a base body or a motor that cannot be resolved."""
    base = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_BODY, robot.base)
    if base < 0:
        raise unknown(
            f"base body of robot {robot.name!r}", robot.base, [model.body(i).name for i in range(model.nbody)]
        )
    if not np.isin(model.actuator_trntype, (mujoco.mjtTrn.mjTRN_JOINT, mujoco.mjtTrn.mjTRN_JOINTINPARENT)).all():
        raise SurefootError(f"robot {robot.name!r}: every actuator must drive a joint")
    joints = model.actuator_trnid[:, 0]
    motors = tuple(model.actuator(i).name or model.joint(j).name for i, j in enumerate(joints))
    bodies = np.flatnonzero(model.body_mass > 0)
    geoms, ground, contact_friction = _frictions(model)
    return Layout(
        motors=motors,
        dofs=model.jnt_dofadr[joints],
        bodies=bodies,
        body_names=tuple(model.body(i).name or f"body{i}" for i in bodies),
        turning=np.flatnonzero(_can_turn(model)[bodies]),
        geoms=geoms,
        geom_names=tuple(model.geom(i).name or f"geom{i}" for i in geoms),
        ground=ground,
        contact_friction=contact_friction,
        feet=np.flatnonzero([model.geom(i).name in robot.feet for i in geoms]),
        axes=_axes_of_motion(model),
        base=base,
        terrain=_terrain(model),
    )


def _terrain(model: mujoco.MjModel) -> tuple[str, ...]:
    """The kinds that the custom text "terrain" lists, which stands beside the height field of that name."""
    text = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_TEXT, "terrain")
    if text < 0:
        return ()
    start = model.text_adr[text]
    return tuple(bytes(model.text_data[start : start + model.text_size[text]]).rstrip(b"\0").decode().split())


def _can_turn(model: mujoco.MjModel) -> np.ndarray:
    """Which bodies have a joint between themselves and the world that turns them, (nbody,) bool."""
    turns = np.zeros(model.nbody, bool)
    turns[model.jnt_bodyid[model.jnt_type != mujoco.mjtJoint.mjJNT_SLIDE]] = True
    for body in range(1, model.nbody):  # parents come first
        turns[body] |= turns[model.body_parentid[body]]
    return turns


def _frictions(model: mujoco.MjModel) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The robot's geoms that decide a friction, the world's that have a say, and the friction of their contacts."""
    fixed = model.body_weldid[model.geom_bodyid] == 0
    world, robot = np.flatnonzero(fixed), np.flatnonzero(~fixed)
    first = model.geom_contype[robot][:, None] & model.geom_conaffinity[world]
    second = model.geom_conaffinity[robot][:, None] & model.geom_contype[world]
    touch = (first | second) > 0
    difference = model.geom_priority[robot][:, None] - model.geom_priority[world]
    can_collide = (model.geom_contype[robot] | model.geom_conaffinity[robot]) > 0
    # MuJoCo takes the friction of the geom of higher priority, and of equals the larger one.
    decides = can_collide & ~(touch & (difference < 0)).any(axis=1)
    shared = touch & (difference == 0)
    theirs = np.where(shared[:, :, None], model.geom_friction[world], 0.0).max(axis=1, initial=0.0)
    contact = np.maximum(model.geom_friction[robot], theirs)
    return robot[decides], world[shared[decides].any(axis=0)], contact[decides]


def _axes_of_motion(model: mujoco.MjModel) -> tuple[str, ...]:
    """x, y and z, without the normal of the plane in which a planar robot moves."""
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    hinge, slide = model.jnt_type == mujoco.mjtJoint.mjJNT_HINGE, model.jnt_type == mujoco.mjtJoint.mjJNT_SLIDE
    along = np.abs(data.xaxis)
    in_plane = np.where(hinge[:, None], along > 1 - 1e-9, along < 1e-9) & (hinge | slide)[:, None]
    return tuple(axis for axis, planar in zip("xyz", in_plane.all(axis=0), strict=True) if not planar)


# --- Writers: fields hold the nominal rows (n, ...) of the worlds being written; values are (n, elements). -------------


def write_mass(f: Fields, v: np.ndarray, at: Layout) -> None:
    f["body_mass"][:, at.bodies] *= v
    f["body_inertia"][:, at.bodies] *= v[:, :, None]


def write_inertia(f: Fields, v: np.ndarray, at: Layout) -> None:
    # One factor for all three axes keeps the triangle inequality of the principal moments.
    f["body_inertia"][:, at.bodies[at.turning]] *= v[:, :, None]


def write_payload(f: Fields, v: np.ndarray, at: Layout) -> None:
    side_squared = (v / PAYLOAD_DENSITY) ** (2 / 3)
    f["body_mass"][:, at.base] += v[:, 0]
    f["body_inertia"][:, at.base] += v * side_squared / 6  # solid cube about its centre: m s^2 / 6


def write_com(f: Fields, v: np.ndarray, at: Layout) -> None:
    f["body_ipos"][:, at.base, ["xyz".index(axis) for axis in at.axes]] += v


def write_friction(f: Fields, v: np.ndarray, at: Layout) -> None:
    # A contact takes the larger of two equals' frictions: were the ground's left as it is, a slippery foot would grip.
    rows = np.flatnonzero((v != 1).any(axis=1))
    f["geom_friction"][rows[:, None], at.geoms] = at.contact_friction * v[rows][:, :, None]
    f["geom_friction"][rows[:, None], at.ground] = 0.0
    _stiffen(f["geom_solimp"], np.maximum(v[:, at.feet], 1.0), at)


def _stiffen(solimp: np.ndarray, v: np.ndarray, at: Layout) -> None:
    """Let feet with frictions (n, feet) times the nominal one press into the ground no deeper than with the nominal one.

    MuJoCo's engine softens the contact of a pyramidal cone with friction m by m^2 (1 + m^2), which multiplies its
    regularisation (1 - d) / d: at 4 times its friction the quadruped sank through the floor. The impedance d takes it back.
    """
    nominal = at.contact_friction[at.feet, 0]
    m = v * nominal
    softer = (m**2 * (1 + m**2) / (nominal**2 * (1 + nominal**2)))[:, :, None]
    d = solimp[:, at.geoms[at.feet], :2]
    solimp[:, at.geoms[at.feet], :2] = softer * d / (softer * d + 1 - d)


def write_damping(f: Fields, v: np.ndarray, at: Layout) -> None:
    f["dof_damping"][:, at.dofs] *= v


def write_armature(f: Fields, v: np.ndarray, at: Layout) -> None:
    f["dof_armature"][:, at.dofs] *= v


def write_frictionloss(f: Fields, v: np.ndarray, at: Layout) -> None:
    f["dof_frictionloss"][:, at.dofs] += v


def write_kp(f: Fields, v: np.ndarray, at: Layout) -> None:
    f["actuator_gainprm"][:, :, 0] *= v
    f["actuator_biasprm"][:, :, 1] *= v


def write_kd(f: Fields, v: np.ndarray, at: Layout) -> None:
    f["actuator_biasprm"][:, :, 2] *= v


def write_motor_strength(f: Fields, v: np.ndarray, at: Layout) -> None:
    # The whole torque is scaled, PD servos included, and with it what the motor can deliver at most.
    f["actuator_gainprm"] *= v[:, :, None]
    f["actuator_biasprm"] *= v[:, :, None]
    f["actuator_forcerange"] *= v[:, :, None]


def write_dead_actuator(f: Fields, v: np.ndarray, at: Layout) -> None:
    write_motor_strength(f, 1.0 - v, at)


def write_delay(f: Fields, v: np.ndarray, at: Layout) -> None:
    f["actuator_delay"][:] = v


def write_gravity(f: Fields, v: np.ndarray, at: Layout) -> None:
    f["opt.gravity"][:, 2] = -v[:, 0]


def write_nothing(f: Fields, v: np.ndarray, at: Layout) -> None:
    """A place is no field of the model: the worlds read it where an episode begins."""


@dataclass(frozen=True)
class Parameter:
    """One physical quantity that may differ between robots.

    Attributes:
        name: what a person types, e.g. `motor_strength`.
        unit: of the value; "1" for factors.
        law: "scale" (nominal x value), "offset" (nominal + value), "absolute" (value) or "flag" (0 or 1).
        nominal: the value that leaves the compiled model as it is (NaN: read from the model).
        low, high: legal range, both ends included.
        fields: the model fields it writes.
        write: pure function (fields, values (n, elements), layout).
        elements: names of its elements on a robot; () for a single value.
        doc: one line.
    """

    name: str
    unit: str
    law: Literal["scale", "offset", "absolute", "flag"]
    nominal: float
    low: float
    high: float
    fields: tuple[str, ...]
    write: Callable[[Fields, np.ndarray, Layout], None]
    elements: Callable[[Layout], tuple[str, ...]]
    doc: str
    position_only: bool = False


def _motors(at: Layout) -> tuple[str, ...]:
    return at.motors


def _bodies(at: Layout) -> tuple[str, ...]:
    return at.body_names


def _turning_bodies(at: Layout) -> tuple[str, ...]:
    return tuple(at.body_names[i] for i in at.turning)


def _geoms(at: Layout) -> tuple[str, ...]:
    return at.geom_names


def _axes(at: Layout) -> tuple[str, ...]:
    return at.axes


def _single(at: Layout) -> tuple[str, ...]:
    return ()


def _kinds_of_ground(at: Layout) -> tuple[str, ...]:
    return at.terrain


_SERVO = ("actuator_gainprm", "actuator_biasprm", "actuator_forcerange")

# In the order in which they are applied: payload comes after mass, so that a payload weighs what it says.
PARAMETERS: tuple[Parameter, ...] = (
    Parameter("mass", "1", "scale", 1, 0.05, 20, ("body_mass", "body_inertia"), write_mass, _bodies,
              "factor on a body's mass and, with it, its inertia"),
    Parameter("inertia", "1", "scale", 1, 0.1, 10, ("body_inertia",), write_inertia, _turning_bodies,
              "factor on a body's inertia alone"),
    Parameter("payload", "kg", "offset", 0, 0, 200, ("body_mass", "body_inertia"), write_payload, _single,
              "load at the base's centre of mass (a solid cube of 1000 kg/m^3)"),
    Parameter("com", "m", "offset", 0, -0.5, 0.5, ("body_ipos",), write_com, _axes,
              "shift of the base's centre of mass"),
    Parameter("friction", "1", "scale", 1, 0.001, 10, ("geom_friction", "geom_solimp"), write_friction, _geoms,
              "factor on the friction (sliding, spinning, rolling) of a geom's contacts"),
    Parameter("damping", "1", "scale", 1, 0, 100, ("dof_damping",), write_damping, _motors,
              "factor on a joint's viscous damping"),
    Parameter("armature", "1", "scale", 1, 0.01, 100, ("dof_armature",), write_armature, _motors,
              "factor on a joint's rotor inertia"),
    Parameter("frictionloss", "N m", "offset", 0, 0, 100, ("dof_frictionloss",), write_frictionloss, _motors,
              "dry friction added to a joint"),
    Parameter("kp", "1", "scale", 1, 0.01, 100, ("actuator_gainprm", "actuator_biasprm"), write_kp, _motors,
              "factor on a servo's position gain", position_only=True),
    Parameter("kd", "1", "scale", 1, 0, 100, ("actuator_biasprm",), write_kd, _motors,
              "factor on a servo's velocity gain", position_only=True),
    Parameter("motor_strength", "1", "scale", 1, 0, 5, _SERVO, write_motor_strength, _motors,
              "factor on a motor's torque and torque limit"),
    Parameter("dead_actuator", "0/1", "flag", 0, 0, 1, _SERVO, write_dead_actuator, _motors,
              "1: the motor gives no torque at all"),
    Parameter("delay", "s", "absolute", 0, 0, 0.1, ("actuator_delay",), write_delay, _motors,
              "time between a command and its torque"),
    Parameter("gravity", "m/s^2", "absolute", np.nan, 0, 50, ("opt.gravity",), write_gravity, _single,
              "gravity, downwards"),
)  # fmt: skip

# Of worlds whose ground has patches; they act where the next episode begins.
PLACES: tuple[Parameter, ...] = (
    Parameter("terrain", "0/1", "flag", 0, 0, 1, (), write_nothing, _kinds_of_ground,
              "1: the robot walks on this kind of ground; none: on any"),
    Parameter("terrain_level", "1", "absolute", -1, -1, 1, (), write_nothing, _single,
              "difficulty of the ground, 0 to 1; below 0: as the task's option terrain_level says"),
)  # fmt: skip


class ParameterTable:
    """All parameters of one robot as the K columns of an array of values.

    Attributes:
        names: K column names, `parameter` or `parameter.element`.
        nominal, low, high: (K,) arrays.
        parameters: the parameters that this robot has, in the order in which they are applied.
        absent: name of a parameter that would do nothing on this robot: why.
    """

    def __init__(self, robot: Robot, model: mujoco.MjModel):
        self.robot, self.layout = robot, layout_of(model, robot)
        self.absent = self._absent(model)
        self.parameters = tuple(p for p in PARAMETERS + PLACES if p.name not in self.absent)
        self._slices: dict[str, slice] = {}
        self._elements: dict[str, tuple[str, ...]] = {}
        names: list[str] = []
        for p in self.parameters:
            elements = p.elements(self.layout)
            self._elements[p.name] = elements
            self._slices[p.name] = slice(len(names), len(names) + max(1, len(elements)))
            names += [f"{p.name}.{e}" for e in elements] or [p.name]
        self.names = tuple(names)
        self.nominal, self.low, self.high = (np.empty(len(names)) for _ in range(3))
        for p in self.parameters:
            at = self._slices[p.name]
            self.nominal[at] = -model.opt.gravity[2] if p.name == "gravity" else p.nominal
            self.low[at], self.high[at] = p.low, p.high
        fields = {f for p in self.parameters for f in p.fields}
        self._nominal_fields = {f: _model_field(model, f).copy() for f in sorted(fields)}

    def _absent(self, model: mujoco.MjModel) -> dict[str, str]:
        """Parameters that would do nothing on this robot, with the reason."""
        name, dofs = self.robot.name, self.layout.dofs
        why: dict[str, str] = {}
        if not self.layout.terrain:
            why |= {p.name: "needs patches of ground: set the task's option terrain=mixed, or a kind" for p in PLACES}
        if not self.layout.geom_names:
            why["friction"] = f"needs contacts; {name} touches nothing"
        if self.robot.control != "position":
            reason = f"needs position-controlled motors; {name} has torque motors"
            why |= {p.name: reason for p in PARAMETERS if p.position_only}
        for key, values in (("damping", model.dof_damping), ("armature", model.dof_armature)):
            if not values[dofs].any():
                why[key] = f"is a factor; the motors' joints of {name} have none"
        return why

    def parameter(self, key: str) -> Parameter:
        """The parameter that `key` (`name` or `name.element`) belongs to; unknown names raise with the nearest."""
        name = key.split(".")[0]
        for p in self.parameters:
            if p.name == name:
                return p
        if name in self.absent:
            raise SurefootError(f"parameter {name!r} {self.absent[name]}")
        raise unknown("parameter", name, self._slices)

    def columns(self, key: str) -> np.ndarray:
        """Column indices of `name` (all elements), `name.element`, `name.group` or `name.pattern*`.

        Raises `SurefootError`, listing what exists, when the element matches nothing.
        """
        p = self.parameter(key)
        at, elements = self._slices[p.name], self._elements[p.name]
        _, _, element = key.partition(".")
        if element in ("", "*"):
            return np.arange(at.start, at.stop)
        if not elements:
            raise SurefootError(f"parameter {p.name!r} is a single value and has no element {element!r}")
        wanted: Iterable[str] = (element,)
        if p.elements is _motors and element in self.robot.groups:
            wanted = self.robot.groups[element]
        elif p.elements in (_bodies, _turning_bodies) and element in ("torso", "base"):
            wanted = (self.robot.base,)
        picked = [i for i, e in enumerate(elements) if any(fnmatchcase(e, w) for w in wanted)]
        if not picked:
            groups = tuple(self.robot.groups) if p.elements is _motors else ()
            raise unknown(f"element of {p.name!r} on {self.robot.name}", element, groups + elements)
        return at.start + np.array(picked)

    def check(self, values: np.ndarray) -> None:
        """Raise `SurefootError` naming the first of `values` (..., K) that is not finite or outside its legal range."""
        bad = ~((values >= self.low) & (values <= self.high))
        if bad.any():
            where = tuple(np.argwhere(bad)[0])
            k = where[-1]
            raise SurefootError(
                f"illegal value {values[where]:g} for parameter {self.names[k]!r}: "
                f"expected {self.low[k]:g} to {self.high[k]:g} {self.parameter(self.names[k]).unit}"
            )

    def values(self, settings: Mapping[str, float | str]) -> np.ndarray:
        """One row (K,) from settings such as {"payload": 6, "motor_strength.front_left": 0.4}, the rest nominal.

        A flag takes names instead of a number: {"dead_actuator": "front_left"}; "none" is nominal.
        """
        row = self.nominal.copy()
        for key, value in settings.items():
            self.assign(row, key, value)
        self.check(row)
        return row

    def assign(self, row: np.ndarray, key: str, value: float | str) -> None:
        """Write one setting into `row` (K,), in place."""
        p = self.parameter(key)
        if isinstance(value, str):
            if p.law != "flag":
                raise SurefootError(f"parameter {key!r} takes a number, not {value!r}")
            row[self.columns(key)] = 0
            if value != "none":
                for name in value.split("+"):
                    row[self.columns(f"{p.name}.{name}")] = 1
        else:
            row[self.columns(key)] = value

    def changed(self, row: np.ndarray) -> dict[str, float]:
        """The settings of `row` (K,) that differ from nominal, by column name."""
        return {self.names[k]: float(row[k]) for k in np.flatnonzero(row != self.nominal)}

    def fields(self, values: np.ndarray) -> Fields:
        """Model fields (n, ...) for `values` (n, K): those that any non-nominal column writes, from nominal.

        Raises `SurefootError` for illegal values.
        """
        self.check(values)
        differs = (values != self.nominal).any(axis=0)
        used = [p for p in self.parameters if differs[self._slices[p.name]].any()]
        names = {f for p in used for f in p.fields}
        out = {f: np.repeat(self._nominal_fields[f][None], len(values), axis=0) for f in names}
        for p in used:
            p.write(out, values[:, self._slices[p.name]], self.layout)
        return out

    def nominal_field(self, field: str) -> np.ndarray:
        """The compiled value of a model field."""
        return self._nominal_fields[field]


def _model_field(model: mujoco.MjModel, field: str) -> np.ndarray:
    return np.asarray(getattr(model.opt, field[4:]) if field.startswith("opt.") else getattr(model, field))
