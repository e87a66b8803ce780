"""Robots derived from files: what is found is what was written, they stand, and any part of a model may be odd."""

import re
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import mujoco
import numpy as np
import pytest

from surefoot.robots import Robot, SurefootError, get_robot
from surefoot.robots.check import check_robot
from surefoot.robots.derived import unchanged

LEGS = ("front_left", "front_right", "rear_left", "rear_right")
FILES = ("mjcf_dog", "urdf_dog", "mjcf_biped")
MENAGERIE = {
    "unitree_go1": 4, "boston_dynamics_spot": 4, "google_barkour_vb": 4, "unitree_g1": 2, "unitree_h1": 2, "booster_t1": 2,
    "robotis_op3": 2, "berkeley_humanoid": 2, "apptronik_apollo": 2, "franka_emika_panda": 0,
}  # fmt: skip
HEAVY = ("apptronik_apollo", "robotis_op3", "berkeley_humanoid")  # large meshes: seconds to compile
MASS = {  # kg; makers' data sheets or the files' READMEs, to 10 %
    "unitree_go1": 12.7, "boston_dynamics_spot": 50, "unitree_g1": 33.3, "unitree_h1": 51, "booster_t1": 31.6,
}  # fmt: skip


@pytest.fixture(params=FILES)
def own(request: pytest.FixtureRequest, own_robots: ModuleType, tmp_path: Path) -> Robot:
    return get_robot(str(getattr(own_robots, request.param)(tmp_path)))


def lowest_foot(robot: Robot, model: mujoco.MjModel) -> float:
    data = mujoco.MjData(model)
    data.qpos[:] = robot.home_qpos(model)
    mujoco.mj_forward(model, data)
    return min(float(data.sensor(f"{foot}_pos").data[2]) for foot in robot.feet) - robot.foot_radius


def check_whole(robot: Robot, model: mujoco.MjModel) -> None:
    """What every task relies on."""
    assert robot.control == "position"
    assert model.geom("floor").type == mujoco.mjtGeom.mjGEOM_PLANE
    assert robot.home_qpos(model).shape == (model.nq,)
    assert robot.substeps(model) * model.opt.timestep == pytest.approx(robot.control_dt)
    assert (np.diff(model.actuator_trnid[:, 0]) > 0).all(), "motors in the order of the joints"
    np.testing.assert_allclose(
        model.key("home").ctrl, robot.home_qpos(model)[model.jnt_qposadr[model.actuator_trnid[:, 0]]]
    )
    n = len(robot.feet)
    assert [model.sensor(i).name for i in range(model.nsensor)] == [
        f"{foot}_{kind}" for kind in ("pos", "vel", "touch") for foot in robot.feet
    ]
    assert model.nsensordata == 7 * n
    if robot.symmetry:
        index, sign = np.array(robot.symmetry.index), np.array(robot.symmetry.sign)
        assert (index[index] == np.arange(model.nu)).all()
        assert (sign * sign[index] == 1).all()
        ranges = model.actuator_ctrlrange
        mirrored = np.sort(sign[:, None] * ranges[index], axis=1)
        assert np.abs(mirrored - ranges).max() < 0.5, "limits mirror, up to what makers round"


def test_own_files(own: Robot) -> None:
    model = own.compile()
    check_whole(own, model)
    biped = own.name.endswith("biped.xml")
    legs = ("left_leg", "right_leg") if biped else LEGS
    assert own.feet == tuple(f"{leg}_foot" for leg in legs)
    assert {leg: len(own.groups[leg]) for leg in legs} == dict.fromkeys(legs, 5 if biped else 3)
    assert own.symmetry is not None
    assert abs(lowest_foot(own, model)) < 1e-3
    found = check_robot(own.name)
    assert ("guesses" in " ".join(found.warnings)) != biped, "the dogs have torque motors"
    assert not [w for w in found.warnings if "guesses" not in w], "they stand"


def test_what_the_files_say_is_kept(own_robots: ModuleType, tmp_path: Path) -> None:
    dog = get_robot(str(own_robots.urdf_dog(tmp_path)))
    model = dog.compile()
    assert dog.velocity_limit == (21.0,) * 12
    assert model.actuator_forcerange[:3, 1].tolist() == [24.0, 24.0, 36.0]
    assert model.dof_damping[6:].tolist() == [0.1] * 12
    assert model.body_subtreemass[0] == pytest.approx(5 + 4 * (0.8 * 2 + 0.2 + 0.05))
    biped = get_robot(str(own_robots.mjcf_biped(tmp_path)))
    model = biped.compile()
    assert model.actuator_gainprm[:, 0].tolist() == [200.0] * 10
    assert (-model.actuator_biasprm[:, 2]).tolist() == [6.0] * 10, "the YAML's, not the file's 5"
    assert biped.action_scale == (0.3, 0.3, 0.3, 0.5, 0.3) * 2
    assert biped.fallen_height == 0.4
    assert model.geom("floor").friction[0] == 0.9, "the file's own plane"
    assert [model.geom(g).type[0] for g in range(model.ngeom)].count(mujoco.mjtGeom.mjGEOM_PLANE) == 1


