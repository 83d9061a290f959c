"""Facts about `flipbatch.frames.table_parts` and about the text of several parts."""

from __future__ import annotations

import os

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flipbatch import storage
from flipbatch.errors import InputError, StorageError
from flipbatch.frames.manifest import read_manifest
from flipbatch.frames.table_parts import table_digest
from flipbatch.storage.parquet import to_parquet
from tests.frames.manifests import csv, rows


def part(path, **columns):
    storage.write(path, to_parquet(pa.table(columns)))


@pytest.fixture
def folder(tmp_path):
    """A directory as Spark writes it: two parts and what is beside them."""
    part(f"{tmp_path}/t.parquet/part-1.parquet", uri=["flip/b_1.jpg"])
    part(f"{tmp_path}/t.parquet/part-0.parquet", uri=["flip/a_1.jpg", "flip/a_2.jpg"])
    for name in ("_SUCCESS", "_metadata", "._SUCCESS.crc", ".part-0.parquet.crc"):
        storage.write(f"{tmp_path}/t.parquet/{name}", b"x")
    return f"{tmp_path}/t.parquet"


def test_a_directory_of_parts_is_a_table_and_its_uris_are_below_its_parent(folder, tmp_path):
    manifest = read_manifest(folder)
    assert rows(manifest, "uri") == [
        (f"{tmp_path}/flip/{name}",) for name in ("a_1.jpg", "a_2.jpg", "b_1.jpg")
    ]
    assert manifest.notes == ()


def test_a_remote_directory_of_parts_is_a_table():
    part("memory://parts/t/x/part-0.parquet", uri=["a_1.jpg"])
    part("memory://parts/t/part-1.parquet", uri=["b_1.jpg"])
    manifest = read_manifest("memory://parts/t")
    assert rows(manifest, "uri") == [("memory://parts/a_1.jpg",), ("memory://parts/b_1.jpg",)]


def test_a_directory_of_parts_on_s3_is_a_table_and_a_file_of_that_name_goes_before_it(s3_server):
    boto3.client("s3", endpoint_url=s3_server).create_bucket(Bucket="parts")
    storage.write("s3://parts/x/t.parquet/", b"")  # a placeholder
    part("s3://parts/x/t.parquet/part-0", uri=["a_1.jpg"])
    assert rows(read_manifest("s3://parts/x/t.parquet"), "uri") == [("s3://parts/x/a_1.jpg",)]
    part("s3://parts/x/t.parquet", uri=["b_1.jpg"])
    assert rows(read_manifest("s3://parts/x/t.parquet"), "uri") == [("s3://parts/x/b_1.jpg",)]


def test_a_directory_of_csv_files_is_a_table(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        csv(tmp_path / name, "uri,label", f"{name}_1.jpg,flip")
    assert rows(read_manifest(str(tmp_path)), "video_id", "label") == [("one", "flip"), ("two", "flip")]


def test_hive_folders_of_parts_are_columns(tmp_path):
    part(f"{tmp_path}/t/split=dev/label=not%20flip/0.parquet", uri=["a_1.jpg"])
    part(f"{tmp_path}/t/split=__HIVE_DEFAULT_PARTITION__/label=flip/0.parquet", uri=["b_1.jpg"])
    manifest = read_manifest(f"{tmp_path}/t")
    assert rows(manifest, "video_id", "label", "split") == [("a", "notflip", "val"), ("b", "flip", None)]


def test_predictions_of_one_model_are_a_manifest_and_of_several_are_not(tmp_path):
    for model in ("x", "y"):
        part(f"{tmp_path}/predictions/model={model}/part-0.parquet", uri=["/f/a_1.jpg"], status=["ok"])
    manifest = read_manifest(f"{tmp_path}/predictions/model=x")
    assert manifest.notes == ("1 column of the manifest is not used: status.",)
    with pytest.raises(
        InputError, match=r"more than one row of /f/a_1.jpg: .*several models, the rows of one"
    ):
        read_manifest(f"{tmp_path}/predictions")


def test_parts_with_other_columns_are_refused(folder):
    part(f"{folder}/part-2.parquet", uri=["c_1.jpg"], Label=["flip"])
    with pytest.raises(
        InputError, match=r"differ: .*part-2.parquet has a column label, .*part-0.parquet has none"
    ):
        read_manifest(folder)


def test_parts_with_other_types_are_refused_and_nulls_have_any_type(tmp_path):
    part(f"{tmp_path}/t/0.parquet", uri=["a_1.jpg"], video_id=[1])
    part(f"{tmp_path}/t/1.parquet", uri=["b_1.jpg"], video_id=pa.nulls(1))
    part(f"{tmp_path}/t/2.parquet", uri=["c_1.jpg"], video_id=[3.0])
    assert rows(read_manifest(f"{tmp_path}/t"), "video_id") == [("1",), ("3",), ("b",)]
    part(f"{tmp_path}/t/3.parquet", uri=["d_1.jpg"], video_id=["0001"])
    with pytest.raises(
        InputError, match=r"column video_id holds numbers in .*0.parquet and text in .*3.parquet"
    ):
        read_manifest(f"{tmp_path}/t")


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("_temporary/0/part-2.parquet", "its writer has not finished, or has failed"),
        ("_delta_log/0.json", "is a Delta table"),
        (".hoodie/0.commit", "is a Hudi table"),
        ("flip/a_1.jpg", "holds flip/a_1.jpg, an image: give directories of frames as --frames"),
        ("notes.txt", "notes.txt .*has no column uri|notes.txt is neither Parquet nor CSV"),
        ("empty.parquet", "empty.parquet is neither Parquet nor CSV with a header: Empty CSV file"),
    ],
)
def test_a_directory_with_something_else_is_refused(folder, name, complaint):
    storage.write(f"{folder}/{name}", b"" if "empty" in name else b"hello\n")
    with pytest.raises(InputError, match=complaint):
        read_manifest(folder)


