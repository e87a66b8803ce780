"""Morphology: how long and how thick each body of a robot is, with mass, inertia and home height following the geometry.

Each body is mapped by A = g 1 + (s - g) u u^T in its own frame, u its long axis: s along it, g across. Places (of children,
joints, sites, geoms, ends of capsules) are mapped exactly, radii are multiplied by g, so a link that is stretched keeps its
thickness. Density stays:

- bodies whose mass is that of primitive shapes of one density (Gymnasium's robots): mass, centre of mass and inertia are those
  of the new shapes, as MuJoCo's compiler would find them;
- all others (an explicit inertia, meshes): their matter is mapped by A: mass times det A, second moments S to det(A) A S A.

A box or an ellipsoid that is askew to u only gets longer or shorter along its own axes; meshes move, but are not scaled.
"""

import mujoco
import numpy as np

from .layout import Layout
from .robot import Robot

FIELDS = (
    "body_pos", "body_ipos", "body_iquat", "body_mass", "body_inertia", "jnt_pos", "geom_pos", "geom_quat", "geom_size",
    "geom_rbound", "geom_aabb", "site_pos", "site_size",
)  # fmt: skip
SPHERE, CAPSULE, ELLIPSOID, CYLINDER, BOX = (
    int(getattr(mujoco.mjtGeom, f"mjGEOM_{name}")) for name in ("SPHERE", "CAPSULE", "ELLIPSOID", "CYLINDER", "BOX")
)
PRIMITIVES = (SPHERE, CAPSULE, ELLIPSOID, CYLINDER, BOX)
EXACT = 1e-6  # relative difference from the compiled inertia within which shapes of one density explain it
ROUND = 1e-10  # of the trace: products of inertia below it are rounding


