"""Facts about `flipbatch.frames.manifest_table`."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flipbatch import storage
from flipbatch.errors import InputError, StorageError
from flipbatch.frames.manifest import (
    read_manifest,
)
from tests.frames.manifests import csv, parquet, rows


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_only_the_column_uri_is_needed(tmp_path, kind):
    uris = ["training/flip/a_1.jpg", "testing/notflip/b_2.jpg"]
    path = csv(tmp_path, "uri", *uris) if kind == "csv" else parquet(tmp_path, uri=uris)
    assert rows(read_manifest(path), "uri", "video_id", "frame_number", "label", "split") == [
        (f"{tmp_path}/training/flip/a_1.jpg", "flip/a", 1, "flip", "train"),
        (f"{tmp_path}/testing/notflip/b_2.jpg", "notflip/b", 2, "notflip", "test"),
    ]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_the_table_goes_before_the_path(tmp_path, kind):
    given = {"uri": "flip/a_1.jpg", "video_id": "0007", "frame_number": 5, "label": "notflip", "split": "val"}
    given["group"] = "desk"
    line = ",".join(map(str, given.values()))
    columns = {name: [value] for name, value in given.items()}
    path = csv(tmp_path, ",".join(given), line) if kind == "csv" else parquet(tmp_path, **columns)
    (row,) = read_manifest(path).frames.to_pylist()
    facts = {"version": None, "seconds": None, "key_frame": None}
    assert row == {**given, "uri": f"{tmp_path}/flip/a_1.jpg", **facts}


def test_an_empty_cell_is_read_from_the_path(tmp_path):
    path = csv(
        tmp_path, "uri,video_id,frame_number,label,split", "train/flip/a_1.jpg,,,,", "train/flip/a_2.jpg,b,,,"
    )
    assert rows(read_manifest(path), "video_id", "frame_number", "label") == [
        ("a", 1, "flip"),
        ("b", 2, "flip"),
    ]
    path = parquet(tmp_path, uri=["flip/a_1.jpg"], video_id=[""], label=[""], split=[None])
    assert rows(read_manifest(path), "video_id", "label", "split") == [("a", "flip", None)]


def test_an_empty_group_is_the_default(tmp_path):
    path = csv(tmp_path, "uri,group", "flip/a_1.jpg,", "notflip/a_1.jpg,", "b_1.jpg,desk", "c_1.jpg,")
    assert rows(read_manifest(path), "video_id", "group") == [
        ("b", "desk"),
        ("c", "c"),
        ("flip/a", "a"),
        ("notflip/a", "a"),
    ]


def test_groups_may_be_numbers(tmp_path):
    path = parquet(tmp_path, uri=["a_1.jpg", "b_1.jpg"], group=[7, None])
    assert rows(read_manifest(path), "group") == [("7",), ("b",)]


def test_relative_uris_are_below_the_manifest_and_absolute_ones_are_not(tmp_path):
    (tmp_path / "lists").mkdir()
    path = csv(tmp_path / "lists", "uri", "a_1.jpg", "../b_1.jpg", "/data/c_1.jpg", "s3://bucket/d_1.jpg")
    assert set(read_manifest(path).frames["uri"].to_pylist()) == {
        f"{tmp_path}/lists/a_1.jpg",
        f"{tmp_path}/b_1.jpg",
        "/data/c_1.jpg",
        "s3://bucket/d_1.jpg",
    }


def test_a_remote_manifest_has_remote_relative_uris():
    storage.write("memory://lists/v1/m.csv", b"uri\n./flip/./a_1.jpg\n../frames/flip/b_1.jpg\n")
    assert sorted(read_manifest("memory://lists/v1/m.csv").frames["uri"].to_pylist()) == [
        "memory://lists/frames/flip/b_1.jpg",
        "memory://lists/v1/flip/a_1.jpg",
    ]


def test_video_ids_start_below_the_directory_that_all_uris_share(tmp_path):
    path = csv(tmp_path, "uri", "/data/x/train/flip/a_1.jpg", "/data/x/book/b_1.jpg")
    assert rows(read_manifest(path), "video_id") == [("book/b",), ("flip/a",)]
    path = csv(tmp_path, "uri", "/data/testing/flip/a_1.jpg", "/data/testing/flip/sub/b_1.jpg")
    assert rows(read_manifest(path), "video_id", "label", "split") == [
        ("a", "flip", "test"),
        ("sub/b", "flip", "test"),
    ]


def test_misnamed_files_are_frames_where_the_table_names_them(tmp_path):
    path = csv(tmp_path, "uri,video_id,frame_number", "train/flip/img.jpg,v,3", "train/notflip/img.jpg,,4")
    manifest = read_manifest(path)
    assert rows(manifest, "video_id", "frame_number", "label") == [("v", 3, "flip")]
    assert manifest.misnamed["uri"].to_pylist() == [f"{tmp_path}/train/notflip/img.jpg"]


@pytest.mark.parametrize("again", ["a_1.jpg", "./a_1.jpg", "x/../a_1.jpg", "{}/a_1.jpg", "file://{}/a_1.jpg"])
def test_a_frame_that_is_listed_twice_is_refused(tmp_path, again):
    path = csv(tmp_path, "uri,video_id", "a_1.jpg,", "b_1.jpg,", f"{again.format(tmp_path)},a")
    with pytest.raises(InputError, match=f"more than one row of {tmp_path}/a_1.jpg: leave one row"):
        read_manifest(path)


def test_a_file_that_a_table_names_as_several_frames_is_said(tmp_path):
    manifest = read_manifest(csv(tmp_path, "uri,video_id", "a_1.jpg,", "a_1.jpg,v", "a_1.jpg,w", "b_1.jpg,"))
    assert manifest.videos == 4
    assert manifest.notes == (
        "2 rows of the manifest have the file of an earlier row but another video or frame number, "
        "and count as well: "
        f"{tmp_path}/a_1.jpg.",
    )


def test_rows_are_sorted_in_any_order_of_the_table(tmp_path):
    path = csv(tmp_path, "uri", "b_1.jpg", "a_10.jpg", "a_9.jpg")
    assert rows(read_manifest(path), "video_id", "frame_number") == [("a", 9), ("a", 10), ("b", 1)]


def test_integers_may_be_written_as_pandas_writes_them(tmp_path):
    path = csv(tmp_path, "uri,frame_number", "a_1.jpg,12.0", "a_2.jpg,")
    assert rows(read_manifest(path), "frame_number") == [(2,), (12,)]
    path = parquet(tmp_path, uri=["a_1.jpg", "a_2.jpg"], frame_number=[12.0, None])
    assert rows(read_manifest(path), "frame_number") == [(2,), (12,)]


def test_text_of_any_arrow_type_is_text(tmp_path):
    words = pa.array(["flip", None]).dictionary_encode()
    uris = pa.array(["a_1.jpg", "a_2.jpg"], pa.large_string())
    assert rows(read_manifest(parquet(tmp_path, uri=uris, label=words)), "label") == [("flip",), (None,)]


def test_csv_may_have_quotes_new_lines_and_a_byte_order_mark(tmp_path):
    path = tmp_path / "m.csv"
    path.write_bytes(b'\xef\xbb\xbfuri,video_id\r\n"a_1.jpg","one\ntwo, ""three"""\r\n')
    assert rows(read_manifest(str(path)), "video_id") == [('one\ntwo, "three"',)]


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        (["path,label", "a_1.jpg,flip"], r"has no column uri: it has path, label\. Rename the one that"),
        (["uri,uri", "a_1.jpg,b_1.jpg"], "has more than one column uri: leave one"),
        (["uri,label,label", "a_1.jpg,flip,flip"], "has more than one column label: leave one"),
        (["uri"], "has no rows: nothing can be read"),
        ([], "is neither Parquet nor CSV with a header: Empty CSV file"),
        (["uri,label", "a_1.jpg,flip,1"], "is neither Parquet nor CSV with a header: .*column"),
        (["uri,label", "a_1.jpg,1"], r"label '1' of .*/a_1.jpg is none of flip, notflip \(tables differ in"),
        (["uri,label", "a_1.jpg,page"], "label 'page' of .*/a_1.jpg is none of flip, notflip: write one"),
        (["uri,split", "a_1.jpg,fold 1"], "split 'fold 1' of .*/a_1.jpg is none of train, val, test"),
        (["uri,frame_number", "a_1.jpg,x"], "frame_number 'x' of .*/a_1.jpg is not an integer"),
        (["uri,frame_number", "a_1.jpg,-1"], "frame_number '-1' of"),
        (["uri,frame_number", "a_1.jpg,1.5"], "frame_number '1.5' of"),
        (["uri,frame_number", f"a_1.jpg,{10**18}"], "is not an integer ≥ 0 of at most 18 digits"),
        (["uri,label", ",flip"], "has a row without uri: fill it in or remove the row"),
        (["uri", "a.jpg", "b.jpg"], "None of the 2 files below .* is a frame"),
    ],
)
def test_a_table_that_can_not_be_used_is_refused_with_the_reason(tmp_path, lines, complaint):
    with pytest.raises(InputError, match=complaint):
        read_manifest(csv(tmp_path, *lines))


