"""The task suites that come with Surefoot, as arguments of `suites.make_suite`: `surefoot suite make NAME` draws them again.

A change here is another version of the suite: results on the old one no longer compare.
"""

import itertools
from collections.abc import Mapping
from typing import Any

from .suites import Laws

# Version 2 (3) of a published family has the splits that its papers lack; the tasks of those before are as they were.


def _shorter(law: Mapping[str, str], links: tuple[str, ...], count: int) -> Laws:
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

# --- quadruped: loads ------------------------------------------------------------------------------------------------

LEGS = ("front_left", "front_right", "rear_left", "rear_right")
JOINTS = ("hip", "thigh", "calf")
_STRENGTH = {f"motor_strength.{leg}": "0.85:1.15" for leg in LEGS}
_LOADED = {"payload": "0:3", **_STRENGTH, "friction": "0.6:1.2"}

PAYLOAD: dict[str, Any] = {
    "robot": "quadruped",
    "task": "velocity",
    "about": "Loads of a robot of 12.7 kg. moderate: heavier; extreme: twice to three times as heavy as in training, with "
    "a weak leg; structural: the load lies off the centre, which training never shows.",
    "splits": {
        "train": [(_LOADED, 128)],
        "validation": [(_LOADED, 32)],
        "test": [(_LOADED, 32)],
        "moderate": [({**_LOADED, "payload": "3:6"}, 32)],
        "extreme": [({**_LOADED, "payload": "6:9", f"motor_strength.{leg}": "0.4:0.6"}, 8) for leg in LEGS],
        "structural": [({**_LOADED, "com.x": "-0.06:0.06", "com.y": "-0.04:0.04"}, 32)],
    },
}

# --- quadruped: damage -----------------------------------------------------------------------------------------------

HELD_OUT = "rear_right"
_KNOWN = tuple(leg for leg in LEGS if leg != HELD_OUT)
_EVERYDAY = {"payload": "0:1", "friction": "0.7:1.1"}  # no damaged robot is nominal otherwise


def _motor_damage(
    legs: tuple[str, ...], weak: int, dead: int, joints: tuple[str, ...] = JOINTS, strength: str = "0.3:1"
) -> Laws:
    """For each motor of `legs`: so many tasks in which it is weak, so many in which it gives nothing."""
    motors = [f"{leg}_{joint}" for leg in legs for joint in joints]
    return [
        *(({**_EVERYDAY, f"motor_strength.{motor}": strength}, weak) for motor in motors),
        *(({**_EVERYDAY, "dead_actuator": motor}, dead) for motor in motors),
    ]


DAMAGE: dict[str, Any] = {
    "robot": "quadruped",
    "task": "velocity",
    "about": "One motor weak (0.3 to 1 of its torque) or dead; the rear right leg's motors are kept for testing. moderate: "
    "that whole leg weak; extreme: a dead motor of that leg and another leg weak; structural: all motors of a leg dead.",
    "splits": {
        "train": [(_EVERYDAY, 12), *_motor_damage(_KNOWN, weak=8, dead=4)],
        "validation": [(_EVERYDAY, 4), *_motor_damage(_KNOWN, weak=2, dead=1)],
        "test": _motor_damage((HELD_OUT,), weak=8, dead=4),
        "moderate": [({**_EVERYDAY, f"motor_strength.{HELD_OUT}": "0.4:0.7"}, 32)],
        "extreme": [
            ({**_EVERYDAY, f"motor_strength.{leg}": "0.5:0.8", "dead_actuator": f"{HELD_OUT}_{joint}"}, 4)
            for leg in _KNOWN
            for joint in JOINTS
        ],
        "structural": [({**_EVERYDAY, "dead_actuator": leg}, 8) for leg in LEGS],
    },
}

# --- hexapod: damage ---------------------------------------------------------------------------------------------------

_SIX = ("front_left", "front_right", "middle_left", "middle_right", "rear_left", "rear_right")
_FIVE = tuple(leg for leg in _SIX if leg != HELD_OUT)
_PARTS = ("coxa", "femur", "tibia")

