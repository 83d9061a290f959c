"""Names of files and folders that operating systems, file servers and file managers add to a user's folders.

Trash, snapshots, thumbnails and caches contain copies of a user's files. Knows names only. Does not look at
files or folders.
"""

from __future__ import annotations

_SYSTEM_FOLDERS = frozenset(
    {
        # Linux, and phones and cameras that run it
        *("lost+found", "lost.dir"),
        # Windows
        *("$recycle.bin", "recycler", "recycled", "system volume information", "$winreagent", "$extend"),
        *("config.msi", "found.000"),
        # macOS, and archives and file servers that it writes to
        *("__macosx", "network trash folder", "temporary items", "thevolumesettingsfolder"),
        # Synology
        *("@eadir", "#recycle", "#snapshot", "@tmp", "@sharebin", "@sharesnap", "@synologydrive"),
        # QNAP
        *("@recycle", "@recently-snapshot", "@__thumb", "@transcode"),
        # NetApp, as Windows sees it
        "~snapshot",
    }
)
"""In lower case: Windows, macOS and most file servers don't distinguish it."""


_SYSTEM_FILES = frozenset({"desktop.ini", "icon\r", "thumbs.db"})


def is_hidden(name: str) -> bool:
    """Return whether a reader that is given a folder of Parquet files passes over a file or folder.

    Arrow, pandas and Spark do so. A glob pattern for ``*.parquet``, as in DuckDB, may still match it.
    """
    return name.startswith((".", "_"))


def is_stray(name: str) -> bool:
    """Return whether a name, such as ``.DS_Store`` or ``lost+found``, does not say whose a folder is."""
    return is_hidden(name) or name.lower() in _SYSTEM_FOLDERS | _SYSTEM_FILES


def is_passed_over(name: str) -> bool:
    """Return whether a folder of this name is hidden, because a dot starts it, or belongs to a system.

    Keys of S3 may have the components ``.`` and ``..``: these are ordinary names there.
    """
    if name.startswith("."):
        return name not in (".", "..")
    return name.lower() in _SYSTEM_FOLDERS
