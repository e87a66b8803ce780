"""The task suites that come with Surefoot, as arguments of `suites.make_suite`: `surefoot suite make NAME` draws them again.

A change here is another version of the suite: results on the old one no longer compare.
"""

from typing import Any

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


def _motor_damage(legs: tuple[str, ...], weak: int, dead: int) -> Laws:
    """For each motor of `legs`: so many tasks in which it is weak, so many in which it gives nothing."""
    motors = [f"{leg}_{joint}" for leg in legs for joint in JOINTS]
    return [
        *(({**_EVERYDAY, f"motor_strength.{motor}": "0.3:1"}, weak) for motor in motors),
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

# --- half cheetah: published protocols -------------------------------------------------------------------------------

CRIPPLE: dict[str, Any] = {
    "robot": "half_cheetah",
    "task": "run",
    "about": "One actuator dead: joints 0 to 3 to train with, moderate: joint 4 or 5, extreme: both (CaDM, Lee et al., 2020; "
    "SaMI). Their control cost counts the masked action; that of `run` counts the action as given.",
    "splits": {
        "train": [({"dead_actuator": "bthigh|bshin|bfoot|fthigh"}, 4)],
        "moderate": [({"dead_actuator": "fshin|ffoot"}, 2)],
        "extreme": [({"dead_actuator": "fshin+ffoot"}, 1)],
    },
}

FAMILIES: dict[str, dict[str, Any]] = {
    "quadruped-payload": PAYLOAD,
    "quadruped-damage": DAMAGE,
    "cheetah-cripple": CRIPPLE,
}
