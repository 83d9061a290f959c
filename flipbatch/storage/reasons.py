"""Reasons: what storage raises becomes one sentence, the same for every kind of storage.

Knows the errors of Python, fsspec and S3 by their type and text; knows no storage and sends no request.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from flipbatch.errors import FlipbatchError, StorageError, redacted

_FORBIDDEN = (
    "AccessDenied",
    "Forbidden",
    "(403)",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "ExpiredToken",
)


@contextmanager
def storage_errors(act: str) -> Iterator[None]:
    """Turn any error of storage into a `StorageError`: "Can't <act>: <reason>."."""
    try:
        yield
    except FlipbatchError:
        raise
    except Exception as error:
        raise StorageError(f"Can't {act}: {reason(error)}.") from error


def reason(error: BaseException) -> str:
    """Return in a few words why storage refused."""
    kind = type(error).__name__
    text = first_line(error)
    if isinstance(error, FileNotFoundError) or "NoSuchBucket" in text or "NoSuchKey" in text:
        return "there is no such file, directory or bucket"
    if isinstance(error, NotADirectoryError):
        return "it is not a directory"
    if kind == "NoCredentialsError" or "Unable to locate credentials" in text:
        return (
            "no credentials were found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile or role, "
            "or FSSPEC_S3_ANON=true if the bucket is public"
        )
    if isinstance(error, PermissionError) and error.filename is not None:  # of this machine's system
        return f"permission was denied; check its permissions ({text})"
    if isinstance(error, PermissionError) or any(word in text for word in _FORBIDDEN):
        return f"permission was denied; check the credentials and rights ({text})"
    return text


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text, without credentials, at most 300 characters.

    A line that ends with a colon says nothing: the next one follows it.
    """
    lines = (str(error) or type(error).__name__).splitlines()
    text = " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]
    # The text is redacted before it is cut: half of a URI is not recognised as one.
    return redacted(text)[:300].rstrip(".")
