"""What a controller is told beside the task's own observation: what it just did and got, or what is usually hidden.

`last_action`, `last_reward` and `last_done` are what a learner of tasks needs to find out which task it is in (RL2, Duan et
al., 2016); parameters and commands, by their names, are privileged: known in simulation alone (RMA's teacher, Kumar et al.,
2021; universal policies, Yu et al., 2017). `height-scan` and `camera` are pictures of the ground: they come last, so that a
network can tell them from the rest.
"""

from collections.abc import Sequence

import numpy as np

from ..robots import SurefootError, Symmetry, unknown
from ..robots.parameters import ParameterTable
from .views import VIEWS

REMEMBERED = ("last_action", "last_reward", "last_done")


class Inputs:
    """Numbers (N, size) that follow the task's observation, in the order of `names`; pictures (`views`) follow them.

    Attributes:
        layout: size of each part by name; a name such as `motor_strength` stands for all motors.
        numbers: (N, size), as the next observation shows them.
        views: names of the pictures among `names`, which are not in `numbers` and `size`.
        known: names of the K parameters and commands among them, one a number.
        believed: (N, K), what to show instead of the true ones, NaN for the true ones.
    """

    def __init__(
        self, names: Sequence[str], num_envs: int, num_actions: int, table: ParameterTable, commands: Sequence[str]
    ):
        self.layout: dict[str, int] = {}
        self.known: list[str] = []
        self.table, self.commands = table, tuple(commands)
        self._parts: dict[str, slice] = {}
        size = 0
        shown: list[int] = []  # where parameters and commands stand
        self.views = tuple(name for name in names if name in VIEWS)
        if tuple(names)[len(names) - len(self.views) :] != self.views or len(set(self.views)) < len(self.views):
            raise SurefootError(f"inputs={','.join(names)}: expected {' and '.join(self.views)} last, each once")
        for name in names[: len(names) - len(self.views)]:
            start = size
            if name in REMEMBERED:
                size += num_actions if name == "last_action" else 1
            elif name in commands:
                self.known.append(name)
                shown.append(size)
                size += 1
            elif name.split(".")[0] in {full.split(".")[0] for full in table.names}:
                columns = table.columns(name.removesuffix(".*"))
                self.known += [table.names[c] for c in columns]
                size += len(columns)
                shown += range(start, size)
            else:
                raise unknown("input", name, (*REMEMBERED, *VIEWS, *commands, *table.names))
            if name in self._parts:
                raise SurefootError(f"input {name!r} appears twice: expected each once")
            self._parts[name] = slice(start, size)
            self.layout[name] = size - start
        self.size = size
        self.numbers = np.zeros((num_envs, size))
        self.believed = np.full((num_envs, len(self.known)), np.nan)
        self._shown = np.array(shown, np.int64)
        command = np.array([name in self.commands for name in self.known], bool)
        self._at = np.flatnonzero(~command), np.flatnonzero(command)  # parameters and commands among the known
        self._columns = np.array([table.names.index(n) for n in self.known if n not in self.commands], np.int64)
        self._goals = np.array([self.commands.index(n) for n in self.known if n in self.commands], np.int64)

    def believe(self, name: str, value: float | np.ndarray) -> None:
        """Show `value`, one or (N,), for a parameter, whatever it is. Raises `SurefootError` where it is no input."""
        if name not in self.known:
            raise unknown("parameter among the inputs", name, self.known)
        self.believed[:, self.known.index(name)] = value

    def truth(self, values: np.ndarray, commands: np.ndarray) -> np.ndarray:
        """What is known in simulation alone (N, K), of parameters (N, P) and commands (N, G)."""
        found = np.empty((len(values), len(self.known)))
        found[:, self._at[0]] = values[:, self._columns]
        if len(self._goals):
            found[:, self._at[1]] = commands[:, self._goals]
        return found

    def supposed(self, values: np.ndarray) -> np.ndarray:
        """What robots with parameters (N, P) are taken for, (N, P): what they are told, as far as it is legal, else nominal."""
        at, columns = self._at[0], self._columns
        told = ~np.isnan(self.believed[:, at])
        taken = np.where(told.any(axis=1)[:, None], self.table.nominal, values)
        # An estimate of a motor that is not dead may be a little less than 0.
        legal = np.clip(self.believed[:, at], self.table.low[columns], self.table.high[columns])
        taken[:, columns] = np.where(told, legal, taken[:, columns])
        return taken

    def forget(self, ids: np.ndarray) -> None:
        """Worlds `ids` begin with a task that nothing is known of."""
        for name in REMEMBERED:
            if name in self._parts:
                self.numbers[ids, self._parts[name]] = 0.0

    def recall(self, other: "Inputs") -> None:
        """Know what `other`, of the same layout, was told last, as from an episode that has ended."""
        for name, part in self._parts.items():
            if name in REMEMBERED:
                self.numbers[:, part] = other.numbers[:, part] if name != "last_done" else 1.0

    def remember(self, actions: np.ndarray, reward: np.ndarray, done: np.ndarray) -> None:
        """After a step with actions (N, nu)."""
        for name, value in zip(REMEMBERED, (actions, reward[:, None], done[:, None]), strict=True):
            if name in self._parts:
                self.numbers[:, self._parts[name]] = value

    def tell(self, values: np.ndarray, commands: np.ndarray) -> None:
        """The parameters (N, K) and commands (N, G) of now."""
        if len(self._shown):
            true = self.truth(values, commands)
            self.numbers[:, self._shown] = np.where(np.isnan(self.believed), true, self.believed)

    def mirror(self, symmetry: Symmetry) -> tuple[np.ndarray, np.ndarray]:
        """Left-right mirror image of the numbers: mirrored = sign * numbers[index].

        Raises `SurefootError` for an input whose image is not among them.
        """
        index, sign = np.arange(self.size), np.ones(self.size, np.float32)
        if "last_action" in self._parts:
            part = self._parts["last_action"]
            index[part], sign[part] = part.start + np.array(symmetry.index), np.array(symmetry.sign)
        places = dict(zip(self.known, self._shown, strict=True))
        for name, place in places.items():
            if name in self.commands:
                raise SurefootError("mirror=true knows no mirror image of commands among the inputs: expected none")
            image, sign[place] = mirror_image(name, self.table)
            if image not in places:
                raise SurefootError(f"mirror=true needs input {image!r} beside {name!r}: expected both or none")
            index[place] = places[image]
        return index, sign


