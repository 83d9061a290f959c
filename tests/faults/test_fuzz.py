"""Any bytes give a result, an error row or one error sentence; never a crash, a hang or another error."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from flipbatch.errors import FlipbatchError
from flipbatch.frames.decode import DECODER_FAULT, InputSize, Rejection, decode
from flipbatch.frames.manifest import Manifest, read_manifest
from flipbatch.frames.names import FrameName, Root, parse_frame
from flipbatch.models.bundle import Bundle, load_bundle
from flipbatch.models.mobilenet_v2 import read_weights
from flipbatch.runtime.run_directory import RunDirectory
from flipbatch.schema import Status
from flipbatch.scoring.run import ScoringRun, read_run
from tests.faults.harness import TALLY
from tests.faults.hostile import hostile_cases

EXAMPLES = 200


def harmed(seeds: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Return good files with some of their bytes replaced, taken out or put in."""
    change = st.tuples(st.floats(0, 1), st.integers(0, 8), st.binary(max_size=8))
    return st.builds(_harm, st.sampled_from(seeds), st.lists(change, max_size=6))


def _harm(data: bytes, changes: list[tuple[float, int, bytes]]) -> bytes:
    for where, taken, put in changes:
        start = int(where * len(data))
        data = data[:start] + put + data[start + taken :]
    return data


@pytest.fixture
def fuzz(rounds: int) -> Callable[[st.SearchStrategy[Any], Callable[[Any], None]], None]:
    """Check what holds for many inputs, and more in more rounds."""

    def check_many(inputs: st.SearchStrategy[Any], check: Callable[[Any], None]) -> None:
        count = EXAMPLES * rounds
        limits = settings(
            max_examples=count, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
        )

        def check_one(one: Any) -> None:  # Hypothesis wants a function, not a partial
            check(one)

        limits(given(inputs)(check_one))()
        TALLY.inputs["made by chance"] += count

    return check_many


def test_any_bytes_are_pixels_or_a_row_that_says_why(fuzz: Callable[..., None]) -> None:
    size = InputSize(60, 34)

    def check(data: bytes) -> None:
        decoded = decode(data, size)
        if isinstance(decoded, Rejection):
            assert decoded.status is not Status.OK
            assert decoded.error.isprintable()
            assert decode(data, size) == decoded
            assert DECODER_FAULT not in decoded.error
        else:
            assert (decoded.shape, decoded.dtype) == ((60, 34, 3), np.uint8)

    fuzz(harmed([data for _, data, _ in hostile_cases() if len(data) < 100_000]), check)


def test_any_path_is_a_frame_or_a_reason(fuzz: Callable[..., None]) -> None:
    def check(path: str) -> None:
        assert isinstance(parse_frame(path, Root()), FrameName | str)

    parts = st.one_of(
        st.text(max_size=8),
        st.sampled_from(
            ["flip", "Label=no%20flip", "split=", "a_1.jpg", "_", ".", "..", "١_٢.jpg", "9" * 30]
        ),
    )
    fuzz(st.lists(parts, max_size=6).map("/".join), check)


COLUMNS: dict[str, list[object]] = {
    "uri": ["flip/a_1.jpg", "s3://b/c_2.png", "../x_3.jpg"],
    "video_id": ["a", None, "ü"],
    "frame_number": [1, None, 3],
    "label": ["flip", "notflip", None],
    "split": ["train", None, "test"],
}


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_any_manifest_is_read_or_refused(kind: str, fuzz: Callable[..., None], tmp_path: Path) -> None:
    file = tmp_path / f"frames.{kind}"
    if kind == "parquet":
        pq.write_table(pa.table(COLUMNS), file)
    else:
        rows = zip(*COLUMNS.values(), strict=True)
        lines = [",".join("" if cell is None else str(cell) for cell in row) for row in rows]
        file.write_text("\n".join([",".join(COLUMNS), *lines]))
    fuzz(harmed([file.read_bytes()]), partial(read_or_refused, file, read_manifest, Manifest))


@pytest.mark.parametrize("name", ["model.json", "model.safetensors"])
def test_any_bundle_is_read_or_refused(
    name: str, fuzz: Callable[..., None], bundle: str, tmp_path: Path
) -> None:
    for file in Path(bundle).iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())

    def load(_: str) -> Bundle:
        return load_bundle(str(tmp_path))[0]

    file = tmp_path / name
    fuzz(harmed([file.read_bytes()]), partial(read_or_refused, file, load, Bundle))


@pytest.mark.parametrize("kind", ["safetensors", "pth"])
def test_any_weights_are_read_or_refused(kind: str, fuzz: Callable[..., None], tmp_path: Path) -> None:
    file = tmp_path / f"weights.{kind}"
    weights = {"features.0.0.weight": torch.zeros(2, 3)}
    if kind == "safetensors":
        file.write_bytes(save(weights))
    else:
        torch.save(weights, file)
    fuzz(harmed([file.read_bytes()]), partial(read_or_refused, file, read_weights, dict))


def test_any_run_file_is_read_or_refused(fuzz: Callable[..., None], tmp_path: Path) -> None:
    manifest = {
        "folder": "manifest/0a-0b",
        "shards": 3,
        "first_shards": [0],
        "frames": 9,
        "videos": 2,
        "misnamed": 0,
    }
    models = {"cnn_model": {"bundle": "0a", "threshold": 0.5}}
    run = {"identity": {"command": "score", "models": models}, "manifest": manifest, "fingerprint": "0c"}
    file = tmp_path / "run.json"

    def read(_: str) -> ScoringRun:
        directory = RunDirectory.at(str(tmp_path))
        directory.read_identity(frozenset())
        found = read_run(directory)
        assert found.manifest.startswith(f"{tmp_path}/manifest/")
        return found

    fuzz(harmed([json.dumps(run).encode()]), partial(read_or_refused, file, read, ScoringRun))


def read_or_refused(file: Path, read: Callable[[str], object], kind: type, data: bytes) -> None:
    file.write_bytes(data)
    with suppress(FlipbatchError):
        assert isinstance(read(str(file)), kind)
