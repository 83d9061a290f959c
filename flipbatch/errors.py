"""All errors that a user can see, as one small tree.

::

    FlipbatchError            the job stops; the message says in one sentence what is wrong and what to do
    ├── InputError            frames, manifests, labels or options that can't be used
    ├── StorageError          a URI that can't be listed, read or written
    ├── BundleError           a model bundle that can't be used: missing, damaged, of another version
    ├── WeightsError          pretrained weights that can't be downloaded or read
    ├── OutputError           an output directory that can't be used: no run, damaged, of another run
    └── JobError              a job that failed while it ran

A frame that can't be decoded is a row, not an exception: see `flipbatch.frames.decode`.
Does not know exit codes: `runtime.command_line` sets them.
"""

from __future__ import annotations

import re


class FlipbatchError(Exception):
    """Base of all errors whose message is for the user.

    The message contains no credentials and only printable characters: a file name may contain control
    characters, which would move the cursor of a terminal.
    """

    def __init__(self, message: str) -> None:
        super().__init__(printable(redacted(message)))


def printable(text: str) -> str:
    """Return a text with its control characters, and other characters that can't be printed, escaped."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


class InputError(FlipbatchError):
    """Frames, manifests, labels or options that can't be used."""


class StorageError(FlipbatchError):
    """A URI that can't be listed, read or written."""


class BundleError(FlipbatchError):
    """A model bundle that can't be used: missing, damaged, of another version, or with unusable outputs."""


class WeightsError(FlipbatchError):
    """Pretrained weights that can't be downloaded or read."""


class OutputError(FlipbatchError):
    """An output directory that can't be used: without a run, damaged, or of another run or program."""


class JobError(FlipbatchError):
    """A job that failed while it ran: training diverged, or workers ended repeatedly."""


# ---------------------------------------------------------------------------------------- credentials

_USER = re.compile(r"(\b(?:https?|ftp)://)[^/\s'\"]+@", re.IGNORECASE)
_PASSWORD = re.compile(r"(?<!github)(://[^/\s:@'\"]*):[^/\s'\"]*@")
_PARAMETER = re.compile(
    r"(?<=[?&])([^=&\s]*(?:sig|token|secret|password|credential|key)[^=&\s]*)=[^&\s'\"]*", re.IGNORECASE
)


def redacted(text: str) -> str:
    """Return a text without the credentials in its URIs.

    Credentials are the password between ``://`` and ``@``; in http and ftp also the user, which may be a
    token; and the values of parameters whose names contain a word for a signature, a token, a secret or a
    key. Other names before ``@``, such as an Azure container or a repository, are part of the address.
    """
    if "://" not in text:
        return text
    return _PARAMETER.sub(r"\1=***", _PASSWORD.sub(r"\1:***@", _USER.sub(r"\1***@", text)))
