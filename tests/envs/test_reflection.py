"""The mirror image of what Gymnasium's robots observe: a mirrored robot moves as the mirror image of the robot."""

import numpy as np
import pytest

from surefoot.controllers.config import checked_config
from surefoot.controllers.training import make_algorithm, make_env, mirror_map
from surefoot.envs.batch_env import BatchEnv
from surefoot.envs.tasks import reflection
from surefoot.robots import SurefootError

RUNNERS = [(robot, "run") for robot in ("walker2d", "ant", "humanoid")]
RUNNERS += [("ant", "ant-cripple"), ("ant", "ant-cripple-sami"), ("ant", "ant-mass")]


@pytest.mark.parametrize(("robot", "task"), RUNNERS)
def test_the_mirror_image_of_a_motion_is_a_motion(robot: str, task: str) -> None:
    """Torso turned and moving, then on the ground with every motor at work: contacts, forces and inertias as well."""
    env = BatchEnv(robot, task, 2, seed=0)
    env.reset()
    index, sign, action, flip = mirror_map(env)
    sim, rng = env.simulation, np.random.default_rng(3)
    if robot == "humanoid":  # Gymnasium's left hip and knee differ a little from the right ones
        for field, of in (("dof_armature", sim.model.jnt_dofadr), ("jnt_stiffness", np.arange(sim.model.njnt))):
            values = sim.batch.expand(field)
            for joint in ("hip_y", "knee"):
                left, right = (of[sim.model.joint(f"{side}_{joint}").id] for side in ("left", "right"))
                values[:, left] = values[:, right]
        sim.batch.set_const()
    (q, qs), (v, vs) = (of(env.robot, sim.model) for of in (reflection.of_positions, reflection.of_dofs))
    qvel = rng.normal(0, 0.5, sim.model.nv)
    sim.reset(np.arange(2), *(np.stack([x, s * x[i]]) for x, i, s in ((sim.qpos[0].copy(), q, qs), (qvel, v, vs))))
    touched = False
    for _ in range(16):  # a contact that only one of them has by then would be chance
        act = rng.uniform(*(0.5 * x for x in (env.task.action_low, env.task.action_high)))
        env.step(np.stack([act, flip * act[action]]).astype(np.float32))
        first, second = env.observation.astype(np.float64)
        np.testing.assert_allclose(second, sign * first[index], atol=1e-3, rtol=1e-3)
        touched |= bool(sim.batch.bind("ncon").any())
        assert not env.ended.size
    assert touched
    assert (np.abs(second - first) > 1e-3).sum() > 10  # it is not symmetric itself
    assert sorted(index) == list(range(len(first)))


@pytest.mark.parametrize(("robot", "task"), RUNNERS)
def test_a_mirrored_policy_is_made(robot: str, task: str) -> None:
    config = checked_config(
        robot=robot, task=task, algo="ppo", steps=64, hyperparameters={"mirror": True, "num_envs": 32}
    )
    env = make_env(config, 32)
    assert make_algorithm(config, env).policy.mirrored


@pytest.mark.parametrize(
    ("robot", "task"),
    [("half_cheetah", "run"), ("ant", "ant-goal"), ("walker2d", "walker-rand-params"), ("arm", "reach")],
)
def test_who_has_none(robot: str, task: str) -> None:
    env = BatchEnv(robot, task, 1)
    with pytest.raises(SurefootError, match=f"mirror=True needs a symmetry map: '{robot}' on '{task}' has none"):
        mirror_map(env)


def test_parts_without_a_side_in_their_names() -> None:
    """Gymnasium's ant calls its motors hip_1 to hip_4, of which 1 and 4 are a pair; its legs are front_left and right_back."""
    env = BatchEnv("ant", "run", 1, inputs=("dead_actuator", "gravity"))
    size = env.observation_size - env.inputs.size
    index, sign, *_ = mirror_map(env)
    names = env.inputs.known
    assert names[index[size + names.index("dead_actuator.hip_1")] - size] == "dead_actuator.hip_4"
    assert names[index[size + names.index("dead_actuator.ankle_2")] - size] == "dead_actuator.ankle_3"
    assert (sign[size:] == 1).all()
    with pytest.raises(
        SurefootError, match=r"the parts of 'ant' are not called left and right, so that input 'mass\.aux_1'"
    ):
        mirror_map(BatchEnv("ant", "run", 1, inputs=("mass.aux_1",)))
