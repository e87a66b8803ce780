"""Recorders: what was simulated is what the file says, in bounded memory, whatever interrupts."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from surefoot.envs.batch_env import BatchEnv
from surefoot.envs.tasks import VelocityConfig
from surefoot.envs.variation import Task, Variation
from surefoot.replay import RecordingFile, chunks, read_world
from surefoot.replay.chunks import ABSENT
from surefoot.replay.rollout import record, recording
from surefoot.robots import SurefootError


def worlds(n: int, **given: object) -> BatchEnv:
    return BatchEnv("quadruped", "velocity", n, seed=0, autoreset=False, **given)


def test_the_file_holds_what_was_simulated(tmp_path: Path) -> None:
    env = worlds(5, variation=Variation.parse({"payload": "0:3"}), episode_steps=20)
    rng = np.random.default_rng(0)
    path, seen, latent = tmp_path / "x.recording.npz", [], np.zeros((5, 2))
    estimates = {"payload": (2.0, 0.1)}
    with recording(env, path, label="x", latent=lambda: latent, inferred=estimates, controller={"a": 1}) as recorder:
        recorder.reset()
        for _ in range(70):
            command, action = env.task.command().copy(), 0.1 * rng.normal(size=(5, 12))
            values = env.values.copy()
            latent += 1
            reset_before = env.simulation.reset
            state: list[np.ndarray] = []

            def spy(*args: object, _reset=reset_before, _state=state, **more: object) -> None:
                _state.append(env.simulation.qpos.copy())  # as it was before worlds are restarted
                _reset(*args, **more)

            env.simulation.reset = spy  # type: ignore[method-assign]
            recorder.step(action)
            env.simulation.reset = reset_before  # type: ignore[method-assign]
            qpos = state[0] if state else env.simulation.qpos.copy()
            seen.append((qpos, action, command, env.terms.copy(), env.reward.copy(), values))
        assert recorder.steps == 70
        assert not path.exists()  # not yet
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    file = RecordingFile(path)
    for world in range(5):
        found = read_world(file, world)
        for i, name in enumerate(("qpos", "action", "command")):
            assert np.array_equal(getattr(found, name), np.array([row[i][world] for row in seen], np.float32)), name
        assert np.array_equal(
            np.stack(list(found.terms.values()), 1), np.array([r[3][world] for r in seen], np.float32)
        )
        assert np.array_equal(found.reward, np.array([r[4][world] for r in seen], np.float32))
        assert np.array_equal(found.latent[:, 0], np.arange(1, 71))
        assert found.inferred_names == ("payload",)
        assert np.allclose(found.inferred, 2.0)
        assert np.allclose(found.inferred_std, 0.1)
        assert found.controller == {"a": 1}
        assert found.sensor.shape == (70, len(found.sensor_names))
        # Each episode has its own payload, which is the one that it was simulated with.
        column = env.table.names.index("payload")
        truth = [row[5][world, column] for row in seen]
        said = [found.parameters["payload"]]
        for t in range(1, 70):
            said.append(dict(found.changes).get(t, {"payload": said[-1]})["payload"])
        assert said == truth
        assert len(set(truth)) == len(found.changes) + 1 >= 4
        assert found.compile().nq == found.qpos.shape[1]
    content = path.read_bytes()
    for trace in (b"/home/", b"/work/", b"site-packages", str(tmp_path).encode()):
        assert trace not in content


def test_the_same_seed_is_the_same_file(tmp_path: Path) -> None:
    made = []
    for name in ("a", "b"):
        env = worlds(3)
        with recording(env, tmp_path / f"{name}.recording.npz", label="x", seed=4) as recorder:
            recorder.reset()
            for _ in range(10):
                recorder.step(np.zeros((3, 12)))
        made.append((tmp_path / f"{name}.recording.npz").read_bytes())
    assert made[0] == made[1]


def test_worlds_stand_still_after_their_episodes(tmp_path: Path) -> None:
    env = BatchEnv("hopper", "run", 8, seed=0, autoreset=False, episode_steps=40)
    rng = np.random.default_rng(0)
    begun: list[int] = []
    path = tmp_path / "x.recording.npz"
    with recording(env, path, label="x", episodes=2, begin=lambda ids: begun.extend(ids.tolist())) as recorder:
        recorder.reset()
        while recorder.running.any():
            recorder.step(rng.uniform(-1, 1, (8, 3)))
    file = RecordingFile(path)
    assert sorted(begun) == sorted([*range(8)] * 2)
    lengths = [len(read_world(file, w)) for w in range(8)]
    for w in range(8):
        found = read_world(file, w)
        assert found.episode[-1] == 1
        assert found.done[-1] != 0
        assert found.done.max() < ABSENT
    assert len(set(lengths)) > 1  # falls come at different times
    assert max(lengths) == file.steps


def test_an_hour_is_written_and_read_in_the_memory_of_a_minute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 1 << 19)
    env = worlds(16, tasks=Task({}), config=VelocityConfig(noise=0.0))
    zeros, peaks = np.zeros((16, 12)), []
    for steps in (150, 900):
        path = tmp_path / f"{steps}.recording.npz"
        tracemalloc.start()
        with recording(env, path, label="x") as recorder:
            recorder.reset()
            for _ in range(steps):
                recorder.step(zeros)
        written = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        file = RecordingFile(path)
        falls = sum(int((file.chunk(i)["done"] == 1).sum()) for i in range(len(file.starts)))
        read = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert falls >= 0
        peaks.append((written, read))
    assert (tmp_path / "900.recording.npz").stat().st_size > 4 * (1 << 20)
    for short, long in zip(*peaks, strict=True):
        assert long < 1.25 * short, peaks
    assert max(peaks[1]) < 4 * (1 << 20)


def test_interrupted_it_is_kept_and_failed_it_leaves_nothing(tmp_path: Path) -> None:
    env, path = worlds(2), tmp_path / "x.recording.npz"
    for error in (RuntimeError, KeyboardInterrupt):
        with pytest.raises(error), recording(env, path, label="x") as recorder:  # noqa: PT012
            recorder.reset()
            for _ in range(7):
                recorder.step(np.zeros((2, 12)))
            raise error
        if error is RuntimeError:
            assert not list(tmp_path.iterdir())
    assert RecordingFile(path).steps == 7
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_two_robots_with_different_time_steps_play_in_step(tmp_path: Path) -> None:
    found = []
    for robot, task in (("quadruped", "velocity"), ("hopper", "run")):
        env = BatchEnv(robot, task, 1, seed=0, autoreset=False)
        found.append(record(lambda seen, env=env: np.zeros((1, env.num_actions)), env, label=robot, seconds=1.0))
    assert found[0].dt != found[1].dt
    for one in found:
        assert one.times[-1] == pytest.approx(1.0, abs=1.5 * one.dt)
        one.save(tmp_path / f"{one.label}.recording.npz")
        again = read_world(RecordingFile(tmp_path / f"{one.label}.recording.npz"))
        assert np.array_equal(again.times, one.times)


def test_bad_input(tmp_path: Path) -> None:
    for env, out, word in (
        (BatchEnv("hopper", "run", 1), "x.recording.npz", "autoreset=False"),
        (worlds(1), "x.npz", r"ends in \.recording\.npz"),
    ):
        with pytest.raises(SurefootError, match=word), recording(env, tmp_path / out, label="x"):
            pass
    assert not list(tmp_path.iterdir())
    with pytest.raises(SurefootError, match="one world"):
        record(lambda seen: seen, worlds(2), label="x", seconds=1.0)
    with pytest.raises(SurefootError, match="expected more than 0"):
        record(lambda seen: seen, worlds(1), label="x", seconds=0.0)
