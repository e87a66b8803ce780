"""Which recorded episodes are fit to learn from? Those that are not are named, with step and reason, and left out.

What a recording claims is tested against the simulator: from the recorded state, with the claimed parameters and the recorded
action, the recorded next state, reward and end must follow, as exactly as the rounding of the recorded numbers allows.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

import mujoco
import numpy as np

from ..envs.batch_env import BatchEnv
from ..envs.options import checked_options, configured
from ..envs.tasks import CONFIGS, VelocityConfig
from ..envs.terrain import unwrapped
from ..envs.variation import Task
from ..robots import SurefootError

Reason = Literal["unreadable", "non-finite", "out of limits", "duplicated", "mislabelled", "poisoned"]
Where = tuple[int, int]  # log and episode
Damage = tuple[int, Reason, str]  # step, reason, detail

# Honest recordings of all robots here are reproduced to 1e-5 of a usual change, those with a label 1 % off to 1e-2.
TOLERANCE = 1e-3
ROUNDING = 30.0  # times what a change of the last recorded digit does; honest recordings stay below 6
OUTLIER = 10.0  # times the median absolute deviation, where recorded states are noisy and the tolerance is larger
MISLABELLED = 0.1  # share of an episode's steps that do not follow: more is the label's fault, fewer are single steps'
BEYOND = 0.8  # rad or m: MuJoCo's joint limits are soft; wild actions push honest joints .55 beyond
JUMP = 3.0  # times the speed of that kind; honest recordings stay below 1.1
GRID = {"qpos": 0.01, "qvel": 0.1, "action": 0.01}  # what is rounded to the same counts as the same
SAME = 0.3  # share of an episode's steps that are in another one
WINDOW, CHUNK = 25, 256  # control steps that a world re-simulates, and windows at a time
SETTLE = 3  # control steps before them; an arm that pushes steers by positions that lag: off by .008, .001, .0001
# At what seems wrong, with other last digits: whether a contact breaks may hang on them, and one look miss it.
LOOKS = 8
MOTION = 0.01  # m/s or rad/s: smallest change of velocity in a step that counts as usual


@dataclass(frozen=True, eq=False)
class Log:
    """Recorded steps of one world, possibly several episodes; row t is the world right after control step t.

    Attributes:
        label: to name it by. robot, task, options, parameters: what is claimed of it.
        time (T,): s. qpos (T, nq), qvel (T, nv): MuJoCo's state. action (T, nu). reward (T,).
        done (T,): 0 running, 1 terminated, 2 truncated.
        command (T, C), hidden (T, H): during the step, as the task's `command()` and `hidden()` gave them.
    """

    label: str
    robot: str
    task: str
    dt: float
    time: np.ndarray
    qpos: np.ndarray
    qvel: np.ndarray
    action: np.ndarray
    reward: np.ndarray
    done: np.ndarray
    command: np.ndarray
    hidden: np.ndarray
    parameters: Mapping[str, float]
    options: Mapping[str, Any]

    @classmethod
    def of(cls, recorded: Mapping[str, Any], label: str | None = None) -> "Log":
        """From the fields of a recording by name; without `time`, row t is at t * dt."""
        given = {"time": np.arange(len(recorded["reward"])) * recorded["dt"], **recorded}
        given |= {} if label is None else {"label": label}
        return cls(**{f.name: given[f.name] for f in fields(cls)})

    def episodes(self) -> Iterator[np.ndarray]:
        """The rows of each episode, in order."""
        ends = np.flatnonzero(self.done != 0) + 1
        yield from (rows for rows in np.split(np.arange(len(self.done)), ends) if len(rows))


@dataclass(frozen=True)
class Finding:
    """One episode that is left out: of which log, from which of its steps on, why."""

    log: int
    label: str
    episode: int
    step: int
    reason: Reason
    detail: str


@dataclass(frozen=True)
class Screening:
    """What was found. `keep[i]` (T,) bool marks the rows of the clean episodes of log i; `notes` say what was not checked."""

    findings: tuple[Finding, ...]
    keep: tuple[np.ndarray, ...]
    notes: tuple[str, ...] = ()


def screen(logs: Sequence[Log], *, tolerance: float = TOLERANCE) -> Screening:
    """Check every episode; each that fails is named once, with the first thing that is wrong with it.

    Of copies the first that is sound is kept. `tolerance` is the error of a re-simulated step, as a share of a usual step's
    change of velocity or reward: raise it for logs with measurement noise. Raises `SurefootError` when it is not above 0.
    """
    if not tolerance > 0:
        raise SurefootError(f"tolerance {tolerance}: expected more than 0")
    found: dict[Where, Damage] = {}
    contradicted: dict[Where, Damage] = {}
    notes: list[str] = []
    episodes = [list(log.episodes()) for log in logs]
    for i, log in enumerate(logs):
        env = claimed_world(log)
        for e, rows in enumerate(episodes[i]):
            damage = _not_finite(log, rows)
            if damage is None:
                damage = (0, "mislabelled", env) if isinstance(env, str) else _out_of_limits(log, rows, env)
            if damage:
                found[i, e] = damage
        left = {e: rows for e, rows in enumerate(episodes[i]) if (i, e) not in found and len(rows) > 1}
        if isinstance(env, str) or not left:
            continue
        if log.hidden.shape[1] != env.task.hidden().shape[1]:
            notes.append(f"{log.label}: not re-simulated, because it does not say what its task's hidden state was")
            continue
        replay = _resimulate(log, list(left.values()), env, tolerance)
        for e, rows in left.items():
            if damage := _contradiction(log, rows, replay, tolerance):
                contradicted[i, e] = damage
    sound = [(i, e) for i in range(len(logs)) for e in range(len(episodes[i])) if (i, e) not in found | contradicted]
    found = contradicted | found | _duplicates(logs, episodes, [*sound, *contradicted])
    keep = [np.ones(len(log.done), bool) for log in logs]
    for i, e in found:
        keep[i][episodes[i][e]] = False
    findings = tuple(Finding(i, logs[i].label, e, *found[i, e]) for i, e in sorted(found))
    return Screening(findings, tuple(keep), tuple(notes))


def claimed_world(log: Log) -> BatchEnv | str:
    """One world as the log claims that it was, or what is wrong with the claim."""
    try:
        env = _worlds(log, 1)
    except SurefootError as error:
        return str(error)
    model, dt = env.simulation.model, env.robot.control_dt
    have = (log.qpos.shape[1], log.qvel.shape[1], log.action.shape[1], log.command.shape[1])
    want = (model.nq, model.nv, model.nu, env.task.command().shape[1])
    if have != want:
        return f"qpos, qvel, action, command of sizes {have}: {log.robot} {log.task} has {want}"
    if abs(log.dt - dt) > 1e-6:
        return f"a step of {log.dt:g} s: the control period of {log.robot} is {dt:g} s"
    return env


def _worlds(log: Log, num: int) -> BatchEnv:
    options = checked_options(log.task, log.options)
    if issubclass(CONFIGS.get(log.task, object), VelocityConfig):
        options |= {"push_interval": 0.0, "noise": 0.0}  # pushes are in the log, and nobody looks at the observation
    config = configured(log.task, **options)
    return BatchEnv(log.robot, log.task, num, tasks=Task(log.parameters), seed=0, config=config, autoreset=False)


def _not_finite(log: Log, rows: np.ndarray) -> Damage | None:
    for name in ("time", "qpos", "qvel", "action", "reward", "command", "hidden"):
        bad = ~np.isfinite(getattr(log, name)[rows]).reshape(len(rows), -1).all(axis=1)
        if bad.any():
            return int(bad.argmax()), "non-finite", f"{name} is not a number"
    return None


def _out_of_limits(log: Log, rows: np.ndarray, env: BatchEnv) -> Damage | None:
    """The first step at which time stands still, an action or a joint is beyond its limits, or the state jumps."""
    model, low, high = env.simulation.model, env.task.action_low, env.task.action_high
    steps = np.diff(log.time[rows])
    checks: list[tuple[str, np.ndarray]] = [("time does not increase", np.append(False, steps <= 0))]
    action = log.action[rows]
    slack = 1e-3 * (high - low)
    checks.append(("an action is beyond its limits", ((action < low - slack) | (action > high + slack)).any(axis=1)))
    limited = np.flatnonzero(model.jnt_limited)
    joint, bounds = log.qpos[rows][:, model.jnt_qposadr[limited]], model.jnt_range[limited]
    beyond = np.maximum(bounds[:, 0] - joint, joint - bounds[:, 1])
    checks.append(("a joint is beyond its limits", (beyond > BEYOND).any(axis=1)))
    free = model.jnt_qposadr[model.jnt_type == mujoco.mjtJoint.mjJNT_FREE]
    for at in free:
        length = np.linalg.norm(log.qpos[rows, at + 3 : at + 7], axis=1)
        checks.append(("its orientation is no unit quaternion", np.abs(length - 1) > 1e-3))
    if not checks[0][1].any():
        checks.append(("its position jumps further than its velocity allows", _jumps(log, rows, steps, env)))
    wrong = [(int(bad.argmax()), what) for what, bad in checks if bad.any()]
    if not wrong:
        return None
    step, what = min(wrong, key=lambda found: found[0])
    return step, "out of limits", what


def _jumps(log: Log, rows: np.ndarray, steps: np.ndarray, env: BatchEnv) -> np.ndarray:
    """(n,) bool: the way from the row before is not between the ways that the velocities before and after would give.

    By `JUMP` times the largest velocity of that kind (along or about an axis), because within a step it may swing. A robot
    that leaves its patch of ground is put back by the patch's length (`Ground.keep`), which is no jump.
    """
    model = env.simulation.model
    qpos, qvel = log.qpos[rows].astype(float), log.qvel[rows].astype(float)
    if env.ground is not None:
        qpos[:, :2] = unwrapped(qpos[:, :2])
    moved = np.zeros((len(rows) - 1, model.nv))
    for t, dt in enumerate(steps):
        mujoco.mj_differentiatePos(model, moved[t], dt, qpos[t], qpos[t + 1])
    before, after = qvel[:-1], qvel[1:]
    excess = np.abs(moved - (before + after) / 2) - np.abs(after - before) / 2
    kinds = model.jnt_type[model.dof_jntid]
    along = kinds == mujoco.mjtJoint.mjJNT_SLIDE
    for at in model.jnt_dofadr[model.jnt_type == mujoco.mjtJoint.mjJNT_FREE]:
        along[at : at + 3] = True
    jumps = np.zeros(len(rows), bool)
    for kind in (along, ~along):
        if kind.any():
            speed = np.maximum(np.abs(before), np.abs(after))[:, kind].max(axis=1)
            jumps[1:] |= excess[:, kind].max(axis=1) > JUMP * (speed + 1)
    return jumps


def _duplicates(
    logs: Sequence[Log], episodes: Sequence[Sequence[np.ndarray]], order: Sequence[Where]
) -> dict[Where, Damage]:
    """Of the episodes in `order`, those of which much is in one before them: by hashes of their rounded steps."""
    found: dict[Where, Damage] = {}
    seen: dict[bytes, Where] = {}
    for i, e in order:
        log, rows = logs[i], episodes[i][e]
        parts = [np.rint(getattr(log, name)[rows].astype(float) / grid) for name, grid in GRID.items()]
        rounded = np.concatenate(parts, axis=1) + 0.0  # -0 becomes 0
        prefix = f"{log.robot} {log.task}".encode()
        keys = [hashlib.blake2b(prefix + row.tobytes(), digest_size=8).digest() for row in rounded]
        owners = Counter(seen[key] for key in keys if key in seen)
        (first, count), *_ = owners.most_common(1) or [((0, 0), 0)]
        if count >= SAME * len(keys):
            share = f"{count / len(keys):.0%} of its steps"
            found[i, e] = 0, "duplicated", f"{share} are in episode {first[1]} of {logs[first[0]].label!r}"
        else:
            seen |= {key: (i, e) for key in keys if key not in seen}
    return found


@dataclass(frozen=True)
class _Replay:
    """What the simulator says of each row (T,), NaN where it was not asked.

    error: of the recorded velocities, rounding: what the last recorded digit does to them; both as shares of a usual step's
    change, root mean square over degrees of freedom. reward, reward_rounding; ended: 1 where the task ends the episode.
    """

    error: np.ndarray
    rounding: np.ndarray
    reward: np.ndarray
    reward_rounding: np.ndarray
    ended: np.ndarray

    def wrong(self, tolerance: float) -> np.ndarray:
        """(T,) bool: the recorded velocities do not follow, whatever the last digits were."""
        return ~np.isnan(self.reward) & ~(self.error <= np.maximum(tolerance, ROUNDING * self.rounding))


def _resimulate(log: Log, episodes: Sequence[np.ndarray], env: BatchEnv, tolerance: float) -> _Replay:
    """Every step of `episodes` again, one control step from each recorded state.

    A world takes `WINDOW` steps in a row, and is put back to the recorded state after each: so what the state does not hold
    (delayed commands, the solver's warm start, positions that lag) is right after the first few, which are not compared.
    """
    settle = SETTLE + int(np.ceil(env.simulation.max_delay / log.dt))
    length = WINDOW + settle
    starts = [(s, rows[-1]) for rows in episodes for s in range(rows[0], rows[-1], WINDOW)]
    windows = np.array([np.minimum(np.arange(s, s + length + 1), last) for s, last in starts])
    change = np.concatenate([np.abs(np.diff(log.qvel[rows], axis=0)) for rows in episodes])
    usual = np.maximum(np.median(change, axis=0), MOTION)
    out = _Replay(*(np.full(len(log.done), np.nan) for _ in range(5)))
    num = min(CHUNK, len(windows))
    twice = _worlds(log, 2 * num)
    clock, rng = _clock(log, episodes, twice), np.random.default_rng(0)
    with np.errstate(all="ignore"):  # a log may hold anything
        for _ in range(LOOKS):
            for i in range(0, len(windows), num):
                some = windows[i : i + num]
                padded = np.concatenate([some, np.repeat(some[-1:], num - len(some), axis=0)])
                _resimulate_windows(log, padded, settle, usual, clock, twice, rng, out)
            windows = windows[out.wrong(tolerance)[windows].any(axis=1)]
    return out


def _clock(log: Log, episodes: Sequence[np.ndarray], env: BatchEnv) -> np.ndarray:
    """The simulator's time (T,) at each row, added up as it does: which sample a delay asks for may hang on the last bit."""
    substeps, longest = env.simulation.substeps, max(map(len, episodes))
    times = np.cumsum(np.full(longest * substeps, env.simulation.model.opt.timestep))[substeps - 1 :: substeps]
    clock = np.zeros(len(log.done))
    for rows in episodes:
        clock[rows] = times[: len(rows)]
    return clock


def _resimulate_windows(
    log: Log,
    windows: np.ndarray,
    settle: int,
    usual: np.ndarray,
    clock: np.ndarray,
    env: BatchEnv,
    rng: np.random.Generator,
    out: _Replay,
) -> None:
    """The second half of the worlds starts each step with the last digit changed."""
    sim, n = env.simulation, len(windows)
    everyone = np.arange(2 * n)
    for k in range(1, windows.shape[1]):
        before, now = windows[:, k - 1], windows[:, k]
        qpos, qvel = (np.tile(x[before], (2, 1)).astype(float) for x in (log.qpos, log.qvel))
        for x in (qpos[n:], qvel[n:]):
            x += np.spacing(np.abs(x).astype(np.float32)) * rng.choice([-1.0, 1.0], x.shape)
        if k == 1:
            sim.reset(everyone, qpos, qvel)
            sim.batch.bind("time")[:] = np.tile(clock[before], 2)
        else:
            sim.qpos[:], sim.qvel[:] = qpos, qvel
        env.task.restore(*(np.tile(x, (2, 1)) for x in (log.action[before], log.command[now], log.hidden[now])))
        env.step(np.tile(log.action[now], (2, 1)))
        asked = (now > before) & (k > settle)
        at, velocity = now[asked], sim.qvel.copy()
        velocity[sim.diverged] = np.inf
        out.error[at] = _rms((velocity[:n] - log.qvel[now]) / usual)[asked]
        out.rounding[at] = np.fmax(out.rounding[at], _rms((velocity[n:] - velocity[:n]) / usual)[asked])
        out.reward[at] = env.reward[:n][asked]
        out.reward_rounding[at] = np.fmax(out.reward_rounding[at], np.abs(env.reward[n:] - env.reward[:n])[asked])
        agree = env.terminated[:n] == env.terminated[n:]
        out.ended[at] = np.where(agree, env.terminated[:n], np.nan)[asked]


def _rms(x: np.ndarray) -> np.ndarray:
    return np.sqrt(np.square(x).mean(axis=1))


def _contradiction(log: Log, rows: np.ndarray, replay: _Replay, tolerance: float) -> Damage | None:
    """What the simulator says against an episode."""
    error, reward = replay.error[rows], replay.reward[rows]
    asked = ~np.isnan(reward)
    if not asked.any():
        return None
    wrong = replay.wrong(tolerance)[rows]
    if wrong.sum() >= max(3, MISLABELLED * asked.sum()):
        said = ", ".join(f"{k}={v:g}" for k, v in log.parameters.items()) or "the nominal robot"
        detail = f"{said} does not reproduce {wrong.sum() / asked.sum():.0%} of its steps"
        return int(np.where(wrong, error, -1.0).argmax()), "mislabelled", detail
    good = error[asked & ~wrong]
    usual = float(np.median(good)) if len(good) else 0.0
    spread = (
        1.4826 * float(np.median(np.abs(good - usual))) if len(good) else 0.0
    )  # of a normal distribution: one sigma
    wrong &= error > usual + OUTLIER * spread
    if wrong.any():
        step = int(wrong.argmax())
        return step, "poisoned", f"its action does not have this effect: off by {error[step]:.2g} of a usual change"
    allowed = tolerance * max(float(np.abs(reward[asked]).mean()), 1e-3) + ROUNDING * replay.reward_rounding[rows]
    wrong = asked & ~(np.abs(log.reward[rows] - reward) <= allowed)
    if wrong.any():
        step = int(wrong.argmax())
        return step, "poisoned", f"its reward is {log.reward[rows][step]:.4g}: the task gives {reward[step]:.4g}"
    ended = replay.ended[rows]
    wrong = ~np.isnan(ended) & (ended != (log.done[rows] == 1))
    if wrong.any():
        step = int(wrong.argmax())
        return (
            step,
            "poisoned",
            f"it {'goes on' if ended[step] else 'ends'} where the task {'ends' if ended[step] else 'goes on'}",
        )
    return None
