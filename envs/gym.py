"""Gymnasium's view of a `BatchEnv`: all worlds as a `VectorEnv`, one world as an `Env`."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
import mujoco
import numpy as np
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from ..robots import Robot, SurefootError, unknown
from .batch_env import BatchEnv
from .options import configured
from .simulation import ContactForces
from .spaces import action_space, observation_space
from .tasks import TASKS
from .variation import Task, Variation

PICTURE = (480, 640)  # height and width of a rendered frame, as Gymnasium's
Settings = Mapping[str, float | str]  # a Task as a dict, e.g. {"payload": 3.0, "vx": 1.0}

OPTIONS = ("task", "reset_mask")


class BatchVectorEnv(gymnasium.vector.VectorEnv):
    """All worlds of a `BatchEnv` as one `gymnasium.vector.VectorEnv`.

    A world that ends is reset within the same step: the observation returned is its next episode's first, and what it
    showed last is `infos["final_obs"][i]`. Reward terms are arrays `infos["reward_<term>"]`; each info has its mask
    `infos["_<name>"]`, as in Gymnasium.
    """

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP, "render_modes": []}  # noqa: RUF012 (Gymnasium's type)

    def __init__(self, core: BatchEnv, *, copy: bool = True):
        """With `copy` False, observations and rewards are the environment's own arrays, overwritten by the next step."""
        self.core, self.copy = core, copy
        self.num_envs = core.num_envs
        self.single_observation_space, self.single_action_space = observation_space(core), action_space(core)
        self.observation_space = batch_space(self.single_observation_space, core.num_envs)
        self.action_space = batch_space(self.single_action_space, core.num_envs)
        self._np_random, self._np_random_seed = core.rng, core.seed
        self._everywhere = np.ones(core.num_envs, bool)

    def _repr_html_(self) -> str:
        return self.core._repr_html_()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start all worlds anew, or those in `options["reset_mask"]`; `options["task"]` gives them other tasks from now on."""
        options = _checked(options)
        ids = None
        if options.get("reset_mask") is not None:
            mask = np.asarray(options["reset_mask"])
            if mask.shape != (self.num_envs,) or mask.dtype != bool or not mask.any():
                raise SurefootError(f"reset_mask: expected {self.num_envs} booleans with at least one True")
            ids = np.flatnonzero(mask)
        if options.get("task") is not None:
            self.core.set_tasks(as_tasks(options["task"], self.core.task_name))
        observation = self.core.reset(seed, ids)
        self._np_random_seed = self.core.seed
        return (observation.copy() if self.copy else observation), {}

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """One control step of every world with actions (N, nu)."""
        core = self.core
        observation, reward, terminated, truncated = core.step(actions)
        infos: dict[str, Any] = {}
        for i, name in enumerate(core.task.terms):
            infos[f"reward_{name}"], infos[f"_reward_{name}"] = core.terms[:, i].copy(), self._everywhere
        if core.succeeded is not None:
            infos["is_success"], infos["_is_success"] = core.succeeded.copy(), self._everywhere
        if len(core.ended):
            infos |= self._final(core.ended)
        if self.copy:
            return observation.copy(), reward.copy(), terminated.copy(), truncated.copy(), infos
        return observation, reward, terminated, truncated, infos

    def _final(self, ended: np.ndarray) -> dict[str, Any]:
        """What Gymnasium's SAME_STEP mode reports of the worlds that ended: arrays over all worlds, and masks."""
        core = self.core
        mask = np.zeros(self.num_envs, bool)
        mask[ended] = True
        last = np.full(self.num_envs, None, dtype=object)
        for i in ended:
            last[i] = core.final_observation[i].copy()
        info: dict[str, Any] = {}
        for i, name in enumerate(core.task.terms):
            info[f"reward_{name}"], info[f"_reward_{name}"] = np.where(mask, core.terms[:, i], 0), mask
        info["diverged"], info["_diverged"] = core.simulation.diverged & mask, mask
        return {"final_obs": last, "_final_obs": mask, "final_info": info, "_final_info": mask}


