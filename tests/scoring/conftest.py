"""What tests of scoring share: a tiny model, and runs that are started and committed without Ray."""

from __future__ import annotations

import dataclasses
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest
import torch

from flipbatch.cli import main
from flipbatch.evaluation.calibration import Calibration
from flipbatch.frames.decode import InputSize
from flipbatch.frames.manifest import Manifest, Rows
from flipbatch.frames.names import default_group
from flipbatch.frames.notes import Notes
from flipbatch.models.architectures import architecture
from flipbatch.models.bundle import Bundle, as_arrays, save_bundle
from flipbatch.models.cnn_model import CnnModel
from flipbatch.report.page import write_report
from flipbatch.runtime.run_directory import RunDirectory
from flipbatch.schema import MANIFEST, MISNAMED
from flipbatch.scoring import job
from flipbatch.scoring.build_manifest import BuiltManifest, build_from
from flipbatch.scoring.models import ScoringModel
from flipbatch.scoring.run import ScoringRun, read_run, run_identity, start_run
from tests.conftest import jpeg, write_frames
from tests.faults.harness import Fault, Job

score = partial(job.score, write_report=write_report)
"""Score as the command does."""

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
    rows = [(*frame, None, None, default_group(frame[0]), None, None) for frame in sorted(frames)]
    columns = zip(*rows, strict=True) if rows else [[]] * len(MANIFEST)
    return Manifest(
        frames=pa.table([pa.array(column) for column in columns], schema=MANIFEST),
        misnamed=pa.table([list(misnamed), ["not an image"] * len(misnamed)], schema=MISNAMED),
    )


def build(folder: str, manifest: Manifest) -> BuiltManifest:
    """Write a run's manifest, in this process."""
    rows = Rows(_batch(manifest.frames), _batch(manifest.misnamed))
    with tempfile.TemporaryDirectory() as scratch:
        return build_from([rows], Notes(), "/frames", None, folder, Path(scratch))


def _batch(table: pa.Table) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(table.to_pylist(), table.schema)


def start(folder: Path | str, manifest: Manifest, thresholds: Mapping[str, float]) -> ScoringRun:
    """Start a run of models that need no weights."""
    size = InputSize(60, 34)
    models = [
        ScoringModel(Bundle(name, "cnn_model", size, Calibration(1.0, threshold), {}), f"bundle of {name}")
        for name, threshold in thresholds.items()
    ]
    directory = RunDirectory.at(f"{folder}/out")
    start_run(directory, run_identity("/frames", None, None, models), build(directory.uri, manifest))
    return read_run(directory)


@pytest.fixture
def start_at(tmp_path: Path) -> Callable[[Manifest], ScoringRun]:
    """Start a run of one model below `tmp_path`."""
    return lambda manifest: start(tmp_path, manifest, {"cnn_model": 0.5})


@pytest.fixture
def saved(tmp_path: Path, tiny_bundle: Bundle) -> Callable[..., str]:
    """Save the tiny bundle under a name; return its URI."""

    def save(folder: str, name: str = "cnn_model") -> str:
        save_bundle(dataclasses.replace(tiny_bundle, name=name), f"{tmp_path}/{folder}")
        return f"{tmp_path}/{folder}"

    return save


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Untrained bundles of both shipped shapes."""
    folder = tmp_path_factory.mktemp("bundles")
    uris = []
    for name in ("cnn_model", "mobilenet_v2"):
        chosen = architecture(name)
        weights = as_arrays(chosen.build().state_dict())
        save_bundle(Bundle(name, name, chosen.input_size, Calibration(), weights), str(folder / name))
        uris.append(str(folder / name))
    return uris[0], uris[1]


@pytest.fixture(scope="session")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 good frames of 6 videos, and among them a corrupt, an empty, a truncated and a misnamed file."""
    root = write_frames(tmp_path_factory.mktemp("frames"), videos=3, frames=4)
    whole = jpeg(flip=True, seed=1)
    (root / "flip" / "0000_000000100.jpg").write_bytes(whole[:300] + bytes(4096) + whole[4396:])
    (root / "flip" / "0001_000000101.jpg").write_bytes(b"")
    (root / "notflip" / "0001_000000102.jpg").write_bytes(whole[: len(whole) // 2])
    (root / "flip" / "cover.jpg").write_bytes(whole)
    return root


@pytest.fixture(scope="session")
def manifest(frames: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """192 frames of 8 videos, in 2 shards."""
    uris = sorted(str(frame) for frame in frames.glob("*/*_00000000?.jpg"))
    rows = [f"{uri},video {video:03d}" for video in range(8) for uri in uris]
    file = tmp_path_factory.mktemp("manifest") / "frames.csv"
    file.write_text("\n".join(["uri,video_id", *rows]))
    return file


def kill_and_repeat(fault: Fault, arguments: Sequence[str], folder: Path) -> dict[str, bytes]:
    """Kill ``flipbatch score`` at a fault, repeat it in this process, and return the files of its output."""
    arguments = [
        "score",
        "--executor",
        "local",
        "--max-error-rate",
        "1",
        *arguments,
        "--out",
        f"{folder}/out",
    ]
    killed = Job(folder / "killed", folder, "-m", "flipbatch.cli", *arguments, faults=[fault])
    assert killed.wait() < 0
    assert killed.faults_done == 1
    assert main(arguments) == 0
    return {name: data for name, data in contents(folder / "out").items() if not name.endswith(".tmp")}


def contents(out: Path) -> dict[str, bytes]:
    """Return the bytes of every file below a folder, without the time that a command took."""
    files = {str(file.relative_to(out)): file.read_bytes() for file in out.rglob("*") if file.is_file()}
    return {name: _TIMES.sub(b"", data) if name == "report.html" else data for name, data in files.items()}


_TIMES = re.compile(rb'<p class="note times">.*?</p>\n')