HEXAPOD_DAMAGE: dict[str, Any] = {
    "robot": "hexapod",
    "task": "velocity",
    "about": "As quadruped-damage, of six legs: one motor weak (0.1 to 0.6 of its torque: more is not felt) or dead; "
    "the rear right leg's motors are kept for testing. moderate: that whole leg at 0.1 to 0.3; extreme: a dead motor of that "
    "leg and another leg at 0.3 to 0.6; structural: all motors of a leg dead.",
    "splits": {
        "train": [(_EVERYDAY, 12), *_motor_damage(_FIVE, 5, 3, _PARTS, "0.1:0.6")],
        "validation": [(_EVERYDAY, 4), *_motor_damage(_FIVE, 1, 1, _PARTS, "0.1:0.6")],
        "test": _motor_damage((HELD_OUT,), 8, 4, _PARTS, "0.1:0.6"),
        "moderate": [({**_EVERYDAY, f"motor_strength.{HELD_OUT}": "0.1:0.3"}, 32)],
        "extreme": [
            ({**_EVERYDAY, f"motor_strength.{leg}": "0.3:0.6", "dead_actuator": f"{HELD_OUT}_{joint}"}, 2)
            for leg in _FIVE
            for joint in _PARTS
        ],
        "structural": [({**_EVERYDAY, "dead_actuator": leg}, 6) for leg in _SIX],
    },
}

# --- arm: loads ---------------------------------------------------------------------------------------------------------

_SERVOS = ("shoulder", "elbow", "wrist")
_HOLDING = {"payload": "0:3", **{f"motor_strength.{part}": "0.85:1.15" for part in _SERVOS}, "kp": "0.85:1.15"}

ARM_PAYLOAD: dict[str, Any] = {
    "robot": "arm",
    "task": "reach",
    "about": "Loads in the hand of an arm that is built for 5 kg (UR5e). moderate: 5 to 8 kg, shoulder, elbow or wrist weak; "
    "extreme: 7 to 10 kg, with a part that has about half of its torque; structural: loads as in training, but the encoders "
    "are off by up to .1 rad, each by itself, which training never shows.",
    "splits": {
        "train": [(_HOLDING, 128)],
        "validation": [(_HOLDING, 32)],
        "test": [(_HOLDING, 32)],
        "moderate": [({**_HOLDING, "payload": "5:8", f"motor_strength.{part}": "0.5:0.7"}, 11) for part in _SERVOS],
        "extreme": [({**_HOLDING, "payload": "7:10", f"motor_strength.{part}": "0.4:0.6"}, 11) for part in _SERVOS],
        "structural": [({**_HOLDING, "encoder_offset.*": "-0.1:0.1"}, 32)],
    },
}

# --- quadruped: bodies of other sizes ---------------------------------------------------------------------------------

_LINKS = ("length.thigh", "length.calf")


def _bodies(links: str, trunk: str, size: str, feet: str) -> dict[str, str]:
    """Thighs and calves by factors of their own, the four legs alike; the trunk; everything; the feet."""
    return {
        **_EVERYDAY, "size": size, **dict.fromkeys(_LINKS, links), "length.trunk": trunk, "girth.trunk": trunk,
        "foot_size": feet,
    }  # fmt: skip


_USUAL = _bodies(links="0.9:1.1", trunk="0.9:1.1", size="0.95:1.05", feet="0.9:1.1")

