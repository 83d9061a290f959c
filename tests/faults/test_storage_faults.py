"""Storage faults: transient errors are retried, permanent errors become rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pyarrow.parquet as pq
import pytest
import s3fs

from tests.faults.fault_proxy import HALF, LOST, RESET, SILENT, FaultProxy, by_chance, fault_proxy
from tests.faults.harness import TALLY, Job, results

FORBIDDEN = "403 AccessDenied"
PASSING = ["503 SlowDown", "500 InternalError", RESET, LOST]


@pytest.fixture(scope="module")
def bucket(s3_server: str, frames: Path) -> str:
    """A bucket with 240 frames."""
    client = boto3.client("s3", endpoint_url=s3_server)
    client.create_bucket(Bucket="faults")
    for file in sorted(frames.rglob("*.jpg"))[::5]:
        client.upload_file(str(file), "faults", f"frames/{file.relative_to(frames)}")
    return "s3://faults"


@pytest.fixture
def proxy(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultProxy]:
    """What jobs take for the S3 server."""
    with fault_proxy(s3_server) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.address)
        yield proxy


def score(bucket: str, bundle: str, folder: Path, out: str, *more: str) -> Job:
    """Score the bucket's frames."""
    options = ("--frames", f"{bucket}/frames", "--model", bundle, "--max-error-rate", "1", "--out", out)
    return Job(folder, Path("/none"), "jobs/score.py", *options, *more)


LOCAL = ("--executor", "local")


@pytest.fixture(scope="module")
def undisturbed(s3_server: str, bucket: str, bundle: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run over the same bucket without faults, on the local disk."""
    folder = tmp_path_factory.mktemp("undisturbed-s3")
    job = score(bucket, bundle, folder / "job", str(folder / "out"), *LOCAL)
    assert job.wait() == 0, job.said
    return folder / "out"


def downloaded(s3_server: str, bucket: str, name: str, to: Path) -> Path:
    s3fs.S3FileSystem(endpoint_url=s3_server).get(f"{bucket}/{name}", str(to), recursive=True)
    return to


@pytest.mark.parametrize(
    ("seed", "executor"),
    [
        (0, LOCAL),
        pytest.param(1, LOCAL, marks=pytest.mark.slow),
        *(pytest.param(seed, ("--executor", "ray"), marks=pytest.mark.slow) for seed in (0, 1, 2)),
    ],
)
def test_transient_faults_are_retried_and_counted(
    seed: int,
    executor: tuple[str, ...],
    proxy: FaultProxy,
    bucket: str,
    bundle: str,
    s3_server: str,
    tmp_path: Path,
    undisturbed: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if (seed, executor) == (0, LOCAL):
        monkeypatch.setenv("FLIPBATCH_HURRY", "1")  # the slow rounds make the pauses that users see
    proxy.choose = by_chance(0.2, PASSING, seed)
    name = f"out-{executor[1]}-{seed}"
    job = score(bucket, bundle, tmp_path / "job", f"{bucket}/{name}", *executor)
    assert job.wait() == 0, job.said
    out = downloaded(s3_server, bucket, name, tmp_path / "out")
    assert results(out) == results(undisturbed)
    assert re.search(r"[0-9]+ storage retries", job.said)
    for fault, times in proxy.faults.items():
        TALLY.count(fault, 0, times)
    TALLY.frames += 240


def frames_by_chance(share: float, faults: list[str]):
    chooser = by_chance(share, faults, 0)
    return lambda method, path: chooser(method, path) if method == "GET" and ".jpg" in path else None


@pytest.mark.slow
def test_half_sent_and_silent_frames_are_read_whole_in_the_end(
    proxy: FaultProxy, bucket: str, bundle: str, tmp_path: Path, undisturbed: Path
) -> None:
    proxy.choose = frames_by_chance(0.2, [HALF, HALF, HALF, HALF, HALF, SILENT])
    job = score(bucket, bundle, tmp_path / "job", str(tmp_path / "out"))
    assert job.wait() == 0, job.said
    assert results(tmp_path / "out") == results(undisturbed)
    for fault, times in proxy.faults.items():
        TALLY.count(fault, 0, times)
    TALLY.frames += 240


def test_what_is_forbidden_deleted_or_replaced_is_a_row_until_it_is_back(
    proxy: FaultProxy, bucket: str, bundle: str, s3_server: str, tmp_path: Path, undisturbed: Path
) -> None:
    client = boto3.client("s3", endpoint_url=s3_server)
    listed = client.list_objects_v2(Bucket="faults", Prefix="frames/notflip/")["Contents"]
    deleted, replaced = (one["Key"] for one in listed[-2:])
    were = {key: client.get_object(Bucket="faults", Key=key)["Body"].read() for key in (deleted, replaced)}
    disturb = Once(
        lambda: (
            client.delete_object(Bucket="faults", Key=deleted),
            client.put_object(Bucket="faults", Key=replaced, Body=were[deleted] + b"!"),
        )
    )

    def choose(method: str, path: str) -> str | None:
        if method != "GET" or ".jpg" not in path:
            return None
        disturb()
        return forbidden(path)

    proxy.choose = choose
    out = str(tmp_path / "out")
    job = score(bucket, bundle, tmp_path / "one", out, *LOCAL)
    assert job.wait() == 0, job.said
    refused = [f"{bucket}/{one['Key']}" for one in listed if forbidden(one["Key"])]
    assert failures(tmp_path / "out") == dict.fromkeys(refused, ("unreadable", "permission was denied")) | {
        f"{bucket}/{deleted}": ("missing", "there is no such file"),
        f"{bucket}/{replaced}": ("unreadable", "it was replaced after it was listed"),
    }
    assert proxy.faults[FORBIDDEN] == 6
    for key, body in were.items():
        client.put_object(Bucket="faults", Key=key, Body=body)
    proxy.choose = lambda method, path: None
    again = score(bucket, bundle, tmp_path / "two", out, "--retry-errors", *LOCAL)
    assert again.wait() == 0, again.said
    assert results(tmp_path / "out") == results(undisturbed)
    TALLY.count(FORBIDDEN, 240, 6)
    TALLY.count("object deleted or replaced", 240, 2)


def forbidden(path: str) -> str | None:
    return FORBIDDEN if "frames/notflip/0001" in path else None


def failures(out: Path) -> dict[str, tuple[str, str]]:
    """Return the status and the start of the error of each frame that storage did not deliver."""
    rows = pq.read_table(out / "predictions").to_pylist()
    failed = [row for row in rows if row["status"] in ("missing", "unreadable")]
    return {row["uri"]: (row["status"], re.split(r"[;:,]", row["error"])[0]) for row in failed}


class Once:
    """Something that is done the first time only."""

    def __init__(self, act: Callable[[], object]) -> None:
        self._act: Callable[[], object] | None = act

    def __call__(self) -> None:
        """Do it, if it was not done."""
        act, self._act = self._act, None
        if act is not None:
            act()
