"""Recording what a controller does in the worlds of an environment, while it does it."""

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..envs.batch_env import BatchEnv, options_of
from ..envs.tasks import Velocity
from ..robots import SurefootError
from ..robots.files import replacing
from .chunks import ABSENT, TERMINATED, TRUNCATED, ChunkWriter, Header, RecordingFile
from .model import pack_model
from .recording import Recording, check_suffix, read_world

Act = Callable[[np.ndarray], np.ndarray]
Script = Sequence[tuple[float, float, float, float]]  # (from second, vx m/s, vy m/s, yaw rad/s)
Estimates = Mapping[str, tuple[float, float]]  # mean and standard deviation of a parameter

# Forward, sideways, turn, fast: what the demo and `surefoot replay` ask for unless told otherwise.
TOUR: Script = ((0, 0.6, 0, 0), (4, 1.0, 0, 0), (8, 0.6, 0, 0.8), (12, 0.4, 0.3, 0), (16, 0, 0, 0))


class Recorder:
    """Steps the worlds of `env` and writes each step, and restarts worlds that end, after their last state is kept.

    Memory does not grow. `recording` makes one for a file.

    Attributes:
        steps, seconds: recorded so far. episodes: (N,), ended so far. running: (N,) bool, worlds with episodes to go.
    """

    def __init__(
        self,
        env: BatchEnv,
        file: BinaryIO,
        *,
        label: str,
        seed: int = 0,
        begin: Callable[[np.ndarray], object] = lambda ids: None,
        episodes: int | None = None,
        controller: Mapping[str, Any] | None = None,
        latent: Callable[[], np.ndarray] | None = None,
        inferred: Estimates | None = None,
    ):
        """`begin` is told the worlds (n,) that begin an episode. A world stands still after `episodes`; None: they never end.

        `controller` is kept as it is (JSON). `latent` gives (N, L) after each step, `inferred` is the same in all of them.
        Raises `SurefootError` for an environment that resets worlds by itself.
        """
        if env.autoreset or env.trial > 1:
            raise SurefootError(
                "a recorder needs an environment with autoreset=False and no trials: it restarts the worlds"
            )
        self.env, self.seed, self._begin, self._limit, self._latent = env, seed, begin, episodes, latent
        sim, task, n = env.simulation, env.task, env.num_envs
        self._force, self._sensor = sim.batch.bind("actuator_force"), sim.batch.bind("sensordata")
        self._command = task.command().astype(np.float32)
        self._done = np.zeros(n, np.uint8)
        self.running, self.episodes = np.ones(n, bool), np.zeros(n, np.int64)
        inferred = inferred or {}
        self._believed = np.array(list(inferred.values()), np.float32).reshape(len(inferred), 2)
        places = sim.batch.bind("mocap_pos") if sim.model.nmocap else np.zeros((n, 0, 3))
        self._mocap = places.reshape(n, 3 * sim.model.nmocap)
        assert np.shares_memory(places, self._mocap) or not self._mocap.size
        state = {"qpos": sim.qpos, "qvel": sim.qvel, "action": sim.ctrl, "force": self._force, "sensor": self._sensor,
                 "mocap": self._mocap}  # fmt: skip
        told = {"command": self._command, "actual": task.actual(), "hidden": task.hidden(), "terms": env.terms}
        widths = {name: array.shape[1] for name, array in (state | told).items()}
        widths |= {"reward": 1, "latent": 0 if latent is None else latent().shape[1]}
        widths |= dict.fromkeys(("inferred", "inferred_std"), len(inferred))
        header = Header(
            robot=env.robot.name,
            task=env.task_name,
            label=label,
            base=env.robot.base,
            dt=env.robot.control_dt,
            worlds=n,
            floats=widths,
            flags={"contact": task.contacts().shape[1], "done": 1},
            command_names=task.command_names,
            foot_names=env.robot.feet if task.contacts().shape[1] else (),
            term_names=task.terms,
            sensor_names=_sensor_names(sim.model),
            inferred_names=tuple(inferred),
            parameter_names=tuple(sim.table.names),
            nominal=tuple(float(v) if np.isfinite(v) else None for v in sim.table.nominal),
            options=options_of(env),
            controller=dict(controller or {}),
            seed=seed,
        )
        self.writer = ChunkWriter(file, header, pack_model(env.robot.make_spec()))

    @property
    def steps(self) -> int:
        return self.writer.steps

    @property
    def seconds(self) -> float:
        return self.steps * self.env.robot.control_dt

    def reset(self) -> np.ndarray:
        """Start every world anew; call it before the first step. Returns the observation."""
        observation = self.env.reset(self.seed)
        self._begin(np.arange(self.env.num_envs))
        return observation

    def step(self, actions: np.ndarray) -> np.ndarray:
        """One control step with actions (N, nu), recorded. Returns the observation, of restarted worlds their new one."""
        env, sim, task = self.env, self.env.simulation, self.env.task
        self._command[:] = task.command()  # before the step, which may draw the next one
        observation, reward, terminated, truncated = env.step(actions)
        np.multiply(terminated, TERMINATED, out=self._done, casting="unsafe")
        self._done[truncated] = TRUNCATED
        self._done[~self.running] = ABSENT
        n = env.num_envs
        rows = {
            "qpos": sim.qpos,
            "qvel": sim.qvel,
            "action": actions,
            "force": self._force,
            "sensor": self._sensor,
            "mocap": self._mocap,
            "command": self._command,
            "actual": task.actual(),
            "hidden": task.hidden(),
            "terms": env.terms,
            "reward": reward,
            "contact": task.contacts(),
            "done": self._done,
            "inferred": np.broadcast_to(self._believed[:, 0], (n, len(self._believed))),
            "inferred_std": np.broadcast_to(self._believed[:, 1], (n, len(self._believed))),
        }
        if self._latent is not None:
            rows["latent"] = self._latent()
        self.writer.append(rows, env.values)
        ended = (terminated | truncated) & self.running
        if ended.any():
            self.episodes += ended
            if self._limit is not None:
                self.running &= self.episodes < self._limit
            again = np.flatnonzero(ended & self.running)
            if len(again):
                observation = env.reset(ids=again)
                self._begin(again)
        return observation


