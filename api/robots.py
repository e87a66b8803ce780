"""Any robot by name or file: what there is, what is found in one, and a picture of it."""

from pathlib import Path
from typing import Any

import mujoco
import numpy as np

from ..envs.opengl import pick_backend
from ..robots.check import RobotCheck
from ..robots.check import check_robot as examine
from ..robots.files import check_name, replacing
from ..robots.menagerie import here, names
from ..robots.menagerie_robots import PREFIX, TUNED
from ..robots.robot import Robot

SIZE = (640, 480)  # pixels of a picture


def check_robot(name: str, picture: str | Path | None = None) -> RobotCheck:
    """What is found in a robot of the catalogue, of Menagerie or of a file, with a `picture` (PNG) of its home pose.

    Raises `SurefootError` for one that cannot be used, before anything is written.
    """
    check_name(picture, ".png")
    found = examine(name)
    if picture is not None:
        write_picture(found.robot, picture)
    return found


def write_picture(robot: Robot, path: str | Path) -> None:
    """Write the robot in its home pose, feet and base marked by nothing: as a controller meets it."""
    from PIL import Image

    pick_backend()
    model = robot.compile()
    model.vis.global_.offwidth, model.vis.global_.offheight = SIZE
    data = mujoco.MjData(model)
    data.qpos[:] = robot.home_qpos(model)
    mujoco.mj_forward(model, data)
    camera = mujoco.MjvCamera()
    low, high = data.xpos[1:].min(axis=0), data.xpos[1:].max(axis=0)
    camera.lookat[:] = (low + high) / 2
    camera.distance = 2.2 * float(np.linalg.norm(high - low)) + 0.4
    camera.azimuth, camera.elevation = robot.camera[1:]
    with mujoco.Renderer(model, SIZE[1], SIZE[0]) as renderer:
        renderer.update_scene(data, camera)
        image = Image.fromarray(renderer.render())
    with replacing(path) as temporary:
        image.save(temporary, format="PNG", optimize=True)


def robots_table() -> dict[str, Any]:
    """Menagerie's robots: which are on this machine, which are tuned by hand."""
    on_this_machine = here()
    tuned = {"unitree_go1", *TUNED}
    rows = [
        [PREFIX + name, "here" if name in on_this_machine else "downloaded on first use", "yes" * (name in tuned)]
        for name in names()
    ]
    note = (
        "and the catalogue's (surefoot list robots), and any MJCF or URDF file; legs and arms can be used, hands cannot"
    )
    return {"columns": ["robot", "model", "tuned by hand"], "rows": rows, "note": note}
