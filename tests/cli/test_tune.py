"""`surefoot tune`, `train --seeds`, `train --preset` and `list presets`, as people type them."""

import dataclasses
import json
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from surefoot import api
from surefoot.cli.main import run
from surefoot.controllers.controller import Controller
from surefoot.controllers.presets import PRESETS, REACHED, Reached, settings_for
from surefoot.controllers.settings import PPOSettings

SMALL = ["--hyper", "num_envs=8", "--hyper", "n_steps=8", "--hyper", "batch_size=32", "--hyper", "net=16,16"]
TUNE = ["tune", "hopper", "run", "--steps", "192", "--episodes", "2", "--only", "--search", "n_epochs=1:4", *SMALL]


def test_tune(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    assert run([*TUNE, "--trials", "2", "--set", "gravity=30"]) == 0
    said, told = capsys.readouterr()
    assert [line.split(":")[0] for line in told.splitlines()] == ["trial 0", "trial 1"]
    assert "n_epochs=4" in said
    assert "2 trials: 2 complete; trial 0 is the preset" in said
    (best,) = (line for line in said.splitlines() if line.startswith("best: "))
    found = json.loads((tmp_path / "runs" / "tune-hopper-run-ppo.json").read_text())
    assert best == f"best: {found['command']}"
    assert "--set gravity=30" in best
    assert {p.name for p in (tmp_path / "runs").iterdir()} == {
        "tune-hopper-run-ppo.json", "tune-hopper-run-ppo.journal", "tune-hopper-run-ppo.journal.lock",
    }  # fmt: skip
    assert run([*TUNE, "--trials", "2", "--set", "gravity=30"]) == 0  # again: nothing is left to do
    said, told = capsys.readouterr()
    assert not told
    assert best in said


@pytest.mark.slow
def test_tune_with_two_jobs(surefoot, tmp_path: Path) -> None:
    done = surefoot(*TUNE, "--trials", "6", "--jobs", "2", "--study", "study.journal", timeout=300)
    assert done.returncode == 0, done.stderr
    assert len(done.stderr.splitlines()) == 6
    log = [json.loads(line) for line in (tmp_path / "study.journal").read_text().splitlines()]
    assert len({entry["worker_id"] for entry in log if entry["op_code"] == 6 and entry["state"] in (1, 2)}) == 2


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("tune hoper run", "unknown robot 'hoper': did you mean hopper"),
        ("tune hopper rum", "unknown task 'rum': did you mean run"),
        ("tune hopper run --algo pop", "unknown algorithm 'pop'"),
        (
            "tune hopper run --search learning_rat=0:1",
            "unknown hyperparameter 'learning_rat': did you mean learning_rate",
        ),
        ("tune hopper run --search learning_rate=-1:0.1", "learning_rate=-1.0: expected between 0 and 1"),
        ("tune hopper run --search learning_rate=0.1:0.01", "expected low <= high"),
        ("tune hopper run --search learning_rate=log:0:0.01", "above 0"),
        ("tune hopper run --search learning_rate", "--search learning_rate: expected KEY=VALUE"),
        ("tune hopper run --search gamma=0.9:0.99 --hyper gamma=0.9", "both fixed (--hyper) and searched"),
        ("tune hopper run --steps 1e4 --search steps=1e4|1e5", "both fixed (--steps) and searched"),
        ("tune hopper run --only", "nothing to search"),
        ("tune hopper run --hyper num_env=8", "did you mean num_envs"),
        ("tune hopper run --only --search batch_size=1e5|2e5", "size of a rollout"),
        ("tune hopper run --trials 0", "number of trials 0: expected 1 or more"),
        ("tune hopper run --jobs 0", "number of jobs 0"),
        ("tune hopper run --seeds 0", "number of seeds 0"),
        ("tune hopper run --episodes 0", "number of episodes 0"),
        ("tune hopper run --steps 0", "steps=0"),
        ("tune hopper run --study study.json", "ends in .journal"),
        ("tune hopper run --vary payloat=0:3", "did you mean payload"),
        ("tune hopper run --vary payload=0:3 --set payload=1", "not both"),
        ("train hopper run --seeds 0", "number of seeds 0"),
        ("train hopper --seeds 2", "needs ROBOT and TASK"),
        ("train hopper run --seeds 2 --resume", "leave out --resume"),
        ("train gym:CartPole-v1 balance --seeds 2", "leave out the task 'balance'"),
        ("tune hopper", "tune needs ROBOT and TASK, for example: surefoot tune hopper run"),
        ("tune gym:CartPol-v1", "did you mean CartPole-v1"),
        ("tune gym:CartPole-v1 balance", "leave out the task 'balance'"),
        ("tune gym:CartPole-v1 --vary payload=0:3", "--vary needs a Surefoot robot"),
        ("train hoper run --seeds 2", "did you mean hopper"),
        (
            "train hopper run --preset half_cheeta",
            "unknown preset for ppo on task 'run' 'half_cheeta': did you mean half_cheetah",
        ),
        ("train hopper run --preset quadruped", "unknown preset for ppo on task 'run' 'quadruped'"),
        ("train hopper run --preset quadruped --algo pop", "unknown algorithm 'pop'"),
        ("train go1 stand --preset quadruped", "no preset for ppo on task 'stand'"),
    ],
)
def test_bad_input(line: str, said: str, refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert said in refused(*line.split())
    assert not list(tmp_path.iterdir())


def test_without_optuna_one_line_says_what_to_install() -> None:
    code = "import sys; sys.modules['optuna'] = None; import surefoot.cli.main as m; sys.exit(m.run('tune hopper run'.split()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == "surefoot: tune needs Optuna: pip install 'surefoot[tune]'\n"


def test_train_on_several_seeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["train", "hopper", "run", "--seeds", "2", "--steps", "192", "--quiet", *SMALL]) == 0
    said, told = capsys.readouterr()
    assert not told
    assert "2 of 2 seeds, 50 episodes each: return" in said
    assert "95 % interval" in said
    assert "interquartile mean" in said
    out = Path("runs/hopper-run-ppo-seeds")
    assert {p.name for p in out.iterdir()} == {"seed_0", "seed_1", "seeds.json", "summary.json"}
    assert str(out / "summary.json") in said


