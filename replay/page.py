"""One self-contained HTML file that replays recordings in a browser: no server, no network, opens from disk.

The page is `static/page.html` with style sheet, scripts and three.js put in. All bulk data (poses, series, meshes, three.js)
is gzipped and base64-coded; the browser unpacks it. Everything named by people travels as JSON and is shown as text, never
as HTML.
"""

import base64
import gzip
import hashlib
import html
import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import mujoco
import numpy as np

from ..robots.errors import SurefootError
from ..robots.files import replacing
from .adapting import curves_of
from .geometry import body_poses, frame_rows, moving_bodies, robot_bodies, triangles, visible_geoms
from .palette import colours
from .recording import Recording
from .sizes import parameter_table
from .variants import Variant, actuator_names, centre_of_mass, feet, variants

_STATIC = Path(__file__).parent / "static"
_THREE = Path(__file__).parent.parent / "assets" / "three"
# Joined in this order into one script. The first draw robots, on any page; the others are this page.
SCENE_SCRIPTS = ("data.js", "plots.js", "shapes.js", "layers.js", "scene.js")
_THEMES = (("system", "Theme: system"), ("light", "Theme: light"), ("dark", "Theme: dark"))
# page.css reads it: no script needed.
THEME = (
    '<select id="theme" aria-label="Theme" title="Light or dark">'
    + "".join(f'<option value="{value}">{text}</option>' for value, text in _THEMES)
    + "</select>"
)
_SCRIPTS = (*SCENE_SCRIPTS, "gait.js", "panels.js", "controls.js", "player.js")


