"""One output directory belongs to one run: ``run.json`` is written first, ``_SUCCESS`` last.

Knows these two files and how to tell that a command continues a run; knows nothing of what a run does.
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
        """Return the directory of any spelling of a URI."""
        return cls(storage.normalise(uri))

    def path(self, *parts: str) -> str:
        """Return the URI of something in it."""
        return storage.join(self.uri, *parts)

    @property
    def is_finished(self) -> bool:
        """Whether everything was written."""
        return storage.exists(self.path(SUCCESS_FILE))

    def finish(self) -> None:
        """Say that everything was written."""
        storage.write(self.path(SUCCESS_FILE), b"")

    def reopen(self) -> None:
        """Take back that everything was written, before something is written anew."""
        storage.remove_file(self.path(SUCCESS_FILE))

    def write_json(self, name: str, value: Mapping[str, Any]) -> None:
        """Write a JSON file; equal values give equal bytes."""
        storage.write(self.path(name), _json(value))

    def read_json(self, name: str) -> dict[str, Any]:
        """Read a JSON file that must be there."""
        try:
            value = json.loads(storage.read_required(self.path(name), "the run's file"))
        except (ValueError, RecursionError) as error:
            raise OutputError(f"{self.path(name)} is damaged: {error}. Choose another --out.") from error
        if not isinstance(value, dict):
            raise OutputError(f"{self.path(name)} is damaged: it holds no object. Choose another --out.")
        return value

    def identity(self, before_run_file: frozenset[str]) -> dict[str, Any] | None:
        """Return what the run here is, or None where there is none yet.

        Parameters
        ----------
        before_run_file : frozenset of str
            Names that an interrupted start may have left.

        Raises
        ------
        OutputError
            Where other files lie here: they could be anybody's. Or where the run's file is damaged.
        """
        names = set(storage.names_in(self.uri))
        if RUN_FILE in names:
            return self._found_identity()
        if strangers := sorted(names - before_run_file):
            raise OutputError(
                f"{self.uri} holds {strangers[0]} and no {RUN_FILE}: it belongs to something else. Choose an "
                "empty or new directory for --out."
            )
        return None

    def _found_identity(self) -> dict[str, Any]:
        found = self.read_json(RUN_FILE).get("identity")
        if not isinstance(found, dict):
            raise OutputError(f"{self.path(RUN_FILE)} is no run of flipbatch: choose another --out.")
        return found

    def begin(self, identity: Mapping[str, Any], **facts: Any) -> None:
        """Write ``run.json``: what the run is, and facts about it that need not be equal to resume.

        Where another command has begun the same run meanwhile, its facts are the run's.

        Raises
        ------
        OutputError
            Where it has begun another run.
        """
        what = {"identity": identity, **facts}
        run = {**what, "fingerprint": fingerprint(what), "versions": versions()}
        if not storage.create(self.path(RUN_FILE), _json(run)):
            require_same(self.uri, self._found_identity(), identity)


def _json(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n").encode()


def fingerprint(identity: Mapping[str, Any]) -> str:
    """Return the SHA-256 of what a run is, as 64 hexadecimal digits."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def require_same(uri: str, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Refuse to go on with a run that was another.

    Raises
    ------
    OutputError
        Its message says what differs, and both values.
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
    for key, item in value.items():
        if isinstance(item, Mapping):
            yield from _leaves(item, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", item
