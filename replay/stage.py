"""One recording on the stage: its model dressed for pictures, its pose at any time, and where the camera stands."""

import math

import mujoco
import numpy as np
from PIL import ImageColor

from ..envs.terrain import LENGTH, unwrapped
from ..robots.errors import SurefootError, unknown
from .geometry import COLLISION_GROUP, body_poses, geom_colour, moving_bodies, robot_bodies, simplify_meshes
from .recording import RUNNING, Recording

# Name: azimuth and elevation (degrees), and whether it turns with the robot, so that "side" stays its right side.
CAMERAS = {
    "follow": (120.0, -17.0, False),
    "side": (90.0, -9.0, True),
    "front": (180.0, -9.0, True),
    "above": (90.0, -89.0, False),
}
QUALITIES = {"fast": 0, "high": 8}  # OpenGL multisampling
View = tuple[float, float, float]  # distance m, azimuth degrees, elevation degrees
SUN = np.array((-0.24, 0.36, -0.9))  # direction of the light
_HAZE = (0.93, 0.94, 0.95)
_SHADE = np.array((0.41, 0.43, 0.45, 1.0), np.float32)  # the floor in the shadow


def check_camera(camera: str) -> str:
    """The name; raises `SurefootError`, with the nearest, where there is no such camera."""
    if camera not in CAMERAS:
        raise unknown("camera", camera, CAMERAS)
    return camera


def check_quality(quality: str) -> str:
    """The name; raises `SurefootError`, with the nearest, where there is no such quality."""
    if quality not in QUALITIES:
        raise unknown("quality", quality, QUALITIES)
    return quality


def check_size(size: tuple[int, int]) -> tuple[int, int]:
    """(width, height) in pixels; raises `SurefootError` for less than 32 or more than 4096 of them."""
    if not all(32 <= n <= 4096 for n in size):
        raise SurefootError(f"size {size[0]}x{size[1]}: expected 32 to 4096 pixels each way, such as 640x480")
    return size


