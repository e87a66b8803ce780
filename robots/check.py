"""`surefoot robot check`: what was found in a robot's model, what is missing, and what looks wrong."""

from dataclasses import dataclass

import mujoco
import numpy as np

from .anatomy import Anatomy
from .catalogue import get_robot
from .derived import described, examine, hints_of, labels, loader
from .menagerie_robots import PREFIX, by_hand, menagerie_hints, menagerie_loader
from .quiet import quiet
from .robot import Robot
from .servos import at
from .source import is_file_name, read_source

DEEP = 0.003  # m: two bodies that are further into each other at home than contacts are soft
HELD = 1.0  # s that the home pose is held
UPRIGHT = 0.8  # z of the base's up axis, below which it has tipped over (37 degrees)
SAGGED = 0.25  # rad that a held joint may be off
LIGHTEST, HEAVIEST = 0.05, 2000.0  # kg, of a whole robot that anybody builds


@dataclass(frozen=True)
class RobotCheck:
    """What `check_robot` found.

    Attributes:
        robot: it. rows: (what, found) as text, to be printed.
        warnings: what looks wrong or is missing, one line each; a robot with warnings can still be trained.
    """

    robot: Robot
    rows: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]


def check_robot(name: str) -> RobotCheck:
    """Look at a robot of the catalogue, of Menagerie or of a file.

    Raises `SurefootError` for one that cannot be used at all.
    """
    found = raw = None
    if is_file_name(name):
        source = read_source(name)
        name, hints = str(source.path), hints_of(source)
        load = loader(source, hints)
        found, raw = examine(name, load, hints)
        robot = described(name, load, hints, found, source.digest)
    elif name.startswith(PREFIX) and not by_hand(name):
        load, hints = menagerie_loader(name), menagerie_hints(name)
        found, raw = examine(name, load, hints)
        robot = described(name, load, hints, found)
    else:
        robot = get_robot(name)
    model = robot.compile()
    warnings = [*_of_masses(robot, model)]
    if found is not None and raw is not None:
        warnings += [*_of_anatomy(found), *_of_limits(raw, found), *_of_penetrations(raw, np.array(found.home))]
    fell, held = hold(robot, model)
    warnings += fell
    return RobotCheck(robot, tuple(_rows(robot, model, found, held)), tuple(warnings))


# --- What was found -----------------------------------------------------------------------------------------------------


def _rows(robot: Robot, model: mujoco.MjModel, found: Anatomy | None, held: str) -> list[tuple[str, str]]:
    floats = model.njnt > 0 and int(model.jnt_type[0]) == int(mujoco.mjtJoint.mjJNT_FREE)
    kp, kd, effort = model.actuator_gainprm[:, 0], -model.actuator_biasprm[:, 2], model.actuator_forcerange[:, 1]
    names = [model.actuator(i).name or model.joint(model.actuator_trnid[i, 0]).name for i in range(model.nu)]
    data = at(model, robot.home_qpos(model))
    rows = [
        ("robot", robot.name),
        ("base" if robot.tool is None else "hand", f"{robot.base} ({'floats' if floats else 'fixed to the world'})"),
        ("feet", ", ".join(robot.feet) or "none"),
        *([("tool", f"{_place(found.tool)} m in the hand's frame")] if found is not None and found.tool else []),
        ("actuators", f"{model.nu}: {', '.join(names[:4])}{', …' * (model.nu > 4)}"),
    ]
    if found is not None and found.feet:
        rows.append(("legs", ", ".join(labels(found.feet))))
    if robot.control == "position":
        torque = "torque motors, made PD servos" if found is not None and found.torque else "PD servos"
        limits = f", at most {_span(effort)} N m" if effort.any() else ""
        rows.append(("control", f"{torque}: kp {_span(kp)} N m/rad, kd {_span(kd)} N m s/rad{limits}"))
        where = "from the home pose" if robot.tool is None else "in a control step"
        rows.append(("action", f"±1 is ±{_span(np.atleast_1d(robot.action_scale))} rad {where}"))
    else:
        rows.append(("control", "torque motors"))
    stance = f", from {found.stance}" if found is not None else ""
    rows += [
        (
            "control period",
            f"{robot.control_dt:g} s, {robot.substeps(model)} physics steps of {model.opt.timestep:.4g} s",
        ),
        ("home pose", f"base at {data.body(robot.base).xpos[2]:.3f} m{stance}"),
        ("held for 1 s", held),
        ("mass", f"{model.body_subtreemass[0]:.2f} kg in {int((model.body_mass > 0).sum())} bodies"),
        ("symmetry", f"{len(robot.symmetry.index)} motors mirrored" if robot.symmetry else "none found"),
        ("motor groups", ", ".join(robot.groups) or "none"),
    ]
    if robot.fallen_height is not None:
        rows.append(("fallen", f"base below {robot.fallen_height:.3f} m"))
    return rows


def _place(xyz: tuple[float, float, float]) -> str:
    return f"({', '.join(f'{x:.3f}' for x in xyz)})"


