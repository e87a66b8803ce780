"""The mirror image of what Gymnasium's robots observe: a mirrored robot moves as the mirror image of the robot."""

import numpy as np
import pytest

from surefoot.controllers.config import checked_config
from surefoot.controllers.training import make_algorithm, make_env, mirror_map
from surefoot.envs.batch_env import BatchEnv
from surefoot.envs.tasks import reflection
from surefoot.robots import SurefootError


@pytest.mark.parametrize("robot", ["walker2d", "ant", "humanoid"])
def test_the_mirror_image_of_a_motion_is_a_motion(robot: str) -> None:
    """Torso turned and moving, then on the ground with every motor at work: contacts, forces and inertias as well."""
    env = BatchEnv(robot, "run", 2, seed=0)
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


@pytest.mark.parametrize("robot", ["walker2d", "ant", "humanoid"])
def test_a_mirrored_policy_is_made(robot: str) -> None:
    config = checked_config(
        robot=robot, task="run", algo="ppo", steps=64, hyperparameters={"mirror": True, "num_envs": 32}
    )
    env = make_env(config, 32)
    assert make_algorithm(config, env).policy.mirrored


@pytest.mark.parametrize(("robot", "task"), [("half_cheetah", "run"), ("ant", "ant-goal"), ("arm", "reach")])
def test_who_has_none(robot: str, task: str) -> None:
    env = BatchEnv(robot, task, 1)
    with pytest.raises(SurefootError, match=f"mirror=True needs a symmetry map: '{robot}' on '{task}' has none"):
        mirror_map(env)
