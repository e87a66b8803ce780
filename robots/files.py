"""Writing a file so that it is either whole or not there."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

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
    """Raise `SurefootError` for a name that ends in none of `suffixes`: asked before the work, not after it."""
    if path is not None and Path(path).suffix not in suffixes:
        raise SurefootError(f"cannot write {str(path)!r}: expected a name that ends in {' or '.join(suffixes)}")
