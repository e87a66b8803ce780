"""Adapting a controller to a robot that it has never met: one interface, one module a method."""

import math
from collections.abc import Callable

from ..controller import Controller
from ..worlds import robot_of
from . import context as _context
from . import identify as _identify
from . import maml as _maml
from . import recurrent as _recurrent
from . import rma as _rma
from . import search as _search
from .base import Adaptation, Adapter, Budget, Estimate, Point
from .context import context
from .finetune import FinetuneConfig, finetune, untunable
from .identify import identify
from .maml import maml, reptile
from .planner import planner, unplannable
from .recurrent import recurrent
from .rma import rma
from .search import search
from .twin import COMPUTING, MOTION, twin, unsuited
from .zero_shot import zero_shot

METHODS: dict[str, Adapter] = {
    "zero-shot": zero_shot,
    "finetune": finetune,
    "twin": twin,
    "planner": planner,
    "recurrent": recurrent,
    "rma": rma,
    "context": context,
    "search": search,
    "identify": identify,
    "maml": maml,
    "reptile": reptile,
}
# Methods that need a controller of their own; `training.train`'s arguments.
META_TRAIN: dict[str, Callable[..., Controller]] = {
    "recurrent": _recurrent.meta_train,
    "rma": _rma.meta_train,
    "context": _context.meta_train,
    "search": _search.meta_train,
    "identify": _identify.meta_train,
    "maml": _maml.meta_train,
    "reptile": _maml.meta_train_reptile,
}

# Control steps, of all robots together, of the smallest step of methods that need more than one.
LEAST: dict[str, Callable[[Controller], int]] = {
    "search": _search.least_steps,
    "identify": _identify.least_steps,
    "maml": _maml.least_steps,
    "reptile": _maml.least_steps,
}
ENOUGH = 600.0  # seconds of motion from which fine-tuning begins to pay


def unsupported(method: str, controller: Controller) -> str:
    """Why `controller` cannot be adapted by a method, in one line; "" where it can."""
    if method in META_TRAIN:
        if method == controller.config.method or (method == "search" and controller.identifier):  # which needs less
            return ""
        return f"method {method!r} needs a controller that was trained for it (surefoot train --method {method})"
    reasons = {"finetune": untunable, "twin": unsuited, "planner": unplannable}
    return reasons[method](controller) if method in reasons else ""


def methods_of(controller: Controller) -> list[str]:
    """Names of the methods that `controller` supports."""
    return [name for name in METHODS if not unsupported(name, controller)]


def choose_method(controller: Controller, budget: Budget) -> str:
    """What method "auto" stands for: what the controller was trained for, else fine-tuning where the motion is enough for it.

    Fine-tuning needs hours of the robot's motion (all robots together), which only a simulation without a limit on it has.
    Where there are seconds, a simulation can be fitted to them and fine-tuning goes on in that, if there is time to compute.
    Where there is less motion than a method's smallest step takes, nothing is adapted.
    """
    supported, own = methods_of(controller), controller.config.method
    dt = robot_of(controller.config).control_dt
    motion = budget.limit(dt)
    if own in supported:
        too_little = own in LEAST and motion is not None and motion < LEAST[own](controller)
        return "zero-shot" if too_little else own
    seconds = math.inf if motion is None else motion * dt
    if seconds >= ENOUGH and "finetune" in supported:
        return "finetune"
    able = "twin" in supported and MOTION <= seconds < math.inf
    return "twin" if able and (budget.seconds or math.inf) >= COMPUTING else "zero-shot"


__all__ = [
    "META_TRAIN", "METHODS", "Adaptation", "Adapter", "Budget", "Estimate", "FinetuneConfig", "Point", "choose_method",
    "context", "finetune", "identify", "maml", "methods_of", "planner", "recurrent", "reptile", "rma", "search", "twin",
    "unsupported", "zero_shot",
]  # fmt: skip
