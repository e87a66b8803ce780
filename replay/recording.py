"""What happened to one world: enough to show it again without the environment or the controller."""

import itertools
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

import mujoco
import numpy as np

from ..envs.terrain import crop
from ..robots.errors import SurefootError
from ..robots.files import replacing
from .chunks import (
    ABSENT,
    FLAGS,
    FLOATS,
    RUNNING,
    SUFFIX,
    TERMINATED,
    TRUNCATED,
    ChunkWriter,
    Header,
    RecordingFile,
    RecordingWarning,
)
from .model import unpack_model
from .sizes import resize

SHOWN = 8  # worlds of one file that are shown together, at most
SHOWN_SECONDS = 300.0  # of a recording, unless one asks for more: a page of an hour is too much for a browser
LARGEST = 1e6  # of a state, in m, rad, m/s, rad/s: beyond, a simulation is blowing up and a picture shows nothing
_ARRAYS = tuple(name for name in (*FLOATS, *FLAGS) if name != "terms")
_LATER = ("hidden", "sensor", "latent", "inferred", "inferred_std", "mocap")  # may be left out, which means no columns
_TYPES = {"contact": np.bool_, "done": np.uint8}  # the others are float32
_NAMES = ("command_names", "foot_names", "sensor_names", "inferred_names")
_SAME = ("robot", "task", "label", "dt", "base", "seed")  # of `Header`

__all__ = [
    "ABSENT",
    "RUNNING",
    "SUFFIX",
    "TERMINATED",
    "TRUNCATED",
    "Recording",
    "load_many",
    "read_shown",
    "read_world",
]


