"""`surefoot export`."""

from dataclasses import dataclass
from typing import Annotated

import tyro
from tyro.conf import Positional

from .options import File


@dataclass
class Arguments:
    """Write a controller as one file that needs no Surefoot: normaliser, network and action limits, with joint order, home
    pose, action scale and observation layout as metadata."""

    source: Positional[Annotated[str, tyro.conf.arg(metavar="CONTROLLER")]]
    """Run folder, controller file (*.safetensors) or name of a shipped controller."""
    onnx: File = None
    """Write ONNX (*.onnx), which evaluate and replay also take."""
    torchscript: File = None
    """Write TorchScript (*.pt)."""


def run(given: Arguments) -> None:
    """Export, and say what is in the file."""
    from .. import api
    from .tables import console, show

    metadata = api.export(given.source, onnx=given.onnx, torchscript=given.torchscript)
    parts = zip(metadata.observation_names, metadata.observation_sizes, strict=True)
    rows = [
        ("robot, task", f"{metadata.robot} {metadata.task}"),
        ("observation", ", ".join(f"{name} ({size})" for name, size in parts)),
        ("actions", ", ".join(metadata.action_names)),
        ("meaning", metadata.action_meaning),
        ("control period", f"{metadata.control_period:g} s"),
    ]
    show(("", "metadata"), rows)
    for path in (given.onnx, given.torchscript):
        if path is not None:
            console().print(f"wrote {path}", soft_wrap=True)
