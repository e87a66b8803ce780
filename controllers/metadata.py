"""What an exported controller says of itself: all that a robot's software has to know beside the network."""

from typing import Any, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, model_validator

from .. import __version__
from ..envs.batch_env import BatchEnv
from ..robots import SurefootError
from .config import TrainConfig, first_problem

FORMAT = 1

MEANING = {
    "position": "target angle of each joint's servo (rad) = default_pose + action_scale * action",
    "torque": "torque of each joint's motor (N m) = action_scale * action",
}
REFERENCE_GAIT = (
    " + the reference trot of the task (surefoot/envs/tasks/velocity.py), scaled by its option reference_gait"
)


PER_JOINT = (
    "joint_names", "action_low", "action_high", "action_scale", "default_pose", "joint_stiffness", "joint_damping",
)  # fmt: skip


class Metadata(BaseModel):
    """What an exported file says of itself. Lists that concern joints are in the order of the actions.

    Attributes:
        format, surefoot: number of this layout, version that wrote it.
        robot, task, config: names, and the configuration of the training.
        control_period: seconds between two actions.
        action_names, joint_names: motors, and the joints that they drive.
        action_low, action_high: limits, which the network keeps by itself.
        action_meaning: what to do with an action, by the fields below.
        action_scale: rad (position) or N m (torque) per unit of action.
        default_pose: home pose of the joints, rad (m for a slide).
        joint_stiffness, joint_damping: gains of position servos, N m/rad and N m s/rad; 0 for torque motors.
        observation_names, observation_sizes: the parts of the observation of one control step, in order.
        observation_history: control steps in an observation, the oldest first; 1 is the current one alone.
        memory_shape: (rows, width) of a recurrent network's memory; empty for others.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    format: int = FORMAT
    surefoot: str = __version__
    robot: str
    task: str
    config: TrainConfig
    control: Literal["position", "torque"]
    control_period: float
    action_names: tuple[str, ...]
    joint_names: tuple[str, ...]
    action_low: tuple[float, ...]
    action_high: tuple[float, ...]
    action_meaning: str
    action_scale: tuple[float, ...]
    default_pose: tuple[float, ...]
    joint_stiffness: tuple[float, ...]
    joint_damping: tuple[float, ...]
    observation_names: tuple[str, ...]
    observation_sizes: tuple[int, ...]
    observation_history: int
    memory_shape: tuple[int, ...]

    @model_validator(mode="after")
    def _lengths(self) -> Self:
        if len(self.observation_names) != len(self.observation_sizes):
            raise ValueError("observation_names and observation_sizes: expected as many of one as of the other")
        for name in PER_JOINT:
            if len(getattr(self, name)) != len(self.action_names):
                raise ValueError(f"{name}: expected as many as action_names, {len(self.action_names)}")
        return self


def describe(config: TrainConfig, env: BatchEnv, memory_shape: tuple[int, ...] = ()) -> Metadata:
    """The metadata of a controller that was trained with `config`, from the environment that this describes."""
    robot, task, model = env.robot, env.task, env.simulation.model
    order = getattr(task, "joint_order", np.arange(model.nu))  # of the actions
    joints = model.actuator_trnid[order, 0]
    servo = robot.control == "position"
    scale = np.asarray(robot.action_scale, float) if servo else model.actuator_gear[:, 0]
    meaning = MEANING[robot.control]
    if getattr(env.config, "reference_gait", 0.0):
        meaning += REFERENCE_GAIT

    def row(values: np.ndarray) -> tuple[float, ...]:
        return tuple(np.broadcast_to(values, (model.nu,)).astype(float).tolist())

    def reordered(values: np.ndarray) -> tuple[float, ...]:
        return row(np.broadcast_to(values, (model.nu,))[order])

    return Metadata(
        robot=config.robot,
        task=config.task,
        config=config,
        control=robot.control,
        control_period=robot.control_dt,
        action_names=tuple(env.table.layout.motors[i] for i in order),
        joint_names=tuple(model.joint(j).name for j in joints),
        action_low=row(task.action_low),
        action_high=row(task.action_high),
        action_meaning=meaning,
        action_scale=reordered(scale),
        default_pose=row(robot.home_qpos(model)[model.jnt_qposadr[joints]]),
        joint_stiffness=reordered(model.actuator_gainprm[:, 0] * servo),
        joint_damping=reordered(-model.actuator_biasprm[:, 2] * servo),
        observation_names=(*task.observation_layout, *env.inputs.layout),
        observation_sizes=(*task.observation_layout.values(), *env.inputs.layout.values()),
        observation_history=env.history,
        memory_shape=memory_shape,
    )


def parse_metadata(fields: dict[str, Any], where: str) -> Metadata:
    """Metadata as read from a file, {field: value}. Raises `SurefootError`, which names the file `where`."""
    if "format" not in fields or "surefoot" not in fields:
        raise SurefootError(f"{where} is not a Surefoot export, or is cut short: it has no Surefoot metadata")
    if fields["format"] != FORMAT:
        raise SurefootError(f"{where} has export format {fields['format']}; this version reads format {FORMAT}")
    try:
        return Metadata.model_validate(fields)
    except ValueError as error:
        raise SurefootError(f"{where}: metadata that make no sense: {first_problem(error)}") from error