class Shape:
    """The geometry of one robot and what its size parameters make of it.

    Attributes:
        bodies: ids of the bodies that belong to the robot. explained: those of them whose mass is that of their shapes.
        axis: (nbody, 3) long axis u of each, in its own frame.
        height: index in qpos of the height of its base above the ground, or None where it cannot rise.
    """

    def __init__(self, robot: Robot, model: mujoco.MjModel, layout: Layout):
        self.model, self.layout = model, layout
        self.bodies = layout.parts
        self.axis = np.zeros((model.nbody, 3))
        for body in self.bodies:
            self.axis[body] = _long_axis(model, body)
        self._geoms = np.flatnonzero(np.isin(model.geom_bodyid, self.bodies))
        self._sites = np.flatnonzero(np.isin(model.site_bodyid, self.bodies))
        self._joints = np.flatnonzero(np.isin(model.jnt_bodyid, self.bodies))
        self._children = np.array([b for b in self.bodies if model.body_parentid[b] in self.bodies], np.int64)
        kind = model.geom_type[self._geoms]
        self._long = np.isin(kind, (CAPSULE, CYLINDER))
        self._square = np.isin(kind, (BOX, ELLIPSOID))
        self._turn = _matrices(model.geom_quat[self._geoms])  # (G, 3, 3)
        feet = np.array([model.geom(name).id for name in robot.feet], np.int64)
        self._feet = np.flatnonzero(np.isin(self._geoms, feet))
        at_foot = [
            any(model.geom_bodyid[f] == model.site_bodyid[s] for f in feet)
            and bool(np.isclose(model.geom_pos[feet], model.site_pos[s]).all(axis=1).any())
            for s in self._sites
        ]
        self._foot_sites = np.flatnonzero(at_foot)
        self._frame = _matrices(model.body_iquat)  # (nbody, 3, 3)
        nominal = {f: getattr(model, f)[None].astype(float) for f in FIELDS}
        self.explained = tuple(b for b in self.bodies if self._explains(nominal, b))
        self._matter = np.array(
            [b for b in self.bodies if b not in self.explained and model.body_mass[b] > 0], np.int64
        )
        self.height = _height_index(model, layout)
        self._home = robot.home_qpos(model)
        self._low = 0.0
        if self.height is not None:
            self._poses = _poses(model, self._home)
            self._touch = np.array([k for k, g in enumerate(self._geoms) if g in layout.touching], np.int64)
            self._low = float(self._lowest(nominal)[0]) if len(self._touch) else 0.0

    def write(
        self, f: dict[str, np.ndarray], size: np.ndarray, length: np.ndarray, girth: np.ndarray, foot: np.ndarray
    ) -> None:
        """Give rows of nominal fields their geometry.

        `size` (n, 1) multiplies everything, `length` (n, long bodies) and `girth` (n, bodies with mass)
        each along and across its axis,
        `foot` (n, feet) the radii of feet.
        """
        model, n = self.model, len(size)
        along, across = np.ones((n, model.nbody)), np.ones((n, model.nbody))
        along[:, self.layout.shaped[self.layout.long]], across[:, self.layout.shaped] = length, girth
        along[:, self.bodies] *= size
        across[:, self.bodies] *= size

        def mapped(vectors: np.ndarray, owner: np.ndarray) -> np.ndarray:
            """A v, for vectors (K, 3) or (n, K, 3) in the frames of bodies `owner` (K,)."""
            u, s, g = self.axis[owner], along[:, owner], across[:, owner]
            dots = (vectors * u).sum(axis=-1)
            return g[:, :, None] * vectors + ((s - g) * dots)[:, :, None] * u

        children, joints, sites, geoms = self._children, self._joints, self._sites, self._geoms
        f["body_pos"][:, children] = mapped(model.body_pos[children], model.body_parentid[children])
        f["jnt_pos"][:, joints] = mapped(model.jnt_pos[joints], model.jnt_bodyid[joints])
        f["site_pos"][:, sites] = mapped(model.site_pos[sites], model.site_bodyid[sites])
        foot_of = np.ones((n, len(geoms)))
        foot_of[:, self._feet] = foot
        site_factor = across[:, model.site_bodyid[sites]]
        if len(self._foot_sites):
            site_factor[:, self._foot_sites] *= foot.max(axis=1)[:, None]  # a touch sensor must enclose its foot
        f["site_size"][:, sites] = model.site_size[sites] * site_factor[:, :, None]

        owner = model.geom_bodyid[geoms]
        f["geom_pos"][:, geoms] = mapped(model.geom_pos[geoms], owner)
        thick = across[:, owner] * foot_of
        sizes = model.geom_size[geoms] * thick[:, :, None]  # spheres, and radii of the rest
        long = np.flatnonzero(self._long)
        if len(long):
            before = self._turn[long, :, 2]  # unit vectors along the axis
            after = mapped(before, owner[long])
            stretch = np.linalg.norm(after, axis=2)
            sizes[:, long, 1] = model.geom_size[geoms[long], 1] * stretch
            turned = _turned(model.geom_quat[geoms[long]], before, after / stretch[:, :, None])
            f["geom_quat"][:, geoms[long]] = turned
        for k in np.flatnonzero(self._square):
            for i in range(3):
                edge = mapped(self._turn[k : k + 1, :, i], owner[k : k + 1])
                sizes[:, k, i] = model.geom_size[geoms[k], i] * np.linalg.norm(edge, axis=2)[:, 0] * foot_of[:, k]
        scaled = np.isin(model.geom_type[geoms], PRIMITIVES)
        f["geom_size"][:, geoms[scaled]] = sizes[:, scaled]
        self._bounds(f)
        self._matter_of(f, along, across, mapped)

    def _bounds(self, f: dict[str, np.ndarray]) -> None:
        """Bounding spheres and boxes of the primitive shapes, as MuJoCo's compiler makes them."""
        for k in self._geoms:
            kind, size, half = self.model.geom_type[k], f["geom_size"][:, k], f["geom_aabb"][:, k, 3:]
            if kind == SPHERE:
                f["geom_rbound"][:, k], half[:] = size[:, 0], size[:, :1]
            elif kind in (CAPSULE, CYLINDER):
                r, h = size[:, 0], size[:, 1]
                half[:, 0] = half[:, 1] = r
                half[:, 2] = h + r if kind == CAPSULE else h
                f["geom_rbound"][:, k] = h + r if kind == CAPSULE else np.sqrt(h * h + r * r)
            elif kind in (BOX, ELLIPSOID):
                half[:] = size
                f["geom_rbound"][:, k] = np.linalg.norm(size, axis=1) if kind == BOX else size.max(axis=1)

    def _matter_of(self, f: dict[str, np.ndarray], along: np.ndarray, across: np.ndarray, mapped) -> None:  # type: ignore[no-untyped-def]
        model = self.model
        tensors = []
        for b in self.explained:
            mass, centre, tensor = self._of_shapes(f, b)
            volume = self._volume[b]
            f["body_mass"][:, b] = model.body_mass[b] * mass / volume
            f["body_ipos"][:, b] = centre
            tensors.append(tensor * (model.body_mass[b] / volume))
        if tensors:
            self._diagonal(f, np.array(self.explained), np.stack(tensors, axis=1))
        some = self._matter
        if not len(some):
            return
        f["body_ipos"][:, some] = mapped(model.body_ipos[some], some)
        s, g, u = along[:, some], across[:, some], self.axis[some]
        more = s * g * g
        f["body_mass"][:, some] = model.body_mass[some] * more
        frame, moments = self._frame[some], model.body_inertia[some]
        tensor = np.einsum("bij,bj,bkj->bik", frame, moments, frame)
        second = 0.5 * moments.sum(axis=1)[:, None, None] * np.eye(3) - tensor
        a = g[:, :, None, None] * np.eye(3) + (s - g)[:, :, None, None] * u[:, :, None] * u[:, None, :]
        second = more[:, :, None, None] * (a @ second @ a)
        new = np.trace(second, axis1=2, axis2=3)[:, :, None, None] * np.eye(3) - second
        self._diagonal(f, some, new)

    def _diagonal(self, f: dict[str, np.ndarray], bodies: np.ndarray, tensor: np.ndarray) -> None:
        """Write tensors (n, bodies, 3, 3) about centres of mass as principal moments, in the nominal axes where those fit."""
        q = self._frame[bodies]
        local = q.transpose(0, 2, 1) @ tensor @ q
        trace = np.trace(local, axis1=2, axis2=3)
        off = np.abs(local[:, :, (0, 0, 1), (1, 2, 2)]).max(axis=2)
        f["body_inertia"][:, bodies] = local[:, :, (0, 1, 2), (0, 1, 2)]
        rows, askew = np.nonzero(off > ROUND * trace)
        if len(rows):
            moments, vectors = np.linalg.eigh(local[rows, askew])
            vectors[:, :, 2] = np.cross(vectors[:, :, 0], vectors[:, :, 1])  # right-handed
            f["body_inertia"][rows, bodies[askew]] = moments
            f["body_iquat"][rows, bodies[askew]] = _quaternions(q[askew] @ vectors)

    def _of_shapes(self, f: dict[str, np.ndarray], body: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Volume (n,), centre (n, 3) and inertia tensor per density about it (n, 3, 3) of a body's primitive shapes."""
        geoms = np.flatnonzero(self.model.geom_bodyid == body)
        volumes, moments = zip(
            *(_solid(int(self.model.geom_type[g]), f["geom_size"][:, g]) for g in geoms), strict=True
        )
        volume = np.stack(volumes, axis=1)
        place = f["geom_pos"][:, geoms]
        total = volume.sum(axis=1)
        centre = (volume[:, :, None] * place).sum(axis=1) / total[:, None]
        tensor = np.zeros((len(total), 3, 3))
        for i, g in enumerate(geoms):
            turn, off = _matrices(f["geom_quat"][:, g]), place[:, i] - centre
            tensor += np.einsum("nij,nj,nkj->nik", turn, moments[i], turn)
            square = (off * off).sum(axis=1)[:, None, None] * np.eye(3) - off[:, :, None] * off[:, None, :]
            tensor += volume[:, i, None, None] * square
        return total, centre, tensor

    def _explains(self, f: dict[str, np.ndarray], body: int) -> bool:
        model, geoms = self.model, np.flatnonzero(self.model.geom_bodyid == body)
        if model.body_mass[body] == 0 or not len(geoms) or not np.isin(model.geom_type[geoms], PRIMITIVES).all():
            return False
        volume, centre, tensor = self._of_shapes(f, body)
        self._volume = getattr(self, "_volume", {}) | {body: volume[0]}
        frame = self._frame[body]
        compiled = frame @ np.diag(model.body_inertia[body]) @ frame.T
        found = tensor[0] * model.body_mass[body] / volume[0]
        close = np.allclose(found, compiled, rtol=EXACT, atol=EXACT * np.trace(compiled))
        return bool(close and np.allclose(centre[0], model.body_ipos[body], atol=1e-9))

    def lift(self, f: dict[str, np.ndarray]) -> np.ndarray:
        """By how much the base must be higher for what touches the ground at home to touch it as nominally, m (n,)."""
        if self.height is None or not len(self._touch):
            return np.zeros(len(f["body_pos"]))
        return self._low - self._lowest(f)

    def _lowest(self, f: dict[str, np.ndarray]) -> np.ndarray:
        """Height of the lowest point of what can touch the ground, in the home pose, m (n,)."""
        model, n = self.model, len(f["body_pos"])
        place = np.zeros((n, model.nbody, 3))
        turns, joints, offsets = self._poses
        for b in range(1, model.nbody):
            parent = model.body_parentid[b]
            place[:, b] = place[:, parent] + f["body_pos"][:, b] @ turns[parent].T + offsets[b]
            for j, before, after in joints[b]:
                place[:, b] += f["jnt_pos"][:, j] @ (before - after).T
        low = np.full(n, np.inf)
        for k in self._touch:
            g = self._geoms[k]
            b, kind, size = model.geom_bodyid[g], model.geom_type[g], f["geom_size"][:, g]
            down = _matrices(f["geom_quat"][:, g])  # (n, 3, 3)
            rows = np.einsum("j,njk->nk", turns[b][2], down)  # the world's z in the geom's axes
            if kind == SPHERE:
                reach = size[:, 0]
            elif kind == CAPSULE:
                reach = size[:, 0] + size[:, 1] * np.abs(rows[:, 2])
            elif kind == CYLINDER:
                reach = size[:, 1] * np.abs(rows[:, 2]) + size[:, 0] * np.sqrt(np.maximum(1 - rows[:, 2] ** 2, 0))
            elif kind == ELLIPSOID:
                reach = np.linalg.norm(rows * size, axis=1)
            else:
                reach = (np.abs(rows) * size).sum(axis=1)
            low = np.minimum(low, place[:, b, 2] + f["geom_pos"][:, g] @ turns[b][2] - reach)
        return low


def _long_axis(model: mujoco.MjModel, body: int) -> np.ndarray:
    """Unit vector of a body's length: a link's, from its joint to its one child or its far end; a trunk's, along x, y or z."""
    children = [model.body_pos[c] for c in np.flatnonzero(model.body_parentid == body) if c != body]
    joints = np.flatnonzero(model.jnt_bodyid == body)
    anchor = model.jnt_pos[joints[-1]] if len(joints) else np.zeros(3)
    ends = list(children)
    for g in np.flatnonzero(model.geom_bodyid == body):
        turn, kind, size = _matrices(model.geom_quat[g]), model.geom_type[g], model.geom_size[g]
        reach = {CAPSULE: (0, 0, size[1]), CYLINDER: (0, 0, size[1]), BOX: size, ELLIPSOID: size}.get(
            int(kind), (0, 0, 0)
        )
        ends += [model.geom_pos[g] + sign * reach[i] * turn[:, i] for i in range(3) for sign in (-1, 1)]
    if not ends:
        return np.array([0.0, 0.0, 1.0])
    root = model.body_parentid[body] == 0
    if len(children) == 1 and not root and np.linalg.norm(children[0] - anchor) > 1e-6:
        far = children[0] - anchor
    elif not children and not root:
        far = max((end - anchor for end in ends), key=lambda v: float(v @ v))
    else:
        far = np.eye(3)[np.ptp(np.array(ends), axis=0).argmax()]
    length = np.linalg.norm(far)
    return far / length if length > 1e-9 else np.array([0.0, 0.0, 1.0])


def _height_index(model: mujoco.MjModel, layout: Layout) -> int | None:
    for j in range(model.njnt):
        if model.jnt_bodyid[j] not in layout.parts:
            continue
        if model.jnt_type[j] == mujoco.mjtJoint.mjJNT_FREE:
            return int(model.jnt_qposadr[j]) + 2
        slide = model.jnt_type[j] == mujoco.mjtJoint.mjJNT_SLIDE
        if slide and abs(model.jnt_axis[j][2]) > 1 - 1e-9 and model.body_parentid[model.jnt_bodyid[j]] == 0:
            return int(model.jnt_qposadr[j])
    return None


def _poses(model: mujoco.MjModel, qpos: np.ndarray):  # type: ignore[no-untyped-def]
    """Orientations of bodies in a pose, of each hinge's body before and after it turns, and offsets by sliding joints."""
    data = mujoco.MjData(model)
    data.qpos[:] = qpos
    mujoco.mj_kinematics(model, data)
    turns = data.xmat.reshape(-1, 3, 3).copy()
    joints: list[list[tuple[int, np.ndarray, np.ndarray]]] = [[] for _ in range(model.nbody)]
    offsets = np.zeros((model.nbody, 3))
    for b in range(1, model.nbody):
        turn = turns[model.body_parentid[b]] @ _matrices(model.body_quat[b])
        for j in np.flatnonzero(model.jnt_bodyid == b):
            kind, adr = model.jnt_type[j], model.jnt_qposadr[j]
            if kind == mujoco.mjtJoint.mjJNT_FREE:
                offsets[b] = qpos[adr : adr + 3] - model.body_pos[b]
            elif kind == mujoco.mjtJoint.mjJNT_SLIDE:
                offsets[b] += turn @ model.jnt_axis[j] * (qpos[adr] - model.qpos0[adr])
            else:
                if kind == mujoco.mjtJoint.mjJNT_BALL:
                    quat = qpos[adr : adr + 4]
                else:
                    half = (qpos[adr] - model.qpos0[adr]) / 2
                    quat = np.array([np.cos(half), *(np.sin(half) * model.jnt_axis[j])])
                after = turn @ _matrices(quat)
                joints[b].append((int(j), turn, after))
                turn = after
    return turns, joints, offsets


def _solid(kind: int, size: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Volume (n,) and principal moments per density (n, 3) of a solid primitive shape about its centre."""
    x, y, z = size.T
    if kind == SPHERE:
        volume = 4 / 3 * np.pi * x**3
        return volume, np.repeat((0.4 * volume * x**2)[:, None], 3, axis=1)
    if kind == BOX:
        volume = 8 * x * y * z
        return volume, (volume / 3)[:, None] * np.stack([y * y + z * z, x * x + z * z, x * x + y * y], axis=1)
    if kind == ELLIPSOID:
        volume = 4 / 3 * np.pi * x * y * z
        return volume, (volume / 5)[:, None] * np.stack([y * y + z * z, x * x + z * z, x * x + y * y], axis=1)
    r, h = x, 2 * y  # radius and whole length of the cylinder
    tube = np.pi * r * r * h
    across, along = tube * (3 * r * r + h * h) / 12, tube * r * r / 2
    if kind == CYLINDER:
        return tube, np.stack([across, across, along], axis=1)
    caps = 4 / 3 * np.pi * r**3
    across += caps * (
        0.4 * r * r + 3 / 8 * r * h + h * h / 4
    )  # two half balls, their flat sides at the cylinder's ends
    along += caps * 0.4 * r * r
    return tube + caps, np.stack([across, across, along], axis=1)


def _matrices(quat: np.ndarray) -> np.ndarray:
    """Rotation matrices (..., 3, 3) of unit quaternions (..., 4)."""
    w, x, y, z = np.moveaxis(np.asarray(quat, float), -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def _quaternions(turn: np.ndarray) -> np.ndarray:
    """Unit quaternions (n, 4) of rotation matrices (n, 3, 3): the row of 4 q q^T with the largest diagonal."""
    d = turn[:, (0, 1, 2), (0, 1, 2)]
    a, b, c = turn[:, 2, 1], turn[:, 0, 2], turn[:, 1, 0]
    e, g, h = turn[:, 1, 2], turn[:, 2, 0], turn[:, 0, 1]
    trace = d.sum(axis=1)
    k = np.empty((len(turn), 4, 4))
    k[:, 0] = np.stack([1 + trace, a - e, b - g, c - h], axis=1)
    k[:, 1] = np.stack([a - e, 1 + 2 * d[:, 0] - trace, c + h, b + g], axis=1)
    k[:, 2] = np.stack([b - g, c + h, 1 + 2 * d[:, 1] - trace, a + e], axis=1)
    k[:, 3] = np.stack([c - h, b + g, a + e, 1 + 2 * d[:, 2] - trace], axis=1)
    best = k[:, (0, 1, 2, 3), (0, 1, 2, 3)].argmax(axis=1)
    q = k[np.arange(len(turn)), best]
    return np.asarray(q / np.linalg.norm(q, axis=1)[:, None])


def _turned(quat: np.ndarray, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Quaternions (K, 4), turned the shortest way from unit vectors (K, 3) to (n, K, 3): (n, K, 4)."""
    cross, dot = np.cross(np.broadcast_to(before, after.shape), after), (before * after).sum(axis=2)
    same = np.abs(cross).max(axis=2) < 1e-12
    q = np.concatenate([1 + dot[:, :, None], cross], axis=2)
    q /= np.linalg.norm(q, axis=2)[:, :, None]
    w, v, w0, v0 = q[:, :, :1], q[:, :, 1:], quat[:, :1], quat[:, 1:]
    real = w * w0 - (v * v0).sum(axis=2)[:, :, None]
    turned = np.concatenate([real, w * v0 + w0 * v + np.cross(v, np.broadcast_to(v0, v.shape))], axis=2)
    return np.where(same[:, :, None], quat, turned)
