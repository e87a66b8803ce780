"""A controller on another robot, which is sensed and driven like its own: what fine-tuning there begins with."""

import dataclasses

from ..envs.options import configured
from ..envs.tasks.velocity_config import LEGS
from ..robots import Robot, SurefootError, get_robot
from ..robots.source import is_file_name
from .config import checked_config
from .controller import Controller
from .worlds import worlds_of


def moved(controller: Controller, robot: str) -> Controller:
    """The same policy as a controller of `robot`, by name or file; what it was trained on is not said of it any more.

    Four legs are brought into the order that the policy knows. Raises `SurefootError` for an unknown robot, and for one that
    has other observations, other motors or its legs in an order that there is no option for.
    """
    config, own, other = controller.config, get_robot(controller.config.robot), get_robot(robot)
    options = dict(config.options)
    task = configured(config.task, **options)
    mine, theirs = legs_of(own), legs_of(other)
    if hasattr(task, "leg_order") and mine and theirs:
        wanted = LEGS if task.leg_order == "standard" else mine
        if wanted not in (theirs, LEGS):
            raise SurefootError(
                f"{own.name} has its legs in the order {', '.join(wanted)}, {other.name} has them in the order "
                f"{', '.join(theirs)}: expected a controller that was trained with leg_order=standard"
            )
        options["leg_order"] = "model" if wanted == theirs else "standard"
    fields = config.model_dump() | {
        "robot": other.name, "robot_sha256": other.digest if is_file_name(robot) else None, "options": options,
        "hyperparameters": dataclasses.asdict(controller.settings),  # the other robot may have other presets
        "vary": {}, "parameters": {}, "suite": None, "suite_sha256": None,
    }  # fmt: skip
    found = controller.copy()
    found.config = checked_config(**fields)
    controller.check(worlds_of(found.config, 1))
    return found


def legs_of(robot: Robot) -> tuple[str, ...]:
    """The four legs in the order of the robot's motors; empty for a robot without four such legs."""
    model = robot.compile()
    leg_of = {motor: leg for leg in LEGS for motor in robot.groups.get(leg, ())}
    motors = [model.actuator(i).name for i in range(model.nu)]
    return tuple(dict.fromkeys(leg_of[motor] for motor in motors)) if leg_of.keys() == set(motors) else ()
