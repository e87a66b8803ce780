"""The episodes that comparisons are made of, a file a controller: seeds of another day can join them; for `adaptation.py`."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import numpy as np

from surefoot.controllers.evaluation import Evaluation
from surefoot.controllers.safety import Safety
from surefoot.controllers.splits import SplitResult
from surefoot.envs.suites import TaskSuite

KEPT = ("returns", "lengths", "fell", "tracked", "robot_seconds", "by_episode", "by_step", "succeeded")


def keep(file: Path, results: Mapping[str, SplitResult]) -> None:
    """Write what a controller did on each split."""
    arrays = {}
    for split, result in results.items():
        evaluation = result.evaluation
        assert evaluation.safety is not None
        arrays |= {f"{split}/{name}": value for name in KEPT if (value := getattr(evaluation, name)) is not None}
        arrays |= {f"{split}/safety/{f.name}": getattr(evaluation.safety, f.name) for f in fields(Safety)}
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(file, **{name: smaller(np.asarray(value)) for name, value in arrays.items()})


def read(file: Path, suite: TaskSuite) -> dict[str, SplitResult]:
    """What `keep` wrote, by split."""
    found = {}
    with np.load(file, allow_pickle=False) as arrays:
        for split in dict.fromkeys(name.split("/")[0] for name in arrays.files):
            safety = Safety(*(arrays[f"{split}/safety/{f.name}"] for f in fields(Safety)))
            values = {name: arrays[f"{split}/{name}"] for name in KEPT if f"{split}/{name}" in arrays.files}
            values["robot_seconds"] = float(values["robot_seconds"])
            found[split] = SplitResult(
                str(suite), split, tuple(suite.tasks(split)), Evaluation(**values, safety=safety)
            )
    return found


def smaller(array: np.ndarray) -> np.ndarray:
    """In half of the bytes, which is more than any figure shows."""
    return array.astype(np.float32) if array.dtype == np.float64 and array.ndim else array
