"""Does PPO learn with each network, from pictures, and with what only a history shows? Minutes, so `make slow`."""

from typing import Any

import gymnasium
import mujoco
import numpy as np
import pytest
from gymnasium.spaces import Box

pytestmark = pytest.mark.slow

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
