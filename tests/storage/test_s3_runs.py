"""Frames, bundle and output all on S3: a real server on loopback."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pyarrow.parquet as pq
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from flipbatch import storage
from flipbatch.errors import StorageError
from flipbatch.frames.manifest import list_frames
from flipbatch.schema import Split
from flipbatch.scoring.job import ScoreOptions
from flipbatch.storage import s3_settings
from flipbatch.tracking.tensorboard import TensorBoard
from flipbatch.training.fit import Settings
from flipbatch.training.job import train
from tests.scoring.conftest import score
from tests.training.runs import decided, options, record


@pytest.fixture(scope="module")
def bucket(s3_server: str, labelled_frames: Path) -> str:
    """A bucket that holds the labelled frames under frames/."""
    client = boto3.client("s3", endpoint_url=s3_server)
    client.create_bucket(Bucket="books")
    for file in labelled_frames.rglob("*.jpg"):
        client.upload_file(str(file), "books", f"frames/{file.relative_to(labelled_frames)}")
    client.put_object(Bucket="books", Key="frames/flip/0000_000000900.jpg", Body=b"")
    return "s3://books"


@pytest.fixture
def other_credentials(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Clients opened during a test have no credentials."""
    s3_settings._open.cache_clear()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    yield
    s3_settings._open.cache_clear()


def get(key: str, address: str) -> bytes:
    return boto3.client("s3", endpoint_url=address).get_object(Bucket="books", Key=key)["Body"].read()


def table(key: str, address: str) -> Any:
    return pq.read_table(io.BytesIO(get(key, address))).to_pandas()


@pytest.fixture(scope="module")
def trained(bucket: str, ray_session: None) -> str:
    """A run of two workers on Ray, frames and output on S3."""
    settings = Settings(epochs=6, patience=2, min_delta=100.0)
    wanted = options(f"{bucket}/frames", f"{bucket}/train", executor="ray", workers=2, settings=settings)
    train(wanted, observers=[TensorBoard()])
    return f"{bucket}/train"


def test_two_workers_stop_early_together_and_measure_every_frame(trained: str, s3_server: str) -> None:
    made = record(trained)
    assert made["training"]["stopped_early"]
    assert (made["training"]["epochs_run"], made["training"]["frames_per_rank"]) == (3, 16)
    splits = table("train/splits.parquet", s3_server)
    for split, metrics in ((Split.VAL, "validation"), (Split.TEST, "test")):
        assert decided(made["metrics"][metrics]["frames"]) == splits[splits.split == split].frames.sum()


@pytest.mark.parametrize(("folder", "key"), [("train", "train"), ("validation", "val")])
def test_tensorboard_files_are_on_s3(
    folder: str, key: str, trained: str, s3_server: str, tmp_path: Path
) -> None:
    data = get(f"train/tensorboard/cnn_model/{folder}/events.out.tfevents.flipbatch", s3_server)
    (tmp_path / "events.out.tfevents.copy").write_bytes(data)
    losses = [event.value for event in EventAccumulator(str(tmp_path)).Reload().Scalars("loss")]
    assert losses == pytest.approx([entry[key]["loss"] for entry in record(trained)["history"]])


def test_training_and_scoring_with_everything_on_s3(trained: str, bucket: str, s3_server: str) -> None:
    model = f"{trained}/models/cnn_model"
    metrics = score(ScoreOptions(frames=f"{bucket}/frames", models=(model,), out=f"{bucket}/score"))
    assert (metrics["frames"]["total"], metrics["frames"]["errors"]["corrupt"]) == (65, 1)
    assert json.loads(get("score/metrics.json", s3_server)) == metrics
    rows = table("score/predictions/model=cnn_model/part-00000.parquet", s3_server)
    assert rows["uri"][0] == "s3://books/frames/flip/0000_000000000.jpg"
    assert get("score/_SUCCESS", s3_server) == b""


def test_a_wrong_bucket_is_one_sentence(s3_server: str) -> None:
    with pytest.raises(StorageError, match="Can't list s3://no-such-bucket/frames: there is no such"):
        list_frames("s3://no-such-bucket/frames")


def test_a_wrong_prefix_is_one_sentence(bucket: str) -> None:
    with pytest.raises(StorageError, match="Can't list s3://books/nothing: there is no such"):
        list_frames(f"{bucket}/nothing")


@pytest.mark.usefixtures("other_credentials")
def test_missing_credentials_are_one_sentence(bucket: str) -> None:
    with pytest.raises(StorageError, match="no credentials were found"):
        list_frames(f"{bucket}/frames")


def test_a_glob_lists_what_it_matches(bucket: str) -> None:
    manifest = list_frames(f"{bucket}/frames/*/0001_*.jpg")
    assert manifest.frames.num_rows == 8
    assert manifest.frames["uri"][0].as_py() == "s3://books/frames/flip/0001_000000000.jpg"


def test_an_empty_object_reads_as_no_bytes(bucket: str) -> None:
    assert storage.read(f"{bucket}/frames/flip/0000_000000900.jpg", limit=10) == b""


def test_a_limit_reads_only_the_first_bytes(bucket: str) -> None:
    assert storage.read(f"{bucket}/frames/flip/0000_000000000.jpg", limit=4)[:3] == b"\xff\xd8\xff"
    assert len(storage.read(f"{bucket}/frames/flip/0000_000000000.jpg", limit=4)) == 4
