"""Recordings for other programs: datasets of Minari (offline learning) and files of the rerun viewer."""

import os
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import mujoco
import numpy as np

from ..robots.errors import SurefootError
from ..robots.files import check_name, replacing
from .chunks import RUNNING, TERMINATED, TRUNCATED, Header
from .geometry import body_poses, frame_rows, moving_bodies, triangles, visible_geoms
from .recording import Recording


def check_minari(dataset: str) -> Any:
    """The package Minari. Raises `SurefootError` where it is missing, the name is none of its, or there is such a dataset."""
    try:
        import minari
    except ImportError as error:
        raise SurefootError("--minari needs the package minari: pip install 'surefoot[minari]'") from error
    if not re.fullmatch(r"([\w-]+/)*[\w-]+-v\d+", dataset):
        raise SurefootError(f"dataset {dataset!r}: expected a name such as surefoot/walk-v0")
    if dataset in minari.list_local_datasets():
        raise SurefootError(f"there is a dataset {dataset!r} already: give another name or version")
    return minari


def check_rerun() -> Any:
    """The package rerun. Raises `SurefootError` where it is missing."""
    try:
        import rerun
    except ImportError as error:
        raise SurefootError("--rerun needs the package rerun-sdk: pip install 'surefoot[rerun]'") from error
    return rerun


def write_minari(dataset: str, header: Header, worlds: Iterable[Recording]) -> Path:
    """Write every episode of `worlds`, of a file with this header, as the Minari dataset `dataset`, such as surefoot/walk-v0.

    An observation is {"qpos" (nq,), "qvel" (nv,), "command" (C,)}: the simulator's state, from which any other follows. Row t
    of a recording is the state after step t, so an episode begins with the state after its first step.
    Raises `SurefootError` as `check_minari` does, and where there is no episode of two steps.
    """
    minari = check_minari(dataset)
    from gymnasium import spaces
    from minari.data_collector import EpisodeBuffer

    def box(name: str) -> spaces.Space[Any]:
        return spaces.Box(-np.inf, np.inf, (header.floats[name],), np.float32)

    observed = ("qpos", "qvel", "command")
    written: Any = None
    for world in worlds:
        buffers = []
        for rows, ended in _episodes(world):
            over = np.zeros(len(rows.reward) - 1, bool)
            over[-1] = True
            seen = {name: getattr(rows, name) for name in observed}
            truncated = over & (ended != TERMINATED)  # also what was cut off where the recording ends
            steps: dict[str, Any] = {
                "rewards": rows.reward[1:],
                "terminations": over & ~truncated,
                "truncations": truncated,
            }
            buffers.append(EpisodeBuffer(observations=seen, actions=rows.action[1:], seed=header.seed, **steps))
        if not buffers:
            continue
        if written is None:
            about = f"{header.robot} {header.task}, {header.label}: MuJoCo states recorded by Surefoot"
            given: dict[str, Any] = {
                "action_space": box("action"),
                "observation_space": spaces.Dict({name: box(name) for name in observed}),
                "description": about,
            }
            with warnings.catch_warnings():  # it misses an author's address and an environment to evaluate in
                warnings.simplefilter("ignore")
                written = minari.create_dataset_from_buffers(dataset, buffers, algorithm_name=header.label, **given)
        else:
            written.update_dataset_from_buffer(buffers)
    if written is None:
        raise SurefootError(f"dataset {dataset!r}: expected an episode of two steps or more")
    return Path(str(minari.storage.local.get_dataset_path(dataset)))


def _episodes(recording: Recording) -> Iterator[tuple[Recording, int]]:
    """Each episode of two steps or more, and how it ended; the last one may be cut off."""
    for episode in range(int(recording.episode[-1]) + 1):
        rows = recording.rows(recording.episode == episode)
        if len(rows) > 1:
            ended = int(rows.done[-1])
            yield rows, TRUNCATED if ended == RUNNING else ended


def write_rerun(path: str | Path, recordings: Sequence[Recording]) -> None:
    """Write recordings as a file of rerun's viewer: robots, rewards by term, commands, over the time line `time`.

    Raises `SurefootError` where rerun is missing, the name does not end in .rrd, or the disk refuses.
    """
    check_name(path, ".rrd")
    rr = check_rerun()
    with replacing(path) as temporary:
        stream = rr.RecordingStream("surefoot")
        stream.save(os.fspath(temporary))
        for recording in recordings:
            _log(rr, stream, recording)
        stream.flush()
        stream.disconnect()


def _log(rr: Any, stream: Any, recording: Recording) -> None:
    model, rows = recording.compile(), frame_rows(recording)
    place = recording.label.replace("/", "_").replace(" ", "_")
    for geom in visible_geoms(model, model.body(recording.base).id):
        body = model.body(geom["body"]).name or f"body{geom['body']}"
        at = f"{place}/{body}/geom{geom['geom']}"
        w, x, y, z = geom["quat"]
        stream.log(at, rr.Transform3D(translation=geom["pos"], quaternion=[x, y, z, w]), static=True)
        shape = _shape(rr, model, geom)
        if shape is not None:
            stream.log(at, shape, static=True)
    positions, quaternions = body_poses(model, recording.qpos[rows], recording.mocap[rows])
    times = [rr.TimeColumn("time", duration=recording.times[rows])]
    for b in moving_bodies(model):
        name = model.body(b).name or f"body{b}"
        turned = quaternions[:, b][:, [1, 2, 3, 0]]
        columns = rr.Transform3D.columns(translation=positions[:, b], quaternion=turned)
        stream.send_columns(f"{place}/{name}", times, columns)
    series = {"reward": recording.reward, **{f"reward_terms/{n}": v for n, v in recording.terms.items()}}
    for k, name in enumerate(recording.command_names):
        series[f"command/{name}"] = recording.command[:, k]
        if k < recording.actual.shape[1]:
            series[f"actual/{name}"] = recording.actual[:, k]
    for name, values in series.items():
        stream.send_columns(f"{place}/{name}", times, rr.Scalars.columns(scalars=values[rows].astype(float)))


def _shape(rr: Any, model: mujoco.MjModel, geom: dict[str, Any]) -> Any:
    """A geom as rerun draws it, in the geom's frame; None for a plane, which has no end."""
    (a, b, c), colour, kind = geom["size"], [geom["rgba"]], geom["type"]
    if kind == "mesh":
        vertices, faces = triangles(model, geom["geom"])
        return rr.Mesh3D(vertex_positions=vertices, triangle_indices=faces, albedo_factor=geom["rgba"])
    solid = {"colors": colour, "fill_mode": "solid"}
    if kind == "sphere":
        return rr.Ellipsoids3D(half_sizes=[[a, a, a]], **solid)
    if kind == "ellipsoid":
        return rr.Ellipsoids3D(half_sizes=[[a, b, c]], **solid)
    if kind == "box":
        return rr.Boxes3D(half_sizes=[[a, b, c]], **solid)
    if kind == "cylinder":
        return rr.Cylinders3D(lengths=[2 * b], radii=[a], **solid)
    if kind == "capsule":  # rerun's stands on its lower centre
        return rr.Capsules3D(lengths=[2 * b], radii=[a], translations=[[0, 0, -b]], **solid)
    return None
