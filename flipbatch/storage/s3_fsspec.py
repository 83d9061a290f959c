"""Settings of S3 that fsspec reads from its own files and from variables such as ``FSSPEC_S3_ANON``.

Knows which of them are followed without s3fs; sends no request.
"""

from __future__ import annotations

from typing import Any

from fsspec.config import conf

PROTOCOLS = ("s3", "s3a")

_NO = ("", "0", "false", "no", "off", "none", "null")


def _settings() -> dict[str, Any]:
    return {name: value for protocol in PROTOCOLS for name, value in conf.get(protocol, {}).items()}


def is_anonymous() -> bool:
    """Return whether requests are sent without a signature, as public buckets allow."""
    return str(_settings().get("anon", "")).strip().lower() not in _NO


def has_others() -> bool:
    """Return whether there are settings that only s3fs follows."""
    return any(name != "anon" for name in _settings())
