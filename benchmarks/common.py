"""What every benchmark's result carries: figures, command, seed, versions, machine, time, commit."""

import json
import os
import platform
import shlex
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
PACKAGES = ("surefoot", "mujoco", "gymnasium", "stable-baselines3", "torch", "numpy", "envpool")


def write_result(path: Path | str, figures: dict[str, Any], seed: int | None) -> Path:
    """Write `figures` as JSON (a bare name goes to benchmarks/results), whole or not at all."""
    path = Path(path)
    if path.parent == Path():
        path = RESULTS / path
    path.parent.mkdir(parents=True, exist_ok=True)
    result = {
        "figures": figures,
        "command": command(),
        "seed": seed,
        "versions": {"python": platform.python_version(), **{p: _version(p) for p in PACKAGES}},
        "machine": machine(),
        "date": date(),
        "commit": commit(),
    }
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    partial.replace(path)
    return path


def command() -> str:
    """As it was typed, without the folder of the runs: where it was on that machine changes no figure."""
    given = sys.argv[1:]
    at = given.index("--runs") if "--runs" in given else len(given)
    return shlex.join(["python", os.path.relpath(sys.argv[0], ROOT), *given[:at], *given[at + 2 :]])


def date() -> str:
    """Now, UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def machine() -> dict[str, Any]:
    """CPU, number of CPUs that this process may use, memory, load."""
    cpu = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        cpu = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), cpu)
    except OSError:
        pass
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cpu": cpu,
        "cpus": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory, 1),
        "load_average_1min": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.release()}",
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def commit() -> str | None:
    git = ["git", "-C", str(ROOT)]
    done = subprocess.run([*git, "describe", "--always", "--dirty"], capture_output=True, text=True)
    return done.stdout.strip() or None
