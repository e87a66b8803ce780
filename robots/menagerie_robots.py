"""`menagerie:NAME`: any quadruped, biped or arm of MuJoCo Menagerie, with a few hand-tuned entries."""

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import mujoco

from .derived import derive, mjcf_spec
from .errors import SurefootError
from .go1 import GO1
from .hints import Hints
from .menagerie import folder_of
from .robot import Robot

PREFIX = "menagerie:"

# What the model files do not say, or say for another purpose. Gains of go2 and g1 are those of MuJoCo Playground (g1's arms
# softer, as are all of t1's), h1's those of Unitree's own training (unitree_rl_gym: hip 150-200, knee 200-300, ankle 40; its
# file has torque motors only). Menagerie's berkeley_humanoid has kp 1 at the knees, with which it sinks, and Playground's
# 35 falls within a second unless a policy balances; with 100 it stands.
TUNED: dict[str, Hints] = {
    "unitree_go2": Hints(kp=35.0, kd=0.5),
    "boston_dynamics_spot": Hints(action_scale=0.3),  # kp 500: .3 rad are 150 N m already
    "google_barkour_vb": Hints(kp=35.0, kd=0.5),
    "unitree_g1": Hints(
        kp={"*": 40.0, "*_hip_*": 75.0, "*_knee_*": 75.0, "*_ankle_*": 20.0, "waist_*": 75.0},
        kd={"*": 2.0, "*_ankle_*": 1.0},
    ),
    "unitree_h1": Hints(
        kp={"*": 100.0, "*_hip_*": 200.0, "*_knee": 300.0, "*_ankle": 40.0, "torso": 300.0},
        kd={"*": 2.0, "*_hip_*": 5.0, "*_knee": 6.0, "torso": 6.0},
    ),
    "booster_t1": Hints(kp={"*Head*": 20.0, "*Shoulder*": 20.0, "*Elbow*": 20.0}, kd={"*Head*": 1.0}),
    "berkeley_humanoid": Hints(kp=100.0, kd=3.0, action_scale=0.3),
    "franka_emika_panda": Hints(action_scale={"joint*": 0.1}),
}


@functools.lru_cache(maxsize=32)
def menagerie_robot(name: str) -> Robot:
    """The robot `menagerie:NAME`, derived from NAME's scene. Raises `SurefootError` for a name that Menagerie has not."""
    return by_hand(name) or derive(name, menagerie_loader(name), menagerie_hints(name))


def by_hand(name: str) -> Robot | None:
    """The robot, where it is tuned altogether by hand: `go1.py`."""
    return replace(GO1, name=name) if name == PREFIX + "unitree_go1" else None


def menagerie_hints(name: str) -> Hints:
    """What is tuned of `menagerie:NAME`. Raises `SurefootError` for what cannot be a name."""
    model = name.removeprefix(PREFIX)
    if not model.replace("_", "").isalnum():
        raise SurefootError(f"unknown robot {name!r}: expected menagerie:NAME, such as menagerie:unitree_g1")
    return TUNED.get(model, Hints())


def menagerie_loader(name: str) -> Callable[[], mujoco.MjSpec]:
    """A function that reads the robot's scene, with its keyframes, or the robot alone where there is none."""
    model = name.removeprefix(PREFIX)

    def load() -> mujoco.MjSpec:
        return mjcf_spec(_scene(folder_of(model, name), model))

    return load


def _scene(folder: Path, model: str) -> Path:
    scene = folder / "scene.xml"
    if scene.is_file() and ElementTree.parse(scene).getroot().find("include") is not None:
        return scene
    files = sorted(file for file in folder.glob("*.xml") if "scene" not in file.name and "mjx" not in file.name)
    if not files:
        raise SurefootError(f"robot {PREFIX + model!r}: no model file in {str(folder)!r}")
    # unitree_go1/go1.xml: the one whose name is part of the folder's; else the shortest.
    return max(files, key=lambda file: (file.stem in model, -len(file.stem)))
