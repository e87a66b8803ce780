"""The file of a recording: control steps of N worlds in chunks, written while they happen, read chunk by chunk.

It is a zip of `.npy` arrays without objects, so `np.load` opens it, too:

    header                  JSON text as bytes: `Header`
    model                   bytes of `pack_model`
    000000000/qpos.low      (3, N, k, t) uint8, the lower bytes of float32 numbers: noise where numbers move
    000000000/qpos.high     (1, N, k, t) uint8, the highest byte, which is nearly the same for many steps
    000000000/done          (N, k, t) uint8
    000000000/at, values    (E, 2) row and world, and (E, P) parameters from there on; row 0 names every world

The folder is the chunk's first step. Only what gets smaller is deflated: of 256 quadrupeds deflating everything takes 6 times
as long for a tenth less. np.moveaxis(np.concatenate([low, high]), 0, -1).copy().view("<f4")[..., 0] is qpos, (N, k, t).

A zip's directory is at its end. Where that is missing, the file was cut off: it is read to its last whole chunk.
"""

import io
import json
import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..robots.errors import SurefootError
from ..robots.files import parse_json

SUFFIX = ".recording.npz"
FORMAT, VERSION = "surefoot-recording", 2
CHUNK_BYTES, CHUNK_STEPS = 1 << 24, 256  # at most; what a crash loses, and with it the memory that writing takes
PAYS = 0.7  # compressed size of a sample below which deflating is worth its time
FLOATS = (
    "qpos", "qvel", "action", "reward", "terms", "command", "actual", "force", "hidden", "sensor", "latent", "inferred",
    "inferred_std", "mocap",
)  # fmt: skip
ADDED = {"mocap"}  # which older files of this version lack
FLAGS = ("contact", "done")
RUNNING, TERMINATED, TRUNCATED, ABSENT = 0, 1, 2, 3  # `done`; absent: this world was not recorded in that step
_EXPECTED = f"expected a Surefoot recording (*{SUFFIX}, version {VERSION})"
_DAMAGE = (
    OSError, ValueError, LookupError, TypeError, EOFError, NotImplementedError, MemoryError, OverflowError, struct.error,
    zlib.error, zipfile.BadZipFile,
)  # fmt: skip
_LOCAL = struct.Struct("<4s5H3I2H")  # a zip's local file header


class RecordingWarning(UserWarning):
    """A recording was read, but not all of it."""


