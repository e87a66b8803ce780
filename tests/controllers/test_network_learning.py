"""Does PPO learn with each network, from pictures, and with what only a history shows? Minutes, so `make slow`."""

from typing import Any

import gymnasium
import mujoco
import numpy as np
import pytest
from gymnasium.spaces import Box
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.logger import configure
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize, VecTransposeImage

from surefoot.controllers.config import TrainConfig
from surefoot.controllers.controller import Controller
from surefoot.controllers.evaluation import run_episodes
from surefoot.controllers.policies import policy_kwargs
from surefoot.controllers.policy import Policy
from surefoot.controllers.ppo import PPO
from surefoot.controllers.settings import PPOSettings
from surefoot.controllers.training import make_algorithm, make_env
from surefoot.envs.batch_env import BatchEnv

pytestmark = pytest.mark.slow

# Returns of a pendulum that does not see its velocity: -1217 without a history; gru -188, tcn -185, lstm -181 with one.
STEPS, BLIND, SEEING = 100_000, -800.0, -400.0

PUCK = """
<mujoco>
  <option timestep="0.05"/>
  <visual><quality shadowsize="0"/></visual>
  <worldbody>
    <light pos="0 0 3" dir="0 0 -1"/>
    <camera name="above" pos="0 0 2.9"/>
    <geom type="plane" size="1.2 1.2 .1" rgba=".2 .2 .2 1" contype="0" conaffinity="0"/>
    <body mocap="true" name="goal"><geom type="cylinder" size=".16 .01" rgba="0 1 0 1" contype="0" conaffinity="0"/></body>
    <body name="puck">
      <joint name="x" type="slide" axis="1 0 0" range="-1 1" limited="true"/>
      <joint name="y" type="slide" axis="0 1 0" range="-1 1" limited="true"/>
      <geom type="cylinder" size=".12 .05" mass="1" rgba="1 0 0 1" contype="0" conaffinity="0"/>
    </body>
  </worldbody>
  <actuator>
    <velocity joint="x" kv="20" ctrlrange="-1 1"/>
    <velocity joint="y" kv="20" ctrlrange="-1 1"/>
  </actuator>
</mujoco>
"""


class Puck(gymnasium.Env):
    """Push a red puck onto a green spot, seen from above in 32 x 32 pixels; the reward is how much nearer it came, m."""

    observation_space = Box(0, 255, (32, 32, 3), np.uint8)
    action_space = Box(-1, 1, (2,), np.float32)

    def __init__(self) -> None:
        self.model = mujoco.MjModel.from_xml_string(PUCK)
        self.data = mujoco.MjData(self.model)
        self.renderer = mujoco.Renderer(self.model, 32, 32)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        mujoco.mj_resetData(self.model, self.data)
        self.data.qpos[:] = self.np_random.uniform(-0.9, 0.9, 2)
        self.data.mocap_pos[0, :2] = self.np_random.uniform(-0.9, 0.9, 2)
        mujoco.mj_forward(self.model, self.data)
        self.steps, self.distance = 0, self.measure()
        return self.picture(), {}

    def measure(self) -> float:
        return float(np.linalg.norm(self.data.qpos - self.data.mocap_pos[0, :2]))

    def picture(self) -> np.ndarray:
        self.renderer.update_scene(self.data, "above")
        return self.renderer.render()

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        self.data.ctrl[:] = action
        mujoco.mj_step(self.model, self.data, 2)
        self.steps += 1
        before, self.distance = self.distance, self.measure()
        return self.picture(), before - self.distance, False, self.steps >= 15, {}

    def close(self) -> None:
        self.renderer.close()


@pytest.mark.render
def test_ppo_with_a_cnn_learns_from_pictures() -> None:
    settings = PPOSettings(network="cnn", net=(64,), activation="relu", log_std_init=-0.5)
    env = VecNormalize(DummyVecEnv([lambda: Monitor(Puck())] * 16), norm_obs=False, gamma=0.9)
    model = PPO(
        Policy, env, learning_rate=1e-3, n_steps=128, batch_size=256, n_epochs=8, gamma=0.9, gae_lambda=0.9,
        policy_kwargs=policy_kwargs(settings, 32 * 32 * 3), seed=0, device="cpu",
    )  # fmt: skip
    judged = VecTransposeImage(DummyVecEnv([lambda: Monitor(Puck())]))

    def gained() -> float:
        judged.seed(1000)
        return float(evaluate_policy(model, judged, n_eval_episodes=50)[0])

    before = gained()
    model.learn(20_480)
    # The way to the spot is .94 m on average.
    assert before < 0.25
    assert gained() > 0.65


def blind(env: BatchEnv) -> BatchEnv:
    """The same worlds, with zeros for all velocities in the observation, which stand last."""
    see, velocities = env.task.observe, env.simulation.model.nv

    def observe(ids: np.ndarray | slice, out: np.ndarray | None = None) -> np.ndarray:
        out = see(ids, out)
        out[:, -velocities:] = 0.0
        return out

    env.task.observe = observe  # type: ignore[method-assign]
    return env


def blind_pendulum(**hyperparameters: Any) -> float:
    """Mean return of a pendulum trained and judged without its velocity."""
    config = TrainConfig(robot="pendulum", task="swing-up", steps=STEPS, hyperparameters=hyperparameters)
    model = make_algorithm(config, blind(make_env(config, 32)))
    model.set_logger(configure(None, []))
    model.learn(config.steps)
    history = hyperparameters.get("history", 1)
    judged = blind(BatchEnv("pendulum", "swing-up", 100, seed=1000, autoreset=False, history=history))
    return run_episodes(judged, Controller.from_algorithm(config, model)).mean


def test_without_velocity_the_pendulum_does_not_stay_up() -> None:
    assert blind_pendulum() < BLIND


@pytest.mark.parametrize("network", ["tcn", "transformer", "lstm", "gru"])
def test_a_history_shows_the_velocity(network: str) -> None:
    assert blind_pendulum(network=network, history=16, encoder_width=16) > SEEING
