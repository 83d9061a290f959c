"""URIs: one spelling for each, and how they are joined.

A URI here is a local path or ``protocol://…``. Local paths are made absolute, so that a worker with another
working directory finds the same file. This module knows no storage: it never looks at a file.
"""

from __future__ import annotations

import os
import posixpath

from fsspec.core import split_protocol

from flipbatch.errors import InputError, redacted


def normalise(uri: str) -> str:
    """Return the one spelling of a URI: no trailing slash, local paths absolute and without ``file://``.

    Raises
    ------
    InputError
        The URI is empty: an unset variable would mean the working directory.
    """
    if not uri:
        raise InputError("An empty path was given: give a file, a directory or a URI.")
    protocol, path = split_protocol(uri)
    if protocol in (None, "file", "local"):
        return os.path.abspath(os.path.expanduser(path))
    return f"{protocol}://{path.rstrip('/')}"


def redacted_uri(uri: str | None) -> str | None:
    """Return a normalised URI without credentials, as run.json holds it; return None for None.

    Raises
    ------
    InputError
        The URI is empty.
    """
    return None if uri is None else redacted(normalise(uri))


def join(uri: str, *parts: str) -> str:
    """Append path components to a URI."""
    return (uri if uri.endswith("://") else uri.rstrip("/") + "/") + "/".join(parts)


def resolve(directory: str, path: str) -> str:
    """Return the URI of a path relative to a directory; ``..`` leads up on any storage."""
    if ".." not in path.split("/"):
        return join(directory, path)
    protocol, base = split_protocol(directory)
    resolved = posixpath.normpath(posixpath.join(base, path))
    return resolved if protocol is None else f"{protocol}://{resolved}"


def is_local(uri: str) -> bool:
    """Return whether a normalised URI is a path on this machine."""
    return split_protocol(uri)[0] is None
