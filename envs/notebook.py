"""How environments show themselves in Jupyter: a picture of the robot where OpenGL works, and the main facts."""

import base64
import io
import os
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

import mujoco
from PIL import Image

if TYPE_CHECKING:
    from .batch_env import BatchEnv

PICTURE = (240, 320)  # height and width, pixels
_FRAME = "border:1px solid rgba(128,128,128,.35);border-radius:8px;padding:10px 14px;max-width:900px;font:14px/1.45 system-ui"


def environment_html(env: "BatchEnv") -> str:
    """A small table of HTML, in which every text is escaped."""
    robot, task = env.robot, env.task
    layout = {**task.observation_layout, **env.inputs.layout} if hasattr(task, "observation_layout") else {}
    parts = ", ".join(f"{name} {size}" for name, size in layout.items())
    history = f"{env.history} control steps of " if env.history > 1 else ""
    varies = "drawn for each episode from a suite" if env.training_tasks is not None else "nothing"
    if env.variation is not None:
        varies = ", ".join(term.key for term in env.variation.terms)
    elif changed := env.table.changed(env.values[0]):
        shown = ", ".join(f"{name} {value:g}" for name, value in list(changed.items())[:8])
        varies = f"fixed, {shown}{' and more' if len(changed) > 8 else ''}"
    dt, kind = robot.control_dt, "positions" if robot.control == "position" else "torques"
    facts = [
        ("worlds", f"{env.num_envs:,}"),
        ("actions", f"{env.num_actions} {kind}, {1 / dt:.0f} times a second"),
        ("observation", f"{history}{env.step_size}{f': {parts}' if parts else ''}"),
        ("reward", ", ".join(task.terms)),
        ("commands", ", ".join(task.command_names) or "none"),
        ("episode", f"{env.episode_steps:,} steps, {env.episode_steps * dt:g} s"),
        ("other than nominal", varies),
    ]
    return facts_html(f"{robot.name} · {env.task_name}", facts, _picture(env), robot.name)


def facts_html(title: str, facts: Sequence[tuple[str, str]], picture: bytes | None, alt: str) -> str:
    """A title, names and values, and below them a picture (WebP)."""
    cell = "text-align:left;padding:1px 14px 1px 0;vertical-align:top"
    rows = "".join(
        f'<tr><td style="{cell};opacity:.7">{escape(name)}</td><td style="{cell}">{escape(value)}</td></tr>'
        for name, value in facts
    )
    shown = ""
    if picture is not None:
        source = f"data:image/webp;base64,{base64.b64encode(picture).decode()}"
        shown = f'<img alt="{escape(alt, quote=True)}" src="{source}" style="max-width:100%;border-radius:6px;margin-top:8px">'
    return f'<div style="{_FRAME}"><b>{escape(title)}</b><table style="margin-top:4px">{rows}</table>{shown}</div>'


def _picture(env: "BatchEnv") -> bytes | None:
    """World 0 as it is now; None where there is no OpenGL to draw it with."""
    if not os.environ.get("MUJOCO_GL") and not os.environ.get("DISPLAY"):
        return None  # MuJoCo would ask for a screen, and complain
    sim, camera = env.simulation, mujoco.MjvCamera()
    data = sim.batch.get_data(0)
    mujoco.mj_forward(sim.batch.get_model(0), data)
    camera.lookat[:] = data.body(sim.robot.base).xpos
    camera.distance, camera.azimuth, camera.elevation = sim.robot.camera
    try:
        with mujoco.Renderer(sim.model, *PICTURE) as renderer:
            renderer.update_scene(data, camera)
            pixels = renderer.render()
    except Exception:  # each OpenGL back-end raises its own; a table is better than no environment
        return None
    return as_webp(Image.fromarray(pixels))


def as_webp(image: Image.Image) -> bytes:
    """The picture as a small file."""
    buffer = io.BytesIO()
    image.save(buffer, format="WEBP", quality=80)
    return buffer.getvalue()
