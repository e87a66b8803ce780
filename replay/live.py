"""A simulation that people drive while it runs: commands from pages in, poses and numbers out, in real time.

One thread does it all: between two control steps the server has its turn. A page sends JSON, `{"do": "command", "value":
[0.5, 0, 0]}` and the like (`Live.ACTIONS`), and gets two kinds of messages: text, `{"state": …}` or `{"error": …}`, and frames:

    float64      seconds of robot time
    per robot, float32: fallen 0 or 1, reward of the step, command (C), actual (C), contact (F), latent (L),
                 inferred (3, E): mean, standard deviation, truth; then of each moving body x y z, w x y z (B, 7)
"""

import asyncio
import json
import math
import secrets
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import mujoco
import numpy as np

from ..envs.batch_env import BatchEnv
from ..envs.tasks import Velocity
from ..robots.errors import SurefootError, unknown
from ..robots.files import parse_json
from .chunks import SUFFIX
from .geometry import moving_bodies
from .rollout import Recorder, recording

if TYPE_CHECKING:
    from websockets.asyncio.server import ServerConnection

FRAMES, MOST_FRAMES = 30.0, 60.0  # a second: at least, and about at most
REST = 1.0  # s that a fallen robot lies there before it starts anew
FIRST_SPEED = 0.6  # m/s, of a robot that takes commands, until somebody gives one
STRONGEST = 5.0  # m/s that a push may add
CLIENTS = 8  # pages at once
WORLD = np.arange(1)


class Brain(Protocol):
    """What drives a robot, such as `controllers.adaptation.switch.Switched`."""

    on: bool
    available: bool
    says: str
    names: tuple[str, ...]
    latent: np.ndarray

    def act(self, observation: np.ndarray) -> np.ndarray: ...
    def learn(self) -> None: ...
    def begin(self) -> None: ...
    def inferred(self) -> np.ndarray: ...


class Walker:
    """One robot: its world, what drives it, and what has become of it.

    Attributes:
        falls: since the start. rest: control steps until it starts anew after a fall; 0: it moves.
        recorder: what writes its steps, while they are recorded.
    """

    def __init__(self, label: str, env: BatchEnv, brain: Brain, controller: Mapping[str, Any] | None = None):
        """`env` has one world and `autoreset=False`. `controller` describes what drives it, for recordings."""
        if env.num_envs != 1 or env.autoreset:
            raise SurefootError("a live robot needs an environment of one world with autoreset=False")
        env.episode_steps = 10**9  # nobody is cut off in mid-walk
        self.label, self.env, self.brain, self.controller = label, env, brain, controller
        self.falls, self.rest = 0, 0
        self.recorder: Recorder | None = None
        model = env.simulation.model
        self._data, self._bodies = mujoco.MjData(model), moving_bodies(model)
        self._dq = np.zeros(model.nv)
        self._mocap = env.simulation.batch.bind("mocap_pos") if model.nmocap else np.zeros((1, 0, 3))
        self.restart()

    def restart(self) -> None:
        """A new episode of the same robot, with the same command."""
        self.rest = 0
        self.env.reset(ids=WORLD)
        self.brain.begin()
        if self.recorder is not None:  # which would let a world stand still after its one episode
            self.recorder.episodes[:], self.recorder.running[:] = 0, True
        self._now = self._before = self.env.simulation.qpos[0].copy()

    def cut(self) -> None:
        """End the episode with the next step, as a time limit does: so a recording knows of it, too."""
        self.env.lengths[:] = self.env.episode_steps - 1
        self.rest = min(self.rest, 1)

    def step(self) -> None:
        """One control step, or one of lying there."""
        env = self.env
        if self.rest:
            self.rest -= 1
            if not self.rest:
                self.restart()
            return
        actions = self.brain.act(env.observation)
        if self.recorder is None:
            env.step(actions)
        else:
            self.recorder.step(actions)
        self.brain.learn()
        self._before, self._now = self._now, env.simulation.qpos[0].copy()
        if env.fell[0]:
            self.falls += 1
            self.rest = max(1, round(REST / env.robot.control_dt))
        elif env.truncated[0]:
            self.restart()

    def push(self, angle: float, speed: float) -> None:
        """Add `speed` (m/s) to the base, at `angle` (rad, counter-clockwise) from where it heads."""
        sim = self.env.simulation
        if sim.model.jnt_type[0] == mujoco.mjtJoint.mjJNT_FREE:
            w, x, y, z = sim.qpos[0, 3:7]
            angle += math.atan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))
            sim.qvel[0, :2] += speed * math.cos(angle), speed * math.sin(angle)
        else:  # planar, or a cart: along its one way
            sim.qvel[0, 0] += speed * math.cos(angle)

    def numbers(self, share: float) -> np.ndarray:
        """Its part of a frame, `share` (0, 1] of the way through the last step."""
        env, task, model, data = self.env, self.env.task, self.env.simulation.model, self._data
        data.qpos[:] = self._now
        if share < 1:
            mujoco.mj_differentiatePos(model, self._dq, 1.0, self._before, self._now)
            data.qpos[:] = self._before
            mujoco.mj_integratePos(model, data.qpos, self._dq, share)
        if model.nmocap:
            data.mocap_pos[:] = self._mocap[0]
        mujoco.mj_kinematics(model, data)
        parts = (
            [self.rest > 0, env.reward[0]], task.command()[0], task.actual()[0], task.contacts()[0], self.brain.latent[0],
            self.brain.inferred()[0].ravel(), np.hstack([data.xpos[self._bodies], data.xquat[self._bodies]]).ravel(),
        )  # fmt: skip
        return np.concatenate([np.asarray(part, np.float32) for part in parts])


