"""Task families that published work is measured on: a robot of `run` with another reward, horizon, start or end.

Each class is one family: its constants, what its first reward term is, and the law of its goals. A goal is no part of the
observation: whoever acts has to find it out. Ranges and splits are in `envs/published_families.py`.

As published: rewards, horizons, ends and start states. Not as published: the model files are Gymnasium's (the authors carried
copies of earlier ones), observations are v5's with what each class says, and `friction` is that of a contact (MuJoCo takes the
larger of robot and floor, so that in the originals the floor's share hides small factors).
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import mujoco
import numpy as np

from ...robots import Robot, SurefootError, get_robot, unknown
from ...robots.gym_robots import HOPPER, WALKER2D, spec_from
from ..simulation import ContactForces, Simulation
from ..variation import Task, Variation
from .fitting import usual_task
from .run import CONFIGS, Run, RunConfig

FULL_TURN = f"0:{2 * np.pi:.6g}"  # law of a direction, rad from x
# Start states: that of Gymnasium's half_cheetah and ant, and the much narrower one of CaDM's cheetahs.
_WIDE: dict[str, Any] = {"reset_noise": 0.1, "normal_velocity_noise": True}
_NARROW: dict[str, Any] = {"reset_noise": 1e-3, "normal_velocity_noise": True, "normal_position_noise": True}


class Family(Run):
    """What the families share: one robot, and goals that a task fixes or the family's law draws at each reset."""

    task: ClassVar[str]  # its name
    robot: ClassVar[str]
    constants: ClassVar[RunConfig]
    goals: ClassVar[Mapping[str, str]] = {}  # law of each goal, in the grammar of `Variation.parse`
    physics: ClassVar[Robot | None] = None  # the robot as published, where it is not the catalogue's

    def __init_subclass__(cls) -> None:
        cls.command_names = tuple(cls.goals)
        # A goal may be on one side, and the policy is not told which.
        cls.symmetric = cls.symmetric and not cls.goals

    def __init__(self, sim: Simulation, rng: np.random.Generator):
        super().__init__(sim, rng)
        shape = (sim.num_worlds, len(self.goals))
        self._laws = Variation.parse(self.goals).terms
        self._fixed, self._goal = np.full(shape, np.nan), np.zeros(shape)
        self.world_state += ("_fixed", "_goal")

    @classmethod
    def config_for(cls, robot: str) -> RunConfig:
        """The family's constants. Raises `SurefootError` for another robot."""
        if robot != cls.robot:
            other = usual_task(robot)
            raise SurefootError(f"task {cls.task!r} is defined for {cls.robot}, not for {robot!r}: try {other!r}")
        return cls.constants

    @classmethod
    def contact_forces_of(cls, robot: str) -> ContactForces:
        """Which contact forces the family needs."""
        return "exact" if cls.constants.contact else "none"

    @classmethod
    def prepare(cls, robot: Robot) -> Robot:
        """The catalogue's robot with the family's physics; any other robot as it is."""
        return cls.physics if cls.physics is not None and robot is get_robot(cls.robot) else robot

    def set_goal(self, ids: np.ndarray, task: Task) -> None:
        """Hold the goals that `task.goal` names, from now on; the others are drawn at the next reset."""
        row = np.full(len(self.goals), np.nan)
        for key, value in task.goal.items():
            if not self.goals:
                raise SurefootError(f"unknown goal {key!r}: task {self.task!r} has no goals")
            if key not in self.goals:
                raise unknown(f"goal of task {self.task!r}", key, self.goals)
            if not np.isfinite(value):
                raise SurefootError(f"goal {key}={value}: expected a finite number")
            row[self.command_names.index(key)] = value
        self.set_goals(ids, row[None])
        self._goal[ids] = np.where(np.isnan(row), self._goal[ids], row)

    def set_goals(self, ids: np.ndarray, goals: np.ndarray) -> None:
        """From the next draw on, hold `goals` (n, G) in worlds `ids`; those that are NaN are drawn."""
        for k, law in enumerate(self._laws):
            known = goals[:, k][~np.isnan(goals[:, k])]
            wrong = known[~np.isin(known, law.options)] if law.law == "choice" else known[:0]
            if len(wrong):
                expected = " or ".join(f"{option:g}" for option in law.options)
                raise SurefootError(f"goal {law.key}={wrong[0]:g} of task {self.task!r}: expected {expected}")
        self._fixed[ids] = goals

    def reset(self, ids: np.ndarray) -> None:
        """Start worlds `ids` near the nominal pose, with new goals where none is held."""
        super().reset(ids)
        self.draw_goals(ids)

    def draw_goals(self, ids: np.ndarray) -> None:
        """New goals in worlds `ids` where none is held."""
        fixed = self._fixed[ids]
        for k, law in enumerate(self._laws):
            drawn = law.sample(self.rng, (len(ids),))
            self._goal[ids, k] = np.where(np.isnan(fixed[:, k]), drawn, fixed[:, k])

    def begin_again(self, ids: np.ndarray) -> None:
        """Start worlds `ids` anew with the goals that they have."""
        goals = self._goal[ids].copy()
        self.reset(ids)
        self._goal[ids] = goals

    def command(self) -> np.ndarray:
        """The current goals, (N, G)."""
        return self._goal

    def actual(self) -> np.ndarray:
        """What the goals ask for, as measured after a step, (N, G)."""
        return self._goal[:, :0]

    def hidden(self) -> np.ndarray:
        """Nothing beside state, action and goal decides a step, (N, 0)."""
        return self._goal[:, :0]

    def restore(self, last_action: np.ndarray, command: np.ndarray, hidden: np.ndarray) -> None:
        """Be where a recorded step began: `command` (N, G) are its goals."""
        self._goal[:] = command


