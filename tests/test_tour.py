"""The tour in docs/: its cells run in order, and what is kept of their output, pages included, is no giant."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parent.parent / "docs"


def test_the_tour_as_committed_is_no_giant_and_was_run_in_order() -> None:
    file = DOCS / "tour.ipynb"
    assert file.stat().st_size < 2_000_000
    cells = [cell for cell in json.loads(file.read_text("utf-8"))["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    assert not [out for cell in cells for out in cell["outputs"] if out["output_type"] == "error"]


@pytest.mark.slow
@pytest.mark.render
def test_the_tour_runs(tmp_path: Path) -> None:
    command = [sys.executable, str(DOCS / "execute.py"), str(DOCS / "tour.ipynb")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=600)
    assert done.returncode == 0, done.stderr


def test_a_cell_that_fails_is_an_error(tmp_path: Path) -> None:
    cell = {"cell_type": "code", "source": ["1 / 0"], "outputs": [], "execution_count": None}
    (tmp_path / "bad.ipynb").write_text(json.dumps({"cells": [cell]}))
    command = [sys.executable, str(DOCS / "execute.py"), str(tmp_path / "bad.ipynb")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr
