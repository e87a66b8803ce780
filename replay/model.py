"""A MuJoCo model as bytes that need no other file: what a recording keeps of its robot and ground."""

import io
import warnings
import zipfile
import zlib
from collections.abc import Container
from pathlib import Path, PurePath
from xml.etree.ElementTree import Element

import mujoco

from ..robots.errors import SurefootError
from ..robots.source import check_tags, file_names, parse

LARGEST = 2**31  # bytes of a model with all its meshes
ASSETS = ("mesh", "skin", "hfield", "texture")
PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


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
    """The spec in `packed`, a fresh one each call.

    Somebody else may have made it, so it is vetted as a robot's file is: raises `SurefootError` when it is not such a zip, or
    larger than `LARGEST`, when its XML is broken or declares entities, and when it names anything but files of the zip.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as whole:
            size = sum(member.file_size for member in whole.infolist())
            if size > LARGEST or any(member.compress_type not in PACKINGS for member in whole.infolist()):
                raise ValueError("it is packed in another way than recordings are")
            files = {name: whole.read(name) for name in whole.namelist()}
        name = next((name for name in files if name.endswith(".xml")), None)
        if name is None:
            raise ValueError("there is no XML in it")
        text = files.pop(name)
        root = parse(name, text)
        check_tags(name, root)
        _check_files(root, files)
        return mujoco.MjSpec.from_string(text.decode(), assets=files)
    except (ValueError, zipfile.BadZipFile, EOFError, RuntimeError, NotImplementedError, zlib.error) as error:
        raise SurefootError(f"the recording's model cannot be read: {' '.join(str(error).split())}") from error


def _check_files(root: Element, files: Container[str]) -> None:
    """Raise `ValueError` for the first thing in the XML that makes MuJoCo look for a file, but for assets among `files`.

    Those it finds there when it compiles; what it reads while it parses (include, attached models, flexcomp) it would look for
    on the disk, whatever the zip holds, and `pack_model` leaves none of these.
    """
    for element in root.iter():
        names = list(file_names(element))
        if element.tag == "compiler":
            names += [element.get(folder, "") for folder in ("assetdir", "meshdir", "texturedir")]
        for said in filter(None, names):
            if element.tag not in ASSETS or said not in files or "/" in said or "\\" in said:
                raise ValueError(f"its <{element.tag}> names {said!r}, which is no part of the recording: refused")
