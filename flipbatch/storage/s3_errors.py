"""Errors of S3: those of obstore, botocore and s3fs become Python's own, by the status that S3 answered.

Knows which statuses are transient; sends no request.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
)
from botocore.exceptions import ConnectionError as BotoConnectionError
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError

BROKEN = (HTTPClientError, BotoConnectionError, CredentialRetrievalError)
"""Transient errors of botocore: the connection broke, or there was none."""

_STATUS = re.compile(r"status code: (\d{3}[^:]*)")
_CODE = re.compile(r"<Code>(\w+)</Code>")


class ConditionError(OSError):
    """The condition of a request is not met: the object exists already, or is of another version."""


class SlowDownError(ConnectionError):
    """The server gets more requests than it serves: fewer must be in flight."""


@contextmanager
def s3_errors() -> Iterator[None]:
    """Turn errors of obstore and botocore into errors of Python.

    Raises
    ------
    OSError
        `FileNotFoundError`: there is no such object or bucket; `PermissionError`: access is forbidden;
        `ConnectionError`: the server returned a temporary error or can't be reached, `SlowDownError` if it is
        overloaded; `ConditionError`; and
        `io.UnsupportedOperation`: the server doesn't know the request.
    """
    try:
        yield
    except (BaseError, FileNotFoundError, ValueError) as error:
        raise _from_obstore(error) from error
    except ClientError as error:
        raise _from_answer(error) from error
    except NoCredentialsError as error:
        raise PermissionError(str(error)) from error
    except BROKEN as error:
        raise ConnectionError(str(error)) from error
    except BotoCoreError as error:
        raise OSError(str(error)) from error


def may_pass(error: Exception) -> bool:
    """Return whether an error of s3fs is transient: the connection broke, or the server returned 5xx."""
    cause = error.__cause__
    if isinstance(cause, ClientError):
        return _is_trouble(_status_of(cause))
    return isinstance(error, BROKEN)


def _is_trouble(status: int) -> bool:
    """Return whether a retry may help after a status of HTTP: not if the request itself is at fault.

    S3 answers 409 while another conditional request for the same object is under way.
    """
    return (status >= 500 and status != 501) or status in (408, 409, 429)


def _from_obstore(error: Exception) -> OSError:
    text = str(error)
    status, code = _STATUS.search(text), _CODE.search(text)
    if status is not None:
        return _of_status(int(status[1][:3]), status[1].strip(), code[1] if code else None)
    # Without a status the text is one line of what went wrong, then a page of debugging.
    said = text.partition("\n")[0].rpartition(" - ")[2].removeprefix("Generic S3 error: ")
    if isinstance(error, FileNotFoundError):
        return FileNotFoundError(said)
    if isinstance(error, PermissionDeniedError | UnauthenticatedError):
        return PermissionError(said)
    return OSError(said) if isinstance(error, ValueError) else ConnectionError(said)


def _from_answer(error: ClientError) -> OSError:
    status, code = _status_of(error), error.response.get("Error", {}).get("Code")
    phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else ""
    return _of_status(status, f"{status} {phrase}".strip(), None if code == str(status) else code)


def _status_of(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _of_status(status: int, phrase: str, code: str | None) -> OSError:
    kinds = {
        401: PermissionError,
        403: PermissionError,
        404: FileNotFoundError,
        412: ConditionError,
        501: io.UnsupportedOperation,
    }
    kind = kinds.get(status, ConnectionError if _is_trouble(status) else OSError)
    if status == 429 or (status == 503 and code == "SlowDown"):
        kind = SlowDownError
    return kind(f"S3 answered {phrase}" + (f" ({code})" if code else ""))