# --- Goal families: 200 steps, the same robot, another reward ----------------------------------------------------------


class CheetahVel(Family):
    """Run at a speed that is not told: -|v - goal| - .05 |action|^2; never ends early (PEARL, ProMP, VariBAD).

    v is the way of the step over .05 s. Goal: `velocity`, m/s. The observation has ProMP's 17 numbers; PEARL and VariBAD add
    the torso's place.
    """

    task, robot = "cheetah-vel", "half_cheetah"
    constants = RunConfig(control=0.05, episode_steps=200, **_WIDE)
    goals: ClassVar[Mapping[str, str]] = {"velocity": "0:3"}

    def _gain(self) -> np.ndarray:
        return -np.abs(super()._gain() - self._goal[:, 0])

    def actual(self) -> np.ndarray:
        """Velocity in the last step, m/s, (N, 1)."""
        return super()._gain()[:, None]


class CheetahDir(Family):
    """Run forwards or backwards, which is not told: +-v - .05 |action|^2; never ends early (ProMP, with 100 steps; VariBAD).

    Goal: `direction`, 1 or -1.
    """

    task, robot = "cheetah-dir", "half_cheetah"
    constants = RunConfig(control=0.05, episode_steps=200, **_WIDE)
    goals: ClassVar[Mapping[str, str]] = {"direction": "-1|1"}

    def _x(self) -> np.ndarray:
        return self._goal[:, 0] * super()._x()

    def actual(self) -> np.ndarray:
        """Direction of the last step, (N, 1)."""
        return np.sign(self._gain()[:, None]) * self._goal


class Direction(Family):
    """Walk into a direction of the plane: goal `angle`, rad from x. What is paid is velocity along it."""

    goals: ClassVar[Mapping[str, str]] = {"angle": FULL_TURN}

    def _x(self) -> np.ndarray:
        angle = self._goal[:, 0]
        return np.cos(angle) * self._place(0) + np.sin(angle) * self._place(1)

    def actual(self) -> np.ndarray:
        """Where the base moves to, rad from x in [0, 2 pi), (N, 1)."""
        vx, vy = self.sim.qvel[:, 0], self.sim.qvel[:, 1]
        return (np.arctan2(vy, vx) % (2 * np.pi))[:, None]


