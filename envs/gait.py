"""What a gait is in numbers: pure functions of foot contacts, powers and ways.

Terms as in Hildebrand (1965, "Symmetrical gaits of horses"; 1989, "The quadrupedal gaits of vertebrates"): a stride goes from
one touchdown of a foot to its next, and the foot's duty factor is the share of it that the foot is on the ground.
"""

import numpy as np

SWING = 0.05  # s: a foot that is off the ground for less has bounced, not stepped


def symmetry_index(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """|left - right| over their mean (Robinson et al., 1987), elementwise; 0 where both are 0."""
    mean = (left + right) / 2
    return np.abs(left - right) / np.where(mean == 0, 1.0, mean)


def trot_share(contact: np.ndarray) -> float:
    """Share of (T, N) steps in which feet 0 and 3 agree, and feet 1 and 2; contact (T, N, 4) bool."""
    return float(((contact[..., 0] == contact[..., 3]) & (contact[..., 1] == contact[..., 2])).mean())


def touchdowns(contact: np.ndarray, dt: float) -> np.ndarray:
    """Rows (n,) at which a foot comes down after `SWING` seconds or more in the air; contact (T,) bool, `dt` seconds a row."""
    down = np.asarray(contact, bool)
    edges = np.flatnonzero(np.diff(down.astype(np.int8)))  # the last row before each change
    lifted, landed = edges[down[edges]], edges[~down[edges]] + 1
    before = np.searchsorted(lifted, landed) - 1  # the lift-off before each landing; -1: it began in the air
    return landed[(before >= 0) & ((landed - 1 - lifted[before]) * dt >= SWING - 1e-9)]


def stride_frequency(contact: np.ndarray, dt: float) -> float:
    """Strides a second of a foot: whole ones over the time that they took. contact (T,) bool; NaN for less than one stride."""
    landed = touchdowns(contact, dt)
    return (len(landed) - 1) / ((landed[-1] - landed[0]) * dt) if len(landed) > 1 else float("nan")


def duty_factor(contact: np.ndarray, dt: float) -> float:
    """Share of its strides that a foot is on the ground; contact (T,) bool. Of all the time where there is no whole stride.

    Above .5 is a walk, below it a run (Hildebrand, 1965; Alexander, 1984): with less, all feet may be in the air at once.
    """
    landed = touchdowns(contact, dt)
    rows = slice(landed[0], landed[-1]) if len(landed) > 1 else slice(None)
    return float(np.asarray(contact, bool)[rows].mean())


def positive_work(torque: np.ndarray, speed: np.ndarray, dt: float) -> np.ndarray:
    """J in each step: the sum of max(torque x speed, 0) over joints, (T, nu) both -> (T,).

    What the motors put into the robot; braking neither costs nor gives back, as in Collins et al. (2005), whereas
    `rewards.power` counts it as cost.
    """
    return np.maximum(torque * speed, 0.0).sum(axis=-1) * dt


def cost_of_transport(energy: float, mass: float, gravity: float, distance: float) -> float:
    """Energy over weight and distance, E / (m g d) with J, kg, m/s^2, m; no unit. NaN where nothing has been carried anywhere.

    Gabrielli and von Karman (1950); with positive mechanical work it is the mechanical cost of transport of Collins et al.
    (2005, "Efficient bipedal robots based on passive-dynamic walkers").
    """
    carried = mass * gravity * distance
    return energy / carried if carried > 0 else float("nan")
