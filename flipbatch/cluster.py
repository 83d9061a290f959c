"""Connect to Ray: the cluster that a job was submitted to, a running one, or a local one of its own.

Knows how Ray is started, what it may print and what a submitted job can see; knows no job.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

# Read by Ray when it is imported: under `uv run` it would start every worker in a copy of the checkout,
# through uv, without the environment that the driver has.
os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")

import ray  # noqa: E402
import ray.data  # noqa: E402

_CHATTY = ("ray.data", "ray.train", "ray._private.authentication")


@contextmanager
def connected() -> Iterator[None]:
    """Be connected to Ray; a connection that was there already is left alone."""
    if ray.is_initialized():
        yield
        return
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.ERROR)
    # What workers log stays in Ray's own files; the jobs say themselves what people should know.
    ray.init(logging_level=logging.WARNING, include_dashboard=False, log_to_driver=False)
    try:
        yield
    finally:
        ray.shutdown()


def runs_in_uploaded_copy() -> bool:
    """Say whether this is a submitted job whose working directory is a copy that Ray will delete."""
    config = json.loads(os.environ.get("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}"))
    return bool(config.get("runtime_env", {}).get("working_dir"))