class Stage:
    """A recording's model with its renderer of `width` x `height` pixels. `close` it, or use it in a `with`.

    On a level floor the robot's shadow is painted as flat shapes, which costs a third of OpenGL's shadows and has clean edges.
    Quality "fast" leaves edges as they are, "high" smooths them, at several times the cost. `tint` are (light, dark) colours of
    the robot, None its own.

    Attributes:
        radius: metres from the base to the robot's farthest point at the start.
        path: (T, 3) metres, where the camera looks: the base's position averaged over a second of the same episode.
    """

    def __init__(
        self,
        recording: Recording,
        width: int,
        height: int,
        *,
        tint: tuple[str, str] | None = None,
        quality: str = "fast",
    ):
        samples = QUALITIES[check_quality(quality)]
        self.recording, self.width, self.height = recording, width, height
        self.model = model = recording.compile(_dress(recording))
        simplify_meshes(model)
        model.vis.global_.offwidth, model.vis.global_.offheight = width, height
        model.vis.quality.offsamples, model.vis.quality.shadowsize = samples, 2048
        self.data = mujoco.MjData(model)
        self.options = mujoco.MjvOption()
        self._moving = moving = np.isin(model.geom_bodyid, moving_bodies(model))
        if moving.any() and (model.geom_group[moving] >= COLLISION_GROUP).all():
            self.options.geomgroup[:] = 1  # nothing but collision geoms: better than no robot
        self.base = model.body(recording.base).id
        robot = np.isin(model.geom_bodyid, robot_bodies(model, self.base))
        if tint is not None:
            _tint(model, robot, tint)
        positions, quaternions = body_poses(model, recording.qpos)
        self.track = positions[:, self.base]  # (T, 3) m, of the base
        way = self.track.copy()
        if recording.options.get("terrain"):  # a robot that was put back by a patch's length did not fly there
            way[:, :2] = unwrapped(way[:, :2])
        self._back = np.abs(np.diff(self.track - way, axis=0)).max(axis=1) > LENGTH / 2  # (T - 1,)
        self.path = _over_a_second(recording, way) + self.track - way
        w, x, y, z = quaternions[:, self.base].T
        ahead = np.stack([1 - 2 * (y * y + z * z), 2 * (x * y + w * z)], axis=1)  # of the base's x axis, over ground
        if not self._free():
            ahead[:] = 1, 0  # a planar robot that lies on its back has not turned round
        self._ahead = _over_a_second(recording, ahead)
        self._put(recording.qpos[0], 0)
        mujoco.mj_forward(model, self.data)
        reach = np.linalg.norm(self.data.geom_xpos[robot] - self.track[0], axis=1) + model.geom_rbound[robot]
        self.radius = float(reach.max()) if robot.any() else 1.0
        self.renderer = mujoco.Renderer(model, height, width)
        self.renderer.scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = False
        self._floor = self._flat_floor()
        if self._floor is not None:
            self.renderer.scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = False

    def __enter__(self) -> "Stage":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the renderer."""
        self.renderer.close()

    def frame(self, t: float, view: str | View, distance: float) -> np.ndarray:
        """The picture at `t` s, (height, width, 3) uint8, by a named camera that stands `distance` m away or by another."""
        row, after, share = self.pose(t)
        look = (1 - share) * self.path[row] + share * self.path[after]
        if isinstance(view, str):
            azimuth, elevation, turns = CAMERAS[view]
            if turns:
                azimuth += math.degrees(math.atan2(self._ahead[row, 1], self._ahead[row, 0]))
            view = (distance, azimuth, elevation)
        return self.picture(look, view)

    def pose(self, t: float) -> tuple[int, int, float]:
        """Put the robot where it was at `t` s; returns the rows before and after, and the share of the way between them."""
        recording = self.recording
        row = min(int(t / recording.dt + 1e-6), len(recording) - 1)
        goes_on = row + 1 < len(recording) and recording.done[row] == RUNNING and not self._back[row]
        after = row + 1 if goes_on else row
        share = min(1.0, t / recording.dt - row) if after > row else 0.0
        self._put(_between(self.model, recording.qpos[row], recording.qpos[after], share), row)
        mujoco.mj_forward(self.model, self.data)  # lights follow the base's centre of mass
        return row, after, share

    def _put(self, qpos: np.ndarray, row: int) -> None:
        self.data.qpos[:] = qpos
        if self.recording.mocap.size:
            self.data.mocap_pos[:] = self.recording.mocap[row].reshape(-1, 3)

    def picture(self, look: np.ndarray, view: View, robot: bool = True) -> np.ndarray:
        """What a camera sees that looks at `look` (3,) m, (height, width, 3) uint8; without the `robot` just its world."""
        camera = mujoco.MjvCamera()
        camera.lookat[:] = look
        camera.distance, camera.azimuth, camera.elevation = view
        scene = self.renderer.scene
        self.renderer.update_scene(self.data, camera, self.options)
        if not robot:
            for i in range(scene.ngeom):
                if self._is_robot(scene.geoms[i]):
                    scene.geoms[i].rgba[3], scene.geoms[i].transparent = 0.0, 1  # so that it has no shadow either
        elif self._floor is not None:
            self._paint_shadow(scene, self._floor)
        return self.renderer.render()

    def pixel(self, point: np.ndarray) -> tuple[float, float]:
        """Where a point (3,) m is in the last picture: pixels from the left and from the top."""
        eye, other = self.renderer.scene.camera
        away = np.asarray(point) - (eye.pos + other.pos) / 2
        forward, up = np.asarray(eye.forward), np.asarray(eye.up)
        depth = float(away @ forward)
        scale = self.height / (eye.frustum_top - eye.frustum_bottom) * eye.frustum_near / max(depth, 1e-6)
        return self.width / 2 + float(away @ np.cross(forward, up)) * scale, self.height / 2 - float(away @ up) * scale

    def _free(self) -> bool:
        joints = self.model.jnt_type[self.model.jnt_bodyid == self.base]
        return bool((joints == mujoco.mjtJoint.mjJNT_FREE).any())

    def _is_robot(self, geom: mujoco.MjvGeom) -> bool:
        return geom.objtype == mujoco.mjtObj.mjOBJ_GEOM and bool(self._moving[geom.objid])

    def _flat_floor(self) -> float | None:
        """Height of the one level floor in metres; None where the ground is anything else."""
        model = self.model
        ground = np.flatnonzero(~self._moving & (model.geom_rgba[:, 3] > 0))
        planes = ground[model.geom_type[ground] == mujoco.mjtGeom.mjGEOM_PLANE]
        if (model.geom_type[ground] == mujoco.mjtGeom.mjGEOM_HFIELD).any() or len(planes) != 1:
            return None
        level = self.data.geom_xmat[planes[0]][8] > 1 - 1e-9
        return float(self.data.geom_xpos[planes[0]][2]) if level else None

    def _paint_shadow(self, scene: mujoco.MjvScene, floor: float) -> None:
        """Add each of the robot's shapes once more, pressed flat on the floor along the light."""
        press = np.eye(3)
        press[:2, 2], press[2, 2] = -SUN[:2] / SUN[2], 1e-3
        for i in range(scene.ngeom):
            if scene.ngeom == scene.maxgeom:
                return
            geom = scene.geoms[i]
            if not self._is_robot(geom) or geom.rgba[3] == 0:
                continue
            shade = scene.geoms[scene.ngeom]
            at = press @ (geom.pos - (0.0, 0.0, floor)) + (0.0, 0.0, floor + 1e-3)
            mujoco.mjv_initGeom(shade, geom.type, geom.size, at, (press @ geom.mat).ravel(), _SHADE)
            shade.size[:] = geom.size
            shade.dataid, shade.matid, shade.specular, shade.shininess = geom.dataid, -1, 0.0, 0.0
            shade.category = mujoco.mjtCatBit.mjCAT_DECOR
            scene.ngeom += 1