@dataclass(frozen=True, eq=False)
class Recording:
    """T control steps of one world, possibly several episodes.

    Row t of every array is the world right after control step t and before any reset, so a fall's last row shows the
    fallen robot. Row t is shown at t * dt seconds.

    Attributes:
        robot, task, label: names for captions; label tells recordings apart, e.g. "before" and "after".
        dt: control period, s.
        model: the compiled world's model from `pack_model(spec)`.
        base: name of the body that the camera follows.
        qpos (T, nq), qvel (T, nv): MuJoCo's state.
        action (T, nu): what the controller asked for, in the environment's units.
        force (T, nu): actuator forces, N or N m.
        reward (T,): total reward of the step; terms: named parts of it, each (T,).
        command, actual (T, C): the command in force and the measured quantity it asks for; command_names: C names such
            as "vx" (m/s, in the base's heading frame), "vy", "yaw" (rad/s). C may be 0.
        contact (T, F): whether each foot touches the ground; foot_names: F names. F may be 0.
        done (T,): 0 running, 1 terminated (fell), 2 truncated (time limit).
        parameters: task parameters that differ from nominal.
        changes: (row, all parameters that differ from nominal from there on), where the robot became another one.
        hidden (T, H): what else decided the step, as the task's `hidden()` says.
        options: of the task, those that differ from its defaults.
        sensor (T, S): MuJoCo's sensors; sensor_names: S names.
        latent (T, L): what the controller remembers or has inferred of the robot, in its own terms.
        inferred, inferred_std (T, E): mean and standard deviation of what it believes parameters to be; inferred_names: E.
        mocap (T, 3 M): places of the M bodies that the task puts somewhere, such as its target, m.
        controller: what drove the robot: configuration, steps of training, card. seed: of the start.
        diverged: s, shown so, after which the states were no longer numbers and are left out; None: they were, throughout.
        notes: what is missing of it, in words for whoever looks. Neither is written into a file.

    Raises `SurefootError` when shapes disagree or a value is not finite. Arrays become float32 (bool, uint8).
    """

    robot: str
    task: str
    label: str
    dt: float
    model: bytes
    base: str
    qpos: np.ndarray
    qvel: np.ndarray
    action: np.ndarray
    reward: np.ndarray
    force: np.ndarray
    done: np.ndarray
    command: np.ndarray
    actual: np.ndarray
    contact: np.ndarray
    command_names: tuple[str, ...] = ()
    foot_names: tuple[str, ...] = ()
    terms: Mapping[str, np.ndarray] = field(default_factory=dict)
    parameters: Mapping[str, float] = field(default_factory=dict)
    changes: Sequence[tuple[int, Mapping[str, float]]] = ()
    hidden: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    mocap: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    sensor: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    latent: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    inferred: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    inferred_std: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    sensor_names: tuple[str, ...] = ()
    inferred_names: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    controller: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    diverged: float | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        set_ = object.__setattr__  # the dataclass is frozen
        try:
            for name in _LATER:
                if not np.size(getattr(self, name)):
                    set_(self, name, np.zeros((np.size(self.reward), 0)))
            for name in _ARRAYS:
                set_(self, name, np.asarray(getattr(self, name), _TYPES.get(name, np.float32)))
            set_(self, "terms", {str(k): np.asarray(v, np.float32) for k, v in self.terms.items()})
            set_(self, "parameters", {str(k): float(v) for k, v in self.parameters.items()})
            changes = ((int(row), {str(k): float(v) for k, v in values.items()}) for row, values in self.changes)
            set_(self, "changes", tuple(changes))
            set_(self, "options", dict(self.options))
            set_(self, "controller", dict(self.controller))
            set_(self, "dt", float(self.dt))
        except (TypeError, ValueError) as error:
            raise SurefootError(f"recording {self.label!r}: {error}") from error
        for name in _NAMES:
            set_(self, name, tuple(getattr(self, name)))
        self._check()

    def _check(self) -> None:
        if not (np.isfinite(self.dt) and self.dt > 0):
            raise SurefootError(f"recording {self.label!r}: dt is {self.dt}, expected seconds > 0")
        if self.reward.ndim != 1 or len(self.reward) == 0:
            raise SurefootError(
                f"recording {self.label!r}: reward has shape {self.reward.shape}, expected (T,) with T ≥ 1"
            )
        steps, c, f, s, e = len(self.reward), *(len(getattr(self, name)) for name in _NAMES)
        nu = self.action.shape[-1] if self.action.ndim == 2 else -1
        expected: dict[str, tuple[int, ...]] = {
            **dict.fromkeys(("qpos", "qvel", "action", "hidden", "latent", "mocap"), (steps, -1)),
            "force": (steps, nu),
            **dict.fromkeys(("command", "actual"), (steps, c)),
            **dict.fromkeys(("inferred", "inferred_std"), (steps, e)),
            "sensor": (steps, s),
            "contact": (steps, f),
            "done": (steps,),
        }
        arrays = {name: getattr(self, name) for name in _ARRAYS} | {f"term {k!r}": v for k, v in self.terms.items()}
        for name, array in arrays.items():
            want = expected.get(name, (steps,))
            if array.ndim != len(want) or any(w not in (-1, n) for w, n in zip(want, array.shape, strict=True)):
                raise SurefootError(
                    f"recording {self.label!r}: {name} has shape {array.shape}, expected "
                    f"({', '.join('any' if w < 0 else str(w) for w in want)})"
                )
            if not np.isfinite(array).all():
                row = int(np.argwhere(~np.isfinite(array))[0][0])
                raise SurefootError(f"recording {self.label!r}: {name} is not finite at step {row}, expected numbers")
        if self.done.max() > TRUNCATED:
            raise SurefootError(f"recording {self.label!r}: done holds {self.done.max()}, expected 0, 1 or 2")

    def __len__(self) -> int:
        """T, the number of control steps."""
        return len(self.reward)

    @property
    def times(self) -> np.ndarray:
        """Seconds at which each row is shown, (T,)."""
        return np.arange(len(self)) * self.dt

    @property
    def episode(self) -> np.ndarray:
        """Index of the episode that each row belongs to, (T,)."""
        return np.concatenate([[0], np.cumsum(self.done[:-1] != RUNNING)])

    def rows(self, keep: np.ndarray) -> "Recording":
        """The rows that `keep` (T,) bool marks."""
        arrays = {name: getattr(self, name)[keep] for name in _ARRAYS}
        now = {
            int(keep[:row].sum()): values for row, values in ((0, self.parameters), *self.changes)
        }  # the last one counts
        parameters = now.pop(0)
        changes = tuple((row, values) for row, values in now.items() if row < keep.sum())
        terms = {name: values[keep] for name, values in self.terms.items()}
        return replace(self, **arrays, terms=terms, parameters=parameters, changes=changes)

    def spans(self) -> list[np.ndarray]:
        """Masks (T,) of the rows between two changes of parameters, in order."""
        starts = [0, *(row for row, _ in self.changes), len(self)]
        rows = np.arange(len(self))
        return [(rows >= a) & (rows < b) for a, b in itertools.pairwise(starts)]

    def spec(self) -> mujoco.MjSpec:
        """A fresh spec of the world, which the caller may edit; of a large ground only where the robot was."""
        spec = unpack_model(self.model)
        crop(spec, self.qpos[:, :2])
        return spec

    def compile(self, spec: mujoco.MjSpec | None = None) -> mujoco.MjModel:
        """The world's model, or that of an edited `spec`, as large as the robot is when the recording begins.

        Raises `SurefootError` when it does not compile or does not fit the recorded states.
        """
        spec = spec or self.spec()
        try:
            model = spec.compile()
        except ValueError as error:
            reason = " ".join(str(error).split())
            raise SurefootError(f"recording {self.label!r}: its model does not compile: {reason}") from error
        have = (model.nq, model.nv, model.nu)
        want = (self.qpos.shape[1], self.qvel.shape[1], self.force.shape[1])
        if have != want:
            raise SurefootError(f"recording {self.label!r}: its model has nq, nv, nu {have}, its states {want}")
        if mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_BODY, self.base) < 0:
            raise SurefootError(f"recording {self.label!r}: its model has no body {self.base!r}")
        resize(self, model)
        return model

    def save(self, path: str | Path) -> None:
        """Write one compressed file, whole or not at all.

        Raises `SurefootError` when the name does not end in `.recording.npz` or the disk refuses.
        """
        save_worlds(path, [self])

    def _repr_html_(self) -> str:
        from .notebook import recording_html

        return recording_html(self)

    @classmethod
    def load(cls, path: str | Path) -> "Recording":
        """The one world of a file. Raises `SurefootError` when it is missing, damaged, not finite, or has several worlds."""
        file = RecordingFile(path)
        if file.header.worlds > 1:
            raise SurefootError(f"{str(path)!r} holds {file.header.worlds} worlds: expected one")
        return read_world(file)


