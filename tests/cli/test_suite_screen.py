"""`surefoot suite`, `screen`, and suites in `train` and `evaluate`."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from surefoot import api
from surefoot.cli.main import run
from surefoot.envs.batch_env import BatchEnv
from surefoot.envs.families import FAMILIES
from surefoot.envs.options import configured
from surefoot.envs.suites import load_suite, suite_names
from surefoot.envs.variation import Task
from surefoot.replay import Recording
from surefoot.replay.rollout import record

MAKE = "suite make loads --robot quadruped --task velocity --vary payload=0:3 --vary friction=log:0.5:2 --moderate payload=3:6"
COUNTS = "--count train=5 --count validation=2 --count test=2 --count moderate=3 --option episode_seconds=0.4 --seed 7"


@pytest.fixture
def loads(tmp_path: Path) -> Path:
    """A suite file whose episodes are short."""
    assert run([*MAKE.split(), *COUNTS.split(), "--out", str(tmp_path / "loads.json")]) == 0
    return tmp_path / "loads.json"


def test_list_show_verify(capsys: pytest.CaptureFixture[str]) -> None:
    for line in ("suite", "suite list"):
        assert run(line.split()) == 0
        text = capsys.readouterr().out
        for name in ("quadruped-payload", "quadruped-damage", "cheetah-cripple", "half_cheetah"):
            assert name in text
    assert run(["suite", "show", "quadruped-payload"]) == 0
    text = capsys.readouterr().out
    for word in (
        "train",
        "128",
        "structural",
        "motor_strength.front_left",
        load_suite("quadruped-payload").sha256[:16],
    ):
        assert word in text
    assert run(["suite", "show", "cheetah-cripple", "--split", "moderate"]) == 0
    assert "dead_actuator=ffoot" in capsys.readouterr().out
    here = [name for name in suite_names() if not FAMILIES[name].get("robots")]  # what needs no other model files
    assert run(["suite", "verify", *here]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(here) > 15


def test_make(loads: Path, refused, capsys: pytest.CaptureFixture[str]) -> None:
    suite = load_suite(loads)
    assert {k: len(v) for k, v in suite.splits.items()} == {"train": 5, "validation": 2, "test": 2, "moderate": 3}
    assert all(float(t.parameters["payload"]) >= 3 for t in suite.tasks("moderate"))
    assert all(set(t.parameters) == {"payload", "friction"} for split in suite.splits for t in suite.tasks(split))
    assert run(["suite", "verify", str(loads)]) == 0
    before = loads.read_bytes()
    assert "is there already" in refused(*MAKE.split(), "--out", loads)
    assert loads.read_bytes() == before
    again = loads.with_name("again.json")
    capsys.readouterr()
    assert run([*MAKE.split(), *COUNTS.split(), "--out", str(again)]) == 0
    assert f"sha256 {suite.sha256}" in capsys.readouterr().out
    assert again.read_bytes() == before


def test_making_a_suite_that_comes_along_gives_its_file(tmp_path: Path) -> None:
    out = tmp_path / "cripple.json"
    assert run(["suite", "make", "cheetah-cripple", "--out", str(out)]) == 0
    assert load_suite(out) == load_suite("cheetah-cripple")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("suite show", "suite show needs one name"),
        ("suite show quadruped-paylod", "unknown suite 'quadruped-paylod': did you mean quadruped-payload"),
        ("suite show quadruped-payload --split tests", "did you mean test"),
        ("suite verify nowhere.json", "no task suite at 'nowhere.json'"),
        ("suite make loads", "needs a robot, a task and a law"),
        ("suite make loads --vary payload=0:3", "needs a robot and a task"),
        ("suite make loads --robot quadrupet --task velocity --vary payload=0:3", "did you mean quadruped"),
        ("suite make loads --robot quadruped --task velocty --vary payload=0:3", "did you mean velocity"),
        ("suite make loads --robot quadruped --task velocity --vary payloat=0:3", "did you mean payload"),
        ("suite make loads --robot quadruped --task velocity --vary payload=0:300", "expected 0 to 200 kg"),
        ("suite make loads --robot quadruped --task velocity --vary payload=3", "gives 1 tasks"),
        ("suite make loads --robot quadruped --task velocity --vary payload=0:3 --count tests=3", "did you mean test"),
        ("suite make loads --robot quadruped --task velocity --vary payload=0:3 --count test=some", "expected a whole"),
        ("suite make loads --robot quadruped --task velocity --vary payload=0:3 --count test=true", "expected a whole"),
        ("suite make loads --robot quadruped --task velocity --vary payload=0:3 --option vz=1", "unknown option of"),
        ("suite make loads --robot hopper --task velocity --vary payload=0:3", "robot on legs"),
        ("suite make loads --robot quadruped --task velocity --vary payload=0:3 --out x.txt", "ends in .json"),
        ("train quadruped velocity --suite quadruped-payloads", "did you mean quadruped-payload"),
        ("train quadruped velocity --suite quadruped-payload --vary payload=0:3", "give no variation (--vary)"),
        ("train quadruped velocity --suite quadruped-payload --set payload=3", "give no variation (--vary)"),
        ("train go1 velocity --suite quadruped-payload", "is for quadruped velocity, not for go1 velocity"),
        ("train quadruped velocity --hyper clip_obs=0.5", "clip_obs=0.5: expected 3 or more"),
        ("train quadruped velocity --hyper clip_reward=0", "clip_reward=0.0: expected more than 0"),
        ("evaluate RUN --split test", "--split and --checkpoints belong to a suite"),
        ("evaluate RUN --suite quadruped-payload --set payload=3", "give no --vary, --set or --terrain"),
        ("evaluate RUN --suite quadruped-payload --checkpoints --split test", "never on 'test'"),
        ("screen", "screen needs recordings"),
        ("screen nowhere", "nothing at 'nowhere'"),
        ("screen .", "no recording in folder"),
    ],
)
def test_bad_input(line: str, said: str, refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert said in refused(*line.split())
    assert not list(tmp_path.iterdir())


def test_a_changed_suite_is_refused(loads: Path, refused) -> None:
    loads.write_text(loads.read_text().replace('"seed": 7', '"seed": 8'))
    for verb in (["suite", "show"], ["suite", "verify"], ["train", "quadruped", "velocity", "--suite"]):
        line = refused(*verb, loads)
        assert "expected sha256" in line
        assert "found" in line


def test_train_and_evaluate_on_a_suite(
    loads: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    small = "--hyper num_envs=16 --hyper batch_size=384 --hyper net=8,8 --hyper clip_obs=5 --steps 400 --quiet"
    assert run(["train", "quadruped", "velocity", "--suite", "loads.json", *small.split(), "--out", "run"]) == 0
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["suite_sha256"] == load_suite(loads).sha256
    capsys.readouterr()
    assert run(["evaluate", "run", "--suite", "loads.json", "--episodes", "2"]) == 0
    text = capsys.readouterr().out
    rows = [line.split()[:2] for line in text.splitlines()]
    for split, number in (("train", "5"), ("validation", "2"), ("test", "2"), ("moderate", "3")):
        assert [split, number] in rows
    assert "2 episodes a task" in text
    assert run(["evaluate", "run", "--suite", "loads.json", "--split", "test"]) == 0
    text = capsys.readouterr().out
    assert "moderate" not in text
    assert "10 episodes a task" in text
    assert run(["evaluate", "run", "--suite", "loads.json", "--checkpoints"]) == 0
    assert "best on validation: run/controller.safetensors" in capsys.readouterr().out


def recorded(walk: Path, name: str, seed: int, **parameters: float) -> Recording:
    """Three episodes of a second."""
    config = configured("velocity", episode_seconds=1.0)
    env = BatchEnv("quadruped", "velocity", 1, tasks=Task(parameters), config=config, autoreset=False)
    script = [(0.0, 0.4, 0.0, 0.0)]
    return record(api.load(walk).act, env, label=name, seconds=3.0, seed=seed, script=script)


@pytest.fixture
def folder(tmp_path: Path, walk: Path, spoil) -> Path:
    """Recordings: one as it is, one with a number that is none, one whose label lies, half a file."""
    found = tmp_path / "recordings"
    recorded(walk, "honest", 1, payload=2.0).save(found / "a.recording.npz")
    recorded(walk, "broken", 2).save(found / "b.recording.npz")
    spoil(found / "b.recording.npz", "qvel", 4, 2)
    lie = recorded(walk, "lie", 3, payload=1.0)
    dataclasses.replace(lie, parameters={"payload": 4.0}).save(found / "c.recording.npz")
    (found / "d.recording.npz").write_bytes((found / "a.recording.npz").read_bytes()[:5000])
    return found


def test_screen(folder: Path, tmp_path: Path, refused, capsys: pytest.CaptureFixture[str]) -> None:
    whole = {name: Recording.load(folder / f"{name}.recording.npz") for name in "ac"}
    screening, left = api.screen([folder], out=tmp_path / "clean")
    named = [(Path(f.label).name[0], f.episode, f.reason) for f in screening.findings]
    lies = [("c", e, "mislabelled") for e in range(whole["c"].episode[-1] + 1)]
    assert named == [("d", 0, "unreadable"), ("b", 0, "non-finite"), *lies]
    assert screening.findings[1].step == 4
    kept = {path.name[0]: Recording.load(path) for path in (tmp_path / "clean").iterdir()}
    assert set(kept) == {"a", "b"}
    assert np.array_equal(kept["a"].qpos, whole["a"].qpos)
    assert len(kept["b"]) < 150
    assert [r.label for r in left] == ["honest", "broken"]
    assert not api.screen([tmp_path / "clean"])[0].findings

    assert run(["screen", str(folder), "--out", str(tmp_path / "again")]) == 0
    text = capsys.readouterr().out
    for word in ("unreadable", "non-finite", "mislabelled", "payload=4", "kept", "wrote"):
        assert word in text
    before = {path: path.read_bytes() for path in folder.iterdir()}
    assert "choose another folder" in refused("screen", folder, "--out", folder)
    assert "same file name" in refused("screen", folder, tmp_path / "clean", "--out", tmp_path / "third")
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    assert not (tmp_path / "third").exists()
    assert run(["screen", str(folder / "a.recording.npz"), "--tolerance", "0.01"]) == 0
    assert "kept 150 of 150 steps" in capsys.readouterr().out


def test_evaluate_plans_on_a_suite_and_says_who_is_told_the_truth(
    loads: Path, tmp_path: Path, refused, capsys: pytest.CaptureFixture[str]
) -> None:
    small = {"num_envs": 4, "batch_size": 96, "net": (8,), "inputs": ("payload", "gravity")}
    told = api.train("quadruped", "velocity", steps=1, hyperparameters=small, progress=False)
    file, planned = tmp_path / "told.safetensors", "--planner samples=3 --planner horizon=2"
    told.save(file)
    asked = ["evaluate", str(file), "--suite", str(loads), "--split", "test", "--episodes", "1"]
    tables = []
    for more in ("", planned):
        assert run([*asked, *more.split()]) == 0
        tables.append(capsys.readouterr().out)
        assert "the controller is told the true payload, gravity, as an oracle" in " ".join(tables[-1].split())
    assert tables[0] != tables[1]
    assert "unknown planner setting 'smaples'" in refused(*asked, "--planner", "smaples=2")
    assert "leave out --limit" in refused(*asked[:-4], "--checkpoints", "--plan")
    told.told = {"payload": 1.0, "gravity": -9.81}
    told.save(file)
    assert run(asked) == 0
    assert "oracle" not in capsys.readouterr().out
