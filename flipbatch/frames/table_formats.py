"""Formats of tables that are not read, by their first bytes, and what users can do about each.

Knows first bytes only; reads no table.
"""

from __future__ import annotations

import re

from flipbatch.errors import InputError

_UNPACK, _SAVE = "unpack it", "save it as CSV or Parquet"

_STARTS = {
    b"\x1f\x8b": ("gzip", _UNPACK),
    b"BZh": ("bzip2", _UNPACK),
    b"\xfd7zXZ\0": ("xz", _UNPACK),
    b"\x28\xb5\x2f\xfd": ("Zstandard", _UNPACK),
    b"\x04\x22\x4d\x18": ("LZ4", _UNPACK),
    b"PK\x03\x04": ("Excel or ZIP", _SAVE),
    b"\xd0\xcf\x11\xe0": ("Excel", _SAVE),
    b"ORC": ("ORC", _SAVE),
    b"Obj\x01": ("Avro", _SAVE),
    b"ARROW1": ("Arrow or Feather", _SAVE),
    b"FEA1": ("Feather", _SAVE),
    b"\xff\xff\xff\xff": ("Arrow", _SAVE),
    b"SQLite format 3\0": ("SQLite", _SAVE),
    b"\x89HDF": ("HDF5", _SAVE),
    b"\x93NUMPY": ("NumPy", _SAVE),
    b"\x80\x04\x95": ("a pickle", _SAVE),
    b"\x80\x05\x95": ("a pickle", _SAVE),
}
_JSON = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:\{\s*[\"}]|\[\s*[\[{\"\]])")


def refuse_other_formats(uri: str, data: bytes) -> None:
    """Refuse a table in a format that is neither Parquet nor CSV.

    Parameters
    ----------
    uri : str
        For the message.
    data : bytes
        The file, or its start.

    Raises
    ------
    InputError
    """
    found = next((format_ for start, format_ in _STARTS.items() if data.startswith(start)), None)
    if found is None and _JSON.match(data):
        found = ("JSON", _SAVE)
    if found is not None:
        name, way_out = found
        raise InputError(f"The manifest {uri} is {name}: {way_out}.")