@pytest.mark.parametrize("make", ["mjcf_dog", "mjcf_biped"])
def test_a_file_in_degrees_is_the_same_robot(make: str, own_robots: ModuleType, tmp_path: Path) -> None:
    """MJCF is in degrees unless it says otherwise."""
    file = getattr(own_robots, make)(tmp_path)
    wanted = get_robot(str(file)).compile()

    def degrees(found: re.Match[str]) -> str:
        return f'range="{" ".join(str(np.degrees(float(x))) for x in found[1].split())}"'

    text = file.read_text().replace('angle="radian" ', "")
    file.write_text(re.sub(r'\brange="(.*?)"', degrees, text))
    model = get_robot(str(file)).compile()
    np.testing.assert_allclose(model.jnt_range, wanted.jnt_range, atol=1e-12)
    np.testing.assert_allclose(model.actuator_ctrlrange, wanted.actuator_ctrlrange, atol=1e-12)


def test_a_mirrored_push_gives_the_mirrored_motion(own: Robot) -> None:
    model = own.compile()
    assert own.symmetry is not None
    index, sign = np.array(own.symmetry.index), np.array(own.symmetry.sign)
    home = own.home_qpos(model)
    wish = np.random.default_rng(0).uniform(-0.3, 0.3, model.nu)
    ends = []
    for targets in (wish, sign * wish[index]):
        data = mujoco.MjData(model)
        data.qpos[:] = home
        data.ctrl[:] = home[7:] + targets
        for _ in range(10):
            mujoco.mj_step(model, data)
        ends.append(data.qpos.copy())
    here, there = ends
    np.testing.assert_allclose(there[7:] - home[7:], sign * (here[7:] - home[7:])[index], atol=0.01)
    np.testing.assert_allclose(there[:3], here[:3] * (1, -1, 1), atol=0.01)


def test_only_feet_touch_the_floor(own: Robot) -> None:
    model = own.compile()
    data = mujoco.MjData(model)
    data.qpos[:] = own.home_qpos(model)
    data.qpos[2] -= 0.3  # the whole robot below ground
    mujoco.mj_forward(model, data)
    touching = {model.geom(g).name for contact in data.contact for g in (contact.geom1, contact.geom2)}
    assert touching == {"floor", *own.feet}


def test_all_collisions_where_the_yaml_wants_them(own_robots: ModuleType, tmp_path: Path) -> None:
    file = own_robots.mjcf_dog(tmp_path)
    file.with_suffix(".yaml").write_text("collisions: all\n")
    robot = get_robot(str(file))
    model = robot.compile()
    data = mujoco.MjData(model)
    data.qpos[:] = robot.home_qpos(model)
    data.qpos[2] = 0.02
    mujoco.mj_forward(model, data)
    assert len({g for contact in data.contact for g in (contact.geom1, contact.geom2)}) > 5


def test_an_arm(own_robots: ModuleType, tmp_path: Path) -> None:
    links, box = "", '<inertia ixx="0.01" iyy="0.01" izz="0.002" ixy="0" ixz="0" iyz="0"/>'
    for i in range(4):
        links += f"""<link name="l{i + 1}"><inertial><origin xyz="0 0 0.1"/><mass value="1"/>
          {box}</inertial>
          <collision><origin xyz="0 0 0.1"/><geometry><cylinder radius="0.03" length="0.2"/></geometry></collision></link>
          <joint name="j{i + 1}" type="revolute"><parent link="l{i}"/><child link="l{i + 1}"/>
          <origin xyz="0 0 0.2"/><axis xyz="{"0 0 1" if i % 2 == 0 else "0 1 0"}"/>
          <limit lower="-2" upper="2" effort="60" velocity="3"/></joint>"""
    file = tmp_path / "arm.urdf"
    file.write_text(
        f'<robot name="arm"><link name="l0"><inertial><mass value="1"/>{box}</inertial></link>{links}</robot>'
    )
    robot = get_robot(str(file))
    model = robot.compile()
    assert (robot.feet, model.nq, model.nu, robot.fallen_height) == ((), 4, 4, None)
    found = check_robot(str(file))
    assert dict(found.rows)["hand"] == "l4 (fixed to the world)"
    assert model.site(str(robot.tool)).pos[2] == pytest.approx(0.1), "the last link's middle"
    assert not [w for w in found.warnings if "guesses" not in w]
    file.with_suffix(".yaml").write_text("fixed: false\n")
    assert get_robot(str(file)).compile().nq == 11


