"""Shapes and poses of a MuJoCo model in the form that the page draws: visible geoms, small meshes, poses per body."""

from typing import Any

import mujoco
import numpy as np

from .recording import RUNNING, Recording

MAX_FPS = 50.0  # frames per second of robot time that a page keeps
MAX_FACES = 10_000  # per mesh: beyond it, pictures look the same and phones get slow
MAX_FIELD_FACES = 80_000  # about, of a height field: a patch of 10 m x 10 m with all its points
COLLISION_GROUP = 3  # geoms of this group and above are for collisions only, by MuJoCo's custom
_TYPES = {
    mujoco.mjtGeom.mjGEOM_PLANE: "plane",
    mujoco.mjtGeom.mjGEOM_HFIELD: "mesh",
    mujoco.mjtGeom.mjGEOM_SPHERE: "sphere",
    mujoco.mjtGeom.mjGEOM_CAPSULE: "capsule",
    mujoco.mjtGeom.mjGEOM_ELLIPSOID: "ellipsoid",
    mujoco.mjtGeom.mjGEOM_CYLINDER: "cylinder",
    mujoco.mjtGeom.mjGEOM_BOX: "box",
    mujoco.mjtGeom.mjGEOM_MESH: "mesh",
}


def moving_bodies(model: mujoco.MjModel) -> np.ndarray:
    """Indices of the bodies that are not welded to the world, and of those that a task puts somewhere."""
    return np.flatnonzero((model.body_weldid != 0) | (model.body_mocapid >= 0))


def robot_bodies(model: mujoco.MjModel, base: int) -> np.ndarray:
    """Indices of the bodies of the robot with this base: not of a target, nor of a thing that it pushes."""
    return np.flatnonzero((model.body_rootid == model.body_rootid[base]) & (model.body_weldid != 0))


def frame_rows(recording: Recording) -> np.ndarray:
    """Rows to show: at most `MAX_FPS` a second, and always both sides of an episode's end."""
    stride = max(1, int(np.ceil(1.0 / (MAX_FPS * recording.dt) - 1e-6)))
    ends = np.flatnonzero(recording.done != RUNNING)
    rows = np.concatenate([np.arange(0, len(recording), stride), ends, ends + 1, [len(recording) - 1]])
    return np.unique(rows[rows < len(recording)])


