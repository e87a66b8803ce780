"""Flags of the verbs that make videos and posters."""

from dataclasses import dataclass
from typing import Annotated, Any

import tyro

from .options import File


@dataclass(kw_only=True)
class Pictures:
    """What is wanted as pictures; a verb's arguments inherit these flags."""

    video: File = None
    """Write a video (*.mp4)."""
    webp: File = None
    """Write an animated picture (*.webp), for pages that take pictures only; a third of the size of --gif."""
    gif: File = None
    """Write an animated picture (*.gif)."""
    poster: File = None
    """Write one picture (*.png) of a gait: the robot at several moments of one stretch, earlier ones more translucent."""
    camera: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None
    """Where the camera is: follow, side, front or above. None: follow for videos, side for posters."""
    size: Annotated[str | None, tyro.conf.arg(metavar="WxH")] = None
    """Pixels of the whole picture, such as 640x480. None: 640x480 for a video of one recording."""
    quality: Annotated[str, tyro.conf.arg(metavar="NAME")] = "fast"
    """Of videos: fast, or high with smooth edges, which takes several times as long."""

    def pictures(self) -> dict[str, Any]:
        """These flags as `api.replay` takes them."""
        return {name: getattr(self, name) for name in Pictures.__dataclass_fields__}
