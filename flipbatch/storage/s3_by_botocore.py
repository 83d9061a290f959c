"""Requests for one object of S3 by botocore, which can address every key, and the listing of a prefix.

obstore can't address some keys. Knows no URIs and no other storage.

Keys are listed by botocore, too: obstore's listing fails where a key has a control character or an empty
component, and returns ``/a`` and ``a/`` as ``a``.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

from flipbatch.storage.retries import with_retries
from flipbatch.storage.s3_by_obstore import Accept
from flipbatch.storage.s3_errors import s3_errors
from flipbatch.storage.s3_settings import Bucket

KEYS_PER_PAGE = 1000
"""The most that S3 answers at once."""


def get(bucket: Bucket, key: str, limit: int | None, accept: Accept) -> bytes:
    """Return an object, or its first `limit` bytes; the rest of a longer object is not fetched."""
    with s3_errors():
        found = bucket.client.get_object(Bucket=bucket.name, Key=key)
        with found["Body"] as body:
            accept(found.get("ETag"))
            return body.read(limit)


def get_range(bucket: Bucket, key: str, start: int, end: int, version: str | None) -> bytes:
    """Return the bytes of an object from `start` to `end` (exclusive), if it still has this ETag."""
    condition = {} if version is None else {"IfMatch": version}
    with s3_errors():
        found = bucket.client.get_object(
            Bucket=bucket.name, Key=key, Range=f"bytes={start}-{end - 1}", **condition
        )
        with found["Body"] as body:
            return body.read()


def head(bucket: Bucket, key: str) -> tuple[int, str | None]:
    """Return the size of an object in bytes, and its ETag."""
    with s3_errors():
        found = bucket.client.head_object(Bucket=bucket.name, Key=key)
        return found["ContentLength"], found.get("ETag")


def put(bucket: Bucket, key: str, data: bytes, *, create: bool = False) -> None:
    """Put a whole object; with `create` only if there is none."""
    condition = {"IfNoneMatch": "*"} if create else {}
    with s3_errors():
        bucket.client.put_object(Bucket=bucket.name, Key=key, Body=data, **condition)


def delete(bucket: Bucket, key: str) -> None:
    """Delete an object; a missing one is deleted already."""
    with s3_errors():
        bucket.client.delete_object(Bucket=bucket.name, Key=key)


class Keys(NamedTuple):
    """At most 1,000 keys below a prefix.

    Attributes
    ----------
    objects : list of (str, str or None)
        Key and ETag of each object. Placeholders of directories, empty objects whose key ends with a slash,
        are left out unless they are asked for.
    prefixes : list of str
        With a trailing slash.
    entries : int
        How many keys and prefixes S3 answered.
    placeholders : int
        How many of them were left out.
    """

    objects: list[tuple[str, str | None]]
    prefixes: list[str]
    entries: int
    placeholders: int


def list_keys(
    bucket: Bucket, prefix: str, *, delimiter: str = "/", most: int | None = None
) -> Iterator[Keys]:
    """List the keys that start with a prefix, page by page; each page is one request, with retries.

    Parameters
    ----------
    bucket : Bucket
    prefix : str
        Empty, or with a trailing slash.
    delimiter : str
        Keys that have one after the prefix are listed as one prefix. Empty: all keys are objects, and
        placeholders are listed, too.
    most : int, optional
        Keys a page; `KEYS_PER_PAGE` by default.
    """
    request = {
        "Bucket": bucket.name,
        "Prefix": prefix,
        "Delimiter": delimiter,
        "MaxKeys": most or KEYS_PER_PAGE,
    }
    while True:
        answer = with_retries(partial(_list_page, bucket, request))
        yield _keys_of(answer, placeholders=not delimiter)
        if not answer.get("IsTruncated"):
            return
        request["ContinuationToken"] = answer["NextContinuationToken"]


def _list_page(bucket: Bucket, request: dict[str, Any]) -> dict[str, Any]:
    with s3_errors():
        return bucket.client.list_objects_v2(**request)


def _keys_of(answer: dict[str, Any], *, placeholders: bool) -> Keys:
    objects, prefixes = answer.get("Contents", []), answer.get("CommonPrefixes", [])
    files = [
        (one["Key"], one.get("ETag"))
        for one in objects
        if placeholders or one["Size"] or not one["Key"].endswith("/")
    ]
    left_out = len(objects) - len(files)
    return Keys(files, [one["Prefix"] for one in prefixes], len(objects) + len(prefixes), left_out)
