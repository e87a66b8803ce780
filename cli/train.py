"""`surefoot train`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro
from tyro.conf import Positional

from .options import (
    Count,
    Flag,
    Folder,
    Ranges,
    Seconds,
    Seed,
    Values,
    is_gym,
    name_of,
    pairs,
    parameters,
    robot_and_task,
    values,
    with_terrain,
)

Name = Annotated[str | None, tyro.conf.arg(metavar="NAME")]


@dataclass
class Arguments:
    """Train a controller on a robot and a task, under randomised physics if you like."""

    robot: Positional[Annotated[str | None, tyro.conf.arg(metavar="ROBOT")]] = None
    """Name of the robot: `surefoot list robots`; menagerie:NAME (`surefoot robot list`); your own file, robot.xml or
    robot.urdf; or a Gymnasium id such as gym:CartPole-v1, without a TASK."""
    task: Positional[Annotated[str | None, tyro.conf.arg(metavar="TASK")]] = None
    """Name of the task: `surefoot list robots` says which."""
    algo: Annotated[str, tyro.conf.arg(metavar="NAME")] = "ppo"
    """Algorithm: `surefoot list algorithms`."""
    steps: Count = None
    """Environment steps of all worlds together, such as 5e6; none: the preset's (`surefoot list presets`). What rma's student
    and identify's identifier learn from comes on top."""
    seconds: Seconds = None
    """Limit of wall-clock time in seconds, whichever comes first; none: no limit."""
    vary: Ranges = field(default_factory=list)
    """Draw a parameter anew for each episode: KEY=low:high (uniform), KEY=log:low:high, KEY=a|b|c (choice); KEY.*=… draws
    each element by itself, KEY@5=… acts from 5 s of an episode on, KEY@p0.01=… from a moment on that comes with this
    probability in each control step. Keys and units: `surefoot list parameters ROBOT`."""
    parameters: Annotated[Values, tyro.conf.arg(name="set", metavar="KEY=VALUE")] = field(default_factory=list)
    """Fix a parameter instead, such as payload=6."""
    suite: Annotated[str | None, tyro.conf.arg(metavar="NAME|FILE")] = None
    """Take each episode's task from the split `train` of a task suite instead: `surefoot suite list`."""
    terrain: Annotated[str | None, tyro.conf.arg(metavar="KIND")] = None
    """Ground to walk on: flat, rough, slope, stairs-up, stairs-down, stepping-stones, gaps, several joined by +, or mixed, in
    levels of difficulty (--option terrain_level=0.5, terrain_curriculum=true); none: a level floor. What the robot sees of
    it: --hyper inputs=height-scan (or camera), with network=cnn or without."""
    option: Values = field(default_factory=list)
    """Option of the task, such as vx=1.0 (largest forward command, m/s) or push_interval=5 (s)."""
    hyper: Values = field(default_factory=list)
    """Hyperparameter instead of the preset's, such as learning_rate=3e-4 or net=256,256."""
    method: Name = None
    """Adaptation method to train for, which brings its own networks: recurrent, rma, context, search, identify, maml or
    reptile
    (`surefoot list methods`); none: a controller that is adapted by fine-tuning or planning."""
    meta: Values = field(default_factory=list)
    """Setting of the method's training, such as order=1 or pretrain=4e6 (maml), epochs=8 (rma) or updates=8000 (identify);
    repeatable."""
    preset: Name = None
    """Robot whose preset is used; none: this robot's own, or the algorithm's defaults where it has none."""
    seed: Seed = 0
    """Seed of robots, networks and exploration."""
    seeds: Count = None
    """Train on so many seeds, from --seed on, each in OUT/seed_K, evaluate each, and print mean and interval. Given again,
    complete seeds are skipped and the one that was cut off goes on. None: one seed, without evaluation."""
    out: Folder = None
    """Run folder: configuration, checkpoints, TensorBoard log, controller; none: runs/ROBOT-TASK-ALGO-SEED (or -METHOD-)."""
    resume: Flag = False
    """Continue the run in --out, up to --steps in total; ROBOT and TASK may be left out."""
    quiet: Flag = False
    """No progress."""


