"""Credentials that a URI may hold are never told on: not in errors, logs, ``run.json`` or reports.

Knows how URIs carry credentials; knows no storage.
"""

from __future__ import annotations

import re

_USER = re.compile(r"(\b(?:https?|ftp)://)[^/\s'\"]+@")
_PASSWORD = re.compile(r"(?<!github)(://[^/\s:@'\"]*):[^/\s'\"]*@")
_PARAMETER = re.compile(
    r"(?<=[?&])([^=&\s]*(?:sig|token|secret|password|credential|key)[^=&\s]*)=[^&\s'\"]*", re.IGNORECASE
)


def redacted(text: str) -> str:
    """Return a text without what its URIs hold of credentials.

    That is a password before an ``@`` behind ``://``, with http and ftp the user as well, which may be a
    token; and values of parameters that are called by a word for a signature, a token, a secret or a key.
    Other names before an ``@``, as of a container of Azure's or a repository, say what is read.
    """
    if "://" not in text:
        return text
    return _PARAMETER.sub(r"\1=***", _PASSWORD.sub(r"\1:***@", _USER.sub(r"\1***@", text)))
