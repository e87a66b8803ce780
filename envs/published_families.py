"""The published families among the task suites that come with Surefoot; for `families`, where ours are.

A change here is another version of the suite, as there. Version 2 (3) has the splits that the papers lack; the tasks of those
before are as they were.
"""

import itertools
from collections.abc import Mapping
from typing import Any

from .suites import Laws


def shorter(law: Mapping[str, str], links: tuple[str, ...], count: int) -> Laws:
    """Split `structural`: as `law` says, but one link is shorter than any that training shows; so many tasks for each."""
    return [({**law, f"length.{link}": "0.7:0.85"}, count) for link in links]


def _other_masses(law: Mapping[str, str]) -> dict[str, Laws]:
    """Splits `moderate` and `extreme` of a family in which all robots of the training weigh the same."""
    return {
        "moderate": [({**law, "mass": scale}, 10) for scale in ("0.75:0.9", "1.1:1.25")],
        "extreme": [({**law, "mass": scale}, 10) for scale in ("0.5:0.75", "1.25:1.5")],
    }


_OF_CHEETAH = ("bthigh", "bshin", "bfoot", "fthigh", "fshin", "ffoot")
_OF_ANT = ("aux_1", "aux_2", "aux_3", "aux_4")  # the upper parts of its legs
_OF_HUMANOID = ("right_thigh", "left_thigh", "right_shin", "left_shin")
_OTHER = "moderate: masses lower or higher by 10 to 25 %, extreme: by 25 to 50 %; structural: one link shorter."

# --- published protocols: goals (envs/tasks/published.py) ------------------------------------------------------------

_ANGLE = {"angle": "0:6.28319"}
_DISC = {"radius": "area:0:3", **_ANGLE}
_BOTH_WAYS, _ALONG_X = {"direction": "1|-1"}, {"angle": "0|3.14159"}

