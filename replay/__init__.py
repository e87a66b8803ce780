"""What happened: recordings, and how to look at them (a page, videos, pictures)."""

from ..envs.opengl import pick_backend
from .chunks import RecordingFile, RecordingWarning
from .model import pack_model
from .page import write_page
from .poster import write_poster
from .recording import Recording, load_many, read_world, save_worlds
from .rendering import render_frames
from .video import Pictures, write_video

__all__ = [
    "Pictures",
    "Recording",
    "RecordingFile",
    "RecordingWarning",
    "load_many",
    "pack_model",
    "pick_backend",
    "read_world",
    "render_frames",
    "save_worlds",
    "write_page",
    "write_poster",
    "write_video",
]
