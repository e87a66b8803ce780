"""Several seeds: trained, skipped, continued, summed up; one that fails is no reason to lose the others."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from surefoot.controllers.controller import Controller, controller_file
from surefoot.controllers.evaluation import evaluate_as_trained
from surefoot.controllers.seeds import SeedSummary, train_or_continue, train_seeds
from surefoot.controllers.training import train_config
from surefoot.robots import SurefootError

HYPER = {"num_envs": 8, "n_steps": 8, "batch_size": 32, "net": (16, 16)}
TINY: dict[str, Any] = {"steps": 192, "hyperparameters": HYPER, "episodes": 3, "progress": False}


@pytest.fixture(scope="module")
def summary(tmp_path_factory: pytest.TempPathFactory) -> SeedSummary:
    return train_seeds("hopper", "run", seeds=3, seed=4, out=tmp_path_factory.mktemp("seeds") / "out", **TINY)


def test_each_seed_is_trained_and_evaluated(summary: SeedSummary) -> None:
    assert [o.seed for o in summary.outcomes] == [4, 5, 6]
    values = []
    for outcome in summary.outcomes:
        controller = Controller.load(summary.folder / f"seed_{outcome.seed}")
        assert controller.config.seed == outcome.seed
        assert (controller.timesteps, outcome.steps) == (192, 192)
        values.append(evaluate_as_trained(controller, episodes=3).mean)
    assert [o.value for o in summary.outcomes] == values
    assert len(set(values)) == 3
    found = json.loads((summary.folder / "summary.json").read_text())
    assert [s["value"] for s in found["seeds"]] == values
    over = found["return"]
    assert over["mean"] == pytest.approx(np.mean(values))
    assert over["iqm"] == pytest.approx(np.mean(values))  # of three, none is left out
    assert min(values) <= over["interval"][0] < over["mean"] < over["interval"][1] <= max(values)
    assert found["tracking"] == {}
    assert found["config"]["steps"] == 192


def test_complete_seeds_are_skipped_and_more_can_be_added(summary: SeedSummary) -> None:
    files = {f: f.stat().st_mtime_ns for f in summary.folder.glob("seed_*/controller.safetensors")}
    more = train_seeds("hopper", "run", seeds=4, seed=4, out=summary.folder, **TINY)
    assert more.outcomes[:3] == summary.outcomes
    assert more.outcomes[3].seed == 7
    assert all(f.stat().st_mtime_ns == then for f, then in files.items())


def test_a_seed_that_was_cut_off_goes_on(summary: SeedSummary, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = train_seeds("hopper", "run", seeds=2, seed=4, out=out, **TINY)
    cut = out / "seed_5"
    controller = Controller.load(cut)
    (cut / "controller.safetensors").unlink()
    controller.timesteps = 64  # what Ctrl-C leaves after the first rollout
    controller.save(cut / "checkpoints" / "step_000000000064.safetensors")
    (out / "seed_4" / "controller.safetensors").unlink()  # as if it had been killed before it had learnt anything
    again = train_seeds("hopper", "run", seeds=2, seed=4, out=out, **TINY)
    assert again.outcomes[0] == first.outcomes[0]  # begun anew
    assert (cut / "log_64").is_dir()
    assert again.outcomes[1].steps == 192
    assert controller_file(cut) == cut / "controller.safetensors"


def test_what_is_left_of_the_time(tmp_path: Path) -> None:
    out = tmp_path / "out"
    asked = {**TINY, "steps": 10**7, "seconds": 3.0}
    train_seeds("hopper", "run", seeds=1, out=out, **asked)
    cut = out / "seed_0"
    controller = Controller.load(cut)
    (cut / "controller.safetensors").unlink()
    assert controller.seconds >= 3  # on a busy machine the first rollout may have taken them all
    controller.seconds = 1.75
    controller.save(cut / "checkpoints" / f"step_{controller.timesteps:012d}.safetensors")
    again = train_seeds("hopper", "run", seeds=1, out=out, **asked)
    assert json.loads((cut / "config.json").read_text())["seconds"] == 1.25
    assert Controller.load(cut).seconds >= 3
    assert again.outcomes[0].steps > controller.timesteps


def test_a_run_begins_again_is_found_and_goes_on(tmp_path: Path) -> None:
    config = train_config("hopper", "run", steps=64, hyperparameters=HYPER)
    config.save(tmp_path / "config.json")  # killed before its first checkpoint
    file = tmp_path / "controller.safetensors"
    assert train_or_continue(config, tmp_path, progress=False).timesteps == 64
    then = file.stat().st_mtime_ns
    assert train_or_continue(config, tmp_path, progress=False).timesteps == 64
    assert file.stat().st_mtime_ns == then
    longer = config.model_copy(update={"steps": 192})
    assert train_or_continue(longer, tmp_path, progress=False).timesteps == 192
    assert (tmp_path / "log_64").is_dir()


def test_a_run_that_cannot_go_on_stays_as_it_is(tmp_path: Path) -> None:
    config = train_config("hopper", "run", steps=64, hyperparameters=HYPER)
    config.save(tmp_path / "config.json")
    checkpoint = tmp_path / "checkpoints" / "step_000000000032.safetensors"
    checkpoint.parent.mkdir()
    checkpoint.write_bytes(b"garbage")
    with pytest.raises(SurefootError, match="not a readable controller"):
        train_or_continue(config, tmp_path, progress=False)
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == {tmp_path / "config.json", checkpoint}


def test_a_failed_seed_is_reported(summary: SeedSummary, tmp_path: Path) -> None:
    out = tmp_path / "out"
    train_seeds("hopper", "run", seeds=1, seed=4, out=out, **TINY)
    (out / "seed_5").write_text("no folder")
    found = train_seeds("hopper", "run", seeds=3, seed=4, out=out, **TINY)
    good, bad, other = found.outcomes
    assert bad.error
    assert bad.value is None
    assert (good, other) == (summary.outcomes[0], summary.outcomes[2])
    values = [o.value for o in (good, other) if o.value is not None]
    assert found.statistics()["mean"] == pytest.approx(np.mean(values))
    assert json.loads((out / "summary.json").read_text())["seeds"][1]["error"] == bad.error
    (out / "seed_4" / "controller.safetensors").write_bytes(b"garbage")
    (out / "seed_6" / "controller.safetensors").write_bytes(b"garbage")
    with pytest.raises(SurefootError, match="all seeds failed"):
        train_seeds("hopper", "run", seeds=3, seed=4, out=out, **TINY)


def test_tracking_is_summed_up_too(tmp_path: Path) -> None:
    asked = {**TINY, "episodes": 1, "vary": {"payload": "0:3"}}
    found = train_seeds("quadruped", "velocity", seeds=2, out=tmp_path, **asked)
    values = [o.tracking for o in found.outcomes if o.tracking is not None]
    assert len(values) == 2
    assert json.loads((tmp_path / "summary.json").read_text())["tracking"]["mean"] == pytest.approx(np.mean(values))


def test_what_is_refused(summary: SeedSummary, tmp_path: Path) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"seeds": 0}, "number of seeds 0"),
        ({"episodes": 0}, "number of episodes 0"),
        ({"robot": "hoper"}, "did you mean hopper"),
        ({"vary": {"payloat": "0:3"}}, "did you mean payload"),
        ({"steps": 0}, "steps=0"),
        ({"hyperparameters": {"mirror": True}}, "symmetry"),
        ({"steps": 256, "out": summary.folder}, "have steps 192, not 256"),
        ({"robot": "walker2d", "out": summary.folder}, "have robot 'hopper', not 'walker2d'"),
        ({"out": summary.folder / "seed_4"}, "already holds a run"),
    ]
    for change, said in wrong:
        asked = {"robot": "hopper", "task": "run", "seeds": 2, "out": tmp_path / "out", **TINY, **change}
        with pytest.raises(SurefootError) as refusal:
            train_seeds(**asked)
        assert said in str(refusal.value)
    assert not (tmp_path / "out").exists()


def test_ctrl_c_and_on_with_the_same_command(tmp_path: Path) -> None:
    line = "train hopper run --seeds 2 --steps 3e4 --out out --quiet --hyper num_envs=8 --hyper n_steps=8 --hyper batch_size=32"
    command = [sys.executable, "-m", "surefoot.cli.main", *line.split()]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    log = tmp_path / "out" / "seed_0" / "log_0" / "progress.csv"
    give_up = time.monotonic() + 300
    while not (log.exists() and log.stat().st_size) and time.monotonic() < give_up:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert said.splitlines() == ["surefoot: interrupted; what is complete in 'out' stays: go on with the same command"]
    reached = Controller.load(tmp_path / "out" / "seed_0").timesteps
    assert 0 < reached < 30_000
    done = subprocess.run([*command, "--seconds", "1"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert "have seconds None, not 1.0" in done.stderr
