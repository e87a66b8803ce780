"""What Jupyter shows of recordings and environments: small, escaped, with a picture where there is OpenGL."""

import base64
import dataclasses
import io
import re

import numpy as np
import pytest
from PIL import Image

import surefoot
from surefoot.replay import notebook
from surefoot.robots import SurefootError

EVIL = '<script>alert("x")</script>'


def picture(html: str) -> Image.Image:
    (content,) = re.findall(r'src="data:image/webp;base64,([^"]+)"', html)
    return Image.open(io.BytesIO(base64.b64decode(content)))


@pytest.mark.render
def test_a_recording(before):
    html = dataclasses.replace(before, label=EVIL)._repr_html_()
    assert len(html) < 100_000
    assert EVIL not in html
    for fact in ("ant · run", "3.0 s in steps of 0.05 s", "1 of them ended by a fall", "payload 2"):
        assert fact in html
    assert np.asarray(picture(html)).std() > 10


def test_a_recording_without_opengl_says_so(before, monkeypatch):
    def refuse(*_):
        raise SurefootError("no OpenGL back-end draws pictures here")

    monkeypatch.setattr(notebook, "poster", refuse)
    html = before._repr_html_()
    assert "no OpenGL back-end" in html
    assert "<img" not in html


@pytest.mark.render
def test_environments():
    envs = surefoot.make_vec("quadruped", "velocity", num_envs=3, variation={"payload": "0:3"}, seed=0)
    envs.reset()
    html = envs._repr_html_()
    for fact in (
        "quadruped · velocity",
        "12 positions, 50 times a second",
        "vx, vy, yaw",
        "payload",
        "joint_position 12",
    ):
        assert fact in html
    assert np.asarray(picture(html)).std() > 10
    one = surefoot.make("hopper", "run", tasks={"gravity": 3.7})
    assert "fixed, gravity 3.7" in one._repr_html_()
    one.close()


def test_an_environment_without_a_screen_is_a_table(monkeypatch):
    for name in ("MUJOCO_GL", "DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    html = surefoot.make_vec("hopper", "run", num_envs=2)._repr_html_()
    assert "hopper · run" in html
    assert "<img" not in html
