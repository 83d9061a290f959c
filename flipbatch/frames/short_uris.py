"""How a line names a file: by its path below the directory that was listed, or that holds the table.

Knows spellings of URIs. Looks at no file.
"""

from __future__ import annotations

from flipbatch import storage
from flipbatch.storage.patterns import WILDCARD


def below(source_uri: str, uri: str) -> str:
    """Return a URI without the directory of its source, which is a directory, a pattern or a table."""
    directory = WILDCARD.split(source_uri, maxsplit=1)[0].rpartition("/")[0]
    for root in (source_uri, directory):
        if root and uri.startswith(prefix := storage.join(root, "")):
            return uri.removeprefix(prefix)
    return uri
