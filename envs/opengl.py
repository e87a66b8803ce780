"""Which OpenGL draws pictures on this machine."""

import functools
import importlib
import os
import subprocess
import sys

from ..robots import SurefootError

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
