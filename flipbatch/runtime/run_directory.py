"""One output directory belongs to one run: ``run.json`` is written first, ``_SUCCESS`` last.

Knows these two files, and whether a command continues the run in a directory; knows nothing of what a run
does.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flipbatch import storage
from flipbatch.errors import OutputError
from flipbatch.runtime.versions import versions
from flipbatch.schema import SCHEMA_VERSION
from flipbatch.storage.system_names import is_stray

RUN_FILE = "run.json"
SUCCESS_FILE = "_SUCCESS"


@dataclass(frozen=True)
class RunDirectory:
    """Where a run writes.

    Parameters
    ----------
    uri : str
        Normalised.
    """

    uri: str

    @classmethod
    def at(cls, uri: str) -> RunDirectory:
        """Return the directory of a URI in any spelling."""
        return cls(storage.normalise(uri))

    def path(self, *parts: str) -> str:
        """Return the URI of a file or folder in it."""
        return storage.join(self.uri, *parts)

    @property
    def is_finished(self) -> bool:
        """Whether the run is complete."""
        return storage.exists(self.path(SUCCESS_FILE))

    def finish(self) -> None:
        """Mark the run as complete."""
        storage.write(self.path(SUCCESS_FILE), b"")

    def reopen(self) -> None:
        """Mark the run as not complete, before a part of it is written anew."""
        storage.remove_file(self.path(SUCCESS_FILE))

    def write_json(self, name: str, value: Mapping[str, Any]) -> None:
        """Write a JSON file; equal values give equal bytes."""
        storage.write(self.path(name), _json(value))

    def read_json(self, name: str) -> dict[str, Any]:
        """Read a JSON object that must be there.

        Raises
        ------
        OutputError
            If the file is damaged.
        StorageError
            If it can't be read.
        """
        try:
            value = json.loads(storage.read_required(self.path(name), "the run's file"))
        except (ValueError, RecursionError) as error:
            raise OutputError(f"{self.path(name)} is damaged: {error}. Choose another --out.") from error
        if not isinstance(value, dict):
            raise OutputError(f"{self.path(name)} is damaged: it is not a JSON object. Choose another --out.")
        return value

    def read_identity(self, before_run_file: frozenset[str]) -> dict[str, Any] | None:
        """Return the identity of the run here, or None where there is no run yet.

        Parameters
        ----------
        before_run_file : frozenset of str
            Names that an interrupted start may have left.

        Raises
        ------
        OutputError
            If the directory holds other files, or if `read_run_file` refuses the run's file.
        """
        names = set(storage.names_in(self.uri))
        if RUN_FILE in names:
            return self.read_run_file()["identity"]
        if strangers := sorted(name for name in names - before_run_file if _is_stranger(name)):
            raise OutputError(
                f"{self.uri} contains {strangers[0]} but no {RUN_FILE}: it is not a flipbatch run. Choose an "
                "empty or new directory for --out."
            )
        return None

    def read_run_file(self) -> dict[str, Any]:
        """Return ``run.json``; its ``identity`` is an object and its ``schema_version`` an integer.

        Raises
        ------
        OutputError
            If it is damaged, of another program or of a newer flipbatch.
        StorageError
        """
        run = self.read_json(RUN_FILE)
        if not isinstance(run.get("identity"), dict):
            raise OutputError(f"{self.path(RUN_FILE)} is not a run of flipbatch: choose another --out.")
        version = run.setdefault("schema_version", 1)  # version 1 did not write its number
        if type(version) is not int or version < 1:
            raise OutputError(
                f"{self.path(RUN_FILE)} is damaged: schema_version is {version!r}. Choose another --out."
            )
        if version > SCHEMA_VERSION:
            raise OutputError(
                f"{self.path(RUN_FILE)} has schema version {version}, and this flipbatch reads up to "
                f"version {SCHEMA_VERSION}: upgrade flipbatch."
            )
        return run

    def require_resumable(self) -> None:
        """Refuse to resume the run here if it was started with an older schema version.

        Raises
        ------
        OutputError
        """
        version = self.read_run_file()["schema_version"]
        if version < SCHEMA_VERSION:
            raise OutputError(
                f"{self.uri} was started with schema version {version} and can't be resumed with version "
                f"{SCHEMA_VERSION}: resume it with the older flipbatch, or choose another --out."
            )

    def start(self, identity: Mapping[str, Any], **facts: Any) -> None:
        """Write ``run.json``: the identity of the run, and facts about it that may differ on a resume.

        Where another command has started the same run meanwhile, its file stays.

        Raises
        ------
        OutputError
            If another command has started another run.
        """
        if not storage.create(self.path(RUN_FILE), _json(_run(identity, facts))):
            self.require_resumable()
            require_same_identity(self.uri, self.read_run_file()["identity"], identity)

    def replace(self, identity: Mapping[str, Any], beside: Mapping[str, Any], **facts: Any) -> None:
        """Write another ``run.json`` in place of the one that is there.

        Its fingerprint is that of a run that `start` starts with the same identity and facts; `beside` is not
        a part of it.
        """
        storage.write(self.path(RUN_FILE), _json({**_run(identity, facts), **beside}))


def _run(identity: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    content = {"identity": identity, **facts}
    return {
        **content,
        "fingerprint": run_fingerprint(content),
        "schema_version": SCHEMA_VERSION,
        "versions": versions(),
    }


def _is_stranger(name: str) -> bool:
    """Return whether a name shows that a directory belongs to something else."""
    return name == SUCCESS_FILE or not is_stray(name)


def _json(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n").encode()


def run_fingerprint(content: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a run's identity and facts, as 64 hexadecimal digits."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def require_same_identity(uri: str, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Refuse to resume a run with another identity.

    Raises
    ------
    OutputError
        Its message names every difference, with both values.
    """
    old, new = dict(_leaves(found)), dict(_leaves(wanted))
    differing = [name for name in sorted({**old, **new}) if old.get(name) != new.get(name)]
    if differing:
        changes = "; ".join(
            f"{name} was {old.get(name)!r} and is now {new.get(name)!r}" for name in differing
        )
        raise OutputError(
            f"{uri} belongs to another run: {changes}. Repeat that command, or choose another --out."
        )


def _leaves(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every value of nested mappings, with its keys joined by dots."""
    for key, item in value.items():
        if isinstance(item, Mapping):
            yield from _leaves(item, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", item
