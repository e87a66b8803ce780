"""Reading a model file that somebody else wrote, without following it anywhere: what it names must lie in its own folder.

Nothing is compiled here. The XML is parsed only after it is known to declare no entities (which can grow without bound, the
"billion laughs", or read other files), and every file that it names is looked up before MuJoCo sees it.
"""

import hashlib
import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn
from xml.etree import ElementTree

from .errors import SurefootError, nearest

SUFFIXES = (".xml", ".mjcf", ".urdf")
LARGEST = 64 * 2**20  # bytes of one XML file
DEEPEST = 16  # includes within includes
FOLDERS = {"mesh": "meshdir", "hfield": "texturedir", "texture": "texturedir", "skin": "meshdir", "flexcomp": "meshdir"}


@dataclass(frozen=True)
class Source:
    """A model file and all that belongs to it.

    Attributes:
        path: of the main file, absolute. root: its parsed XML.
        files: every file that decides what the robot is (the main one, includes, meshes, textures, the YAML beside it).
        digest: SHA-256 of their names and contents, hexadecimal.
    """

    path: Path
    root: ElementTree.Element
    files: tuple[Path, ...]
    digest: str

    @property
    def is_urdf(self) -> bool:
        return self.root.tag == "robot"

    @property
    def hints(self) -> Path:
        """Where the YAML with what cannot be derived is, if there is one."""
        return self.path.with_suffix(".yaml")


def is_file_name(name: str) -> bool:
    """Whether a robot's name is a path of a model file rather than a name of the catalogue."""
    return Path(name).suffix.lower() in SUFFIXES


def absolute(name: str) -> str:
    """The one spelling of a path, whatever the working directory."""
    return os.path.abspath(os.path.expanduser(name))


def read_source(path: str | Path) -> Source:
    """Parse a MJCF or URDF file and find all the files that it names.

    Raises `SurefootError` in one line for a missing, huge or broken file, XML with DOCTYPE, ENTITY or NaN, paths out of the
    file's folder, and files that are not there.
    """
    path = Path(absolute(str(path)))
    if not path.is_file():
        near = [other.name for suffix in SUFFIXES for other in path.parent.glob(f"*{suffix}")] if path.parent else []
        hint = f": {nearest(path.name, near)}" if near else ""
        raise SurefootError(f"robot file {str(path)!r} does not exist{hint}")
    files = [path]
    root = _parse(path)
    if root.tag not in ("mujoco", "robot"):
        raise SurefootError(f"{str(path)!r} is neither MJCF nor URDF: its outermost element is <{root.tag}>")
    if root.tag == "robot":
        files += _urdf_files(path, root)
    else:
        _walk(path, path.parent, root, files)
    hints = path.with_suffix(".yaml")
    if hints.is_file():
        files.append(hints)
    seen = tuple(dict.fromkeys(files))
    return Source(path, root, seen, _digest(path.parent, seen))


def _digest(folder: Path, files: tuple[Path, ...]) -> str:
    whole = hashlib.sha256()
    for file in sorted(files):
        whole.update(os.path.relpath(file, folder).encode() + b"\0")
        whole.update(hashlib.sha256(file.read_bytes()).digest())
    return whole.hexdigest()


def _parse(path: Path) -> ElementTree.Element:
    try:
        large = path.stat().st_size > LARGEST
        data = b"" if large else path.read_bytes()
    except OSError as error:
        raise SurefootError(f"cannot read {str(path)!r}: {error.strerror or error}") from error
    if large:
        raise SurefootError(f"{str(path)!r} is larger than {LARGEST // 2**20} MiB: not a model that somebody wrote")
    return parse(str(path), data)


def parse(name: str, data: bytes) -> ElementTree.Element:
    """The XML of `data`, called `name` in the `SurefootError` of one that is broken, declares entities or has a NaN."""
    # In UTF-16 or UTF-32 the words below would not be found: each character there has a zero byte.
    if b"\0" in data:
        raise SurefootError(f"{name!r} is not UTF-8 text")
    for word in (b"<!doctype", b"<!entity"):
        if word in data.lower():
            raise SurefootError(
                f"{name!r} has a {word[2:].decode().upper()} declaration, which a robot does not need: refused"
            )
    declared = re.match(rb"(?:\xef\xbb\xbf)?<\?xml[^>]*?encoding\s*=\s*[\"']([^\"']*)", data)
    # MuJoCo does not look at it, and would read other names of files than are checked here.
    if declared and declared[1].lower() not in (b"utf-8", b"us-ascii", b"ascii"):
        raise SurefootError(f"{name!r} is not UTF-8 text")
    try:
        root = ElementTree.fromstring(data)
    except (ElementTree.ParseError, ValueError, LookupError) as error:  # LookupError: an encoding that does not exist
        raise SurefootError(f"{name!r} is not well-formed XML: {' '.join(str(error).split())}") from error
    _check_numbers(name, root)
    return root


def check_tags(where: str, root: ElementTree.Element) -> None:
    """Raise `SurefootError` for an element of MJCF in capitals or with a namespace, which MuJoCo takes for an include."""
    odd = next(
        (element.tag for element in root.iter() if element.tag != element.tag.lower() or "}" in element.tag), None
    )
    if odd is not None:
        raise SurefootError(f"{where!r} has an element <{odd}>: MJCF has none of that name")


