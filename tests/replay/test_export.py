"""Recordings as Minari datasets and files of the rerun viewer, read back by those packages."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from surefoot import api
from surefoot.cli.main import run
from surefoot.replay.chunks import RecordingWarning
from surefoot.replay.recording import read_world
from surefoot.robots import SurefootError
from surefoot.robots.catalogue import ROBOTS

Spoil = Callable[[Path, str, int, int], None]  # `conftest.spoil`


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "walk.recording.npz"
    api.record_worlds("hopper-run", path, worlds=2, seconds=3, seed=1)
    return path


@pytest.fixture(autouse=True)
def _datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "datasets"))


def test_minari_reads_every_episode(walk: Path) -> None:
    minari = pytest.importorskip("minari")
    (written,) = api.export_recording(walk, minari="surefoot/hop-v0")
    assert written.is_dir()
    dataset = minari.load_dataset("surefoot/hop-v0")
    worlds = [read_world(api.info(walk), w) for w in range(2)]
    assert dataset.total_episodes == sum(int(w.episode[-1]) + 1 for w in worlds)
    episode, first = dataset[0], worlds[0].rows(worlds[0].episode == 0)
    assert np.array_equal(episode.observations["qpos"], first.qpos)
    assert np.array_equal(episode.actions, first.action[1:])
    assert np.array_equal(episode.rewards, first.reward[1:])
    for e in dataset:
        assert (e.terminations | e.truncations).tolist() == [False] * (len(e.rewards) - 1) + [True]
        assert len(e.observations["qvel"]) == len(e.actions) + 1
    with pytest.raises(SurefootError, match="there is a dataset 'surefoot/hop-v0' already"):
        api.export_recording(walk, minari="surefoot/hop-v0")
    for name in ("noversion", "no version-v0", "../up-v0", "/etc/x-v0", ""):
        with pytest.raises(SurefootError, match="expected a name such as"):
            api.check_exports(name, None)


@pytest.fixture
def reach(tmp_path: Path) -> Path:
    """Three episodes in each of two worlds, whose payload changes in mid-episode."""
    path = tmp_path / "reach.recording.npz"
    api.record_worlds("arm-reach", path, worlds=2, seconds=11, vary={"payload@2": "0:1"})
    return path


def test_minari_gets_no_damaged_episode(reach: Path, spoil: Spoil, capsys: pytest.CaptureFixture[str]) -> None:
    minari = pytest.importorskip("minari")
    whole = read_world(api.info(reach), 0)
    spoil(reach, "qvel", 4, 2)
    assert run(["record", str(reach), "--minari", "surefoot/reach-v0"]) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("left out 1 of 6 episodes: 1 non-finite")
    first, *others = minari.load_dataset("surefoot/reach-v0")
    assert np.array_equal(first.observations["qpos"], whole.rows(whole.episode == 1).qpos)
    assert [len(e.actions) for e in (first, *others)] == [99, 19, 99, 99, 19]


def test_minari_gets_all_of_a_robot_that_cannot_be_simulated(reach: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    minari = pytest.importorskip("minari")
    monkeypatch.delitem(ROBOTS, "arm")
    with pytest.warns(RecordingWarning, match="is not screened: unknown robot 'arm'"):
        api.export_recording(reach, minari="surefoot/reach-v0")
    assert minari.load_dataset("surefoot/reach-v0").total_episodes == 6


def test_no_dataset_of_nothing(tmp_path: Path, spoil: Spoil) -> None:
    minari = pytest.importorskip("minari")
    path = tmp_path / "short.recording.npz"
    api.record_worlds("arm-reach", path, seconds=1)
    spoil(path, "qvel", 4, 2)
    with pytest.raises(SurefootError, match="none of its 1 episodes is fit to learn from: 1 non-finite"):
        api.export_recording(path, minari="surefoot/reach-v0")
    api.record_worlds("arm-reach", path, seconds=0.05)
    with pytest.raises(SurefootError, match="'surefoot/reach-v0': expected an episode of two steps"):
        api.export_recording(path, minari="surefoot/reach-v0")
    assert not minari.list_local_datasets()


def test_rerun_takes_the_file(walk: Path, tmp_path: Path) -> None:
    pytest.importorskip("rerun")
    out = tmp_path / "walk.rrd"
    assert api.export_recording(walk, rerun=out) == [out]
    verified = subprocess.run(
        [sys.executable, "-m", "rerun", "rrd", "stats", str(out)], capture_output=True, text=True, timeout=60
    )
    assert verified.returncode == 0, verified.stderr
    assert out.stat().st_size > 50_000
    with pytest.raises(SurefootError, match=r"ends in \.rrd"):
        api.check_exports(None, tmp_path / "walk.html")