def mirror_image(name: str, table: ParameterTable) -> tuple[str, float]:
    """What stands in the place of a parameter in the mirror image of a robot that has one, and the sign that it has there.

    Motors are paired as the robot's `Symmetry` says, other parts by left and right in their names. Raises `SurefootError` for
    those of a robot, such as Gymnasium's ant, whose names do not say so.
    """
    symmetry, at, motors = table.robot.symmetry, table.layout, table.layout.motors
    assert symmetry is not None
    key, _, part = name.partition(".")
    if part in motors:
        own = motors.index(part)
        return f"{key}.{motors[symmetry.index[own]]}", symmetry.sign[own] if key == "encoder_offset" else 1.0
    if part in ("x", "y", "z"):
        turned = ("x", "z") if key == "imu_rotation" else ("y",)
        return name, -1.0 if part in turned else 1.0
    if part in (*at.body_names, *at.geom_names) and [_other_side(m) for m in motors] != [
        motors[i] for i in symmetry.index
    ]:
        raise SurefootError(
            f"mirror=True: the parts of {table.robot.name!r} are not called left and right, so that input {name!r} has no "
            "mirror image: expected mirror=False"
        )
    return _other_side(name), 1.0


def _other_side(name: str) -> str:
    """front_right_hip for front_left_hip."""
    return "right".join(part.replace("right", "left") for part in name.split("left"))