GYM = "gym:CartPole-v1 --algo dqn --steps 100 --hyper learning_starts=50 --hyper net=16,16 --quiet"


def test_train_a_gymnasium_id_on_several_seeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["train", *GYM.split(), "--seeds", "2"]) == 0
    said, told = capsys.readouterr()
    assert not told
    assert "2 of 2 seeds, 50 episodes each: return" in said
    out = Path("runs/CartPole-v1-dqn-seeds")
    assert {p.name for p in out.iterdir()} == {"seed_0", "seed_1", "seeds.json", "summary.json"}
    assert Controller.load(out / "seed_1").config.robot == "gym:CartPole-v1"


def test_tune_a_gymnasium_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["tune", *GYM.split(), "--trials", "2", "--episodes", "2"]) == 0
    found = json.loads(Path("runs/tune-CartPole-v1-dqn.json").read_text())
    assert [t["state"] for t in found["trials"]] == ["complete", "complete"]
    first = found["trials"][0]["hyperparameters"]
    preset = settings_for("gym:CartPole-v1", "", "dqn")
    assert first == {name: getattr(preset, name) for name in first}
    assert {"num_envs", "learning_rate"} <= first.keys()
    assert not {"learning_starts", "net"} & first.keys()  # they are fixed
    capsys.readouterr()
    assert found["command"].startswith("surefoot train gym:CartPole-v1 --algo dqn --seed 0 --steps 100 ")
    assert run([*shlex.split(found["command"])[1:], "--out", "best", "--quiet"]) == 0  # as it was printed
    assert Controller.load("best").timesteps >= 100


def test_the_preset_of_another_robot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    preset = PPOSettings(num_envs=8, n_steps=8, batch_size=32, steps=128)
    monkeypatch.setitem(PRESETS, ("walker2d", "run", "ppo"), preset)
    line = "train hopper run --preset walker2d --hyper gamma=0.9 --quiet --out"
    assert run([*line.split(), str(tmp_path)]) == 0
    trained = Controller.load(tmp_path)
    assert dataclasses.asdict(trained.settings) == dataclasses.asdict(preset) | {"gamma": 0.9}
    assert trained.timesteps == 128
    monkeypatch.undo()  # a preset that changes leaves a controller that was trained with it as it is
    assert Controller.load(tmp_path).settings == trained.settings


def test_what_presets_reach_is_what_the_results_say() -> None:
    results = Path(__file__).resolve().parents[2] / "benchmarks" / "results"
    assert REACHED
    for (robot, task, _), reached in REACHED.items():
        figures = json.loads((results / reached.result).read_text())["figures"]
        if reached.result == "held_out.json":
            case = figures[f"{robot}-{task}"]["cases"]["as it is"]
            assert reached.value == pytest.approx(case["tracking" if task == "velocity" else "success"], rel=1e-3)
            assert reached.seconds == figures[f"{robot}-{task}"]["training"]["training_seconds"]
            continue
        seeds = figures["seeds"] if task == "run" else figures[robot]["seeds"]
        value = np.mean([seed["return" if task == "run" else "tracking"] for seed in seeds])
        assert (reached.seeds, reached.value) == (len(seeds), pytest.approx(value, rel=1e-3))


def test_list_presets_shows_what_they_reach(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert set(REACHED) <= set(PRESETS)
    monkeypatch.setitem(REACHED, ("hopper", "run", "ppo"), Reached(1234.5, 90.0, 3, "2 cores", "learning.json"))
    monkeypatch.setitem(REACHED, ("go1", "velocity", "sac"), Reached(0.9123, 270.0, 1, "2 cores", "learning.json"))
    columns, rows = api.catalogue("presets")
    reached = {tuple(row[:3]): row[list(columns).index("reaches")] for row in rows}
    assert reached["hopper", "run", "ppo"] == "return 1,234 in 90 s\n3 seeds, 2 cores"
    assert reached["go1", "velocity", "sac"] == "tracking 0.9123 in 4.5 min\n1 seed, 2 cores"
    monkeypatch.undo()
    assert run(["list", "presets"]) == 0
    assert "reaches" in capsys.readouterr().out