MORPHOLOGY: dict[str, Any] = {
    "robot": "quadruped",
    "task": "velocity",
    "about": "Bodies of other lengths and sizes at one density; motors stay. moderate: links .75 to .9 or 1.1 to 1.3 of their "
    "length, all else wider too; extreme: legs .6 to .75 or 1.3 to 1.5, size down to .8 or up to 1.25; structural: one leg "
    "is shorter than the others, which training never shows.",
    "splits": {
        "train": [(_USUAL, 256)],
        "validation": [(_USUAL, 32)],
        "test": [(_USUAL, 32)],
        "moderate": [
            (_bodies(links="0.75:0.9", trunk="0.8:1.2", size="0.9:1.1", feet="0.8:1.2"), 16),
            (_bodies(links="1.1:1.3", trunk="0.8:1.2", size="0.9:1.1", feet="0.8:1.2"), 16),
        ],
        "extreme": [
            (_bodies(links="0.6:0.75", trunk="0.7:1.3", size="0.8:0.9", feet="0.7:1.3"), 16),
            (_bodies(links="1.3:1.5", trunk="0.7:1.3", size="1.1:1.25", feet="0.7:1.3"), 16),
        ],
        "structural": [
            ({**_USUAL, f"length.{leg}_thigh": "0.7:0.85", f"length.{leg}_calf": "0.7:0.85"}, 8) for leg in LEGS
        ],
    },
}

# --- quadruped: RMA's ranges, and a robot that was never trained on ---------------------------------------------------

# Kumar et al. (2021) on the A1, whose 12 kg ours exceeds by 1.06: payloads are multiplied by that. Friction is the
# coefficient itself (ours is 1), gains are ratios to the middle of their range (Kp 55, Kd .6), shifts of the trunk's centre of
# mass are in centimetres, as their table has them. As in their 17 extrinsics, strength is each motor's, the shift has x and y.
_RMA_TRAIN = {
    "friction": "0.05:4.5",
    "kp": f"{50 / 55:.6g}:{60 / 55:.6g}",
    "kd": f"{0.4 / 0.6:.6g}:{0.8 / 0.6:.6g}",
    "payload": "0:6.36",
    "com.x": "-0.0015:0.0015",
    "com.y": "-0.0015:0.0015",
    "motor_strength.*": "0.9:1.1",
}
_RMA_TEST = {
    "friction": "0.04:6",
    "kp": f"{45 / 55:.6g}:{65 / 55:.6g}",
    "kd": f"{0.3 / 0.6:.6g}:{0.9 / 0.6:.6g}",
    "payload": "0:7.42",
    "com.x": "-0.0018:0.0018",
    "com.y": "-0.0018:0.0018",
    "motor_strength.*": "0.88:1.22",
}

RMA: dict[str, Any] = {
    "robot": "quadruped",
    "task": "velocity",
    "version": 2,
    "about": "Train and test ranges of RMA (Kumar et al., 2021), payloads scaled from A1's 12 kg to 12.7 kg. A robot keeps its "
    "parameters for the episode; theirs are drawn anew with p = .004 (train) and .01 (test) a step of .01 s. Terrain, commands "
    "and ends are those of `velocity`. moderate: loads of 7.4 to 9 kg, extreme: 9 to 11 kg and a leg at .5 to .7 of its "
    "strength; structural: a thigh or calf is shorter.",
    "splits": {
        "train": [(_RMA_TRAIN, 256)],
        "validation": [(_RMA_TRAIN, 32)],
        "test": [(_RMA_TEST, 64)],
        "moderate": [({**_RMA_TEST, "payload": "7.42:9"}, 32)],
        "extreme": [({**_RMA_TEST, "payload": "9:11", f"motor_strength.{leg}": "0.5:0.7"}, 8) for leg in LEGS],
        "structural": _shorter(_RMA_TRAIN, tuple(f"{leg}_{part}" for leg in LEGS for part in ("thigh", "calf")), 4),
    },
}

# --- quadruped: ground ------------------------------------------------------------------------------------------------

_ON_FOOT = ("rough", "slope", "stairs-up", "stairs-down")
_STONES = ("stepping-stones", "gaps")  # where one has to look before one steps


def _ground(kinds: tuple[str, ...], level: str, each: int) -> Laws:
    """So many tasks on each kind of ground, of difficulties drawn from `level`."""
    return [({"terrain": kind, "terrain_level": level, "friction": "0.7:1.1"}, each) for kind in kinds]


