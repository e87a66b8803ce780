"""Planning with a learned policy and value: simulate what could happen next, and act on what turns out best.

Each control step, K variants of the next H steps are simulated from every robot's exact state. The policy acts in all of
them (it is the proposal), plus a sequence of residual actions that differs between the variants; a variant is worth its
discounted rewards and, after its last step, the learned value of where it ended. The residuals are then averaged with the
weights of model predictive path integral control (MPPI; Williams et al., 2017), or the best variant is taken (predictive
sampling; Howell et al., 2022), and the first action is executed. A value function at the end of short roll-outs is Lowrey
et al.'s (POLO, 2019), the policy among the proposals Hansen et al.'s (TD-MPC, 2022).

Roll-outs step a `BatchEnv` instead of calling `mujoco.batch.Batch.rollout`, which is open-loop: here the policy answers to
where each variant has got to, so that a horizon of many steps does not fall over, and rewards and endings are the task's own.
"""

import dataclasses
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

from ..envs.batch_env import BatchEnv
from ..envs.tasks import CONFIGS, VelocityConfig
from ..envs.variation import Task
from ..robots import SurefootError
from .onnx_controller import OnnxController

if TYPE_CHECKING:
    from .controller import Controller
    from .evaluation import AnyController

WORLDS = 1024  # simulated at once, at most: more are no faster


class Driver(Protocol):
    """What drives robots: a `Controller`, or a `Planner` around it."""

    def act(self, observation: np.ndarray, deterministic: bool = True) -> np.ndarray:
        """Actions (N, nu) for observations (N, O)."""
        ...

    def reset(self, ids: np.ndarray | None = None) -> None:
        """Forget what was seen in the worlds `ids`, or in all."""
        ...


def driver(controller: "AnyController", env: BatchEnv, seed: int = 0) -> Driver:
    """What drives the worlds of `env`: the controller itself, or a planner around it where it has settings for one."""
    if isinstance(controller, OnnxController) or controller.plan is None:
        return controller
    return Planner(controller, env, seed=seed)


def mppi_weights(returns: np.ndarray, temperature: float) -> np.ndarray:
    """Weights (G, K) of K variants for each of G robots from their returns (G, K); each row sums to 1.

    exp((R - max R) / (temperature * standard deviation of R)), normalised: Williams et al. (2017, eq. 34) with costs
    scaled by their spread, so that one temperature fits all rewards. Temperature 0 takes the best variant alone.
    """
    lead = returns - returns.max(axis=1, keepdims=True)
    if temperature == 0:
        best = np.zeros_like(returns)
        best[np.arange(len(returns)), lead.argmax(axis=1)] = 1.0
        return best
    spread = np.maximum(returns.std(axis=1, keepdims=True), 1e-12)
    weights = np.exp(lead / (temperature * spread))
    return weights / weights.sum(axis=1, keepdims=True)


