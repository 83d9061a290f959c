"""A user's table is one file, or a directory of such files as Spark, Ray and our own predictions write it.

Knows which files of a directory belong to the table, and their hive-style folders; knows no columns and no
cells.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from flipbatch import storage
from flipbatch.errors import InputError
from flipbatch.frames.names import is_image
from flipbatch.frames.notes import Notes
from flipbatch.frames.words import hive
from flipbatch.storage.backends import backend_of
from flipbatch.storage.listing import PassedOver, open_listing
from flipbatch.storage.patterns import WILDCARD

_WHAT = "the manifest"
_NULL = "__HIVE_DEFAULT_PARTITION__"
_UNFINISHED = "_temporary"
_LOGS = {"_delta_log": "Delta", ".hoodie": "Hudi"}

_NOT_DATA = ("_SUCCESS", "_metadata", "_common_metadata", "_committed_", "_started_")
_HIDDEN = (
    "{count} {file or folder|files or folders} of the manifest {is|are} not read, because a dot or an "
    "underscore starts the name: {examples}."
)
_PASSED_OVER = {
    PassedOver.SYSTEM: "{count} system {folder|folders} of the manifest {is|are} not read: {examples}.",
    PassedOver.LINK: "{count} {link to a folder that has|links to folders that have} another name in the "
    "manifest {is|are} not read: {examples}.",
}


@dataclass(frozen=True)
class TablePart:
    """A file of a table.

    Attributes
    ----------
    uri : str
    folders : dict of str to (str or None)
        What the hive-style folders above it say, such as ``{"split": "train"}``; None is their null.
    """

    uri: str
    folders: dict[str, str | None] = field(default_factory=dict)


def table_digest(uri: str) -> str:
    """Return the SHA-256 of a table, as 64 hexadecimal digits: of its file, or of its files and their names.

    Raises
    ------
    InputError, StorageError
    """
    parts = table_parts(uri, Notes())
    if parts[0].uri == uri:
        return storage.digest(uri, _WHAT)
    names = ((part.uri[len(uri) + 1 :], storage.digest(part.uri, _WHAT)) for part in parts)
    return hashlib.sha256("".join(f"{name}\n{digest}\n" for name, digest in names).encode()).hexdigest()


def table_parts(uri: str, notes: Notes) -> list[TablePart]:
    """Return the files of a table: the file itself, or those below a directory, sorted by their names.

    Files and folders whose names start with a dot or an underscore are not parts, as everywhere where such
    directories are read; ``_x=y`` is one. The unusual ones among them, folders of
    systems and second names of folders are counted in `notes`.

    Raises
    ------
    InputError
        If a directory holds no file or an image, is still being written, or is a table with a log; if the
        URI is a pattern.
    StorageError
        If there is no such file or directory.
    """
    if not _is_directory(uri):
        return [TablePart(uri)]
    folders: list[tuple[PassedOver, str]] = []
    files = open_listing(uri).files(lambda why, folder: folders.append((why, folder)))
    paths = sorted(file.uri[len(uri) + 1 :] for file in files)
    hidden = [folder for _, folder in folders]
    for path in [*paths, *hidden]:
        _refuse_logs(uri, path.split("/"))
    data = [path for path in paths if path and not _is_hidden(path)]
    if not data:
        raise InputError(f"The manifest {uri} is a directory without tables: give a table or its directory.")
    if image := next((path for path in data if is_image(path)), None):
        raise InputError(
            f"The manifest {uri} holds {image}, an image: give directories of frames as --frames."
        )
    _note_passed_over(paths, folders, notes)
    return [TablePart(storage.join(uri, path), _folders(path)) for path in data]


def _note_passed_over(paths: list[str], folders: list[tuple[PassedOver, str]], notes: Notes) -> None:
    for path in paths:
        if _is_hidden(path) and not _is_usual(path):
            notes.count(_HIDDEN, path)
    for why, folder in folders:
        if not _is_hidden(folder):
            notes.count(_PASSED_OVER[why], f"{folder}/")
        elif not _is_usual(folder):
            notes.count(_HIDDEN, folder)


def _is_directory(uri: str) -> bool:
    """Return whether there is a directory and no file of that name; S3 can hold both."""
    try:
        storage.read(uri, limit=1)
        return False
    except OSError as error:
        with storage.storage_errors(f"read {_WHAT} {uri}"):
            if storage.with_retries(lambda: backend_of(uri).is_directory(uri)):
                return True
            if isinstance(error, FileNotFoundError) and WILDCARD.search(uri) and not uri.startswith("http"):
                raise InputError(
                    f"The manifest {uri} is a pattern: give one file, or the directory that holds the files."
                ) from error
            raise error


def _refuse_logs(uri: str, components: list[str]) -> None:
    if _UNFINISHED in components:
        raise InputError(
            f"The manifest {uri} holds {_UNFINISHED}/: its writer has not finished, or has failed. "
            "Write it again."
        )
    if kinds := [kind for name, kind in _LOGS.items() if name in components]:
        raise InputError(
            f"The manifest {uri} is a {kinds[0]} table, which may hold files of deleted rows: "
            "save its rows as Parquet."
        )


def _is_hidden(path: str) -> bool:
    return any(name.startswith(".") or (name.startswith("_") and "=" not in name) for name in path.split("/"))


def _is_usual(path: str) -> bool:
    name = path.rpartition("/")[2]
    return name.startswith(_NOT_DATA) or (name.startswith(".") and name.endswith(".crc"))


def _folders(path: str) -> dict[str, str | None]:
    pairs = (hive(folder) for folder in path.split("/")[:-1])
    return {pair[0]: None if pair[1] == _NULL else pair[1] for pair in pairs if pair}
