"""`surefoot tune`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from tyro.conf import Positional

from .options import (
    Count,
    File,
    Flag,
    Ranges,
    Seconds,
    Seed,
    Values,
    name_of,
    pairs,
    parameters,
    robot_and_task,
    values,
)

if TYPE_CHECKING:
    from ..controllers.tuning import Tuning


@dataclass
class Arguments:
    """Search for better hyperparameters: many short trainings, the hopeless ones cut off early. The first is the preset.

    A trial is worth its return in an evaluation without exploration (velocity: its tracking). The study is a file: after
    Ctrl-C the same command goes on, and given in several terminals all of them work on the same study."""

    robot: Positional[Annotated[str, tyro.conf.arg(metavar="ROBOT")]]
    """Name of the robot: `surefoot list robots`; or a Gymnasium id such as gym:CartPole-v1, without a TASK."""
    task: Positional[Annotated[str | None, tyro.conf.arg(metavar="TASK")]] = None
    """Name of the task: velocity (quadrupeds), run (the others)."""
    algo: Annotated[str, tyro.conf.arg(metavar="NAME")] = "ppo"
    """Algorithm: `surefoot list algorithms`."""
    trials: Count = 20
    """Trials of the study in all, with those that it has already."""
    seconds: Seconds = None
    """Budget of each training in wall-clock seconds, evaluations not counted; none: 60, or no limit where --steps is given."""
    steps: Count = None
    """Budget of each training in environment steps, which makes the study reproducible; none: the preset's."""
    jobs: Count = 1
    """Processes that work on the study, each with its share of the CPUs."""
    study: File = None
    """File of the study (*.journal); the results are written beside it as JSON; none: runs/tune-ROBOT-TASK-ALGO.journal."""
    search: Ranges = field(default_factory=list)
    """Law of a hyperparameter, instead of the algorithm's own (controllers/search.py): NAME=low:high (uniform),
    NAME=log:low:high, NAME=a|b|c (choice)."""
    only: Flag = False
    """Search what --search names and nothing else."""
    hyper: Values = field(default_factory=list)
    """Hyperparameter that is not searched, such as num_envs=256."""
    vary: Ranges = field(default_factory=list)
    """Draw a parameter of the robot anew for each episode, as in train; evaluations draw it too."""
    parameters: Annotated[Values, tyro.conf.arg(name="set", metavar="KEY=VALUE")] = field(default_factory=list)
    """Fix a parameter instead, such as payload=6."""
    option: Values = field(default_factory=list)
    """Option of the task, such as vx=1.0."""
    seed: Seed = 0
    """Seed of the search and of each trial's first training."""
    seeds: Count = 1
    """Trainings of each trial, on successive seeds; it is worth their mean."""
    episodes: Count = 20
    """Episodes of each evaluation, without exploration."""
    quiet: Flag = False
    """No line for each trial."""


def run(given: Arguments) -> None:
    """Search, and print what is known in the end, also after Ctrl-C."""
    from .. import api

    try:
        found = api.tune(
            *robot_and_task(given.robot, given.task, "tune hopper run"),
            study=study(given),
            algo=given.algo,
            trials=20 if given.trials is None else given.trials,
            steps=given.steps,
            seconds=given.seconds,
            jobs=1 if given.jobs is None else given.jobs,
            search=pairs("--search", given.search),
            only=given.only,
            hyperparameters=values("--hyper", given.hyper),
            vary=pairs("--vary", given.vary),
            parameters=parameters("--set", given.parameters),
            options=values("--option", given.option),
            seed=given.seed or 0,
            seeds=1 if given.seeds is None else given.seeds,
            episodes=20 if given.episodes is None else given.episodes,
            progress=not given.quiet,
        )
    except KeyboardInterrupt:
        if Path(study(given)).is_file():
            _print(api.read_study(study(given)))
        raise
    _print(found)


def _print(found: "Tuning") -> None:
    from .. import api
    from .tables import console, show_summary

    for table in api.tuning_tables(found):
        show_summary(table)
    if found.command:
        console().print(f"best: {found.command}", soft_wrap=True)


def study(given: Arguments) -> str:
    """The study's file."""
    return str(given.study) if given.study else f"runs/tune-{name_of(given.robot, given.task)}-{given.algo}.journal"


def interrupted(given: Arguments) -> str:
    """What is left after Ctrl-C."""
    if not Path(study(given)).is_file():
        return "nothing had been tried yet"
    return f"the study {study(given)!r} is kept: go on with the same command"
