"""Observation `camera`: what a camera on the robot's front sees of the ground, drawn world by world through OpenGL."""

import mujoco
import numpy as np

from ..robots import SurefootError
from .ground import Ground
from .opengl import pick_backend
from .simulation import Simulation
from .terrain import EDGE, LENGTH, NAME, PITCH, POINTS, SPACING, TerrainOptions

WORLDS = 32  # at most: each picture takes a thread some milliseconds
FOV = 58.0  # degrees from top to bottom, and (below) how far it sees: Intel's data sheet of the RealSense D435, a usual one
RANGE = 3.0  # m; ideal range .3 to 3 m
PITCH_DOWN = np.radians(30.0)  # as on the robots of Zhuang et al. (2023), "Robot parkour learning"
EVERY = 2  # of the height field's points that is drawn
REACH = 32  # points drawn on each side of the base: 3.2 m


class Camera:
    """Depth in metres up to `RANGE`, or colours from 0 to 1, of the ground and what lies on it; the robot itself is left out.

    Raises `SurefootError` for more than `WORLDS` worlds, sizes that make no picture, and where no OpenGL draws pictures.
    """

    def __init__(self, sim: Simulation, ground: Ground | None, options: TerrainOptions):
        width, height = options.camera_size
        if not (8 <= width <= 256 and 8 <= height <= 256):
            raise SurefootError(f"camera_size={width},{height}: expected 8 to 256 pixels each way")
        if sim.num_worlds > WORLDS:
            raise SurefootError(
                f"input 'camera' with {sim.num_worlds} worlds: expected at most {WORLDS}, whose pictures are drawn one by "
                "one: lower num_envs, or use height-scan"
            )
        pick_backend()
        self.sim, self.ground, self.depth = sim, ground, options.camera == "depth"
        self.shape = (1 if self.depth else 3, height, width)
        self.model = model = _scene_of(sim, ground, width, height)
        self.data = mujoco.MjData(model)
        self._eye = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_CAMERA, "surefoot_eye")
        self._renderer = mujoco.Renderer(model, height, width)
        if self.depth:
            self._renderer.enable_depth_rendering()
        for flag in (mujoco.mjtRndFlag.mjRND_SHADOW, mujoco.mjtRndFlag.mjRND_REFLECTION):
            self._renderer.scene.flags[flag] = False

    def look(self, ids: np.ndarray | slice, out: np.ndarray | None = None) -> np.ndarray:
        """What worlds `ids` see, (n, channels x height x width) float32; written to `out` where that is given."""
        worlds = np.arange(self.sim.num_worlds)[ids]
        out = np.empty((len(worlds), int(np.prod(self.shape))), np.float32) if out is None else out
        # A loop over worlds: OpenGL draws one picture at a time.
        for row, world in enumerate(worlds):
            out[row] = self._picture(world).ravel()
        return out

    def _picture(self, world: int) -> np.ndarray:
        model, data = self.model, self.data
        data.qpos[:] = self.sim.qpos[world]
        if self.ground is not None:
            self._lay_window(world, self.ground)
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        mujoco.mj_camlight(model, data)
        self._renderer.update_scene(data, self._eye)
        picture = self._renderer.render()
        if self.depth:
            return np.minimum(picture, np.float32(RANGE))
        return picture.transpose(2, 0, 1) / np.float32(255)

    def _lay_window(self, world: int, ground: Ground) -> None:
        """Let the scene's small height field be the ground about the base of `world`."""
        model, floor = self.model, self.model.geom("floor").id
        local = self.sim.qpos[world, :2] - ground.centre[world] + LENGTH / 2
        at = np.rint(local / (EVERY * SPACING)).astype(int) * EVERY  # so that it does not swim under a moving robot
        model.geom_pos[floor, :2] = ground.centre[world] - LENGTH / 2 + at * SPACING
        steps = np.arange(-REACH, REACH + 1) * EVERY
        corner = np.rint((ground.centre[world] - PITCH / 2) / SPACING + ground.middle).astype(int) + EDGE
        columns, rows = ((at[axis] + steps) % POINTS + corner[axis] for axis in (0, 1))
        heights = ground.field[np.ix_(rows, columns)]
        model.hfield_data[:] = ((heights - model.geom_pos[floor, 2]) / model.hfield_size[0, 2]).ravel()
        mujoco.mjr_uploadHField(model, self._renderer._mjr_context, 0)

    def mirror(self) -> np.ndarray:
        """Left-right mirror image: mirrored = numbers[index], (numbers,)."""
        return np.arange(np.prod(self.shape)).reshape(self.shape)[:, :, ::-1].reshape(-1)


def _scene_of(sim: Simulation, ground: Ground | None, width: int, height: int) -> mujoco.MjModel:
    """The robot's world with an eye and an invisible robot, and a small height field in place of the large one."""
    spec = sim.robot.make_spec()
    if ground is not None:
        side = 2 * REACH + 1
        window, half = spec.hfield(NAME), REACH * EVERY * SPACING
        window.file, window.content_type = "", ""
        window.nrow = window.ncol = side
        window.size = (half, half, *window.size[2:])
        window.userdata = np.linspace(0, 1, side * side)
    base = spec.body(sim.robot.base)
    place = sim.model.geom_pos[sim.model.geom_bodyid == sim.model.body(sim.robot.base).id]
    ahead = float(place[:, 0].max(initial=0.1))
    base.add_camera(name="surefoot_eye", pos=(ahead, 0, 0.03), fovy=FOV, quat=_looking_down())
    for body in (base, *base.find_all("body")):
        for geom in body.geoms:
            geom.rgba, geom.material = (0, 0, 0, 0), ""
    spec.visual.global_.offwidth, spec.visual.global_.offheight = width, height
    spec.visual.quality.offsamples = spec.visual.quality.shadowsize = 0
    model = spec.compile()
    model.geom_sameframe[:] = mujoco.mjtSameFrame.mjSAMEFRAME_NONE  # or a ground from the origin would stay there
    return model


def _looking_down() -> np.ndarray:
    """Quaternion of a camera that looks along the base's x axis, `PITCH_DOWN` below it; MuJoCo's look along their -z."""
    s, c = np.sin(PITCH_DOWN), np.cos(PITCH_DOWN)
    axes = np.array([[0, s, -c], [-1, 0, 0], [0, c, s]])  # columns: right, up, back
    out = np.empty(4)
    mujoco.mju_mat2Quat(out, axes.ravel())
    return out
