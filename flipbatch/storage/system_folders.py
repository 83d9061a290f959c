"""Hidden and system folders: what operating systems, file servers and clients keep beside files of users.

Trash, snapshots, thumbnails and caches hold copies of a user's files, which are no files of their own. Knows
names alone; looks at no folder.
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


def is_passed_over(name: str) -> bool:
    """Return whether a folder of this name is hidden, because a dot starts it, or belongs to a system.

    Keys of S3 may have the components ``.`` and ``..``: these are ordinary names there.
    """
    if name.startswith("."):
        return name not in (".", "..")
    return name.lower() in _SYSTEM_FOLDERS
