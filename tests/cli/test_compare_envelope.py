"""`surefoot compare`, `envelope` and the limits of `evaluate`."""

import json
import shutil
from pathlib import Path

import pytest

from surefoot.cli.main import run

MAKE = "suite make short --robot quadruped --task velocity --vary payload=0:3 --moderate payload=3:6"
COUNTS = "--count train=2 --count validation=0 --count test=2 --count moderate=2 --option episode_seconds=0.4"


@pytest.fixture
def short(tmp_path: Path) -> Path:
    """A suite file whose episodes are short."""
    assert run([*MAKE.split(), *COUNTS.split(), "--out", str(tmp_path / "short.json")]) == 0
    return tmp_path / "short.json"


def test_compare(walk: Path, short: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for k in range(2):
        shutil.copytree(walk, tmp_path / "seeds" / f"seed_{k}")
    line = [
        "compare",
        str(tmp_path / "seeds"),
        str(walk),
        "--suite",
        str(short),
        "--split",
        "test",
        "--split",
        "moderate",
    ]
    files = ["--json", str(tmp_path / "out.json"), "--figure", str(tmp_path / "out.svg")]
    roles = ["--baseline", str(walk), "--oracle", "quadruped-velocity"]
    capsys.readouterr()
    assert run([*line, *roles, "--episodes", "2", *files]) == 0
    text = capsys.readouterr().out
    for word in ("test: 2 tasks", "moderate: 2 tasks", "walk (baseline)", "quadruped-velocity (oracle)", "IQM", "CVaR",
                 "gap closed", "beats baseline", "OOD gap", "2 episodes a task", "time_to_fall",
                 "trained, a seed: seeds 0.00", "largest normal force", "out.svg"):  # fmt: skip
        assert word in text
    found = json.loads((tmp_path / "out.json").read_text())
    methods = found["splits"]["test"]["methods"]
    assert list(methods) == ["seeds", "walk", "quadruped-velocity"]
    assert methods["seeds"]["seeds"] == 2
    assert methods["seeds"]["task_returns"] == 2 * methods["walk"]["task_returns"]  # the same controller
    assert methods["seeds"]["gap_closed"] == 0
    assert methods["seeds"]["probability_of_improvement"] == 0.5
    assert (tmp_path / "out.svg").read_text().startswith("<svg")


def test_evaluate_writes_what_compare_would(walk: Path, short: Path, tmp_path: Path) -> None:
    asked, files = ["--suite", str(short), "--split", "test", "--episodes", "2", "--trial", "2"], {}
    for verb in ("evaluate", "compare"):
        names = [str(tmp_path / f"{verb}{suffix}") for suffix in (".json", ".svg")]
        assert run([verb, str(walk), *asked, "--json", names[0], "--figure", names[1]]) == 0
        files[verb] = [Path(name).read_text() for name in names]
    assert files["evaluate"] == files["compare"]
    figures = json.loads(files["evaluate"][0])["splits"]["test"]["methods"]["walk"]
    assert {"iqm_interval", "cvar", "by_episode", "by_second", "safety", "profile"} <= set(figures)


def test_envelope(walk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = [
        "envelope",
        str(walk),
        "--x",
        "payload=0:12",
        "--y",
        "friction=log:0.2:1.2",
        "--cells",
        "2",
        "--episodes",
        "1",
    ]
    for name in ("map.svg", "map.json"):
        extra = ["--adapted", "quadruped-velocity", "--set", "gravity=5", "--out", str(tmp_path / name)]
        assert run([*line, *extra]) == 0
    text = capsys.readouterr().out
    for word in ("before", "after", "friction \\ payload", "12", "0.2", "no fall and tracking above 0.6", "map.svg"):
        assert word in text
    found = json.loads((tmp_path / "map.json").read_text())
    assert found["x"]["trained"] == [0, 3]
    assert found["parameters"] == "gravity=5.0"
    assert (tmp_path / "map.svg").read_text().startswith("<svg")


def test_a_broken_limit_ends_with_code_1(walk: Path, short: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["evaluate", str(walk), "--set", "dead_actuator=front+rear", "--episodes", "2"]
    assert run([*line, "--limit", "falls=1", "--limit", "energy=1e9"]) == 0
    said = capsys.readouterr()
    assert not said.err
    for word in ("falls", "time_to_fall", "impact", "cost_of_transport"):
        assert word in said.out
    assert run([*line, "--limit", "falls=0.02", "--limit", "time_to_fall=19"]) == 1
    (told,) = capsys.readouterr().err.splitlines()
    assert told.startswith("surefoot: limit broken: falls 1 (limit: at most 0.02); time_to_fall ")
    for verb in ("evaluate", "compare"):
        assert run([verb, str(walk), "--suite", str(short), "--episodes", "1", "--limit", "impact=1"]) == 1
    told = capsys.readouterr().err
    assert "test: impact" in told
    assert "moderate: impact" in told
    assert "train: impact" in told


def test_axes_without_ranges(walk: Path, tmp_path: Path) -> None:
    line = "--x payload --y friction --cells 2 --episodes 1 --set gravity=5"
    assert run(["envelope", str(walk), *line.split(), "--out", str(tmp_path / "map.json")]) == 0
    found = json.loads((tmp_path / "map.json").read_text())
    assert found["x"]["values"] == [0, 13]  # the robot's own 12.7 kg
    assert found["y"]["values"] == [0.1, 3]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("evaluate RUN --limit fals=0.1", "unknown safety criterion 'fals': did you mean falls?"),
        ("evaluate RUN --limit falls", "--limit falls: expected KEY=VALUE"),
        ("evaluate RUN --limit falls=few", "limit falls=few: expected a number"),
        ("evaluate RUN --suite quadruped-payload --checkpoints --limit falls=0", "leave out --limit"),
        ("evaluate RUN --json out.json", "--json and --figure belong to a suite"),
        ("evaluate RUN --suite quadruped-payload --json out.txt", "ends in .json"),
        ("evaluate RUN --suite quadruped-payload --figure out.png", "ends in .svg"),
        ("compare", "compare needs runs and a suite"),
        ("compare RUN --suite quadruped-payload --limit fals=0.1", "did you mean falls?"),
        ("compare RUN", "compare needs runs and a suite"),
        ("compare RUN --suite quadruped-paylod", "did you mean quadruped-payload"),
        ("compare RUN --suite quadruped-payload --split tests", "unknown split of suite 'quadruped-payload' 'tests'"),
        (
            "compare RUN half_cheetah-run --suite quadruped-payload",
            "is for quadruped velocity, not for half_cheetah run",
        ),
        ("compare RUN --suite cheetah-cripple", "is for half_cheetah cheetah-cripple, not for quadruped velocity"),
        ("compare RUN nowhere --suite quadruped-payload", "at 'nowhere'"),
        ("compare RUN --suite quadruped-payload --baseline nowhere", "at 'nowhere'"),
        ("compare RUN --suite quadruped-payload --episodes 0", "number of episodes 0"),
        ("compare RUN --suite quadruped-payload --json out.txt", "ends in .json"),
        ("compare RUN --suite quadruped-payload --figure out.png", "ends in .svg"),
        ("envelope RUN", "envelope needs two axes"),
        ("envelope RUN --x payload=0:3", "envelope needs two axes"),
        ("envelope RUN --x payload=0:3 --y payload=0:3", "'payload' was already given"),
        ("envelope RUN --x payload=0:3 --y payloat=0:3", "did you mean payload"),
        ("envelope RUN --x payload=0:3 --y friction=", "--x and --y friction=: expected KEY or KEY=RANGE"),
        ("envelope RUN --x payload --y frictoin", "did you mean friction"),
        (
            "envelope RUN --x payload --y dead_actuator",
            "'dead_actuator' has no usual range: expected dead_actuator=low",
        ),
        ("envelope RUN --x payload --y vx", "axis 'vx' has no usual range: expected vx=low:high"),
        ("envelope RUN --x payload=0:300 --y friction=0.5:1", "illegal value 300 for parameter 'payload'"),
        ("envelope RUN --x payload=0:3 --y friction=0.5:1 --out map.png", "ends in .svg or .json"),
        ("envelope RUN --x payload=0:3 --y friction=0.5:1 --set payloat=1", "did you mean payload"),
        (
            "envelope RUN --x payload=0:3 --y friction=0.5:1 --adapted half_cheetah-run",
            "is for half_cheetah run, not for",
        ),
        ("envelope nowhere --x payload=0:3 --y friction=0.5:1", "at 'nowhere'"),
    ],
)
def test_bad_input(line: str, said: str, walk: Path, refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert said in refused(*[str(walk) if word == "RUN" else word for word in line.split()])
    assert not list(tmp_path.iterdir())
