"""Storage: read, write and list any URI, with retries and errors of one sentence.

Other packages import this module and call ``storage.read(…)``. Tables are in `storage.parquet`, and the files
below a directory in `storage.listing`. A call goes through `uris`, then `reading`, `writing`, `names` or
`listing`, then `retries`, then one of the `backends`: `local_files`, `s3_objects` or `other_storage`. Nothing
here knows frames, bundles or runs.
"""

from flipbatch.storage.filesystems import filesystem
from flipbatch.storage.names import exists, names_in
from flipbatch.storage.reading import (
    READS_IN_FLIGHT,
    digest,
    local_state,
    open_version,
    read,
    read_many,
    read_required,
    version_now,
)
from flipbatch.storage.reasons import reason, storage_errors
from flipbatch.storage.retries import take_retries, with_retries
from flipbatch.storage.uris import (
    is_local,
    is_relative,
    join,
    normalise,
    normalise_file,
    redacted_uri,
    resolve,
)
from flipbatch.storage.versions import ReplacedError, local_version
from flipbatch.storage.writing import create, remove_file, remove_folder, write

__all__ = [
    "READS_IN_FLIGHT",
    "ReplacedError",
    "create",
    "digest",
    "exists",
    "filesystem",
    "is_local",
    "is_relative",
    "join",
    "local_state",
    "local_version",
    "names_in",
    "normalise",
    "normalise_file",
    "open_version",
    "read",
    "read_many",
    "read_required",
    "reason",
    "redacted_uri",
    "remove_file",
    "remove_folder",
    "resolve",
    "storage_errors",
    "take_retries",
    "version_now",
    "with_retries",
    "write",
]
