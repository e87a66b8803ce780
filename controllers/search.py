"""What `surefoot tune` searches: for each algorithm the law of each hyperparameter, in the grammar of `--vary`.

`low:high` is uniform (whole numbers where the hyperparameter is one), `log:low:high` log-uniform, `a|b|c` a choice, also of
names, `none` or lists such as `64,64|256,256`.
"""

import dataclasses
import math
from collections.abc import Collection, Mapping
from types import UnionType
from typing import Any, get_args, get_type_hints

from ..envs.typed import typed
from ..envs.variation import Term, Variation
from ..robots import SurefootError, unknown
from .algorithms import find_algorithm
from .checks import MOST_WORLDS, check
from .gym_ids import ROBOTS_ONLY, is_gym
from .settings import (
    ARSSettings,
    ContextSACSettings,
    DDPGSettings,
    JointLossSettings,
    OffPolicySettings,
    OnPolicySettings,
    PPOSettings,
    SACSettings,
    Settings,
    TabularSettings,
    ValueSettings,
)

# An algorithm has the laws of its settings' class and of those that it inherits from. Every preset lies within.
_NETWORK = {
    "learning_rate": "log:1e-4:3e-3",
    "gamma": "0.95|0.96|0.97|0.98|0.99|0.995",
    "net": "64,64|128,128|256,256",
}
_EXPLORATION = {
    "exploration_fraction": "0.05:0.6",
    "exploration_initial_eps": "0.1:1",
    "exploration_final_eps": "log:0.005:0.2",
}
SEARCH: dict[type[Settings], dict[str, str]] = {
    OnPolicySettings: {
        **_NETWORK,
        "num_envs": "32|64|128|256|512|1024",
        "n_steps": "8|16|24|32|64|128",
        "gae_lambda": "0.9|0.95|0.98",
        "log_std_init": "-2:0",
    },
    JointLossSettings: {"ent_coef": "0|0.0005|0.002|0.005"},
    PPOSettings: {
        "batch_size": "256|512|1024|1536|2048|3072|4096",
        "n_epochs": "3:10",
        "clip_range": "0.1|0.2|0.3",
        "adaptive_kl": "none|0.01|0.02|0.03",
    },
    OffPolicySettings: {
        **_NETWORK,
        "num_envs": "8|16|32|64",
        "batch_size": "128|256|512|1024",
        "gradient_steps": "2|4|8|16|32",
        "learning_starts": "1000|2000|5000|10000|20000",
    },
    SACSettings: {"tau": "log:0.001:0.03"},
    ContextSACSettings: {
        "num_envs": "50|100|200",
        "batch_size": "256|512|1024|2048",
        "gradient_steps": "4|8|14|20|28",
        "latent": "3|5|8",
        "kl_weight": "log:0.01:1",
    },
    DDPGSettings: {"tau": "log:0.001:0.03", "exploration_noise": "0.05:0.4"},
    ValueSettings: {**_EXPLORATION, "target_update_interval": "100|200|500|1000|2000"},
    TabularSettings: {
        **_EXPLORATION,
        "learning_rate": "log:0.01:0.99",
        "gamma": "0.95|0.98|0.99|0.995|1",
        "num_envs": "16|32|64",
    },
    ARSSettings: {
        "learning_rate": "log:0.003:0.1",
        "delta_std": "log:0.01:0.2",
        "n_top": "4|8|16|32",
        "num_envs": "64|128|256",
    },
}

# On Gymnasium ids, whose environments run one after the other: few of them, and what fits their short rollouts.
GYM = {
    "num_envs": "1|2|4|8|16",
    "batch_size": "32|64|128|256",
    "gradient_steps": "1|2|4|8|16",
}


def space_of(algo: str, robot: str = "") -> dict[str, str]:
    """The laws of all hyperparameters of an algorithm that are searched unless the person says otherwise.

    On a `robot` that is a Gymnasium id some are others (`GYM`), and those that only Surefoot's robots know are left out.
    """
    found: dict[str, str] = {}
    for kind in reversed(find_algorithm(algo).settings.__mro__):
        found |= SEARCH.get(kind, {})
    if is_gym(robot):
        return {name: GYM.get(name, law) for name, law in found.items() if name not in ROBOTS_ONLY}
    return found


