"""What the verbs take: a controller by name, file or folder, a planner's settings, a robot's parameters."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..controllers.config import PlannerConfig
from ..controllers.controller import Controller
from ..controllers.evaluation import AnyController
from ..controllers.onnx_controller import OnnxController
from ..controllers.policies import known_inputs
from ..controllers.shipped import find
from ..envs.tasks import TASKS
from ..envs.variation import Task
from ..replay.chunks import SUFFIX
from ..robots import SurefootError

Settings = Mapping[str, float | str]
Source = Controller | str | Path
Plan = bool | Mapping[str, Any] | PlannerConfig | None  # settings of a planner, True for the usual ones


def load(source: Source, plan: Plan = None) -> Controller:
    """A controller from a run folder, a controller file or by the name of a shipped one; a `Controller` as it is.

    With `plan` it is one that plans whenever it drives a robot (or, where `plan` is False, one that does not).
    """
    if isinstance(source, Controller):
        controller = source
    elif str(source).endswith(SUFFIX):
        raise SurefootError(f"{str(source)!r} is a recording, which surefoot replay shows: expected a controller")
    else:
        controller = Controller.load(find(source))
    if plan is None:
        return controller
    controller = controller.copy()
    if isinstance(plan, bool):
        controller.plan = PlannerConfig() if plan else None
    else:
        controller.plan = plan if isinstance(plan, PlannerConfig) else PlannerConfig.parse(plan)
    return controller


def load_any(source: Source | AnyController, plan: Plan = None) -> AnyController:
    """As `load`, and exported files (*.onnx) besides: whatever can be evaluated and recorded."""
    exported = isinstance(source, OnnxController) or (isinstance(source, str | Path) and Path(source).suffix == ".onnx")
    if not exported:
        assert not isinstance(source, OnnxController)
        return load(source, plan)
    if plan is not None:
        raise SurefootError(
            "an exported file (*.onnx) only acts: planning needs a run folder or a controller (*.safetensors)"
        )
    return source if isinstance(source, OnnxController) else OnnxController.load(str(source))


def load_adapted(source: Source | AnyController, first: AnyController, plan: Plan = None) -> AnyController:
    """The controller that is shown beside `first`. Raises `SurefootError` where it is for another robot or task."""
    adapted = load_any(source, plan)
    ours, theirs = ((c.config.robot, c.config.task) for c in (first, adapted))
    if ours != theirs:
        raise SurefootError(
            f"--adapted is for {' '.join(theirs)}, not for {' '.join(ours)}: expected the same robot and task"
        )
    return adapted


def told_the_truth(controller: AnyController) -> str:
    """What a controller is told of its simulated robot that only simulation knows, in words; "" for nothing."""
    if isinstance(controller, OnnxController) or controller.told:
        return ""
    names = known_inputs(controller.settings)
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def task_of(settings: Settings | Task | None, commands: Sequence[str] = ()) -> Task:
    """A `Task` from settings such as {"payload": 6, "motor_strength.front_left": 0.4}, `commands` among them as its goal.

    Raises `SurefootError` for a command that is no finite number; parameters are checked by the robot's table.
    """
    if isinstance(settings, Task):
        return settings
    given = dict(settings or {})
    goal = {k: _number(k, v) for k, v in given.items() if k in commands}
    return Task({k: v for k, v in given.items() if k not in commands}, goal)


def _number(command: str, value: float | str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise SurefootError(f"{command}={value}: {command!r} is a command, expected a number such as {command}=0.8")
    return number


def commands_of(controller: AnyController) -> tuple[str, ...]:
    """Names of the goals of its task."""
    task = controller.config.task
    return tuple(TASKS[task].command_names) if task in TASKS else ()
