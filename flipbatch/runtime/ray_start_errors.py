"""Turn an error of Ray's start into one sentence that says what to set.

Knows the texts of Ray's errors and the settings that Ray reads; starts nothing and doesn't import Ray.
"""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

from flipbatch.errors import JobError
from flipbatch.runtime.error_text import one_line

OWN_RAY = "RAY_ADDRESS=local starts an own Ray"
TOKENS = "RAY_AUTH_TOKEN, the file RAY_AUTH_TOKEN_PATH or ~/.ray/auth_token"

_SOCKET = "/ray/session_2026-01-01_00-00-00_000000_0000000/sockets/plasma_store"
_LONGEST = 107 - len(_SOCKET)
_DIRECTORY = f"set RAY_TMPDIR to another directory, of at most {_LONGEST} characters"
_HOME = (
    "Ray keeps a token in the directory .ray of the home directory: set HOME to a directory that you may "
    "write to, or RAY_AUTH_TOKEN to a secret text, or, where nobody else reaches this machine, "
    "RAY_AUTH_MODE to disabled"
)
_NEEDED_BYTES = 2**24
"""Ray's logs and sockets need less at the start."""


def check_directory() -> None:
    """Check the directory that Ray would write to; its own check is a wait of minutes.

    Raises
    ------
    JobError
        If RAY_TMPDIR or TMPDIR, which Ray reads in this order, is not an absolute path. An empty RAY_TMPDIR
        is one: Ray takes it for the working directory.
    """
    for name in ("RAY_TMPDIR", "TMPDIR"):
        directory = os.environ.get(name)
        if directory is not None:
            if not directory.startswith("/"):
                raise JobError(
                    f"{name} is {directory!r}, which is not an absolute path: set it to one, of at most "
                    f"{_LONGEST} characters, or unset it."
                )
            return


def start_error(error: BaseException, running: bool) -> JobError:
    """Return the error for the user.

    Parameters
    ----------
    error : BaseException
        What `ray.init` raised.
    running : bool
        Whether it was connecting to a running Ray, otherwise starting an own one.

    Returns
    -------
    JobError
        Why that failed, and what to set.
    """
    cause = _deepest(error)
    why = _why(cause)
    act = "connect to Ray" if running else "start Ray"
    return JobError(f"Can't {act}: {why}. {_advice(cause, why, running)}.")


def _deepest(error: BaseException) -> BaseException:
    """Return the error that Ray wrapped in one that says no more than that it can't connect."""
    while isinstance(error, ConnectionError) and error.__cause__ is not None:
        error = error.__cause__
    return error


def _why(error: BaseException) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.strerror}: {error.filename}"
    return one_line(getattr(error, "message", error))  # some errors of Ray append advice to it


def _advice(error: BaseException, why: str, running: bool) -> str:
    """Return what to set."""
    if "Version mismatch" in why:
        return f"Use the same versions of Ray and of Python on both sides; {OWN_RAY}"
    if isinstance(error, UnicodeEncodeError):
        return "Ray takes arguments and a working directory in UTF-8 only: rename the path, or choose another"
    if "AF_UNIX" in why:
        return f"This path contains the temporary directory: {_DIRECTORY}"
    if "home directory" in why or _is_of_token(error):
        return _HOME
    if type(error).__name__ == "AuthenticationError":
        return f"Check {TOKENS}, and RAY_AUTH_MODE" + (f"; {OWN_RAY}" if running else "")
    return OWN_RAY if running else _advice_to_start(error)


def _advice_to_start(error: BaseException) -> str:
    folder = Path(os.environ.get("RAY_TMPDIR", os.environ.get("TMPDIR", "/tmp")), "ray")
    if (isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)) or _is_full(folder):
        return f"Ray writes to {folder}: free space there, or {_DIRECTORY}, on another disk"
    if isinstance(error, OSError):
        return f"Ray writes to {folder}: {_DIRECTORY}, that you may write to"
    return f"Ray's logs are in {folder / 'session_latest' / 'logs'}"


def _is_full(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < _NEEDED_BYTES
    except OSError:
        return False


def _is_of_token(error: BaseException) -> bool:
    name = error.filename if isinstance(error, OSError) else None
    return isinstance(name, str) and ".ray" in Path(name).parts
