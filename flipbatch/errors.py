"""Every error that a user can meet, as one small tree.

::

    FlipbatchError            the job stops; its message is one sentence: what is wrong, what to do
    ├── InputError            frames, manifests or labels that can't be used
    ├── StorageError          a URI that can't be listed, read or written
    ├── BundleError           a model bundle that is missing, damaged or made by a newer version
    ├── WeightsError          pretrained weights that can't be had
    ├── OutputError           an output directory that belongs to something else
    └── JobError              a job that Ray could not bring to its end

A frame that can't be decoded is not an exception but a row: see `flipbatch.frames.decode`.
This module knows nothing of exit codes; `jobs/` sets them.
"""

from __future__ import annotations

import re


class FlipbatchError(Exception):
    """Base of all errors whose message is meant for a person.

    It never holds credentials, nor what would move a terminal's cursor: names of files may hold anything.
    """

    def __init__(self, message: str) -> None:
        super().__init__(_printable(redacted(message)))


def _printable(text: str) -> str:
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


class InputError(FlipbatchError):
    """Frames, manifests or labels that can't be used."""


class StorageError(FlipbatchError):
    """A URI that can't be listed, read or written."""


class BundleError(FlipbatchError):
    """A model bundle that is missing, damaged or made by a newer version."""


class WeightsError(FlipbatchError):
    """Pretrained weights that can't be had."""


class OutputError(FlipbatchError):
    """An output directory that belongs to another run, or to something else."""


class JobError(FlipbatchError):
    """A job that could not be brought to its end: training diverged, or workers died again and again."""


# ---------------------------------------------------------------------------------------- credentials

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
