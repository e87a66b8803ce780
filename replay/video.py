"""Recordings as MP4 videos and PNG pictures."""

import errno
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from ..robots.errors import SurefootError
from ..robots.files import replacing
from .recording import Recording
from .rendering import render_frames


def write_video(
    path: str | Path,
    recordings: Sequence[Recording],
    size: tuple[int, int] = (960, 480),
    fps: int = 30,
    camera: tuple[float, float, float] | None = None,
) -> None:
    """Write recordings side by side, in step by time, as an MP4 (H.264) at real speed, whole or not at all.

    `size` is (width, height) in pixels, both even; `camera` as in `render_frames`. Raises `SurefootError` when the package
    `imageio-ffmpeg` or OpenGL is missing, the size is odd or the disk refuses.
    """
    try:
        import imageio_ffmpeg
    except ImportError:
        raise SurefootError("writing a video needs imageio-ffmpeg: pip install surefoot[video]") from None
    path = Path(path)
    if path.suffix != ".mp4":
        raise SurefootError(f"cannot write the video {str(path)!r}: expected a name that ends in .mp4")
    if any(n <= 0 or n % 2 for n in size):
        raise SurefootError(f"video size {size[0]} x {size[1]}: expected even numbers of pixels")
    frames = render_frames(recordings, size, fps, camera)
    with replacing(path) as temporary:
        writer = imageio_ffmpeg.write_frames(
            str(temporary),
            size,
            fps=fps,
            codec="libx264",
            quality=None,  # crf instead
            pix_fmt_out="yuv420p",
            macro_block_size=2,
            ffmpeg_log_level="quiet",  # its lines would hide our one
            output_params=["-crf", "20", "-preset", "veryfast", "-movflags", "+faststart"],
        )
        try:
            writer.send(None)
            for frame in frames:
                writer.send(np.ascontiguousarray(frame))
            writer.close()
            next(imageio_ffmpeg.read_frames(str(temporary)))  # a full disk can pass unnoticed until here
        except (OSError, RuntimeError, StopIteration) as error:
            raise OSError(errno.EIO, "ffmpeg could not finish it (is the disk full?)") from error
        finally:
            frames.close()
            writer.close()


def write_picture(
    path: str | Path,
    recording: Recording,
    times: Sequence[float] | None = None,
    size: tuple[int, int] = (480, 360),
    camera: tuple[float, float, float] | None = None,
) -> None:
    """Write a PNG strip of the robot at `times` (seconds; None: four moments), each `size` (width, height) pixels.

    Raises `SurefootError` when OpenGL is missing or the disk refuses.
    """
    if times is None:
        times = np.linspace(0.1, 0.9, 4) * recording.times[-1]
    frames = list(render_frames([recording], size, camera=camera, times=times, samples=8))
    with replacing(path) as temporary:
        Image.fromarray(np.concatenate(frames, axis=1)).save(temporary, format="PNG", optimize=True)
