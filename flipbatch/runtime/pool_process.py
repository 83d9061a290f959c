"""Sets up a process of a `concurrent.futures.ProcessPoolExecutor`; its `initializer` is `set_up`.

Knows processes and OpenCV's threads. Does not know what the process computes.
"""

from __future__ import annotations

import os
import signal
import threading
from multiprocessing import parent_process


def set_up() -> None:
    """Use one thread, leave Ctrl-C to the caller, and end with it: also when it is killed."""
    import cv2

    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_caller, daemon=True).start()


def _end_with_caller() -> None:
    caller = parent_process()
    assert caller is not None
    caller.join()
    os._exit(1)  # it would wait for work for ever: its own pipe keeps the queue of the pool open
