"""What robots see of the ground: the height scan is what rays find, the camera what is in front."""

from typing import Any

import mujoco
import numpy as np
import pytest

from surefoot.envs import camera, opengl
from surefoot.envs.batch_env import BatchEnv
from surefoot.envs.options import configured
from surefoot.envs.terrain import KINDS
from surefoot.envs.variation import Task
from surefoot.envs.views import HeightScan
from surefoot.robots import SurefootError

SCAN = 17 * 11


def worlds(n: int = 7, inputs: tuple[str, ...] = ("height-scan",), **given: Any) -> BatchEnv:
    options = {"terrain": "mixed", "terrain_levels": 3, **given.pop("options", {})}
    return BatchEnv(
        "quadruped", "velocity", n, config=configured("velocity", **options), inputs=inputs, **{"seed": 0, **given}
    )


def ray_down(model: mujoco.MjModel, data: mujoco.MjData, x: float, y: float) -> float:
    """Height of the ground at a place, m, as MuJoCo's rays find it."""
    return 50.0 - mujoco.mj_rayHfield(
        model, data, model.geom("floor").id, np.array([x, y, 50.0]), np.array([0, 0, -1.0])
    )


def test_the_scan_is_what_rays_find() -> None:
    env = worlds(14)
    env.reset()
    assert env.ground is not None
    rng = np.random.default_rng(0)
    for _ in range(5):
        env.step(rng.uniform(-0.5, 0.5, (14, 12)))
    env.simulation.qpos[:, :2] = env.ground.centre + rng.uniform(-4, 4, (14, 2))
    env.observe()
    assert isinstance(env.views[0], HeightScan)
    model, data = env.simulation.model, mujoco.MjData(env.simulation.model)
    mujoco.mj_forward(model, data)
    errors, unlike = [], []
    for world in range(14):
        q = env.simulation.qpos[world]
        forward = np.empty(3)
        mujoco.mju_rotVecQuat(forward, np.array([1.0, 0, 0]), q[3:7])
        ahead = forward[:2] / np.linalg.norm(forward[:2])
        side = np.array([-ahead[1], ahead[0]])
        scan = env.observation[world, -SCAN:].reshape(17, 11)
        for row, column in rng.integers(0, (17, 11), (20, 2)):
            place = q[:2] + (0.8 - 0.1 * row) * ahead + (0.5 - 0.1 * column) * side
            errors.append(abs(q[2] - ray_down(model, data, *place) - scan[row, column]))
        unlike.append(np.ptp(scan))
    assert max(errors) < 2e-3  # beside a riser of .23 m on .05 m, float32 places are good to 2e-5 m
    assert np.mean(errors) < 1e-5
    assert np.median(unlike) > 0.05, "the ground is not level"


@pytest.mark.parametrize("terrain", ["flat", ""])
def test_on_level_ground_the_scan_is_the_height_of_the_base(terrain: str) -> None:
    env = worlds(5, options={"terrain": terrain})
    env.reset()
    for _ in range(10):
        env.step(np.full((5, 12), 0.2))
        assert np.array_equal(
            env.observation[:, -SCAN:], np.repeat(env.simulation.qpos[:, 2:3].astype(np.float32), SCAN, 1)
        )


def test_its_size_and_spacing_can_be_chosen() -> None:
    env = worlds(2, options={"scan_size": (1.0, 0.4), "scan_spacing": 0.2})
    env.reset()
    assert env.inputs.layout == {"height-scan": 6 * 3}
    assert env.observation.shape == (2, 50 + 18)
    for options, message in (
        ({"scan_spacing": 0.0}, "a spacing above 0"),
        ({"scan_size": (3.0, 1.0)}, "scan_size=3,1"),
        ({"scan_size": (1.8, 1.8)}, "reaches 1.27 m"),
        ({"scan_spacing": 0.01}, "161 x 101 points"),
    ):
        with pytest.raises(SurefootError, match=message):
            worlds(2, options=options)


def test_a_history_holds_the_scans_of_each_step() -> None:
    env = worlds(3, history=3, inputs=("last_reward", "height-scan"))
    env.reset()
    newest = []
    for _ in range(3):
        env.step(np.full((3, 12), 0.3))
        newest.append(env.observation[:, -env.step_size :].copy())
    assert np.array_equal(env.observation, np.hstack(newest))
    assert env.step_size == 50 + 1 + SCAN


def test_a_world_that_begins_anew_sees_its_new_place() -> None:
    env = worlds(3, options={"terrain": "stairs-down", "terrain_level": 1.0}, episode_steps=2)
    env.reset()
    for _ in range(2):
        env.step(np.zeros((3, 12)))
    assert env.truncated.all()
    assert not np.array_equal(env.final_observation[:, -SCAN:], env.observation[:, -SCAN:])
    assert isinstance(env.views[0], HeightScan)
    assert np.array_equal(env.observation[:, -SCAN:], env.views[0].look(np.arange(3)))


