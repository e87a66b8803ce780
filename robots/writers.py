"""How each parameter is written into model fields.

Fields hold the nominal rows (n, ...) of the worlds being written; values are (n, elements).
"""

import numpy as np

from .layout import Layout

Fields = dict[str, np.ndarray]
AIR_DENSITY = 1.225  # kg/m^3 at sea level and 15 degrees: International Standard Atmosphere (ISO 2533)
LOCK = 1e3  # N m of dry friction: more than any motor here gives
PAYLOAD_DENSITY = 1000.0  # kg/m^3: the payload is a solid cube of water's density at the base's centre of mass


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
    """For what acts elsewhere: geometry (`shape`), forces and motors' limits (`Simulation`), sensors (`envs.sensors`)."""


def write_contact_stiffness(f: Fields, v: np.ndarray, at: Layout) -> None:
    # MuJoCo's reference acceleration has stiffness 1 / (t^2 z^2) and damping 2 / t of time constant t and damping ratio z;
    # with two negative numbers they are stiffness and damping themselves.
    direct = f["geom_solref"][:, :, 0] < 0
    f["geom_solref"][:, :, 0] *= np.where(direct, v, 1.0)
    f["geom_solref"][:, :, 1] /= np.where(direct, 1.0, np.sqrt(v))


def write_contact_damping(f: Fields, v: np.ndarray, at: Layout) -> None:
    direct = f["geom_solref"][:, :, 0] < 0
    f["geom_solref"][:, :, 0] /= np.where(direct, 1.0, v)
    f["geom_solref"][:, :, 1] *= v  # t z, and with it the stiffness, stays


def write_contact_softness(f: Fields, v: np.ndarray, at: Layout) -> None:
    # Of impedance d MuJoCo makes the regularisation (1 - d) / d; `write_friction` multiplies the same, in either order.
    d = f["geom_solimp"][:, :, :2]
    f["geom_solimp"][:, :, :2] = d / (d + v[:, :, None] * (1 - d))


def write_encoder_offset(f: Fields, v: np.ndarray, at: Layout) -> None:
    # The servo holds what its encoder reads at the target: kp (target - q - offset).
    f["actuator_biasprm"][:, :, 0] += f["actuator_biasprm"][:, :, 1] * v


def write_torque_speed(f: Fields, v: np.ndarray, at: Layout) -> None:
    # Where a motor is limited by its control range alone, the limit that falls with speed needs that as a force range.
    rows, motors = np.nonzero((v != 0) & (f["actuator_forcelimited"] == 0))
    gain = f["actuator_gainprm"][rows, motors, 0] / at.gain[motors]
    f["actuator_forcerange"][rows, motors] = at.torque_limit[motors] * gain[:, None]
    f["actuator_forcelimited"][rows, motors] = 1


def write_locked_joint(f: Fields, v: np.ndarray, at: Layout) -> None:
    f["dof_frictionloss"][:, at.dofs] += LOCK * v
    before = f["dof_solimp"][:, at.dofs, :2]
    # Softer it creeps (this holds it within .03 rad); harder, the quadruped's ten iterations of Newton's method do not do.
    f["dof_solimp"][:, at.dofs, :2] = np.where(v[:, :, None] > 0, 0.99, before)


def write_fluid_density(f: Fields, v: np.ndarray, at: Layout) -> None:
    f["opt.density"][:] = v[:, 0]


def write_viscosity(f: Fields, v: np.ndarray, at: Layout) -> None:
    f["opt.viscosity"][:] = v[:, 0]


def write_wind(f: Fields, v: np.ndarray, at: Layout) -> None:
    f["opt.wind"][:, ["xyz".index(axis) for axis in at.axes]] = v
    still = f["opt.density"] == 0
    f["opt.density"][:] = np.where(still & (v != 0).any(axis=1), AIR_DENSITY, f["opt.density"])
