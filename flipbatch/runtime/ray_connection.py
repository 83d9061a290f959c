"""Connect to Ray: the cluster that a job was submitted to, a running one, or a local one of its own.

Knows how Ray is started, what it may print and what a submitted job can see; knows no job.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

import ray
import ray.data
from ray.exceptions import RayError

from flipbatch.errors import FlipbatchError, JobError

log = logging.getLogger(__name__)

# What ends a job Ray Data logs with a traceback, and raises: `user_errors` makes a sentence of it.
_SAID_FROM = {
    "ray.data": logging.CRITICAL,
    "ray.train": logging.ERROR,
    "ray._private.authentication": logging.ERROR,
}


@contextmanager
def connected() -> Iterator[None]:
    """Be connected to Ray; a connection that was there already is left alone."""
    if ray.is_initialized():
        yield
        return
    for name, level in _SAID_FROM.items():
        logging.getLogger(name).setLevel(level)
    # What workers log stays in Ray's own files; the jobs say themselves what people should know.
    try:
        ray.init(logging_level=logging.WARNING, include_dashboard=False, log_to_driver=False)
    except (ConnectionError, RuntimeError, ValueError, RayError) as error:
        where = os.environ.get("RAY_ADDRESS", "the Ray that runs here, or a local one")
        why = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise JobError(
            f"Can't connect to {where}: {why}. Check RAY_ADDRESS, and that RAY_AUTH_MODE=token and the token "
            "are those of the cluster."
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def data_context(**settings: object) -> Iterator[None]:
    """Set attributes of Ray Data's context, and restore them after the block."""
    context = ray.data.DataContext.get_current()
    before = {name: getattr(context, name) for name in settings}
    try:
        for name, value in settings.items():
            setattr(context, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(context, name, value)


def warn_without_gpu() -> None:
    """Say that a job which asks for GPUs waits where none is: an autoscaling cluster may bring one."""
    if not ray.cluster_resources().get("GPU", 0):
        log.warning("No GPU is in the cluster: the job waits until one joins. Without one, leave --gpu out.")


@contextmanager
def user_errors(go_on: str) -> Iterator[None]:
    """Turn whatever Ray raises into one error for a person; `go_on` says how the job is continued."""
    try:
        yield
    except Exception as error:
        told = to_user_error(error, go_on)
        if told is error:
            raise
        raise told from error


def to_user_error(error: BaseException, go_on: str) -> FlipbatchError:
    """Return the error for a person that Ray wrapped in others; else one that says what happened.

    What a worker raised comes back as a cause, a context, or a failure by rank, whole or as text.
    """
    for one in _chain(error):
        # Ray's own wrapper is of both kinds, and its text is the traceback: what it wraps comes next.
        if isinstance(one, FlipbatchError) and not isinstance(one, RayError):
            return one
    *_, deepest = _chain(error)
    text = (str(deepest).strip() or type(deepest).__name__).splitlines()[-1]
    return JobError(f"The job failed in a worker: {text}. {go_on}")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Walk from an error to what it came of."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        failures = list(getattr(error, "worker_failures", {}).values())
        error = (
            getattr(error, "cause", None)
            or next(iter(failures), None)
            or error.__cause__
            or error.__context__
        )
