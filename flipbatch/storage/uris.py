"""URIs: one spelling for each, and how they are joined.

A URI here is a local path or ``protocol://…``. Local paths are made absolute, so that a worker with another
working directory finds the same file. This module knows no storage: it never looks at a file.
"""

from __future__ import annotations

import os
import re

from fsspec.core import split_protocol

from flipbatch.errors import InputError, redacted

_LOCAL = re.compile(r"(?:file|local):(?://(?:localhost(?=/))?|(?=/))", re.IGNORECASE)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/(?P<second>/)?")


def normalise(uri: str) -> str:
    """Return the one spelling of a URI: no trailing slash, the protocol in lower case.

    Local paths are absolute and without ``file://``, ``file:`` or ``file://localhost``.

    Raises
    ------
    InputError
        The URI is empty: an unset variable would mean the working directory; or one slash follows its
        protocol, as in ``dbfs:/x``.
    """
    if not uri:
        raise InputError("An empty path was given: give a file, a directory or a URI.")
    if local := _LOCAL.match(uri):
        return _absolute(uri[local.end() :])
    scheme = _SCHEME.match(uri)
    if scheme and not scheme["second"]:
        protocol = uri.partition(":")[0]
        raise InputError(
            f"{uri} has one slash after {protocol}: and a URI has two: write {protocol.lower()}://…, or the "
            f"path where this machine mounts it (./{uri} for a file of that name)."
        )
    protocol, path = split_protocol(uri)
    if protocol is None:
        return _absolute(path)
    return f"{protocol.lower() if scheme else protocol}://{path.rstrip('/')}"


def _absolute(path: str) -> str:
    return os.path.abspath(os.path.expanduser(path))


def is_relative(uri: str) -> bool:
    """Return whether a text, not normalised, is a path relative to a directory."""
    return "://" not in uri and not uri.startswith(("/", "~")) and not _SCHEME.match(uri)


def normalise_file(uri: str) -> str:
    """Return the one spelling of a file's URI; a slash at the end of a remote one is part of its name.

    Raises
    ------
    InputError
        The URI is empty.
    """
    normal = normalise(uri)
    if is_local(normal):
        return normal
    return normal + uri[len(uri.rstrip("/")) :]


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


def start_of_names(directory: str) -> str:
    """Return what the URIs of all files in a directory start with.

    ``s3://bucket/a`` and ``s3://bucket/a/`` are two directories: the last component of the second is empty.
    """
    return directory if directory.endswith("://") or directory == "/" else directory + "/"


def parent(uri: str) -> str:
    """Return the directory that holds a file or a directory."""
    directory = uri[: uri.rindex("/")]
    return directory + "/" if directory == "" or directory.endswith(":/") else directory


def resolve(directory: str, path: str) -> str:
    """Return the URI of a path relative to a directory; on any storage, ``.`` is it and ``..`` its parent.

    Empty components stay: on S3 they are names.
    """
    protocol, base = split_protocol(directory)
    top = 1 if protocol is None or base.startswith("/") else 0  # the empty component before the first slash
    parts = base.split("/") if base.strip("/") else [""] * top
    for one in path.split("/"):
        if one == "..":
            del parts[max(top, len(parts) - 1) :]
        elif one != ".":
            parts.append(one)
    resolved = "/".join(parts)
    return resolved if protocol is None else f"{protocol}://{resolved}"


def is_local(uri: str) -> bool:
    """Return whether a normalised URI is a path on this machine."""
    return split_protocol(uri)[0] is None
