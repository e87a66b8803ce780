"""The page of a live simulation: the scene of the replay page, with controls in place of a timeline."""

from typing import Any

import mujoco

from .live import STRONGEST, Live
from .page import SCENE_SCRIPTS, Blob, described, fill
from .palette import colours
from .rollout import record

# What a slider spans, in the parameter's own units; numbers may be typed up to the legal range.
SPANS = {
    "mass": (0.5, 2.0), "inertia": (0.2, 5.0), "com": (-0.1, 0.1), "friction": (0.05, 2.0), "damping": (0.0, 10.0),
    "armature": (0.1, 10.0), "frictionloss": (0.0, 5.0), "kp": (0.2, 2.0), "kd": (0.0, 4.0), "motor_strength": (0.0, 1.5),
    "delay": (0.0, 0.1), "gravity": (0.0, 20.0),
}  # fmt: skip


def live_page(live: Live, title: str) -> bytes:
    """The page for `live`, complete in itself. Takes two steps of each robot to learn its shape, then starts it anew."""
    blob, robots = Blob(), []
    for walker, colour in zip(live.walkers, colours([w.label for w in live.walkers]), strict=True):
        shown = record(walker.brain.act, walker.env, label=walker.label, seconds=2 * live.dt)
        walker.restart()
        robots.append(described(shown, colour, blob))
    data = {"title": title, "recordings": robots, "meshes": blob.mesh_list, "live": controls(live)}
    return fill("live.html", data, blob, (*SCENE_SCRIPTS, "live.js"), "live.css")


def controls(live: Live) -> dict[str, Any]:
    """What the page has to know of the robots, as JSON."""
    env, table = live.env, live.env.table
    motors, parameters = table.layout.motors, []
    weight = float(mujoco.mj_getTotalmass(env.simulation.model))
    for p in table.parameters:
        columns = table.columns(p.name)
        elements = [table.names[c].partition(".")[2] for c in columns] if "." in table.names[columns[0]] else []
        low, high = float(table.low[columns[0]]), float(table.high[columns[0]])
        span = (0.0, round(weight, 1)) if p.name == "payload" else SPANS.get(p.name, (low, high))
        parameters.append(
            {
                "name": p.name, "unit": "" if p.unit == "1" else p.unit, "says": p.doc, "flag": p.law == "flag",
                "at": int(columns[0]), "elements": elements, "legal": [low, high], "span": span,
                "groups": dict(env.robot.groups) if tuple(elements) == motors else {},
                "nominal": [float(v) for v in table.nominal[columns]],
            }
        )  # fmt: skip
    task, brains = env.task, [walker.brain for walker in live.walkers]
    return {
        "id": live.id,
        "robot": env.robot.name,
        "task": env.task_name,
        "dt": live.dt,
        "commands": list(task.command_names),
        "limits": live.limits,
        "strongest": STRONGEST,
        "planar": bool(env.simulation.model.jnt_type[0] != mujoco.mjtJoint.mjJNT_FREE),
        "parameters": parameters,
        "robots": [
            {
                "label": walker.label,
                "commands": task.command().shape[1],
                "actual": task.actual().shape[1],
                "contacts": task.contacts().shape[1],
                "latent": walker.brain.latent.shape[1],
                "inferred": list(walker.brain.names),
                "adapts": walker.brain.available,
                "says": walker.brain.says,
            }
            for walker in live.walkers
        ],
        "adapts": any(brain.available for brain in brains),
    }