def test_hidden_parts_are_passed_over_and_said(folder):
    for name in ("_part-2.parquet", ".old/part-1.parquet", ".old/part-2.parquet"):
        storage.write(f"{folder}/{name}", b"x")
    assert read_manifest(folder).notes == (
        "2 files or folders of the manifest are not read, because a dot or an underscore starts the name: "
        "_part-2.parquet, .old.",
    )


def test_folders_of_systems_and_links_are_passed_over_and_said(folder):
    for name in ("lost+found", "$RECYCLE.BIN"):
        storage.write(f"{folder}/{name}/old.parquet", b"x")
    part(f"{folder}/z/part-2.parquet", uri=["flip/c_1.jpg"])
    os.symlink(f"{folder}/z", f"{folder}/a")
    assert read_manifest(folder).notes == (
        "2 system folders of the manifest are not read: $RECYCLE.BIN/, lost+found/.",
        "1 link to a folder that has another name in the manifest is not read: a/.",
    )


def test_a_folder_of_parts_goes_before_a_link_to_it(tmp_path):
    part(f"{tmp_path}/t/split=train/0.parquet", uri=["a_1.jpg"])
    os.symlink("split=train", f"{tmp_path}/t/split=dev")
    assert rows(read_manifest(f"{tmp_path}/t"), "split") == [("train",)]


def test_a_pattern_is_no_manifest(folder):
    with pytest.raises(InputError, match=r"\*.parquet is a pattern: give one file, or the directory"):
        read_manifest(f"{folder}/*.parquet")


def test_a_column_and_a_folder_of_one_meaning_are_refused(tmp_path):
    part(f"{tmp_path}/t/label=flip/0.parquet", uri=["a_1.jpg"], label=["flip"])
    with pytest.raises(InputError, match="has a column label and a folder label=… above it: leave one of"):
        read_manifest(f"{tmp_path}/t")


def test_a_directory_without_tables_is_refused(tmp_path):
    (tmp_path / "t").mkdir()
    with pytest.raises(InputError, match="/t is a directory without tables: give a table or its directory"):
        read_manifest(f"{tmp_path}/t")


# ---------------------------------------------------------------------------------------- digest


def test_the_digest_of_a_file_is_that_of_its_bytes(tmp_path):
    path = csv(tmp_path, "uri", "a_1.jpg")
    assert table_digest(path) == storage.digest(path, "the manifest")


def test_the_digest_of_a_directory_changes_with_its_parts_and_not_with_what_is_beside_them(folder):
    digest = table_digest(folder)
    storage.write(f"{folder}/_SUCCESS", b"other")
    assert table_digest(folder) == digest
    pq.write_table(pa.table({"uri": ["flip/c_1.jpg"]}), f"{folder}/part-1.parquet")
    assert table_digest(folder) != digest


def test_the_digest_of_a_missing_table_is_a_storage_error(tmp_path):
    with pytest.raises(StorageError, match=r"Can't read the manifest .*/none: there is no such file"):
        table_digest(f"{tmp_path}/none")