@dataclass(eq=False)
class Client:
    """A page: what it has still to be sent. A slow one gets fewer frames, the newest each time."""

    texts: deque[str] = field(default_factory=lambda: deque(maxlen=16))
    frame: bytes | None = None
    ready: asyncio.Event = field(default_factory=asyncio.Event)

    def give(self, *, text: str | None = None, frame: bytes | None = None) -> None:
        if text is not None:
            self.texts.append(text)
        self.frame = frame or self.frame
        self.ready.set()


class Live:
    """Robots that walk in step under the same commands, and the pages that watch and drive them.

    Attributes:
        id: of this run: a page that was made for another one loads anew. steps: control steps since the start.
        paused, rate: whether they stand still, and robot seconds a second of late.
    """

    def __init__(self, walkers: list[Walker], *, folder: str | Path = "."):
        """All of one robot and task. Recordings go into `folder`."""
        self.walkers, self.env, self.folder = walkers, walkers[0].env, Path(folder)
        self.id, self.dt = secrets.token_hex(8), self.env.robot.control_dt
        self.steps, self.paused, self.rate = 0, False, 0.0
        self.clients: set[Client] = set()
        self.notice = ""
        self._single, self._recording, self._files = False, ExitStack(), list[str]()
        self.limits: tuple[float, float, float] | None = None
        if isinstance(self.env.task, Velocity):
            config = self.env.task.config
            self.limits = (float(config.vx), float(config.vy), float(config.yaw))
        self._last = self.frame()

    # --- the clock --------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Walk in real time for ever, or slower where the machine is; late steps are not made up for.

        While nobody watches or records, the robots wait.
        """
        loop, dt = asyncio.get_running_loop(), self.dt
        parts, every = max(1, math.ceil(FRAMES * dt - 1e-6)), max(1, int(1 / (MOST_FRAMES * dt)))
        due = told = loop.time()
        counted = self.steps
        try:
            while True:
                now = loop.time()
                if now - told >= 1.0:
                    self.rate, told, counted = (self.steps - counted) * dt / (now - told), now, self.steps
                    self.tell()
                if not self.walking:
                    await asyncio.sleep(0.02)
                    due = loop.time()
                    continue
                self.step()
                for part in range(1, parts + 1):
                    if self.steps % every == 0 or self.paused:
                        self.show(part / parts)
                    await asyncio.sleep(max(0.0, due + part * dt / parts - loop.time()))
                due = max(due + dt, loop.time() - dt)  # a late wake-up is made up for, a slow machine is not
        finally:
            self._close_recording()

    @property
    def walking(self) -> bool:
        return self._single or (not self.paused and bool(self.clients or self._files))

    def step(self) -> None:
        """One control step of all robots."""
        self._single = False
        try:
            for walker in self.walkers:
                walker.step()
        except OSError as error:  # of the file that is being recorded; the robot has moved on all the same
            self._close_recording(error)
        self.steps += 1

    def frame(self, share: float = 1.0) -> bytes:
        """What pages are sent, `share` of the way through the last step."""
        time = (self.steps - 1 + share) * self.dt
        return np.float64(time).astype("<f8").tobytes() + b"".join(
            walker.numbers(share).astype("<f4").tobytes() for walker in self.walkers
        )

    def show(self, share: float = 1.0) -> None:
        """Send a frame to all pages."""
        self._last = self.frame(share)
        for client in self.clients:
            client.give(frame=self._last)

    def tell(self) -> None:
        """Send the state to all pages."""
        text = json.dumps({"state": self.state()})
        for client in self.clients:
            client.give(text=text)

    def state(self) -> dict[str, Any]:
        """All that pages can change, and what has become of it."""
        return {
            "id": self.id,
            "paused": self.paused,
            "rate": round(self.rate, 3),
            "command": [round(float(v), 4) for v in self.env.task.command()[0]],
            "values": [float(f"{v:.6g}") for v in self.env.values[0]],
            "adapts": any(walker.brain.available and walker.brain.on for walker in self.walkers),
            "recording": self._files,
            "falls": [walker.falls for walker in self.walkers],
            "diverged": [walker.env.diverged for walker in self.walkers],
            "watching": len(self.clients),
            "notice": self.notice,
        }

    # --- pages ------------------------------------------------------------------------------------------------------

    async def talk(self, socket: "ServerConnection") -> None:
        """Hold the conversation with one page until it goes."""
        from websockets.exceptions import ConnectionClosed

        if len(self.clients) >= CLIENTS:
            await socket.close(1013, f"{CLIENTS} pages are open already")
            return
        client = Client(frame=self._last)
        self.clients.add(client)
        self.tell()
        sender = asyncio.create_task(_send(socket, client))
        try:
            async for message in socket:
                self.hear(client, message)
                await asyncio.sleep(0)  # many messages at once must not stop the clock
        except ConnectionClosed:
            pass  # went without a word
        finally:
            self.clients.discard(client)
            sender.cancel()

    def hear(self, client: Client, message: str | bytes) -> None:
        """Do what a message asks; tell all pages, or this one alone what was wrong with it."""
        try:
            try:
                asked = parse_json(message)
            except ValueError:
                asked = None
            if not isinstance(asked, dict):
                raise SurefootError('a message that is no JSON object: expected {"do": ACTION, …}')
            self.do(asked)
        except SurefootError as error:
            client.give(text=json.dumps({"error": str(error)}))
            return
        self.tell()

    def do(self, asked: Mapping[str, Any]) -> None:
        """Do what a page asks. Raises `SurefootError`, and changes nothing, for anything that is not as it should be."""
        name = str(asked.get("do"))
        if name not in self.ACTIONS:
            raise unknown("action", name, self.ACTIONS)
        self.notice = ""
        self.ACTIONS[name](self, asked)

    def _command(self, asked: Mapping[str, Any]) -> None:
        if self.limits is None:
            raise SurefootError(f"task {self.env.task_name!r} takes no commands")
        value = asked.get("value")
        if not isinstance(value, list) or len(value) != len(self.limits):
            raise SurefootError(f"a command of {len(self.limits)} numbers is expected, not {str(value)[:60]}")
        numbers = [_number("command", v) for v in value]
        command = tuple(min(max(v, -limit), limit) for v, limit in zip(numbers, self.limits, strict=True))
        for walker in self.walkers:
            assert isinstance(walker.env.task, Velocity)
            walker.env.task.set_command(command)
            walker.env.observe()

    def _set(self, asked: Mapping[str, Any]) -> None:
        """One parameter or element of one, `key`, to `value`."""
        key, value, table = asked.get("key"), _number("value", asked.get("value")), self.env.table
        if not isinstance(key, str):
            raise SurefootError(f"key {str(key)[:60]!r}: expected the name of a parameter")
        row = self.env.values[0].copy()
        table.assign(row, key, value)
        self._become(row)

    def _nominal(self, asked: Mapping[str, Any]) -> None:
        """All parameters, or those of `key`, as in the model."""
        table, key = self.env.table, asked.get("key")
        columns = table.columns(key) if isinstance(key, str) else np.arange(len(table.names))
        row = self.env.values[0].copy()
        row[columns] = table.nominal[columns]
        self._become(row)

    def _become(self, row: np.ndarray) -> None:
        """Make the robots others, in mid-walk."""
        self.env.table.check(row)
        for walker in self.walkers:
            walker.env.simulation.set_parameters(WORLD, row[None])
            walker.env.observe()

    def _push(self, asked: Mapping[str, Any]) -> None:
        angle, speed = _number("angle", asked.get("angle", 0)), _number("speed", asked.get("speed", 1))
        if not 0 <= speed <= STRONGEST:
            raise SurefootError(f"a push of {speed:g} m/s: expected 0 to {STRONGEST:g}")
        for walker in self.walkers:
            walker.push(angle, speed)

    def _adapter(self, asked: Mapping[str, Any]) -> None:
        able = [walker.brain for walker in self.walkers if walker.brain.available]
        if not able:
            raise SurefootError(self.walkers[0].brain.says)
        for brain in able:
            brain.on = bool(asked.get("value"))

    def _pause(self, asked: Mapping[str, Any]) -> None:
        self.paused = bool(asked.get("value"))

    def _step(self, asked: Mapping[str, Any]) -> None:
        self.paused = self._single = True

    def _reset(self, asked: Mapping[str, Any]) -> None:
        for walker in self.walkers:
            walker.cut()
        self._single = True

    def _record(self, asked: Mapping[str, Any]) -> None:
        if bool(asked.get("value")) == bool(self._files):
            return
        if self._files:
            self._close_recording()
            return
        for number in range(1, 10_000):
            tails = [f"-{walker.label}" if len(self.walkers) > 1 else "" for walker in self.walkers]
            names = [f"play-{number}{tail}{SUFFIX}" for tail in tails]
            if not any((self.folder / name).exists() for name in names):
                break
        try:
            for walker, name in zip(self.walkers, names, strict=True):
                path = self.folder / name
                given: dict[str, Any] = {"label": walker.label, "controller": walker.controller, "episodes": 1}
                if walker.brain.latent.size:
                    given["latent"] = lambda brain=walker.brain: brain.latent
                walker.recorder = self._recording.enter_context(recording(walker.env, path, **given))
        except (SurefootError, OSError) as error:
            self._close_recording(error)
            raise SurefootError(f"cannot record: {error}") from error
        self._files = names

    def _close_recording(self, error: BaseException | None = None) -> None:
        """End it; what was written is kept, unless `error` is why."""
        files, stack, self._files, self._recording = self._files, self._recording, [], ExitStack()
        for walker in self.walkers:
            walker.recorder = None
        try:
            if error is None:
                stack.close()
            else:
                stack.__exit__(type(error), error, error.__traceback__)
        except (SurefootError, OSError) as failed:
            error = failed
        if files:
            self.notice = f"recording failed: {error}" if error else f"wrote {', '.join(files)}"
            print(self.notice, flush=True)

    ACTIONS: Mapping[str, Callable[["Live", Mapping[str, Any]], None]] = {
        "command": _command, "set": _set, "nominal": _nominal, "push": _push, "adapter": _adapter, "pause": _pause,
        "step": _step, "reset": _reset, "record": _record,
    }  # fmt: skip


async def _send(socket: "ServerConnection", client: Client) -> None:
    from websockets.exceptions import ConnectionClosed

    try:
        while True:
            await client.ready.wait()
            client.ready.clear()
            while client.texts:
                await socket.send(client.texts.popleft())
            frame, client.frame = client.frame, None
            if frame is not None:
                await socket.send(frame)
    except ConnectionClosed:
        pass


def _number(name: str, value: Any) -> float:
    """A finite number out of JSON. Raises `SurefootError` for anything else."""
    try:
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
    except OverflowError:  # an integer of hundreds of digits
        pass
    raise SurefootError(f"{name} {str(value)[:60]!r}: expected a finite number")