def check_suffix(path: str | Path) -> Path:
    """The path; raises `SurefootError` for a name that is no recording's: asked before the work, not after it."""
    path = Path(path)
    if not path.name.endswith(SUFFIX):
        raise SurefootError(f"cannot save a recording as {str(path)!r}: expected a name that ends in {SUFFIX}")
    return path


def save_worlds(path: str | Path, recordings: Sequence[Recording]) -> None:
    """Write recordings of one robot and task, of any lengths, as the worlds of one file. Raises as `Recording.save`."""
    path = check_suffix(path)
    with replacing(path) as temporary, open(temporary, "wb") as file:
        _write(file, recordings)


def _write(file: BinaryIO, recordings: Sequence[Recording]) -> None:
    first, longest = recordings[0], max(map(len, recordings))
    names = sorted({name for r in recordings for _, now in ((0, r.parameters), *r.changes) for name in now})
    header = Header(
        **{name: getattr(first, name) for name in (*_SAME, *_NAMES)},
        worlds=len(recordings),
        floats={name: len(first.terms) if name == "terms" else _width(getattr(first, name)) for name in FLOATS},
        flags={name: _width(getattr(first, name)) for name in FLAGS},
        term_names=tuple(first.terms),
        parameter_names=tuple(names),
        nominal=(None,) * len(names),  # what is not named below is nominal
        options=dict(first.options),
        controller=dict(first.controller),
    )
    writer = ChunkWriter(file, header, first.model)
    try:
        terms = [np.stack([np.zeros(len(r)), *r.terms.values()], axis=1)[:, 1:] for r in recordings]
        now = [{0: r.parameters, **dict(r.changes)} for r in recordings]
        parameters = np.full((len(recordings), len(names)), np.nan)
        for t in range(longest):
            at = [min(t, len(r) - 1) for r in recordings]
            rows = {
                name: np.stack([getattr(r, name)[i] for r, i in zip(recordings, at, strict=True)]) for name in _ARRAYS
            }
            rows["terms"] = np.stack([values[i] for values, i in zip(terms, at, strict=True)])
            rows["done"][[t >= len(r) for r in recordings]] = ABSENT
            for w, changes in enumerate(now):
                if t in changes:
                    parameters[w] = [changes[t].get(name, np.nan) for name in names]
            writer.append(rows, parameters)
        writer.close()
    finally:
        writer.drop()