@contextmanager
def recording(env: BatchEnv, out: str | Path | BinaryIO, **given: Any) -> Iterator[Recorder]:
    """A `Recorder` (which takes `given`) of a file, which is written beside `out` and moved when the block ends.

        with recording(env, "walk.recording.npz", label="walk") as recorder:
            observation = recorder.reset()
            while recorder.seconds < 20:
                observation = recorder.step(controller.act(observation))

    What was recorded until Ctrl-C stays; any other error leaves nothing. Raises `SurefootError` for a name that is no
    recording's, or where the disk refuses.
    """
    interrupted = False
    with ExitStack() as stack:
        if isinstance(out, str | Path):
            temporary = stack.enter_context(replacing(check_suffix(out)))
            file: BinaryIO = stack.enter_context(open(temporary, "wb"))
        else:
            file = out
        recorder = Recorder(env, file, **given)
        stack.callback(recorder.writer.drop)
        try:
            yield recorder
        except KeyboardInterrupt:
            if not recorder.steps:
                raise
            interrupted = True
        recorder.writer.close()
    if interrupted:
        raise KeyboardInterrupt


def _sensor_names(model: Any) -> tuple[str, ...]:
    """A name for each of the S numbers, such as "gyro.0"."""
    names: list[str] = []
    for i in range(model.nsensor):
        sensor = model.sensor(i)
        size = int(sensor.dim[0])
        names += [sensor.name] if size == 1 else [f"{sensor.name}.{k}" for k in range(size)]
    return tuple(names)


def roll(act: Act, recorder: Recorder, *, seconds: float | None = None, script: Script | None = None) -> None:
    """Run `act` (observations (N, O) to actions (N, nu)) in the recorder's worlds until all have ended, or for `seconds`.

    `script` overrides the commands of a `velocity` task, so that recordings follow the same ones.
    """
    env, dt = recorder.env, recorder.env.robot.control_dt
    if seconds is not None and seconds <= 0:
        raise SurefootError(f"recording length {seconds} s: expected more than 0")
    steps = np.inf if seconds is None else max(1, round(seconds / dt))
    observation = recorder.reset()
    while recorder.running.any() and recorder.steps < steps:
        if script and isinstance(env.task, Velocity):
            now = recorder.steps * dt
            env.task.set_command(next(row for row in reversed(script) if now >= row[0])[1:])
            observation = env.observe()
        observation = recorder.step(act(observation))


def record(
    act: Act,
    env: BatchEnv,
    *,
    label: str,
    seconds: float,
    seed: int = 0,
    script: Script | None = None,
    begin: Callable[[], object] = lambda: None,
    **kept: Any,
) -> Recording:
    """Run `act` in the one world of `env` for `seconds` and keep everything in memory; `begin` precedes each episode.

    `script` as in `roll`; `kept` are arguments of `Recorder`, such as `controller`.
    """
    if env.num_envs != 1:
        raise SurefootError("record needs an environment of one world: `recording` makes a file of many")
    buffer = io.BytesIO()
    with recording(env, buffer, label=label, seed=seed, begin=lambda ids: begin(), **kept) as recorder:
        roll(act, recorder, seconds=seconds, script=script)
    return read_world(RecordingFile(buffer.getvalue()))
