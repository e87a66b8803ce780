"""`surefoot evaluate`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro
from tyro.conf import Positional

from .limits import said_of
from .options import Count, File, Flag, Limits, Ranges, Seed, Values, pairs, parameters, planner, with_terrain


@dataclass
class Arguments:
    """Run whole episodes without exploration and print returns, falls, tracking, every reward term and safety criteria.

    With --limit, ends with exit code 1 and one line when a criterion is worse than its limit."""

    source: Positional[Annotated[str, tyro.conf.arg(metavar="RUN")]]
    """Run folder, controller file (*.safetensors or *.onnx) or name of a shipped controller."""
    parameters: Annotated[Values, tyro.conf.arg(name="set", metavar="KEY=VALUE")] = field(default_factory=list)
    """What is different about the robot, such as payload=6 (kg); repeatable; none: the nominal robot.
    Keys and units: `surefoot list parameters ROBOT`."""
    terrain: Annotated[str | None, tyro.conf.arg(metavar="KIND")] = None
    """Ground to walk on instead of the training's: a kind such as stairs-up, several joined by +, or mixed; its difficulty:
    --set terrain_level=0.5."""
    vary: Ranges = field(default_factory=list)
    """Draw the robots instead: KEY=low:high and the rest of train's grammar; repeatable."""
    suite: Annotated[str | None, tyro.conf.arg(metavar="NAME|FILE")] = None
    """Evaluate on the tasks of a suite instead: `surefoot suite list`."""
    split: Annotated[str | None, tyro.conf.arg(metavar="SPLIT")] = None
    """Split of the suite: train, validation, test, moderate, extreme or structural; none: all that it has."""
    checkpoints: Flag = False
    """Compare all checkpoints of the run on the suite's split `validation`: which to keep, without seeing the tests."""
    episodes: Count = None
    """Number of episodes, one robot each; none: 50, or 10 of each task of a suite."""
    plan: Flag = False
    """Plan each step with the controller's policy and value function in a simulation of the robot: better, and slow (minutes:
    --episodes 8 is a start)."""
    planner: Values = field(default_factory=list)
    """Plan with this setting, such as samples=64, horizon=16 or model=nominal (what it believes of the robot); repeatable."""
    limit: Limits = field(default_factory=list)
    """Fail where a safety criterion is worse than this, on any split of a suite: falls, joint_limit, torque_limit and
    velocity_limit (shares), impact (N), energy (J) and cost_of_transport at most, time_to_fall (s) at least; repeatable."""
    trial: Count = 1
    """Episodes in a row on the same robot, of which a controller with a memory remembers the earlier ones; returns are
    then means over them."""
    seed: Seed = 1000
    """Seed of robots, start states and commands: the same seed asks the same of every controller."""
    json: File = None
    """Write every figure on a suite (IQM, CVaR and the rest of compare's), with each task's returns, to this file (*.json)."""
    figure: File = None
    """Draw the performance profile, each task's return and the reward over the time on a suite in this file (*.svg)."""


def run(given: Arguments) -> str:
    """Evaluate and print the tables; returns a line about broken limits, empty where there is none."""
    from .. import api
    from ..controllers.safety import check_limits
    from ..robots import SurefootError
    from .tables import show, show_summary

    limits = check_limits(parameters("--limit", given.limit))
    if given.suite is not None or given.split is not None or given.checkpoints:
        return _on_suite(given, limits)
    if given.json or given.figure:
        raise SurefootError("--json and --figure belong to a suite: --suite NAME")
    controller = api.load_any(given.source, planner(given.plan, given.planner))
    result = api.evaluate(
        controller,
        parameters=parameters("--set", given.parameters) or None,
        vary=pairs("--vary", given.vary) or None,
        options=with_terrain(given.terrain, {}) or None,
        episodes=50 if given.episodes is None else given.episodes,
        trial=1 if given.trial is None else given.trial,
        seed=1000 if given.seed is None else given.seed,
        safety=True,
    )
    show_summary(api.evaluation_table(result))
    _say_what_it_is_told(controller)
    if result.terms:
        show(("reward term", "mean per step"), [(name, f"{value:+.4f}") for name, value in result.terms.items()])
    return _safety({"": result}, limits)


def _on_suite(given: Arguments, limits: Mapping[str, Any]) -> str:
    """The tables of splits or of checkpoints."""
    from .. import api
    from ..robots import SurefootError
    from .tables import console, show_summary

    if given.suite is None:
        raise SurefootError("--split and --checkpoints belong to a suite: --suite NAME")
    if given.parameters or given.vary or given.terrain:
        raise SurefootError("a suite (--suite) has its own tasks: give no --vary, --set or --terrain with it")
    for path, suffix in ((given.json, ".json"), (given.figure, ".svg")):
        api.check_name(path, suffix)
    episodes = 10 if given.episodes is None else given.episodes
    seed = 1000 if given.seed is None else given.seed
    if given.checkpoints:
        if given.split not in (None, "validation"):
            raise SurefootError(f"checkpoints are chosen on split 'validation', never on {given.split!r}")
        if limits or given.json or given.figure or given.plan or given.planner:
            raise SurefootError(
                "--checkpoints compares returns alone: leave out --limit, --json, --figure, --plan and --planner"
            )
        show_summary(api.validation_table(api.choose(given.source, given.suite, episodes=episodes, seed=seed)))
        return ""
    splits = None if given.split is None else [given.split]
    trial = 1 if given.trial is None else given.trial
    controller = api.load(given.source, planner(given.plan, given.planner))
    results = api.evaluate_suite(
        controller, given.suite, splits, episodes=episodes, trial=trial, seed=seed, safety=True
    )
    show_summary(api.split_table(results))
    _say_what_it_is_told(controller)
    said = _safety({result.split: result.evaluation for result in results}, limits)
    content = api.as_comparison(results, given.suite, Path(given.source).name, seed=seed).content()
    for path in (given.json, given.figure):
        if path is not None:
            api.write_content(path, content)
            console().print(f"wrote {path}", soft_wrap=True)
    return said


def _say_what_it_is_told(controller: Any) -> None:  # whose types are imported late
    from .. import api
    from .tables import console

    known = api.told_the_truth(controller)
    if known:
        console().print(
            f"the controller is told the true {known}, as an oracle; surefoot adapt has to find out", soft_wrap=True
        )


def _safety(results: Mapping[str, Any], limits: Mapping[str, Any]) -> str:
    """Print the safety criteria of evaluations by name; what is broken, as one line."""
    from .. import api
    from ..robots import SurefootError
    from .tables import show_summary

    found = {name or "value": result.safety for name, result in results.items() if result.safety is not None}
    if not found:  # an environment of Gymnasium
        if limits:
            raise SurefootError("--limit needs a Surefoot robot: surefoot list robots")
        return ""
    show_summary(api.safety_table(found))
    return said_of(limits, {name: r.safety.figures() for name, r in results.items()})
