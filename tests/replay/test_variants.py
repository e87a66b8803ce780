"""The robots of a recording: what their parameters make of masses, limits and feet."""

import dataclasses

import mujoco
import numpy as np
import pytest

import surefoot
from surefoot.replay.geometry import body_poses, moving_bodies, visible_geoms
from surefoot.replay.variants import actuator_names, centre_of_mass, feet, variants


def test_parameters_are_written_into_the_model(before):
    believed = np.ones((len(before), 3))
    names = ("payload", "motor_strength", "nothing")
    changed = {"payload": 3.0, "motor_strength.hip_1": 0.5, "unheard_of": 7.0}
    recording = dataclasses.replace(
        before, changes=((20, changed),), inferred=believed, inferred_std=believed, inferred_names=names
    )
    model = recording.compile()
    first, second = variants(recording, model)
    torso, hip = model.body("torso").id, list(actuator_names(model)).index("hip_1")
    assert (first.row, second.row) == (0, 20)
    assert second.mass[torso] - first.mass[torso] == pytest.approx(1.0)  # from 2 to 3 kg
    assert second.limit[hip] == pytest.approx(first.limit[hip] / 2)
    others = np.arange(model.nu) != hip
    np.testing.assert_array_equal(second.limit[others], first.limit[others])
    assert first.limit[hip] == model.actuator_gainprm[hip, 0] * model.actuator_ctrlrange[hip, 1]
    assert first.believed[:2] == (2.0, 1.0)
    assert second.believed[:2] == pytest.approx((3.0, 1 - 0.5 / model.nu))
    assert np.isnan(second.believed[2])


def test_centre_of_mass_is_mujocos(before):
    model = before.compile()
    rows = np.array([0, 17, 40])
    found = variants(dataclasses.replace(before, parameters={}), model)
    centre = centre_of_mass(found, moving_bodies(model), rows, *body_poses(model, before.qpos[rows]))
    data = mujoco.MjData(model)
    for row, at in zip(rows, centre, strict=True):
        data.qpos[:] = before.qpos[row]
        mujoco.mj_forward(model, data)
        np.testing.assert_allclose(at, data.subtree_com[model.body("torso").id], atol=1e-6)


def test_a_capsule_foot_is_its_far_end(before):
    model = before.compile()
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    found = feet(before, model)
    assert [foot.name for foot in found] == list(before.foot_names)
    for foot in found:
        assert np.linalg.norm(foot.point) == pytest.approx(2 * model.geom(foot.name).size[1], rel=1e-3)
        assert foot.sensors == ()  # the ant has no touch sensors


def test_a_robot_of_another_size_is_shown_as_large_as_it_was():
    sizes = {"size": 1.3, "length.front_left_calf": 0.8, "girth.trunk": 1.2, "foot_size.rear_left_foot": 1.5}
    recording = surefoot.record("quadruped-velocity", parameters=sizes | {"payload": 2.0}, seconds=0.4)
    model = recording.compile()
    nominal = dataclasses.replace(recording, parameters={}).compile()

    def off(model, foot):
        """Metres from where the simulation itself measured the foot, which is one physics step earlier."""
        data, columns = mujoco.MjData(model), [recording.sensor_names.index(f"{foot}_pos.{i}") for i in range(3)]
        data.qpos[:] = recording.qpos[-1]
        mujoco.mj_kinematics(model, data)
        return np.linalg.norm(data.site(foot).xpos - recording.sensor[-1, columns])

    for foot in recording.foot_names:
        assert off(model, foot) < 0.02
        assert off(nominal, foot) > 0.05
    foot = model.geom("rear_left_foot")
    assert foot.size[0] == pytest.approx(1.3 * 1.5 * nominal.geom("rear_left_foot").size[0])
    (robot,) = variants(recording, model)
    trunk = model.body("trunk").id
    assert robot.mass[trunk] == pytest.approx(model.body_mass[trunk] + 2.0)
    assert robot.mass.sum() - 2.0 == pytest.approx(model.body_mass.sum())
    assert robot.mass.sum() > 1.3**3 * nominal.body_mass.sum()


def test_a_target_is_where_the_task_put_it_in_its_own_colour():
    controller = surefoot.train(
        "arm", "reach", steps=64, hyperparameters={"num_envs": 2, "n_steps": 8, "batch_size": 16, "net": (8, 8)},
        options={"episode_seconds": 1.0}, progress=False,
    )  # fmt: skip
    recording = surefoot.record(controller, seconds=2.0)
    assert recording.episode[-1] == 1
    model = recording.compile()
    target = model.body("target").id
    assert target in moving_bodies(model)
    places = body_poses(model, recording.qpos, recording.mocap)[0][:, target]
    np.testing.assert_allclose(places, recording.command, atol=1e-6)  # x, y, z in the world
    assert np.ptp(places, axis=0).max() > 0.01  # another one in the second episode
    own = {geom["body"]: geom["own"] for geom in visible_geoms(model, model.body(recording.base).id)}
    assert [body for body, its in own.items() if its] == [target]
    old = dataclasses.replace(recording, mocap=np.zeros((0, 0)))  # as files of before
    assert body_poses(model, old.qpos, old.mocap)[0][:, target] == pytest.approx(
        np.tile(model.body_pos[target], (len(old), 1))
    )
