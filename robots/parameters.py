"""The physical quantities in which robots can differ.

Every value is relative to the compiled nominal model, so nothing compounds and writing the nominal restores the model
exactly. A table has K columns: one for each element (motor, body, geom, axis) of each parameter that the robot has.
`writers` and `shape` turn values into model fields.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Literal

import mujoco
import numpy as np

from . import shape
from .errors import SurefootError, unknown
from .layout import Layout, layout_of
from .moments import Moment, split_moment
from .robot import Robot
from .writers import (
    Fields,
    write_armature,
    write_com,
    write_contact_damping,
    write_contact_softness,
    write_contact_stiffness,
    write_damping,
    write_dead_actuator,
    write_delay,
    write_encoder_offset,
    write_fluid_density,
    write_friction,
    write_frictionloss,
    write_gravity,
    write_inertia,
    write_kd,
    write_kp,
    write_locked_joint,
    write_mass,
    write_motor_strength,
    write_nothing,
    write_payload,
    write_torque_speed,
    write_viscosity,
    write_wind,
)

__all__ = ["PARAMETERS", "Fields", "Layout", "Parameter", "ParameterTable", "layout_of"]


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
        source: where the law comes from, where it is not plain mechanics.
        position_only: it needs position servos.
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
    source: str = ""


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


def _shaped(at: Layout) -> tuple[str, ...]:
    return at.shaped_names


def _long(at: Layout) -> tuple[str, ...]:
    return tuple(at.shaped_names[i] for i in at.long)


def _feet(at: Layout) -> tuple[str, ...]:
    return at.feet_names


def _space(at: Layout) -> tuple[str, ...]:
    return ("x", "y", "z")


def _sensors(at: Layout) -> tuple[str, ...]:
    """What is measured: positions (rad, m), velocities (rad/s, m/s), and of a free base of servos what an IMU gives."""
    return ("position", "velocity", *(("speed", "gyro", "gravity") if at.free and at.position_control else ()))


_SERVO = ("actuator_gainprm", "actuator_biasprm", "actuator_forcerange")

_LIMITS = ("actuator_forcelimited", "actuator_forcerange", "actuator_gainprm")

# In the order in which they are applied: mass comes after geometry, payload after mass, so that it weighs what it says.
PARAMETERS: tuple[Parameter, ...] = (
    Parameter("size", "1", "scale", 1, 0.3, 3, shape.FIELDS, write_nothing, _single,
              "factor on every length of the robot; masses grow with its cube"),
    Parameter("length", "1", "scale", 1, 0.3, 3, shape.FIELDS, write_nothing, _long,
              "factor on a body along its long axis: a link's length"),
    Parameter("girth", "1", "scale", 1, 0.3, 3, shape.FIELDS, write_nothing, _shaped,
              "factor on a body across its long axis: a link's thickness, a trunk's width and height"),
    Parameter("foot_size", "1", "scale", 1, 0.3, 3, shape.FIELDS, write_nothing, _feet,
              "factor on a foot's radius"),
    Parameter("mass", "1", "scale", 1, 0.05, 20, ("body_mass", "body_inertia"), write_mass, _bodies,
              "factor on a body's mass and, with it, its inertia"),
    Parameter("inertia", "1", "scale", 1, 0.05, 20, ("body_inertia",), write_inertia, _turning_bodies,
              "factor on a body's inertia alone"),
    Parameter("payload", "kg", "offset", 0, 0, 200, ("body_mass", "body_inertia"), write_payload, _single,
              "load at the base's centre of mass (a solid cube of 1000 kg/m^3)"),
    Parameter("com", "m", "offset", 0, -0.5, 0.5, ("body_ipos",), write_com, _axes,
              "shift of the base's centre of mass"),
    Parameter("friction", "1", "scale", 1, 0.001, 10, ("geom_friction", "geom_solimp"), write_friction, _geoms,
              "factor on the friction (sliding, spinning, rolling) of a geom's contacts"),
    Parameter("contact_stiffness", "1", "scale", 1, 0.1, 10, ("geom_solref",), write_contact_stiffness, _single,
              "factor on the stiffness of contacts", source="MuJoCo, Modeling: solver parameters, solref"),
    Parameter("contact_damping", "1", "scale", 1, 0.1, 10, ("geom_solref",), write_contact_damping, _single,
              "factor on the damping of contacts", source="MuJoCo, Modeling: solver parameters, solref"),
    Parameter("contact_softness", "1", "scale", 1, 0.1, 10, ("geom_solimp",), write_contact_softness, _single,
              "factor on the regularisation (1 - d) / d of contacts: how far they give way",
              source="MuJoCo, Modeling: solver parameters, solimp"),
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
    Parameter("encoder_offset", "rad", "offset", 0, -0.5, 0.5, ("actuator_biasprm",), write_encoder_offset, _motors,
              "what a joint's encoder reads too much, for its servo and in observations", position_only=True),
    Parameter("motor_strength", "1", "scale", 1, 0, 5, _SERVO, write_motor_strength, _motors,
              "factor on a motor's torque and torque limit"),
    Parameter("dead_actuator", "0/1", "flag", 0, 0, 1, _SERVO, write_dead_actuator, _motors,
              "1: the motor gives no torque at all"),
    Parameter("torque_speed", "s/rad", "absolute", 0, 0, 10, _LIMITS, write_torque_speed, _motors,
              "1 / no-load speed: from half of it on, a motor's largest torque falls linearly to 0",
              source="DC motor as in Isaac Lab's DCMotor: clip(saturation (1 - v / v0), 0, 1), saturation 2"),
    Parameter("locked_joint", "0/1", "flag", 0, 0, 1, ("dof_frictionloss", "dof_solimp"), write_locked_joint, _motors,
              "1: the motor's joint is stuck where it is"),
    Parameter("delay", "s", "absolute", 0, 0, 0.1, ("actuator_delay",), write_delay, _motors,
              "time between a command and its torque"),
    Parameter("gravity", "m/s^2", "absolute", np.nan, 0, 50, ("opt.gravity",), write_gravity, _single,
              "gravity, downwards"),
    Parameter("fluid_density", "kg/m^3", "absolute", np.nan, 0, 5000, ("opt.density",), write_fluid_density, _single,
              "density of the fluid around the robot: drag and lift of each body's inertia box",
              source="MuJoCo, Computation: passive forces, inertia-based fluid model"),
    Parameter("viscosity", "Pa s", "absolute", np.nan, 0, 100, ("opt.viscosity",), write_viscosity, _single,
              "viscosity of the fluid around the robot", source="MuJoCo, Computation: passive forces"),
    Parameter("wind", "m/s", "offset", 0, -50, 50, ("opt.wind", "opt.density"), write_wind, _axes,
              "velocity of the fluid; where the robot has none, of air of 1.225 kg/m^3", source="ISO 2533"),
    Parameter("force", "N", "offset", 0, -2000, 2000, (), write_nothing, _axes,
              "a steady force on the base, in the world's axes: a sustained push"),
    Parameter("impulse", "N s", "offset", 0, -500, 500, (), write_nothing, _axes,
              "a blow to the base within one control step, when an episode begins or a change in it says so"),
    Parameter("sensor_noise", "unit of the sensor", "absolute", 0, 0, 20, (), write_nothing, _sensors,
              "standard deviation of normal noise, drawn anew at every observation"),
    Parameter("sensor_bias", "unit of the sensor", "absolute", 0, 0, 20, (), write_nothing, _sensors,
              "standard deviation of a constant error of each number, drawn anew for every episode"),
    Parameter("imu_rotation", "rad", "offset", 0, -0.5, 0.5, (), write_nothing, _space,
              "by how much the IMU is turned on the base: a rotation vector", position_only=True),
    Parameter("imu_position", "m", "offset", 0, -1, 1, (), write_nothing, _space,
              "where on the base the IMU is, whose velocity is measured", position_only=True),
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
            of_model = {
                "gravity": -model.opt.gravity[2],
                "fluid_density": model.opt.density,
                "viscosity": model.opt.viscosity,
            }
            self.nominal[at] = of_model.get(p.name, p.nominal)
            self.low[at], self.high[at] = p.low, p.high
            if p.name == "contact_damping":
                self.high[at] = max(1.0, min(p.high, self.layout.damping_limit))
        self._model = model
        fields = {f for p in self.parameters for f in p.fields}
        self._nominal_fields = {f: _model_field(model, f).copy() for f in sorted(fields)}

    def _absent(self, model: mujoco.MjModel) -> dict[str, str]:
        """Parameters that would do nothing on this robot, with the reason."""
        name, dofs = self.robot.name, self.layout.dofs
        why: dict[str, str] = {}
        if not self.layout.terrain:
            why |= {p.name: "needs patches of ground: set the task's option terrain=mixed, or a kind" for p in PLACES}
        if not self.layout.geom_names:
            contacts = ("friction", "contact_stiffness", "contact_damping", "contact_softness")
            why |= dict.fromkeys(contacts, f"needs contacts; {name} touches nothing")
        if not self.layout.feet_names:
            why["foot_size"] = f"needs feet; {name} names none"
        if not np.isfinite(self.layout.torque_limit).all():
            why["torque_speed"] = f"needs motors with a largest torque; {name} has one without"
        if self.robot.control != "position":
            reason = f"needs position-controlled motors; {name} has torque motors"
            why |= {p.name: reason for p in PARAMETERS if p.position_only}
        elif not self.layout.free:
            why |= dict.fromkeys(
                ("imu_rotation", "imu_position"), f"needs a base that moves freely; that of {name} is held"
            )
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
        _, dot, element = key.partition(".")
        if not dot or element == "*":
            return np.arange(at.start, at.stop)
        if not elements:
            raise SurefootError(f"parameter {p.name!r} is a single value and has no element {element!r}")
        wanted: Iterable[str] = (element,)
        if p.elements is _motors and element in self.robot.groups:
            wanted = self.robot.groups[element]
        elif p.elements in (_bodies, _turning_bodies, _shaped, _long) and element in ("torso", "base"):
            wanted = (self.robot.base,)
        picked = [i for i, e in enumerate(elements) if any(fnmatchcase(e, w) for w in wanted)]
        if not picked and p.elements in (_shaped, _long):  # a part of the name: all thighs
            picked = [i for i, e in enumerate(elements) if element in e.split("_")]
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
            unit = self.parameter(self.names[k]).unit
            raise SurefootError(
                f"illegal value {values[where]:g} for parameter {self.names[k]!r}: "
                f"expected {self.low[k]:g} to {self.high[k]:g}{'' if unit == '1' else f' {unit}'}"
            )

    def check_keys(self, keys: Iterable[str]) -> None:
        """Raise `SurefootError` for a setting that leaves nothing of one before it: "payload" twice, in whichever spelling."""
        before: dict[str, tuple[Moment | None, set[int]]] = {}
        for key in keys:
            when, now = self._said(key)
            for earlier, (then, columns) in before.items():
                if then == when and columns <= now:
                    if key == earlier:
                        raise SurefootError(f"{key!r} is given twice, as what is fixed and as what varies")
                    raise SurefootError(
                        f"{key!r} leaves nothing of {earlier!r}: give one of them, or the narrower one last"
                    )
            before[key] = when, now

    def covers(self, key: str, other: str) -> bool:
        """Whether setting `key` leaves nothing of setting `other`."""
        (when, columns), (then, others) = self._said(key), self._said(other)
        return when == then and others <= columns

    def _said(self, key: str) -> tuple[Moment | None, set[int]]:
        name, moment = split_moment(key)
        return moment, set(self.columns(name.removesuffix(".*")).tolist())

    def values(self, settings: Mapping[str, float | str]) -> np.ndarray:
        """One row (K,) from settings such as {"payload": 6, "motor_strength.front_left": 0.4}, the rest nominal.

        A flag takes names instead of a number: {"dead_actuator": "front_left"}; "none" is nominal. Settings for later,
        such as "payload@5", are checked and left out (`moments`).
        """
        self.check_keys(settings)
        row = self.nominal.copy()
        later = row.copy()
        for key, value in settings.items():
            name, moment = split_moment(key)
            self.assign(row if moment is None else later, name, value)
        self.check(row)
        self.check(later)
        return row

    def assign(self, row: np.ndarray, key: str, value: float | str) -> None:
        """Write one setting into `row` (K,), in place."""
        p = self.parameter(key)
        if isinstance(value, str):
            if p.law != "flag" or (key != p.name and value != "none"):
                raise SurefootError(f"parameter {key!r} takes a number, not {value!r}")
            row[self.columns(key)] = 0
            if value != "none":
                for name in value.split("+"):
                    row[self.columns(f"{p.name}.{name}")] = 1
        elif p.law == "flag" and value not in (0, 1):
            raise SurefootError(f"illegal value {value:g} for parameter {key!r}: expected 0 or 1, or names of elements")
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
        if any(p.fields is shape.FIELDS for p in used):
            self.shape.write(out, *self._sizes(values))
        for p in used:
            p.write(out, values[:, self._slices[p.name]], self.layout)
        return out

    @cached_property
    def shape(self) -> shape.Shape:
        """The robot's geometry."""
        return shape.Shape(self.robot, self._model, self.layout)

    def _sizes(self, values: np.ndarray) -> tuple[np.ndarray, ...]:
        nothing = np.ones((len(values), 0))
        names = ("size", "length", "girth", "foot_size")
        return tuple(values[:, self._slices[n]] if n in self._slices else nothing for n in names)

    def reshapes(self, values: np.ndarray) -> bool:
        """Whether any of `values` (n, K) changes the geometry."""
        return any((sizes != 1).any() for sizes in self._sizes(values))

    def nominal_field(self, field: str) -> np.ndarray:
        """The compiled value of a model field."""
        return self._nominal_fields[field]


def _model_field(model: mujoco.MjModel, field: str) -> np.ndarray:
    return np.asarray(getattr(model.opt, field[4:]) if field.startswith("opt.") else getattr(model, field))
