"""Options of `velocity` and the other legged tasks: commands, weights of rewards, noise; what a number of feet changes."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ..terrain import TerrainOptions

LEGS = ("front_left", "front_right", "rear_left", "rear_right")  # the order "standard" of `VelocityConfig.leg_order`

WEIGHTS = {
    "tracking_lin_vel": 1.5,
    "lin_vel_error": -0.5,
    "tracking_ang_vel": 0.75,
    "gait": 1.0,
    "pose": 0.5,
    "orientation": -5.0,
    "lin_vel_z": -0.5,
    "ang_vel_xy": -0.05,
    "dof_pos_limits": -1.0,
    "action_rate": -0.01,
    "energy": -0.001,
    "feet_slip": -0.1,
    "feet_clearance": -0.5,
}
# What robots with this number of feet have instead of the defaults, which are Go1's. Two legs are long, stride slower and have
# big motors. Their reference gait does not balance, and untrained they fall over it within 1.5 s; but without it they learn to
# stand first, and then to shuffle: after 2 M steps the biped's tracking was .70 and 12 % fell, with it .83 and none after
# 1.2 M. Six legs are short.
BY_FEET: dict[int, dict[str, Any]] = {
    2: {
        "vx": 0.8,
        "vy": 0.4,
        "yaw": 0.8,
        "gait_frequency": 1.25,
        "weights": {**WEIGHTS, "energy": -1e-4},
    },
    6: {"vx": 0.8, "vy": 0.5, "yaw": 1.0},
}


@dataclass(frozen=True)
class VelocityConfig(TerrainOptions):
    """What is asked, and how hard the world makes it; and what lies under the robots (`terrain.TerrainOptions`).

    Attributes:
        vx, vy, yaw: commands are drawn from [-value, value], m/s and rad/s.
        active: probability that each of the three is on; otherwise it is zero.
        mean_hold: commands are held for an exponential time of this mean, s; for the whole episode if infinite.
        weights: of the reward terms.
        gait_frequency: of the trot clock, Hz.
        reference_gait: factor on a trot to which the actions are added (residual learning on a trajectory
            generator, Iscen et al., 2018); 0 leaves all of the gait to the controller.
        push_interval, push_speed: mean seconds between pushes (0: none) and their largest horizontal speed, m/s.
        noise: factor on Playground's observation noise (0: none).
        min_height, min_up: the episode ends when the base is lower above the ground (m) or tilted further (z of its up axis).
        leg_order: in which joints are observed and acted on: "model", the robot's own, or "standard", front left, front
            right, rear left, rear right: with it, what has learned on one quadruped fits another.
    """

    vx: float = 1.5
    vy: float = 0.8
    yaw: float = 1.2
    active: tuple[float, float, float] = (0.9, 0.25, 0.5)
    mean_hold: float = 5.0
    weights: Mapping[str, float] = field(default_factory=lambda: dict(WEIGHTS))
    gait_frequency: float = 2.0
    reference_gait: float = 1.0
    swing_height: float = 0.08
    push_interval: float = 0.0
    push_speed: float = 1.0
    noise: float = 0.0
    min_height: float = 0.12
    min_up: float = 0.3
    episode_seconds: float = 20.0
    leg_order: Literal["model", "standard"] = "model"


def for_legs(config: Any, feet: int) -> Any:
    """The configuration with the values of `BY_FEET` in place of `VelocityConfig`'s defaults."""
    plain = vars(VelocityConfig())
    ours = {k: v for k, v in BY_FEET.get(feet, {}).items() if vars(config)[k] == plain[k]}
    return dataclasses.replace(config, **ours) if ours else config