def body_poses(
    model: mujoco.MjModel, qpos: np.ndarray, mocap: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """World positions (T, nbody, 3) in metres and quaternions (T, nbody, 4) wxyz for states qpos (T, nq).

    `mocap` (T, 3 M) are the places of mocap bodies; without them (or with no columns) they are where the model has them.
    A quaternion and its negative are one rotation: the sign that is nearer to the row before is given.
    """
    data = mujoco.MjData(model)
    positions, quaternions = np.empty((len(qpos), model.nbody, 3)), np.empty((len(qpos), model.nbody, 4))
    for t, q in enumerate(qpos):
        data.qpos[:] = q
        if mocap is not None and mocap.size:
            data.mocap_pos[:] = mocap[t].reshape(-1, 3)
        mujoco.mj_kinematics(model, data)
        positions[t], quaternions[t] = data.xpos, data.xquat
    turn = np.sign(np.einsum("tbi,tbi->tb", quaternions[1:], quaternions[:-1]))
    turn[turn == 0] = 1
    quaternions[1:] *= np.cumprod(turn, axis=0)[:, :, None]
    return positions, quaternions


def visible_geoms(model: mujoco.MjModel, base: int) -> list[dict[str, Any]]:
    """Geoms to draw of the robot with this base and of its world.

    In the frame of their moving body, or in the world's frame with body 0 when they never move.
    """
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    moving, root = set(moving_bodies(model).tolist()), int(model.body_rootid[base])
    shown = [g for g in range(model.ngeom) if model.geom_group[g] < COLLISION_GROUP]
    if not any(int(model.geom_bodyid[g]) in moving for g in shown):  # nothing but collision geoms: better than no robot
        shown = list(range(model.ngeom))
    geoms = []
    for g in shown:
        rgba, kind = geom_colour(model, g), _TYPES.get(mujoco.mjtGeom(model.geom_type[g]))
        if kind is None or rgba[3] == 0:
            continue
        body = int(model.geom_bodyid[g])
        if body in moving:
            position, quaternion = model.geom_pos[g], model.geom_quat[g]
        else:
            body, position, quaternion = 0, data.geom_xpos[g], np.empty(4)
            mujoco.mju_mat2Quat(quaternion, data.geom_xmat[g])
        geoms.append(
            {
                "geom": g,
                "body": body,
                "type": kind,
                "size": model.geom_size[g].round(5).tolist(),
                "pos": position.round(5).tolist(),
                "quat": quaternion.round(6).tolist(),
                "rgba": rgba.round(3).tolist(),
                "own": body > 0 and int(model.body_rootid[body]) != root,  # the colour of what is no part of the robot
            }
        )
    return geoms


def geom_colour(model: mujoco.MjModel, g: int) -> np.ndarray:
    """A geom's RGBA (4,): its own colour where it has one, else its material's, as MuJoCo's renderer chooses."""
    material = model.geom_matid[g]
    default = np.array_equal(model.geom_rgba[g], np.array([0.5, 0.5, 0.5, 1.0], np.float32))
    return model.mat_rgba[material] if default and material >= 0 else model.geom_rgba[g]


def triangles(model: mujoco.MjModel, g: int) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (V, 3) in metres in the geom's frame and faces (F, 3) of a mesh or height-field geom."""
    i = int(model.geom_dataid[g])
    if model.geom_type[g] == mujoco.mjtGeom.mjGEOM_HFIELD:
        return _height_field(model, i)
    start, first = model.mesh_vertadr[i], model.mesh_faceadr[i]
    vertices = model.mesh_vert[start : start + model.mesh_vertnum[i]]
    faces, _ = simplify(vertices, model.mesh_face[first : first + model.mesh_facenum[i]])
    used, renumbered = np.unique(faces, return_inverse=True)
    return vertices[used], renumbered.reshape(-1, 3)


def _height_field(model: mujoco.MjModel, i: int) -> tuple[np.ndarray, np.ndarray]:
    rows, columns = int(model.hfield_nrow[i]), int(model.hfield_ncol[i])
    rx, ry, top, _ = model.hfield_size[i]
    start = model.hfield_adr[i]
    height = model.hfield_data[start : start + rows * columns].reshape(rows, columns) * top
    y, x = np.meshgrid(np.linspace(-ry, ry, rows), np.linspace(-rx, rx, columns), indexing="ij")
    every = max(1, round(np.sqrt(2 * rows * columns / MAX_FIELD_FACES)))
    x, y, height = (points[::every, ::every] for points in (x, y, height))
    rows, columns = height.shape
    vertices = np.stack([x, y, height], axis=-1).reshape(-1, 3)
    corner = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).reshape(-1, 1)
    quads = corner + np.array([0, 1, columns + 1, 0, columns + 1, columns])
    return vertices, quads.reshape(-1, 3)


def simplify(vertices: np.ndarray, faces: np.ndarray, max_faces: int = MAX_FACES) -> tuple[np.ndarray, np.ndarray]:
    """At most `max_faces` faces (n, 3), of the same vertices, and the rows of `faces` that they came from.

    Vertices in one cell of a grid, the finest that does it, are merged into one of them.
    """
    cells, kept, rows = 512.0, faces, np.arange(len(faces))
    low, extent = vertices.min(axis=0), float(np.ptp(vertices, axis=0).max())
    while len(kept) > max_faces:
        cell = np.floor((vertices - low) / extent * cells).astype(np.int64)
        _, first, cluster = np.unique(cell @ np.array([1, 1 << 20, 1 << 40]), return_index=True, return_inverse=True)
        merged = first[cluster][faces]
        rows = np.flatnonzero((merged != np.roll(merged, 1, axis=1)).all(axis=1))  # the others have become lines
        kept = merged[rows]
        cells *= 0.8
    return kept, rows


def simplify_meshes(model: mujoco.MjModel) -> None:
    """Simplify all meshes of a model that is only drawn, in place: software OpenGL is several times faster then."""
    for i in range(model.nmesh):
        start, first, count = model.mesh_vertadr[i], model.mesh_faceadr[i], model.mesh_facenum[i]
        vertices = model.mesh_vert[start : start + model.mesh_vertnum[i]]
        faces, rows = simplify(vertices, model.mesh_face[first : first + count])
        model.mesh_face[first : first + len(rows)] = faces
        for name in ("mesh_facenormal", "mesh_facetexcoord"):
            array = getattr(model, name)
            array[first : first + len(rows)] = array[first + rows]
        model.mesh_facenum[i] = len(rows)
