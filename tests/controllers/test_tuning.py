"""Studies: tiny real ones, continued, shared, killed, interrupted."""

import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from optuna.storages.journal import JournalFileBackend
from optuna.storages.journal._base import BaseJournalSnapshot
from optuna.trial import TrialState

from surefoot.cli.main import run
from surefoot.controllers import threads, tuning
from surefoot.controllers.controller import Controller
from surefoot.controllers.evaluation import evaluate_as_trained
from surefoot.controllers.presets import PRESETS
from surefoot.controllers.study import POINTS, Study
from surefoot.controllers.training import train
from surefoot.controllers.tuning import Tried, Tuning, read_study, tune
from surefoot.envs import simulation
from surefoot.robots import SurefootError

HYPER = {"num_envs": 8, "n_steps": 8, "net": [16, 16]}
SEARCH = {"learning_rate": "log:1e-4:1e-2", "batch_size": "16|32|64", "n_epochs": "1:4", "activation": "tanh|elu"}
TINY: dict[str, Any] = {
    "steps": 192, "search": SEARCH, "only": True, "hyperparameters": HYPER, "episodes": 2, "progress": False,
    "parameters": {"gravity": 30},  # falls early, which makes an evaluation short
}  # fmt: skip
LINE = (
    "tune hopper run --episodes 2 --only --search learning_rate=log:1e-4:1e-2 --set gravity=30 --hyper num_envs=8 "
    "--hyper n_steps=8 --hyper batch_size=64 --hyper net=16,16 --study study.journal"
)
SAME: dict[str, Any] = {  # the study of LINE
    **TINY, "search": {"learning_rate": "log:1e-4:1e-2"}, "hyperparameters": {**HYPER, "batch_size": 64},
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Eight worlds are too few to share among threads."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulation, "DEFAULT_THREADS", 1)
        patch.setattr(threads, "UPDATE_THREADS", 1)
        yield


@pytest.fixture(scope="module")
def whole(_one_thread: None, tmp_path_factory: pytest.TempPathFactory) -> Tuning:
    """Twelve trials without a break; the last two are not drawn at random."""
    return tune("hopper", "run", study=tmp_path_factory.mktemp("whole") / "a.journal", trials=12, **TINY)


def started(line: str, folder: Path) -> subprocess.Popen[str]:
    """`surefoot …` in a process and session of its own, which takes Ctrl-C as at a keyboard."""
    return subprocess.Popen(
        [sys.executable, "-m", "surefoot.cli.main", *line.split()],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def wait_for(study: Path, what: Callable[[Tuning], bool], process: subprocess.Popen[str]) -> None:
    give_up = time.monotonic() + 300
    while time.monotonic() < give_up and process.poll() is None:
        if study.exists() and study.stat().st_size and what(read_study(study)):
            return
        time.sleep(0.05)
    process.kill()
    raise AssertionError(process.communicate())


def worth(seed: int, trial: Tried, **hyperparameters: Any) -> float:
    """What `train` and `evaluate` make of a trial's values."""
    hyperparameters = {**HYPER, **hyperparameters, **trial.hyperparameters}
    parameters: dict[str, float | str] = {"gravity": 30}
    trained = train(
        "hopper", "run", steps=192, seed=seed, hyperparameters=hyperparameters, parameters=parameters, progress=False
    )
    return evaluate_as_trained(trained, episodes=2).mean


def number_of(state: str, found: Tuning) -> int:
    return sum(trial.state == state for trial in found.trials)


def test_the_first_trial_is_the_preset_and_worth_what_train_reaches(whole: Tuning) -> None:
    first = whole.trials[0]
    preset = PRESETS["hopper", "run", "ppo"].learning_rate
    assert first.hyperparameters == {"learning_rate": preset, "batch_size": 64, "n_epochs": 4, "activation": "tanh"}
    assert first.value == worth(0, first)
    assert (first.steps, first.state) == (192, "complete")


def test_a_continued_study_draws_what_it_would_have_drawn(whole: Tuning, tmp_path: Path) -> None:
    study = tmp_path / "b.journal"
    lines = whole.study.read_text().splitlines(keepends=True)
    ends = [i for i, line in enumerate(lines) if '"op_code":6' in line and '"state":0' not in line]
    study.write_text("".join(lines[: ends[8] + 1]))  # what was there after nine trials
    assert [t.state for t in read_study(study).trials] == [t.state for t in whole.trials[:9]]
    again = tune("hopper", "run", study=study, trials=12, **TINY)
    assert [t.number for t in again.trials] == list(range(12))
    assert [t.hyperparameters for t in again.trials] == [t.hyperparameters for t in whole.trials]
    assert [(t.value, t.state) for t in again.trials] == [(t.value, t.state) for t in whole.trials]
    with Study(study) as opened:  # the first ten are random, the last are drawn by what the others were worth
        guided = [any(key.startswith("tpe:") for key in t.system_attrs) for t in opened.trials()]
    assert guided == [False] * 10 + [True] * 2
    assert len({json.dumps(t.hyperparameters) for t in whole.trials}) == 12
    other = tune("hopper", "run", study=tmp_path / "c.journal", trials=2, seed=1, **TINY)
    assert other.trials[1].hyperparameters != whole.trials[1].hyperparameters


def test_a_complete_study_runs_nothing_more(whole: Tuning) -> None:
    before = whole.study.read_bytes()
    assert tune("hopper", "run", study=whole.study, trials=12, **TINY) == whole
    assert whole.study.read_bytes() == before


def test_the_outcome(whole: Tuning, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    best = whole.ranking[0]
    assert best.value == max(t.value or 0 for t in whole.trials if t.state == "complete")
    written = json.loads(whole.study.with_suffix(".json").read_text())
    assert written["best"]["hyperparameters"] == best.hyperparameters
    assert written["command"] == whole.command
    assert len(written["trials"]) == 12
    monkeypatch.chdir(tmp_path)
    words = whole.command.split()
    assert words[0] == "surefoot"
    assert run([*words[1:], "--out", "best", "--quiet"]) == 0  # the line to paste trains the same controller
    assert evaluate_as_trained(Controller.load(tmp_path / "best"), episodes=2).mean == best.value


def test_importance_is_there_when_there_are_enough_trials(whole: Tuning, monkeypatch: pytest.MonkeyPatch) -> None:
    complete = number_of("complete", whole)
    monkeypatch.setattr(tuning, "ENOUGH_TO_RANK", complete)
    found = read_study(whole.study).importance
    assert set(found) == set(SEARCH)
    assert sum(found.values()) == pytest.approx(1)
    assert list(found.values()) == sorted(found.values(), reverse=True)
    monkeypatch.setattr(tuning, "ENOUGH_TO_RANK", complete + 1)
    assert not read_study(whole.study).importance


def test_a_hopeless_trial_is_cut_off(tmp_path: Path) -> None:
    study = tmp_path / "study.journal"
    asked = {**SAME, "search": {"learning_rate": "log:1e-5:0.9"}}
    tune("hopper", "run", study=study, trials=1, **asked)
    with Study(study) as opened:
        for rate in (1e-4, 2e-4, 3e-4, 4e-4, 0.9):
            opened.enqueue({"learning_rate": rate})
    found = tune("hopper", "run", study=study, trials=6, **asked)
    assert [t.state for t in found.trials] == ["complete"] * 5 + ["pruned"]
    bad = found.trials[5]
    assert bad.hyperparameters == {"learning_rate": 0.9}
    assert 0 < bad.steps < 192
    assert bad.value is not None
    assert bad.value < min(t.value or 0 for t in found.trials[:5])


def test_values_that_do_not_fit_together_are_no_trials(tmp_path: Path) -> None:
    asked = {**TINY, "search": {"batch_size": "32|100000", "n_epochs": "1:3"}}
    found = tune("hopper", "run", study=tmp_path / "study.journal", trials=4, **asked)
    assert number_of("complete", found) + number_of("pruned", found) == 4
    assert number_of("misfit", found) >= 1
    misfit = next(t for t in found.trials if t.state == "misfit")
    assert "size of a rollout" in misfit.reason
    assert misfit.steps == 0


def test_several_seeds_a_trial(tmp_path: Path) -> None:
    found = tune("hopper", "run", study=tmp_path / "study.journal", trials=1, seeds=2, **SAME)
    (trial,) = found.trials
    values = [worth(seed, trial, batch_size=64) for seed in (0, 1)]
    assert trial.value == pytest.approx(sum(values) / 2)
    assert trial.steps == 2 * 192
    with Study(found.study) as opened:
        points = opened.trials()[0].intermediate_values
    assert set(points) == {2, 4, 6, 8, 10, 12}  # 3 rollouts each, of POINTS = 6
    assert points[POINTS] == pytest.approx(values[0])


def test_a_wall_clock_budget_and_tracking(tmp_path: Path) -> None:
    asked = {**SAME, "steps": None, "seconds": 0.5, "episodes": 1, "parameters": {}, "vary": {"payload": "0:3"}}
    found = tune("quadruped", "velocity", study=tmp_path / "study.journal", trials=1, **asked)
    (trial,) = found.trials
    assert 0.5 <= trial.seconds < 5
    assert trial.value is not None
    assert 0 <= trial.value <= 1
    assert "--seconds 0.5 --vary payload=0:3 --hyper" in found.command


def test_two_processes_share_a_study(tmp_path: Path) -> None:
    study = tmp_path / "study.journal"
    other = started(f"{LINE} --steps 192 --trials 8", tmp_path)
    wait_for(study, lambda found: number_of("running", found) == 1, other)
    found = tune("hopper", "run", study=study, trials=8, **SAME)
    said, told = other.communicate(timeout=120)
    assert other.returncode == 0, told
    found = read_study(study)
    assert number_of("complete", found) + number_of("pruned", found) == len(found.trials) == 8
    assert "best: surefoot train hopper run" in said
    log = [json.loads(line) for line in study.read_text().splitlines()]
    finished = [entry["worker_id"] for entry in log if entry["op_code"] == 6 and entry["state"] in (1, 2)]
    assert len(finished) == 8
    assert len(set(finished)) == 2


def test_a_killed_process_loses_its_trial_and_nothing_else(tmp_path: Path) -> None:
    study = tmp_path / "study.journal"
    budget = {**SAME, "steps": None, "seconds": 2.0}
    killed = started(f"{LINE} --seconds 2 --trials 2", tmp_path)
    wait_for(study, lambda found: bool(found.trials and found.trials[0].hyperparameters), killed)
    killed.kill()
    killed.communicate()
    assert read_study(study).trials[0].state == "running"
    with study.open("a") as file:  # as if it had been killed while it wrote
        file.write('{"op_code": 5, "trial')
    found = tune("hopper", "run", study=study, trials=1, **budget)
    dead, again = found.trials
    assert (dead.state, dead.reason) == ("failed", "its process died")
    assert (again.state, again.number) == ("complete", 1)
    assert (
        again.hyperparameters
        == dead.hyperparameters
        == {"learning_rate": PRESETS["hopper", "run", "ppo"].learning_rate}
    )


def test_a_trial_that_kills_its_process_is_not_tried_for_ever(tmp_path: Path) -> None:
    study = tmp_path / "study.journal"
    tune("hopper", "run", study=study, trials=1, **SAME)
    with Study(study) as opened:
        opened.enqueue({"learning_rate": 5e-4})
        for _ in range(3):
            trial = opened.claim(2)
            assert trial is not None
            assert trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True) == 5e-4
            opened.lock.stop(trial.number)  # what the kernel does when a process dies
        fresh = opened.claim(2)
        assert fresh is not None
        assert fresh.suggest_float("learning_rate", 1e-4, 1e-2, log=True) != 5e-4
        assert [t.state for t in opened.trials()[1:4]] == [TrialState.FAIL] * 3


def test_ctrl_c_puts_the_trial_back(tmp_path: Path) -> None:
    study = tmp_path / "study.journal"
    asked = {**SAME, "steps": None, "seconds": 60.0}
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(1.5, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            tune("hopper", "run", study=study, trials=1, **asked)
    finally:
        timer.cancel()
        signal.signal(signal.SIGINT, before)
    with Study(study) as opened:
        states = [t.state for t in opened.trials()]
        assert states == [TrialState.FAIL, TrialState.WAITING]
        assert opened.trials()[1].system_attrs["fixed_params"] == {
            "learning_rate": PRESETS["hopper", "run", "ppo"].learning_rate
        }
    assert read_study(study).trials[0].reason == "interrupted"
    assert json.loads(study.with_suffix(".json").read_text())["best"] is None


@pytest.mark.slow
def test_a_worker_that_is_killed_is_replaced(tmp_path: Path) -> None:
    study = tmp_path / "study.journal"
    parent = started(f"{LINE} --seconds 3 --trials 4 --jobs 2", tmp_path)
    wait_for(study, lambda found: number_of("running", found) == 2, parent)
    workers = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()
    assert len(workers) == 2
    os.kill(int(workers[0]), signal.SIGKILL)
    said, told = parent.communicate(timeout=300)
    assert parent.returncode == 0, told
    assert "a worker has ended early: killed by SIGKILL" in told
    found = read_study(study)
    assert number_of("complete", found) + number_of("pruned", found) == 4
    assert [t.reason for t in found.trials if t.state == "failed"] == ["its process died"]
    assert "best: surefoot train" in said


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_ctrl_c_prints_what_is_known(jobs: int, tmp_path: Path) -> None:
    study = tmp_path / "study.journal"
    parent = started(f"{LINE} --seconds 2 --trials 20 --jobs {jobs}", tmp_path)
    wait_for(study, lambda found: number_of("complete", found) >= 1 and number_of("running", found) == jobs, parent)
    children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()
    os.kill(parent.pid, signal.SIGINT)
    said, told = parent.communicate(timeout=120)
    assert parent.returncode == 130, told
    assert told.splitlines()[-1].startswith("surefoot: interrupted; the study 'study.journal' is kept")
    assert "Traceback" not in told
    assert "best: surefoot train hopper run" in said
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]
    found = read_study(study)
    assert number_of("running", found) == 0
    assert number_of("failed", found) == number_of("waiting", found) == jobs


@pytest.mark.slow
def test_workers_go_when_their_employer_is_killed(tmp_path: Path) -> None:
    study = tmp_path / "study.journal"
    parent = started(f"{LINE} --seconds 60 --trials 4 --jobs 2", tmp_path)
    wait_for(study, lambda found: number_of("running", found) == 2, parent)
    parent.kill()
    parent.communicate()
    give_up = time.monotonic() + 25  # a trial would take longer
    while number_of("running", found := read_study(study)) and time.monotonic() < give_up:
        time.sleep(0.1)
    assert (number_of("running", found), number_of("failed", found), number_of("waiting", found)) == (0, 2, 2)


def test_a_study_belongs_to_one_question(whole: Tuning) -> None:
    before = whole.study.read_bytes()
    for other, said in (
        ({"robot": "walker2d"}, "has robot 'hopper', not 'walker2d'"),
        (
            {"algo": "sac", "hyperparameters": {"net": [16, 16]}, "search": {"tau": "0.01:0.02"}},
            "has algo 'ppo', not 'sac'",
        ),
        ({"steps": 512}, "has steps 192, not 512"),
        ({"seed": 3}, "has seed 0, not 3"),
        ({"search": {**SEARCH, "gamma": "0.9:0.99"}}, "has search"),
    ):
        asked = {"robot": "hopper", "task": "run", **TINY, **other}
        with pytest.raises(SurefootError) as refusal:
            tune(**asked, study=whole.study, trials=20)
        assert said in str(refusal.value)
        assert "--study" in str(refusal.value)
    assert whole.study.read_bytes() == before


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("# a text\n", "is not a study"),
        ('{"op_code": 3}\n', "is not a study"),
        ("[1, 2]\n", "is not a study"),
        (
            '{"op_code": 0, "worker_id": "w", "study_name": "mine", "directions": [1]}\n',
            "holds no study of surefoot tune",
        ),
        ('{"op_code": 0}\n', "is damaged"),
        (
            '{"op_code": 0, "worker_id": "w", "study_name": "surefoot", "directions": [2]}\nnot json\n{"op_code": 4}\n',
            "is damaged",
        ),
        (
            '{"op_code": 0, "worker_id": "w", "study_name": "surefoot", "directions": [2]}\n'
            '{"op_code": 2, "worker_id": "w", "study_id": 0, "user_attr": {"surefoot": {"robot": 3}}}\n',
            "not a study of surefoot tune",
        ),
    ],
)
def test_other_files_are_refused_and_left_alone(content: str, said: str, tmp_path: Path) -> None:
    study = tmp_path / "study.journal"
    study.write_text(content)
    with pytest.raises(SurefootError) as refusal:
        tune("hopper", "run", study=study, trials=1, **SAME)
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert study.read_text() == content


