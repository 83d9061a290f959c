"""What tests of scoring share: a tiny model, and runs that are begun and committed without Ray."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest
import torch

from flipbatch.evaluation.calibration import Calibration
from flipbatch.frames.decode import InputSize
from flipbatch.frames.manifest import Manifest, Rows
from flipbatch.frames.names import default_group
from flipbatch.models.bundle import Bundle, as_arrays
from flipbatch.models.cnn_model import CnnModel
from flipbatch.report.page import write_report
from flipbatch.runtime.run_directory import RunDirectory
from flipbatch.schema import MANIFEST, MISNAMED
from flipbatch.scoring import job
from flipbatch.scoring.build_manifest import BuiltManifest, build_from
from flipbatch.scoring.run import ScoringModel, ScoringRun, begin_run, identity, read_run

score = partial(job.score, write_report=write_report)
"""As the command does."""

Frames = Sequence[tuple[str, int, str, str | None]]
"""(video_id, frame_number, uri, label) of each frame."""


@pytest.fixture(scope="session")
def tiny_bundle() -> Bundle:
    """`CnnModel` untrained, the same weights each time, for small frames."""
    torch.manual_seed(0)
    return Bundle(
        "cnn_model", "cnn_model", InputSize(60, 34), Calibration(), as_arrays(CnnModel().state_dict())
    )


def manifest_of(frames: Frames, misnamed: Sequence[str] = ()) -> Manifest:
    """Return a manifest of frames that need not exist."""
    rows = [(*frame, None, None, default_group(frame[0])) for frame in sorted(frames)]
    columns = zip(*rows, strict=True) if rows else [[]] * len(MANIFEST)
    return Manifest(
        frames=pa.table([pa.array(column) for column in columns], schema=MANIFEST),
        misnamed=pa.table([list(misnamed), ["not an image"] * len(misnamed)], schema=MISNAMED),
    )


def build(folder: str, manifest: Manifest) -> BuiltManifest:
    """Write a run's manifest, in this process."""
    rows = Rows(_batch(manifest.frames), _batch(manifest.misnamed))
    with tempfile.TemporaryDirectory() as scratch:
        return build_from([rows], "/frames", None, folder, Path(scratch))


def _batch(table: pa.Table) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(table.to_pylist(), table.schema)


def begin(folder: Path | str, manifest: Manifest, thresholds: Mapping[str, float]) -> ScoringRun:
    """Begin a run of models that need no weights."""
    size = InputSize(60, 34)
    models = [
        ScoringModel(Bundle(name, "cnn_model", size, Calibration(1.0, threshold), {}), f"bundle of {name}")
        for name, threshold in thresholds.items()
    ]
    directory = RunDirectory.at(f"{folder}/out")
    begin_run(directory, identity("/frames", None, None, models), build(directory.uri, manifest))
    return read_run(directory)


@pytest.fixture
def begin_at(tmp_path: Path) -> Callable[[Manifest], ScoringRun]:
    """Begin a run of one model below `tmp_path`."""
    return lambda manifest: begin(tmp_path, manifest, {"cnn_model": 0.5})
