"""The URIs of a table's rows: made absolute, one row for each frame, none of them a Windows path.

Knows URIs; knows no columns, labels or frames. Opens no file, and looks for few: those with
a name as on Windows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flipbatch import storage
from flipbatch.errors import InputError
from flipbatch.frames.notes import Notes

_DRIVE = re.compile(r"file:/*(localhost/)?[a-z][:|]|/?[a-z]:[\\/]|\\\\", re.IGNORECASE)
_HOST = re.compile(r"[^/]*://[^/]*\\")  # no bucket and no host has a backslash in its name

_MAY_BE_WINDOWS = r"\\|^[A-Za-z]:"
_LOOKUPS = {True: 1000, False: 16}
"""How many files with such a name are looked for, at most: local ones and others."""

_ANOTHER_FRAME = (
    "{count} {row of the manifest has|rows of the manifest have} the file of an earlier row but another "
    "video or frame number, and {counts|count} as well: {examples}."
)


def is_windows_path(uri: str) -> bool:
    r"""Return whether a URI looks like a Windows path, such as ``C:\frames`` or ``\\nas\x``."""
    return _DRIVE.match(uri) is not None


def absolute(base: str, uri: str | None) -> str:
    r"""Return the one spelling of a row's URI; a relative one is below `base`.

    Raises
    ------
    InputError
        If it is empty, starts or ends with a blank, holds a zero byte, is a Windows path such as
        ``C:\frames\0001_1.jpg``, or has one slash after its protocol.
    """
    if not uri or not uri.strip():
        raise InputError("The manifest has a row without uri: fill it in or remove the row.")
    if "\0" in uri:
        raise InputError(f"The manifest's uri {uri!r} holds a zero byte: correct it or remove the row.")
    if uri != uri.strip():
        raise InputError(f"The manifest's uri {uri!r} starts or ends with a blank: remove it.")
    if is_windows_path(uri) or _HOST.match(uri):
        raise _windows_path(uri)
    resolved = storage.normalise_file(storage.resolve(base, uri) if storage.is_relative(uri) else uri)
    return resolved[1:] if resolved.startswith("//") else resolved  # POSIX keeps two leading slashes


def refuse_windows_paths(given: pa.ChunkedArray, uris: pa.ChunkedArray) -> None:
    """Refuse URIs with a backslash or a drive letter at the first that is no file.

    Parameters
    ----------
    given : pyarrow.ChunkedArray
        As the table has them.
    uris : pyarrow.ChunkedArray
        The same ones, absolute.

    Raises
    ------
    InputError
    StorageError
        If storage can't be asked for such a file.
    """
    doubtful = pc.match_substring_regex(given, _MAY_BE_WINDOWS)  # pyright: ignore[reportAttributeAccessIssue]
    for number, uri in enumerate(uris.filter(doubtful).to_pylist()):
        if number >= _LOOKUPS[storage.is_local(uri)]:
            return
        if not storage.exists(uri):
            what = "backslash" if "\\" in uri else "drive letter"
            raise _windows_path(uri, f"has a {what}, as paths of Windows, and is no file")


def _windows_path(uri: str, what: str = "is a Windows path") -> InputError:
    return InputError(
        f"The manifest's uri {uri} {what}: write paths with / and as this machine sees them, absolute or "
        "relative to the manifest."
    )


class RepeatedFiles:
    """Refuses two rows of one frame, and counts other rows of one file.

    Parameters
    ----------
    uris : iterable of str
        Absolute, of all rows. 8 bytes of each are held, and the rows of files that more than one row has.
    notes : Notes
        Gets the rows of a file that is another frame in another row.
    """

    def __init__(self, uris: Iterable[str], notes: Notes) -> None:
        hashes, counts = np.unique(np.fromiter(map(hash, uris), np.int64), return_counts=True)
        self._repeated = frozenset(hashes[counts > 1].tolist())
        self._files: set[str] = set()
        self._frames: set[tuple[str, str, int]] = set()
        self._notes = notes

    def check(self, uri: str, video_id: str, frame_number: int) -> None:
        """Check the next row.

        Raises
        ------
        InputError
            If an earlier row has the same file, video and frame number.
        """
        if not self._repeated or hash(uri) not in self._repeated:
            return
        frame = (uri, video_id, frame_number)
        if frame in self._frames:
            raise InputError(
                f"The manifest has more than one row of {uri}: leave one row of each frame; of predictions "
                "by several models, the rows of one."
            )
        if uri in self._files:
            self._notes.count(_ANOTHER_FRAME, uri)
        self._frames.add(frame)
        self._files.add(uri)


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
