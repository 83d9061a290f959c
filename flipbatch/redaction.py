"""Credentials that a URI may hold are never told on: not in errors, logs, ``run.json`` or reports.

Knows how URIs carry credentials; knows no storage.
"""

from __future__ import annotations

import re

_USER = re.compile(r"(?<=://)[^/\s@'\"]+@")
_PARAMETER = re.compile(
    r"(?<=[?&])([^=&\s]*(?:sig|token|secret|password|credential|key)[^=&\s]*)=[^&\s'\"]*", re.IGNORECASE
)


def redacted(text: str) -> str:
    """Return a text without what its URIs hold of credentials.

    That is all before an ``@`` behind ``://``, and values of parameters that are called by a word for a
    signature, a token, a secret or a key.
    """
    if "://" not in text:
        return text
    return _PARAMETER.sub(r"\1=***", _USER.sub("***@", text))
