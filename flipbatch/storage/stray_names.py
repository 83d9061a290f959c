"""Names that programs leave in folders without being asked: of file managers, file systems and other tools.

Knows names alone; opens and lists nothing.
"""

from __future__ import annotations

_OF_SYSTEMS = frozenset(
    {"$RECYCLE.BIN", "Icon\r", "System Volume Information", "Thumbs.db", "desktop.ini", "lost+found"}
)


def is_hidden(name: str) -> bool:
    """Return whether a reader that is given a folder of Parquet files passes over a file or folder.

    Arrow, pandas and Spark do so. A glob pattern for ``*.parquet``, as in DuckDB, may still match it.
    """
    return name.startswith((".", "_"))


def is_stray(name: str) -> bool:
    """Return whether a name, such as ``.DS_Store`` or ``lost+found``, does not say whose a folder is."""
    return is_hidden(name) or name in _OF_SYSTEMS
