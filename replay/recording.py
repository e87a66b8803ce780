"""What happened to one world: enough to show it again without the environment or the controller."""

import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import mujoco
import numpy as np

from ..robots.errors import SurefootError
from ..robots.files import replacing
from .model import pack_model, unpack_model

SUFFIX = ".recording.npz"
FORMAT = "surefoot-recording"
VERSION = 1
RUNNING, TERMINATED, TRUNCATED = 0, 1, 2
_ARRAYS = ("qpos", "qvel", "action", "reward", "command", "actual", "contact", "force", "done", "hidden")
_EXPECTED = f"expected a Surefoot recording (*{SUFFIX}, version {VERSION})"
_TYPES = {"contact": np.bool_, "done": np.uint8}  # the others are float32

__all__ = ["FORMAT", "RUNNING", "SUFFIX", "TERMINATED", "TRUNCATED", "VERSION", "Recording", "load_many", "pack_model"]


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
        hidden (T, H): what else decided the step, as the task's `hidden()` says; H is 0 in older files.
        options: of the task, those that differ from its defaults.

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
    hidden: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        set_ = object.__setattr__  # the dataclass is frozen
        try:
            if not np.size(self.hidden):
                set_(self, "hidden", np.zeros((np.size(self.reward), 0)))
            for name in _ARRAYS:
                set_(self, name, np.asarray(getattr(self, name), _TYPES.get(name, np.float32)))
            set_(self, "terms", {str(k): np.asarray(v, np.float32) for k, v in self.terms.items()})
            set_(self, "parameters", {str(k): float(v) for k, v in self.parameters.items()})
            set_(self, "options", dict(self.options))
            set_(self, "dt", float(self.dt))
        except (TypeError, ValueError) as error:
            raise SurefootError(f"recording {self.label!r}: {error}") from error
        set_(self, "command_names", tuple(self.command_names))
        set_(self, "foot_names", tuple(self.foot_names))
        self._check()

    def _check(self) -> None:
        if not (np.isfinite(self.dt) and self.dt > 0):
            raise SurefootError(f"recording {self.label!r}: dt is {self.dt}, expected seconds > 0")
        if self.reward.ndim != 1 or len(self.reward) == 0:
            raise SurefootError(
                f"recording {self.label!r}: reward has shape {self.reward.shape}, expected (T,) with T ≥ 1"
            )
        steps, c, f = len(self.reward), len(self.command_names), len(self.foot_names)
        nu = self.action.shape[-1] if self.action.ndim == 2 else -1
        expected: dict[str, tuple[int, ...]] = {
            **dict.fromkeys(("qpos", "qvel", "action", "hidden"), (steps, -1)),
            "force": (steps, nu),
            **dict.fromkeys(("command", "actual"), (steps, c)),
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
        return replace(self, **arrays, terms={name: values[keep] for name, values in self.terms.items()})

    def spec(self) -> mujoco.MjSpec:
        """A fresh spec of the world, which the caller may edit."""
        return unpack_model(self.model)

    def compile(self, spec: mujoco.MjSpec | None = None) -> mujoco.MjModel:
        """The world's model, or that of an edited `spec`.

        Raises `SurefootError` when it does not compile or does not fit the recorded states.
        """
        try:
            model = (spec or self.spec()).compile()
        except ValueError as error:
            reason = " ".join(str(error).split())
            raise SurefootError(f"recording {self.label!r}: its model does not compile: {reason}") from error
        have = (model.nq, model.nv, model.nu)
        want = (self.qpos.shape[1], self.qvel.shape[1], self.force.shape[1])
        if have != want:
            raise SurefootError(f"recording {self.label!r}: its model has nq, nv, nu {have}, its states {want}")
        if mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_BODY, self.base) < 0:
            raise SurefootError(f"recording {self.label!r}: its model has no body {self.base!r}")
        return model

    def save(self, path: str | Path) -> None:
        """Write one compressed file, whole or not at all.

        Raises `SurefootError` when the name does not end in `.recording.npz` or the disk refuses.
        """
        path = Path(path)
        if not path.name.endswith(SUFFIX):
            raise SurefootError(f"cannot save a recording as {str(path)!r}: expected a name that ends in {SUFFIX}")
        header = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in (*_ARRAYS, "terms", "model")}
        header |= {"format": FORMAT, "version": VERSION, "terms": list(self.terms)}
        terms = np.stack(list(self.terms.values()), axis=1) if self.terms else np.zeros((len(self), 0), np.float32)
        arrays = {name: getattr(self, name) for name in _ARRAYS} | {"terms": terms}
        with replacing(path) as temporary, open(temporary, "wb") as file:
            np.savez_compressed(
                file, header=np.array(json.dumps(header)), model=np.frombuffer(self.model, np.uint8), **arrays
            )

    @classmethod
    def load(cls, path: str | Path) -> "Recording":
        """Read a file of `save`. Raises `SurefootError` when it is missing, damaged, not finite or of another version."""
        with _refusing(path):
            return cls(**_content(Path(path)))