def _check_numbers(where: str, root: ElementTree.Element) -> None:
    """Raise `SurefootError` for the first attribute with a NaN among its numbers: MuJoCo takes it, and simulates nonsense."""
    for element in root.iter():
        for name, value in element.attrib.items():
            if "nan" in value.lower() and name != "name" and _has_nan(value):
                raise SurefootError(f"{where!r}: {name}={value[:60]!r} of a <{element.tag}> is not a number")


def _has_nan(value: str) -> bool:
    try:
        return any(math.isnan(float(word)) for word in value.split())
    except ValueError:  # not numbers at all
        return False


def _refuse(path: Path, what: str, why: str) -> NoReturn:
    raise SurefootError(f"{str(path)!r} names the file {what!r}, which {why}")


def inside(path: Path, folder: Path, said: str, *under: str) -> Path:
    """The file `said` in XML file `path`, below `folder` (and `under`, relative to it).

    Raises `SurefootError` for an absolute path, one that leaves `folder` (symbolic links included), or a missing file.
    """
    if os.path.isabs(said) or said[1:3] in (":\\", ":/") or "\\" in said:
        _refuse(path, said, "is an absolute path: expected one relative to the model's folder")
    found = Path(os.path.normpath(folder.joinpath(*under, said)))
    top = os.path.realpath(folder)
    for place in (str(found), os.path.realpath(found)):
        if os.path.commonpath([str(folder) if place == str(found) else top, place]) not in (str(folder), top):
            _refuse(path, said, f"is outside the model's folder {str(folder)!r}")
    if not found.is_file():
        _refuse(path, said, f"is missing: looked for {str(found)!r}")
    return found


# --- MJCF ---------------------------------------------------------------------------------------------------------------


def _walk(path: Path, folder: Path, root: ElementTree.Element, files: list[Path], depth: int = 0) -> None:
    """Append every file that MJCF `root`, read from `path`, names; `folder` is the main file's."""
    if depth > DEEPEST:
        raise SurefootError(f"{str(path)!r}: more than {DEEPEST} includes within each other")
    check_tags(str(path), root)
    for element in root.iter("include"):
        file = inside(path, folder, element.get("file", ""))
        if file not in files:
            files.append(file)
            _walk(file, folder, _parse(file), files, depth + 1)
    if depth:
        return
    everything = [root, *(_parse(file) for file in files[1:])]
    folders = _asset_folders(path, everything)
    for part in everything:
        for element in part.iter():
            if element.tag in ("include", "compiler"):
                continue
            for said in file_names(element):
                if element.tag == "model":  # attached: a model of its own, with its own folders
                    other = inside(path, folder, said)
                    attached = read_source(other)
                    if os.path.commonpath([str(folder), str(other.parent)]) != str(folder):
                        _refuse(path, said, "is outside the model's folder")
                    files += attached.files
                else:
                    files.append(inside(path, folder, said, folders.get(FOLDERS.get(element.tag, "meshdir"), "")))


def _asset_folders(path: Path, parts: list[ElementTree.Element]) -> dict[str, str]:
    """{"meshdir", "texturedir": folder}, as the compiler elements say."""
    found = {"meshdir": "", "texturedir": ""}
    for part in parts:
        for compiler in part.iter("compiler"):
            if compiler.get("assetdir"):
                found = dict.fromkeys(found, compiler.get("assetdir", ""))
            found |= {name: compiler.get(name, "") for name in found if compiler.get(name)}
    for name, folder in found.items():
        if os.path.isabs(folder):
            raise SurefootError(f"{str(path)!r}: {name}={folder!r} is an absolute path: expected a relative one")
    return found


def file_names(element: ElementTree.Element) -> Iterator[str]:
    """Values of the attributes that name files: file, fileright and their kin, and filename (URDF)."""
    for name, value in element.attrib.items():
        if name.startswith("file") and value:
            yield value


# --- URDF ---------------------------------------------------------------------------------------------------------------


def _urdf_files(path: Path, root: ElementTree.Element) -> list[Path]:
    found = []
    for element in root.iter():
        if element.tag in ("mesh", "texture"):
            found += [urdf_file(path, said) for said in file_names(element) if not is_left_out(said)]
        elif element.tag == "include" or element.tag.endswith("}include"):
            raise SurefootError(f"{str(path)!r} is a xacro file: expand it first, `xacro robot.xacro > robot.urdf`")
    return found


def is_left_out(said: str) -> bool:
    """MuJoCo reads no COLLADA, which URDF uses for what is only seen, and materials' pictures are not needed."""
    return Path(said).suffix.lower() not in (".stl", ".obj", ".msh")


def urdf_file(path: Path, said: str) -> Path:
    """The file of a URDF's `filename`: `package://NAME/…` and `file://…` are taken to mean the URDF's own folder.

    Looked for under its whole path, then without leading folders one after the other, then in `meshes/`.
    """
    scheme, colon, rest = said.partition("://")
    rest = rest if colon else said
    if colon and scheme not in ("package", "model", "file"):
        _refuse(path, said, "is not a file: expected package:// or a relative path")
    if os.path.isabs(rest) or ".." in Path(rest).parts:
        return inside(path, path.parent, rest)
    parts = Path(rest).parts
    for place in (*(Path(*parts[k:]) for k in range(len(parts))), Path("meshes", parts[-1])):
        if (path.parent / place).is_file():
            return inside(path, path.parent, str(place))
    return inside(path, path.parent, rest if not colon else str(Path(*parts[1:])))
