"""The gait of a recording in numbers: strides, duty factors, symmetry, what moving costs."""

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np

from ..envs.gait import cost_of_transport, duty_factor, positive_work, stride_frequency, symmetry_index
from ..envs.terrain import unwrapped
from .geometry import body_poses
from .recording import Recording


@dataclass(frozen=True)
class RecordedGait:
    """How one world walked.

    Attributes:
        feet: F names, without what they share.
        duty, frequency: of each foot, (F,): duty factor; strides a second (NaN: no stride).
        symmetry: largest symmetry index of the duty factors of a left and a right foot; NaN where no two feet are a pair.
        speed: way of the base over ground by time, m/s. cost: of transport, with positive mechanical work.
    """

    feet: tuple[str, ...]
    duty: np.ndarray
    frequency: np.ndarray
    symmetry: float
    speed: float
    cost: float


def measure(recording: Recording) -> RecordedGait:
    """The gait of a whole recording. Ways end with an episode; robots weigh what their parameters say."""
    model, dt = recording.compile(), recording.dt
    feet = range(len(recording.foot_names))
    duty = np.array([duty_factor(recording.contact[:, i], dt) for i in feet])
    pairs = mirrored(recording.foot_names)
    symmetry = max((float(symmetry_index(duty[a], duty[b])) for a, b in pairs), default=float("nan"))
    base = _way(recording, model)
    way = np.linalg.norm(np.diff(base, axis=0, prepend=base[:1]), axis=1)
    way[np.flatnonzero(np.diff(recording.episode)) + 1] = 0.0  # a restart is no way
    motors = np.flatnonzero(model.actuator_trntype == mujoco.mjtTrn.mjTRN_JOINT)  # tendons and the like are left out
    dofs, gear = model.jnt_dofadr[model.actuator_trnid[motors, 0]], model.actuator_gear[motors, 0]
    energy = positive_work(recording.force[:, motors] * gear, recording.qvel[:, dofs], dt).sum()
    weight = _weights(recording, model)  # N, of each row
    return RecordedGait(
        feet=short_names(recording.foot_names),
        duty=duty,
        frequency=np.array([stride_frequency(recording.contact[:, i], dt) for i in feet]),
        symmetry=symmetry,
        speed=float(way.sum() / (len(recording) * dt)),
        cost=cost_of_transport(float(energy), 1.0, 1.0, float((weight * way).sum())),
    )


def _way(recording: Recording, model: mujoco.MjModel) -> np.ndarray:
    """Where the base was over ground, (T, 2) m; on endless patches of ground as if it had never been put back."""
    base = body_poses(model, recording.qpos)[0][:, model.body(recording.base).id, :2]
    return unwrapped(base) if recording.options.get("terrain") else base


def footfalls(recording: Recording, seconds: float = 4.0) -> dict[str, Any]:
    """What `figures.gait_figure` draws: the `seconds` of one episode, or all of it, in which it came farthest."""
    model = recording.compile()
    base = _way(recording, model)
    steps, best = round(seconds / recording.dt), (-1.0, 0, len(recording))
    for episode in np.unique(recording.episode):
        rows = np.flatnonzero(recording.episode == episode)
        length = min(steps, len(rows))
        gone = np.linalg.norm(base[rows[length - 1 :]] - base[rows[: len(rows) - length + 1]], axis=1)
        best = max(best, (float(gone.max()), int(rows[gone.argmax()]), length))
    _, start, length = best
    return {
        "label": recording.label,
        "feet": short_names(recording.foot_names),
        "contact": recording.contact[start : start + length],
        "dt": recording.dt,
        "start": start * recording.dt,
    }


def gait_table(recordings: Sequence[Recording]) -> dict[str, Any]:
    """One row a recording, as columns and rows of text."""
    rows = []
    for recording in recordings:
        gait = measure(recording)
        each = " · ".join(f"{foot} {duty:.2f}" for foot, duty in zip(gait.feet, gait.duty, strict=True))
        steps = gait.frequency[np.isfinite(gait.frequency)]
        frequency = f"{steps.mean():.2f} Hz" if len(steps) else "-"
        row = [
            recording.label,
            f"{gait.speed:.2f} m/s",
            frequency,
            each or "-",
            _number(gait.symmetry),
            _number(gait.cost),
        ]
        rows.append(row)
    note = (
        "stride: from one touchdown of a foot to its next; duty factor: share of it on the ground; symmetry index: of left and "
        "right duty factors, 0 is even, above 0.1 a limp; cost of transport: positive mechanical work / (weight × way)"
    )
    columns = ["recording", "speed", "strides", "duty factor", "symmetry index", "cost of transport"]
    return {"columns": columns, "rows": rows, "note": note}


def _number(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.2f}"


def mirrored(names: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs (left, right) of feet by their names: "front_left_foot" and "front_right_foot", "FL" and "FR"."""
    place = {name: i for i, name in enumerate(names)}
    pairs = []
    for name, i in place.items():
        other = name.replace("left", "right")
        if other == name:
            other = re.sub(r"(?<![A-Za-z])([FRH])L(?![A-Za-z])", r"\1R", name)
        if other != name and other in place:
            pairs.append((i, place[other]))
    return pairs


def short_names(names: Sequence[str]) -> tuple[str, ...]:
    """Names without the ending that all of them share: front_left_foot and rear_left_foot are front left and rear left."""
    words = [name.split("_") for name in names]
    shared = itertools.takewhile(lambda same: len(set(same)) == 1, zip(*(word[::-1] for word in words), strict=False))
    end = min(len(list(shared)), min(map(len, words), default=1) - 1)
    return tuple(" ".join(word[: len(word) - end]) for word in words)


def _weights(recording: Recording, model: mujoco.MjModel) -> np.ndarray:
    """What the robot weighs at each row, (T,) N: `mass.BODY`, `payload` and `gravity` among its parameters count."""
    weights = np.empty(len(recording))
    for row, parameters in ((0, recording.parameters), *recording.changes):
        weights[row:] = _mass(parameters, model) * parameters.get("gravity", -float(model.opt.gravity[2]))
    return weights


def _mass(parameters: Mapping[str, float], model: mujoco.MjModel) -> float:
    names = [model.body(i).name or f"body{i}" for i in range(model.nbody)]
    factors = [parameters.get(f"mass.{name}", 1.0) for name in names]
    return float(model.body_mass @ factors) + parameters.get("payload", 0.0)