def test_what_looks_wrong(own_robots: ModuleType, tmp_path: Path) -> None:
    file = own_robots.mjcf_dog(tmp_path)
    text = file.read_text()
    home = "{'*_calf': 1.5, '*_thigh': 0.8}"
    file.with_suffix(".yaml").write_text(f"home: {home}\nkp: 1\nfeet: []\n")
    file.write_text(text.replace('pos="0 0.07 0"', 'pos="0 0.001 0"').replace('mass="6"', 'mass="0.0001"'))
    warnings = " / ".join(check_robot(str(file)).warnings)
    for said in ("no feet found", "outside -2.7 to -0.8", "unstable: it falls"):
        assert said in warnings
    assert "guesses" not in warnings, "kp is given"
    text = text.replace('ctrlrange="-1 1"', "").replace('size="0.25 0.08 0.05"', 'size="0.25 0.2 0.3"')
    file.with_suffix(".yaml").unlink()
    file.write_text(text)
    warnings = " / ".join(check_robot(str(file)).warnings)
    for said in ("no torque limit: FL_hip", "mm inside"):
        assert said in warnings


def test_a_file_that_changes_or_goes(own_robots: ModuleType, tmp_path: Path) -> None:
    file = own_robots.mjcf_dog(tmp_path)
    robot = get_robot(str(file))
    unchanged(robot.name, robot.digest)
    file.with_suffix(".yaml").write_text("kp: 30\n")
    assert get_robot(str(file)).compile().actuator_gainprm[0, 0] == 30, "what was derived before is not kept"
    with pytest.raises(SurefootError, match="has changed"):
        unchanged(robot.name, robot.digest)
    file.unlink()
    with pytest.raises(SurefootError, match="is missing"):
        unchanged(robot.name, robot.digest)


def test_odd_names_and_defaults(own_robots: ModuleType, tmp_path: Path) -> None:
    """The file's default class, floor material and foot's name are not ours to stumble over."""
    file = own_robots.mjcf_biped(tmp_path)
    text = file.read_text().replace(
        '<joint damping="1" armature="0.02"/>',
        '<joint damping="1" armature="0.02"/><geom rgba="1 0 0 1" group="4" margin="0.01" contype="0"/>'
        '<site type="box" size="1 1 1"/><general dynprm="7" gear="3" ctrlrange="0 1"/>',
    )
    text = text.replace("<worldbody>", '<asset><material name="floor" rgba="0 1 0 1"/></asset><worldbody>', 1)
    text = text.replace(
        'type="box" size="0.08 0.12 0.15"', 'name="floor" material="floor" type="box" size="0.08 0.12 0.15"'
    )
    text = text.replace('name="ground" type="plane"', 'name="ground" type="plane" contype="1"')
    file.write_text(text)
    robot = get_robot(str(file))
    model = robot.compile()
    check_whole(robot, model)
    assert model.actuator_gear[:, 0].tolist() == [1.0] * 10
    assert model.geom("floor").group == 0
    assert model.geom("floor").bodyid == 0


def test_servos_with_gears_and_several_actuators_of_a_joint(own_robots: ModuleType, tmp_path: Path) -> None:
    """kp at the joint is gear^2 kp; a velocity servo beside a position servo is its damping."""
    file = own_robots.mjcf_dog(tmp_path)
    text = file.read_text()
    text = text.replace(
        '<motor joint="FL_hip" ctrlrange="-1 1" gear="20"/>',
        '<position joint="FL_hip" kp="4" gear="5" forcerange="-2 2"/><velocity joint="FL_hip" kv="3"/>',
    )
    file.write_text(text)
    model = get_robot(str(file)).compile()
    assert model.nu == 12
    assert model.actuator_gainprm[0, 0] == pytest.approx(100)
    assert model.actuator_biasprm[0, 1:3].tolist() == pytest.approx([-100, -3])
    assert model.actuator_forcerange[0].tolist() == [-10, 10]


def test_stiff_servos_have_a_shorter_step(own_robots: ModuleType, tmp_path: Path) -> None:
    file = own_robots.mjcf_dog(tmp_path)
    steps = []
    for kp in (40, 2000, 20000):
        file.with_suffix(".yaml").write_text(f"kp: {kp}\nkd: {kp / 40}\n")
        model = get_robot(str(file)).compile()
        steps.append(model.opt.timestep)
        found = check_robot(str(file))
        assert not [w for w in found.warnings if "diverges" in w or "unstable" in w]
    assert all(b < a for a, b in pairwise(steps))


# --- Menagerie ----------------------------------------------------------------------------------------------------------


@pytest.mark.menagerie
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in HEAVY else name for name in MENAGERIE]
)
def test_menagerie(name: str) -> None:
    found = check_robot(f"menagerie:{name}")
    robot = found.robot
    model = robot.compile()
    assert robot.name == f"menagerie:{name}"
    check_whole(robot, model)
    assert len(robot.feet) == MENAGERIE[name]
    assert model.body_subtreemass[0] == pytest.approx(MASS.get(name, model.body_subtreemass[0]), rel=0.1)
    if robot.feet:
        assert robot.symmetry is not None, "all of them are symmetric"
        assert abs(lowest_foot(robot, model)) < 0.01
        assert set(LEGS if len(robot.feet) == 4 else ("left_leg", "right_leg")) <= set(robot.groups)
    assert not found.warnings, found.warnings
