"""A MuJoCo model as bytes that need no other file: what a recording keeps of its robot and ground."""

import io
import warnings
import zipfile
from pathlib import Path, PurePath

import mujoco

from ..robots.errors import SurefootError


def pack_model(spec: mujoco.MjSpec) -> bytes:
    """`spec` as a zip made by `mujoco.MjSpec.to_zip`, with every mesh, texture and height field inside.

    MuJoCo puts only the files of `spec.assets` into the zip, so files still on disk are read into it first, under names
    without folders: no path of this machine is left. Raises `SurefootError` when a file is missing or the model does not
    compile.
    """
    copy = spec.copy()
    given = dict(copy.assets)
    packed: dict[str, bytes] = {}

    def take(file: str, folder: str) -> str:
        """Put one file into `packed`; returns its new name."""
        if not file:
            return file
        inside = next(
            (given[key] for key in (file, str(PurePath(folder, file)), PurePath(file).name) if key in given), None
        )
        try:
            content = Path(spec.modelfiledir, folder, file).read_bytes() if inside is None else inside
        except OSError as error:
            raise SurefootError(f"model {spec.modelname!r}: cannot read its file {file!r}: {error.strerror}") from error
        if isinstance(content, str):
            content = content.encode()
        name = PurePath(file).name
        while packed.get(name, content) != content:  # same name, another file: keep both
            name = "_" + name
        packed[name] = content
        return name

    for mesh in copy.meshes:
        mesh.file = take(mesh.file, copy.meshdir)
    for skin in copy.skins:
        skin.file = take(skin.file, copy.meshdir)
    for hfield in copy.hfields:
        hfield.file = take(hfield.file, copy.meshdir)
    for texture in copy.textures:
        texture.file = take(texture.file, copy.texturedir)
        for i, file in enumerate(texture.cubefiles):
            texture.cubefiles[i] = take(file, copy.texturedir)
    copy.meshdir = copy.texturedir = ""
    copy.assets = packed
    copy.modelname = PurePath(copy.modelname).name or "model"
    buffer = io.BytesIO()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="compiler attribute 'settotalmass'", category=UserWarning)
            copy.to_zip(buffer)
    except ValueError as error:
        raise SurefootError(f"model {spec.modelname!r} cannot be packed: {' '.join(str(error).split())}") from error
    return buffer.getvalue()


def unpack_model(packed: bytes) -> mujoco.MjSpec:
    """The spec in `packed`, a fresh one each call. Raises `SurefootError` when it is not such a zip."""
    try:
        return mujoco.MjSpec.from_zip(io.BytesIO(packed))
    except (ValueError, zipfile.BadZipFile, KeyError, EOFError) as error:
        raise SurefootError(f"the recording's model cannot be read: {' '.join(str(error).split())}") from error
