"""Bodies of other lengths and thicknesses: what MuJoCo's compiler makes of the same shapes, and how they stand and move."""

from copy import copy
from functools import cache

import mujoco
import numpy as np
import pytest

from surefoot.envs.simulation import Simulation
from surefoot.robots import SurefootError, get_robot
from surefoot.robots.parameters import ParameterTable
from surefoot.robots.robot import compile_quietly

EXACT = ["half_cheetah", "hopper", "walker2d", "ant", "humanoid"]  # all mass is that of shapes
FIELDS = (
    "body_pos", "body_mass", "body_ipos", "geom_pos", "geom_size", "geom_rbound", "geom_aabb", "site_pos", "jnt_pos",
    "body_subtreemass", "body_invweight0", "dof_invweight0", "dof_M0",
)  # fmt: skip


@cache
def simulation(robot: str) -> Simulation:
    return Simulation(get_robot(robot), 3, threads=1)


def drawn(table: ParameterTable, seed: int) -> np.ndarray:
    """Legal sizes, every one another."""
    rng, row = np.random.default_rng(seed), table.nominal.copy()
    for name in ("size", "length", "girth", "foot_size"):
        if name not in table.absent:
            row[table.columns(name)] = rng.uniform(0.7, 1.4, len(table.columns(name)))
    return row


def recompiled(sim: Simulation, row: np.ndarray) -> mujoco.MjModel:
    """The robot with its sizes written into its spec, compiled anew: independent of `Shape`, but for the long axes."""
    model, table, spec = sim.model, sim.table, sim.robot.make_spec()
    spec.compiler.settotalmass = -1
    density = model.body_mass.sum() / compile_quietly(spec).body_mass.sum()

    def of(name: str, element: str) -> float:
        full = f"{name}.{element}"
        return float(row[table.names.index(full)]) if full in table.names else 1.0

    maps = {}
    names = dict(zip(table.layout.shaped.tolist(), table.layout.shaped_names, strict=True))
    for b in range(1, model.nbody):
        size, u = row[table.columns("size")[0]], table.shape.axis[b]
        s, g = size * of("length", names[b]), size * of("girth", names[b])
        maps[b] = g * np.eye(3) + (s - g) * np.outer(u, u), g
    for body in spec.bodies[1:]:
        b, parent = body.id, model.body_parentid[body.id]
        body.pos = maps[parent][0] @ model.body_pos[b] if parent else model.body_pos[b]
        for joint in body.joints:
            joint.pos = maps[b][0] @ model.jnt_pos[joint.id]
        for site in body.sites:
            site.pos = maps[b][0] @ model.site_pos[site.id]
        for geom in body.geoms:
            a, g = maps[b]
            pos, size = model.geom_pos[geom.id], model.geom_size[geom.id]
            geom.density = geom.density * density
            geom.size = size * g
            turn, quat = np.zeros(9), np.zeros(4)
            mujoco.mju_quat2Mat(turn, model.geom_quat[geom.id])
            if geom.type == mujoco.mjtGeom.mjGEOM_CAPSULE:
                half = a @ (size[1] * turn.reshape(3, 3)[:, 2])
                mujoco.mju_quatZ2Vec(quat, half / np.linalg.norm(half))
                geom.fromto, geom.alt.type = np.full(6, np.nan), mujoco.mjtOrientation.mjORIENTATION_QUAT
                geom.quat, geom.size = quat, [g * size[0], np.linalg.norm(half), 0]
            geom.pos = a @ pos
    return compile_quietly(spec)


