"""docs/tasks.md: its worked example is short, and is a task."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from surefoot.envs.batch_env import BatchEnv
from surefoot.envs.tasks import CONFIGS, TASKS
from surefoot.envs.variation import Task
from surefoot.report import catalogue

PAGE = Path(__file__).parents[2] / "docs" / "tasks.md"


@pytest.fixture
def face() -> Iterator[None]:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(code.splitlines()) < 60
    exec(compile(code, str(PAGE), "exec"), {"__name__": "worked_example"})
    yield
    del TASKS["face"], CONFIGS["face"]


def test_the_worked_example_is_a_task(face: None) -> None:
    env = BatchEnv("hexapod", "face", 8, seed=0, threads=1, tasks=Task(goal={"heading": 0.4}))
    env.reset()
    for _ in range(200):
        env.step(np.zeros((8, 18)))
    assert env.task.terms[-1] == "facing"
    assert not env.fell.any()
    assert env.task.succeeded.mean() > 0.5, "its reference gait turns it"
    index, sign = env.task.mirror()
    assert np.allclose(sign * (sign * env.observation[0][index])[index], env.observation[0])


def test_every_task_is_in_the_page_and_every_reward_in_the_list() -> None:
    page = PAGE.read_text()
    ours = ("velocity", "direction", "goal-velocity", "goal-position", "stand-up", "jump", "reach", "track", "push")
    assert all(f"| `{task}` |" in page for task in ours)
    assert set(ours) <= set(TASKS)
    columns, rows = catalogue("rewards")
    found = {row[0]: dict(zip(columns, row, strict=True)) for row in rows}
    assert "velocity" in found["tracking"]["tasks"]
    assert "push" in found["closeness"]["tasks"]
    assert "velocity" not in found["closeness"]["tasks"]
    assert found["foot_slip"]["what it is"].startswith("Squared horizontal speed")
    assert all(row[1] for row in rows)
