"""The house rules: floors, what reaches the wheel, a light command line, no unsafe loading, no huge module."""

import ast
import json
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MAX_LINES = 500
HEAVY = [
    "torch", "mujoco", "stable_baselines3", "tensorboard", "imageio_ffmpeg", "onnxruntime", "optuna", "scipy", "matplotlib",
]  # fmt: skip

# A module may import its own package and any lower floor. Both reports, api and demo.py stand between the packages and cli/.
FLOORS = {
    "assets": 0,
    "robots": 1,
    "envs": 2,
    "controllers": 3,
    "replay": 3,
    "report": 4,
    "suite_report": 4,
    "api": 5,
    "demo": 6,
    "cli": 7,
}
PACKAGE_FOLDERS = ("robots", "envs", "controllers", "replay", "api", "cli", "assets")


def modules() -> list[Path]:
    """Every module of the package `surefoot`, relative to the root."""
    found = list(ROOT.glob("*.py")) + [path for folder in PACKAGE_FOLDERS for path in (ROOT / folder).rglob("*.py")]
    return sorted(path.relative_to(ROOT) for path in found)


def tree(module: Path) -> ast.Module:
    return ast.parse((ROOT / module).read_text(encoding="utf-8"), filename=str(module))


def imported_rooms(module: Path, syntax: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and room (first name below `surefoot`) of each import of our own code."""
    package = ("surefoot", *module.parent.parts)
    for node in ast.walk(syntax):
        if isinstance(node, ast.Import):
            targets = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = list(package[: len(package) - node.level + 1]) if node.level else []
            base = above + (node.module.split(".") if node.module else [])
            targets = [[*base, alias.name] for alias in node.names]
        else:
            continue
        for target in targets:
            if target[0] == "surefoot":
                yield node.lineno, target[1] if len(target) > 1 else ""
            elif target[0] in FLOORS:  # works from the root folder only, and then as a second copy of the package
                raise AssertionError(f"{module}:{node.lineno} imports {target[0]!r} as if it were installed on its own")


def room_of(module: Path) -> str:
    return module.parts[0] if len(module.parts) > 1 else module.stem


def test_each_package_imports_only_lower_floors() -> None:
    assert {room_of(m) for m in modules()} <= {*FLOORS, "__init__"}, (
        "a module outside the floors: give it a place in FLOORS"
    )
    broken = []
    for module in modules():
        room = room_of(module)
        if room == "__init__":
            continue  # re-exports lazily, and holds nothing else: see the next test
        for line, target in imported_rooms(module, tree(module)):
            if target in ("", "__version__") or target == room:
                continue
            if FLOORS.get(target, 99) >= FLOORS[room]:
                broken.append(
                    f"{module}:{line} imports {target} (floor {FLOORS.get(target)}) from floor {FLOORS[room]}"
                )
    assert not broken, "\n".join(broken)


def test_the_floors_check_sees_a_breach(tmp_path: Path) -> None:
    source = "from ..controllers import x\nfrom .. import replay\nimport surefoot.cli.main\nfrom .tasks import y\n"
    found = [room for _, room in imported_rooms(Path("envs/core.py"), ast.parse(source))]
    assert found == ["controllers", "replay", "cli", "envs"]
    with pytest.raises(AssertionError, match="on its own"):
        list(imported_rooms(Path("cli/main.py"), ast.parse("import envs")))


@pytest.mark.parametrize("code", ["import surefoot", "import surefoot.cli.main"])
def test_importing_is_light(code: str) -> None:
    heavy = loaded_after(code)
    assert not heavy, f"`{code}` imports {heavy}"


def test_help_imports_nothing_heavy() -> None:
    code = """
import contextlib, io
from surefoot.cli.main import main
out = io.StringIO()
with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
    sys.argv = ["surefoot", "--help"]
    main()
for verb in ("list", "train", "adapt", "evaluate", "tune", "replay", "demo"):
    assert verb in out.getvalue(), f"{verb} is not in the help:\\n{out.getvalue()}"
"""
    heavy = loaded_after(code)
    assert not heavy, f"`surefoot --help` imports {heavy}"


def loaded_after(code: str) -> list[str]:
    """Which heavy libraries a fresh interpreter has loaded after running `code`."""
    script = f"import json, sys\n{code}\nprint(json.dumps([name for name in {HEAVY} if name in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT / "tests")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("order", ["surefoot gymnasium", "gymnasium surefoot"])
def test_gymnasium_knows_the_environments(order: str) -> None:
    first, second = order.split()
    script = f"import {first}, {second}\nprint([i for i in gymnasium.registry if i.startswith('surefoot/')])"
    python = [sys.executable, "-W", "error", "-c", script]
    done = subprocess.run(python, capture_output=True, text=True, cwd=ROOT / "tests")
    assert done.returncode == 0, done.stderr
    assert "surefoot/Quadruped-Velocity-v0" in done.stdout
    assert not done.stderr


def test_replay_is_a_verb_and_a_package() -> None:
    code = """
import surefoot
assert callable(surefoot.replay)
import surefoot.replay as package
from surefoot import replay
assert callable(package) and callable(replay) and package.__path__
"""
    loaded_after(code)


UNSAFE_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "joblib"}
UNSAFE_CALLS = {"eval", "exec", "__import__"}


def unsafe(syntax: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(syntax):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or ""]
        else:
            names = []
        for name in names:
            if name.split(".")[0] in UNSAFE_MODULES:
                yield node.lineno, f"imports {name}"
        if not isinstance(node, ast.Call):
            continue
        function = ast.unparse(node.func)
        keywords = {keyword.arg: keyword.value for keyword in node.keywords}

        def given(key: str, value: object, keywords: dict[str | None, ast.expr] = keywords) -> bool:
            said = keywords.get(key)
            return isinstance(said, ast.Constant) and said.value is value

        if function in UNSAFE_CALLS:
            yield node.lineno, f"calls {function}()"
        elif function in ("torch.load", "th.load") and not given("weights_only", True):
            yield node.lineno, "calls torch.load without weights_only=True"
        elif function.split(".")[0] == "yaml" and function.split(".")[-1] in ("load", "load_all", "unsafe_load"):
            yield node.lineno, f"calls {function}()"
        elif function in ("np.load", "numpy.load") and given("allow_pickle", True):
            yield node.lineno, "calls np.load with allow_pickle=True"


def test_nothing_loads_code_from_files() -> None:
    found = [f"{module}:{line} {what}" for module in modules() for line, what in unsafe(tree(module))]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from cloudpickle import dumps",
        "eval('1')",
        "torch.load(f)",
        "torch.load(f, weights_only=False)",
        "yaml.load(f)",
        "np.load(f, allow_pickle=True)",
    ],
)
def test_the_safety_check_sees(source: str) -> None:
    assert list(unsafe(ast.parse(source)))


def test_the_safety_check_lets_pass() -> None:
    source = "torch.load(f, weights_only=True)\nnp.load(f)\nmodel.eval()\nyaml.safe_load(f)\nnet.load(f)"
    assert not list(unsafe(ast.parse(source)))


def test_no_module_is_huge() -> None:
    counts = {str(module): len((ROOT / module).read_text(encoding="utf-8").splitlines()) for module in modules()}
    huge = {module: lines for module, lines in counts.items() if lines > MAX_LINES}
    assert not huge, f"split these (more than {MAX_LINES} lines): {huge}"


def sources() -> list[Path]:
    """Every file of the work tree that git would carry, or all but the obvious where there is no git."""
    git = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(git, cwd=ROOT, capture_output=True, text=True)
    if listed.returncode == 0 and listed.stdout:
        paths = [Path(name) for name in listed.stdout.split("\0") if name]
    else:
        ignored = {".git", ".venv", "build", "dist", "runs", "demo", "artifacts", "__pycache__"}
        paths = [p.relative_to(ROOT) for p in ROOT.rglob("*") if not ignored & set(p.relative_to(ROOT).parts)]
    return sorted(path for path in paths if (ROOT / path).is_file())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built from a clean copy of the work tree."""
    copy, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for path in sources():
        (copy / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, copy / path)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    done = subprocess.run([*pip, "--wheel-dir", out, copy], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = Path(out).glob("surefoot-*.whl")
    return zipfile.ZipFile(built)


def test_every_package_and_data_file_reaches_the_wheel(wheel: zipfile.ZipFile) -> None:
    inside = {name for name in wheel.namelist() if ".dist-info/" not in name}
    wanted = {f"surefoot/{module.as_posix()}" for module in modules()} | {"surefoot/py.typed"}
    for path in sources():
        if path.parts[0] == "assets" or path.parts[:2] == ("replay", "static"):
            wanted.add(f"surefoot/{path.as_posix()}")
    assert not (wanted - inside), (
        f"not in the wheel (a new package belongs in pyproject.toml): {sorted(wanted - inside)}"
    )
    assert not (inside - wanted), f"should not be in the wheel: {sorted(inside - wanted)}"


def test_shipped_controllers_load_from_the_wheel(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    wheel.extractall(tmp_path)
    code = """
import numpy as np
from surefoot.controllers import shipped
from surefoot import api
names = shipped.names()
assert "quadruped-velocity" in names
for name in names:
    controller = api.load(name)
    seen = np.zeros((3, *controller.policy.observation_space.shape))
    assert controller.act(seen).shape == (3, *controller.policy.action_space.shape)
    assert shipped.card_of(name) == controller.card
print(shipped.FOLDER)
"""
    python = [sys.executable, "-c", code]
    done = subprocess.run(
        python, capture_output=True, text=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path)}
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(tmp_path / "surefoot" / "assets" / "controllers")


def test_package_folders_are_packages() -> None:
    folders = {module.parent for module in modules() if module.parts[0] != "assets"}
    without = [str(folder) for folder in folders if not (ROOT / folder / "__init__.py").is_file()]
    assert not without, f"no __init__.py in {without}"


def test_wheel_metadata(wheel: zipfile.ZipFile) -> None:
    names = {name.split(".dist-info/")[1] for name in wheel.namelist() if ".dist-info/" in name}
    assert {"licenses/LICENSE", "licenses/NOTICE", "entry_points.txt"} <= names
    (entry_points,) = (n for n in wheel.namelist() if n.endswith("entry_points.txt"))
    assert "surefoot = surefoot.cli.main:main" in wheel.read(entry_points).decode()
    (metadata,) = (n for n in wheel.namelist() if n.endswith(".dist-info/METADATA"))
    assert f"\nVersion: {version()}\n" in wheel.read(metadata).decode()


def version() -> str:
    (assignment,) = (
        node
        for node in tree(Path("__init__.py")).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__version__"
    )
    value = ast.literal_eval(assignment.value)
    assert isinstance(value, str)
    return value


def test_the_installed_package_is_this_folder() -> None:
    import surefoot

    assert Path(surefoot.__file__).resolve() == ROOT / "__init__.py"
    assert surefoot.__version__ == version()


def test_constraints_pin_every_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    loose = [pin for pin in pins if pin.count("==") != 1 or "+" in pin]
    assert not loose, f"constraints.txt: no exact pin: {loose}"
    pinned = {normal(pin.split("==")[0]) for pin in pins}
    wanted = [*project["dependencies"], *(d for extra in project["optional-dependencies"].values() for d in extra)]
    missing = {normal(name) for name in wanted} - pinned - {"surefoot"}
    assert not missing, f"constraints.txt pins no version of {sorted(missing)}"


def normal(requirement: str) -> str:
    name = "".join(c if c.isalnum() or c in "-_." else " " for c in requirement).split()[0]
    return name.lower().replace("_", "-").replace(".", "-")


def test_the_page_of_results_is_what_the_results_say() -> None:
    command = [sys.executable, "benchmarks/report.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