CHEETAH_VEL: dict[str, Any] = {
    "robot": "half_cheetah",
    "task": "cheetah-vel",
    "version": 2,
    "about": "Goal speeds of 0 to 3 m/s (PEARL, ProMP, VariBAD); moderate and extreme: 3 to 4 m/s, beyond those of training; "
    "structural: one link shorter.",
    "splits": {
        "train": [({"velocity": "0:3"}, 100)],
        "validation": [({"velocity": "0:3"}, 20)],
        "test": [({"velocity": "0:3"}, 30)],
        "moderate": [({"velocity": "3:3.5"}, 15)],
        "extreme": [({"velocity": "3.5:4"}, 15)],
        "structural": shorter({"velocity": "0:3"}, _OF_CHEETAH, 4),
    },
}
CHEETAH_VEL_GAP: dict[str, Any] = {
    "robot": "half_cheetah",
    "task": "cheetah-vel",
    "version": 2,
    "about": "Goal speeds of 0 to .5 and 3 to 3.5 m/s; moderate and extreme: up to 4.5 m/s; structural: those between, which "
    "training never asks for.",
    "splits": {
        "train": [({"velocity": "0:0.5"}, 50), ({"velocity": "3:3.5"}, 50)],
        "validation": [({"velocity": "0:0.5"}, 10), ({"velocity": "3:3.5"}, 10)],
        "test": [({"velocity": "0:0.5"}, 15), ({"velocity": "3:3.5"}, 15)],
        "moderate": [({"velocity": "3.5:4"}, 15)],
        "extreme": [({"velocity": "4:4.5"}, 15)],
        "structural": [({"velocity": "0.5:3"}, 30)],
    },
}
CHEETAH_DIR: dict[str, Any] = {
    "robot": "half_cheetah",
    "task": "cheetah-dir",
    "version": 2,
    "about": "Forwards and backwards (ProMP, VariBAD): there are two tasks, and they are also what papers test on. "
    f"test: robots whose masses differ by up to 5 %; {_OTHER}",
    "splits": {
        "train": [(_BOTH_WAYS, 2)],
        "test": [({**_BOTH_WAYS, "mass": "0.95:1.05"}, 10)],
        **_other_masses(_BOTH_WAYS),
        "structural": shorter(_BOTH_WAYS, _OF_CHEETAH, 4),
    },
}
ANT_DIR: dict[str, Any] = {
    "robot": "ant",
    "task": "ant-dir",
    "version": 2,
    "about": f"Directions from the whole circle. {_OTHER}",
    "splits": {
        "train": [(_ANGLE, 100)],
        "validation": [(_ANGLE, 20)],
        "test": [(_ANGLE, 30)],
        **_other_masses(_ANGLE),
        "structural": shorter(_ANGLE, _OF_ANT, 5),
    },
}
ANT_FORWARD_BACKWARD: dict[str, Any] = {
    "robot": "ant",
    "task": "ant-dir",
    "version": 2,
    "about": "Forwards and backwards along x (ProMP's ant-dir): there are two tasks, and they are also what papers test on. "
    f"test: robots whose masses differ by up to 5 %; {_OTHER}",
    "splits": {
        "train": [(_ALONG_X, 2)],
        "test": [({**_ALONG_X, "mass": "0.95:1.05"}, 10)],
        **_other_masses(_ALONG_X),
        "structural": shorter(_ALONG_X, _OF_ANT, 4),
    },
}
ANT_GOAL: dict[str, Any] = {
    "robot": "ant",
    "task": "ant-goal",
    "version": 2,
    "about": "Places in a disc of 3 m, uniform over its area (PEARL). moderate: at 3 to 4 m, extreme: at 4 to 6 m; structural: "
    "one link shorter.",
    "splits": {
        "train": [(_DISC, 150)],
        "validation": [(_DISC, 20)],
        "test": [(_DISC, 30)],
        "moderate": [({**_DISC, "radius": "area:3:4"}, 20)],
        "extreme": [({**_DISC, "radius": "area:4:6"}, 20)],
        "structural": shorter(_DISC, _OF_ANT, 5),
    },
}
HUMANOID_DIR: dict[str, Any] = {
    "robot": "humanoid",
    "task": "humanoid-dir",
    "version": 2,
    "about": f"Directions from the whole circle (PEARL). {_OTHER}",
    "splits": {
        "train": [(_ANGLE, 100)],
        "validation": [(_ANGLE, 20)],
        "test": [(_ANGLE, 30)],
        **_other_masses(_ANGLE),
        "structural": shorter(_ANGLE, _OF_HUMANOID, 5),
    },
}

# --- published protocols: dynamics -----------------------------------------------------------------------------------


def _any_parameters(bodies: float, joints: float) -> dict[str, str]:
    """Masses and inertias times 1.5^U(-bodies, bodies), frictions 1.5^U(-joints, joints), dampings 1.3^U(-joints, joints)."""
    mass, friction, damping = (f"log:{b**-n:.6g}:{b**n:.6g}" for b, n in ((1.5, bodies), (1.5, joints), (1.3, joints)))
    return {"mass.*": mass, "inertia.*": mass, "friction.*": friction, "damping.*": damping}


_PUBLISHED = _any_parameters(3, 3)
_RAND_PARAMS: dict[str, Any] = {
    "version": 3,  # in 1 inertias had the factor of their mass as well
    "about": "Mass, inertia and friction of each part times 1.5^U(-3, 3), damping of each joint times 1.3^U(-3, 3) "
    "(rand_param_envs; PEARL, ProMP). One factor for the three axes of an inertia, so that it stays possible. moderate: "
    "exponents of up to 3.5 for bodies and 4 for friction and damping, extreme: of up to 5.5 for those; structural: one "
    "link shorter.",
    "masses_alone": True,
    "splits": {
        "train": [(_PUBLISHED, 40)],
        "validation": [(_PUBLISHED, 10)],
        "test": [(_PUBLISHED, 10)],
        "moderate": [(_any_parameters(3.5, 4), 10)],
        "extreme": [(_any_parameters(3.5, 5.5), 10)],
        "structural": shorter(_PUBLISHED, ("thigh", "leg", "foot"), 4),
    },
}
WALKER_RAND_PARAMS = {"robot": "walker2d", "task": "walker-rand-params", **_RAND_PARAMS}
HOPPER_RAND_PARAMS = {"robot": "hopper", "task": "hopper-rand-params", **_RAND_PARAMS}


