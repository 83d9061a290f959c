"""One run, one engine: all probabilities of a run come from the same engine, device, precision and versions.

The first worker of a run writes ``OUT/engine.json``. Every other worker compares its own engine with it. The
metadata of each shard names the engines that its rows come from.

Knows engine identities, and where a run keeps them. Does not know frames, tables' columns or Ray.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

import pyarrow as pa

from flipbatch import storage
from flipbatch.errors import OutputError
from flipbatch.models.engine_identity import EngineIdentity, engine_identity
from flipbatch.runtime.run_directory import RunDirectory

ENGINE_FILE = "engine.json"
_METADATA_KEY = b"flipbatch.engines"


def engine_text(engine: EngineIdentity) -> str:
    """Return an engine's identity as JSON. Equal engines give equal texts."""
    return json.dumps(asdict(engine), sort_keys=True)


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
        If they differ, unless `allow_mixed`. The message names both where they differ.
    """
    content = json.dumps(asdict(own), indent=2, sort_keys=True) + "\n"
    if not storage.create(directory.path(ENGINE_FILE), content.encode()) and not allow_mixed:
        _require_same(directory, directory.read_json(ENGINE_FILE), asdict(own))


def require_engine_of_driver(directory: RunDirectory, device: str, allow_mixed: bool) -> None:
    """Require, before a cluster is started, what the driver knows of its workers: device and versions.

    Raises
    ------
    OutputError
        If the run was scored on another device or with other versions, unless `allow_mixed`.
    """
    if allow_mixed or not storage.exists(directory.path(ENGINE_FILE)):
        return
    own = asdict(engine_identity(device))
    found = directory.read_json(ENGINE_FILE)
    _require_same(directory, found, own | {"precision": found.get("precision")})


def _require_same(directory: RunDirectory, found: Mapping[str, Any], own: Mapping[str, Any]) -> None:
    if found != own:
        raise OutputError(
            f"{directory.uri} was scored with {_described(found, own)}; this worker uses "
            f"{_described(own, found)}. Start the same command on such a machine, or add "
            "--allow-mixed-engines."
        )


def _described(engine: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """Describe an engine: what it is, and the versions in which it differs from another."""
    versions, others = engine.get("versions", {}), other.get("versions", {})
    name = engine.get("engine")
    differing = [key for key in versions if key != name and versions[key] != others.get(key)]
    words = [
        f"{name} {versions.get(name, '')}".strip(),
        f"in {engine.get('precision')} on {engine.get('device')}",
    ]
    return " ".join(
        [*words, *(["with", ", ".join(f"{key} {versions[key]}" for key in differing)] if differing else [])]
    )
