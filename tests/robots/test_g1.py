"""g1: Menagerie's Unitree G1 on its legs, with the upper body held, weighs and balances as the whole robot does."""

import mujoco
import numpy as np
import pytest

from surefoot.robots import Robot, SurefootError, get_robot
from surefoot.robots import menagerie as menagerie_module
from surefoot.robots.g1 import HELD, HOME_JOINTS

pytestmark = pytest.mark.menagerie


def at_home(robot: Robot, model: mujoco.MjModel) -> mujoco.MjData:
    data = mujoco.MjData(model)
    data.qpos[:] = robot.home_qpos(model)
    data.ctrl[:] = data.qpos[7:]
    mujoco.mj_forward(model, data)
    return data


def test_it_is_the_whole_robot_with_its_upper_body_held() -> None:
    ours, whole = get_robot("g1"), get_robot("menagerie:unitree_g1")
    model, other = ours.compile(), whole.compile()
    assert (model.nu, other.nu) == (12, 29)
    data, theirs = at_home(ours, model), mujoco.MjData(other)
    theirs.qpos[:7], theirs.qpos[7:19] = data.qpos[:7], HOME_JOINTS * 2
    for name, angle in HELD.items():
        theirs.joint(name).qpos[0] = angle
    mujoco.mj_forward(other, theirs)
    pelvis, root = model.body("pelvis").id, other.body("pelvis").id
    assert (
        model.body_subtreemass[pelvis] == pytest.approx(other.body_subtreemass[root]) == pytest.approx(33.34, abs=0.01)
    )
    assert data.subtree_com[pelvis] == pytest.approx(theirs.subtree_com[root], abs=1e-6)
    for hand in ("left_wrist_yaw_link", "right_wrist_yaw_link"):
        assert data.body(hand).xpos == pytest.approx(theirs.body(hand).xpos, abs=1e-6)
    assert [model.actuator(i).name for i in range(12)] == [other.actuator(i).name for i in range(12)]
    assert np.array_equal(model.actuator_forcerange, other.actuator_forcerange[:12])
    assert np.array_equal(model.actuator_ctrlrange, other.jnt_range[1:13])


def test_home_pose_is_on_both_soles() -> None:
    robot = get_robot("g1")
    model = robot.compile()
    data = at_home(robot, model)
    assert np.array_equal(model.key("home").qpos, data.qpos)
    for foot in robot.feet:
        assert data.geom(foot).xmat[8] == pytest.approx(1.0, abs=1e-6)  # level
        assert data.geom(foot).xpos[2] == pytest.approx(robot.foot_radius, abs=1e-4)  # touches, no more
    ahead = data.subtree_com[model.body("pelvis").id, 0] - data.geom(robot.feet[0]).xpos[0]
    assert abs(ahead) < 0.02  # m, of soles of .17
    # Its servos are Unitree's, too soft to stand by themselves for long: a fifth of a second, in which feet carry it all.
    force = []
    for _ in range(40):
        mujoco.mj_step(model, data)
        force.append(sum(data.sensor(f"{foot}_touch").data[0] for foot in robot.feet))
    assert np.mean(force) == pytest.approx(33.34 * 9.81, rel=0.1)
    assert data.body("pelvis").xmat[8] > 0.99


def test_mirrored_states_move_as_mirror_images_up_to_its_own_asymmetry() -> None:
    robot = get_robot("g1")
    model = robot.compile()
    assert robot.symmetry is not None
    index, sign = np.array(robot.symmetry.index), np.array(robot.symmetry.sign)
    rng, home = np.random.default_rng(0), robot.home_qpos(model)[7:]
    data, mirror = at_home(robot, model), at_home(robot, model)
    data.qpos[7:] += 0.1 * rng.standard_normal(12)
    data.qpos[2] = mirror.qpos[2] = 1.0  # in the air
    mirror.qpos[7:] = sign * data.qpos[7:][index]
    data.ctrl[:] = home + 0.3 * rng.standard_normal(12)
    mirror.ctrl[:] = sign * data.ctrl[index]
    for one in (data, mirror):
        mujoco.mj_step(model, one, nstep=12)
    assert np.abs(data.qvel[6:]).max() > 1.0
    assert sign * data.qpos[7:][index] == pytest.approx(mirror.qpos[7:], abs=0.01)


def test_without_its_model_it_names_the_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setenv("MENAGERIE_ROOT", str(tmp_path))
    monkeypatch.setattr(menagerie_module, "WHEELS", ())
    with pytest.raises(SurefootError, match=r"^robot 'g1': MENAGERIE_ROOT=.* holds no unitree_g1/g1.xml$"):
        get_robot("g1").make_spec()