def _width(array: np.ndarray) -> int:
    return 1 if array.ndim == 1 else array.shape[1]


def read_world(file: RecordingFile, world: int = 0, start: int = 0, stop: int | None = None) -> Recording:
    """Steps `start` to `stop` of one world of a file, of which no more than that is held.

    Raises `SurefootError` where it is not finite or damaged, or there is no such world or step.
    """
    with file.refusing():
        return Recording(**_content(file, world, start, stop))


def read_unchecked(file: RecordingFile, world: int) -> tuple[Recording, dict[str, Any]]:
    """A world of a file with zeros for whatever is not finite, and its fields by name as they are in the file.

    For screening, which finds what is not finite. Raises `SurefootError` as `read_world` does for everything else.
    """
    with file.refusing():
        raw = _content(file, world, 0, None)
        zeros = {name: _finite(value) for name, value in raw.items() if isinstance(value, np.ndarray)}
        terms = {name: _finite(value) for name, value in raw["terms"].items()}
        recording = Recording(**{**raw, **zeros, "terms": terms})
        return recording, {**vars(recording), **{name: raw[name] for name in zeros}}


def _finite(values: np.ndarray) -> np.ndarray:
    return np.nan_to_num(values, posinf=0.0, neginf=0.0)


def _content(file: RecordingFile, world: int, start: int, stop: int | None) -> dict[str, Any]:
    """The arguments of a `Recording`."""
    header, stop = file.header, file.steps if stop is None else min(stop, file.steps)
    if not (0 <= world < header.worlds and 0 <= start < stop):
        raise SurefootError(
            f"world {world}, steps {start} to {stop}: {file.name!r} has {header.worlds} worlds of {file.steps} steps"
        )
    parts: list[dict[str, np.ndarray]] = []
    changes: dict[int, dict[str, float]] = {}
    before: np.ndarray | None = None
    for i, first in enumerate(file.starts):
        if first >= stop or (i + 1 < len(file.starts) and file.starts[i + 1] <= start):
            continue
        kept = slice(max(start - first, 0), stop - first)
        parts.append({name: values[kept, 0] for name, values in file.chunk(i, world=world).items()})
        at, values = file.changes(i)
        for row, now in ((max(int(t) + first, start), v) for (t, w), v in zip(at, values, strict=True) if w == world):
            if row < stop and (row == start or before is None or not np.array_equal(now, before, equal_nan=True)):
                changes[row - start] = _parameters(header, now)
                before = now
    arrays = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    there = arrays["done"][:, 0] != ABSENT  # a world is absent from some step on
    arrays = {name: values[there] for name, values in arrays.items()}
    terms, parameters = arrays.pop("terms"), changes.pop(0, {})
    arrays |= {name: arrays[name][:, 0] for name in ("reward", "done")}
    return {
        **{name: getattr(header, name) for name in (*_SAME, *_NAMES, "options", "controller")},
        **arrays,
        "label": header.label if header.worlds == 1 else f"{header.label} {world}",
        "model": file.model,
        "terms": {n: np.ascontiguousarray(terms[:, i]) for i, n in enumerate(header.term_names)},
        "parameters": parameters,
        "changes": [(row, now) for row, now in changes.items() if row < there.sum()],
    }


def _parameters(header: Header, values: np.ndarray) -> dict[str, float]:
    """Those that differ from nominal."""
    rows = zip(header.parameter_names, values.tolist(), header.nominal, strict=True)
    return {name: value for name, value, nominal in rows if np.isfinite(value) and value != nominal}