class AntDir(Direction):
    """Walk into a direction that is not told: v d - .5 |action|^2 - 5e-4 |clipped contact forces|^2 + 1.

    Ends where the torso's height leaves [.2, 1] m (oyster; ProMP only below 0 and above 1). Goal: `angle`, rad; ProMP's two
    directions are 0 and pi. VariBAD passes its +-1 to cos and sin, which are 115 degrees apart: not done here.
    """

    task, robot = "ant-dir", "ant"
    constants = dataclasses.replace(CONFIGS["ant"], episode_steps=200, last_step_counts=True)


class HumanoidDir(Direction):
    """Walk into a direction that is not told: v5's reward with the centre of mass's velocity along it (oyster).

    .25 d (way) / .003 s - .1 |control|^2 - min(5e-7 |contact forces|^2, 10) + 5; .25 / .003 s is v5's 1.25 / .015 s. Ends where
    the torso's height leaves [1, 2] m. Goal: `angle`, rad.
    """

    task, robot = "humanoid-dir", "humanoid"
    constants = dataclasses.replace(CONFIGS["humanoid"], episode_steps=200, last_step_counts=True)


class AntGoal(Family):
    """Walk to a place that is not told: -|place - goal|_1 - .1 |action|^2 - contact cost; never ends early (oyster).

    Goal: `radius`, m, and `angle`, rad, of a place in the disc of 3 m around the start, uniform over its area. The torso's
    place is part of the observation.
    """

    task, robot = "ant-goal", "ant"
    constants = RunConfig(control=0.1, contact=5e-4, sees_place=True, episode_steps=200, **_WIDE)
    goals: ClassVar[Mapping[str, str]] = {"radius": "area:0:3", "angle": FULL_TURN}

    def _gain(self) -> np.ndarray:
        radius, angle = self._goal.T
        return -(np.abs(self._place(0) - radius * np.cos(angle)) + np.abs(self._place(1) - radius * np.sin(angle)))

    def actual(self) -> np.ndarray:
        """Radius (m) and angle (rad in [0, 2 pi)) of where the torso is, (N, 2)."""
        x, y = self._place(0), self._place(1)
        return np.column_stack([np.hypot(x, y), np.arctan2(y, x) % (2 * np.pi)])


# --- Dynamics families: the same reward, another robot -----------------------------------------------------------------


def _of_twice_the_step(robot: Robot, file: str) -> Robot:
    """A robot from another model file, with a time step of .004 s and four of them in a control step."""

    def make_spec() -> mujoco.MjSpec:
        spec = spec_from(file)()
        spec.option.timestep = 0.004
        return spec

    return dataclasses.replace(robot, make_spec=make_spec, control_dt=0.016)


class WalkerRandParams(Family):
    """Run with any masses, inertias, frictions and dampings: v + 1 - 1e-3 |action|^2 (rand_param_envs; PEARL, ProMP).

    Ends where the height leaves (.8, 2) m or the torso tilts by 1 rad. As published: .016 s a step (4 x .004), friction .9 of
    the right and 1.9 of the left foot (on the floor, whose friction is 1: 1 and 1.9). Of their 65 factors those act that ours
    are: one friction a geom (contacts have condim 3, so two of its three coefficients do nothing), one inertia a body (it turns
    about y only; one factor for all axes keeps the triangle inequality of the moments, which theirs break), and none on the
    world and the root. Our parameter `mass` scales the inertia as well; the suite takes that back.
    """

    task, robot = "walker-rand-params", "walker2d"
    constants = dataclasses.replace(CONFIGS["walker2d"], episode_steps=200, last_step_counts=True)
    physics = _of_twice_the_step(WALKER2D, "walker2d.xml")
    symmetric = False  # nor are its feet


class HopperRandParams(Family):
    """Hop with any masses, inertias, frictions and dampings: v + 1 - 1e-3 |action|^2 (rand_param_envs; PEARL, ProMP).

    Ends where the height is not above .7 m or the torso tilts by .2 rad. What is as published is said at `WalkerRandParams`;
    they have 41 factors here.
    """

    task, robot = "hopper-rand-params", "hopper"
    constants = dataclasses.replace(CONFIGS["hopper"], episode_steps=200, last_step_counts=True)
    physics = _of_twice_the_step(HOPPER, "hopper.xml")


