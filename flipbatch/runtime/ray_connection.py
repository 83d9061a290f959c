"""Connect to Ray: the cluster that a job was submitted to, a running one, or a local one of its own.

Knows how Ray is started, what it logs and its global settings; knows no job.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray
import ray.data
from ray._private.utils import get_num_cpus
from ray.exceptions import RayError

from flipbatch.errors import FlipbatchError, JobError
from flipbatch.runtime.error_text import one_line
from flipbatch.runtime.interruption import install_handlers
from flipbatch.runtime.ray_address import check_answer
from flipbatch.runtime.ray_start_errors import check_directory, start_error

log = logging.getLogger(__name__)

# Ray Data logs the error that ends a job, with a traceback, and raises it: `user_errors` makes one sentence.
_LOG_LEVELS = {
    "ray.data": logging.CRITICAL,
    "ray.train": logging.ERROR,
    "ray._private.authentication": logging.ERROR,
}


@contextmanager
def connected() -> Iterator[None]:
    """Connect to Ray for the block; leave an existing connection alone.

    Raises
    ------
    JobError
        If Ray can't be reached or started.
    """
    if ray.is_initialized():
        yield
        return
    for name, level in _LOG_LEVELS.items():
        logging.getLogger(name).setLevel(level)
    _connect()
    try:
        yield
    finally:
        ray.shutdown()


def _connect() -> None:
    running = True
    check_directory()
    try:
        running = check_answer()
        # Logs of workers stay in Ray's own files: the driver logs what users need.
        ray.init(logging_level=logging.WARNING, include_dashboard=False, log_to_driver=False)
    except FlipbatchError:
        raise
    except Exception as error:
        ray.shutdown()  # of what Ray has started before the error
        raise start_error(error, running) from error
    install_handlers()  # Ray has replaced that of SIGTERM by one that prints a trace


def cpus_of_a_job() -> int:
    """Return how many CPUs a job would get: those of the running Ray, or of the one that it would start.

    Raises
    ------
    JobError
        If a Ray should run, but can't be reached.
    """
    if not ray.is_initialized() and not check_answer():
        return max(1, int(get_num_cpus()))
    with connected():
        return max(1, int(ray.cluster_resources().get("CPU", 0)))


@contextmanager
def data_context(**settings: Any) -> Iterator[ray.data.DataContext]:
    """Change settings of Ray Data for the block; afterwards all settings are as before.

    Ray Data has one global `DataContext`, of which each dataset copies the state when it is created. Datasets
    that are created in the block keep these settings also after it. The context of the block is a copy, so
    that nested settings, such as ``context.execution_options.preserve_order``, can be changed too.

    Parameters
    ----------
    **settings
        Attributes of `ray.data.DataContext`, by name.

    Yields
    ------
    ray.data.DataContext
        The context of the block.

    Raises
    ------
    AttributeError
        If `DataContext` has no attribute of a name.
    """
    context = ray.data.DataContext.get_current().copy()
    for name, value in settings.items():
        getattr(context, name)  # setting an unknown name would pass silently
        setattr(context, name, value)
    with ray.data.DataContext.current(context):
        yield context


def warn_without_gpu() -> None:
    """Warn where the cluster has no GPU: the job waits until one joins, as in an autoscaling cluster."""
    if not ray.cluster_resources().get("GPU", 0):
        log.warning(
            "The cluster has no GPU: the job waits until a GPU joins. Leave --gpu out to run on CPUs."
        )


@contextmanager
def user_errors(advice: str) -> Iterator[None]:
    """Turn any error of the block into one for the user.

    Parameters
    ----------
    advice : str
        A sentence that says how to continue the job.

    Raises
    ------
    FlipbatchError
    """
    try:
        yield
    except Exception as error:
        user_error = to_user_error(error, advice)
        if user_error is error:
            raise
        raise user_error from error


def to_user_error(error: BaseException, advice: str) -> FlipbatchError:
    """Return the error for the user that Ray wrapped in others, or else one that says what happened.

    Ray returns the error of a worker as a cause, as a context, or among the failures by rank.
    """
    for one in _chain(error):
        # Ray's own wrapper is of both types, and its text is the traceback: the wrapped error comes next.
        if isinstance(one, FlipbatchError) and not isinstance(one, RayError):
            return one
    *_, deepest = (one for one in _chain(error) if str(one).strip() or one is error)
    return JobError(f"The job failed in a worker: {one_line(deepest)}. {advice}")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and the errors that caused it, the deepest last."""
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
