"""The robots that a recording was made with: their parameters over time, and what follows from them in the model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import mujoco
import numpy as np

from ..robots.errors import SurefootError
from ..robots.parameters import ParameterTable
from .recording import Recording
from .sizes import is_size, parameter_table


@dataclass(frozen=True)
class Variant:
    """A robot from one row of a recording on.

    Attributes:
        row: at which it begins. changed: parameters that differ from nominal.
        mass (nbody,) kg, centre (nbody, 3) m: of each body, the centre of mass in the body's frame.
        limit (nu,): greatest force of each actuator, N or N m; inf where the model sets none.
        believed: what the names of `Recording.inferred_names` truly are; NaN where that is not known.
    """

    row: int
    changed: Mapping[str, float]
    mass: np.ndarray
    centre: np.ndarray
    limit: np.ndarray
    believed: tuple[float, ...]


def variants(recording: Recording, model: mujoco.MjModel) -> list[Variant]:
    """The robots of a recording, in order. Parameters that the model does not know leave it as it is."""
    table, names = parameter_table(recording, model), recording.inferred_names
    return [
        _variant(row, changed, model, table, names) for row, changed in ((0, recording.parameters), *recording.changes)
    ]


def _variant(
    row: int, changed: Mapping[str, float], model: mujoco.MjModel, table: ParameterTable | None, names: Sequence[str]
) -> Variant:
    fields, believed = {}, tuple(changed.get(name, np.nan) for name in names)
    if table is not None:
        values = table.nominal.copy()
        for name, value in changed.items():
            if name in table.names and not is_size(name):  # the model has them (`sizes.resize`)
                values[table.names.index(name)] = value
        believed = tuple(_mean(table, values, name) for name in names)
        try:
            fields = {name: rows[0] for name, rows in table.fields(values[None]).items()}
        except SurefootError:  # outside of the legal range, in a file made by another program
            fields = {}
    return Variant(
        row,
        changed,
        fields.get("body_mass", model.body_mass).copy(),
        fields.get("body_ipos", model.body_ipos).copy(),
        _limits(model, fields),
        believed,
    )


def _mean(table: ParameterTable, values: np.ndarray, name: str) -> float:
    """The value of a parameter, or of a group such as motor_strength its mean."""
    try:
        return float(values[table.columns(name)].mean())
    except SurefootError:
        return np.nan


def _limits(model: mujoco.MjModel, fields: Mapping[str, np.ndarray]) -> np.ndarray:
    """Greatest force of each actuator (nu,): its own limit, or what a motor's greatest control gives; inf: none."""
    ranges, gains = (
        fields.get("actuator_forcerange", model.actuator_forcerange),
        fields.get("actuator_gainprm", model.actuator_gainprm),
    )
    limit = np.where(model.actuator_forcelimited, np.abs(ranges).max(axis=1), np.inf)
    motor = (model.actuator_biastype == mujoco.mjtBias.mjBIAS_NONE) & (
        model.actuator_gaintype == mujoco.mjtGain.mjGAIN_FIXED
    )
    by_control = np.abs(gains[:, 0]) * np.abs(model.actuator_ctrlrange).max(axis=1)
    return np.where(motor & model.actuator_ctrllimited.astype(bool), np.minimum(limit, by_control), limit)


def actuator_names(model: mujoco.MjModel) -> tuple[str, ...]:
    """Names of the actuators, or of the joints that they drive where they have none."""
    joint = np.isin(model.actuator_trntype, (mujoco.mjtTrn.mjTRN_JOINT, mujoco.mjtTrn.mjTRN_JOINTINPARENT))
    return tuple(
        model.actuator(i).name or (model.joint(model.actuator_trnid[i, 0]).name if joint[i] else "") or f"actuator {i}"
        for i in range(model.nu)
    )


def centre_of_mass(
    found: Sequence[Variant], bodies: np.ndarray, rows: np.ndarray, positions: np.ndarray, quaternions: np.ndarray
) -> np.ndarray:
    """Centre of mass (R, 3) in m of `bodies` at `rows` (R,), from all bodies' poses (R, nbody, 3) and (R, nbody, 4)."""
    which = np.searchsorted([v.row for v in found], rows, side="right") - 1
    mass = np.stack([v.mass[bodies] for v in found])[which][:, :, None]
    local = np.stack([v.centre[bodies] for v in found])[which]
    w, axis = quaternions[:, bodies, :1], quaternions[:, bodies, 1:]
    cross = 2 * np.cross(axis, local)  # a vector turned by a unit quaternion: v + w c + a x c with c = 2 a x v
    turned = local + w * cross + np.cross(axis, cross)
    return ((positions[:, bodies] + turned) * mass).sum(axis=1) / np.maximum(mass.sum(axis=1), 1e-12)


@dataclass(frozen=True)
class Foot:
    """A foot: its name, body, the point of it that touches the ground (3,) in the body's frame, m, and the columns of
    `Recording.sensor` that measure its contact force, N."""

    name: str
    body: int
    point: np.ndarray
    sensors: tuple[int, ...]


def feet(recording: Recording, model: mujoco.MjModel) -> list[Foot]:
    """The recorded feet that the model has; a capsule's point is its end away from the body's joint."""
    found = []
    for name in recording.foot_names:
        geom = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_GEOM, name)
        if geom < 0:
            continue
        body, point = int(model.geom_bodyid[geom]), model.geom_pos[geom].copy()
        if model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_CAPSULE:
            along = np.empty(3)
            mujoco.mju_rotVecQuat(along, np.array([0, 0, model.geom_size[geom, 1]]), model.geom_quat[geom])
            point = max(point + along, point - along, key=np.linalg.norm)
        found.append(Foot(name, body, point, _touch(recording, model, body, name)))
    return found


def _touch(recording: Recording, model: mujoco.MjModel, body: int, foot: str) -> tuple[int, ...]:
    """Columns of the touch sensors (normal forces, N) at a foot: at the site of its name, or else on its body."""
    sites = [
        (model.site(model.sensor_objid[i]).name, model.sensor(i).name)
        for i in np.flatnonzero(model.sensor_type == mujoco.mjtSensor.mjSENS_TOUCH)
        if model.site_bodyid[model.sensor_objid[i]] == body
    ]
    named = [sensor for site, sensor in sites if site == foot] or [sensor for _, sensor in sites]
    return tuple(recording.sensor_names.index(name) for name in named if name in recording.sensor_names)