@pytest.mark.parametrize("robot", EXACT)
def test_masses_and_inertias_are_those_of_the_compiler(robot: str) -> None:
    sim = simulation(robot)
    table = sim.table
    assert len(table.shape.explained) == len(table.layout.shaped)
    rows = np.array([drawn(table, seed) for seed in range(3)])
    sim.set_parameters(np.arange(3), rows)
    for world in range(3):
        ours, theirs = sim.batch.get_model(world), recompiled(sim, rows[world])
        assert not np.allclose(ours.body_mass, sim.model.body_mass, rtol=0.01)
        for field in FIELDS:
            assert np.allclose(getattr(ours, field), getattr(theirs, field), rtol=1e-6, atol=1e-9), field
        for b in range(1, ours.nbody):  # principal axes may come in another order
            assert np.allclose(tensor(ours, b), tensor(theirs, b), rtol=1e-6, atol=1e-6 * theirs.body_inertia[b].max())


def tensor(model: mujoco.MjModel, body: int) -> np.ndarray:
    turn = np.zeros(9)
    mujoco.mju_quat2Mat(turn, model.body_iquat[body])
    turn = turn.reshape(3, 3)
    return turn @ np.diag(model.body_inertia[body]) @ turn.T


@pytest.mark.parametrize("robot", ["half_cheetah", "humanoid"])
def test_it_moves_as_the_recompiled_robot_does(robot: str) -> None:
    sim = simulation(robot)
    row = drawn(sim.table, 5)
    sim.set_parameters(np.arange(3), np.repeat(row[None], 3, axis=0))
    model = recompiled(sim, row)
    data = mujoco.MjData(model)
    rng = np.random.default_rng(0)
    qpos, qvel = sim.robot.home_qpos(sim.model), 0.1 * rng.standard_normal(model.nv)
    sim.reset(np.arange(3), np.repeat(qpos[None], 3, axis=0), np.repeat(qvel[None], 3, axis=0))
    data.qpos[:], data.qvel[:] = sim.qpos[0], qvel
    for _ in range(20):
        sim.ctrl[:] = data.ctrl[:] = rng.uniform(-0.4, 0.4, model.nu)
        sim.step()
        mujoco.mj_step(model, data, sim.substeps)
    assert np.allclose(sim.qpos[0], data.qpos, atol=1e-5)
    assert np.abs(data.qpos - qpos).max() > 0.05


@pytest.mark.parametrize("robot", ["quadruped", pytest.param("go1", marks=pytest.mark.menagerie)])
def test_explicit_inertias_scale_as_matter_does(robot: str) -> None:
    sim = simulation(robot)
    table, model = sim.table, sim.model
    row = drawn(table, 1)
    f = table.fields(row[None])
    mass, size = f["body_mass"][0], row[table.columns("size")[0]]
    for name, b in zip(table.layout.shaped_names, table.layout.shaped, strict=True):
        s, g = (size * row[table.columns(f"{n}.{name}")[0]] for n in ("length", "girth"))
        assert mass[b] == pytest.approx(model.body_mass[b] * s * g * g, rel=1e-12)
        u = table.shape.axis[b]
        a = g * np.eye(3) + (s - g) * np.outer(u, u)
        # Six points that weigh and turn as the body does, moved by A.
        turn = np.zeros(9)
        mujoco.mju_quat2Mat(turn, model.body_iquat[b])
        moments = model.body_inertia[b]
        arms = turn.reshape(3, 3) * np.sqrt(np.maximum((moments.sum() / 2 - moments) * 3 / model.body_mass[b], 0))
        points = a @ np.concatenate([arms, -arms], axis=1)
        wanted = sum(mass[b] / 6 * (p @ p * np.eye(3) - np.outer(p, p)) for p in points.T)
        assert np.allclose(tensor(_with(model, f), b), wanted, rtol=1e-6, atol=1e-6 * np.trace(wanted)), name


def _with(model: mujoco.MjModel, fields: dict[str, np.ndarray]) -> mujoco.MjModel:
    changed = copy(model)
    for name in ("body_inertia", "body_iquat", "body_mass", "body_ipos"):
        getattr(changed, name)[:] = fields[name][0]
    return changed


