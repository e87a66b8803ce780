"""MuJoCo without its warnings, which it prints and appends to a file in whatever folder one happens to be."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mujoco


def _load_libmujoco() -> tuple[Any, Any]:
    """MuJoCo's library and a C function that does nothing, to be its log handler; (None, None) where not found."""
    for path in Path(mujoco.__file__).parent.glob("libmujoco*"):
        lib = ctypes.CDLL(str(path))
        if hasattr(lib, "mju_setLogHandler"):
            lib.mju_setLogHandler.argtypes, lib.mju_setLogHandler.restype = [ctypes.c_void_p], ctypes.c_void_p
            return lib, ctypes.cast(ctypes.CDLL(None).abs, ctypes.c_void_p)
    return None, None


_LIB, _SILENCE = _load_libmujoco()


@contextmanager
def quiet() -> Iterator[None]:
    """No MuJoCo warnings on stderr or in MUJOCO_LOG.TXT: who simulates reads the counters and says what matters.

    The handler is a C function because it is called from MuJoCo's threads; the user's own is put back afterwards.
    """
    if _LIB is None:
        yield
        return
    previous = _LIB.mju_setLogHandler(_SILENCE)
    try:
        yield
    finally:
        _LIB.mju_setLogHandler(previous)
