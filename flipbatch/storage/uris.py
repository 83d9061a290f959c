"""URIs: one spelling for each, and how they are joined.

A URI here is a local path or ``protocol://…``. Local paths are made absolute, so that a worker with another
working directory finds the same file. This module knows no storage: it never looks at a file.
"""

from __future__ import annotations

import os

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
