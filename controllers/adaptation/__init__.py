"""Adapting a controller to a robot that it has never met: one interface, one module a method."""

from .base import Adaptation, Adapter, Budget, Point
from .finetune import finetune
from .planner import planner
from .zero_shot import zero_shot

METHODS: dict[str, Adapter] = {"zero-shot": zero_shot, "finetune": finetune, "planner": planner}

__all__ = ["METHODS", "Adaptation", "Adapter", "Budget", "Point", "finetune", "planner", "zero_shot"]
