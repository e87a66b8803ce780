"""`surefoot suite`."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

import tyro
from tyro.conf import Positional

from .options import File, Ranges, Seed, Values, pairs, values

What = Literal["list", "show", "make", "verify"]
MOST_TASKS = 100_000
Name = Annotated[str | None, tyro.conf.arg(metavar="NAME")]


@dataclass
class Arguments:
    """Task suites: frozen, hashed splits of tasks. list them, show one (or the tasks of one --split), make one from laws
    and a seed, verify that they are what their hashes, laws and seeds say."""

    what: Positional[Annotated[What, tyro.conf.arg(metavar="WHAT")]] = "list"
    """list, show, make or verify."""
    names: Positional[Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME|FILE")]] = ()
    """Suites, by name or file (*.json); verify takes several, none: all that come with Surefoot."""
    split: Name = None
    """show: print the tasks of this split."""
    robot: Name = None
    """make: name of the robot."""
    task: Name = None
    """make: name of the task."""
    vary: Ranges = field(default_factory=list)
    """make: law of train, validation and test, in train's grammar, such as payload=0:3; repeatable. None: draw a suite that
    comes with Surefoot again."""
    moderate: Ranges = field(default_factory=list)
    """make: law of this split, where it differs from --vary."""
    extreme: Ranges = field(default_factory=list)
    """make: likewise."""
    structural: Ranges = field(default_factory=list)
    """make: likewise."""
    count: Values = field(default_factory=list)
    """make: number of tasks, such as train=200 (else 100) or test=50 (else 20); repeatable."""
    option: Values = field(default_factory=list)
    """make: option of the task, such as vx=1.0."""
    seed: Seed = None
    """make: seed of the draws; none: 0."""
    out: File = None
    """make: the file; none: NAME.json."""


def run(given: Arguments) -> None:
    """Do what is asked."""
    from .. import api
    from ..robots import SurefootError
    from .tables import console, show_summary

    ignored = _ignored(given)
    if ignored:
        raise SurefootError(f"suite {given.what} takes no {ignored}: surefoot suite --help says what belongs to what")
    if given.what == "list":
        show_summary(api.suites_table(api.list_suites()))
    elif given.what == "verify":
        for suite in api.verify_suites(given.names):
            console().print(
                f"{suite}: hash {suite.sha256[:16]}…, laws and seed {suite.seed} give these tasks, none twice"
            )
    elif len(given.names) != 1:
        raise SurefootError(
            f"suite {given.what} needs one name, for example: surefoot suite {given.what} quadruped-payload"
        )
    elif given.what == "show":
        suite = api.load_suite(given.names[0])
        if given.split is None:
            show_summary(api.suites_table([suite]))
        show_summary(api.suite_table(suite) if given.split is None else api.tasks_table(suite, given.split))
    else:
        _make(given, given.names[0])


def _ignored(given: Arguments) -> str:
    """The first argument that was given and means nothing here; "" where there is none."""
    plain = Arguments()
    belong = {"show": ("names", "split"), "verify": ("names",), "make": set(vars(plain)) - {"split"}, "list": ()}
    said = (name for name, value in vars(given).items() if value != getattr(plain, name) and name != "what")
    name = next((name for name in said if name not in belong[given.what]), "")
    return "NAME" if name == "names" else name and f"--{name}"


def _make(given: Arguments, name: str) -> None:
    from pathlib import Path

    from .. import api
    from ..robots import SurefootError
    from .tables import console

    path = given.out or Path(f"{name}.json")
    api.check_name(path, ".json")
    if path.exists():
        raise SurefootError(f"{str(path)!r} is there already: a suite is never changed, give another --out")
    counts = values("--count", given.count)
    for split, number in counts.items():
        if type(number) is not int or not 0 <= number <= MOST_TASKS:  # true is none
            raise SurefootError(f"--count {split}={number}: expected a whole number, at most {MOST_TASKS:,}")
    beyond = {split: pairs(f"--{split}", getattr(given, split)) for split in ("moderate", "extreme", "structural")}
    suite = api.make_suite(
        name,
        given.robot,
        given.task,
        vary=pairs("--vary", given.vary),
        beyond={split: law for split, law in beyond.items() if law},
        counts=counts,
        options=values("--option", given.option),
        seed=given.seed or 0,
    )
    suite.save(path)
    console().print(f"wrote {path}: {suite}, sha256 {suite.sha256}", soft_wrap=True)