def _span(values: np.ndarray) -> str:
    low, high = float(np.min(values)), float(np.max(values))
    return f"{low:.3g}" if low == high else f"{low:.3g} to {high:.3g}"


# --- What looks wrong ---------------------------------------------------------------------------------------------------


def _of_masses(robot: Robot, model: mujoco.MjModel) -> list[str]:
    found = []
    mass = float(model.body_subtreemass[0])
    if not LIGHTEST <= mass <= HEAVIEST:
        found.append(f"the whole robot weighs {mass:.3g} kg: are the file's units kg and m?")
    moved = [int(model.jnt_bodyid[j]) for j in range(model.njnt)]
    empty = [model.body(b).name for b in dict.fromkeys(moved) if model.body_mass[b] <= 0]
    if empty:
        found.append(f"bodies that move but weigh nothing themselves: {', '.join(empty)}")
    return found


def _of_anatomy(found: Anatomy) -> list[str]:
    warnings = []
    if found.floats and not found.feet:
        warnings.append(
            "no feet found: nothing that ends a chain of joints is near the ground at home (feet: in the YAML)"
        )
    elif found.floats and len(found.feet) == 1:
        warnings.append(f"only one foot found: {found.feet[0].name}")
    if found.guessed:
        warnings.append(
            f"gains are guesses from weight, height and inertia (kp and kd: in the YAML): {_some(found.guessed)}"
        )
    unlimited = [servo.joint for servo in found.servos if not servo.effort]
    if unlimited:
        warnings.append(f"no torque limit: {_some(unlimited)}")
    if found.passive and found.floats:
        warnings.append(f"joints without a motor, which tasks on legs do not expect: {_some(found.passive)}")
    if found.symmetry is None and found.floats:
        warnings.append("no left-right symmetry found: `--hyper mirror=true` is not possible")
    return warnings


def _of_limits(model: mujoco.MjModel, found: Anatomy) -> list[str]:
    warnings = []
    for j in np.flatnonzero(model.jnt_limited):
        value, (low, high) = found.home[model.jnt_qposadr[j]], model.jnt_range[j]
        if not low - 1e-4 <= value <= high + 1e-4:
            warnings.append(
                f"at home, joint {model.joint(j).name!r} is at {value:.3g}: outside {low:.3g} to {high:.3g}"
            )
    return warnings


def _of_penetrations(model: mujoco.MjModel, home: np.ndarray) -> list[str]:
    """Bodies that are deep in each other, with all collisions of the file."""
    data = at(model, home)
    mujoco.mj_collision(model, data)
    deepest: dict[tuple[str, str], float] = {}
    for contact in data.contact:
        bodies = [model.body(model.geom_bodyid[g]).name for g in (contact.geom1, contact.geom2)]
        pair = (min(bodies), max(bodies))
        deepest[pair] = min(deepest.get(pair, 0.0), float(contact.dist))
    return [
        f"at home, {one!r} is {-1000 * dist:.0f} mm inside {other!r}"
        for (one, other), dist in deepest.items()
        if dist < -DEEP
    ]


def _some(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def hold(robot: Robot, model: mujoco.MjModel) -> tuple[list[str], str]:
    """Warnings, and one line of what became of the home pose when its servos held it (torque motors: gave nothing)."""
    data = mujoco.MjData(model)
    home = robot.home_qpos(model)
    data.qpos[:] = home
    joints = model.actuator_trnid[:, 0]
    where = model.jnt_qposadr[joints]
    if robot.control == "position":
        data.ctrl[:] = home[where]
    mujoco.mj_forward(model, data)
    base = model.body(robot.base).id
    before = float(data.xpos[base, 2])
    for _ in range(round(HELD / model.opt.timestep)):
        with quiet():
            mujoco.mj_step(model, data)
        if data.warning[mujoco.mjtWarning.mjWARN_BADQACC].number or not np.isfinite(data.qpos).all():
            return ["the simulation diverges while the home pose is held: gains too stiff for the masses?"], "diverged"
    if robot.control != "position":
        return [], "not held: torque motors"
    off = np.abs(data.qpos[where] - home[where])
    if int(model.jnt_type[0]) != int(mujoco.mjtJoint.mjJNT_FREE):
        said = f"largest deviation of a joint {off.max():.2f}"
        return ([f"at home, joint {model.joint(joints[off.argmax()]).name!r} sags"] if off.max() > SAGGED else []), said
    up, drop = float(data.xmat[base, 8]), before - float(data.xpos[base, 2])
    said = f"base {1000 * drop:.0f} mm lower, tilted by {np.degrees(np.arccos(np.clip(up, -1, 1))):.0f}°"
    warnings = []
    if up < UPRIGHT or data.xpos[base, 2] < (robot.fallen_height or 0.5 * before):
        warnings.append(f"unstable: it falls within {HELD:g} s when the home pose is held ({said})")
    elif off.max() > SAGGED:
        warnings.append(f"weak: joint {model.joint(joints[off.argmax()]).name!r} is {off.max():.2f} rad off when held")
    return warnings, said
