"""The PD servos of a derived robot: from the actuators of its model, with gains and a physics step where it has none."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import mujoco
import numpy as np

from .errors import SurefootError, unknown
from .hints import Hints, by_joint

STEP = 0.005  # s, the longest physics step, as of quadruped.xml
SECONDS = 1 / 40  # kd / kp where the model has torque motors: 5/200 of Unitree's H1, .5/35 of the Go1
# As plain numbers: one of MuJoCo's enumerations is not `in` a tuple of them once it comes out of an array.
HINGE, SLIDE, FREE = (
    int(k) for k in (mujoco.mjtJoint.mjJNT_HINGE, mujoco.mjtJoint.mjJNT_SLIDE, mujoco.mjtJoint.mjJNT_FREE)
)
ON_JOINTS = (int(mujoco.mjtTrn.mjTRN_JOINT), int(mujoco.mjtTrn.mjTRN_JOINTINPARENT))
ON_TENDON, MUSCLE = int(mujoco.mjtTrn.mjTRN_TENDON), int(mujoco.mjtDyn.mjDYN_MUSCLE)


@dataclass(frozen=True)
class Servo:
    """A PD servo of one joint: torque = kp (target - q) - kd q', at most `effort` (0: no limit). SI units."""

    name: str
    joint: str
    kp: float
    kd: float
    effort: float
    low: float
    high: float


def at(model: mujoco.MjModel, qpos: np.ndarray) -> mujoco.MjData:
    """The model in a pose, with positions, axes and inertias worked out."""
    data = mujoco.MjData(model)
    data.qpos[:] = qpos
    mujoco.mj_kinematics(model, data)
    mujoco.mj_comPos(model, data)
    mujoco.mj_makeM(model, data)
    return data


def servos_of(
    name: str, model: mujoco.MjModel, home: np.ndarray, hints: Hints, height: float | None
) -> tuple[tuple[Servo, ...], bool, tuple[str, ...]]:
    """One servo for each driven joint, in the order of the joints; whether any was a torque motor; joints with guessed gains.

    Gains of torque motors: kp is what holds the whole weight up on a leg of the base's height (m g h), or for an arm what
    swings its link at 50 rad/s; never more than what one physics step can follow or what saturates within .3 rad.
    """
    found: dict[int, list[float]] = {}
    names: dict[int, str] = {}
    for i in range(model.nu):
        joint, gear = _driven(name, model, i), abs(float(model.actuator_gear[i, 0]))
        affine = int(model.actuator_biastype[i]) == int(mujoco.mjtBias.mjBIAS_AFFINE)
        bias = model.actuator_biasprm[i] if affine else np.zeros(3)
        before = found.setdefault(joint, [0.0, 0.0, 0.0])
        most = max(before[2], _effort(model, i, joint, gear))
        found[joint] = [before[0] - float(bias[1]) * gear**2, before[1] - float(bias[2]) * gear**2, most]
        names.setdefault(joint, model.actuator(i).name or model.joint(joint).name)
    all_joints = [j for j in range(model.njnt) if model.jnt_type[j] in (HINGE, SLIDE)]
    for pattern in hints.actuators if not model.nu else ():
        fits = [j for j in all_joints if fnmatchcase(model.joint(j).name, pattern)]
        if not fits:
            raise unknown(f"joint in 'actuators' of robot {name!r}", pattern, [model.joint(j).name for j in all_joints])
        for j in fits:
            found[j] = [0.0, 0.0, _limit(model, j)]
            names[j] = model.joint(j).name
    if not found:
        raise SurefootError(f"robot {name!r}: the model has no actuators, so nothing can be controlled")
    joints = sorted(found)
    labels = [model.joint(j).name for j in joints]
    kp, kd, said = np.array([found[j] for j in joints]).T
    effort = np.array(by_joint(name, "effort", hints.effort, labels, said.tolist()))
    torque = kp <= 0
    chosen = _gains(model, home, joints, effort, height)
    # A motor with damping only (a velocity servo) keeps it.
    kd = np.where(torque & (kd <= 0), chosen * (SECONDS if height is not None else 2 / 50), kd)
    told = np.isfinite(by_joint(name, "kp", hints.kp, labels, [np.nan] * len(labels)))
    guessed = tuple(label for label, yes in zip(labels, torque & ~told, strict=True) if yes)
    kp = np.where(torque, chosen, kp)
    kps = by_joint(name, "kp", hints.kp, labels, kp.tolist())
    kds = by_joint(name, "kd", hints.kd, labels, kd.tolist())
    servos = []
    for n, j in enumerate(joints):
        low, high = model.jnt_range[j] if model.jnt_limited[j] else (-np.pi, np.pi)
        servos.append(Servo(names[j], labels[n], kps[n], kds[n], float(effort[n]), float(low), float(high)))
    return tuple(servos), bool(torque.any()), guessed


