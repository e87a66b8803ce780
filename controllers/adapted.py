"""How an adapted controller came about, kept in its file so that whoever replays it sees it."""

from pydantic import BaseModel, ConfigDict, model_validator


class Adapted(BaseModel):
    """The method, the robot, and the curve from before to after; lists have one number a point.

    Attributes:
        method: one of `adaptation.METHODS`. task: what was different about the robot, in words.
        seconds: of wall-clock. robot_seconds: motion of the robots. returns, tracking: means of the evaluations; tracking is
            empty where the task has none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    method: str
    task: str
    seconds: tuple[float, ...]
    robot_seconds: tuple[float, ...]
    returns: tuple[float, ...]
    tracking: tuple[float, ...] = ()

    @model_validator(mode="after")
    def _one_number_a_point(self) -> "Adapted":
        sizes = {len(self.seconds), len(self.robot_seconds), len(self.returns), len(self.tracking) or len(self.seconds)}
        if len(sizes) > 1:
            raise ValueError(f"the curve has {sorted(sizes)} points, expected as many of each quantity")
        return self
