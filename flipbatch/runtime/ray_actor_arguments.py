"""Actors of Ray Data get their arguments as bytes, so that Ray's C++ core has nothing to print about them.

For each job, the core prints that an actor "has constructor arguments in the object store and max_restarts >
0". The arguments are Ray Data's own references, which its operator holds as long as the actors live. The core
does not see references in bytes: it prints nothing, and an actor restarts as before.

Knows private names of Ray Data 2.60. If it is another Ray Data, it stays as it is. Knows no job.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ray
from ray._private.worker import global_worker
from ray.cloudpickle import cloudpickle
from ray.data import DataContext

_SETTING = "flipbatch_arguments_as_bytes"
_RAY_VERSION = "2.60."


def pass_arguments_as_bytes(context: DataContext) -> bool:
    """Let the actors of a context's datasets get their arguments as bytes.

    Parameters
    ----------
    context : ray.data.DataContext
        Datasets that are created with it, and no others, have such actors.

    Returns
    -------
    bool
        False if this Ray Data is not as expected: it then stays as it is, and the core prints its line.
    """
    if not _is_as_expected():
        return False
    _wrap_start_of_actors()
    context.set_config(_SETTING, True)
    return True


def _is_as_expected() -> bool:
    try:
        from ray.data._internal.execution.operators.actor_pool_map_operator import (
            ActorPoolMapOperator,
            _MapWorker,  # noqa: F401
        )
    except ImportError:
        return False
    return ray.__version__.startswith(_RAY_VERSION) and hasattr(ActorPoolMapOperator, "_start_actor")


def _wrap_start_of_actors() -> None:
    """Let operators whose context says so start our actors. A second call changes nothing."""
    from ray.data._internal.execution.operators.actor_pool_map_operator import ActorPoolMapOperator

    start_actor = ActorPoolMapOperator._start_actor
    if hasattr(start_actor, "__wrapped__"):
        return

    def start(operator: Any, *arguments: Any, **named: Any) -> Any:
        if operator.data_context.get_config(_SETTING) and not isinstance(operator._actor_cls, _ActorClass):
            operator._actor_cls = _ActorClass.of(operator)
        return start_actor(operator, *arguments, **named)

    start.__wrapped__ = start_actor  # pyright: ignore[reportFunctionMemberAccess]
    ActorPoolMapOperator._start_actor = start  # pyright: ignore[reportAttributeAccessIssue]


class _ActorClass:
    """An actor class of Ray with the two methods that the operator calls. It packs arguments."""

    def __init__(self, actor_class: Any) -> None:
        self._actor_class = actor_class

    @classmethod
    def of(cls, operator: Any) -> _ActorClass:
        """Return the class for an operator, with the name and options of the operator's own."""
        worker = type(operator._map_worker_cls_name, (_worker_class(),), {})
        return cls(ray.remote(**operator._ray_remote_args)(worker))

    def options(self, **options: Any) -> _ActorClass:
        """Return the class with other options."""
        return _ActorClass(self._actor_class.options(**options))

    def remote(self, **arguments: Any) -> Any:
        """Start an actor."""
        return self._actor_class.remote(_pack(arguments))


def _worker_class() -> type:
    """Return Ray Data's worker, with a constructor that unpacks the arguments."""
    from ray.data._internal.execution.operators.actor_pool_map_operator import _MapWorker

    class Worker(_MapWorker):
        def __init__(self, packed: bytes) -> None:
            super().__init__(**_unpack(packed))

    return Worker


def _pack(arguments: Mapping[str, Any]) -> bytes:
    """Return arguments as bytes.

    Ray keeps objects whose references are pickled until the connection ends. Here the operator keeps them.
    """
    packed = cloudpickle.dumps(dict(arguments))
    core = global_worker.core_worker  # pyright: ignore[reportAttributeAccessIssue]
    for value in arguments.values():
        if isinstance(value, ray.ObjectRef):
            core.remove_object_ref_reference(value)
    return packed


def _unpack(packed: bytes) -> dict[str, Any]:
    """Return arguments, with the objects in place of their references, as Ray passes them."""
    arguments = cloudpickle.loads(packed)
    return {
        name: ray.get(value) if isinstance(value, ray.ObjectRef) else value
        for name, value in arguments.items()
    }