def run(given: Arguments) -> None:
    """Train, or go on with a run, and say where the result is."""
    from .. import api
    from .tables import console

    if given.seeds is not None:
        _train_seeds(given)
        return
    if given.resume:
        controller = _resume(given)
    else:
        controller = api.train(
            *robot_and_task(given.robot, given.task, "train quadruped velocity"),
            method=given.method or "",
            meta=values("--meta", given.meta),
            out=folder(given),
            **_asked(given),
        )
    where = folder(given)
    out = console()
    out.print(f"trained for {controller.timesteps:,} steps: {where}/controller.safetensors", soft_wrap=True)
    replay = "" if is_gym(given.robot) else f"   or   surefoot replay {where} --html walk.html"
    out.print(f"next: surefoot evaluate {where}{replay}", soft_wrap=True)


def _asked(given: Arguments) -> dict[str, Any]:
    return {
        "algo": given.algo,
        "steps": given.steps,
        "seconds": given.seconds,
        "seed": given.seed or 0,
        "vary": pairs("--vary", given.vary),
        "parameters": parameters("--set", given.parameters),
        "suite": given.suite,
        "options": with_terrain(given.terrain, values("--option", given.option)),
        "hyperparameters": values("--hyper", given.hyper),
        "preset": given.preset,
        "progress": not given.quiet,
    }


def _train_seeds(given: Arguments) -> None:
    from .. import api
    from ..robots import SurefootError
    from .tables import console, show_summary

    if given.method:
        raise SurefootError(
            "--seeds trains without --method: give one seed at a time, with --seed 1 --out FOLDER/seed_1 and so on"
        )
    if given.resume:
        raise SurefootError("--seeds goes on by itself where it was cut off: leave out --resume")
    robot, task = robot_and_task(given.robot, given.task, "train hopper run --seeds 5")
    summary = api.train_seeds(robot, task, seeds=given.seeds or 0, out=folder(given), **_asked(given))
    show_summary(api.seeds_table(summary))
    console().print(f"wrote {folder(given)}/summary.json", soft_wrap=True)


def _resume(given: Arguments):  # type: ignore[no-untyped-def]  # a Controller, which is imported late
    from .. import api
    from ..robots import SurefootError
    from ..robots.source import absolute, is_file_name

    if given.out is None:
        raise SurefootError("--resume needs the run folder: --out FOLDER")
    fresh = Arguments()
    fixed = {"--vary": "vary", "--set": "parameters", "--suite": "suite", "--option": "option", "--hyper": "hyper"}
    fixed["--terrain"] = "terrain"
    for flag, name in fixed.items():
        if getattr(given, name) != getattr(fresh, name):
            raise SurefootError(f"{flag} cannot change with --resume: the run's own configuration is continued")
    config = api.load(given.out).config
    for name in ("robot", "task"):
        said = getattr(given, name)
        said = absolute(said) if said is not None and is_file_name(said) else said
        if said is not None and said != getattr(config, name):
            raise SurefootError(f"the run in {str(given.out)!r} has {name} {getattr(config, name)!r}, not {said!r}")
    return api.resume(given.out, steps=given.steps, seconds=given.seconds, progress=not given.quiet)


def folder(given: Arguments) -> str:
    """The run folder."""
    name = "seeds" if given.seeds is not None else given.seed
    what = name_of(given.robot, given.task)
    return str(given.out) if given.out else f"runs/{what}-{given.method or given.algo}-{name}"


def interrupted(given: Arguments) -> str:
    """What is left after Ctrl-C."""
    from ..controllers.controller import controller_file
    from ..controllers.training import WHOLE
    from ..robots import SurefootError

    if given.seeds is not None:
        return f"what is complete in {folder(given)!r} stays: go on with the same command"
    for part in (".", "teacher", "base"):  # the last two are what rma and maml begin with
        try:
            file = controller_file(Path(folder(given), part))
        except SurefootError:
            continue
        if given.method in WHOLE:
            return f"{str(file)!r} is there, which may be used as it is: a training for {given.method!r} cannot go on"
        return f"{str(file)!r} is there: go on with surefoot train --resume --out {folder(given)}"
    return "nothing had been learnt yet"
