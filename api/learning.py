"""Training, tuning, evaluating, adapting, and files for elsewhere."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..controllers.adaptation import (
    META_TRAIN,
    METHODS,
    Adaptation,
    Budget,
    FinetuneConfig,
    choose_method,
    methods_of,
    unsupported,
)
from ..controllers.adaptation.continual import Change
from ..controllers.adaptation.continual import continual as _continual
from ..controllers.adaptation.gate import refusal
from ..controllers.adaptation.online import ONLINE
from ..controllers.adaptation.search import as_begun, as_fitted
from ..controllers.adaptation.sysid import LogFit
from ..controllers.controller import Controller
from ..controllers.evaluation import AnyController, Evaluation
from ..controllers.evaluation import evaluate as _evaluate
from ..controllers.gym_ids import needs_robot
from ..controllers.metadata import Metadata
from ..controllers.training import train as _train
from ..controllers.transfer import moved
from ..envs.tasks import FAMILIES as GOALS
from ..envs.variation import Task
from ..robots import SurefootError, unknown
from ..robots.files import check_name
from .showing import write_adaptation_page
from .sources import Plan, Settings, Source, commands_of, load, load_any, task_of

if TYPE_CHECKING:  # needs the extra surefoot[tune]
    from ..controllers.tuning import Tuning


def train(robot: str, task: str = "", *, method: str = "", **asked: Any) -> Controller:
    """Train a controller: see `controllers.training.train`, whose arguments it takes.

    `method` is an adaptation method that needs a controller of its own, such as "recurrent" or "rma"; `meta` are settings of
    its training, such as {"order": 1} for "maml".
    """
    if asked.get("meta") and method in ("", "recurrent", "context", "search"):
        raise SurefootError(f"meta settings {dict(asked['meta'])}: method {method or 'none'!r} has none")
    if not asked.get("meta"):
        asked.pop("meta", None)
    if not method:
        return _train(robot, task, **asked)
    if method not in META_TRAIN:
        raise unknown("adaptation method with a training of its own", method, META_TRAIN)
    if asked.get("algo", "ppo") != "ppo":
        raise SurefootError(f"method {method!r} chooses the algorithm itself: leave out algo={asked['algo']!r}")
    return META_TRAIN[method](robot, task, **asked)


def tune(robot: str, task: str = "", *, study: str | Path, **asked: Any) -> "Tuning":
    """Search for hyperparameters in a study that can be continued: see `controllers.tuning.tune`, whose arguments it takes."""
    return _tuning().tune(robot, task, study=study, **asked)


def read_study(path: str | Path) -> "Tuning":
    """What the study in a file knows now."""
    return _tuning().read_study(path)


def _tuning() -> Any:
    try:
        import optuna  # noqa: F401
    except ImportError as error:
        raise SurefootError("tune needs Optuna: pip install 'surefoot[tune]'") from error
    from ..controllers import tuning

    return tuning


def evaluate(
    source: Source | AnyController,
    *,
    parameters: Settings | Task | None = None,
    vary: Mapping[str, str] | None = None,
    options: Mapping[str, object] | None = None,
    episodes: int = 50,
    trial: int = 1,
    seed: int = 1000,
    plan: Plan = None,
    safety: bool = False,
) -> Evaluation:
    """Whole episodes, exploration off, on one task (`parameters`, nominal by default) or on draws from `vary`.

    `options` change the task's options that the controller was trained with, such as {"terrain": "stairs-up"}. With `trial` K
    they are trials: K episodes in a row, of which the controller remembers the earlier ones. With `plan`
    (True, or a planner's settings), the controller plans each step with its policy and value function. With `safety`,
    limits, impacts and energy are watched: `Evaluation.safety`.
    """
    controller = load_any(source, plan)
    task = None if parameters is None else task_of(parameters, commands_of(controller))
    return _evaluate(
        controller, task=task, vary=vary, episodes=episodes, options=options, trial=trial, seed=seed, safety=safety
    )


def adapt(
    source: Source,
    parameters: Settings | Task,
    *,
    robot: str | None = None,
    method: str = "finetune",
    seconds: float | None = 60.0,
    steps: int | None = None,
    robot_seconds: float | None = None,
    episodes: int = 50,
    points: int = 4,
    seed: int = 0,
    out: str | Path | None = None,
    html: str | Path | None = None,
    plan: Plan = None,
    finetune: Mapping[str, Any] | None = None,
    fit: Mapping[str, str] | Iterable[str] = (),
    gate: bool = False,
) -> Adaptation:
    """Adapt a controller to the robot that `parameters` describe, within a budget of wall-clock, steps or the robot's motion.

    `episodes` are evaluated at each of `points` points of the curve after the first. With `out`, the adapted controller
    is saved there (a file, *.safetensors); with `html`, a page shows before and after. `plan` and `finetune`
    hold the settings of these methods ({"trains": "last"}); "twin", which fine-tunes too, fits `fit` to the robot's motion, as
    `identify` does. Method "auto" is what the controller was trained for, or fits the budget. With `gate` an adapted controller
    that scores less or is less safe than the one that it would replace is refused (`Adaptation.refused`), and that one stays.
    `robot` is another one than the controller's own, which is sensed and driven alike.
    Raises `SurefootError` for an unknown method or parameter, and for a robot that the controller does not fit.
    """
    if method not in (*METHODS, "auto"):
        raise unknown("adaptation method", method, (*METHODS, "auto"))
    check_name(out, ".safetensors")
    check_name(html, ".html")
    budget = Budget(seconds, steps, robot_seconds)
    if plan is not None and method != "planner":
        raise SurefootError(f"method {method!r} does not plan: expected method 'planner' with settings of a planner")
    if finetune and method not in ("finetune", "twin"):
        raise SurefootError(f"method {method!r} does not fine-tune: expected method 'finetune' with its settings")
    wanted = dict(fit) if isinstance(fit, Mapping) else dict.fromkeys(fit, "")
    if wanted and method != "twin":
        raise SurefootError(f"method {method!r} fits no simulation: expected method 'twin' with what to fit")
    options: dict[str, Any] = {"settings": FinetuneConfig.parse(finetune)} if finetune else {}
    options |= {"fit": wanted} if wanted else {}
    controller = load(source, plan)
    needs_robot(controller.config, "adapt")
    if robot is not None and robot != controller.config.robot:
        controller = moved(controller, robot)
    task = task_of(parameters, commands_of(controller))
    hidden = [name for name in commands_of(controller) if controller.config.task in GOALS and name not in task.goal]
    if hidden:
        raise SurefootError(f"adapting on task {controller.config.task!r} needs its goal: give {hidden[0]}=… as well")
    if method == "auto":
        method = choose_method(controller, budget)
    if why := unsupported(method, controller):
        raise SurefootError(f"{why}: this one supports {', '.join(methods_of(controller))}")
    if gate and method in ONLINE:
        raise SurefootError(
            f"method {method!r} makes no other controller, its memory is all that adapts: expected no gate, which compares two"
        )
    adaptation = METHODS[method](controller, task, budget, seed=seed, episodes=episodes, points=points, **options)
    before = as_begun(controller) if adaptation.controller.told else controller
    if method == "planner":
        before = before.copy()
        before.plan = None
    if gate:
        why = refusal(before, adaptation.controller, task, episodes=episodes, seed=3000 + seed)
        if why:
            adaptation = replace(adaptation, controller=before, refused=why)
    if not adaptation.refused:
        adaptation.controller.adapted = adaptation.record()
    if out is not None:
        adaptation.controller.save(out)
    if html is not None:
        write_adaptation_page(html, before, adaptation, seed=seed)
    return adaptation


def tell(source: Source, fit: LogFit, *, out: str | Path | None = None) -> Controller:
    """A controller of method `identify` or `search` that is told what `identify` fitted to a log of its robot.

    With `out` it is saved there (*.safetensors). Raises `SurefootError` for a log of another robot, and for a controller that
    is told no parameters.
    """
    check_name(out, ".safetensors")
    controller = as_fitted(load(source), fit)
    if out is not None:
        controller.save(out)
    return controller


def continual(
    source: Source,
    parameters: Settings | Task,
    *,
    before: Settings | Task | None = None,
    at: float = 4.0,
    seconds: float = 20.0,
    robots: int = 50,
    seed: int = 0,
    method: str = "",
    budget: float | None = None,
    gate: bool = False,
    plan: Plan = None,
) -> Change:
    """Let robots walk and change them at second `at` into what `parameters` describe: who notices, who recovers, how soon?

    `before` describes them until then, nominal where not given. What the controller adapts by within motion (a memory, a
    history, an identifier) runs on; with a `method` that makes another controller, such as "twin", a robot that has noticed is
    adapted within `budget` s of wall-clock (a minute, where not given) and set out again, with `gate` only by a controller that
    is no worse and no less safe than the one that it had (`Change.refused`). With `plan` (True, or a planner's settings) it
    plans each step, which is slow. Raises `SurefootError` for an unknown parameter, too little time around the change, and a
    budget or gate without a method.
    """
    if not method and (gate or budget is not None):
        raise SurefootError("budget and gate are of a method that stops the robot to adapt it: give --method")
    controller = load(source, plan)
    needs_robot(controller.config, "continual")
    commands = commands_of(controller)
    first = None if before is None else task_of(before, commands)
    return _continual(
        controller, task_of(parameters, commands), first,
        at=at, seconds=seconds, robots=robots, seed=seed, method=method, budget=Budget(60.0 if budget is None else budget),
        gate=gate,
    )  # fmt: skip


def export(source: Source, *, onnx: str | Path | None = None, torchscript: str | Path | None = None) -> Metadata:
    """Write a controller as ONNX (*.onnx), TorchScript (*.pt) or both: normaliser, network and limits, with metadata.

    Returns the metadata. Raises `SurefootError` where a package is missing or the algorithm cannot be exported.
    """
    from ..controllers.export import export as _export

    controller = load(source)
    needs_robot(controller.config, "export")
    return _export(controller, onnx=onnx, torchscript=torchscript)


def import_sb3(
    file: str | Path,
    robot: str,
    task: str,
    *,
    runs_code: bool = False,
    vecnormalize: str | Path | None = None,
    out: str | Path | None = None,
) -> Controller:
    """A PPO or SAC controller from a Stable-Baselines3 zip, and the `VecNormalize` pickle that was saved with it.

    Reading either runs the code that is in it, so `runs_code` must say that this is wanted. With `out`, the controller is
    saved there (*.safetensors), and from then on nothing runs. Raises `SurefootError` for what does not fit.
    """
    from ..controllers.import_sb3 import import_sb3 as _import_sb3

    check_name(out, ".safetensors")
    controller = _import_sb3(file, robot, task, runs_code=runs_code, vecnormalize=vecnormalize)
    if out is not None:
        controller.save(out)
    return controller
