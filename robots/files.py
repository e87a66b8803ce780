"""Files: written so that they are either whole or not there; JSON and YAML of other people, read with care."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from .errors import SurefootError


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, moved to `path` when the block ends well and deleted when it does not.

    The folder is created when it is missing. Raises `SurefootError` when the disk refuses (full, read-only, no folder).
    """
    path = Path(path)
    # The suffix stays last: ffmpeg and Pillow choose the format by it.
    temporary = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise SurefootError(f"cannot write {str(path)!r}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):  # e.g. the parent is a file: already reported above
            temporary.unlink(missing_ok=True)


def check_name(path: str | Path | None, *suffixes: str) -> None:
    """Raise `SurefootError` for a name that ends in none of `suffixes`, or that no file can have where it is to be.

    Asked before the work, not after it.
    """
    if path is None:
        return
    path = Path(path)
    if path.suffix not in suffixes:
        raise SurefootError(f"cannot write {str(path)!r}: expected a name that ends in {' or '.join(suffixes)}")
    try:
        taken = path.is_dir()
        folder = next((folder for folder in path.absolute().parents if folder.exists()), Path("/"))
    except OSError as error:  # a name that is too long, a folder that may not be looked into
        raise SurefootError(f"cannot write {str(path)!r}: {error.strerror or error}") from error
    if taken or not folder.is_dir() or not os.access(folder, os.W_OK):
        reason = "it is a folder" if taken else f"{str(folder)!r} is no folder that may be written to"
        raise SurefootError(f"cannot write {str(path)!r}: {reason}")


def parse_json(text: bytes | str, constant: Callable[[str], Any] | None = None) -> Any:
    """What JSON holds; `constant` is called for NaN and Infinity, which are no JSON.

    Raises `ValueError` for all that cannot be read, also what is nested too deeply, and for halves of characters, which no file
    could hold that shows them.
    """
    try:
        found = json.loads(text, parse_constant=constant)
        json.dumps(found, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return found


def read_yaml(path: str | Path) -> dict[Any, Any]:
    """The mapping that a YAML file holds; {} for an empty file. Raises `SurefootError`, for aliases as well, which can grow."""
    import yaml  # late: few have such a file

    try:
        text = Path(path).read_text(encoding="utf-8")
        aliases = any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text))
        found = None if aliases else yaml.safe_load(text)
    except OSError as error:
        raise SurefootError(f"cannot read {str(path)!r}: {error.strerror or error}") from error
    except (yaml.YAMLError, ValueError, AttributeError, RecursionError) as error:  # PyYAML's own for numbers and dates
        raise SurefootError(f"{str(path)!r} is not YAML: {' '.join(str(error).split())}") from error
    if aliases:
        raise SurefootError(f"{str(path)!r} uses YAML aliases, which can grow without bound: write values out")
    if not isinstance(found, dict | None):
        raise SurefootError(f"{str(path)!r}: expected a mapping such as 'key: value', not {type(found).__name__}")
    return found or {}