class Blob:
    """Arrays one after the other, each described by where it is."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.size = 0
        self.meshes: dict[str, int] = {}  # content hash -> index: each mesh is stored once
        self.mesh_list: list[dict[str, Any]] = []

    def add(self, array: np.ndarray) -> dict[str, Any]:
        content = array.astype(array.dtype.newbyteorder("<")).tobytes()
        content += bytes(-len(content) % 4)  # JavaScript wants its arrays aligned
        reference = {"at": self.size, "type": array.dtype.name, "shape": array.shape}
        self.parts.append(content)
        self.size += len(content)
        return reference

    def add_quantised(self, values: np.ndarray) -> dict[str, Any]:
        """values (..., 3) as uint16 between the lowest and the highest of each column."""
        flat = values.reshape(len(values), -1)
        low, span = flat.min(axis=0), np.maximum(np.ptp(flat, axis=0), 1e-9)
        coded = np.round((flat - low) / span * 65535).astype(np.uint16).reshape(values.shape)
        return {**self.add(coded), "low": _short(low), "span": _short(span)}

    def add_mesh(self, vertices: np.ndarray, faces: np.ndarray) -> int:
        key = hashlib.sha256(vertices.tobytes() + faces.tobytes()).hexdigest()
        if key not in self.meshes:
            self.meshes[key] = len(self.mesh_list)
            index = faces.astype(np.uint16 if len(vertices) < 65536 else np.uint32)
            self.mesh_list.append({"vertices": self.add_quantised(vertices), "faces": self.add(index)})
        return self.meshes[key]


def write_page(path: str | Path, recordings: Sequence[Recording], **given: Any) -> None:
    """Write the page that `make_page` (which takes `given`, and raises the same) makes to `path`, whole or not at all."""
    page = make_page(recordings, **given)
    with replacing(path) as temporary:
        temporary.write_bytes(page)


def title_of(recordings: Sequence[Recording]) -> str:
    """Robots and tasks, each once."""
    return ", ".join(dict.fromkeys(f"{recording.robot} {recording.task}" for recording in recordings))


def make_page(
    recordings: Sequence[Recording],
    *,
    title: str,
    summary: Mapping[str, Any] | None = None,
    curves: Sequence[Mapping[str, Any]] | None = None,
) -> bytes:
    """The page, UTF-8: what is written into a file and what the viewer serves.

    Args:
        recordings: shown in step by time, in this order; label and colour as in `palette`. May be empty when there are curves
            or a summary.
        title: heading of the page.
        summary: {"columns": [str], "rows": [[str | number]], "note": str}; a table, and a sentence below the title.
        curves: [{"label", "x", "y", "xlabel", "ylabel"}]; curves with the same axis labels share a plot. Not-a-number
            values are left out. {"also": {xlabel: x}}: other quantities that y can be drawn over. None: those of the
            adapted controllers among the recordings.

    Raises `SurefootError` when there is nothing to show or a model does not compile.
    """
    if not recordings and not curves and not summary:
        raise SurefootError(f"nothing to show as {title!r}: expected recordings, curves or a summary")
    curves = curves_of(recordings) if curves is None else curves
    blob = Blob()
    data = {
        "title": title,
        "summary": _summary(summary) if summary else None,
        "curves": _curves(curves, [recording.label for recording in recordings]),
        "recordings": [
            described(recording, colour, blob)
            for recording, colour in zip(recordings, colours([r.label for r in recordings]), strict=True)
        ],
        "meshes": blob.mesh_list,
    }
    return fill("page.html", data, blob, _SCRIPTS)


def fill(template: str, data: Mapping[str, Any], blob: Blob, scripts: Sequence[str], *styles: str) -> bytes:
    """A page complete in itself, UTF-8: a template of static/ with data, bulk data, style sheets and scripts put in."""
    parts = {
        "title": html.escape(data["title"]),
        "theme": THEME,
        "style": "\n".join((_STATIC / name).read_text("utf-8") for name in ("page.css", *styles)),
        "script": "\n".join((_STATIC / name).read_text("utf-8") for name in scripts),
        # "<" must not appear in JSON inside <script>: it could close the element or open a comment.
        "data": json.dumps(data, allow_nan=False).replace("<", "\\u003c"),
        "blob": _pack(b"".join(blob.parts)),
        "three-core": _packed("three.core.min.js"),
        "three-module": _packed("three.module.min.js"),
    }
    text = (_STATIC / template).read_text("utf-8")
    # One pass: nothing filled in is filled again.
    return re.sub(r"\{\{([a-z-]+)\}\}", lambda match: parts[match[1]], text).encode()


@cache
def _packed(name: str) -> str:
    return _pack((_THREE / name).read_bytes())


def _pack(content: bytes) -> str:
    return base64.b64encode(gzip.compress(content, 9, mtime=0)).decode()


def _short(values: np.ndarray) -> list[float]:
    """Numbers for JSON with 7 significant digits: a ten-thousandth of what uint16 resolves."""
    return [float(f"{v:.7g}") for v in np.ravel(values)]


def described(recording: Recording, colour: tuple[str, str], blob: Blob) -> dict[str, Any]:
    model = recording.compile()
    rows = frame_rows(recording)
    bodies = moving_bodies(model)
    positions, quaternions = body_poses(model, recording.qpos[rows], recording.mocap[rows])
    base = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_BODY, recording.base)
    origin = positions[:, base].astype(np.float32)  # positions relative to it are small: uint16 resolves them finely
    geoms = visible_geoms(model, base)
    known: dict[tuple[int, int], int] = {}
    for geom in geoms:
        if geom["type"] == "mesh":
            key = (int(model.geom_type[geom["geom"]]), int(model.geom_dataid[geom["geom"]]))
            if key not in known:
                known[key] = blob.add_mesh(*triangles(model, geom["geom"]))
            geom["mesh"] = known[key]
        del geom["geom"]
    series = {
        "reward of a step": recording.reward,
        "return of the episode so far": _return(recording),
        "mean absolute actuator force": np.abs(recording.force).mean(axis=1) if model.nu else recording.reward * 0,
        **{f"reward term: {name}": values for name, values in recording.terms.items()},
    }
    robots = variants(recording, model)
    centre = centre_of_mass(robots, robot_bodies(model, base), rows, positions, quaternions) - origin
    return {
        "robot": recording.robot,
        "task": recording.task,
        "label": recording.label,
        "colour": colour,
        "notes": recording.notes,
        "diverged": recording.diverged,
        "base": base,
        "bodies": [{"id": int(b), "name": model.body(b).name} for b in bodies],
        "geoms": geoms,
        "times": blob.add(recording.times[rows].astype(np.float32)),
        "done": blob.add(recording.done[rows]),
        "origin": blob.add(origin),
        "position": blob.add_quantised(positions[:, bodies] - origin[:, None]),
        "quaternion": blob.add(np.round(quaternions[:, bodies] * 32767).astype(np.int16)),
        "series": [{"name": n, "values": blob.add(v[rows].astype(np.float32))} for n, v in series.items()],
        "commandNames": recording.command_names,
        "command": blob.add(recording.command[rows]),
        "actual": blob.add(recording.actual[rows]),
        "actuators": actuator_names(model),
        "force": blob.add_quantised(recording.force[rows]),
        "inferredNames": recording.inferred_names,
        "inferred": blob.add(recording.inferred[rows]),
        "inferredStd": blob.add(recording.inferred_std[rows]),
        "parameters": _parameters(recording, model),
        "robots": [_robot(robot, recording.dt) for robot in robots],
        "centreOfMass": blob.add_quantised(centre),
        **_feet(recording, model, rows, bodies, blob),
    }


def _parameters(recording: Recording, model: mujoco.MjModel) -> list[dict[str, Any]]:
    """Name, unit and nominal value of every parameter that the robot could differ in, and of those that it does."""
    table = parameter_table(recording, model)
    changed = [name for _, now in ((0, recording.parameters), *recording.changes) for name in now]
    names = dict.fromkeys([*(() if table is None else table.names), *changed])
    found = []
    for name in names:
        unit, nominal = "", None
        if table is not None and name in table.names:
            unit, nominal = table.parameter(name).unit, float(f"{table.nominal[table.names.index(name)]:.7g}")
        found.append({"name": name, "unit": unit, "nominal": nominal})
    return found


def _robot(robot: Variant, dt: float) -> dict[str, Any]:
    """A span of the recording for JSON; what is not known or has no limit is null."""
    return {
        "time": robot.row * dt,
        "changed": {name: value for name, value in robot.changed.items() if np.isfinite(value)},
        "weight": float(robot.mass[1:].sum() * 9.81),
        "limit": _nullable(robot.limit),
        "believed": _nullable(robot.believed),
    }


def _nullable(values: Sequence[float] | np.ndarray) -> list[float | None]:
    return [float(f"{v:.7g}") if np.isfinite(v) else None for v in values]


def _feet(
    recording: Recording, model: mujoco.MjModel, rows: np.ndarray, bodies: np.ndarray, blob: Blob
) -> dict[str, Any]:
    """Feet, their contacts, and the forces (T, F) in N of their touch sensors, where each of them has one."""
    found = feet(recording, model)
    column = {int(b): i for i, b in enumerate(bodies)}
    load = None
    if found and all(foot.sensors for foot in found):
        load = np.stack([recording.sensor[rows][:, foot.sensors].sum(axis=1) for foot in found], axis=1)
    return {
        "footNames": recording.foot_names,
        "contact": blob.add(recording.contact[rows].astype(np.uint8)),
        "feet": [
            {
                "body": column.get(foot.body, -1),
                "point": _short(foot.point),
                "contact": recording.foot_names.index(foot.name),
            }
            for foot in found
        ],
        "load": None if load is None else blob.add_quantised(load),
    }


def _return(recording: Recording) -> np.ndarray:
    """Sum of rewards since the episode began, (T,)."""
    total = np.cumsum(recording.reward, dtype=np.float64)
    starts = np.searchsorted(recording.episode, recording.episode)  # row at which each row's episode began
    return total - total[starts] + recording.reward[starts]


def _summary(summary: Mapping[str, Any]) -> dict[str, Any]:
    def cell(value: Any) -> str:
        return f"{value:.4g}" if isinstance(value, float | np.floating) else str(value)

    columns = [str(column) for column in summary.get("columns", ())]
    rows = [[cell(value) for value in row] for row in summary.get("rows", ())]
    if any(len(row) != len(columns) for row in rows):
        raise SurefootError(f"summary table: rows have {[len(row) for row in rows]} cells, expected {len(columns)}")
    return {"columns": columns, "rows": rows, "note": str(summary.get("note") or "")}


def _curves(curves: Sequence[Mapping[str, Any]], recorded: Sequence[str]) -> list[dict[str, Any]]:
    """Curves ready for JSON; one with a recording's label has the recording's colour."""
    labels = list(dict.fromkeys([*recorded, *(str(curve["label"]) for curve in curves)]))
    colour = dict(zip(labels, colours(labels), strict=True))
    ready = []
    for curve in curves:
        x, y = np.asarray(curve["x"], float), np.asarray(curve["y"], float)
        if x.ndim != 1 or x.shape != y.shape:
            raise SurefootError(f"curve {curve['label']!r}: x has shape {x.shape} and y {y.shape}, expected (n,) both")
        finite = np.isfinite(x) & np.isfinite(y)
        label = str(curve["label"])
        ready.append(
            {
                "label": label,
                "x": _short(x[finite]),
                "y": _short(y[finite]),
                "xlabel": str(curve.get("xlabel") or ""),
                "ylabel": str(curve.get("ylabel") or ""),
                "colour": colour[label],
                "also": {str(name): _short(np.asarray(v, float)[finite]) for name, v in curve.get("also", {}).items()},
            }
        )
    return ready