def test_pictures_come_last_and_need_a_base_that_moves() -> None:
    with pytest.raises(SurefootError, match="height-scan last"):
        worlds(1, inputs=("height-scan", "last_reward"))
    with pytest.raises(SurefootError, match="height-scan"):
        worlds(1, inputs=("height-scam",))
    with pytest.raises(SurefootError, match="a base that moves freely: 'cartpole' has none"):
        BatchEnv("cartpole", "balance", 1, inputs=("height-scan",))


# --- camera ----------------------------------------------------------------------------------------------------------


@pytest.mark.render
def test_depth_is_what_rays_find() -> None:
    kinds = list(KINDS)
    tasks = [Task({"terrain": kind, "terrain_level": 0.5}) for kind in kinds]
    env = worlds(7, ("camera",), tasks=tasks)
    env.reset()
    model, data = env.simulation.model, mujoco.MjData(env.simulation.model)
    pictures = env.observation[:, -48 * 32 :].reshape(7, 32, 48)
    for world in range(7):
        data.qpos[:] = env.simulation.qpos[world]
        mujoco.mj_kinematics(model, data)
        turned, eye = data.xmat[1].reshape(3, 3), np.array([0.0, 0.0, 0.03])
        eye[0] = model.geom_pos[model.geom_bodyid == 1, 0].max()
        place = data.xpos[1] + turned @ eye
        down = np.radians(30)
        for row in (20, 28):
            for column in (8, 24, 40):
                # The pixel's direction: ahead, to the left, up, in the base's frame.
                half = np.tan(np.radians(29))
                left, up = (24 - column - 0.5) / 16 * half, (16 - row - 0.5) / 16 * half
                ahead = np.cos(down) + up * np.sin(down), left, up * np.cos(down) - np.sin(down)
                length = np.linalg.norm(ahead)
                found = mujoco.mj_rayHfield(model, data, model.geom("floor").id, place, turned @ ahead / length)
                depth = min(found / length, camera.RANGE) if found >= 0 else camera.RANGE
                if kinds[world] in ("flat", "slope", "rough"):
                    assert pictures[world, row, column] == pytest.approx(depth, abs=0.04)
    assert (pictures <= camera.RANGE).all()
    assert (pictures > 0).all()
    assert all(np.abs(pictures[0] - pictures[k]).max() > 0.1 for k in range(1, 7)), "every kind looks different"


@pytest.mark.render
def test_colours_and_the_picture_moves_with_the_robot() -> None:
    env = worlds(2, ("camera",), options={"camera": "rgb", "camera_size": (24, 16), "terrain": "stairs-up"})
    env.reset()
    before = env.observation[:, -3 * 24 * 16 :].copy()
    assert 0 <= before.min() < before.max() <= 1
    for _ in range(20):
        env.step(np.full((2, 12), 0.5))
    assert np.abs(env.observation[:, -3 * 24 * 16 :] - before).max() > 0.05


@pytest.mark.render
def test_a_picture_of_the_mirror_image_is_the_mirrored_picture() -> None:
    env = worlds(1, ("height-scan", "camera"), options={"terrain": "slope", "terrain_level": 1.0})
    env.reset()
    assert env.ground is not None
    qpos = env.simulation.qpos
    qpos[0, :2] = env.ground.centre[0] + (0.6, 0.3)
    turn = 0.4
    seen = []
    for side in (1, -1):
        qpos[0, 1] = env.ground.centre[0, 1] + side * 0.3
        qpos[0, 3:7] = np.cos(turn / 2), 0, 0, side * np.sin(turn / 2)
        seen.append([view.look(slice(None)) for view in env.views])
    for view, left, right in zip(env.views, *seen, strict=True):
        assert np.abs(left - right).max() > 0.01
        assert right[:, view.mirror()] == pytest.approx(left, abs=0.05)


def test_too_many_worlds_and_no_opengl_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SurefootError, match="'camera' with 33 worlds: expected at most 32"):
        worlds(33, ("camera",))
    with pytest.raises(SurefootError, match="camera_size=4,300: expected 8 to 256"):
        worlds(2, ("camera",), options={"camera_size": (4, 300)})
    monkeypatch.setattr(opengl, "_TRIAL", "raise SystemExit(1)")
    monkeypatch.setattr(camera, "pick_backend", opengl.pick_backend.__wrapped__)
    with pytest.raises(SurefootError, match="no OpenGL back-end draws pictures here"):
        worlds(2, ("camera",))