def _masses(scale: float, *bodies: str) -> dict[str, str]:
    """Settings that scale masses alone, as CaDM and SaMI do; our parameter `mass` scales inertias as well."""
    where = [f".{body}" for body in bodies] or [""]
    return {f"mass{at}": f"{scale:.6g}" for at in where} | {f"inertia{at}": f"{1 / scale:.6g}" for at in where}


_CRIPPLED = {"dead_actuator": "bthigh|bshin|bfoot|fthigh"}

CRIPPLE: dict[str, Any] = {
    "robot": "half_cheetah",
    "task": "cheetah-cripple",
    "version": 3,  # 1 was for task `run`
    "about": "One actuator dead: joints 0 to 3 to train with, moderate: joint 4 or 5, extreme: both (CaDM, Lee et al., 2020). "
    "test: joints 0 to 3 of robots whose masses differ by up to 10 %; structural: with one link shorter.",
    "splits": {
        "train": [(_CRIPPLED, 4)],
        "test": [({**_CRIPPLED, "mass": "0.9:1.1"}, 12)],
        "moderate": [({"dead_actuator": "fshin|ffoot"}, 2)],
        "extreme": [({"dead_actuator": "fshin+ffoot"}, 1)],
        "structural": shorter(_CRIPPLED, _OF_CHEETAH, 2),
    },
}

_ANT_LEGS = ("front_left", "front_right", "back_left", "back_right")  # GrBAL's legs 0 to 3
_ANT_PAIRS = "|".join(f"{one}+{other}" for one, other in itertools.combinations(_ANT_LEGS, 2))
_LAME = {"dead_actuator": "|".join(_ANT_LEGS[:3])}

ANT_CRIPPLE: dict[str, Any] = {
    "robot": "ant",
    "task": "ant-cripple",
    "version": 2,
    "about": "Both actuators of a leg dead: legs 0 to 2 to train with, test: leg 3 (GrBAL); moderate: leg 3, and all masses "
    ".4, .5, 1.5 or 1.6 of nominal; extreme: two legs (both after SaMI); structural: legs 0 to 2, and one link shorter.",
    "splits": {
        "train": [(_LAME, 3)],
        "test": [({"dead_actuator": _ANT_LEGS[3]}, 1)],
        "moderate": [({"dead_actuator": _ANT_LEGS[3], **_masses(scale)}, 1) for scale in (0.4, 0.5, 1.5, 1.6)],
        "extreme": [({"dead_actuator": _ANT_PAIRS}, 6)],
        "structural": shorter(_LAME, _OF_ANT, 3),
    },
}

# Their numbers are of another reward than GrBAL's.
ANT_CRIPPLE_SAMI = ANT_CRIPPLE | {
    "task": "ant-cripple-sami",
    "about": "The tasks of ant-cripple, paid as SaMI does: with 1 for each step, and for every action.",
}


def _grid(scales: tuple[float, ...]) -> Laws:
    """All masses times one of `scales`, all dampings times one of them: every pair once."""
    return [({**_masses(mass), "damping": "|".join(map(str, scales))}, len(scales)) for mass in scales]


CHEETAH_MASS_DAMPING: dict[str, Any] = {
    "robot": "half_cheetah",
    "task": "cheetah-mass-damping",
    "version": 2,
    "about": "One factor on all masses (not inertias) and one on all dampings, every pair of those listed (SaMI; of the test "
    "pairs CaDM takes those with both below or both above 1). test: pairs between those of the training; structural: pairs as "
    "in training, and one link shorter.",
    "splits": {
        "train": _grid((0.75, 0.85, 1.0, 1.15, 1.25)),
        "test": _grid((0.8, 0.92, 1.08, 1.2)),
        "moderate": _grid((0.4, 0.5, 1.5, 1.6)),
        "extreme": _grid((0.2, 0.3, 1.7, 1.8)),
        "structural": [
            law for mass in (0.75, 1.25) for law in shorter({**_masses(mass), "damping": "0.75|1.25"}, _OF_CHEETAH, 2)
        ],
    },
}

