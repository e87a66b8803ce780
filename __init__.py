"""Train locomotion controllers on randomised MuJoCo robots, adapt them to new robots, replay what happened.

Importing this package is cheap: the verbs below load what they need when they are first used. It makes the environments
known to Gymnasium (.1 s, no MuJoCo): `gymnasium.make("surefoot/Quadruped-Velocity-v0")`.
"""

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from .controllers import threads as _threads  # noqa: F401 - before anything loads torch
from .envs.registration import register

if TYPE_CHECKING:
    from .api import adapt as adapt
    from .api import compare as compare
    from .api import continual as continual
    from .api import envelope as envelope
    from .api import evaluate as evaluate
    from .api import export as export
    from .api import identify as identify
    from .api import import_sb3 as import_sb3
    from .api import list_robots as list_robots
    from .api import load as load
    from .api import make as make
    from .api import make_vec as make_vec
    from .api import play as play
    from .api import record as record
    from .api import record_worlds as record_worlds
    from .api import replay as replay
    from .api import resume as resume
    from .api import train as train
    from .api import train_seeds as train_seeds
    from .api import tune as tune
    from .api import view as view
    from .api import write_report as write_report

__version__ = "0.1.0"

_VERBS = (
    "adapt", "compare", "continual", "envelope", "evaluate", "export", "identify", "import_sb3", "list_robots", "load",
    "make", "make_vec", "play", "record", "record_worlds", "replay", "resume", "train", "train_seeds", "tune",
    "view", "write_report",
)  # fmt: skip

__all__ = [
    "__version__",
    "adapt",
    "compare",
    "envelope",
    "evaluate",
    "export",
    "identify",
    "import_sb3",
    "list_robots",
    "load",
    "make",
    "make_vec",
    "play",
    "record",
    "record_worlds",
    "replay",
    "resume",
    "train",
    "train_seeds",
    "tune",
    "view",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name == "replay":  # also a subpackage: see _Package
        return importlib.import_module(".replay", __name__)
    if name in _VERBS:
        value = getattr(importlib.import_module(".api", __name__), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_VERBS})


class _CallableModule(ModuleType):
    """The subpackage `surefoot.replay`, which is called as the verb of the same name."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return importlib.import_module(".api", __name__).replay(*args, **kwargs)


class _Package(ModuleType):
    """This module: importing the subpackage `replay` would otherwise hide the function `surefoot.replay`."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "replay" and type(value) is ModuleType:
            value.__class__ = _CallableModule
        super().__setattr__(name, value)


if __name__ == "surefoot":  # not where a tool executes this file under another name
    sys.modules[__name__].__class__ = _Package
    register()