def _driven(name: str, model: mujoco.MjModel, i: int) -> int:
    """The joint that actuator i drives; of a tendon, the first (others of it follow by an equality)."""
    target, kind = int(model.actuator_trnid[i, 0]), int(model.actuator_trntype[i])
    what = model.actuator(i).name or f"number {i}"
    if int(model.actuator_dyntype[i]) == MUSCLE or kind not in (*ON_JOINTS, ON_TENDON):
        raise SurefootError(f"robot {name!r}: actuator {what!r} is neither a motor nor a servo of a joint")
    if kind == ON_TENDON:
        first = model.tendon_adr[target]
        if int(model.wrap_type[first]) != int(mujoco.mjtWrap.mjWRAP_JOINT):
            raise SurefootError(f"robot {name!r}: actuator {what!r} pulls a tendon, which is not a motor of a joint")
        target = int(model.wrap_objid[first])
    if model.jnt_type[target] not in (HINGE, SLIDE):
        raise SurefootError(f"robot {name!r}: actuator {what!r} drives a ball or free joint: expected a hinge or slide")
    return target


def _limit(model: mujoco.MjModel, joint: int) -> float:
    """Largest torque that the joint itself allows, N m; 0: it does not say."""
    return float(np.abs(model.jnt_actfrcrange[joint]).max()) if model.jnt_actfrclimited[joint] else 0.0


def _effort(model: mujoco.MjModel, i: int, joint: int, gear: float) -> float:
    """Largest torque of an actuator at its joint, N m: the smallest of the limits that the model has; 0: none."""
    limits = [_limit(model, joint)]
    if model.actuator_forcelimited[i]:
        limits.append(float(np.abs(model.actuator_forcerange[i]).max()) * gear)
    if model.actuator_ctrllimited[i] and int(model.actuator_biastype[i]) == int(mujoco.mjtBias.mjBIAS_NONE):
        limits.append(float(np.abs(model.actuator_ctrlrange[i]).max() * abs(model.actuator_gainprm[i, 0])) * gear)
    return min((x for x in limits if x > 0), default=0.0)


def _gains(
    model: mujoco.MjModel, home: np.ndarray, joints: list[int], effort: np.ndarray, height: float | None
) -> np.ndarray:
    """kp of each joint, N m/rad, where there are torque motors only (see `servos_of`)."""
    inverse = np.diag(_inverse_mass(model, home))[model.jnt_dofadr[joints]]
    if height is not None:
        weight = float(model.body_subtreemass[0]) * float(np.linalg.norm(model.opt.gravity)) or 1.0
        wanted = np.full(len(joints), weight * height)
    else:
        wanted = 50.0**2 / inverse
    most = np.where(effort > 0, effort / 0.3, np.inf)
    return np.minimum(np.minimum(wanted, most), 1 / (STEP**2 * inverse))


def _inverse_mass(model: mujoco.MjModel, home: np.ndarray) -> np.ndarray:
    data = at(model, home)
    mass = np.zeros((model.nv, model.nv))
    mujoco.mj_fullM(model, data, mass)
    return np.linalg.inv(mass)


def longest_step(
    model: mujoco.MjModel, home: np.ndarray, servos: Sequence[Servo], motors: Sequence[int], control_dt: float
) -> float:
    """The longest step up to `STEP` that divides the control period and follows the stiffest swing of servos and masses.

    Semi-implicit Euler is stable up to step x angular frequency = 2; 1.5 leaves room for other poses and drawn gains.
    """
    stiffness = np.zeros(model.nv)
    stiffness[model.jnt_dofadr[list(motors)]] = [servo.kp for servo in servos]
    root = np.sqrt(stiffness)
    fastest = float(np.sqrt(np.linalg.eigvalsh(root[:, None] * _inverse_mass(model, home) * root)[-1]))
    longest = min(STEP, 1.5 / max(fastest, 1e-9))
    return control_dt / max(1, int(np.ceil(control_dt / longest - 1e-9)))