class Header(BaseModel):
    """What is the same for all steps and worlds.

    Attributes:
        robot, task, label, base, dt, options: as in `Recording`. seed: of the start; None: not known.
        worlds: N. floats, flags: numbers in a row of each field; those with 0 are left out of the chunks.
        *_names: of the columns. nominal: of the parameters, None where it is not known.
        controller: what drove the robots: configuration (`config`), steps of training, card, as far as there is one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=True)

    format: str = FORMAT
    version: int = VERSION
    robot: str
    task: str
    label: str
    base: str
    dt: float = Field(ge=1e-6, le=1e3)
    worlds: int = Field(ge=1)
    floats: dict[str, int]
    flags: dict[str, int]
    command_names: tuple[str, ...] = ()
    foot_names: tuple[str, ...] = ()
    term_names: tuple[str, ...] = ()
    sensor_names: tuple[str, ...] = ()
    inferred_names: tuple[str, ...] = ()
    parameter_names: tuple[str, ...] = ()
    nominal: tuple[float | None, ...] = ()
    options: dict[str, Any] = {}
    controller: dict[str, Any] = {}
    seed: int | None = None

    @model_validator(mode="after")
    def _names_fit(self) -> "Header":
        if not set(FLOATS) - ADDED <= set(self.floats) <= set(FLOATS) or set(self.flags) != set(FLAGS):
            raise ValueError(f"fields {sorted(self.floats | self.flags)}")
        columns = {"command": self.command_names, "contact": self.foot_names, "terms": self.term_names}
        columns |= {"sensor": self.sensor_names, "inferred": self.inferred_names}
        for name, names in columns.items():
            if len(names) != (self.floats | self.flags)[name]:
                raise ValueError(f"{len(names)} names of {name}")
        if len(self.nominal) != len(self.parameter_names):
            raise ValueError(f"{len(self.nominal)} nominal values of {len(self.parameter_names)} parameters")
        config, timesteps = self.controller.get("config", {}), self.controller.get("timesteps", 0)
        if not isinstance(config, dict) or not isinstance(timesteps, int):
            raise ValueError("a controller whose configuration or number of steps is none")
        return self


class ChunkWriter:
    """Takes one control step at a time and writes whole chunks, in a thread of its own while the next one fills.

    Memory is two chunks, however long it goes on. Give `append` rows, then `close` where all is well, and `drop` in any case.
    """

    def __init__(self, file: BinaryIO, header: Header, model: bytes):
        self.header = header
        floats = {name: k for name, k in header.floats.items() if k}
        flags = {name: k for name, k in header.flags.items() if k}
        row = header.worlds * (4 * sum(floats.values()) + sum(flags.values()))
        self.capacity = int(np.clip(CHUNK_BYTES // max(row, 1), 1, CHUNK_STEPS))
        shape = (self.capacity, header.worlds)
        self._buffers, self._spare = (
            {n: np.empty((*shape, k), np.float32) for n, k in floats.items()}
            | {n: np.empty((*shape, k), np.uint8) for n, k in flags.items()}
            for _ in range(2)
        )
        self._rows, self.steps = 0, 0  # in this chunk, in all
        self._changes: list[tuple[int, np.ndarray, np.ndarray]] = []
        self._parameters = np.zeros((header.worlds, len(header.parameter_names)))
        self._file, self._zip = file, zipfile.ZipFile(file, "w")
        self._thread = ThreadPoolExecutor(1, "recording")
        self._written: Future[None] | None = None
        self._put("header", np.frombuffer(json.dumps(header.model_dump()).encode(), np.uint8), True)
        self._put("model", np.frombuffer(model, np.uint8), True)

    def append(self, rows: Mapping[str, np.ndarray], parameters: np.ndarray) -> None:
        """One control step: of each field (N, k), or (N,) where k is 1, and the parameters (N, P) that were in force."""
        t = self._rows
        for name, buffer in self._buffers.items():
            buffer[t] = np.reshape(rows[name], buffer.shape[1:])
        if t == 0:
            changed = np.arange(self.header.worlds)
        elif np.array_equal(parameters, self._parameters):  # nearly always, and quickly seen
            changed = np.empty(0, np.int64)
        else:
            same = (parameters == self._parameters) | (np.isnan(parameters) & np.isnan(self._parameters))
            changed = np.flatnonzero(~same.all(axis=1))
        if len(changed):
            self._parameters[changed] = parameters[changed]
            self._changes.append((t, changed, self._parameters[changed]))
        self._rows += 1
        self.steps += 1
        if self._rows == self.capacity:
            self._hand_over()

    def close(self) -> None:
        """Write what is left, and the zip's directory. Raises `OSError` where the disk refuses."""
        if self._rows:
            self._hand_over()
        self._wait()
        self._zip.close()
        self._file.flush()

    def drop(self) -> None:
        """Let go of the file and the thread, whatever has been written."""
        self._thread.shutdown()
        self._zip.fp = None  # else it would write its directory when it is collected, into a file that may be closed

    def _hand_over(self) -> None:
        self._wait()
        start, rows, changes = self.steps - self._rows, self._rows, self._changes
        self._written = self._thread.submit(self._write, start, rows, self._buffers, changes)
        self._buffers, self._spare = self._spare, self._buffers
        self._rows, self._changes = 0, []

    def _wait(self) -> None:
        if self._written is not None:
            self._written.result()

    def _write(
        self,
        start: int,
        rows: int,
        buffers: Mapping[str, np.ndarray],
        changes: list[tuple[int, np.ndarray, np.ndarray]],
    ) -> None:
        for name, buffer in buffers.items():
            path = f"{start:09d}/{name}"
            if buffer.dtype == np.uint8:
                self._put(path, buffer[:rows].transpose(1, 2, 0), True)
                continue
            numbers = buffer[:rows].astype("<f4", copy=False)
            planes = _planes(numbers)
            sample = planes[2].reshape(-1)[:4096]
            self._put(f"{path}.low", planes[:3], len(zlib.compress(sample.tobytes(), 1)) < PAYS * len(sample))
            self._put(f"{path}.high", planes[3:], True)
        at = np.concatenate([np.stack([np.full(len(ids), t), ids], axis=1) for t, ids, _ in changes])
        self._put(f"{start:09d}/at", at.astype("<i4"), True)
        self._put(f"{start:09d}/values", np.concatenate([values for *_, values in changes]).astype("<f8"), True)
        self._file.flush()  # so that a crash loses the chunk that is being filled, and no more

    def _put(self, name: str, array: np.ndarray, deflate: bool) -> None:
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, array, allow_pickle=False)
        kind = zipfile.ZIP_DEFLATED if deflate else zipfile.ZIP_STORED
        # A ZipInfo has a fixed date: the same steps are the same bytes.
        self._zip.writestr(zipfile.ZipInfo(f"{name}.npy"), buffer.getvalue(), kind, compresslevel=1)


