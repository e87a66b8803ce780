"""The vectorised core: N worlds of one robot on one task, with rewards, observations, variation and resets."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..robots import Robot, SurefootError, get_robot
from ..robots.moments import split_moment
from .ground import Ground
from .inputs import Inputs
from .samplers import Sampler
from .schedule import Schedule
from .sensors import Sensors
from .simulation import ContactForces, Robots, Simulation
from .suites import TaskSuite, TrainingTasks
from .tasks import CONFIGS, Family, kind_of
from .terrain import TerrainOptions, on_terrain
from .variation import Task, Variation
from .views import make_view

AHEAD = 256  # episodes whose parameters are drawn at a time: each costs half of what it does in draws of 64


class BatchEnv:
    """N worlds. A world that ends is reset within the same step; what it showed last is in `final_observation`.

    All arrays belong to the environment and are overwritten by the next step.

    With `history` H > 1 an observation is the last H, oldest first, in a row of H*O numbers; an episode's first observation
    stands for those before it. `inputs` names what follows the task's own numbers in each (`inputs.Inputs`).

    With `trial` K > 1 what a learner takes for an episode is a trial, K episodes on the same robot with the same goal (Duan et
    al., 2016): only the last of them is `terminated` or `truncated`, and the history goes on across the others' ends.

    With `redraw` p each robot becomes another one of its variation or suite in mid-episode, with that probability a control
    step (Kumar et al., 2021), and the goal of a published family with it.

    Attributes:
        observation: (N, observation_size), which is H*O. reward: (N,). terminated, truncated: (N,) bool.
        fell: (N,) bool, the robot's episode was terminated, also within a trial. episode: (N,), which of the trial it is in.
        terms: (N, T) reward terms by name, `task.terms`.
        final_observation: (N, observation_size), valid for the worlds in `ended`.
        ended: ids of the worlds that ended in the last step, with `ended_return`, `ended_length` (a trial's last episode's).
        succeeded: (N,) bool, after a step: what the task calls success came about, also where a new episode has begun;
            None where the task does not say.
        values: (N, K) parameter values (`table.names`).
        watcher: called in each step before any world is reset, such as `safety.Meter.watch`.
        diverged: number of worlds that blew up since the start.
    """

    def __init__(
        self,
        robot: str | Robot,
        task: str,
        num_envs: int,
        *,
        variation: Variation | None = None,
        tasks: Task | list[Task] | None = None,
        suite: TaskSuite | None = None,
        seed: int | None = None,
        threads: int = 0,
        config: Any = None,
        contact_forces: ContactForces | None = None,
        episode_steps: int | None = None,
        autoreset: bool = True,
        max_delay: float = 0.0,
        history: int = 1,
        inputs: Sequence[str] = (),
        trial: int = 1,
        redraw: float = 0.0,
        sampler: Sampler | None = None,
    ):
        """`variation` draws each world's parameters anew at every reset; `tasks` (one for all, or one a world) fixes them.

        `suite` is for training: each episode is a task of its split `train`, and the worlds never take any other.

        `config` is the task's configuration (e.g. `VelocityConfig`). `contact_forces` "fast" trades Gymnasium's exact
        contact forces for speed. With `autoreset` False an ended world stays as it is until `reset`. `max_delay` s of
        actuator delay can be set later, even where neither `variation` nor `tasks` name it now. `history` is the number of
        control steps in an observation. `sampler` draws the robots instead of the variation, and is told their returns.
        """
        robot = get_robot(robot) if isinstance(robot, str) else robot
        kind = kind_of(task, robot)
        if variation is not None and tasks is not None:
            raise SurefootError("give either a variation or tasks, not both")
        if history < 1:
            raise SurefootError(f"history={history}: expected 1 (the current observation) or more control steps")
        if not 0 <= redraw <= 1:
            raise SurefootError(f"redraw={redraw}: expected a probability per control step, 0 to 1")
        if redraw and variation is None and suite is None:
            raise SurefootError(
                f"redraw={redraw} draws robots in mid-episode: give a variation or a suite to draw from"
            )
        if trial < 1:
            raise SurefootError(f"trial={trial}: expected 1 or more episodes")
        if suite is not None:
            if variation is not None or tasks is not None:
                raise SurefootError("give either a suite to train on, a variation or tasks")
            suite.check_for(robot.name, task)
        if config is not None and getattr(kind, "config_type", None) is None:
            if config != type(config)():
                raise SurefootError(f"task {task!r} of robot {robot.name!r} has no options")
            config = None
        prepare = getattr(kind, "prepare", None)
        robot = robot if prepare is None else prepare(robot)
        options = config if isinstance(config, TerrainOptions) else TerrainOptions()
        robot = on_terrain(robot, options)
        self.robot, self.task_name, self.num_envs = robot, task, num_envs
        self.variation, self.autoreset = variation, autoreset
        self._settled = False  # every world keeps its task
        self._ahead: Robots | None = None  # of the next episodes, drawn already
        self.rng, self.seed = np.random.default_rng(seed), seed
        self.simulation = Simulation(
            robot,
            num_envs,
            threads=threads,
            contact_forces=contact_forces or kind.contact_forces_of(robot.name),
            max_delay=max(max_delay, longest_delay(variation, suite.tasks("train") if suite else tasks)),
        )
        self.table = self.simulation.table
        self.training_tasks = TrainingTasks(suite, self.table) if suite else None
        self.task = kind(self.simulation, self.rng, *(() if config is None else (config,)))
        self.sensors = Sensors(self.simulation, self.task.observation_layout, getattr(self.task, "joint_order", None))
        self.schedule = Schedule(num_envs, robot.control_dt)
        self.sampler, self._origin = sampler, np.full(num_envs, -1, np.int64)
        if sampler is not None and variation is None:
            raise SurefootError("a sampler needs a variation to draw from")
        self.watcher: Callable[[], None] | None = None
        self.config = getattr(self.task, "config", None)
        self.episode_steps = episode_steps or self.task.episode_steps
        self.num_actions = self.simulation.model.nu
        dtype = self.task.observation_dtype
        self.inputs = Inputs(inputs, num_envs, self.num_actions, self.table, self.task.command_names)
        self.history, self.trial, self.redraw = history, trial, redraw
        self.ground: Ground | None = getattr(self.task, "ground", None)
        self.views = [make_view(name, self.simulation, self.ground, options) for name in self.inputs.views]
        pictures = {name: math.prod(view.shape) for name, view in zip(self.inputs.views, self.views, strict=True)}
        self.inputs.layout |= pictures
        # Numbers of one control step.
        self.step_size = self.task.observation_size + self.inputs.size + sum(pictures.values())
        self.observation_size = history * self.step_size
        self.observation: np.ndarray = np.zeros((num_envs, self.observation_size), dtype)
        self._newest = self.observation[:, -self.step_size :]
        self.final_observation = np.zeros_like(self.observation)
        self.reward: np.ndarray = np.zeros(num_envs, dtype)
        self.terms: np.ndarray = np.zeros(
            (len(self.task.terms), num_envs), dtype
        ).T  # each term of all worlds in one piece
        self.terminated, self.truncated = np.zeros(num_envs, bool), np.zeros(num_envs, bool)
        self.fell, self.episode = np.zeros(num_envs, bool), np.zeros(num_envs, np.int64)
        self.returns, self.lengths = np.zeros(num_envs), np.zeros(num_envs, np.int64)
        self.ended, self.ended_return, self.ended_length = np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.int64)
        goal = getattr(self.task, "succeeded", None)
        self.succeeded: np.ndarray | None = None if goal is None else goal.copy()
        if variation is not None:
            variation.check(self.table)
        if tasks is not None:
            self.set_tasks(tasks)

    def _repr_html_(self) -> str:
        from .notebook import environment_html

        return environment_html(self)

    @property
    def values(self) -> np.ndarray:
        return self.simulation.values

    @property
    def diverged(self) -> int:
        return self.simulation.divergences

    def set_tasks(self, tasks: Task | list[Task]) -> None:
        """Give every world its task, now: parameters act from the next step on, in mid-episode too.

        Raises `SurefootError` for worlds that train on a suite: a task of another split would be one to test with.
        """
        if self.training_tasks is not None:
            raise SurefootError("these worlds train on a suite's split 'train' and take no other task")
        rows = [tasks] * self.num_envs if isinstance(tasks, Task) else tasks
        if len(rows) != self.num_envs:
            raise SurefootError(f"{len(rows)} tasks for {self.num_envs} worlds: expected one for all or one for each")
        everyone = np.arange(self.num_envs)
        self.simulation.set_parameters(everyone, np.array([self.table.values(t.parameters) for t in rows]))
        self.schedule.set(everyone, self.values, [t.parameters for t in rows], self.table)
        for i, task in enumerate(rows):
            self.task.set_goal(everyone[i : i + 1], task)

    def settle(self) -> None:
        """From now on each world keeps its task: one of a variation, or of a suite's split `train`, dealt in turn.

        Goals that are to be found out (those of a `Family`) are part of it; commands that are shown change as before.
        """
        if self._settled:
            return
        everyone = np.arange(self.num_envs)
        if self.training_tasks is not None:
            goals = self._take(everyone, self.training_tasks.deal(self.rng, self.num_envs))
            self.task.set_goals(everyone, goals)
            self._settled = True
        self.reset()
        if isinstance(self.task, Family):
            self.task.set_goals(everyone, self.task.command().copy())
        self._settled = True

    def reset(self, seed: int | None = None, ids: np.ndarray | None = None) -> np.ndarray:
        """Start every world (or those in `ids`) anew; with `seed`, reproducibly. Returns `observation`."""
        if seed is not None:
            self.rng.bit_generator.state = np.random.default_rng(seed).bit_generator.state
            self.seed = seed
        self._ahead = None
        if ids is None and self.ground is not None:
            self.ground.begin()
        self._restart(np.arange(self.num_envs) if ids is None else ids)
        return self.observation

    def copy_from(self, other: "BatchEnv", index: np.ndarray) -> None:
        """Put world i into the state of world `index[i]` of `other`, which has the same robot and task.

        With the same parameters and actions it goes on as that world does, bit for bit, as far as chance decides nothing:
        parameters, configuration and random generators stay this environment's own. Raises `SurefootError` for another
        robot or task.
        """
        if self.task_name != other.task_name:
            raise SurefootError(f"the state of task {other.task_name!r} does not fit into task {self.task_name!r}")
        self.simulation.copy_from(other.simulation, index)
        for name in self.task.world_state:
            _copy_rows(getattr(self.task, name), getattr(other.task, name), index)
        _copy_rows(self.inputs.numbers, other.inputs.numbers, index)
        for name in (
            "observation", "reward", "terms", "terminated", "truncated", "returns", "lengths", "fell", "episode"
        ):  # fmt: skip
            _copy_rows(getattr(self, name), getattr(other, name), index)

    def stagger(self) -> None:
        """Spread the worlds over the episode, so that their time limits do not fall into the same step."""
        self.lengths[:] = self.rng.integers(0, self.episode_steps, self.num_envs)

    def _restart(self, ids: np.ndarray) -> None:
        self._become(ids)
        self.episode[ids] = 0
        self.inputs.forget(ids)
        self._begin_episode(ids)
        self.observation[ids] = np.tile(self._newest[ids], self.history)

    def _become(self, ids: np.ndarray) -> None:
        """Make other robots of worlds `ids`, as the suite or the variation draws them, and let a suite's goals be held."""
        if self._settled:
            return
        if self.training_tasks is not None:
            self.task.set_goals(ids, self._take(ids, self.training_tasks.pick(self.rng, len(ids))))
        elif self.variation is not None:
            if self.sampler is not None:
                values, self._origin[ids] = self.sampler.draw(self.rng, len(ids))
                self.simulation.set_parameters(ids, values)
            else:
                self.simulation.become(ids, self._draw(self.variation, len(ids)))
            if self.variation.later:
                self.schedule.take(ids, self.values[ids], *self.variation.sample_later(self.rng, len(ids), self.table))

    def _take(self, ids: np.ndarray, picks: np.ndarray) -> np.ndarray:
        """Make the robots of training tasks `picks` (n,) of worlds `ids`. Returns those tasks' goals (n, G)."""
        found = self.training_tasks
        assert found is not None
        self.simulation.set_parameters(ids, found.values[picks])
        self.schedule.take(ids, found.values[picks], found.later, picks)
        return np.asarray(found.goals[picks])

    def _begin_episode(self, ids: np.ndarray, *, again: bool = False) -> None:
        """From a start state; only the newest observation changes. With `again` a goal that is to be found out stays."""
        self.schedule.begin(ids, self.simulation)
        self.sensors.begin(ids, self.rng)
        begin = self.task.begin_again if again and isinstance(self.task, Family) else self.task.reset
        begin(ids)
        self.returns[ids] = 0.0
        self.lengths[ids] = 0
        self._observe(ids)

    def _draw(self, variation: Variation, n: int) -> Robots:
        """The robots of the next n episodes."""
        if self._ahead is None or len(self._ahead) < n:
            self._ahead = self.simulation.work_out(variation.sample(self.rng, max(n, AHEAD), self.table))
        drawn, self._ahead = self._ahead[:n], self._ahead[n:]
        return drawn

    def observe(self) -> np.ndarray:
        """Look again, after a goal has changed between two steps. Returns `observation`, only its newest step anew."""
        self._observe(slice(None))
        return self.observation

    def _observe(self, ids: np.ndarray | slice) -> None:
        own = self._newest[:, : self.task.observation_size]
        if isinstance(ids, slice):
            self.task.observe(ids, own)
        else:
            own[ids] = self.task.observe(ids)
        self.sensors.measure(ids, own, self.rng)
        if self.inputs.size:
            self.inputs.tell(self.values, self.task.command())
            first = self.task.observation_size
            self._newest[ids, first : first + self.inputs.size] = self.inputs.numbers[ids]
        last = self.step_size
        for view in reversed(self.views):
            part = slice(last - math.prod(view.shape), last)
            if isinstance(ids, slice):
                view.look(ids, self._newest[:, part])
            else:
                self._newest[ids, part] = view.look(ids)
            last = part.start

    def _shift(self) -> None:
        """Make room for the newest observation; the oldest is forgotten."""
        # One move of everything by one step. What comes from the next world's row is where the newest will be.
        flat, step = self.observation.reshape(-1), self.step_size
        flat[:-step] = flat[step:]

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """One control step with actions (N, nu): observation, reward, terminated, truncated.

        A world that diverged counts as terminated, with reward 0.
        """
        task, sim = self.task, self.simulation
        task.act(actions)
        sim.step()
        self.reward[:] = task.evaluate(self.terms, self.terminated)
        if sim.diverged.any():
            self.terminated |= sim.diverged
            self.reward[sim.diverged] = 0.0
            self.terms[sim.diverged] = 0.0
        self.returns += self.reward
        self.lengths += 1
        self.fell[:] = self.terminated
        if self.watcher is not None:
            self.watcher()
        np.greater_equal(self.lengths, self.episode_steps, out=self.truncated)
        self.truncated &= ~self.terminated
        over = np.flatnonzero(self.terminated | self.truncated)
        if self.inputs.size:
            self.inputs.remember(actions, self.reward, self.terminated | self.truncated)
        if self.redraw:
            changed = np.flatnonzero(self.rng.random(self.num_envs) < self.redraw)
            if len(changed):
                self._become(changed)
                if isinstance(task, Family):
                    task.draw_goals(changed)
        if self.schedule.active:
            self.schedule.advance(self.lengths, self.simulation, self.rng)
        if self.history > 1:
            self._shift()
        self.observe()
        if self.trial > 1 and len(over):
            over = self._go_on(over)
        self.ended = over
        if self.succeeded is not None:
            self.succeeded[:] = self.task.succeeded
        if len(self.ended):
            self.final_observation[self.ended] = self.observation[self.ended]
            self.ended_return, self.ended_length = self.returns[self.ended], self.lengths[self.ended]
            if self.ground is not None:
                self.ground.promote(self.ended)
            if self.sampler is not None:
                self.sampler.feedback(self._origin[self.ended], self.ended_return)
            if self.autoreset:
                self._restart(self.ended)
        return self.observation, self.reward, self.terminated, self.truncated

    def recall(self, other: "BatchEnv") -> np.ndarray:
        """Let worlds that begin an episode remember what those of `other` have seen last. Returns `observation`."""
        self.observation[:, : -self.step_size] = other.observation[:, self.step_size :]
        self.inputs.recall(other.inputs)
        return self.observe()

    def _go_on(self, over: np.ndarray) -> np.ndarray:
        """Begin the trial's next episode in worlds `over`, whose episode has ended; return those whose trial has, too."""
        last = self.episode[over] == self.trial - 1
        within = over[~last]
        if len(within):
            self.episode[within] += 1
            self.terminated[within] = self.truncated[within] = False
            self._begin_episode(within, again=True)
        return over[last]


