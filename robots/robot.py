"""What a robot is: a frozen description from which everything else is derived."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import mujoco
import numpy as np


@dataclass(frozen=True)
class Symmetry:
    """Left-right mirror image of a robot: mirrored[i] = sign[i] * original[index[i]].

    Defined on actuators (`index`, `sign`, both of length nu); tasks build the map of their observations from it.
    """

    index: tuple[int, ...]
    sign: tuple[float, ...]


@dataclass(frozen=True)
class Robot:
    """One robot, without anything that belongs to a task.

    Attributes:
        name: the catalogue's name, lower case with underscores.
        make_spec: returns a fresh `mujoco.MjSpec` (robot and floor), which the caller may edit.
        base: name of the base (torso) body.
        feet: names of the foot geoms, in the order of the legs; empty where tasks do not need them.
        control: "torque" when actions go to the actuators as they are, "position" when the actuators are PD position
            servos and actions are offsets from the home pose.
        control_dt: seconds between two control steps; a multiple of the model's time step.
        home: qpos of the home pose, or None for the model's qpos0.
        action_scale: radians per unit of action ("position"), scalar or one per actuator.
        groups: named sets of actuators, e.g. the legs, so that `motor_strength.front_left` names three motors.
        symmetry: the mirror image, or None.
        foot_radius: metres; 0 where tasks do not need it.
        velocity_limit: speed that each actuated joint is built for, rad/s (m/s where it slides); None: not known.
        camera: (distance m, azimuth degrees, elevation degrees) of a pleasant view of the base.
        fallen_height: of the base, m, below which the robot has fallen; None: not known.
        tool: name of the site that an arm works with, at its hand; None where the robot has none.
    """

    name: str
    make_spec: Callable[[], mujoco.MjSpec]
    base: str
    control: Literal["torque", "position"]
    control_dt: float
    feet: tuple[str, ...] = ()
    home: tuple[float, ...] | None = None
    action_scale: float | tuple[float, ...] = 1.0
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    symmetry: Symmetry | None = None
    foot_radius: float = 0.0
    velocity_limit: tuple[float, ...] | None = None
    camera: tuple[float, float, float] = (3.0, 120.0, -15.0)
    fallen_height: float | None = None
    tool: str | None = None

    def compile(self) -> mujoco.MjModel:
        """Compile the model. Raises `SurefootError` when MuJoCo refuses it or nothing can be actuated."""
        from .errors import SurefootError

        try:
            model = compile_quietly(self.make_spec())
        except SurefootError:
            raise
        except ValueError as error:
            reason = " ".join(str(error).split())
            raise SurefootError(f"robot {self.name!r}: the model does not compile: {reason}") from error
        if model.nu == 0:
            raise SurefootError(f"robot {self.name!r}: the model has no actuators, so nothing can be controlled")
        substeps = self.control_dt / model.opt.timestep
        if abs(substeps - round(substeps)) > 1e-6 or round(substeps) < 1:
            raise SurefootError(
                f"robot {self.name!r}: control period {self.control_dt} s is not a multiple of the model's "
                f"time step {model.opt.timestep} s"
            )
        return model

    def substeps(self, model: mujoco.MjModel) -> int:
        """Physics steps per control step."""
        return round(self.control_dt / model.opt.timestep)

    def home_qpos(self, model: mujoco.MjModel) -> np.ndarray:
        """The home pose, (nq,)."""
        return np.array(self.home) if self.home is not None else model.qpos0.copy()


def compile_quietly(spec: mujoco.MjSpec) -> mujoco.MjModel:
    """Compile without the notice that `settotalmass`, which Gymnasium's half_cheetah.xml uses, is deprecated."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="compiler attribute 'settotalmass'", category=UserWarning)
        return spec.compile()
