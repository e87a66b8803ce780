"""Pictures and videos: not blank, moving, readable; a machine without OpenGL is told what to install."""

import dataclasses
import itertools

import numpy as np
import pytest
from PIL import Image

from surefoot.replay import pick_backend, render_frames, rendering, write_picture, write_video
from surefoot.robots import SurefootError, get_robot

pytestmark = pytest.mark.render


def test_frames_vary_and_are_not_blank(before, after):
    frames = list(render_frames([before, after], (320, 160), times=[0.0, 0.5, 1.0]))
    for frame in frames:
        assert (frame.shape, frame.dtype) == ((160, 320, 3), np.uint8)
        assert min(frame[:, :160].std(), frame[:, 160:].std()) > 10
    for one, next_ in itertools.pairwise(frames):
        assert (np.abs(one.astype(int) - next_).max(axis=2) > 30).mean() > 0.005


def test_a_second_renderer_does_not_blacken_the_first(before):
    first = render_frames([before], (160, 120), times=[0.0, 0.5])
    next(first)
    list(render_frames([before], (160, 120), times=[0.0]))
    assert next(first).std() > 10


def test_frame_rate_is_robot_time(before):
    assert len(list(render_frames([before], (64, 48), fps=10))) == int(before.times[-1] * 10) + 1


@pytest.mark.parametrize("name", ["half_cheetah", "quadruped"])
def test_other_robots(name):
    from surefoot.replay import Recording, pack_model

    robot = get_robot(name)
    spec = robot.make_spec()
    model = spec.compile()
    zeros = np.zeros((2, 0))
    recording = Recording(
        robot=name, task="t", label="one", dt=robot.control_dt, model=pack_model(spec), base=robot.base,
        qpos=np.tile(robot.home_qpos(model), (2, 1)), qvel=np.zeros((2, model.nv)), action=np.zeros((2, model.nu)),
        force=np.zeros((2, model.nu)), reward=np.zeros(2), done=np.zeros(2), command=zeros, actual=zeros, contact=zeros,
    )  # fmt: skip
    (frame,) = render_frames([recording], (160, 120), times=[0.0], camera=robot.camera)
    assert frame.std() > 10


def test_video_can_be_read(before, after, tmp_path):
    ffmpeg = pytest.importorskip("imageio_ffmpeg", reason="video needs `pip install surefoot[video]`")
    path = tmp_path / "walk.mp4"
    short = dataclasses.replace(before, dt=0.01)  # .6 s
    write_video(path, [short, after], (160, 80), fps=10)
    frames = ffmpeg.read_frames(str(path))
    meta = next(frames)
    assert (meta["size"], meta["fps"], meta["codec"]) == ((160, 80), 10, "h264")
    pictures = [np.frombuffer(frame, np.uint8).astype(int) for frame in frames]
    assert len(pictures) == int(after.times[-1] * 10) + 1
    assert np.abs(pictures[0] - pictures[-1]).max() > 30
    assert [p.name for p in tmp_path.iterdir()] == ["walk.mp4"]


def test_picture(before, tmp_path):
    path = tmp_path / "strip.png"
    write_picture(path, before, times=(0.0, 1.0, 2.0), size=(120, 90))
    assert Image.open(path).size == (360, 90)


def test_bad_input(before, tmp_path):
    with pytest.raises(SurefootError, match="nothing to render"):
        next(render_frames([]))
    with pytest.raises(SurefootError, match=r"\.mp4"):
        write_video(tmp_path / "walk.gif", [before])
    with pytest.raises(SurefootError, match="even"):
        write_video(tmp_path / "walk.mp4", [before], (101, 100))
    assert not list(tmp_path.iterdir())


def test_without_opengl_the_packages_are_named(monkeypatch):
    monkeypatch.setattr(rendering, "_TRIAL", "raise SystemExit(1)")
    with pytest.raises(SurefootError, match=r"libegl1 and libgl1-mesa-dri .* libosmesa6") as error:
        pick_backend.__wrapped__()
    assert "\n" not in str(error.value)


def test_the_users_back_end_comes_first(monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", "no-such-thing")
    assert pick_backend.__wrapped__() in rendering.BACKENDS


def test_an_encoder_that_stops_leaves_nothing(before, tmp_path, monkeypatch):
    ffmpeg = pytest.importorskip("imageio_ffmpeg", reason="video needs `pip install surefoot[video]`")

    def stops(*_args, **_kwargs):
        yield
        raise OSError("Broken pipe\n\nFFMPEG COMMAND: ...")

    monkeypatch.setattr(ffmpeg, "write_frames", stops)
    with pytest.raises(SurefootError, match="ffmpeg could not finish") as error:
        write_video(tmp_path / "walk.mp4", [before], (64, 48))
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())