class SingleEnv(gymnasium.Env):
    """One world as a `gymnasium.Env`: `step` returns the last observation of an episode, and the user calls `reset`.

    With `variation` None, `reset(seed=s)` starts `run` exactly where Gymnasium's v5 environment starts for seed `s`.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 50}  # noqa: RUF012 (Gymnasium's type)

    def __init__(
        self,
        robot: str | Robot,
        task_name: str,
        *,
        task: Task | Settings | None = None,
        variation: Variation | Mapping[str, Any] | None = None,
        config: Any = None,
        contact_forces: ContactForces | None = None,
        episode_steps: int | None = None,
        time_limit: bool = True,
        threads: int = 1,
        history: int = 1,
        inputs: Sequence[str] = (),
        trial: int = 1,
        redraw: float = 0.0,
        render_mode: str | None = None,
    ):
        """`task` fixes the parameters, `variation` draws them at every reset; both may be dicts, `config` too.

        With `time_limit` False (as registered, because `gymnasium.make` adds its own `TimeLimit`) the episode is cut only
        where `episode_steps` or `config` say so. `history`, `inputs`, `trial` and `redraw`: see `BatchEnv`.
        """
        if render_mode not in (None, "rgb_array"):
            raise SurefootError(f"unknown render_mode {render_mode!r}: choose from rgb_array, None")
        self.render_mode = render_mode
        self._np_random, self._np_random_seed = seeding.np_random()
        self.core = make_core(
            robot,
            task_name,
            1,
            tasks=task,
            variation=variation,
            seed=self._np_random_seed,
            threads=threads,
            config=config,
            contact_forces=contact_forces,
            episode_steps=episode_steps,
            time_limit=time_limit,
            autoreset=False,
            history=history,
            inputs=inputs,
            trial=trial,
            redraw=redraw,
        )
        self._np_random = self.core.rng
        self.observation_space, self.action_space = observation_space(self.core), action_space(self.core)
        self.metadata = {**self.metadata, "render_fps": round(1 / self.core.robot.control_dt)}
        self._renderer: mujoco.Renderer | None = None

    def _repr_html_(self) -> str:
        return self.core._repr_html_()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start an episode; `options={"task": ...}` gives the world another task from now on."""
        options = _checked(options)
        if options.get("reset_mask") is not None:
            raise SurefootError("reset_mask is for vector environments")
        if options.get("task") is not None:
            self.core.set_tasks(as_tasks(options["task"], self.core.task_name))
        observation = self.core.reset(seed)[0].copy()
        self._np_random_seed = self.core.seed
        return observation, {"parameters": self.core.table.changed(self.core.values[0])}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """One control step with an action (nu,)."""
        core = self.core
        observation, reward, terminated, truncated = core.step(np.asarray(action)[None])
        info: dict[str, Any] = {f"reward_{name}": float(core.terms[0, i]) for i, name in enumerate(core.task.terms)}
        info["diverged"] = bool(core.simulation.diverged[0])
        return observation[0].copy(), float(reward[0]), bool(terminated[0]), bool(truncated[0]), info

    def render(self) -> np.ndarray | None:
        """A picture of the robot, (480, 640, 3) uint8, where `render_mode` is "rgb_array"."""
        if self.render_mode is None:
            gymnasium.logger.warn('render() shows nothing: pass render_mode="rgb_array" to make()')
            return None
        sim = self.core.simulation
        if self._renderer is None:
            # Not Gymnasium's own renderer: its pictures turn black when an older environment is collected.
            try:
                self._renderer = mujoco.Renderer(sim.model, *PICTURE)
            except Exception as error:  # each OpenGL back-end raises its own
                raise SurefootError(f"cannot render ({error}): set MUJOCO_GL=egl before Python starts") from error
            self._camera = mujoco.MjvCamera()
            self._camera.type = mujoco.mjtCamera.mjCAMERA_TRACKING
            self._camera.trackbodyid = sim.model.body(sim.robot.base).id
            self._camera.distance, self._camera.azimuth, self._camera.elevation = sim.robot.camera
        data = sim.batch.get_data(0)
        mujoco.mj_forward(sim.batch.get_model(0), data)
        self._renderer.update_scene(data, self._camera)
        return self._renderer.render()

    def close(self) -> None:
        """Free the renderer."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None


def make_core(
    robot: str | Robot,
    task_name: str,
    num_envs: int,
    *,
    tasks: Task | Settings | Sequence[Task | Settings] | None = None,
    variation: Variation | Mapping[str, Any] | None = None,
    config: Any = None,
    episode_steps: int | None = None,
    time_limit: bool = True,
    max_episode_steps: int | None = None,
    **options: Any,
) -> BatchEnv:
    """A `BatchEnv` from what people type: tasks, variation and config may be dicts.

    The episode's length is `episode_steps`, else the configuration's, else (with `time_limit` False) unlimited; never more
    than `max_episode_steps`.
    """
    if variation is not None and not isinstance(variation, Variation):
        variation = Variation.parse(variation)
    if isinstance(config, Mapping):
        config = configured(task_name, **config)
    if episode_steps is None and not time_limit and config is None:
        episode_steps = sys.maxsize
    core = BatchEnv(
        robot,
        task_name,
        num_envs,
        variation=variation,
        tasks=None if tasks is None else as_tasks(tasks, task_name),
        config=config,
        episode_steps=episode_steps,
        **options,
    )
    if max_episode_steps is not None:
        core.episode_steps = min(core.episode_steps, max_episode_steps)
    return core


def make(robot: str | Robot, task: str, **options: Any) -> SingleEnv:
    """One world of `robot` on `task` as a `gymnasium.Env`. Options are those of `SingleEnv`, e.g. `tasks={"payload": 3}`.

    >>> env = make("quadruped", "velocity", tasks={"payload": 3.0, "vx": 1.0}, render_mode="rgb_array")
    """
    if "tasks" in options:
        options["task"] = options.pop("tasks")
    return SingleEnv(robot, task, **options)


def make_vec(
    robot: str | Robot, task: str, num_envs: int = 1024, *, copy: bool = True, **options: Any
) -> BatchVectorEnv:
    """`num_envs` worlds of `robot` on `task` as a `gymnasium.vector.VectorEnv`. Options are those of `make_core`.

    >>> envs = make_vec("quadruped", "velocity", num_envs=1024, variation={"payload": "0:3", "friction": "log:0.3:1.5"})
    """
    return BatchVectorEnv(make_core(robot, task, num_envs, **options), copy=copy)


def vector_entry_point(
    robot: str | Robot, task_name: str, num_envs: int = 1, *, task: Any = None, copy: bool = True, **options: Any
) -> BatchVectorEnv:
    """What `gymnasium.make_vec` calls: `task` as in `gymnasium.make`, or one a world."""
    return make_vec(robot, task_name, num_envs, copy=copy, tasks=task, **options)


def as_tasks(tasks: Task | Settings | Sequence[Task | Settings], task_name: str) -> Task | list[Task]:
    """Tasks from tasks or dicts; keys that the task knows as goals (vx, vy, yaw) become goals."""
    if isinstance(tasks, Task):
        return tasks
    if isinstance(tasks, Mapping):
        if task_name not in TASKS:
            raise unknown("task", task_name, TASKS)
        goals = TASKS[task_name].command_names
        return Task(
            parameters={k: v for k, v in tasks.items() if k not in goals},
            goal={k: float(v) for k, v in tasks.items() if k in goals},
        )
    if not isinstance(tasks, list | tuple):
        raise SurefootError(f'task {tasks!r}: expected a surefoot Task or a dict such as {{"payload": 3.0}}')
    one = [as_tasks(t, task_name) for t in tasks]
    return [t for t in one if isinstance(t, Task)]


def _checked(options: dict[str, Any] | None) -> dict[str, Any]:
    for name in options or {}:
        if name not in OPTIONS:
            raise unknown("reset option", name, OPTIONS)
    return options or {}
