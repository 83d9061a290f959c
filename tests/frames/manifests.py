"""Files and tables that the tests of manifests share."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from flipbatch.frames import manifest as module
from flipbatch.frames.manifest import (
    Manifest,
)
from flipbatch.frames.names import FrameName
from flipbatch.frames.notes import Notes
from flipbatch.frames.row_batches import row_batches
from flipbatch.storage.listing import ListedFile


def touch(root, *names):
    for name in names:
        path = Path(root) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def rows(manifest, *columns):
    return [tuple(row[column] for column in columns) for row in manifest.frames.to_pylist()]


def csv(folder, *lines):
    path = Path(folder) / "manifest.csv"
    path.write_text("".join(f"{line}\n" for line in lines))
    return str(path)


def parquet(folder, **columns):
    path = f"{folder}/manifest.parquet"
    pq.write_table(pa.table(columns), path)
    return path


LAST = "\U0010ffff" * 3


def gathered(named):
    """Return the manifest of named files; it may be empty."""
    last = (ListedFile(LAST, None), FrameName(LAST, 0, None, None))
    manifest = module._gather(row_batches([*named, last]), "/f", Notes())
    return Manifest(manifest.frames.slice(0, manifest.frames.num_rows - 1), manifest.misnamed)