TERRAIN: dict[str, Any] = {
    "robot": "quadruped",
    "task": "velocity",
    "options": {"terrain": "mixed", "terrain_levels": 11},
    "about": "Rough ground, slopes, stairs up and down (legged_gym's, Rudin et al., 2022) up to difficulty .3 of 1: risers up "
    "to .1 m, slopes up to .12. moderate: .3 to .6; extreme: .6 to 1, risers up to .23 m; structural: stones and gaps.",
    "splits": {
        "train": [({"terrain": "flat", "friction": "0.7:1.1"}, 16), *_ground(_ON_FOOT, "0:0.3", 28)],
        "validation": _ground(_ON_FOOT, "0:0.3", 8),
        "test": _ground(_ON_FOOT, "0:0.3", 8),
        "moderate": _ground(_ON_FOOT, "0.3:0.6", 8),
        "extreme": _ground(_ON_FOOT, "0.6:1", 8),
        "structural": _ground(_STONES, "0:0.5", 16),
    },
}

_RANDOM = {
    **_LOADED, "mass.*": "0.8:1.2", "com.*": "-0.03:0.03", "kp": "0.85:1.15", "kd": "0.7:1.3", "damping": "0.5:2",
}  # fmt: skip
_GO1_MOTORS = [f"{leg}_{joint}" for leg in ("FL", "FR", "RL", "RR") for joint in JOINTS]

GO1: dict[str, Any] = {
    "robot": "quadruped",
    "task": "velocity",
    "options": {"leg_order": "standard"},  # the two models have their legs in different orders
    "robots": dict.fromkeys(("test", "moderate", "extreme", "structural"), "go1"),
    "about": "Train on our quadruped of primitive shapes, test on Menagerie's Unitree Go1. test: loads as in training; "
    "moderate: heavier; extreme: twice to three times as heavy, with a weak leg; structural: a dead motor.",
    "splits": {
        "train": [(_RANDOM, 128)],
        "validation": [(_RANDOM, 32)],
        "test": [(_LOADED, 32)],
        "moderate": [({**_LOADED, "payload": "3:6"}, 32)],
        "extreme": [({**_LOADED, "payload": "6:9", f"motor_strength.{leg}": "0.4:0.6"}, 8) for leg in LEGS],
        "structural": [({**_EVERYDAY, "dead_actuator": motor}, 2) for motor in _GO1_MOTORS],
    },
}

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
        "structural": _shorter({"velocity": "0:3"}, _OF_CHEETAH, 4),
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
        "structural": _shorter(_BOTH_WAYS, _OF_CHEETAH, 4),
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
        "structural": _shorter(_ANGLE, _OF_ANT, 5),
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
        "structural": _shorter(_ALONG_X, _OF_ANT, 4),
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
        "structural": _shorter(_DISC, _OF_ANT, 5),
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
        "structural": _shorter(_ANGLE, _OF_HUMANOID, 5),
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
        "structural": _shorter(_PUBLISHED, ("thigh", "leg", "foot"), 4),
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
        "structural": _shorter(_CRIPPLED, _OF_CHEETAH, 2),
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
        "structural": _shorter(_LAME, _OF_ANT, 3),
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
            law for mass in (0.75, 1.25) for law in _shorter({**_masses(mass), "damping": "0.75|1.25"}, _OF_CHEETAH, 2)
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
        "structural": [law for of, _ in _lopsided((0.9,)) for law in _shorter(of, _OF_ANT, 2)],
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
        "structural": _shorter(_SUNBLAZE, _OF_CHEETAH, 4),
    },
}

FAMILIES: dict[str, dict[str, Any]] = {
    "quadruped-payload": PAYLOAD,
    "quadruped-damage": DAMAGE,
    "hexapod-damage": HEXAPOD_DAMAGE,
    "arm-payload": ARM_PAYLOAD,
    "quadruped-morphology": MORPHOLOGY,
    "quadruped-rma": RMA,
    "quadruped-terrain": TERRAIN,
    "go1-transfer": GO1,
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
