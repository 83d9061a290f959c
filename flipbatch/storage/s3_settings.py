"""Buckets of S3, opened: an obstore store and a botocore client with the same settings.

Credentials, region, endpoint and certificates come from botocore, which looks where all AWS clients look;
public buckets are opened without credentials if fsspec's settings say so. Knows no objects and no URIs.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from botocore.session import Session
from botocore.utils import parse_timestamp
from obstore.store import S3Store

from flipbatch.storage.s3_errors import BROKEN, s3_errors
from flipbatch.storage.s3_fsspec import is_anonymous

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig, S3Credential

# An idle connection is dropped after 10 seconds; no request lasts longer than half a minute.
_TIMEOUTS: ClientConfig = {
    "connect_timeout": timedelta(seconds=5),
    "read_timeout": timedelta(seconds=10),
    "timeout": timedelta(seconds=30),
}

# `retries.with_retries` retries and counts; obstore and botocore don't.
_RETRIES: RetryConfig = {"max_retries": 0}

# Checksums that a server need not know are neither sent nor expected.
_CLIENT = Config(
    connect_timeout=5,
    read_timeout=30,
    retries={"total_max_attempts": 1},
    max_pool_connections=32,
    parameter_validation=False,
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
)

# obstore asks for credentials 5 minutes before their end. botocore renews those that expire within 15
# minutes: asked every 5 minutes, it always gives credentials that stay valid for longer than that.
_BELIEVED_FOR = timedelta(minutes=10)

_AMAZON = (".amazonaws.com", ".amazonaws.com.cn")


@dataclass(frozen=True)
class Bucket:
    """An opened bucket.

    Attributes
    ----------
    name : str
    store : obstore.store.S3Store
        Takes little processor time, but can't name every key.
    client : botocore.client.S3
        Lists, and can address every key.
    """

    name: str
    store: S3Store
    client: Any


_opening = threading.Lock()


def opened(bucket: str) -> Bucket:
    """Return the one opened bucket of a name; many threads ask at once, and one of them opens it.

    Raises
    ------
    OSError
        There are no credentials, the settings are wrong, or the server can't be reached.
    """
    with _opening, s3_errors():
        return _open(bucket)


@lru_cache(maxsize=32)
def _open(bucket: str) -> Bucket:
    try:
        session = Session()
        session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_timestamp)
        client = _client(session, bucket)
        return Bucket(bucket, _store(session, client, bucket), client)
    except (NoCredentialsError, *BROKEN):
        raise
    except (BotoCoreError, ValueError, OSError) as error:
        raise OSError(f"S3 is not set up: {error}") from error


def _store(session: Session, client: Any, bucket: str) -> S3Store:
    return S3Store(
        bucket,
        region=client.meta.region_name,
        **_address(client, bucket),
        **_signature(session),
        client_options=_TIMEOUTS | {"allow_http": True} | _certificates(session),
        retry_config=_RETRIES,
        disable_bulk_delete=True,  # some servers know only the deletion of one object
    )


def _timestamp(value: Any) -> datetime:
    """Parse a time, in S3's ISO format fast: botocore's parser takes two thirds of the time of a listing."""
    try:
        return datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return parse_timestamp(value)


def _client(session: Session, bucket: str) -> Any:
    """Return a client of the bucket's region: Amazon's other regions only answer where the bucket is not."""
    config = _CLIENT.merge(Config(signature_version=UNSIGNED)) if is_anonymous() else _CLIENT
    client = session.create_client("s3", config=config)
    if (urlsplit(client.meta.endpoint_url).hostname or "").endswith(_AMAZON):
        region = _region_of(client, bucket)
        if region not in (None, client.meta.region_name):
            return session.create_client("s3", region_name=region, config=config)
    return client


def _region_of(client: Any, bucket: str) -> str | None:
    try:
        answer = client.head_bucket(Bucket=bucket)
    except ClientError as error:  # S3 sends the region even with a refusal
        answer = error.response
    return answer["ResponseMetadata"].get("HTTPHeaders", {}).get("x-amz-bucket-region")


def _address(client: Any, bucket: str) -> dict[str, Any]:
    """Return where requests go. The bucket is in the path, which any server takes, unless settings differ."""
    endpoint = client.meta.endpoint_url
    if (client.meta.config.s3 or {}).get("addressing_style") != "virtual":
        return {"endpoint": endpoint, "virtual_hosted_style_request": False}
    return {
        "endpoint": endpoint.replace("://", f"://{bucket}.", 1),
        "virtual_hosted_style_request": True,
    }


def _signature(session: Session) -> dict[str, Any]:
    return {"skip_signature": True} if is_anonymous() else {"credential_provider": _Credentials(session)}


def _certificates(session: Session) -> ClientConfig:
    bundle = session.get_config_variable("ca_bundle")
    return {"root_certificate": Path(bundle).read_bytes()} if bundle else {}


class _Credentials:
    """The source of obstore's credentials; botocore renews those that expire."""

    def __init__(self, session: Session) -> None:
        found = session.get_credentials()
        if found is None:
            raise NoCredentialsError
        self._found = found

    def __call__(self) -> S3Credential:
        """Return the credentials that are valid now."""
        now = self._found.get_frozen_credentials()
        return {
            "access_key_id": now.access_key,
            "secret_access_key": now.secret_key,
            "token": now.token,
            "expires_at": datetime.now(UTC) + _BELIEVED_FOR,
        }