def test_nothing_is_unpickled(whole: Tuning, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not issubclass(JournalFileBackend, BaseJournalSnapshot)  # snapshots are what Optuna's journals pickle

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("unpickled")

    copy = tmp_path / "copy.journal"
    copy.write_bytes(whole.study.read_bytes())
    monkeypatch.setattr(pickle, "loads", refuse)
    monkeypatch.setattr(pickle, "load", refuse)
    found = tune("hopper", "run", study=copy, trials=13, **TINY)
    assert found.trials[12].state in ("complete", "pruned")


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    study = tmp_path / "folder" / "study.journal"
    (tmp_path / "folder").write_text("a file")
    with pytest.raises(SurefootError, match="cannot write study"):
        tune("hopper", "run", study=study, trials=1, **SAME)


@pytest.mark.parametrize("all_of_them", [True, False])
def test_the_cpus_are_shared(all_of_them: bool) -> None:
    """Those that the process may use: a scheduler may have given it fewer than there are."""
    code = f"""
import os
if not {all_of_them} and hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, list(os.sched_getaffinity(0))[:1])
import surefoot
from surefoot.controllers import threads
from surefoot.envs.batch_env import BatchEnv
from surefoot.envs.cpus import CPUS as cpus
if hasattr(os, "sched_getaffinity"):
    assert cpus == len(os.sched_getaffinity(0))
assert BatchEnv("hopper", "run", 64).simulation.batch.nthread == cpus
threads.share_cpus(cpus)
assert BatchEnv("hopper", "run", 64).simulation.batch.nthread == threads.UPDATE_THREADS == 1
assert BatchEnv("hopper", "run", 4, threads=2).simulation.batch.nthread == 2
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
