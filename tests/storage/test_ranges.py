"""Facts about reading parts of files: Parquet row groups and digests, on S3 behind a counting proxy."""

from __future__ import annotations

import hashlib
import io

import boto3
import numpy as np
import pyarrow as pa
import pytest

from flipbatch import storage
from flipbatch.errors import StorageError
from flipbatch.storage import retries, s3_settings
from flipbatch.storage.parquet import ParquetFileWriter, open_table, read_table
from flipbatch.storage.ranges import LARGEST_GAP, RangeFile, merged
from tests.slow_proxy import slow_proxy

GROUPS, ROWS = 40, 5_000
NAMES = ["a", "b", "c"]


def noise(group: int) -> pa.Table:
    numbers = np.random.default_rng(group).integers(0, 2**62, (3, ROWS))
    return pa.table(dict(zip(NAMES, numbers, strict=True)))


def large_file() -> bytes:
    writer = ParquetFileWriter(noise(0).schema, {"key": "value"})
    for group in range(GROUPS):
        writer.write(noise(group))
    return writer.close()


@pytest.fixture(scope="module")
def data():
    return large_file()


@pytest.fixture(scope="module")
def bucket(s3_server, data):
    client = boto3.client("s3", endpoint_url=s3_server)
    client.create_bucket(Bucket="ranges")
    for key in ("large", "odd//large"):
        client.put_object(Bucket="ranges", Key=key, Body=data)
    return client


@pytest.fixture
def proxy(bucket, s3_server, monkeypatch):
    s3_settings._open.cache_clear()
    monkeypatch.setattr(retries, "FIRST_PAUSE_SECONDS", 0.001)
    with slow_proxy(s3_server) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.address)
        yield proxy
    s3_settings._open.cache_clear()


@pytest.fixture(params=["local", "memory", "s3", "s3 by botocore"])
def uri(request, tmp_path, remote, data, proxy):
    uris = {"local": f"{tmp_path}/large", "memory": f"{remote}/large"}
    if request.param in uris:
        storage.write(uris[request.param], data)
    return uris.get(request.param, f"s3://ranges/{'odd//' * ('boto' in request.param)}large")


def test_row_groups_are_read_from_any_storage(uri):
    table = open_table(uri)
    assert table.read_row_group(7).equals(noise(7))
    assert table.read_row_group(39, columns=["c"]).equals(noise(39).select(["c"]))
    assert table.read(["b"]).equals(read_table(uri).select(["b"]))
    assert table.schema_arrow.metadata == {b"key": b"value"}


def test_batches_are_read_from_any_storage(uri):
    batches = list(open_table(uri).iter_batches(3_000, columns=["a", "c"]))
    assert [batch.num_rows for batch in batches] == [3_000, 2_000] * GROUPS
    assert pa.Table.from_batches(batches).equals(read_table(uri).select(["a", "c"]))


def test_a_row_group_of_a_large_file_costs_its_bytes_and_the_footer(proxy, data):
    table = open_table("s3://ranges/large")
    footer = proxy.bytes_sent
    assert table.read_row_group(20).equals(noise(20))
    assert (proxy.requests, footer) == (3, 65_536)  # the size, the footer, the row group
    assert proxy.bytes_sent - footer < 1.1 * len(data) / GROUPS


def test_a_column_costs_its_bytes_where_columns_are_far_apart(proxy, data, monkeypatch):
    monkeypatch.setattr("flipbatch.storage.ranges.LARGEST_GAP", 1_000)
    table = open_table("s3://ranges/large")
    footer = proxy.bytes_sent
    table.read_row_group(20, columns=["a", "c"])
    assert proxy.requests == 4
    assert proxy.bytes_sent - footer < 0.7 * len(data) / GROUPS


def test_a_range_that_is_refused_is_requested_again(proxy):
    table = open_table("s3://ranges/large")
    proxy.refusals += [(503, "SlowDown")] * 2
    storage.take_retries()
    assert table.read_row_group(3).equals(noise(3))
    assert storage.take_retries() == 2


@pytest.mark.parametrize("key", ["gone", "gone//gone"])
def test_a_file_that_goes_or_changes_while_it_is_read_says_so(proxy, bucket, data, key):
    bucket.put_object(Bucket="ranges", Key=key, Body=data)
    table = open_table(f"s3://ranges/{key}")
    bucket.put_object(Bucket="ranges", Key=key, Body=data[:-1])
    with pytest.raises(
        StorageError, match=rf"^Can't read the table s3://ranges/{key}: it was replaced while"
    ):
        table.read_row_group(3)
    bucket.delete_object(Bucket="ranges", Key=key)
    for read in (lambda: table.read_row_group(3), lambda: open_table(f"s3://ranges/{key}")):
        with pytest.raises(StorageError, match=rf"^Can't read the table s3://ranges/{key}: there is no such"):
            read()


def test_damage_within_a_row_group_says_so(uri, data):
    damaged = uri.replace("large", "damaged")
    storage.write(damaged, data[:4] + bytes(5_000) + data[5_004:])
    table = open_table(damaged)
    for read in (lambda: table.read_row_group(0), table.read, lambda: list(table.iter_batches())):
        with pytest.raises(StorageError, match=f"^The table {damaged} is damaged: "):
            read()
    assert table.read_row_group(9).equals(noise(9))


def test_a_digest_of_a_remote_file_is_that_of_its_bytes(uri, data):
    assert storage.digest(uri, "the file") == hashlib.sha256(data).hexdigest()


# ---------------------------------------------------------------------------------------- without storage


def test_a_range_file_is_a_file():
    content = bytes(range(200))
    file = RangeFile(len(content), lambda start, end: content[start:end])
    assert io.BufferedReader(file, 7).read() == content
    assert (file.seek(-10, io.SEEK_END), file.read(5), file.tell()) == (190, content[190:195], 195)
    assert (file.read(99), file.read(1), file.seek(500), file.read()) == (content[195:], b"", 500, b"")


def test_bytes_that_are_held_are_not_fetched_again():
    fetched = []
    file = RangeFile(2**20, lambda start, end: fetched.append((start, end)) or bytes(end - start))
    file.hold([(500_000, 500_100), (100, 200), (210, 300)])
    file.seek(120)
    file.read(170)
    assert fetched == [(100, 300), (500_000, 500_100)]


def test_ranges_near_each_other_are_merged():
    far = LARGEST_GAP + 1
    assert merged([(10, 20), (0, 10), (12, 15), (20 + far, 30 + far)]) == [(0, 20), (20 + far, 30 + far)]
    assert merged([]) == []
