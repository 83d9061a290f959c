"""The bundles that come with the package: ``pretrained:NAME`` wherever a bundle's URI is taken.

Knows where they lie and what they are called. Does not know what is in a bundle.
"""

from __future__ import annotations

from pathlib import Path

from flipbatch import storage
from flipbatch.errors import BundleError

FOLDER = Path(__file__).resolve().parent.parent / "pretrained"
"""Package data, one directory per bundle. Workers import the package, so that each finds its own copy."""

PREFIX = "pretrained:"


def is_pretrained(uri: str | None) -> bool:
    """Return whether a text names a bundle that comes with the package."""
    return uri is not None and uri.startswith(PREFIX)


def pretrained_names() -> list[str]:
    """Return the names of the bundles that come with the package, in order."""
    return sorted(one.name for one in FOLDER.glob("*/"))


def locate_bundle(uri: str) -> str:
    """Return where a bundle lies: the directory of ``pretrained:NAME``, and any other URI normalised.

    Raises
    ------
    BundleError
        If the package has no bundle of that name; the message says which it has.
    InputError
        If the URI is empty.
    """
    if not is_pretrained(uri):
        return storage.normalise(uri)
    name, names = uri.removeprefix(PREFIX), pretrained_names()
    if name not in names:
        known = f"has {', '.join(map(PREFIX.__add__, names))}" if names else "has none at all"
        raise BundleError(f"There is no pretrained model {name!r}: this version {known}.")
    return str(FOLDER / name)