def test_a_column_that_is_not_text_is_refused(tmp_path):
    with pytest.raises(
        InputError, match=r"a column uri of type list<.*>: it must be text in UTF-8 or numbers"
    ):
        read_manifest(parquet(tmp_path, uri=[["a_1.jpg"]]))


def test_text_that_is_not_utf8_is_refused(tmp_path):
    offsets, characters = pa.py_buffer(b"\0\0\0\0\7\0\0\0"), pa.py_buffer(b"\x80a_1.jp")
    with pytest.raises(InputError, match=r"a column uri of type string: it must be text in UTF-8"):
        read_manifest(
            parquet(tmp_path, uri=pa.Array.from_buffers(pa.string(), 1, [None, offsets, characters]))
        )


def test_a_zero_byte_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"uri '~\\x00' holds a zero byte"):
        read_manifest(csv(tmp_path, "uri", "~\0"))


def test_other_columns_are_not_read(tmp_path, monkeypatch):
    asked, read = [], pq.ParquetFile.read
    monkeypatch.setattr(
        pq.ParquetFile, "read", lambda self, columns: asked.append(columns) or read(self, columns=columns)
    )
    read_manifest(parquet(tmp_path, uri=["a_1.jpg"], blob=["y" * 1000], label=["flip"]))
    assert asked == [["uri", "label"]]


def test_a_null_uri_is_refused(tmp_path):
    with pytest.raises(InputError, match="has a row without uri"):
        read_manifest(parquet(tmp_path, uri=["a_1.jpg", None]))


@pytest.mark.parametrize(
    "data", [b"\xff\xd8\xff\x00junk\x00\x80\n", b"PAR1 and no more", b"uri\n\xff_1.jpg\n"]
)
def test_a_file_that_is_not_a_table_is_refused(tmp_path, data):
    (tmp_path / "m").write_bytes(data)
    with pytest.raises(InputError, match="is neither Parquet nor CSV with a header: "):
        read_manifest(f"{tmp_path}/m")


def test_a_missing_manifest_is_a_storage_error(tmp_path):
    with pytest.raises(StorageError, match=r"Can't read the manifest .*/none\.csv: there is no such file"):
        read_manifest(f"{tmp_path}/none.csv")