def _planes(numbers: np.ndarray) -> np.ndarray:
    """The four bytes of float32 numbers (rows, worlds, k), lowest first, each over time: (4, worlds, k, rows) uint8."""
    rows = len(numbers)
    series = np.ascontiguousarray(numbers.reshape(rows, -1).T).view(np.uint32).reshape(*numbers.shape[1:], rows)
    planes = np.empty((4, *series.shape), np.uint8)
    for i, plane in enumerate(planes):  # four times as fast as one transposition of single bytes
        np.right_shift(series, 8 * i, out=plane, casting="unsafe")
    return planes


class RecordingFile:
    """A recording on disk, or its bytes; what is asked for is read then, and nothing is kept.

    Attributes:
        header: what is the same throughout. steps: T. starts: first step of each chunk.
        whole: False where the file breaks off; then it ends with its last whole chunk, and a `RecordingWarning` said so.
    """

    def __init__(self, source: str | Path | bytes):
        """Raises `SurefootError` when there is no file, or it is no recording, of another version or without a chunk."""
        self._source, self.name = source, "recording" if isinstance(source, bytes) else str(source)
        with self.refusing(), self._open() as file:
            members, self.whole = _directory(file), True
            if not any(member.filename == "header.npy" for member in members):
                members, self.whole = list(_members(file)), False
            self._members = {member.filename.removesuffix(".npy"): member for member in members}
            self.header = self._header(file)
            named = {int(folder) for name in self._members for folder, slash, _ in [name.partition("/")] if slash}
            self.starts = sorted(named)
            self.steps = self._end(file)
        if not self.whole:
            warnings.warn(
                f"{self.name!r} breaks off: read to its last whole chunk, {self.seconds:.1f} s", RecordingWarning
            )

    @property
    def seconds(self) -> float:
        return self.steps * self.header.dt

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return len(self._source) if isinstance(self._source, bytes) else Path(self._source).stat().st_size

    @property
    def model(self) -> bytes:
        """The robot and its ground, for `unpack_model`."""
        if "model" not in self._members:
            raise SurefootError(f"{self.name!r} has no model of its robot, so it cannot be shown: {_EXPECTED}")
        with self.refusing(), self._open() as file:
            return self._array(file, "model").tobytes()

    def chunk(
        self, index: int, fields: tuple[str, ...] | None = None, world: int | None = None
    ) -> dict[str, np.ndarray]:
        """Fields of the chunk by name, (t, N, k), or of one world (t, 1, k); None: all. Fields with k = 0 are there, too."""
        header, start = self.header, self.starts[index]
        worlds = slice(None) if world is None else slice(world, world + 1)
        found = {}
        with self.refusing(), self._open() as file:
            for name in (*header.floats, *header.flags) if fields is None else fields:
                path, size = f"{start:09d}/{name}", header.floats.get(name, header.flags.get(name, 0))
                rows = ([*self.starts, self.steps][index + 1]) - start
                if size == 0:
                    rest = np.zeros((header.worlds, 0, rows), np.uint8 if name in header.flags else np.float32)
                elif name in header.flags:
                    rest = self._array(file, path)
                else:
                    parts = [self._array(file, f"{path}.{part}")[:, worlds] for part in ("low", "high")]
                    planes = np.ascontiguousarray(np.moveaxis(np.concatenate(parts), 0, -1))
                    rest = planes.view("<f4")[..., 0].astype(np.float32, copy=False)
                if name in header.flags or size == 0:
                    rest = rest[worlds]
                if rest.shape != (header.worlds if world is None else 1, size, rows):
                    raise ValueError(f"{path} has shape {rest.shape}")
                found[name] = np.moveaxis(rest, -1, 0)
        return found

    def changes(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """(E, 2) row in the chunk and world, and (E, P) parameters from there on; first those of every world at row 0."""
        with self.refusing(), self._open() as file:
            at, values = (self._array(file, f"{self.starts[index]:09d}/{name}") for name in ("at", "values"))
            if at.shape != (len(values), 2) or values.shape[1:] != (len(self.header.parameter_names),):
                raise ValueError(f"changes {at.shape} of parameters {values.shape}")
            return at, values

    def _header(self, file: BinaryIO) -> Header:
        content = parse_json(self._array(file, "header").tobytes())
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise SurefootError(f"{self.name!r} is another kind of file: {_EXPECTED}")
        if content.get("version") != VERSION:
            raise SurefootError(f"{self.name!r} has version {content.get('version')!r}: {_EXPECTED}")
        return Header.model_validate(content)

    def _end(self, file: BinaryIO) -> int:
        """T; drops chunks at the end of a file that breaks off until one is whole."""
        while self.starts:
            start = self.starts[-1]
            try:
                for name in self._chunk_members():
                    self._array(file, f"{start:09d}/{name}", check=not self.whole)
                return start + int(self._array(file, f"{start:09d}/done").shape[-1])
            except (KeyError, ValueError, EOFError, zlib.error):
                if self.whole:
                    raise
                self.starts.pop()
        raise SurefootError(f"{self.name!r} is damaged, it breaks off before its first whole chunk: {_EXPECTED}")

    def _chunk_members(self) -> list[str]:
        floats = [f"{name}.{part}" for name, k in self.header.floats.items() if k for part in ("low", "high")]
        return [*floats, *(name for name, k in self.header.flags.items() if k), "at", "values"]

    def _array(self, file: BinaryIO, name: str, check: bool = True) -> np.ndarray:
        """One member, nothing unpickled; without `check` only that it is there."""
        member = self._members[name]
        if not check:
            return np.zeros(0)
        file.seek(member.header_offset)
        *_, name_length, extra_length = _LOCAL.unpack(file.read(_LOCAL.size))
        file.seek(name_length + extra_length, io.SEEK_CUR)
        content = file.read(member.compress_size)
        if member.compress_type == zipfile.ZIP_DEFLATED:
            content = zlib.decompressobj(-15).decompress(content, member.file_size)
        if len(content) != member.file_size or zlib.crc32(content) != member.CRC:
            raise ValueError(f"{name} is damaged")
        return np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)

    def _open(self) -> BinaryIO:
        return io.BytesIO(self._source) if isinstance(self._source, bytes) else open(self._source, "rb")

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Say in one line why the file is not read."""
        try:
            yield
        except SurefootError as error:
            if self.name in str(error):
                raise
            raise SurefootError(f"{self.name!r} is damaged: {error}") from error
        except FileNotFoundError:
            raise SurefootError(f"no recording at {self.name!r}: {_EXPECTED}") from None
        except _DAMAGE as error:
            path = Path("" if isinstance(self._source, bytes) else self._source)
            reason = "empty" if path.is_file() and path.stat().st_size == 0 else "damaged or not a recording"
            raise SurefootError(f"{self.name!r} is {reason}: {_EXPECTED}") from error


def _directory(file: BinaryIO) -> list[zipfile.ZipInfo]:
    """The members by a zip's directory: none where it has none, or only that of the model, which is a zip, too."""
    try:
        return zipfile.ZipFile(file).infolist()
    except zipfile.BadZipFile:
        return []


def _members(file: BinaryIO) -> Iterator[zipfile.ZipInfo]:
    """The members of a zip without a directory, up to where it breaks off."""
    end, at = file.seek(0, io.SEEK_END), 0
    while True:
        file.seek(at)
        head = file.read(_LOCAL.size)
        if len(head) < _LOCAL.size:
            return
        magic, _, _, kind, _, _, crc, packed, size, name_length, extra_length = _LOCAL.unpack(head)
        start = at + _LOCAL.size + name_length + extra_length
        if magic != b"PK\x03\x04" or start + packed > end:
            return
        member = zipfile.ZipInfo(file.read(name_length).decode(errors="replace"))
        member.header_offset, member.compress_type, member.CRC = at, kind, crc
        member.compress_size, member.file_size = packed, size
        yield member
        at = start + packed
