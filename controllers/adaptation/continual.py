"""A robot that changes while it walks: is it noticed, and how soon does the robot walk as before?

Whatever adapts within motion runs on: a memory or a history sees the change by itself, and a planner plans. Once a robot has
noticed that it earns less than it used to, it is identified again, and a belief over tasks (`context`) begins anew. Methods
that make another controller (twin, search, maml, finetune) need the robot to stop: once it has noticed, or fallen, it is
adapted and walks on. Of these finetune is told what broke: it learns in a simulation of the changed robot, which then moves no
more for it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...envs.batch_env import longest_delay
from ...envs.rewards import TRACKING_SIGMA
from ...envs.tasks import Velocity
from ...envs.variation import Task
from ...robots import SurefootError, unknown
from ..context_sac import ContextPolicy
from ..controller import Controller
from ..envelope import TRACKING
from ..planner import driver
from ..worlds import worlds_of
from . import METHODS, methods_of, unsupported
from .base import Budget
from .gate import judged
from .inference import Identification
from .search import as_begun

STOPS = ("finetune", "twin", "search", "maml", "reptile")
RUN_ON = ("zero-shot", "recurrent", "rma", "context", "identify", "planner")  # without a stop
TOLD = ("finetune",)  # what broke: it learns, and is judged, in simulation, and the robot itself moves not at all
# s: what errors are averaged over, what "before" is, and what has to follow a change.
SMOOTHED, STEADY, LEAST = 0.5, 2.0, 2.0
FOLLOWS = float(np.sqrt(-TRACKING_SIGMA * np.log(TRACKING)))  # m/s: the error at which tracking is what success needs
# Of `Drop`: s, blocks, blocks, standard deviations, standard deviations.
BLOCK, WARM_UP, MEMORY, DRIFT, ALARM = 0.5, 8, 12, 1.0, 5.0


@dataclass(frozen=True)
class Change:
    """N robots that changed in mid-walk, over S control steps.

    Attributes:
        method: by which they adapt, "zero-shot" where they do not. refused: why the safety gate kept the controller as it was,
            empty where it did not. stop: s, of motion (the gate's, too) and computing, that adapting took a robot that noticed,
            which are part of its times below. at: second of the change. seconds: (S,) from the start.
        error: (S, N), how far from the command (m/s), or how much less than the best reward; averaged over half a second.
        fell: (N,) bool; of a robot that was stopped and adapted, after that.
        false_alarms: (N,) bool, a drop was noticed before there was one.
        noticed: (N,) s from the change until the drop was noticed, NaN where it was not.
        recovered: (N,) s from the change until the error was under twice its mean of the two seconds before, and stayed there;
            NaN where that did not happen, or the robot fell.
        follows: (N,) s, likewise until the error was `FOLLOWS` or less, as in an episode that counts as a success: a robot that
            has lost a leg may do so and never walk as before. None where the task has no command.
    """

    method: str
    before: Task
    after: Task
    at: float
    seconds: np.ndarray
    error: np.ndarray
    fell: np.ndarray
    false_alarms: np.ndarray
    noticed: np.ndarray
    recovered: np.ndarray
    follows: np.ndarray | None
    stop: float = 0.0
    refused: str = ""

    def figures(self) -> dict[str, float | None]:
        """Shares of the robots, and medians over those that noticed or recovered (None where none did, or nothing can be)."""

        def median(times: np.ndarray | None) -> float | None:
            return None if times is None or np.isnan(times).all() else float(np.nanmedian(times))

        def within(times: np.ndarray | None, limit: float) -> float | None:
            return None if times is None else float(np.mean(times <= limit))

        return {
            "recovered": within(self.recovered, np.inf),
            "recovered_within_2_s": within(self.recovered, 2.0),
            "seconds_to_recover": median(self.recovered),
            "follows": within(self.follows, np.inf),
            "follows_within_2_s": within(self.follows, 2.0),
            "seconds_to_follow": median(self.follows),
            "noticed": within(self.noticed, np.inf),
            "seconds_to_notice": median(self.noticed),
            "false_alarms": float(self.false_alarms.mean()),
            "falls": float(self.fell.mean()),
            "stop": self.stop,
        }


class Drop:
    """Notices that a robot earns less than it used to: a one-sided cumulative sum (Page, 1954) of each robot's reward.

    Rewards are averaged over blocks of `BLOCK` s, because a gait makes them rise and fall. The first `WARM_UP` blocks say what
    is usual, but for the very first, in which the robot sets out. A later block counts by how many of the earlier blocks'
    standard deviations it lies below their mean, less `DRIFT`; above `ALARM` in sum it is a drop. Where the blocks' means are
    independent, with a standard deviation of .3 of what is earned, 5 % of robots give a false alarm within 20 s.
    """

    def __init__(self, robots: int, dt: float):
        self.every, self.steps = max(1, round(BLOCK / dt)), 0
        self.block, self.sum = np.zeros(robots), np.zeros(robots)
        self.mean, self.square, self.blocks = np.zeros(robots), np.zeros(robots), np.zeros(robots)

    def update(self, reward: np.ndarray) -> np.ndarray:
        """After a control step with `reward` (N,): where a drop has just been noticed, (N,) bool."""
        self.block += reward / self.every
        self.steps += 1
        if self.steps % self.every:
            return np.zeros(len(reward), bool)
        block, self.block = self.block, np.zeros(len(reward))
        known = np.clip(self.blocks - 1, 2, MEMORY)  # blocks that mean and variance are of
        variance = np.maximum(self.square - self.mean**2, 0.0) * known / (known - 1)
        std = np.sqrt(variance) + 0.05 * np.abs(self.mean) + 1e-9
        below = (self.mean - block) / std
        warm = self.blocks >= WARM_UP
        self.sum = np.where(warm, np.maximum(self.sum + np.minimum(below, ALARM) - DRIFT, 0.0), 0.0)
        alarm = self.sum > ALARM
        rate = 1 / np.clip(self.blocks, 1, MEMORY)
        usual = (self.blocks > 0) & (self.sum == 0)  # what may be a drop is not what the robot used to earn
        self.mean += rate * usual * (block - self.mean)
        self.square += rate * usual * (block**2 - self.square)
        self.blocks = np.where(alarm, 0.0, self.blocks + 1)  # from here on it learns anew what is usual
        self.sum[alarm] = 0.0
        return alarm

    def begin(self, ids: np.ndarray | slice) -> None:
        """Robots `ids` set out anew: what was usual is learnt again."""
        self.block[ids] = self.blocks[ids] = self.sum[ids] = 0.0


def continual(
    controller: Controller,
    after: Task,
    before: Task | None = None,
    *,
    at: float = 4.0,
    seconds: float = 20.0,
    robots: int = 50,
    seed: int = 0,
    method: str = "",
    budget: Budget | None = None,
    gate: bool = False,
    **where: Any,
) -> Change:
    """Let `robots` robots walk as `before` (nominal where not given) says, and change them into `after` at second `at`.

    With `method`, one that makes another controller within `budget`, a robot that has noticed the change, or fallen, is stopped
    and adapted, and set out again with the outcome; with `gate`, with the controller that it had where that one is better or
    safer on `after`, in as many episodes of each as there are robots, whose motion is part of the stop. Method finetune is told
    what `after` is, and moves no robot. A controller with settings for a planner plans. Commands that `before` and `after` name
    are held; others are drawn anew now and then, which counts as an error, too. `where` are arguments of `worlds_of`, such as
    another robot. Raises `SurefootError` where `at` leaves too little time, and for a method that does not suit the controller.
    """
    before, controller = before or Task({}), as_begun(controller).copy()
    env = worlds_of(controller.config, robots, told=controller.told, tasks=before, seed=1000 + seed, autoreset=False,
                    max_delay=longest_delay(None, after), **where)  # fmt: skip
    controller.check(env)
    dt = env.robot.control_dt
    steps, change = round(seconds / dt), round(at / dt)
    least = max(STEADY, WARM_UP * BLOCK)  # s: until then nobody knows what is usual
    if not least <= at <= seconds - LEAST:
        raise SurefootError(
            f"at={at:g} s: expected {least:g} s of walking before and {LEAST:g} s after, of {seconds:g} s"
        )
    env.episode_steps = steps
    adapted, stop, refused = controller, 0.0, ""
    if method:
        adapted, stop = _adapted(controller, after, method, budget or Budget(), seed)
        if gate:
            refused, motion = judged(controller, adapted, after, episodes=robots, seed=3000 + seed)
            stop += 0.0 if method in TOLD else motion
            adapted = controller.copy() if refused else adapted
    changed, believes = np.zeros(robots, bool), isinstance(controller.policy, ContextPolicy)
    watcher, learner = Drop(robots, dt), Identification(env, controller) if controller.identifier else None
    errors: np.ndarray = np.zeros((steps, robots))
    alarms: np.ndarray = np.zeros((steps, robots), bool)
    fell = np.zeros(robots, bool)
    drives = driver(controller, env, seed)
    drives.reset()
    observation = env.reset()
    for k in range(steps):
        if k == change:
            env.set_tasks(after)
            observation = env.observe()
        action = drives.act(observation)
        if changed.any():
            action[changed] = adapted.act(observation)[changed]
        if learner is not None:
            learner.see(observation, action)
        observation, *_ = env.step(action)
        fell |= env.fell
        errors[k] = _error(env)
        alarms[k] = watcher.update(env.reward) & ~fell
        if believes:  # all that a robot has seen speaks for what it was
            controller.reset(np.flatnonzero(alarms[k]))
        if method and k >= change and (now := (alarms[k] | fell) & ~changed).any():
            changed |= now
            fell &= ~now
            for name, value in adapted.told.items():
                env.inputs.believed[now, env.inputs.known.index(name)] = value
            observation = env.reset(ids=np.flatnonzero(now))
            adapted.reset(np.flatnonzero(now))
        if learner is not None:
            learner.begin(changed)  # what these are told was found while they stood
            learner.learn(alarms[k])
    width = round(SMOOTHED / dt)
    padded = np.concatenate([np.repeat(errors[:1], width - 1, axis=0), errors])
    smooth = np.lib.stride_tricks.sliding_window_view(padded, width, axis=0).mean(axis=-1)
    usual = errors[change - round(STEADY / dt) : change].mean(axis=0)
    follows = None
    if isinstance(env.task, Velocity):
        follows = stays_below(smooth[change:], np.full(robots, FOLLOWS)) * dt
    else:  # so that none is negative: short of the best reward
        smooth, usual = smooth - smooth.min(), usual - smooth.min()
    noticed = _first(alarms[change:]) * dt
    since = np.where(fell, np.nan, stop * changed)
    follows = None if follows is None else since + follows
    own = controller.config.method if controller.config.method in RUN_ON else "zero-shot"
    name = method or ("planner" if controller.plan else own)
    return Change(
        name, before, after, at, dt * np.arange(1, steps + 1), smooth, fell,
        np.any(alarms[:change], axis=0), noticed, since + stays_below(smooth[change:], 2 * usual) * dt, follows, stop, refused,
    )  # fmt: skip


def _adapted(controller: Controller, task: Task, method: str, budget: Budget, seed: int) -> tuple[Controller, float]:
    """The adapted controller, and the seconds that it took: the robot's motion, where the robot moved, and computing."""
    if method in RUN_ON:
        how = "let the controller plan (--plan)" if method == "planner" else "leave out the method"
        raise SurefootError(f"method {method!r} stops no robot, and runs on while it walks: {how}")
    if method not in STOPS:
        raise unknown("adaptation method that stops the robot", method, STOPS)
    if why := unsupported(method, controller):
        able = ", ".join(name for name in methods_of(controller) if name in STOPS)
        raise SurefootError(f"{why}: this one supports {able or 'none that stops the robot'}")
    found = METHODS[method](controller, task, budget, seed=seed, episodes=1, points=1)
    motion = 0.0 if method in TOLD else found.after.robot_seconds
    return found.controller, motion + found.after.seconds


def stays_below(error: np.ndarray, limit: np.ndarray) -> np.ndarray:
    """From which of the steps (S, N) on `error` is at most `limit` (N,) until the end; (N,), NaN where from none."""
    from_here = np.logical_and.accumulate((error <= limit)[::-1])[::-1]
    return _first(from_here)


def _error(env: Any) -> np.ndarray:
    """Of the step that was just made, (N,): distance from the commanded velocity, or the reward with its sign turned."""
    if isinstance(env.task, Velocity):
        return np.linalg.norm((env.task.command() - env.task.actual())[:, :2], axis=1)
    return -env.reward


def _first(found: Any) -> np.ndarray:
    """Index of the first True in each column of (S, N), NaN where there is none."""
    return np.where(found.any(axis=0), found.argmax(axis=0).astype(float), np.nan)
