"""What an error of storage says of the frame that was to be read.

Knows the errors of `storage`, and statuses. Opens no file.
"""

from __future__ import annotations

from flipbatch import storage
from flipbatch.frames.rejection import Rejection
from flipbatch.schema import Status


def unread(error: OSError) -> Rejection:
    """Return why a frame was not read, as a status that another attempt may change."""
    if isinstance(error, FileNotFoundError):
        return Rejection(Status.MISSING, "there is no such file")
    return Rejection(Status.UNREADABLE, storage.reason(error))
