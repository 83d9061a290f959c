"""The native JPEG decoder, if it was built when flipbatch was installed.

Knows how the module is found. Does not know what it does.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

MODULE = "flipbatch_jpeg"
_VERSION = 1
"""Of the sources in ``frames/native``. A module that was built from others is not used."""


class NativeDecoder(Protocol):
    """The module `flipbatch_jpeg`; ``frames/native/header.h`` describes the outcomes."""

    DECODED: int
    DECODED_WITH_ZEROS: int
    NO_SUCH_CODE: int
    BLOCK_TOO_LONG: int

    def size(self, data: bytes, /) -> tuple[int, int] | None:
        """Return height and width of a JPEG; None if it is left to another decoder."""
        ...

    def decode(self, data: bytes, out: npt.NDArray[np.uint8], /) -> int:
        """Fill `out` with RGB pixels at one eighth, and return an outcome."""
        ...


def _load() -> NativeDecoder | None:
    try:
        module = import_module(MODULE)
    except ImportError:
        return None
    return cast("NativeDecoder", module) if getattr(module, "VERSION", None) == _VERSION else None


NATIVE_DECODER = _load()


def native_version() -> str:
    """Return the version of the native decoder, ``none`` without one."""
    return "none" if NATIVE_DECODER is None else str(_VERSION)
