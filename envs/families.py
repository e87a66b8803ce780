"""The task suites that come with Surefoot, as arguments of `suites.make_suite`: `surefoot suite make NAME` draws them again.

A change here is another version of the suite: results on the old one no longer compare.
"""

from typing import Any

from .published_families import PUBLISHED, shorter
from .suites import Laws

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
        "structural": shorter(_RMA_TRAIN, tuple(f"{leg}_{part}" for leg in LEGS for part in ("thigh", "calf")), 4),
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

FAMILIES: dict[str, dict[str, Any]] = {
    "quadruped-payload": PAYLOAD,
    "quadruped-damage": DAMAGE,
    "hexapod-damage": HEXAPOD_DAMAGE,
    "arm-payload": ARM_PAYLOAD,
    "quadruped-morphology": MORPHOLOGY,
    "quadruped-rma": RMA,
    "quadruped-terrain": TERRAIN,
    "go1-transfer": GO1,
    **PUBLISHED,
}
