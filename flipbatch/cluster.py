"""Connect to Ray: the cluster that a job was submitted to, a running one, or a local one of its own.

Knows how Ray is started and silenced; knows no job.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import ray


@contextmanager
def connected() -> Iterator[None]:
    """Be connected to Ray; a connection that was there already is left alone."""
    if ray.is_initialized():
        yield
        return
    # What workers log stays in Ray's own files; the jobs say themselves what people should know.
    ray.init(logging_level=logging.WARNING, include_dashboard=False, log_to_driver=False)
    try:
        yield
    finally:
        ray.shutdown()
