"""Stable-Baselines3's view of a `BatchEnv`."""

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Discrete
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvObs, VecEnvStepReturn

from .batch_env import BatchEnv
from .spaces import action_space, observation_space


class SB3VecEnv(VecEnv):
    """All worlds of a `BatchEnv` as one SB3 `VecEnv`; Surefoot's own algorithms go to `core` directly.

    With `grid` (actions, nu), actions are discrete and stand for its rows.
    """

    def __init__(self, core: BatchEnv, grid: np.ndarray | None = None):
        self.core, self.grid = core, grid
        self._actions = np.zeros((core.num_envs, core.num_actions))
        self.render_mode = None
        space = action_space(core) if grid is None else Discrete(len(grid))
        super().__init__(core.num_envs, observation_space(core), space)

    def reset(self) -> VecEnvObs:
        seed = next((s for s in self._seeds if s is not None), None)
        self._reset_seeds()
        return self.core.reset(seed).copy()

    def controls(self, actions: np.ndarray) -> np.ndarray:
        """What the robots get, (N, nu), for actions (N, nu), or (N,) on a grid."""
        return actions if self.grid is None else self.grid[actions]

    def step_async(self, actions: np.ndarray) -> None:
        self._actions = self.controls(actions)

    def step_wait(self) -> VecEnvStepReturn:
        core = self.core
        core.step(self._actions)
        infos: list[dict[str, Any]] = [{} for _ in range(core.num_envs)]
        for k, i in enumerate(core.ended):
            infos[i] = {
                "terminal_observation": core.final_observation[i].copy(),
                "TimeLimit.truncated": bool(core.truncated[i]),
                "episode": {"r": float(core.ended_return[k]), "l": int(core.ended_length[k]), "t": 0.0},
            }
        # Copies, because SB3's algorithms keep the last observation while the next step overwrites ours.
        return core.observation.copy(), core.reward.astype(np.float32), core.terminated | core.truncated, infos

    def close(self) -> None:
        pass

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        return [getattr(self.core if hasattr(self.core, attr_name) else self, attr_name)] * self._count(indices)

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        setattr(self.core, attr_name, value)

    def env_method(self, method_name: str, *args: Any, indices: VecEnvIndices = None, **kwargs: Any) -> list[Any]:
        return [getattr(self.core, method_name)(*args, **kwargs)] * self._count(indices)

    def env_is_wrapped(self, wrapper_class: type[gymnasium.Wrapper], indices: VecEnvIndices = None) -> list[bool]:
        # Episode returns are in the infos, as SB3's Monitor would put them.
        from stable_baselines3.common.monitor import Monitor

        return [issubclass(Monitor, wrapper_class)] * self._count(indices)

    def get_images(self) -> Sequence[np.ndarray | None]:
        return [None] * self.num_envs

    def _count(self, indices: VecEnvIndices) -> int:
        return self.num_envs if indices is None else np.size(np.asarray(indices))
