"""The URIs of a table's rows: made absolute, each one once, none of them a Windows path.

Knows URIs; knows no columns, labels or frames. Opens no file, and looks for at most one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

import numpy as np

from flipbatch import storage
from flipbatch.errors import InputError

_DRIVE = re.compile(r"(file:/*)?[A-Za-z]:[\\/]|\\\\", re.IGNORECASE)


def absolute(base: str, uri: str | None) -> str:
    r"""Return the one spelling of a row's URI; a relative one is below `base`.

    Raises
    ------
    InputError
        Where it is empty, starts or ends with a blank, holds a zero byte, or is a Windows path such as
        ``C:\frames\0001_1.jpg``.
    """
    if not uri or not uri.strip():
        raise InputError("The manifest has a row without uri: fill it in or remove the row.")
    if "\0" in uri:
        raise InputError(f"The manifest's uri {uri!r} holds a zero byte: correct it or remove the row.")
    if uri != uri.strip():
        raise InputError(f"The manifest's uri {uri!r} starts or ends with a blank: remove it.")
    if _DRIVE.match(uri):
        raise _windows_path(uri)
    relative = "://" not in uri and not uri.startswith(("/", "~"))
    resolved = storage.normalise(storage.resolve(base, uri) if relative else uri)
    return resolved[1:] if resolved.startswith("//") else resolved  # POSIX keeps two leading slashes


def check_uris(uris: Callable[[], Iterable[str]]) -> None:
    """Check the absolute URIs of all rows.

    Parameters
    ----------
    uris : callable
        Returns the URIs, again at each call; a few bytes of each are held.

    Raises
    ------
    InputError
        Where a URI is in two rows, or the first with a backslash is no file: it is a Windows path.
    StorageError
        Where storage can't be asked for that file.
    """
    _require_distinct(uris)
    with_backslash = next((uri for uri in uris() if "\\" in uri), None)
    if with_backslash is not None and not storage.exists(with_backslash):
        raise _windows_path(with_backslash, "has a backslash, as paths of Windows, and is no file")


def _windows_path(uri: str, what: str = "is a Windows path") -> InputError:
    return InputError(
        f"The manifest's uri {uri} {what}: write paths with / and as this machine sees them, absolute or "
        "relative to the manifest."
    )


def _require_distinct(uris: Callable[[], Iterable[str]]) -> None:
    hashes, counts = np.unique(np.fromiter(map(hash, uris()), np.int64), return_counts=True)
    repeated = set(hashes[counts > 1].tolist())
    seen: set[str] = set()
    for uri in uris() if repeated else ():
        if hash(uri) in repeated:
            if uri in seen:
                others = f" and of {len(repeated) - 1:,} other files" if len(repeated) > 1 else ""
                raise InputError(
                    f"The manifest has more than one row of {uri}{others}: leave one row of each file; of "
                    "predictions by several models, the rows of one."
                )
            seen.add(uri)


def common_directory(uris: Iterable[str]) -> str:
    """Return the longest directory that holds all URIs, at least one, without a trailing slash."""
    iterator = iter(uris)
    common = next(iterator).split("/")[:-1]
    for uri in iterator:
        parts = uri.split("/")[:-1]
        if parts[: len(common)] != common:
            common = common[: _equal_parts(common, parts)]
    return "/".join(common)


def _equal_parts(one: list[str], other: list[str]) -> int:
    """Return how many components at the start of two paths are equal."""
    equal = [a == b for a, b in zip(one, other, strict=False)]
    return equal.index(False) if False in equal else len(equal)
