"""Settings of a process that trains: its threads, and that it keeps freed memory.

Knows the settings of torch, OpenCV and the C library. Does not know frames or networks.
"""

from __future__ import annotations

import ctypes

import cv2
import torch

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""From glibc's malloc.h."""
_LARGEST_KEPT = 2**25
"""Blocks up to this many bytes are kept; glibc takes no more."""
_MOST_KEPT = 2**30
"""Freed memory beyond this many bytes is returned to the kernel."""


def set_up(threads: int) -> None:
    """Set this process up for training.

    Parameters
    ----------
    threads : int
        How many threads the process may use.
    """
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    _keep_freed_memory()


def _keep_freed_memory() -> None:
    """Tell glibc to keep freed memory; with another C library, do nothing.

    Each batch of frames takes several MB. By default glibc maps each such block anew, and the kernel clears
    it page by page: a third of an epoch of `cnn_model` (docs/performance.md).
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(_M_MMAP_THRESHOLD, _LARGEST_KEPT)
    mallopt(_M_TRIM_THRESHOLD, _MOST_KEPT)