def read_unchecked(path: str | Path) -> tuple[Recording, dict[str, Any]]:
    """The recording in a file with zeros for whatever is not finite, and its fields by name as they are in the file.

    For screening, which finds what is not finite. Raises `SurefootError` as `Recording.load` does for everything else.
    """
    with _refusing(path):
        raw = _content(Path(path))
        numbers = {
            name: np.nan_to_num(value, posinf=0.0, neginf=0.0)
            for name, value in raw.items()
            if isinstance(value, np.ndarray)
        }
        terms = {name: np.nan_to_num(value, posinf=0.0, neginf=0.0) for name, value in raw["terms"].items()}
        recording = Recording(**{**raw, **numbers, "terms": terms})
        return recording, {**vars(recording), **{name: raw[name] for name in numbers}}


@contextmanager
def _refusing(path: str | Path) -> Iterator[None]:
    """Say in one line why the file is not read."""
    path = Path(path)
    try:
        yield
    except SurefootError as error:
        if str(path) in str(error):
            raise
        raise SurefootError(f"{str(path)!r} is damaged: {error}") from error
    except FileNotFoundError:
        raise SurefootError(f"no recording at {str(path)!r}: {_EXPECTED}") from None
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        EOFError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        reason = "empty" if path.is_file() and path.stat().st_size == 0 else "damaged or not a recording"
        raise SurefootError(f"{str(path)!r} is {reason}: {_EXPECTED}") from error


def _content(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = _read(path)
    header: dict[str, Any] = json.loads(str(content.pop("header")))
    if not isinstance(header, dict) or header.pop("format", None) != FORMAT:
        raise SurefootError(f"{str(path)!r} is another kind of file: {_EXPECTED}")
    if (version := header.pop("version", None)) != VERSION:
        raise SurefootError(f"{str(path)!r} has version {version!r}: {_EXPECTED}")
    names, terms = header.pop("terms"), content.pop("terms")
    if terms.ndim != 2 or len(names) != terms.shape[1]:
        raise SurefootError(f"{str(path)!r} is damaged: {len(names)} terms, array {terms.shape}; {_EXPECTED}")
    content["model"] = content["model"].tobytes()
    return {"terms": {n: np.ascontiguousarray(terms[:, i]) for i, n in enumerate(names)}, **content, **header}


def _read(path: Path) -> dict[str, np.ndarray]:
    """All arrays of an npz file, nothing unpickled."""
    with np.load(path, allow_pickle=False) as file:  # a bare .npy has no context manager: AttributeError or TypeError
        return {name: file[name] for name in file.files}


def load_many(path: str | Path) -> list[Recording]:
    """The recordings of a file or of a folder (not of its subfolders), "before" first, then by file name.

    Raises `SurefootError` when there is none or one cannot be read.
    """
    path = Path(path)
    if not path.is_dir():
        return [Recording.load(path)]
    found = sorted(p for p in path.iterdir() if p.name.endswith(SUFFIX) and not p.name.startswith("."))
    if not found:
        raise SurefootError(f"no recording in folder {str(path)!r}: expected files named *{SUFFIX}")
    return sorted((Recording.load(p) for p in found), key=lambda recording: recording.label != "before")
