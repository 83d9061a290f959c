"""Objects of S3, read at a tenth of the processor time that s3fs takes.

Knows obstore, and asks botocore for credentials, region and endpoint, so that reading finds what listing
and writing find; knows no URIs, no listing, no writing and no other storage.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
)
from botocore.exceptions import ConnectionError as BotoConnectionError
from botocore.session import Session
from obstore.exceptions import PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig, S3Credential

# A connection that stands still is dropped after 10 seconds; no request lasts longer than half a minute.
_TIMEOUTS: ClientConfig = {
    "connect_timeout": timedelta(seconds=5),
    "read_timeout": timedelta(seconds=10),
    "timeout": timedelta(seconds=30),
}

# `storage.read` tries again, and counts how often.
_RETRIES: RetryConfig = {"max_retries": 0}

# obstore asks again 5 minutes before the end. botocore renews what expires within 15: asked every 5 minutes,
# it always gives what is still valid for longer than that.
_BELIEVED_FOR = timedelta(minutes=10)

_AMAZON = (".amazonaws.com", ".amazonaws.com.cn")
_STATUS = re.compile(r"status code: (\d{3}[^:]*)")
_CODE = re.compile(r"<Code>(\w+)</Code>")


def takes(key: str) -> bool:
    """Say whether a key can be read here: obstore changes or refuses one that is no tidy path."""
    return not any(component in ("", ".", "..") for component in key.split("/"))


def read(
    bucket: str, key: str, limit: int | None = None, accept: Callable[[str | None], None] | None = None
) -> bytes:
    """Read an object, or its first `limit` bytes; the rest of a longer one is not fetched.

    Parameters
    ----------
    bucket, key : str
    limit : int, optional
    accept : callable, optional
        Given the object's ETag before its bytes are fetched; what it raises is raised.

    Raises
    ------
    OSError
        `FileNotFoundError` where there is no such object or bucket; `PermissionError` where it is forbidden;
        `ConnectionError` where the server is in trouble or out of reach, which may pass.
    """
    store = _opened(bucket)
    try:
        found = store.get(key)
    except Exception as error:
        raise _as_oserror(error) from error
    if accept is not None:
        accept(found.meta["e_tag"])
    try:
        if limit is None:
            return bytes(found.bytes())
        # No range is asked for: S3 refuses any range of an empty object.
        return next(found.stream(limit), b"")[:limit]
    except Exception as error:
        raise _as_oserror(error) from error


def _opened(bucket: str) -> S3Store:
    try:
        return _store(bucket)
    except NoCredentialsError as error:
        raise PermissionError(str(error)) from error
    except _BROKEN as error:
        raise ConnectionError(str(error)) from error
    except (BotoCoreError, ValueError, OSError) as error:
        raise OSError(f"S3 is not set up: {error}") from error


def may_pass(error: Exception) -> bool:
    """Say whether what s3fs raised may pass: the way to the server broke, or it is in trouble."""
    cause = error.__cause__
    if isinstance(cause, ClientError):
        return _is_trouble(int(cause.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)))
    return isinstance(error, _BROKEN)


_BROKEN = (HTTPClientError, BotoConnectionError, CredentialRetrievalError)


def _is_trouble(status: int) -> bool:
    """Say whether another try may help after a status of HTTP: not where the request itself is at fault.

    409 is what S3 answers while another conditional request for the same object is under way.
    """
    return (status >= 500 and status != 501) or status in (408, 409, 429)


def _as_oserror(error: Exception) -> OSError:
    if isinstance(error, FileNotFoundError):
        return FileNotFoundError(_in_short(error))
    if isinstance(error, PermissionDeniedError | UnauthenticatedError):
        return PermissionError(_in_short(error))
    kind = ConnectionError if _says_trouble(str(error)) else OSError
    return kind(_in_short(error))


def _says_trouble(text: str) -> bool:
    status = _STATUS.search(text)
    return status is None or _is_trouble(int(status[1][:3]))


def _in_short(error: Exception) -> str:
    """Say what S3 answered; obstore's own text has a page, with times that differ from frame to frame."""
    text = str(error)
    status, code = _STATUS.search(text), _CODE.search(text)
    if status is None:
        return text.partition("\n")[0].rpartition(" - ")[2].removeprefix("Generic S3 error: ")
    return f"S3 answered {status[1].strip()}" + (f" ({code[1]})" if code else "")


# ---------------------------------------------------------------------------------------- settings


_opening = threading.Lock()


def _store(bucket: str) -> S3Store:
    """Return the one store of a bucket; many threads ask for it at once, and one opens it."""
    with _opening:
        return _open(bucket)


@lru_cache(maxsize=32)
def _open(bucket: str) -> S3Store:
    session = Session()
    client = _client(session, bucket)
    return S3Store(
        bucket,
        region=client.meta.region_name,
        **_address(client, bucket),
        credential_provider=_Credentials(session),
        client_options=_TIMEOUTS | {"allow_http": True} | _certificates(session),
        retry_config=_RETRIES,
    )


def _client(session: Session, bucket: str) -> Any:
    """Return a client whose region is the bucket's: Amazon's other regions only say where it is not."""
    client = session.create_client("s3")
    if (urlsplit(client.meta.endpoint_url).hostname or "").endswith(_AMAZON):
        region = _region_of(client, bucket)
        if region not in (None, client.meta.region_name):
            return session.create_client("s3", region_name=region)
    return client


def _region_of(client: Any, bucket: str) -> str | None:
    try:
        answer = client.head_bucket(Bucket=bucket)
    except ClientError as error:  # even who may not look is told where
        answer = error.response
    return answer["ResponseMetadata"].get("HTTPHeaders", {}).get("x-amz-bucket-region")


def _address(client: Any, bucket: str) -> dict[str, Any]:
    """Say where requests go. The bucket stands in the path, which any server takes, if not told otherwise."""
    endpoint = client.meta.endpoint_url
    if (client.meta.config.s3 or {}).get("addressing_style") != "virtual":
        return {"endpoint": endpoint, "virtual_hosted_style_request": False}
    return {
        "endpoint": endpoint.replace("://", f"://{bucket}.", 1),
        "virtual_hosted_style_request": True,
    }


def _certificates(session: Session) -> ClientConfig:
    bundle = session.get_config_variable("ca_bundle")
    return {"root_certificate": Path(bundle).read_bytes()} if bundle else {}


class _Credentials:
    """What obstore asks for credentials, again and again: botocore renews those that expire."""

    def __init__(self, session: Session) -> None:
        found = session.get_credentials()
        if found is None:
            raise NoCredentialsError
        self._found = found

    def __call__(self) -> S3Credential:
        """Return what is valid now."""
        now = self._found.get_frozen_credentials()
        return {
            "access_key_id": now.access_key,
            "secret_access_key": now.secret_key,
            "token": now.token,
            "expires_at": datetime.now(UTC) + _BELIEVED_FOR,
        }
