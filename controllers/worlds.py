"""The worlds that a controller was made for: its robot and task, and what it observes of them."""

import warnings
from collections.abc import Mapping
from typing import Any

from ..envs.batch_env import BatchEnv
from ..envs.options import configured
from ..envs.suites import TaskSuite, load_suite
from ..envs.tasks import FAMILIES
from ..robots import Robot, SurefootError, get_robot
from ..robots.derived import unchanged
from .config import TrainConfig
from .presets import settings_for


def robot_of(config: TrainConfig) -> Robot:
    """The robot that controllers of `config` drive: the catalogue's, with the physics of its family where that has its own."""
    robot = get_robot(config.robot)
    return FAMILIES[config.task].prepare(robot) if config.task in FAMILIES else robot


def suite_of(config: TrainConfig) -> TaskSuite | None:
    """The suite of a controller's training; None, with a warning, where its file is elsewhere or has changed since."""
    if config.suite is None:
        return None
    try:
        return load_suite(config.suite, config.suite_sha256)
    except SurefootError as error:
        warnings.warn(f"what the training varied is not known here: {error}", stacklevel=2)
        return None


def worlds_of(
    config: TrainConfig,
    num_envs: int,
    *,
    robot: str | None = None,
    options: Mapping[str, object] | None = None,
    told: Mapping[str, float] | None = None,
    **others: Any,
) -> BatchEnv:
    """`num_envs` worlds for controllers of `config`.

    `robot` is another one than its own, `options` change those of its task, `told` are parameters that the controller is
    told instead of the true ones (`Controller.told`), `others` are arguments of `BatchEnv`. Raises `SurefootError` where the
    robot is a file that is missing or has changed.
    """
    if config.robot_sha256 and robot is None:
        unchanged(config.robot, config.robot_sha256)
    settings = settings_for(config.robot, config.task, config.algo, config.hyperparameters)
    env = BatchEnv(
        robot or config.robot,
        config.task,
        num_envs,
        config=configured(config.task, **{**config.options, **(options or {})}),
        **{"history": settings.history, "inputs": settings.inputs, **others},
    )
    for name, value in (told or {}).items():
        env.inputs.believe(name, value)
    return env