def _between(model: mujoco.MjModel, here: np.ndarray, there: np.ndarray, share: float) -> np.ndarray:
    """The configuration a `share` of the way from one to the other, (nq,)."""
    qpos = here.astype(np.float64)
    if share > 0:
        step = np.empty(model.nv)
        mujoco.mj_differentiatePos(model, step, 1.0, qpos, there.astype(np.float64))
        mujoco.mj_integratePos(model, qpos, step, share)
    return qpos


def _over_a_second(recording: Recording, values: np.ndarray) -> np.ndarray:
    """Values (T, k) averaged over the second around each row, within its episode."""
    half = round(0.5 / recording.dt)
    smooth = np.empty_like(values)
    for episode in np.unique(recording.episode):
        rows = np.flatnonzero(recording.episode == episode)
        total = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values[rows], axis=0)])
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
        name="surefoot_stage_sky", type=mujoco.mjtTexture.mjTEXTURE_SKYBOX, builtin=gradient,
        rgb1=_HAZE, rgb2=(0.72, 0.77, 0.82), width=128, height=768,
    )  # fmt: skip
    spec.add_texture(
        name="surefoot_stage_floor", type=mujoco.mjtTexture.mjTEXTURE_2D, builtin=checker,
        rgb1=(0.80, 0.82, 0.83), rgb2=(0.70, 0.73, 0.75), width=256, height=256,
    )  # fmt: skip
    material = spec.add_material(
        name="surefoot_stage_floor", texuniform=True, texrepeat=(1, 1), specular=0.1, shininess=0.1
    )
    material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = "surefoot_stage_floor"
    planes = [geom for geom in spec.worldbody.geoms if geom.type == mujoco.mjtGeom.mjGEOM_PLANE]
    if not planes:
        has_ground = any(geom.type == mujoco.mjtGeom.mjGEOM_HFIELD for geom in spec.geoms)
        plane = mujoco.mjtGeom.mjGEOM_PLANE
        planes = [] if has_ground else [spec.worldbody.add_geom(type=plane, size=(0, 0, 1), contype=0, conaffinity=0)]
    for plane in planes:
        plane.material, plane.rgba = (
            "surefoot_stage_floor",
            (0.5, 0.5, 0.5, 1),
        )  # this grey means "the material's colour"
        plane.size[:2] = 0  # without end
    spec.visual.rgba.haze = (*_HAZE, 1)
    spec.visual.map.shadowclip = 2.0  # at 1, the floor's own shadow speckles it near the edge of the shadow map
    spec.visual.headlight.ambient, spec.visual.headlight.diffuse = (0.42,) * 3, (0.3,) * 3
    spec.visual.headlight.specular = (0, 0, 0)
    spec.body(recording.base).add_light(
        name="surefoot_stage_sun", type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL, mode=mujoco.mjtCamLight.mjCAMLIGHT_TRACK,
        pos=(0.8, -1.2, 3.0), dir=SUN, diffuse=(0.6,) * 3, specular=(0.15,) * 3, castshadow=True,
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
