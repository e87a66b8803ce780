"""`surefoot evaluate`."""

from dataclasses import dataclass, field
from typing import Annotated

import tyro
from tyro.conf import Positional

from .options import Count, Ranges, Values, pairs, parameters


@dataclass
class Arguments:
    """Run whole episodes without exploration and print returns, falls, tracking and every reward term."""

    source: Positional[Annotated[str, tyro.conf.arg(metavar="RUN")]]
    """Run folder or controller file (*.safetensors)."""
    parameters: Annotated[Values, tyro.conf.arg(name="set", metavar="KEY=VALUE")] = field(default_factory=list)
    """What is different about the robot, such as payload=6 (kg); repeatable; none: the nominal robot.
    Keys and units: `surefoot list parameters ROBOT`."""
    vary: Ranges = field(default_factory=list)
    """Draw the robots instead: KEY=low:high and the rest of train's grammar; repeatable."""
    episodes: Count = 50
    """Number of episodes, one robot each."""
    seed: Count = 1000
    """Seed of robots, start states and commands: the same seed asks the same of every controller."""


def run(given: Arguments) -> None:
    """Evaluate and print the tables."""
    from .. import api
    from .tables import show, show_summary

    result = api.evaluate(
        given.source,
        parameters=parameters("--set", given.parameters) or None,
        vary=pairs("--vary", given.vary) or None,
        episodes=50 if given.episodes is None else given.episodes,
        seed=1000 if given.seed is None else given.seed,
    )
    show_summary(api.evaluation_table(result))
    if result.terms:
        show(("reward term", "mean per step"), [(name, f"{value:+.4f}") for name, value in result.terms.items()])