class Planner:
    """Drives the N worlds of `env` by planning with `controller`; it reads their state, and changes nothing in them.

    It sees a robot's full state, not only its observation. A world that was just reset starts with an empty plan, one that
    has ended is left to the policy.

    Attributes:
        plan: (N, H, nu) residuals on the policy's actions for the next steps.
    """

    def __init__(self, controller: "Controller", env: BatchEnv, *, seed: int = 0):
        """`controller.plan` holds the settings.

        Raises `SurefootError` for a controller without a value function, and on terrain.
        """
        assert controller.plan is not None
        if env.ground is not None:  # `BatchEnv.copy_from` does not know on which patch a robot is
            raise SurefootError("planning knows a level floor only: plan without terrain, or walk on it without a plan")
        self.controller, self.env, self.settings = controller, env, controller.plan
        controller.value(env.observation[:1])
        s, nu = self.settings, env.num_actions
        self.gamma = controller.settings.gamma
        self.rng = np.random.default_rng(seed)
        self.group = min(env.num_envs, max(1, WORLDS // s.samples))  # robots whose variants are simulated at once
        config = env.config
        if isinstance(config, VelocityConfig):  # chance cannot be planned for: commands stay, nobody pushes
            config = dataclasses.replace(config, mean_hold=np.inf, push_interval=0.0, noise=0.0)
        self.futures = BatchEnv(
            env.robot,
            env.task_name,
            self.group * s.samples,
            tasks=None if isinstance(s.model, str) else Task(s.model),
            config=config if env.task_name in CONFIGS else None,
            autoreset=False,
            max_delay=env.simulation.max_delay,
            history=env.history,
            inputs=tuple(env.inputs.layout),
        )
        self.low, self.high = env.task.action_low, env.task.action_high
        self.plan = np.zeros((env.num_envs, s.horizon, nu), np.float32)
        self._scale = np.float32(s.noise) * (self.high - self.low).astype(np.float32) / 2
        torch.set_num_threads(1)  # MuJoCo's pool is at work

    def act(self, observation: np.ndarray, deterministic: bool = True) -> np.ndarray:
        """Actions (N, nu) for the robots of `env`, whose observations (N, O) these are; plans on from the last call."""
        env = self.env
        fresh = env.lengths == 0
        self.plan[fresh] = 0.0
        running = np.flatnonzero(fresh | ~(env.terminated | env.truncated))
        for start in range(0, len(running), self.group):
            self._improve(np.resize(running[start : start + self.group], self.group), observation)
        actions = self.controller.act(observation) + self.plan[:, 0]
        self.plan[:, :-1] = self.plan[:, 1:]  # what was planned for later is planned for one step sooner
        self.plan[:, -1] = 0.0
        return np.clip(actions, self.low, self.high)

    def reset(self, ids: np.ndarray | None = None) -> None:
        """Drop the plans of worlds `ids`, or all."""
        self.plan[slice(None) if ids is None else ids] = 0.0

    def _improve(self, ids: np.ndarray, observation: np.ndarray) -> None:
        """Improve the plans of robots `ids` (G,)."""
        s, everywhere = self.settings, np.repeat(ids, self.settings.samples)
        if s.model == "own":
            values = self.env.inputs.supposed(self.env.values)[everywhere]
            if not np.array_equal(self.futures.values, values):
                self.futures.simulation.set_parameters(np.arange(len(everywhere)), values)
        self.futures.inputs.believed[:] = self.env.inputs.believed[everywhere]
        for _ in range(s.iterations):
            residuals = self.plan[ids][:, None] + self._noise()
            residuals[:, 0] = 0.0  # the policy itself
            residuals[:, -1] = self.plan[ids]  # the plan as it is
            self.futures.copy_from(self.env, everywhere)
            returns = self._returns(observation[everywhere], residuals.reshape(-1, *residuals.shape[2:]))
            weights = mppi_weights(returns.reshape(len(ids), -1), s.temperature)
            self.plan[ids] = np.einsum("gk,gkhu->ghu", weights.astype(np.float32), residuals)

    def _noise(self) -> np.ndarray:
        """Noise (G, K, H, nu), correlated in time: a first-order autoregression of constant variance."""
        s = self.settings
        drawn = self.rng.standard_normal((self.group, s.samples, *self.plan.shape[1:]), np.float32)
        fresh = np.float32(np.sqrt(1 - s.correlation**2))
        for t in range(1, s.horizon):
            drawn[:, :, t] = np.float32(s.correlation) * drawn[:, :, t - 1] + fresh * drawn[:, :, t]
        return drawn * self._scale

    def _returns(self, observation: np.ndarray, residuals: np.ndarray) -> np.ndarray:
        """Discounted rewards of the model's worlds (W,) under residuals (W, H, nu), and the value of where they end."""
        total = np.zeros(len(residuals))
        alive, discount = np.ones(len(residuals), bool), 1.0
        for t in range(residuals.shape[1]):
            actions = self.controller.act(observation) + residuals[:, t]
            observation, reward, terminated, _ = self.futures.step(np.clip(actions, self.low, self.high))
            total += discount * reward * alive
            alive &= ~terminated
            discount *= self.gamma
        return total + discount * np.where(alive, self.controller.value(observation), 0.0)
