"""What happened: recordings, and how to look at them (a page, videos, pictures)."""

from .page import write_page
from .recording import Recording, load_many, pack_model
from .rendering import pick_backend, render_frames
from .video import write_picture, write_video

__all__ = [
    "Recording",
    "load_many",
    "pack_model",
    "pick_backend",
    "render_frames",
    "write_page",
    "write_picture",
    "write_video",
]
