"""`surefoot compare`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro
from tyro.conf import Positional

from .limits import said_of
from .options import Count, File, Limits, Seed, parameters


@dataclass
class Arguments:
    """Put several runs before the same episodes of a suite, and print for each split who is better and how sure that is;
    and the safety criteria of each. With --limit, ends with exit code 1 and one line when one is worse than its limit.

    What adapts within a trial does so here (recurrent, rma, context; identify, after every four seconds); what search, maml,
    finetune, twin and planner make of a controller on one robot is what `surefoot adapt` shows, and the controller is compared
    as they begin."""

    sources: Positional[Annotated[tuple[str, ...], tyro.conf.arg(metavar="RUN")]] = ()
    """Run folders, controller files (*.safetensors) or names of shipped controllers. A folder with seed_* in it, as
    `surefoot train --seeds` leaves one, is one method with several seeds."""
    suite: Annotated[str | None, tyro.conf.arg(metavar="NAME|FILE")] = None
    """The suite: `surefoot suite list`."""
    split: Annotated[tyro.conf.UseAppendAction[list[str]], tyro.conf.arg(metavar="SPLIT")] = field(default_factory=list)
    """Split of the suite, such as test; repeatable; none: all that it has."""
    baseline: Annotated[str | None, tyro.conf.arg(metavar="RUN")] = None
    """The run that the others are to beat: a controller without memory, trained under randomisation."""
    oracle: Annotated[str | None, tyro.conf.arg(metavar="RUN")] = None
    """The run that knows the robot, or was trained on it: with --baseline, the gap between them is what can be closed."""
    episodes: Count = 10
    """Episodes of each task and seed."""
    trial: Count = 1
    """Episodes in a row on the same robot, of which a controller with a memory remembers the earlier ones; their returns
    and the reward over the time are compared, too."""
    limit: Limits = field(default_factory=list)
    """Fail where a safety criterion of any run is worse than this, on any split: falls=0.02, say; repeatable. They are listed
    at `surefoot evaluate --help`."""
    seed: Seed = 1000
    """Seed of start states and commands, the same for all runs."""
    json: File = None
    """Write every figure, each task's returns and the performance profiles to this file (*.json)."""
    figure: File = None
    """Draw the performance profiles and each task's returns in this file (*.svg)."""


def run(given: Arguments) -> str:
    """Compare, print a table for each split, write the files; returns a line about broken limits, empty where there is none."""
    from .. import api
    from ..controllers.safety import check_limits
    from ..robots import SurefootError
    from .tables import console, show

    if not given.sources or given.suite is None:
        raise SurefootError(
            "compare needs runs and a suite, for example: surefoot compare runs/a runs/b --suite quadruped-damage"
        )
    limits = check_limits(parameters("--limit", given.limit))
    files: list[tuple[Path | None, str]] = [(given.json, ".json"), (given.figure, ".svg")]
    for path, suffix in files:
        api.check_name(path, suffix)
    found = api.compare(
        given.sources,
        given.suite,
        splits=given.split or None,
        baseline=given.baseline,
        oracle=given.oracle,
        episodes=10 if given.episodes is None else given.episodes,
        trial=1 if given.trial is None else given.trial,
        seed=1000 if given.seed is None else given.seed,
    ).content()
    for title, table in [*api.comparison_tables(found), *api.comparison_safety(found)]:
        show(table["columns"], table["rows"], title, table.get("note", ""))
    figures = {
        f"{split}, {name}": one["safety"]
        for split, of in found["splits"].items()
        for name, one in of["methods"].items()
    }
    said = said_of(limits, figures)
    for path, _ in files:
        if path is not None:
            api.write_content(path, found)
            console().print(f"wrote {path}", soft_wrap=True)
    return said