def load_many(path: str | Path, start: float = 0.0, seconds: float | None = None) -> list[Recording]:
    """The recordings of a file or of a folder (not of its subfolders), "before" first, then by file name and world.

    From second `start` on, `seconds` of them (None: `SHOWN_SECONDS` at most), of which no more is read. Of a file with many
    worlds the first `SHOWN`. What is left out is in their `notes`, and a `RecordingWarning` says it. Raises `SurefootError`
    when there is none or one cannot be read.
    """
    path = Path(path)
    if not path.is_dir():
        return _shown(path, start, seconds)
    found = sorted(p for p in path.iterdir() if p.name.endswith(SUFFIX) and not p.name.startswith("."))
    if not found:
        raise SurefootError(f"no recording in folder {str(path)!r}: expected files named *{SUFFIX}")
    loaded = _joined(_shown(file, start, seconds) for file in found)
    return sorted(loaded, key=lambda recording: recording.label.partition(" ")[0] != "before")


def _shown(path: Path, start: float, seconds: float | None) -> list[Recording]:
    file = RecordingFile(path)
    worlds, dt, notes = file.header.worlds, file.header.dt, []
    first = round(start / dt)
    if first >= file.steps:
        raise SurefootError(f"start {start:g} s: {str(path)!r} ends at {file.seconds:g} s")
    stop = min(file.steps, first + max(1, round((SHOWN_SECONDS if seconds is None else seconds) / dt)))
    if not file.whole:  # of which the file itself has warned
        notes.append(f"the file breaks off: this is all up to its last whole chunk, {file.seconds:.1f} s")
    if worlds > SHOWN:
        notes.append(f"{worlds} worlds were recorded: the first {SHOWN} are shown")
        warnings.warn(f"{str(path)!r} holds {worlds} worlds: the first {SHOWN} are shown", RecordingWarning)
    if seconds is None and stop < file.steps:
        reason = f"{SHOWN_SECONDS:g} s of {file.seconds:.0f} s are shown: --start and --seconds choose others"
        notes.append(reason)
        warnings.warn(f"{str(path)!r}: {reason}", RecordingWarning)
    elif first or stop < file.steps:
        notes.append(f"seconds {first * dt:g} to {stop * dt:g} of {file.seconds:g}")
    return [read_shown(file, world, first, stop, notes) for world in range(min(worlds, SHOWN))]


def read_shown(
    file: RecordingFile, world: int, start: int = 0, stop: int | None = None, notes: Sequence[str] = ()
) -> Recording:
    """As `read_world`, and where the simulation diverged, what there is before that, with a `RecordingWarning`.

    Raises `SurefootError` where not one step is finite, too.
    """
    with file.refusing():
        content = _content(file, world, start, stop)
        row, name = _divergence(content)
        if name is None:
            return Recording(**content, notes=tuple(notes))
        at = row * file.header.dt
        reason = f"diverged at {at:.2f} s, where {name} is not a number that a robot can have"
        if row == 0:
            raise SurefootError(f"{content['label']!r} {reason}: there is nothing before it to show")
        warnings.warn(f"{file.name!r}: {content['label']!r} {reason}; it is shown up to there", RecordingWarning)
        for key, value in content.items():
            if isinstance(value, np.ndarray):
                content[key] = value[:row]
        content["terms"] = {key: value[:row] for key, value in content["terms"].items()}
        content["changes"] = [(t, now) for t, now in content["changes"] if t < row]
        return Recording(**content, diverged=at, notes=(*notes, reason))


def _divergence(content: Mapping[str, Any]) -> tuple[int, str | None]:
    """The first row that is not finite or beyond `LARGEST`, and the name of the array; (T, None) where all are well."""
    row, found = len(content["reward"]), None
    arrays = {key: value for key, value in content.items() if isinstance(value, np.ndarray)} | dict(content["terms"])
    for name, values in arrays.items():
        good = np.abs(values) < LARGEST if name in ("qpos", "qvel") else np.isfinite(values)
        bad = np.flatnonzero(~good.reshape(len(values), -1).all(axis=1))
        if len(bad) and bad[0] < row:
            row, found = int(bad[0]), name
    return row, found


def _joined(lists: Iterable[list[Recording]]) -> list[Recording]:
    return [recording for found in lists for recording in found]