class Masked(Family):
    """A family in which what is asked of a dead motor costs nothing."""

    def __init__(self, sim: Simulation, rng: np.random.Generator):
        super().__init__(sim, rng)
        columns = sim.table.columns("dead_actuator")
        self._dead = sim.values[:, columns[0] : columns[-1] + 1]  # a view

    def _paid(self, actions: np.ndarray) -> np.ndarray:
        return np.asarray(actions) * (1 - self._dead)


class CheetahCripple(Masked):
    """Run with dead motors: v - .1 |masked action|^2 (CaDM, SaMI)."""

    task, robot = "cheetah-cripple", "half_cheetah"
    constants = RunConfig(control=0.1, **_NARROW)


class AntCripple(Family):
    """Run with the motors of a leg dead: v + .05; never ends early (GrBAL, CaDM).

    As CaDM does, the dead leg keeps its shape; GrBAL shrinks it. No contact forces are observed. SaMI's environment of the same
    name pays otherwise: `AntCrippleSami`.
    """

    task, robot = "ant-cripple", "ant"
    constants = RunConfig(control=0.0, healthy=0.05, **_WIDE)


class AntCrippleSami(Masked):
    """The same as SaMI pays for it (uoe-agents/SaMI): v + 1 - .5 |masked action|^2, so that who lies still earns 1,000.

    Their contact cost is left out: at most .04 a step, and nothing where mujoco-py leaves MuJoCo 2's cfrc_ext empty. Theirs
    shrinks the dead leg, ours keeps its shape.
    """

    task, robot = "ant-cripple-sami", "ant"
    constants = RunConfig(control=0.5, healthy=1.0, **_WIDE)


class CheetahMassDamping(Family):
    """Run with other masses and dampings: v - .1 |action|^2; never ends early (CaDM, SaMI)."""

    task, robot = "cheetah-mass-damping", "half_cheetah"
    constants = RunConfig(control=0.1, **_NARROW)


class AntMass(Family):
    """Run with front legs of another mass than the hind legs: v - .005 |action|^2 + .05; never ends early (CaDM).

    No contact forces are observed.
    """

    task, robot = "ant-mass", "ant"
    constants = RunConfig(control=0.005, healthy=0.05, **_WIDE)


class SunblazeCheetah(Family):
    """Come 20 m with another density, friction and power: v - .1 |action|^2 (Packer et al., 2018).

    What they measure is `succeeded`. Theirs is Roboschool's cheetah on Bullet, of which only the ratios are kept; its reward
    and its end (a shin or thigh that touches the ground) are not. 330 steps of .05 s are the time of their 1000 of .0165 s, so
    that 20 m ask for the same speed.

    Attributes:
        succeeded: (N,) bool, the torso has come so far in this episode.
    """

    task, robot = "sunblaze-cheetah", "half_cheetah"
    constants = RunConfig(control=0.1, episode_steps=330, **_WIDE)
    distance = 20.0  # m

    def __init__(self, sim: Simulation, rng: np.random.Generator):
        super().__init__(sim, rng)
        self.succeeded = np.zeros(sim.num_worlds, bool)
        self.world_state += ("succeeded",)

    def reset(self, ids: np.ndarray) -> None:
        """As the others; nobody has come far yet."""
        super().reset(ids)
        self.succeeded[ids] = False

    def evaluate(self, terms: np.ndarray, terminated: np.ndarray) -> np.ndarray:
        """As the others, and note who has come far enough."""
        self.succeeded |= self._x() >= self.distance
        return super().evaluate(terms, terminated)


FAMILIES: dict[str, type[Family]] = {
    family.task: family
    for family in (
        CheetahVel, CheetahDir, AntDir, AntGoal, HumanoidDir, WalkerRandParams, HopperRandParams, CheetahCripple, AntCripple,
        AntCrippleSami, CheetahMassDamping, AntMass, SunblazeCheetah,
    )
}  # fmt: skip