def _copy_rows(mine: np.ndarray, theirs: np.ndarray, index: np.ndarray) -> None:
    """mine[i] = theirs[index[i]], also where `mine` is one of MuJoCo's outputs, which are marked read-only."""
    writeable = mine.flags.writeable
    mine.flags.writeable = True
    mine[:] = theirs[index]
    mine.flags.writeable = writeable


def longest_delay(variation: Variation | None, tasks: Task | list[Task] | None) -> float:
    """The longest actuator delay that a variation or tasks name, s."""
    found: list[Any] = [0.0]
    if variation is not None:
        for term in variation.terms:
            if _parameter(term.key) == "delay":
                found += [*term.options, term.high]
    for task in [tasks] if isinstance(tasks, Task) else tasks or []:
        found += [v for k, v in task.parameters.items() if _parameter(k) == "delay"]
    return max(v for v in found if isinstance(v, int | float))


def _parameter(key: str) -> str:
    return split_moment(key)[0].split(".")[0]


def options_of(env: BatchEnv) -> dict[str, Any]:
    """The options of the task that differ from the defaults: what `configured` made its configuration of."""
    kind = CONFIGS.get(env.task_name)
    if kind is None or not isinstance(env.config, kind):
        return {}
    plain = kind()
    found = {f.name: getattr(env.config, f.name) for f in dataclasses.fields(plain)}
    return {name: value for name, value in found.items() if value != getattr(plain, name)}
