"""Names of files and folders that operating systems, file servers and file managers add to a user's folders.

Trash, snapshots, thumbnails and caches contain copies of a user's files. Knows names only. Does not look at
files or folders.
"""

from __future__ import annotations

import re

_SYSTEM_FOLDERS = frozenset(
    {
        # Linux, and phones and cameras that run it
        *("lost+found", "lost.dir"),
        # Windows
        *("$recycle.bin", "recycler", "recycled", "system volume information", "$winreagent", "$extend"),
        *("$sysreset", "$getcurrent", "$windows.~bt", "$windows.~ws", "$windows.~ls", "$windows.~q"),
        *("$inplace.~tr", "$upgrade.~os", "windows.old", "windowsimagebackup", "config.msi", "msocache"),
        *("windowsapps", "wpsystem", "wudownloadcache", "dfsrprivate"),
        *("do_not_remove_ntfrs_preinstall_directory", "ntfrs_preexisting___see_eventlog"),
        # macOS, and archives and file servers that it writes to
        *("__macosx", "network trash folder", "temporary items", "thevolumesettingsfolder"),
        *("thefindbycontentfolder", "backups.backupdb"),
        # Synology
        *("@eadir", "#recycle", "#snapshot", "@tmp", "@sharebin", "@sharesnap", "@synoeastream"),
        *("@synoresource", "@synologydrive", "@synologydrivesharesync", "@cloudsync"),
        *("@appstore", "@appconf", "@appdata", "@apphome", "@appshare", "@apptemp", "@autoupdate"),
        *("@database", "@download", "@img_bkp_cache", "@iscsi", "@maillog", "@quarantine"),
        *("@s2s", "@surveillance", "@docker"),
        # QNAP
        *("@recycle", "@recently-snapshot", "@__thumb", "@__qini", "@transcode"),
        # NetApp, as Windows sees it
        "~snapshot",
        # Nextcloud and ownCloud, GoodSync, Timeshift
        *("files_trashbin", "files_versions", "_gsdata_", "timeshift-btrfs"),
    }
)
"""In lower case: Windows, macOS and most file servers don't distinguish it."""


_NUMBERED_FOLDERS = re.compile(
    r"""found\.[0-9]{3}  # of chkdsk
    |   @gmt-[0-9]{4}\.[0-9]{2}\.[0-9]{2}-[0-9]{2}\.[0-9]{2}\.[0-9]{2}  # snapshots of Windows and Samba
    |   appdata_oc[0-9a-z]{10}  # previews of Nextcloud
    """,
    re.VERBOSE,
)
_SYSTEM_FILES = frozenset(
    {"desktop.ini", "icon\r", "thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop db", "desktop df"}
)


def is_hidden(name: str) -> bool:
    """Return whether a reader that is given a folder of Parquet files passes over a file or folder.

    Arrow, pandas and Spark do so. A glob pattern for ``*.parquet``, as in DuckDB, may still match it.
    """
    return name.startswith((".", "_"))


def is_stray(name: str) -> bool:
    """Return whether a name, such as ``.DS_Store`` or ``lost+found``, does not say whose a folder is."""
    return is_hidden(name) or _is_system_folder(name) or name.lower() in _SYSTEM_FILES


def is_passed_over(name: str) -> bool:
    """Return whether a folder of this name is hidden, because a dot starts it, or belongs to a system.

    Keys of S3 may have the components ``.`` and ``..``: these are ordinary names there.
    """
    if name.startswith("."):
        return name not in (".", "..")
    return _is_system_folder(name)


def _is_system_folder(name: str) -> bool:
    lower = name.lower()
    return lower in _SYSTEM_FOLDERS or _NUMBERED_FOLDERS.fullmatch(lower) is not None
