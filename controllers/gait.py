"""Does it walk well? Foot contacts and joint motion of a quadruped at fixed commands: trot, limp, standing still."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..envs.gait import symmetry_index, trot_share
from ..envs.tasks import Velocity
from ..envs.variation import Task
from ..robots import SurefootError
from .controller import Controller
from .worlds import worlds_of

SETTLE = 2.0  # seconds after the start that are not measured


@dataclass(frozen=True)
class Gait:
    """What E worlds did at one command, after the first two seconds.

    Attributes:
        command: vx, vy (m/s) and yaw rate (rad/s).
        speed: mean of what was commanded, as measured, (3,).
        duty: share of the time that each foot touches the ground, (4,).
        symmetry: largest symmetry index of left and right: of duty factor and of the thighs' and calves' range of motion,
            front and rear. 0 is even, above .1 a limp; means something for straight commands only.
        trot: share of the time that both feet of each diagonal pair do the same.
        joint_speed: root mean square of the joint velocities, rad/s.
        falls: share of the worlds that fell.
    """

    command: tuple[float, float, float]
    speed: np.ndarray
    duty: np.ndarray
    symmetry: float
    trot: float
    joint_speed: float
    falls: float


def measure_gait(
    controller: Controller,
    command: Sequence[float],
    *,
    task: Task | None = None,
    worlds: int = 32,
    seconds: float = 10.0,
    seed: int = 1000,
) -> Gait:
    """Hold a command (vx, vy, yaw rate) in `worlds` worlds and measure how the robots walk.

    Raises `SurefootError` for other tasks than `velocity`, and when there is nothing left to measure after settling.
    """
    config = controller.config
    env = worlds_of(config, worlds, told=controller.told, tasks=task, seed=seed, autoreset=False)
    if not isinstance(env.task, Velocity):
        raise SurefootError(f"a gait is measured on task 'velocity', not on {config.task!r}")
    if len(env.robot.feet) != 4:
        raise SurefootError(f"a gait is measured on four feet, and {config.robot!r} has {len(env.robot.feet)}")
    vx, vy, yaw = (float(c) for c in command)
    settle, steps = round(SETTLE / env.robot.control_dt), round(seconds / env.robot.control_dt)
    if steps <= settle:
        raise SurefootError(f"gait of {seconds:g} s: expected more than {SETTLE:g} s")
    nu = env.num_actions
    contact = np.zeros((steps, worlds, 4), bool)
    joints, velocity = np.zeros((steps, worlds, nu), np.float32), np.zeros((steps, worlds, nu), np.float32)
    actual, up = np.zeros((steps, worlds, 3), np.float32), np.ones(worlds, bool)
    env.reset()
    env.task.set_command((vx, vy, yaw))
    observation = env.observe()
    for t in range(steps):
        observation, _, terminated, _ = env.step(controller.act(observation))
        up &= ~terminated
        contact[t], actual[t] = env.task.contacts(), env.task.actual()
        joints[t], velocity[t] = env.simulation.qpos[:, 7:], env.simulation.qvel[:, 6:]
    if not up.any():
        nothing = np.full(4, np.nan)
        return Gait((vx, vy, yaw), nothing[:3], nothing, float("nan"), float("nan"), float("nan"), 1.0)
    contact, actual = contact[settle:, up], actual[settle:, up]
    velocity, motion = velocity[settle:, up], joints[settle:, up].std(axis=0).mean(axis=0).reshape(4, nu // 4)[:, 1:]
    duty = contact.mean(axis=(0, 1))
    sides = [symmetry_index(x[[0, 2]], x[[1, 3]]).max() for x in (duty, motion)]
    return Gait(
        command=(vx, vy, yaw),
        speed=actual.mean(axis=(0, 1)),
        duty=duty,
        symmetry=float(max(sides)),
        trot=trot_share(contact),
        joint_speed=float(np.sqrt(np.square(velocity).mean())),
        falls=float(1 - up.mean()),
    )
