"""Reward terms of legged locomotion: small pure functions of arrays with N worlds first.

Each returns the raw, unweighted term, (N,). Sums are einsum's: four times as fast here as sum(axis=1), and the same bits
whatever the number of worlds. Formulas after MuJoCo Playground's Go1 joystick task and mjlab's velocity
task; where they differ it is said.
"""

import numpy as np

Array = np.ndarray
TRACKING_SIGMA = 0.25  # exp(-error^2 / sigma), as in legged_gym, Playground and the walking bar


def tracking(error_squared: Array, sigma: float = TRACKING_SIGMA) -> Array:
    """exp(-e^2 / sigma) of a squared tracking error (N,)."""
    return np.exp(error_squared * (-1.0 / sigma))


def squared(x: Array) -> Array:
    """Sum of squares over the last axis: (N, k) -> (N,)."""
    return np.einsum("nk,nk->n", x, x)


def pose(deviation: Array, weights: Array) -> Array:
    """exp(-sum of weighted squared deviations from the home pose); deviation (N, nu), weights (nu,)."""
    return np.exp(-np.einsum("nk,k->n", np.square(deviation), weights))


def outside_limits(q: Array, low: Array, high: Array) -> Array:
    """Radians beyond the soft joint limits, summed over joints."""
    return np.einsum("nk->n", np.abs(q - np.clip(q, low, high)))


def power(torque: Array, velocity: Array) -> Array:
    """Sum of absolute mechanical powers, W."""
    return np.einsum("nk->n", np.abs(torque * velocity))


def squared_speed(velocity_xy: Array) -> Array:
    """(N, F, 2) -> (N, F)."""
    return np.square(velocity_xy[:, :, 0]) + np.square(velocity_xy[:, :, 1])


def foot_slip(velocity_xy: Array, contact: Array) -> Array:
    """Squared horizontal speed of the feet that touch the ground; velocity (N, F, 2), contact (N, F)."""
    return np.einsum("nf->n", np.where(contact, squared_speed(velocity_xy), np.float32(0)))


def foot_clearance(height: Array, velocity_xy: Array, wanted: float) -> Array:
    """Distance of the feet from their swing height, weighted with the root of their speed (N, F) -> (N,)."""
    root = np.sqrt(np.sqrt(squared_speed(velocity_xy)))
    return np.einsum("nf,nf->n", np.abs(height - wanted), root)


def share(contact: Array) -> Array:
    """Share of the feet that touch the ground; (N, F) -> (N,)."""
    return np.einsum("nf->n", contact.astype(np.float32)) / contact.shape[1]


def trot_clock(contact: Array, phase: Array, stance_threshold: float = 0.0) -> Array:
    """Share of the feet in step with a trot: one diagonal pair down while the other is up; (N,) in [0, 1].

    Feet are in the order front left, front right, rear left, rear right (or each pair swapped); phase (N,) in radians.
    """
    first = np.sin(phase) >= stance_threshold
    down = contact.astype(np.float32)
    lead = down[:, 0] - down[:, 1] - down[:, 2] + down[:, 3]  # feet of the first pair that are down, less the second's
    return np.float32(0.5) + np.where(first, lead, -lead) * np.float32(0.25)
