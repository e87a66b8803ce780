"""Reward terms of legged locomotion: small pure functions of arrays with N worlds first.

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


def trot_clock(contact: Array, sine: Array) -> Array:
    """Share of the feet in step with a trot: one diagonal pair down while the other is up; (N,) in [0, 1].

    Feet are in the order front left, front right, rear left, rear right (or each pair swapped); sine (N,) of the clock.
    """
    first = sine >= 0
    down = contact.astype(np.float32)
    lead = down[:, 0] - down[:, 1] - down[:, 2] + down[:, 3]  # feet of the first pair that are down, less the second's
    return np.float32(0.5) + np.where(first, lead, -lead) * np.float32(0.25)
