"""What a process that trains is set to: its threads, and that memory once freed stays with it.

Knows torch's, OpenCV's and the C library's settings; knows no frames and no networks.
"""

from __future__ import annotations

import ctypes

import cv2
import torch

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""From glibc's malloc.h."""
_LARGEST_KEPT = 2**25
"""Bytes of a block: the most that glibc takes."""
_MOST_KEPT = 2**30
"""Bytes of freed memory, from which on it is handed back after all."""


def set_up(threads: int) -> None:
    """Set this process up for training.

    Parameters
    ----------
    threads : int
        How many it may use.
    """
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    _keep_freed_memory()


def _keep_freed_memory() -> None:
    """Tell glibc not to hand freed memory back at once; where it is another C library, do nothing.

    A batch of frames is several MB of floats again and again. By default glibc maps each such block anew, and
    the kernel clears it page by page: a third of an epoch of `cnn_model` (docs/performance.md).
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(_M_MMAP_THRESHOLD, _LARGEST_KEPT)
    mallopt(_M_TRIM_THRESHOLD, _MOST_KEPT)
