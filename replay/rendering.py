"""Recordings as pictures, drawn by MuJoCo itself on whatever OpenGL this machine has."""

import functools
import importlib
import os
import subprocess
import sys
from collections.abc import Generator, Sequence

import mujoco
import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

from ..robots.errors import SurefootError
from .geometry import COLLISION_GROUP, geom_colour, moving_bodies, simplify_meshes
from .palette import colours
from .recording import RUNNING, Recording

BACKENDS = ("egl", "osmesa", "glfw")  # tried in this order, after the user's own MUJOCO_GL
_TRIAL = """
import mujoco
model = mujoco.MjModel.from_xml_string('<mujoco><worldbody><light/><geom type="box" size="1 1 1"/></worldbody></mujoco>')
data = mujoco.MjData(model)
mujoco.mj_forward(model, data)
with mujoco.Renderer(model, 32, 32) as renderer:
    renderer.update_scene(data)
    assert renderer.render().any()
"""


@functools.cache
def pick_backend() -> str:
    """Make `mujoco.Renderer` usable in this process and name the OpenGL back-end: "egl", "osmesa" or "glfw".

    Sets MUJOCO_GL to the first that draws a picture: the user's own setting, then `BACKENDS`. Each is tried in a process
    of its own, since a failed one cannot be undone in the same process. Raises `SurefootError` when none works.
    """
    tried = dict.fromkeys([*filter(None, [os.environ.get("MUJOCO_GL", "").lower()]), *BACKENDS])
    for backend in tried:
        command = [sys.executable, "-c", _TRIAL]
        try:
            trial = subprocess.run(command, env={**os.environ, "MUJOCO_GL": backend}, capture_output=True, timeout=60)
        except subprocess.TimeoutExpired:
            continue
        if trial.returncode == 0:
            os.environ["MUJOCO_GL"] = backend
            # mujoco chose its back-end when it was imported, before we could set the variable: let it choose again.
            importlib.reload(importlib.import_module("mujoco.rendering.classic.gl_context"))
            return backend
    raise SurefootError(
        f"no OpenGL back-end draws pictures here (tried {', '.join(tried)}): "
        "install libegl1 and libgl1-mesa-dri (egl), or libosmesa6 (osmesa)"
    )


def render_frames(
    recordings: Sequence[Recording],
    size: tuple[int, int] = (640, 480),
    fps: float = 30.0,
    camera: tuple[float, float, float] | None = None,
    times: Sequence[float] | None = None,
    samples: int = 0,
) -> Generator[np.ndarray, None, None]:
    """Frames (height, width, 3) uint8 of recordings side by side, in step by time, with captions.

    Args:
        recordings: one or more; a shorter one stands still when it has ended.
        size: (width, height) of the whole frame, pixels.
        fps: frames per second of robot time; poses in between are interpolated.
        camera: (distance m, azimuth degrees, elevation degrees), as in `Robot.camera`; None chooses one by the robots' size.
        times: seconds to draw instead of `fps`.
        samples: OpenGL multisampling; 0 is fast, 8 smooths edges for stills.

    Raises `SurefootError` when there is no recording, no working OpenGL, or a model that does not compile.
    """
    if not recordings:
        raise SurefootError("nothing to render: expected at least one recording")
    pick_backend()
    width, height = size
    edges = np.linspace(0, width, len(recordings) + 1).astype(int)
    colour = colours([recording.label for recording in recordings])
    shots: list[_Shot] = []
    try:
        for i, recording in enumerate(recordings):
            tint = colour[i] if len(recordings) > 1 else None
            shots.append(_Shot(recording, int(edges[i + 1] - edges[i]), height, tint, samples))
        radius = max(shot.radius for shot in shots)  # one scale for all
        aspect = min(1.0, 1.2 * shots[0].width / height)
        view = camera or (3.6 * radius / aspect, 120.0, -17.0)
        if times is None:
            count = int(max(recording.times[-1] for recording in recordings) * fps + 1e-6) + 1
            times = [i / fps for i in range(count)]
        for t in times:
            frame = np.concatenate([shot.draw(t, view) for shot in shots], axis=1)
            image = Image.fromarray(frame)
            for i, recording in enumerate(recordings):
                _caption(image, int(edges[i]), height, recording, t, colour[i])
            yield np.asarray(image)
    finally:
        for shot in shots:
            shot.renderer.close()


