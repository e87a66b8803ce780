"""A gait in one picture: the robot at several moments of one stretch, earlier ones more translucent."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from ..envs.opengl import pick_backend
from ..robots.errors import SurefootError
from ..robots.files import check_name, replacing
from .palette import colours
from .recording import Recording
from .rendering import caption, font, has_twin
from .stage import CAMERAS, Stage, check_camera, check_size

ROW = (1200, 400)  # pixels of one recording's strip
FOVY = 15.0  # degrees: a long lens, so that robots at the edge look like those in the middle
APART = 1.1  # of the robot's radius, between two of its ghosts
MOST = 8  # ghosts
FAINTEST = 0.28  # opacity of the first one


def write_poster(
    path: str | Path,
    recordings: Sequence[Recording],
    size: tuple[int, int] | None = None,
    camera: str = "side",
) -> None:
    """Write one picture (PNG), whole or not at all: a strip of ghosts for each recording, one below the other.

    `size` is (width, height) of the whole picture in pixels, None 1200x400 for each strip; `camera` is one of `CAMERAS` and
    stands still. Raises `SurefootError` when OpenGL is missing, a name is unknown or the disk refuses.
    """
    check_name(path, ".png")
    image = poster(recordings, size, camera)
    with replacing(path) as temporary:
        image.save(temporary, format="PNG", optimize=True)


def poster(recordings: Sequence[Recording], size: tuple[int, int] | None = None, camera: str = "side") -> Image.Image:
    """As `write_poster`, in memory."""
    if not recordings:
        raise SurefootError("nothing to render: expected at least one recording")
    check_camera(camera)
    width, height = check_size(size or (ROW[0], ROW[1] * len(recordings)))
    pick_backend()
    edges = np.linspace(0, height, len(recordings) + 1).astype(int)
    sheet = Image.new("RGB", (width, height))
    shown = colours([recording.label for recording in recordings])
    for i, recording in enumerate(recordings):
        tint = shown[i] if has_twin(recording, recordings) else None
        top, bottom = int(edges[i]), int(edges[i + 1])
        with Stage(recording, width, bottom - top, tint=tint, quality="high") as stage:
            strip = _strip(stage, camera)
        plate = caption(recording, shown[i], width, min(height, 400))
        strip.paste(plate, (plate.info["margin"], plate.info["margin"]), plate)
        sheet.paste(strip, (0, top))
        if i:
            ImageDraw.Draw(sheet).line((0, top, width, top), fill="#ffffff", width=2)
    return sheet


def moments(recording: Recording, track: np.ndarray, length: float, count: int) -> np.ndarray:
    """Rows (n,) of `recording` at equal intervals, n at most `count`: of the straightest way of `length` m within an episode.

    track (T, 3) m is where the base was. Where it never came so far, the episode in which it came farthest.
    """
    ground, best, way = track[:, :2], (math.inf, 0, 0), np.zeros(len(track))
    way[1:] = np.linalg.norm(np.diff(ground, axis=0), axis=1)
    way = np.cumsum(way)
    farthest = (-1.0, 0, 0)
    every = max(1, round(0.1 / recording.dt))
    for episode in np.unique(recording.episode):
        rows = np.flatnonzero(recording.episode == episode)
        first, last = int(rows[0]), int(rows[-1])
        gone = float(np.linalg.norm(ground[rows] - ground[first], axis=1).max())
        if gone > farthest[0]:
            farthest = (gone, first, last)
        for start in range(first, last, every):
            away = np.linalg.norm(ground[start : last + 1] - ground[start], axis=1)
            there = int(np.argmax(away >= length))
            if away[there] < length:
                continue
            bend = (way[start + there] - way[start]) / length
            if bend < best[0] - 0.01:  # of equally straight ones, the first
                best = (bend, start, start + there)
    _, start, stop = best if best[2] else farthest
    return np.unique(np.linspace(start, stop, min(count, stop - start + 1)).round().astype(int))


def _strip(stage: Stage, camera: str) -> Image.Image:
    recording, aspect = stage.recording, stage.width / stage.height
    stage.model.vis.global_.fovy = FOVY
    high = 2.2 * stage.radius  # metres that are to be seen, at least
    length = max(0.0, high * aspect - 2.3 * stage.radius)
    rows = moments(recording, stage.track, length, int(np.clip(round(length / (APART * stage.radius)) + 1, 3, MOST)))
    track = stage.track[rows]
    along = track[-1, :2] - track[0, :2]
    heading = math.degrees(math.atan2(along[1], along[0])) if np.linalg.norm(along) > 0.5 * stage.radius else 0.0
    azimuth, elevation, _ = CAMERAS[camera]
    wide = float(np.linalg.norm(along)) + 2.3 * stage.radius
    distance = max(high, wide / aspect) / (2 * math.tan(math.radians(FOVY / 2)))
    look = (track[0] + track[-1]) / 2
    look[2] = track[:, 2].mean() - 0.08 * max(high, wide / aspect)  # room for the marks below the feet
    view = (distance, azimuth + heading, elevation)
    stage.pose(rows[0] * recording.dt)
    empty = stage.picture(look, view, robot=False).astype(np.float32)
    picture = empty.copy()
    marks = []
    for i, row in enumerate(rows):
        stage.pose(row * recording.dt)
        ghost = stage.picture(look, view).astype(np.float32)
        # What the robot covers, and its shadow: wherever it is not the empty world.
        there = np.clip(np.abs(ghost - empty).max(axis=2, keepdims=True) / 8 - 0.25, 0, 1)
        opacity = FAINTEST + (0.85 - FAINTEST) * i / max(1, len(rows) - 1) if i < len(rows) - 1 else 1.0
        picture += opacity * there * (ghost - picture)
        marks.append((stage.pixel(stage.track[row])[0], row * recording.dt, opacity))
    strip = Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))
    _time_marks(strip, marks)
    return strip


def _time_marks(strip: Image.Image, marks: Sequence[tuple[float, float, float]]) -> None:
    """A line along the bottom with the second at which the robot was above each mark; those that would overlap are left out."""
    size = max(11, min(strip.height, 400) // 24)
    draw, y = ImageDraw.Draw(strip, "RGBA"), strip.height - 2.1 * size
    ink = (28, 30, 33)
    if marks[0][0] != marks[-1][0]:
        draw.line((marks[0][0], y, marks[-1][0], y), fill=(*ink, 110), width=max(1, size // 12))
    taken: list[tuple[float, float]] = []
    for x, t, opacity in (marks[-1], *marks[:-1]):
        text = f"{t:.1f} s"
        half = draw.textlength(text, font(size)) / 2
        middle = min(max(x, half + 4), strip.width - half - 4)
        draw.ellipse((x - size / 5, y - size / 5, x + size / 5, y + size / 5), fill=(*ink, round(255 * opacity)))
        if all(middle + half + 6 < low or middle - half - 6 > high for low, high in taken):
            taken.append((middle - half, middle + half))
            draw.text((middle - half, y + size * 0.5), text, (*ink, 255), font(size))
