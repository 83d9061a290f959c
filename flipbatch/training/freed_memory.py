"""Memory that was freed stays with the process: the next batch finds its pages there.

Knows one call of the C library; knows no tensors.
"""

from __future__ import annotations

import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""From glibc's malloc.h."""


def keep_freed_memory(largest: int = 2**25, kept: int = 2**30) -> None:
    """Tell glibc not to hand freed memory back at once; where it is another C library, do nothing.

    A batch of frames is several MB of floats again and again. By default glibc maps each such block anew, and
    the kernel clears it page by page: a third of an epoch of `cnn_model` (docs/performance.md).

    Parameters
    ----------
    largest : int
        Blocks up to so many bytes are kept; 32 MiB is the most that glibc takes.
    kept : int
        Bytes of freed memory from which on it is handed back after all.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(_M_MMAP_THRESHOLD, largest)
    mallopt(_M_TRIM_THRESHOLD, kept)
