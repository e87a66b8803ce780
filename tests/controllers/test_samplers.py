"""Training with a sampler: logged, kept in checkpoints, resumed; and what it refuses."""

from pathlib import Path

import numpy as np
import pytest

from surefoot.controllers.controller import Controller
from surefoot.controllers.training import resume, train, train_config
from surefoot.envs.samplers import AutomaticRandomisation
from surefoot.robots import SurefootError

SMALL = {"num_envs": 8, "n_steps": 32, "batch_size": 64, "n_epochs": 1, "net": (16,)}


def trained(out: Path, steps: int, **settings: object) -> Controller:
    return train(
        "cartpole", "balance", steps=steps, vary={"payload": "0:1", "gravity": "8:11"}, out=out, progress=False,
        hyperparameters={**SMALL, **settings},
    )  # fmt: skip


def test_replay_is_logged_and_goes_on(tmp_path: Path) -> None:
    first = trained(tmp_path / "a", 2048, sampler="plr")
    kept = {k: v for k, v in first.training.items() if k.startswith("sampler.")}
    assert len(kept["sampler.rows"]) > 10
    loaded = Controller.load(tmp_path / "a")
    assert all(np.array_equal(loaded.training[k], v) for k, v in kept.items())
    log = next((tmp_path / "a").glob("log_*/progress.csv")).read_text(encoding="utf-8").splitlines()[0]
    assert "sampler/plr/regret_mean" in log
    trained(tmp_path / "b", 2048, sampler="plr")
    ends = [resume(tmp_path / name, steps=4096, progress=False).training for name in ("a", "b")]
    for k in kept:
        assert np.array_equal(ends[0][k], ends[1][k]), "the same run, resumed twice"
    assert ends[0]["sampler.counts"][0] > kept["sampler.counts"][0]


def test_adr_widens_in_a_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AutomaticRandomisation, "BUFFER", 8)
    found = trained(tmp_path / "a", 8192, sampler="adr", adr_low=1.0, adr_high=5.0)
    assert found.training["sampler.widths"].max() > 0


@pytest.mark.parametrize(
    ("vary", "settings", "message"),
    [
        ({"payload": "0:1"}, {"sampler": "prl"}, "unknown sampler 'prl'"),
        ({}, {"sampler": "plr"}, r"sampler=plr picks robots of a variation: give one \(--vary\)"),
    ],
)
def test_bad_input(vary: dict[str, str], settings: dict[str, object], message: str) -> None:
    with pytest.raises(SurefootError, match=message):
        train_config("cartpole", "balance", vary=vary, hyperparameters={**SMALL, **settings})


def test_adr_without_its_returns_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(SurefootError, match="adr_low and adr_high"):
        trained(tmp_path / "a", 100, sampler="adr")
    assert not (tmp_path / "a").exists()