@dataclasses.dataclass(frozen=True)
class Law:
    """What one hyperparameter may be: `choices`, or a range from `low` to `high`, both included.

    Attributes:
        whole: only whole numbers. log: log-uniform.
        choices: numbers, or the text of anything else; `value` makes hyperparameters of them.
    """

    name: str
    low: float = 0.0
    high: float = 0.0
    whole: bool = False
    log: bool = False
    choices: tuple[float | str, ...] = ()

    def value(self, drawn: float | str | None, settings: type[Settings]) -> Any:
        """The hyperparameter for what was drawn. Floats have three digits, so that they can be typed again exactly."""
        if isinstance(drawn, str):
            drawn_value: Any = _read(drawn)
        elif self.choices or self.whole or drawn is None:
            drawn_value = drawn
        else:
            drawn_value = min(max(float(f"{drawn:.3g}"), self.low), self.high)
        return typed("hyperparameter", {self.name: drawn_value}, settings)[self.name]

    def nearest(self, value: Any, settings: type[Settings]) -> float | str | None:
        """What to draw to get `value`, or the number nearest to it; None where nothing is near."""
        if not self.choices:
            return None if _not_a_number(value) else min(max(value, self.low), self.high)
        values = [self.value(choice, settings) for choice in self.choices]
        if value in values:
            return self.choices[values.index(value)]
        if _not_a_number(value):
            return None
        numbers = [(abs(v - value), c) for v, c in zip(values, self.choices, strict=True) if not _not_a_number(v)]
        return min(numbers, key=lambda pair: pair[0])[1] if numbers else None


def laws_of(search: Mapping[str, str], settings: Settings, fixed: Collection[str] = ()) -> list[Law]:
    """The laws in `search`. Raises `SurefootError` for an unknown name, an illegal range or value, or one that is `fixed`."""
    known = {f.name for f in dataclasses.fields(settings)}
    laws = []
    for name, text in search.items():
        if name not in known:
            raise unknown("hyperparameter", name, known)
        if name in fixed:
            raise SurefootError(f"hyperparameter {name!r} is both fixed (--hyper) and searched (--search): give one")
        law = _law(Variation.parse({name: text}).terms[0], text, type(settings))
        for bound in law.choices or (law.low, law.high):
            _check_alone(settings, name, law.value(bound, type(settings)))
        laws.append(law)
    return laws


def nearest_to(settings: Settings, laws: list[Law]) -> dict[str, float | str]:
    """What to draw to come as near to `settings` as the laws allow."""
    nearest = {law.name: law.nearest(getattr(settings, law.name), type(settings)) for law in laws}
    return {name: drawn for name, drawn in nearest.items() if drawn is not None}


def _law(term: Term, text: str, settings: type[Settings]) -> Law:
    if term.law == "choice":
        return Law(term.key, choices=tuple(dict.fromkeys(term.options)))
    if term.low == term.high:
        return Law(term.key, choices=(term.low,))
    if term.law == "area":
        raise SurefootError(f"range {text!r} for {term.key!r}: expected low:high, log:low:high or a|b|c")
    hint = get_type_hints(settings)[term.key]
    kinds = set(get_args(hint)) if isinstance(hint, UnionType) else {hint}
    if not kinds & {int, float}:
        raise SurefootError(f"range {text!r} for {term.key!r}: it is no number, expected choices a|b|c")
    return Law(term.key, term.low, term.high, whole=float not in kinds, log=term.law == "loguniform")


def _check_alone(settings: Settings, name: str, value: Any) -> None:
    """Whether `value` is legal by itself: what does not fit together is found trial by trial."""
    # The smallest minibatch, of a recurrent policy or of a policy with a context.
    least = next((k for k in ("n_steps", "tasks") if hasattr(settings, k)), "")
    smallest = max(2, value if name == least else getattr(settings, least, 2))
    roomy = {key: size for key, size in (("batch_size", smallest), ("num_envs", MOST_WORLDS)) if hasattr(settings, key)}
    check(dataclasses.replace(settings, **{**roomy, name: value}))


def _read(text: str) -> Any:
    """`none` or a list, written as on the command line; all else is left to `typed`."""
    if text.lower() in ("none", "null"):
        return None
    return [part.strip() for part in text.split(",") if part.strip()] if "," in text else text


def _not_a_number(value: Any) -> bool:
    return isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value)
