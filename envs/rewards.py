"""Reward terms of legged locomotion and of arms: small pure functions of arrays with N worlds first.

Each returns the raw, unweighted term, (N,). Formulas after MuJoCo Playground's Go1 joystick task and mjlab's velocity
task; where they differ it is said.
"""

import numpy as np

Array = np.ndarray
TRACKING_SIGMA = 0.25  # exp(-error^2 / sigma), as in legged_gym, Playground and the walking bar


def total(x: Array) -> Array:
    """Sum over the last axis, (N, k) -> (N,): column by column, so that the bits do not depend on the number of worlds."""
    out = x[:, 0].copy()
    for k in range(1, x.shape[1]):
        out += x[:, k]
    return out


def tracking(error_squared: Array, sigma: float = TRACKING_SIGMA) -> Array:
    """exp(-e^2 / sigma) of a squared tracking error (N,)."""
    return np.exp(error_squared * (-1.0 / sigma))


def squared(x: Array) -> Array:
    """Sum of squares over the last axis: (N, k) -> (N,)."""
    return total(np.square(x))


def pose(deviation: Array, weights: Array) -> Array:
    """exp(-sum of weighted squared deviations from the home pose); deviation (N, nu), weights (nu,)."""
    return np.exp(-total(np.square(deviation) * weights))


def outside_limits(q: Array, middle: Array, half: Array) -> Array:
    """Radians beyond the soft joint limits middle +- half, summed over joints."""
    return total(np.maximum(np.abs(q - middle) - half, 0))


def power(torque: Array, velocity: Array) -> Array:
    """Sum of absolute mechanical powers, W."""
    return total(np.abs(torque * velocity))


def foot_slip(speed_squared: Array, contact: Array) -> Array:
    """Squared horizontal speed of the feet that touch the ground; both (N, F) -> (N,)."""
    return total(speed_squared * contact)


def foot_clearance(height: Array, speed_squared: Array, wanted: float) -> Array:
    """Distance of the feet from their swing height, weighted with the root of their horizontal speed (N, F) -> (N,)."""
    return total(np.abs(height - wanted) * np.sqrt(np.sqrt(speed_squared)))


def share(contact: Array) -> Array:
    """Share of the feet that touch the ground; (N, F) -> (N,)."""
    return total(contact.astype(np.float32)) / contact.shape[1]


def gait_clock(contact: Array, first: Array, sine: Array) -> Array:
    """Share of the feet in step with a clock: its first group is down while the others are up, then the others; in [0, 1].

    contact (N, F); first (F,) bool, which feet are of the first group; sine (N,) of the clock.
    """
    down = contact.astype(np.float32)
    lead = total(np.where(first, down, -down))  # feet of the first group that are down, less the others'
    up = np.float32(np.count_nonzero(~first))  # feet in step besides: those of the other group that are up
    lead_in_step, feet = lead + up, np.float32(len(first))
    return np.where(sine >= 0, lead_in_step, feet - lead_in_step) * np.float32(1 / feet)


def along(velocity: Array, way: Array) -> Array:
    """Speed in a direction, m/s: velocity (N, 2) along unit vectors (N, 2)."""
    return total(velocity * way)


def upright(up: Array) -> Array:
    """How upright, in [0, 1]: 1 standing, .5 on the side, 0 on the head; z component of the base's up axis (N,)."""
    return (up + 1) / 2


def rise(height: Array, wanted: Array) -> Array:
    """Share of a wanted height that is reached, in [0, 1]; both (N,), m."""
    return np.clip(height / np.maximum(wanted, 1e-3), 0, 1)


def distance(a: Array, b: Array) -> Array:
    """Distance between places (N, k), m."""
    return np.sqrt(squared(a - b))


def closeness(far: Array, scale: float) -> Array:
    """1 - tanh(distance / scale): 1 at the goal, steep near it and never flat; distance (N,) and scale in m."""
    return 1 - np.tanh(far / scale)
