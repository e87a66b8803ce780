"""Optimisers by name."""

from collections.abc import Iterable
from typing import Any

import torch
from stable_baselines3.common.sb2_compat.rmsprop_tf_like import RMSpropTFLike
from torch.optim import Adam, AdamW, NAdam, Optimizer, RAdam

# What differs from torch's defaults. Adam's epsilon is SB3's; fused on a CPU takes .3 of the plain step's time, for-each
# with two threads up to 20 times as much.
OPTIMIZERS: dict[str, tuple[type[Optimizer], dict[str, Any]]] = {
    "adam": (Adam, {"eps": 1e-5, "fused": True}),
    "adamw": (AdamW, {"eps": 1e-5, "weight_decay": 1e-2, "fused": True}),
    "nadam": (NAdam, {"eps": 1e-5}),
    "radam": (RAdam, {"eps": 1e-5}),
    "rmsprop": (RMSpropTFLike, {"alpha": 0.99, "eps": 1e-5}),  # A2C's
    "sgd": (torch.optim.SGD, {"momentum": 0.9, "nesterov": True, "fused": True}),
}


def make_optimizer(
    parameters: Iterable[torch.nn.Parameter], lr: float, name: str, weight_decay: float | None = None, **changed: Any
) -> Optimizer:
    """What SB3 calls as its `optimizer_class`; `weight_decay` None leaves it at the optimiser's own.

    `changed` options are an algorithm's own defaults for Adam; other optimisers keep theirs.

    Only weights decay: a bias or a logarithm of a standard deviation is not better for being near zero.
    """
    kind, options = OPTIMIZERS[name]
    parameters = list(parameters)
    decay = options.get("weight_decay", 0.0) if weight_decay is None else weight_decay
    options = {**options, "weight_decay": decay} | (changed if name == "adam" else {})
    if not decay:
        return kind(parameters, lr=lr, **options)  # type: ignore[call-arg]
    groups: list[dict[str, Any]] = [
        {"params": [p for p in parameters if p.ndim > 1]},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return kind([group for group in groups if group["params"]], lr=lr, **options)  # type: ignore[call-arg]
