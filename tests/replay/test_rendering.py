"""Pictures and videos: not blank, moving, readable; a machine without OpenGL is told what to install."""

import dataclasses
import itertools
import sys

import numpy as np
import pytest
from PIL import Image

from surefoot.envs import opengl
from surefoot.replay import Pictures, pick_backend, render_frames, rendering, write_poster, write_video
from surefoot.replay.poster import moments
from surefoot.replay.stage import CAMERAS, Stage
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


@pytest.mark.parametrize("suffix", [".webp", ".gif"])
def test_animated_pictures(before, tmp_path, suffix):
    pytest.importorskip("imageio_ffmpeg", reason="video needs `pip install surefoot[video]`")
    path = tmp_path / f"walk{suffix}"
    write_video(path, [before], (160, 121), fps=10)
    with Image.open(path) as image:
        count = int(before.times[-1] * 10) + 1
        assert (image.format, image.size, image.n_frames) == (suffix[1:].upper(), (160, 121), count)
        first = np.asarray(image.convert("RGB")).astype(int)
        image.seek(count - 1)
        assert np.abs(np.asarray(image.convert("RGB")) - first).max() > 30
        assert image.info["duration"] == 100 if suffix == ".gif" else True


def test_each_camera_stands_elsewhere(before):
    seen = [next(render_frames([before], (96, 72), camera=name, times=[0.5])) for name in CAMERAS]
    for one, other in itertools.combinations(seen, 2):
        assert (np.abs(one.astype(int) - other).max(axis=2) > 20).mean() > 0.03


def test_recordings_of_other_time_steps_are_in_step(before):
    slow = dataclasses.replace(before, dt=before.dt * 2.5)
    with Stage(slow, 64, 48) as slower, Stage(before, 64, 48) as stage:
        for t in (0.0, 0.31, 1.0, 99.0):
            slower.pose(t * 2.5)
            stage.pose(t)
            assert slower.data.qpos == pytest.approx(stage.data.qpos, abs=1e-9)
        stage.pose(0.3)
        assert stage.data.qpos == pytest.approx(before.qpos[round(0.3 / before.dt)], abs=1e-6)


def test_the_shadow_is_under_the_robot_and_only_there(before):
    with Stage(before, 160, 120) as stage:
        stage.pose(0.0)
        look, view = stage.track[0], (8.0, 90.0, -60.0)
        shaded = stage.picture(look, view).astype(int)
        stage._floor = None
        bare = stage.picture(look, view).astype(int)
    darker = (bare - shaded).sum(axis=2) > 60
    assert 0.001 < darker.mean() < 0.2
    assert not darker[:20].any()
    assert not darker[-20:].any()


def test_a_poster_has_a_row_for_each_and_ghosts_that_fade(before, after, tmp_path):
    path = tmp_path / "gait.png"
    write_poster(path, [before, after], size=(300, 200))
    with Image.open(path) as image:
        assert (image.format, image.size) == ("PNG", (300, 200))
        pixels = np.asarray(image).astype(int)
    assert min(pixels[:100].std(), pixels[100:].std()) > 10
    assert [p.name for p in tmp_path.iterdir()] == ["gait.png"]


def test_moments_are_of_the_straightest_way(before):
    t = np.arange(60) * before.dt
    track = np.zeros((60, 3))
    track[:20, 0], track[20:41, 0] = 0.1 * np.sin(9 * t[:20]), 2 * (t[20:41] - t[20])  # to and fro, then straight on
    rows = moments(before, track, 1.0, 5)  # its first episode ends at row 40
    assert rows[0] >= 16
    assert rows[-1] <= 40
    assert np.ptp(np.diff(rows)) <= 1
    assert np.linalg.norm(track[rows[-1]] - track[rows[0]]) >= 1.0
    never = moments(before, track, 99.0, 5)
    assert (never[0], never[-1]) == (0, 40)


def test_bad_input(before, tmp_path):
    with pytest.raises(SurefootError, match="nothing to render"):
        next(render_frames([]))
    with pytest.raises(SurefootError, match=r"\.mp4 or \.webp or \.gif"):
        write_video(tmp_path / "walk.avi", [before])
    with pytest.raises(SurefootError, match="even"):
        write_video(tmp_path / "walk.mp4", [before], (101, 100))
    for asked, said in (
        ({"camera": "sied"}, "unknown camera 'sied': did you mean side"),
        ({"quality": "hihg"}, "unknown quality 'hihg': did you mean high"),
        ({"size": "640"}, "size '640': expected WIDTHxHEIGHT"),
        ({"size": "640x-4"}, "expected WIDTHxHEIGHT"),
        ({"size": "9999x480"}, "size 9999x480: expected 32 to 4096 pixels"),
        ({"size": "641x480", "video": "a.mp4"}, "expected even numbers"),
        ({"poster": "a.jpg"}, r"ends in \.png"),
        ({"gif": "a.webp"}, r"ends in \.gif"),
    ):
        with pytest.raises(SurefootError, match=said):
            Pictures(**asked)
    assert not list(tmp_path.iterdir())


def test_without_ffmpeg_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    for asked in ({"video": "a.mp4"}, {"webp": "a.webp"}, {"gif": "a.gif"}):
        with pytest.raises(SurefootError, match=r"pip install surefoot\[video\]"):
            Pictures(**asked)
    Pictures(poster="a.png")  # needs none


def test_captions_name_what_is_changed():
    legs = {f"motor_strength.front_left_{joint}": 0.4 for joint in ("hip", "thigh", "calf")}
    assert rendering.changed({**legs, "payload": 6.0, "friction.floor": 0.5}) == [
        "motor_strength.front_left 0.4", "payload 6", "friction.floor 0.5",
    ]  # fmt: skip
    assert rendering.changed({}) == []


def test_without_opengl_the_packages_are_named(monkeypatch):
    monkeypatch.setattr(opengl, "_TRIAL", "raise SystemExit(1)")
    with pytest.raises(SurefootError, match=r"libegl1 and libgl1-mesa-dri .* libosmesa6") as error:
        pick_backend.__wrapped__()
    assert "\n" not in str(error.value)


def test_the_users_back_end_comes_first(monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", "no-such-thing")
    assert pick_backend.__wrapped__() in opengl.BACKENDS


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