class _Shot:
    """One recording's model, dressed for pictures, with its renderer."""

    def __init__(
        self, recording: Recording, width: int, height: int, tint: tuple[str, str] | None, samples: int
    ) -> None:
        self.recording, self.width = recording, width
        self.model = model = recording.compile(_dress(recording))
        simplify_meshes(model)
        model.vis.global_.offwidth, model.vis.global_.offheight = width, height
        model.vis.quality.offsamples, model.vis.quality.shadowsize = samples, 2048 if samples else 1024
        self.data = mujoco.MjData(model)
        self.options = mujoco.MjvOption()
        moving = np.isin(model.geom_bodyid, moving_bodies(model))
        if moving.any() and (model.geom_group[moving] >= COLLISION_GROUP).all():
            self.options.geomgroup[:] = 1  # nothing but collision geoms: better than no robot
        if tint is not None:
            _tint(model, moving, tint)
        self.path = _smooth_path(recording, model, self.data)
        mujoco.mj_forward(model, self.data)
        base = self.data.body(recording.base).xpos
        reach = np.linalg.norm(self.data.geom_xpos[moving] - base, axis=1) + model.geom_rbound[moving]
        self.radius = float(reach.max()) if moving.any() else 1.0
        self.renderer = mujoco.Renderer(model, height, width)
        self.renderer.scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = False

    def draw(self, t: float, view: tuple[float, float, float]) -> np.ndarray:
        recording, data = self.recording, self.data
        row = min(int(t / recording.dt + 1e-6), len(recording) - 1)
        after = row + 1 if row + 1 < len(recording) and recording.done[row] == RUNNING else row
        share = min(1.0, t / recording.dt - row) if after > row else 0.0
        data.qpos[:] = _between(self.model, recording.qpos[row], recording.qpos[after], share)
        mujoco.mj_forward(self.model, data)  # lights follow the base's centre of mass
        camera = mujoco.MjvCamera()
        camera.lookat[:] = (1 - share) * self.path[row] + share * self.path[after]
        camera.distance, camera.azimuth, camera.elevation = view
        self.renderer.update_scene(data, camera, self.options)
        return self.renderer.render()


def _between(model: mujoco.MjModel, here: np.ndarray, there: np.ndarray, share: float) -> np.ndarray:
    """The configuration a `share` of the way from one to the other, (nq,)."""
    qpos = here.astype(np.float64)
    if share > 0:
        step = np.empty(model.nv)
        mujoco.mj_differentiatePos(model, step, 1.0, qpos, there.astype(np.float64))
        mujoco.mj_integratePos(model, qpos, step, share)
    return qpos


def _smooth_path(recording: Recording, model: mujoco.MjModel, data: mujoco.MjData) -> np.ndarray:
    """Where the camera looks, (T, 3) metres: the base's position averaged over a second of the same episode."""
    base = model.body(recording.base).id
    path = np.empty((len(recording), 3))
    for row in reversed(range(len(recording))):  # ends at the first row, which `data` then holds
        data.qpos[:] = recording.qpos[row]
        mujoco.mj_kinematics(model, data)
        path[row] = data.xpos[base]
    half = round(0.5 / recording.dt)
    smooth = np.empty_like(path)
    for episode in np.unique(recording.episode):
        rows = np.flatnonzero(recording.episode == episode)
        total = np.concatenate([np.zeros((1, 3)), np.cumsum(path[rows], axis=0)])
        low, high = np.maximum(np.arange(len(rows)) - half, 0), np.minimum(np.arange(len(rows)) + half + 1, len(rows))
        smooth[rows] = (total[high] - total[low]) / (high - low)[:, None]
    return smooth


