"""Robots of our own beside the quadruped: hexapod, biped and arm stand, mirror and are what their sources say."""

import mujoco
import numpy as np
import pytest

from surefoot.robots import Robot, get_robot

LEGGED = ("hexapod", "biped")


def at_home(robot: Robot, model: mujoco.MjModel) -> mujoco.MjData:
    """The home pose with its joint angles as targets."""
    data = mujoco.MjData(model)
    data.qpos[:] = robot.home_qpos(model)
    data.ctrl[:] = data.qpos[-model.nu :]
    mujoco.mj_forward(model, data)
    return data


@pytest.mark.parametrize("name", LEGGED)
def test_home_pose_stands_for_seconds(name: str) -> None:
    robot = get_robot(name)
    model = robot.compile()
    data = at_home(robot, model)
    for foot in robot.feet:
        assert data.geom(foot).xpos[2] == pytest.approx(robot.foot_radius, abs=0.001)  # touches, no more
    assert np.allclose(model.key("home").qpos, robot.home_qpos(model))
    assert np.allclose(model.key("home").ctrl, robot.home_qpos(model)[7:])
    mujoco.mj_step(model, data, nstep=round(8.0 / model.opt.timestep))
    assert data.qpos[2] == pytest.approx(robot.home_qpos(model)[2], abs=0.04)
    assert data.body(robot.base).xmat[8] > 0.98
    assert np.abs(data.qvel).max() < 0.1
    weight = -model.body_mass.sum() * model.opt.gravity[2]
    assert sum(data.sensor(f"{foot}_touch").data[0] for foot in robot.feet) == pytest.approx(weight, rel=0.02)
    assert robot.fallen_height is not None
    assert robot.fallen_height < 0.8 * data.qpos[2]


@pytest.mark.parametrize("name", LEGGED)
@pytest.mark.parametrize("seed", range(2))
def test_mirrored_states_and_actions_give_the_mirrored_motion(name: str, seed: int) -> None:
    robot = get_robot(name)
    model = robot.compile()
    assert robot.symmetry is not None
    index, sign = np.array(robot.symmetry.index), np.array(robot.symmetry.sign)
    rng = np.random.default_rng(seed)

    def image(qpos: np.ndarray, qvel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        pose, velocity = np.array([1, -1, 1, 1, -1, 1, -1]), np.array([1, -1, 1, -1, 1, -1])
        return (
            np.concatenate([pose * qpos[:7], sign * qpos[7:][index]]),
            np.concatenate([velocity * qvel[:6], sign * qvel[6:][index]]),
        )

    data, mirror = at_home(robot, model), mujoco.MjData(model)
    data.qpos[2] += 0.01
    data.qpos[7:] += 0.1 * rng.standard_normal(model.nu)
    data.qvel[:] = 0.3 * rng.standard_normal(model.nv)
    mirror.qpos[:], mirror.qvel[:] = image(data.qpos, data.qvel)
    home = robot.home_qpos(model)[7:]
    for _ in range(30):
        data.ctrl[:] = home + 0.1 * rng.standard_normal(model.nu)
        mirror.ctrl[:] = sign * data.ctrl[index]
        for one in (data, mirror):
            mujoco.mj_step(model, one, nstep=robot.substeps(model))
        qpos, qvel = image(data.qpos, data.qvel)
        assert np.abs(qpos - mirror.qpos).max() < 1e-8
        assert np.abs(qvel - mirror.qvel).max() < 1e-6


def test_constants() -> None:
    biped, hexapod, arm = (get_robot(name).compile() for name in ("biped", "hexapod", "arm"))
    assert biped.nu == 10
    assert hexapod.nu == 18
    assert arm.nu == 6
    assert biped.body_mass.sum() == pytest.approx(51.44, abs=0.1)  # Menagerie's h1: 51.4 kg
    assert biped.actuator_forcerange[:5, 1] == pytest.approx([200, 200, 200, 300, 40])
    assert hexapod.actuator_forcerange[:3, 1] == pytest.approx([23.7, 23.7, 35.55])
    # Menagerie's ur5e without its base's 4 kg, and the stick.
    assert arm.body_mass.sum() == pytest.approx(3.7 + 8.393 + 2.275 + 2 * 1.219 + 0.1889 + 0.5)
    assert arm.actuator_forcerange[:, 1] == pytest.approx([150] * 3 + [28] * 3)
    for model in (biped, hexapod, arm):
        inertia = model.body_inertia[model.body_mass > 0]
        assert (inertia.sum(axis=1, keepdims=True) - 2 * inertia > 0).all()  # triangle inequality


def test_the_arm_holds_its_home_pose_and_reaches_as_far_as_a_ur5e() -> None:
    robot = get_robot("arm")
    model = robot.compile()
    data = at_home(robot, model)
    assert robot.tool is not None
    before = data.site(robot.tool).xpos.copy()
    mujoco.mj_step(model, data, nstep=round(5.0 / model.opt.timestep))
    assert np.abs(data.qvel).max() < 1e-3
    assert np.linalg.norm(data.site(robot.tool).xpos - before) < 0.02  # the servos sag by so much
    data.qpos[:] = 0.0  # stretched out
    mujoco.mj_forward(model, data)
    # Upper arm .425 and forearm .392 m; wrist 2 hangs beside them (data sheet of the UR5e: a reach of .85 m).
    assert np.linalg.norm(data.body("wrist_1").xpos - data.body("upper_arm").xpos) == pytest.approx(
        np.hypot(0.425 + 0.392, 0.131), abs=1e-3
    )
