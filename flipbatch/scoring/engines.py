"""One run, one engine: all probabilities of a run come from the same engine, device, precision and versions.

The first worker of a run writes ``OUT/engine.json``. Every other worker compares its own engine with it. The
metadata of each shard names the engines that its rows come from.

Knows engine identities, and where a run keeps them. Does not know frames, tables' columns or Ray.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from flipbatch import storage
from flipbatch.errors import OutputError
from flipbatch.models.engine_identity import EngineIdentity
from flipbatch.models.precision import Device
from flipbatch.runtime.run_directory import RunDirectory
from flipbatch.runtime.versions import versions

ENGINE_FILE = "engine.json"
_METADATA_KEY = b"flipbatch.engines"
_DEVICES: dict[Device, str] = {"cpu": "CPUs", "cuda": "GPUs"}


def engine_text(engine: EngineIdentity) -> str:
    """Return an engine's identity as JSON. Equal engines give equal texts."""
    return json.dumps(engine.to_json(), sort_keys=True)


def engines_metadata(engines: Iterable[str]) -> dict[str, str]:
    """Return the schema metadata of rows that come from these engines, each an `engine_text`."""
    return {_METADATA_KEY.decode(): json.dumps(engines_as_json(engines), sort_keys=True)}


def engines_of(table: pa.Table) -> frozenset[str]:
    """Return the engines, each an `engine_text`, that the rows of a shard come from."""
    engines = json.loads((table.schema.metadata or {}).get(_METADATA_KEY, b"[]"))
    return frozenset(json.dumps(engine, sort_keys=True) for engine in engines)


def engines_as_json(engines: Iterable[str]) -> list[dict[str, Any]]:
    """Return engines, each an `engine_text`, as JSON values in one order."""
    return [json.loads(engine) for engine in sorted(engines)]


# ---------------------------------------------------------------------------------------- one engine


def require_engine(directory: RunDirectory, own: EngineIdentity, allow_mixed: bool) -> None:
    """Require that a worker's engine is that of the run; the first worker of a run decides which.

    Raises
    ------
    OutputError
        If they differ, unless `allow_mixed`. The message names the differences.
    """
    content = json.dumps(own.to_json(), indent=2, sort_keys=True) + "\n"
    if storage.create(directory.path(ENGINE_FILE), content.encode()) or allow_mixed:
        return
    found = _read_engine(directory)
    if found != own:
        raise _mixed(directory, found, f"this worker uses {_described(own, found)}")


def require_engine_of_driver(directory: RunDirectory, device: Device, allow_mixed: bool) -> None:
    """Require, before a cluster is started, what the driver knows of its workers: device and versions.

    Raises
    ------
    OutputError
        If the run was scored on another device or with other versions, unless `allow_mixed`.
    """
    if allow_mixed or not storage.exists(directory.path(ENGINE_FILE)):
        return
    found, installed = _read_engine(directory), versions()
    if found.device != device:
        raise _mixed(directory, found, f"this command uses {_DEVICES[device]}")
    here = {package: installed.get(package, "none") for package in found.versions}
    if found.versions != here:
        own = EngineIdentity(found.engine, device, found.precision, here)
        raise _mixed(directory, found, f"this command uses {_described(own, found)}")


def _read_engine(directory: RunDirectory) -> EngineIdentity:
    try:
        return EngineIdentity.from_json(directory.read_json(ENGINE_FILE))
    except ValueError as error:
        raise OutputError(
            f"{directory.path(ENGINE_FILE)} is damaged: {error}. Choose another --out."
        ) from error


def _mixed(directory: RunDirectory, found: EngineIdentity, own: str) -> OutputError:
    return OutputError(
        f"{directory.uri} was scored with {_described(found)}; {own}. Start the same command on such a "
        "machine, or add --allow-mixed-engines."
    )


def _described(engine: EngineIdentity, other: EngineIdentity | None = None) -> str:
    """Describe an engine with its versions, or only those in which it differs from another."""
    others = {} if other is None else other.versions
    packages = [
        f"{name} {version}" for name, version in engine.versions.items() if others.get(name) != version
    ]
    words = f"{engine.engine} in {engine.precision} on {engine.device}"
    return f"{words} ({', '.join(packages)})" if packages else words