_ANT_FRONT = ("front_*", "aux_[12]", "body[47]")
_ANT_HIND = ("*back_leg", "aux_[34]", "body1[03]")


def _lopsided(scales: tuple[float, ...]) -> Laws:
    """The masses of the front legs times a factor, those of the hind legs divided by it."""
    return [({**_masses(scale, *_ANT_FRONT), **_masses(1 / scale, *_ANT_HIND)}, 1) for scale in scales]


ANT_MASS: dict[str, Any] = {
    "robot": "ant",
    "task": "ant-mass",
    "version": 2,
    "about": "Masses (not inertias) of the front legs times a factor, those of the hind legs divided by it, the torso's as it "
    "is (CaDM, whose extreme split has .4 as well). test: factors between those of the training; structural: one of the "
    "training's, and one link shorter.",
    "splits": {
        "train": _lopsided((0.85, 0.9, 0.95, 1.0)),
        "test": _lopsided((0.875, 0.925, 0.975)),
        "moderate": _lopsided((0.4, 0.45, 0.5, 0.55, 0.6)),
        "extreme": _lopsided((0.2, 0.25, 0.3, 0.35)),
        "structural": [law for of, _ in _lopsided((0.9,)) for law in shorter(of, _OF_ANT, 2)],
    },
}

# Density, friction and power as ratios to Roboschool's 1000 kg/m^3, .8 and .9.
_SUNBLAZE = {"mass": "0.75:1.25", "friction": "0.625:1.375", "motor_strength": "0.777778:1.22222"}
_BEYOND = {  # below and above that range, equally wide
    "mass": ("0.5:0.75", "1.25:1.5"),
    "friction": ("0.25:0.625", "1.375:1.75"),
    "motor_strength": ("0.555556:0.777778", "1.22222:1.44444"),
}

SUNBLAZE_CHEETAH: dict[str, Any] = {
    "robot": "half_cheetah",
    "task": "sunblaze-cheetah",
    "version": 2,
    "about": "Density 750 to 1250, friction .5 to 1.1 and power .7 to 1.1 as ratios to Roboschool's nominal 1000, .8 and .9 "
    "(Packer et al., 2018); moderate: one of them beyond its range, extreme: density 500 to 1500, friction .2 to 1.4, power .5 "
    "to 1.3, each beyond the range before; structural: one link shorter.",
    "splits": {
        "train": [(_SUNBLAZE, 100)],
        "validation": [(_SUNBLAZE, 20)],
        "test": [(_SUNBLAZE, 30)],
        "moderate": [({**_SUNBLAZE, key: law}, 5) for key, laws in _BEYOND.items() for law in laws],
        "extreme": [(dict(zip(_BEYOND, laws, strict=True)), 5) for laws in itertools.product(*_BEYOND.values())],
        "structural": shorter(_SUNBLAZE, _OF_CHEETAH, 4),
    },
}

PUBLISHED: dict[str, dict[str, Any]] = {
    "cheetah-vel": CHEETAH_VEL,
    "cheetah-vel-gap": CHEETAH_VEL_GAP,
    "cheetah-dir": CHEETAH_DIR,
    "ant-dir": ANT_DIR,
    "ant-forward-backward": ANT_FORWARD_BACKWARD,
    "ant-goal": ANT_GOAL,
    "humanoid-dir": HUMANOID_DIR,
    "walker-rand-params": WALKER_RAND_PARAMS,
    "hopper-rand-params": HOPPER_RAND_PARAMS,
    "cheetah-cripple": CRIPPLE,
    "ant-cripple": ANT_CRIPPLE,
    "ant-cripple-sami": ANT_CRIPPLE_SAMI,
    "cheetah-mass-damping": CHEETAH_MASS_DAMPING,
    "ant-mass": ANT_MASS,
    "sunblaze-cheetah": SUNBLAZE_CHEETAH,
}