def _dress(recording: Recording) -> mujoco.MjSpec:
    """The recording's spec with our sky, sun and checker floor, so that pictures of all robots look alike."""
    spec = recording.spec()
    for texture in [t for t in spec.textures if t.type == mujoco.mjtTexture.mjTEXTURE_SKYBOX]:
        spec.delete(texture)
    for light in list(spec.lights):
        spec.delete(light)
    gradient, checker = mujoco.mjtBuiltin.mjBUILTIN_GRADIENT, mujoco.mjtBuiltin.mjBUILTIN_CHECKER
    spec.add_texture(
        name="surefoot_sky", type=mujoco.mjtTexture.mjTEXTURE_SKYBOX, builtin=gradient,
        rgb1=(0.93, 0.94, 0.95), rgb2=(0.72, 0.77, 0.82), width=128, height=768,
    )  # fmt: skip
    spec.add_texture(
        name="surefoot_floor", type=mujoco.mjtTexture.mjTEXTURE_2D, builtin=checker,
        rgb1=(0.80, 0.82, 0.83), rgb2=(0.70, 0.73, 0.75), width=256, height=256,
    )  # fmt: skip
    material = spec.add_material(name="surefoot_floor", texuniform=True, texrepeat=(1, 1), specular=0.1, shininess=0.1)
    material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = "surefoot_floor"
    planes = [geom for geom in spec.worldbody.geoms if geom.type == mujoco.mjtGeom.mjGEOM_PLANE]
    if not planes:
        has_ground = any(geom.type == mujoco.mjtGeom.mjGEOM_HFIELD for geom in spec.geoms)
        plane = mujoco.mjtGeom.mjGEOM_PLANE
        planes = [] if has_ground else [spec.worldbody.add_geom(type=plane, size=(0, 0, 1), contype=0, conaffinity=0)]
    for plane in planes:
        plane.material, plane.rgba = "surefoot_floor", (0.5, 0.5, 0.5, 1)  # this grey means "the material's colour"
        plane.size[:2] = 0  # without end
    spec.visual.rgba.haze = (0.93, 0.94, 0.95, 1)
    spec.visual.map.shadowclip = 2.0  # at 1, the floor's own shadow speckles it near the edge of the shadow map
    spec.visual.headlight.ambient, spec.visual.headlight.diffuse = (0.42,) * 3, (0.3,) * 3
    spec.visual.headlight.specular = (0, 0, 0)
    spec.body(recording.base).add_light(
        name="surefoot_sun", type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL, mode=mujoco.mjtCamLight.mjCAMLIGHT_TRACK,
        pos=(0.8, -1.2, 3.0), dir=(-0.24, 0.36, -0.9), diffuse=(0.6,) * 3, specular=(0.15,) * 3, castshadow=True,
    )  # fmt: skip
    return spec


def _tint(model: mujoco.MjModel, moving: np.ndarray, colour: tuple[str, str]) -> None:
    """Paint the robot in its recording's colour, light parts lighter, as the page does."""
    role = np.mean([ImageColor.getrgb(c) for c in colour], axis=0) / 255
    for g in np.flatnonzero(moving).tolist():
        own = geom_colour(model, g)
        light = float(own[:3] @ (0.3, 0.6, 0.1))
        model.geom_rgba[g] = [*np.clip(0.85 * role * (0.75 + 0.5 * light) + 0.15 * own[:3], 0, 1), own[3]]
        model.geom_matid[g] = -1


@functools.cache
def _font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)


def _caption(
    image: Image.Image, left: int, height: int, recording: Recording, t: float, colour: tuple[str, str]
) -> None:
    """Label in its colour, robot, task and time in the top left corner of a view."""
    size = max(11, height // 26)
    margin, pad = size // 2, size // 3
    rest = f"{recording.robot} · {recording.task} · {t:.1f} s"
    row = min(int(t / recording.dt + 1e-6), len(recording) - 1)
    falls = int((recording.done[: row + 1] == 1).sum())
    if falls:
        rest += f" · {falls} fall{'s' if falls > 1 else ''}"
    draw = ImageDraw.Draw(image, "RGBA")
    label_width, rest_width = draw.textlength(recording.label, _font(size)), draw.textlength(rest, _font(size))
    x, y = left + margin, margin
    box = (x, y, x + 3 * pad + size + label_width + rest_width, y + size + 2.2 * pad)
    draw.rectangle(box, fill=(255, 255, 255, 215))
    draw.rectangle((x, y, x + pad, box[3]), fill=colour[0])
    draw.text(
        (x + 2.5 * pad, y + 0.7 * pad), recording.label, colour[0], _font(size), stroke_width=0.4, stroke_fill=colour[0]
    )
    draw.text((x + 2.5 * pad + label_width + size * 0.7, y + 0.7 * pad), rest, "#1c1e21", _font(size))
