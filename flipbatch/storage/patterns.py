"""Glob patterns: which files below a directory match, and which directories may hold some.

Knows no storage.
"""

from __future__ import annotations

import re

from fsspec.utils import glob_translate

WILDCARD = re.compile(r"[*?\[]")


class Pattern:
    """A glob pattern below a directory; all paths are relative to that directory."""

    def __init__(self, pattern: str) -> None:
        self._components = pattern.split("/")
        ends = range(1, len(self._components) + 1)
        self._depths = [re.compile(glob_translate("/".join(self._components[:end]))) for end in ends]

    def matches(self, file: str) -> bool:
        """Return whether a file matches."""
        return self._depths[-1].fullmatch(file) is not None

    def leads_into(self, directory: str) -> bool:
        """Return whether there may be files below a directory that match."""
        depth = directory.count("/") + 1
        if "**" in self._components[:depth]:
            return True
        return depth < len(self._components) and bool(self._depths[depth - 1].fullmatch(directory))

    def spells_out(self, directory: str) -> bool:
        """Return whether the pattern gives a directory's own name, or at least the dot that starts it."""
        depth, name = directory.count("/"), directory.rpartition("/")[2]
        folders = self._components[:-1]
        deep = folders.index("**") if "**" in folders else len(folders)
        candidates = folders[depth : depth + 1] if depth < deep else folders[deep:]
        return any(
            one == name or (one.startswith(".") and re.fullmatch(glob_translate(one), name))
            for one in candidates
        )
