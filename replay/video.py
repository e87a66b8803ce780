"""Recordings as videos: MP4, and animated WebP and GIF for pages that take pictures only."""

import errno
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..envs.opengl import pick_backend
from ..robots.errors import SurefootError
from ..robots.files import check_name, replacing
from .recording import Recording
from .rendering import render_frames
from .stage import View, check_camera, check_quality, check_size

FPS = 25
# What ffmpeg is told for each kind of file. A GIF's palette is made anew for each frame, so that no frame is kept in memory.
_PALETTE = "split[a][b];[a]palettegen=stats_mode=single[p];[b][p]paletteuse=new=1:dither=bayer:bayer_scale=4"
ENCODERS: dict[str, dict[str, Any]] = {
    ".mp4": {
        "codec": "libx264",
        "pix_fmt_out": "yuv420p",
        "output_params": ["-crf", "20", "-preset", "veryfast", "-movflags", "+faststart"],
    },
    ".webp": {
        "codec": "libwebp_anim",
        "pix_fmt_out": "yuv420p",
        "output_params": ["-loop", "0", "-quality", "75", "-compression_level", "2"],
    },
    ".gif": {"codec": "gif", "pix_fmt_out": "pal8", "output_params": ["-filter_complex", _PALETTE, "-loop", "0"]},
}


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Which videos and posters of recordings are wanted; what is wrong with that is said here, before any work.

    Attributes:
        video, webp, gif, poster: files to write (*.mp4, *.webp, *.gif, *.png), None: not wanted.
        camera: "follow", "side", "front" or "above"; None: "follow" for videos, "side" for posters.
        size: (width, height) in pixels or as text, "640x480", of the whole picture; None: 640x480 for a video of one recording,
            480x480 for each of several, and 1200x400 for each of a poster's rows.
        quality: "fast", or "high" with smooth edges. Posters are always of high quality.

    Raises `SurefootError` for names and sizes that do not fit, and where OpenGL or the package imageio-ffmpeg is missing.
    """

    video: str | Path | None = None
    webp: str | Path | None = None
    gif: str | Path | None = None
    poster: str | Path | None = None
    camera: str | None = None
    size: str | tuple[int, int] | None = None
    quality: str = "fast"

    def __post_init__(self) -> None:
        for path, suffix in ((self.video, ".mp4"), (self.webp, ".webp"), (self.gif, ".gif"), (self.poster, ".png")):
            check_name(path, suffix)
        if self.camera is not None:
            check_camera(self.camera)
        check_quality(self.quality)
        if self.size is not None:
            object.__setattr__(self, "size", check_size(parse_size(self.size)))
            if self.video is not None:
                _check_even(self.pixels(1))
        if self.videos:
            _ffmpeg()
        if self.videos or self.poster is not None:
            pick_backend()

    @property
    def videos(self) -> list[str | Path]:
        """The files that move."""
        return [path for path in (self.video, self.webp, self.gif) if path is not None]

    def pixels(self, count: int) -> tuple[int, int]:
        """(width, height) of a video of `count` recordings."""
        if isinstance(self.size, tuple):
            return self.size
        return (640, 480) if count == 1 else (480 * min(count, 3), 480)

    def write(self, recordings: Sequence[Recording]) -> list[Path]:
        """Write them all; returns the paths."""
        from .poster import write_poster

        for path in self.videos:
            write_video(path, recordings, self.pixels(len(recordings)), camera=self.camera, quality=self.quality)
        if self.poster is not None:
            assert not isinstance(self.size, str)
            write_poster(self.poster, recordings, self.size, camera=self.camera or "side")
        return [Path(path) for path in (*self.videos, self.poster) if path is not None]


def parse_size(size: str | tuple[int, int]) -> tuple[int, int]:
    """(width, height) from "640x480". Raises `SurefootError` for anything else."""
    if isinstance(size, tuple):
        return size
    parts = size.lower().replace("×", "x").split("x")
    if len(parts) != 2 or not all(part.strip().isdecimal() for part in parts):
        raise SurefootError(f"size {size!r}: expected WIDTHxHEIGHT in pixels, such as 640x480")
    return int(parts[0]), int(parts[1])


def write_video(
    path: str | Path,
    recordings: Sequence[Recording],
    size: tuple[int, int] = (640, 480),
    fps: int = FPS,
    camera: str | View | None = None,
    quality: str = "fast",
) -> None:
    """Write recordings side by side, in step by time, as a video at real speed, whole or not at all.

    The name decides: MP4 (H.264), animated WebP or GIF. `size` is (width, height) in pixels, of an MP4 both even; the rest as
    in `render_frames`. Memory does not grow with the length. Raises `SurefootError` when the package `imageio-ffmpeg` or OpenGL
    is missing, the size does not fit or the disk refuses.
    """
    imageio_ffmpeg = _ffmpeg()
    path = Path(path)
    check_name(path, *ENCODERS)
    if path.suffix == ".mp4":
        _check_even(size)
    frames = render_frames(recordings, size, fps, camera, quality=quality)
    with replacing(path) as temporary:
        writer = imageio_ffmpeg.write_frames(
            str(temporary),
            size,
            fps=fps,
            quality=None,  # as the parameters say
            macro_block_size=1,
            ffmpeg_log_level="quiet",  # its lines would hide our one
            **ENCODERS[path.suffix],
        )
        try:
            writer.send(None)
            for frame in frames:
                writer.send(np.ascontiguousarray(frame))
            writer.close()
            _check_whole(temporary)
        except (OSError, RuntimeError, StopIteration) as error:
            raise OSError(errno.EIO, "ffmpeg could not finish it (is the disk full?)") from error
        finally:
            frames.close()
            writer.close()


def _ffmpeg() -> Any:
    try:
        import imageio_ffmpeg
    except ImportError:
        raise SurefootError("writing a video needs imageio-ffmpeg: pip install surefoot[video]") from None
    return imageio_ffmpeg


def _check_even(size: tuple[int, int]) -> None:
    if any(n <= 0 or n % 2 for n in size):
        raise SurefootError(f"video size {size[0]}x{size[1]}: expected even numbers of pixels")


def _check_whole(path: Path) -> None:
    """Raise `OSError` for a file that cannot be read: a full disk can pass unnoticed until here."""
    if path.suffix == ".mp4":
        next(_ffmpeg().read_frames(str(path)))
        return
    from PIL import Image

    with Image.open(path) as image:
        image.seek(getattr(image, "n_frames", 1) - 1)
        image.load()
