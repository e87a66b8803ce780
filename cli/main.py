"""`surefoot VERB …`: finds the verb, imports its module only then, and turns bad input into one line and exit code 2."""

import importlib
import sys
import warnings
from collections.abc import Sequence
from typing import Any

from .. import __version__

# Verb: (module, what it does, an example).
VERBS = {
    "list": (
        "listing",
        "robots, tasks, algorithms, methods, controllers, parameters and presets",
        "surefoot list parameters quadruped",
    ),
    "train": (
        "train",
        "train a controller on randomised robots",
        "surefoot train quadruped velocity --vary motor_strength=0.8:1.2 --vary payload=0:3 --out runs/walk",
    ),
    "adapt": (
        "adapt",
        "adapt a controller to a robot that it has never met",
        "surefoot adapt runs/walk --set payload=6 --set motor_strength.front_left=0.4 --seconds 60",
    ),
    "identify": (
        "identify",
        "fit a simulated robot to the log of a real one",
        "surefoot identify quadruped walk.csv --columns map.yaml --fit payload=0:6 --fit friction",
    ),
    "evaluate": (
        "evaluate",
        "how good is a controller on a robot, or on many?",
        "surefoot evaluate runs/walk --set payload=6 --episodes 50",
    ),
    "compare": (
        "compare",
        "which of several runs is the best on a suite, and how sure is that?",
        "surefoot compare runs/plain runs/meta --suite quadruped-damage --split test --baseline runs/plain --figure out.svg",
    ),
    "envelope": (
        "envelope",
        "what does a controller survive? Success on a grid of two parameters",
        "surefoot envelope runs/walk --x payload=0:12 --y friction=0.2:1.2 --out map.svg",
    ),
    "tune": (
        "tune",
        "search for better hyperparameters, in a study that can be continued",
        "surefoot tune half_cheetah run --trials 20 --seconds 60 --search learning_rate=log:1e-4:3e-3",
    ),
    "replay": (
        "replay",
        "show controllers and recordings in a viewer, as a page, a video or a poster",
        "surefoot replay runs/walk --html out.html",
    ),
    "play": (
        "play",
        "drive a controller live in the browser: push it, change the robot, kill a motor",
        "surefoot play quadruped-velocity --set payload=3",
    ),
    "record": (
        "record",
        "write what a controller does in one or many worlds into a file",
        "surefoot record runs/walk --worlds 64 --episodes 1 --set payload=6 --out walk.recording.npz",
    ),
    "report": (
        "report",
        "trainings, comparisons and recordings as one page: curves, tables, safety, gait",
        "surefoot report runs/walk compare.json --record --videos --out report.html",
    ),
    "robot": (
        "robot",
        "any robot by name or file: what is found in it, what looks wrong; which there are",
        "surefoot robot check menagerie:unitree_g1 --picture g1.png",
    ),
    "info": ("info", "what is in a recording", "surefoot info walk.recording.npz"),
    "suite": (
        "suite",
        "frozen sets of tasks: what there is, what is in one, make or verify one",
        "surefoot suite show quadruped-payload",
    ),
    "screen": (
        "screen",
        "check recorded episodes before anything learns from them",
        "surefoot screen recordings --out clean",
    ),
    "continual": (
        "continual",
        "change a robot in mid-walk: who notices, who recovers, how soon",
        "surefoot continual runs/walk --set dead_actuator=rear_left_calf --set vx=0.8 --before vx=0.8",
    ),
    "export": (
        "export",
        "write a controller as ONNX or TorchScript",
        "surefoot export runs/walk --onnx walk.onnx",
    ),
    "import-sb3": (
        "import_sb3",
        "turn a Stable-Baselines3 zip into a controller",
        "surefoot import-sb3 cheetah.zip half_cheetah run --runs-code --vecnormalize cheetah.pkl",
    ),
    "demo": ("demo", "the main job in ten minutes: train, break, adapt, replay", "surefoot demo --out demo"),
}


def main() -> None:
    """The command `surefoot`."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command line; returns the exit code: 0, 1 for a broken limit, 2 for bad input, 130 when interrupted."""
    verb = arguments[0] if arguments else "--help"
    if verb in ("-h", "--help", "help"):
        print(overview())
        return 0
    if verb in ("-V", "--version"):
        print(f"surefoot {__version__}")
        return 0
    try:
        return _run_verb(verb, arguments[1:])
    except KeyboardInterrupt:  # while something was still being imported
        return _fail("interrupted", 130)


def _run_verb(verb: str, arguments: Sequence[str]) -> int:
    if verb not in VERBS:
        from ..robots.errors import unknown

        return _fail(str(unknown("verb", verb, VERBS)))
    import tyro

    module = importlib.import_module(f".{VERBS[verb][0]}", __package__)
    description = f"{module.Arguments.__doc__}\n\nExample: {VERBS[verb][2]}"
    given = tyro.cli(module.Arguments, prog=f"surefoot {verb}", description=description, args=list(arguments))

    from ..robots.errors import SurefootError

    try:
        with warnings.catch_warnings():
            warnings.showwarning = _one_line
            broken = module.run(
                given
            )  # a line, where what was asked came out worse than a limit that was given with it
    except SurefootError as error:
        return _fail(str(error))
    except MemoryError as error:
        return _fail(f"not enough memory ({error}): ask for fewer episodes, worlds or samples")
    except KeyboardInterrupt:
        what_is_there = getattr(module, "interrupted", lambda _: "")(given)
        return _fail("; ".join(["interrupted", *([what_is_there] if what_is_there else [])]), 130)
    except BrokenPipeError:  # surefoot list | head
        sys.stderr.close()
        return 0
    except OSError as error:  # a name that is too long, a full disk
        return _fail(str(error))
    return _fail(broken, 1) if broken else 0


def _one_line(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
    """A warning as bad input is told, without the line of code that it comes from."""
    print(f"surefoot: {category.__name__}: {' '.join(str(message).split())}", file=sys.stderr)


def _fail(message: str, code: int = 2) -> int:
    print(f"surefoot: {' '.join(message.split())}", file=sys.stderr)
    return code


def overview() -> str:
    """What `surefoot --help` prints."""
    width = max(map(len, VERBS))
    lines = [
        "usage: surefoot VERB [options]",
        "",
        "Train locomotion controllers on randomised MuJoCo robots, adapt them to a robot they have never met, replay both.",
        "",
        *(f"  {verb:<{width}}  {what}" for verb, (_, what, _) in VERBS.items()),
        "",
        "examples:",
        *(f"  {example}" for _, _, example in VERBS.values()),
        "",
        "surefoot VERB --help explains every option; surefoot --version prints the version.",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
