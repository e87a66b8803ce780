"""Recordings of robots on terrain show the ground that they walked on, and no leaps at the edges of its patches."""

from pathlib import Path

import numpy as np
import pytest

from surefoot.envs.batch_env import BatchEnv
from surefoot.envs.options import configured
from surefoot.envs.terrain import LENGTH
from surefoot.envs.variation import Task
from surefoot.replay import Recording
from surefoot.replay.gait import measure
from surefoot.replay.geometry import triangles, visible_geoms
from surefoot.replay.rollout import record
from surefoot.replay.stage import Stage


@pytest.fixture(scope="module")
def crossed() -> Recording:
    """Half a second on stairs, in which the robot crosses its patch's edge."""
    config = configured("velocity", terrain="mixed", terrain_levels=2)
    env = BatchEnv(
        "quadruped", "velocity", 1, config=config, tasks=Task({"terrain": "stairs-up", "terrain_level": 0.0}), seed=0,
        autoreset=False,
    )  # fmt: skip
    begin, ground = env.task.reset, env.ground
    assert ground is not None

    def at_the_edge(ids: np.ndarray) -> None:
        begin(ids)
        env.simulation.qpos[:, 0] = ground.centre[:, 0] + LENGTH / 2 - 0.1
        env.simulation.qpos[:, 2] += 0.5
        env.simulation.qvel[:, 0] = 1.0

    env.task.reset = at_the_edge  # type: ignore[method-assign]
    return record(lambda seen: np.zeros((1, 12)), env, label="stairs", seconds=0.5)


def test_it_keeps_its_patch_and_no_leap(crossed: Recording, tmp_path: Path) -> None:
    crossed.save(tmp_path / "a.recording.npz")
    back = Recording.load(tmp_path / "a.recording.npz")
    assert np.abs(np.diff(back.qpos[:, 0])).max() > LENGTH - 1, "it was put back"
    model = back.compile()
    ground = next(g for g in visible_geoms(model, model.body(back.base).id) if g["body"] == 0)
    vertices, faces = triangles(model, ground["geom"])
    assert len(vertices) == 201 * 201
    assert faces.max() < len(vertices)
    heights = vertices[:, 2].reshape(201, 201)[:-1, :-1]  # the last lines are its neighbours'
    assert np.unique(np.rint(1000 * heights)).tolist() == list(range(0, 501, 50)), "ten steps of 50 mm"
    assert ground["pos"][0] == pytest.approx(-5.0)
    assert measure(back).speed < 2.0


@pytest.mark.render
def test_the_camera_does_not_sweep(crossed: Recording) -> None:
    with Stage(crossed, 64, 48) as stage:
        assert np.linalg.norm(stage.path - stage.track, axis=1).max() < 0.5
        pictures = [stage.frame(t, "follow", 2.0) for t in (0.0, 0.3)]
    assert np.ptp(pictures[0]) > 50
    assert np.abs(pictures[0].astype(int) - pictures[1]).max() > 20
