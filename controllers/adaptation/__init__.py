"""Adapting a controller to a robot that it has never met: one interface, one module a method."""

from collections.abc import Callable

from ..controller import Controller
from . import identify as _identify
from . import maml as _maml
from . import recurrent as _recurrent
from . import rma as _rma
from . import search as _search
from .base import Adaptation, Adapter, Budget, Estimate, Point
from .finetune import FinetuneConfig, finetune
from .identify import identify
from .maml import maml, reptile
from .planner import planner
from .recurrent import recurrent
from .rma import rma
from .search import search
from .zero_shot import zero_shot

METHODS: dict[str, Adapter] = {
    "zero-shot": zero_shot,
    "finetune": finetune,
    "planner": planner,
    "recurrent": recurrent,
    "rma": rma,
    "search": search,
    "identify": identify,
    "maml": maml,
    "reptile": reptile,
}
# Methods that need a controller of their own; `training.train`'s arguments.
META_TRAIN: dict[str, Callable[..., Controller]] = {
    "recurrent": _recurrent.meta_train,
    "rma": _rma.meta_train,
    "search": _search.meta_train,
    "identify": _identify.meta_train,
    "maml": _maml.meta_train,
    "reptile": _maml.meta_train_reptile,
}


def methods_of(controller: Controller) -> list[str]:
    """Names of the methods that `controller` supports."""
    known = {name for name in METHODS if name not in META_TRAIN} | {controller.config.method}
    if controller.identifier:
        known.add("search")  # which needs less
    if controller.config.algo != "ppo":
        known.discard("finetune")
    return [name for name in METHODS if name in known]


__all__ = [
    "META_TRAIN", "METHODS", "Adaptation", "Adapter", "Budget", "Estimate", "FinetuneConfig", "Point", "finetune",
    "identify", "maml", "methods_of", "planner", "recurrent", "reptile", "rma", "search", "zero_shot",
]  # fmt: skip
