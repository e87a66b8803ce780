"""What drives the robot: algorithms, training, evaluation, storage, adaptation."""

from . import threads as _threads  # noqa: F401 - first, before torch is loaded
