"""Recordings as pictures, drawn by MuJoCo itself on whatever OpenGL this machine has."""

import functools
import itertools
from collections.abc import Generator, Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..envs.opengl import pick_backend
from ..robots.errors import SurefootError
from .palette import colours
from .recording import TERMINATED, Recording
from .stage import Stage, View, check_camera, check_quality, check_size


def render_frames(
    recordings: Sequence[Recording],
    size: tuple[int, int] = (640, 480),
    fps: float = 25.0,
    camera: str | View | None = None,
    times: Sequence[float] | None = None,
    quality: str = "fast",
) -> Generator[np.ndarray, None, None]:
    """Frames (height, width, 3) uint8 of recordings side by side, in step by time, with captions.

    Args:
        recordings: one or more, of any robots, lengths and time steps; a shorter one stands still when it has ended.
        size: (width, height) of the whole frame, pixels.
        fps: frames per second of robot time; poses in between are interpolated.
        camera: "follow", "side", "front" or "above", which choose their distance by the robots' size, or (distance m,
            azimuth degrees, elevation degrees), as in `Robot.camera`; None is "follow".
        times: seconds to draw instead of `fps`.
        quality: "fast", or "high" with smooth edges, which takes several times as long.

    Raises `SurefootError` when there is no recording, no working OpenGL, a model that does not compile, or an unknown name.
    """
    if not recordings:
        raise SurefootError("nothing to render: expected at least one recording")
    camera = check_camera("follow" if camera is None else camera) if not isinstance(camera, tuple) else camera
    check_quality(quality)
    width, height = check_size(size)
    pick_backend()
    edges = np.linspace(0, width, len(recordings) + 1).astype(int)
    colour = colours([recording.label for recording in recordings])
    stages: list[Stage] = []
    try:
        for i, recording in enumerate(recordings):
            tint = colour[i] if has_twin(recording, recordings) else None
            stages.append(Stage(recording, int(edges[i + 1] - edges[i]), height, tint=tint, quality=quality))
        radius = max(stage.radius for stage in stages)  # one scale for all
        distance = 3.2 * radius / min(1.0, 1.2 * stages[0].width / height)
        if times is None:
            count = int(max(recording.times[-1] for recording in recordings) * fps + 1e-6) + 1
            times = [i / fps for i in range(count)]
        captions = [caption(r, c, s.width, height) for r, c, s in zip(recordings, colour, stages, strict=True)]
        for t in times:
            frame = np.concatenate([stage.frame(t, camera, distance) for stage in stages], axis=1)
            frame[:, edges[1:-1]] = 255  # a line between views
            image = Image.fromarray(frame)
            for left, recording, label in zip(edges, recordings, captions, strict=False):
                margin = label.info["margin"]
                image.paste(label, (int(left) + margin, margin), label)
                _clock(image, recording, t, int(left), label)
            yield np.asarray(image)
    finally:
        for stage in stages:
            stage.close()


def has_twin(recording: Recording, others: Sequence[Recording]) -> bool:
    """Whether others of its robot are shown, so that only colours tell them apart."""
    return sum(recording.robot == other.robot for other in others) > 1


@functools.cache
def font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    """Pillow's own TrueType font, which is there wherever Pillow is."""
    return ImageFont.load_default(size)


def caption(recording: Recording, colour: tuple[str, str], width: int, height: int) -> Image.Image:
    """A plate (RGBA) for a view of `width` x `height` pixels: label in its colour, and below it robot, task, what is changed.

    The line below the label ends in room for the time.
    """
    size = max(13, height // 24)
    lines = [f"{recording.robot} · {recording.task}", ", ".join(changed(recording.parameters))]
    lines = [_fitting(line, width - 2 * size, size * 4 // 5) for line in lines if line]
    small = font(size * 4 // 5)
    probe = ImageDraw.Draw(Image.new("L", (1, 1)))
    label = _fitting(recording.label, width * 2 // 3, size)
    pad, step = size // 2, round(size * 1.2)
    first = probe.textlength(label, font(size)) + probe.textlength("  000.0 s · 9 falls", small)
    wide = round(max([first, *(probe.textlength(line, small) for line in lines)]) + 2.6 * pad)
    plate = Image.new("RGBA", (min(wide, width - pad), step * (1 + len(lines)) + pad), (255, 255, 255, 224))
    draw = ImageDraw.Draw(plate)
    draw.rectangle((0, 0, max(3, size // 5), plate.height), fill=colour[0])
    draw.text((1.3 * pad, pad / 2), label, colour[0], font(size), stroke_width=size / 45, stroke_fill=colour[0])
    for i, line in enumerate(lines, 1):
        draw.text((1.3 * pad, pad / 2 + i * step), line, "#5c6167" if i > 1 else "#1c1e21", small)
    plate.info["margin"] = size // 2
    plate.info["clock"] = (1.3 * pad + probe.textlength(label, font(size)), pad / 2 + size * 0.17, size * 4 // 5)
    return plate


def changed(parameters: Mapping[str, float]) -> list[str]:
    """What is different about a robot, such as ["motor_strength.front_left 0.4", "payload 6"].

    Elements of one parameter that share a value are named by how their names begin.
    """
    groups: dict[tuple[str, float], list[str]] = {}
    for name, value in parameters.items():
        parameter, _, element = name.partition(".")
        groups.setdefault((parameter, value), []).append(element)
    found = []
    for (parameter, value), elements in groups.items():
        letters = itertools.takewhile(lambda same: len(set(same)) == 1, zip(*elements, strict=False))
        shared = "".join(letter for letter, *_ in letters)
        shared = shared.rstrip("_") if len(elements) > 1 else shared
        found.append(f"{'.'.join(part for part in (parameter, shared) if part)} {value:g}")
    return found


def _clock(image: Image.Image, recording: Recording, t: float, left: int, plate: Image.Image) -> None:
    """The time, behind the label on the plate, and how often it has fallen until then."""
    x, y, size = plate.info["clock"]
    row = min(int(t / recording.dt + 1e-6), len(recording) - 1)
    falls = int((recording.done[: row + 1] == TERMINATED).sum())
    text = f"{min(t, recording.times[-1]):5.1f} s" + (f" · {falls} fall{'s' * (falls > 1)}" if falls else "")
    edge = plate.info["margin"]
    ImageDraw.Draw(image).text((left + edge + x, edge + y), "  " + text, "#1c1e21", font(size))


def _fitting(text: str, width: float, size: int) -> str:
    """The text, cut where it is wider than `width` pixels."""
    draw = ImageDraw.Draw(Image.new("L", (1, 1)))
    if draw.textlength(text, font(size)) <= width:
        return text
    while text and draw.textlength(text + "…", font(size)) > width:
        text = text[:-1]
    return text.rstrip(" ,·") + "…"