@pytest.mark.parametrize("robot", ["quadruped", "ant", "half_cheetah", "humanoid"])
def test_robots_begin_as_high_above_the_ground_as_they_should(robot: str) -> None:
    """What touches the ground is as high as on the nominal robot; the quadruped's feet touch it, and it goes on standing."""
    sim = simulation(robot)
    shape = sim.table.shape
    assert shape.height is not None

    def lowest(world: int) -> float:
        model, data = sim.batch.get_model(world), mujoco.MjData(sim.model)
        data.qpos[:] = sim.qpos[world]
        mujoco.mj_forward(model, data)
        low = []
        for g in sim.table.layout.touching:
            turn, size, kind = data.geom_xmat[g].reshape(3, 3), model.geom_size[g], model.geom_type[g]
            reach = size[0] + (size[1] * abs(turn[2, 2]) if kind == mujoco.mjtGeom.mjGEOM_CAPSULE else 0)
            low.append(data.geom_xpos[g, 2] - reach)
        return min(low)

    sensors = sim.batch.bind("sensordata")
    rows = np.array([sim.table.nominal, drawn(sim.table, 2), drawn(sim.table, 3)])
    home = np.repeat(sim.robot.home_qpos(sim.model)[None], 3, axis=0)
    sim.set_parameters(np.arange(3), rows)
    sim.reset(np.arange(3), home, np.zeros((3, sim.model.nv)))
    assert np.ptp(sim.qpos[:, shape.height]) > 0.005
    assert [lowest(i) for i in (1, 2)] == pytest.approx([lowest(0)] * 2, abs=1e-9)
    if robot == "quadruped":
        sim.ctrl[:] = home[:, 7:]
        before = sim.qpos[:, 2].copy()
        for _ in range(50):
            sim.step()
        assert (np.abs(sim.qpos[:, 2] - before) < 0.08).all()
        assert (sensors[:, 24:28].sum(axis=1) > 20).all(), "its feet are felt, larger ones too"
    sim.set_parameters(np.arange(3), np.repeat(sim.table.nominal[None], 3, axis=0))
    sim.reset(np.arange(3), home, np.zeros((3, sim.model.nv)))
    assert np.array_equal(sim.qpos, home)


def test_hundreds_of_bodies_in_one_batch() -> None:
    sim = Simulation(get_robot("quadruped"), 300, threads=1)
    rows = np.array([drawn(sim.table, seed) for seed in range(300)])
    sim.set_parameters(np.arange(300), rows)
    mass = sim.batch.expanded("body_mass").sum(axis=1)
    assert len(np.unique(mass)) == 300
    home = np.repeat(sim.robot.home_qpos(sim.model)[None], 300, axis=0)
    sim.reset(np.arange(300), home, np.zeros((300, sim.model.nv)))
    sim.ctrl[:] = home[:, 7:]
    for _ in range(10):
        sim.step()
    assert np.isfinite(sim.qpos).all()
    assert not sim.divergences


def test_twice_the_size_weighs_eight_times_as_much() -> None:
    table = simulation("quadruped").table
    f = table.fields(table.values({"size": 2.0})[None])
    assert f["body_mass"][0].sum() == pytest.approx(8 * simulation("quadruped").model.body_mass.sum())
    assert np.allclose(f["body_inertia"][0], 32 * simulation("quadruped").model.body_inertia)
    foot = simulation("quadruped").model.geom("front_left_foot").id
    assert f["geom_size"][0, foot, 0] == pytest.approx(0.046)


def test_links_have_names() -> None:
    table = simulation("quadruped").table
    thighs = [table.names[k] for k in table.columns("length.thigh")]
    assert thighs == [f"length.{leg}_thigh" for leg in ("front_left", "front_right", "rear_left", "rear_right")]
    assert table.names[table.columns("girth.torso")[0]] == "girth.trunk"
    with pytest.raises(SurefootError, match=r"unknown element of 'length'.*'tigh'.*thigh"):
        table.columns("length.tigh")
    for value in (0.0, -1.0, float("nan")):
        with pytest.raises(SurefootError, match=r"illegal value .*'length.trunk': expected 0.3 to 3"):
            table.values({"length.trunk": value})
