"""Storage on S3: what `backends.Backend` asks for, by obstore for most keys and by botocore for the rest.

Knows how URIs, keys and directories correspond; knows no other storage. Directories are prefixes that end
with a slash: an empty component is a directory, too, so that every key is in exactly one.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import chain
from types import ModuleType

from fsspec.core import split_protocol

from flipbatch.storage import s3_by_botocore, s3_by_obstore
from flipbatch.storage.directory import Directory, Page
from flipbatch.storage.ranges import RangeFile
from flipbatch.storage.retries import with_retries
from flipbatch.storage.s3_by_botocore import Keys, list_keys
from flipbatch.storage.s3_errors import ConditionError
from flipbatch.storage.s3_fsspec import PROTOCOLS, has_others
from flipbatch.storage.s3_settings import Bucket, opened
from flipbatch.storage.versions import ReplacedError, require_version


def takes(uri: str) -> bool:
    """Return whether a URI is of S3, and all settings are known here.

    Most settings of fsspec's own, and access points, are known to s3fs alone.
    """
    protocol, path = split_protocol(uri)
    if protocol not in PROTOCOLS or has_others():
        return False
    return not path.startswith(("arn:", "/")) and path != ""


def _split(uri: str) -> tuple[Bucket, str]:
    bucket, _, key = split_protocol(uri)[1].partition("/")
    return opened(bucket), key


def _client(key: str) -> ModuleType:
    return s3_by_obstore if s3_by_obstore.takes(key) else s3_by_botocore


# ---------------------------------------------------------------------------------------- one object


def read(uri: str, limit: int | None, version: str | None) -> bytes:
    """Return an object, or its first `limit` bytes."""
    bucket, key = _split(uri)
    return _client(key).get(bucket, key, limit, partial(require_version, listed=version))


def open_ranges(uri: str) -> RangeFile:
    """Open an object to read ranges of it; all are of the version that it has now."""
    bucket, key = _split(uri)
    size, version = _client(key).head(bucket, key)
    return RangeFile(size, partial(_range, bucket, key, version))


def _range(bucket: Bucket, key: str, version: str | None, start: int, end: int) -> bytes:
    try:
        return with_retries(partial(_client(key).get_range, bucket, key, start, end, version))
    except ConditionError as error:
        raise ReplacedError("it was replaced while it was read") from error


def put(uri: str, data: bytes) -> None:
    """Put a whole object."""
    bucket, key = _split(uri)
    _client(key).put(bucket, key, data)


def create(uri: str, data: bytes) -> None:
    """Put a whole object where there is none; raise FileExistsError where there is one."""
    bucket, key = _split(uri)
    try:
        _client(key).put(bucket, key, data, create=True)
    except ConditionError as error:
        raise FileExistsError(str(error)) from error


def remove(uri: str) -> None:
    """Delete an object."""
    bucket, key = _split(uri)
    _client(key).delete(bucket, key)


def exists(uri: str) -> bool:
    """Return whether there is such an object, or any object below it."""
    bucket, key = _split(uri)
    return (key != "" and _is_object(bucket, key)) or is_directory(uri)


def _is_object(bucket: Bucket, key: str) -> bool:
    try:
        _client(key).head(bucket, key)
    except FileNotFoundError:
        return False
    return True


# ---------------------------------------------------------------------------------------- directories


def _prefix(uri: str) -> str:
    """Return what keys in a directory start with: in ``s3://bucket`` nothing, in ``s3://bucket/`` a slash."""
    _, slash, key = split_protocol(uri)[1].partition("/")
    return key + slash


def is_directory(uri: str) -> bool:
    """Return whether there is any object below a directory; an empty bucket is a directory, too."""
    bucket, _ = _split(uri)
    prefix = _prefix(uri)
    try:
        keys = next(list_keys(bucket, prefix, delimiter="", most=1))
    except FileNotFoundError:
        return False
    return keys.entries > 0 or not prefix


def version_of(uri: str) -> str | None:
    """Return the ETag of an object; raise FileNotFoundError if there is none."""
    bucket, key = _split(uri)
    if not key:
        raise FileNotFoundError(uri)
    return _client(key).head(bucket, key)[1]


def list_directory(uri: str) -> Directory:
    """List what is directly in a directory; at most two pages are held at a time."""
    bucket, key = _split(uri)
    pages = list_keys(bucket, _prefix(uri))
    first = next(pages)
    if not first.entries and _prefix(uri):
        if _is_object(bucket, key):
            raise NotADirectoryError(uri)
        raise FileNotFoundError(uri)
    protocol = uri.partition("://")[0]
    root = f"{protocol}://{bucket.name}/"
    return Directory(uri, (_page(root, keys) for keys in chain([first], pages)))


def _page(root: str, keys: Keys) -> Page:
    files = ((root + key, version) for key, version in keys.objects)
    directories = [root + prefix[:-1] for prefix in keys.prefixes]
    return Page(files, directories, keys.entries, keys.placeholders)


def names_in(uri: str) -> Iterator[str]:
    """Yield the names directly in a directory; of an object, its own name."""
    bucket, key = _split(uri)
    start = len(prefix := _prefix(uri))
    for keys in list_keys(bucket, prefix):
        if not keys.entries and key and _is_object(bucket, key):
            yield key.rpartition("/")[2]
        yield from (key[start:] for key, _ in keys.objects)
        yield from (one[start:-1] for one in keys.prefixes)


def remove_folder(uri: str) -> None:
    """Delete all objects below a directory, placeholders as well."""
    bucket, _ = _split(uri)
    for keys in list_keys(bucket, _prefix(uri), delimiter=""):
        for key, _ in keys.objects:
            with_retries(partial(_client(key).delete, bucket, key))
