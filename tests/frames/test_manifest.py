"""Facts about `flipbatch.frames.manifest`."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flipbatch import storage
from flipbatch.errors import InputError, StorageError
from flipbatch.frames import manifest as module
from flipbatch.frames.manifest import (
    Manifest,
    fingerprint,
    list_frames,
    load_manifest,
    manifest_rows,
    read_manifest,
    source,
)
from flipbatch.frames.names import FrameName, Root, parse_frame
from flipbatch.schema import MANIFEST, MISNAMED
from flipbatch.storage.listing import ListedFile

KEYS = ("video_id", "frame_number", "uri")
LAST = "\U0010ffff" * 3

file_names = st.sampled_from(
    [
        "a_1.jpg",
        "a_2.jpg",
        "b_1.png",
        "a.jpg",
        "_1.jpg",
        ".DS_Store",
        "._a_1.jpg",
        "x_1.txt",
        "a_1.JPG",
        "noext",
    ]
)
paths = st.lists(st.sampled_from(["flip", "notflip", "train", "test", "book"]), max_size=3)


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


# ---------------------------------------------------------------------------------------- listing


@given(st.lists(st.tuples(paths, file_names), min_size=1, max_size=8))
@settings(max_examples=40, deadline=None)
def test_every_listed_file_is_in_exactly_one_of_the_two_tables(files):
    root = tempfile.mkdtemp()
    touch(root, "a_9.jpg", *("/".join([*folders, name]) for folders, name in files))
    manifest = list_frames(root)
    found = manifest.frames["uri"].to_pylist() + manifest.misnamed["uri"].to_pylist()
    shutil.rmtree(root)
    assert sorted(found) == sorted({f"{root}/a_9.jpg"} | {"/".join([root, *f, name]) for f, name in files})


@given(st.lists(st.tuples(st.text(max_size=2), st.integers(0, 11), st.text(max_size=2))))
def test_frames_are_sorted_by_video_frame_number_and_uri(frames):
    named = [
        (ListedFile(uri, None), FrameName(video_id, number, None, None)) for video_id, number, uri in frames
    ]
    assert rows(gathered(named), *KEYS) == sorted(frames)


def gathered(named):
    """The manifest of rows, and of one frame that goes behind them all."""
    last = (ListedFile(LAST, None), FrameName(LAST, 0, None, None))
    manifest = module._gather(module._in_chunks([*named, last]), "/f")
    return Manifest(manifest.frames.slice(0, manifest.frames.num_rows - 1), manifest.misnamed)


def test_a_listed_frame_is_a_row_with_what_its_path_says(tmp_path):
    touch(tmp_path, "training/flip/0002_000000012.jpg")
    (row,) = list_frames(str(tmp_path)).frames.to_pylist()
    assert row == {
        "video_id": "flip/0002",
        "frame_number": 12,
        "uri": f"{tmp_path}/training/flip/0002_000000012.jpg",
        "label": "flip",
        "split": "train",
        "version": "0 bytes",
    }


def test_both_tables_have_their_schema(tmp_path):
    touch(tmp_path, "a_1.jpg", "notes.txt")
    manifest = list_frames(str(tmp_path))
    assert manifest.frames.schema == MANIFEST
    assert manifest.misnamed.schema == MISNAMED


def test_one_video_of_two_splits_is_one_video(tmp_path):
    touch(tmp_path, "training/flip/0002_000000012.jpg", "testing/flip/0002_000000013.jpg")
    manifest = list_frames(str(tmp_path))
    assert rows(manifest, "video_id", "split") == [("flip/0002", "train"), ("flip/0002", "test")]
    assert manifest.videos == 1


def test_one_video_id_under_two_labels_is_two_videos(tmp_path):
    touch(tmp_path, "flip/0002_1.jpg", "notflip/0002_1.jpg")
    assert list_frames(str(tmp_path)).videos == 2


def test_a_root_below_the_label_still_knows_it(tmp_path):
    touch(tmp_path, "testing/flip/0002_1.jpg")
    assert rows(list_frames(f"{tmp_path}/testing/flip/"), "video_id", "label", "split") == [
        ("0002", "flip", "test")
    ]


def test_frames_in_remote_storage_are_named_below_their_root():
    fsspec.filesystem("memory").pipe_file("/manifest-test/training/flip/a_1.jpg", b"")
    for uri in ("memory://manifest-test", "memory:///manifest-test/", "memory://manifest-test/**/*.jpg"):
        manifest = list_frames(uri)
        assert rows(manifest, "video_id", "label", "split") == [("flip/a", "flip", "train")]
        assert storage.read(manifest.frames["uri"][0].as_py()) == b""


def test_a_pattern_names_frames_below_its_fixed_part(tmp_path):
    touch(tmp_path, "flip/a_1.jpg", "flip/a_1.png", "book/flip/b_1.jpg")
    assert rows(list_frames(f"{tmp_path}/**/*.jpg"), "video_id") == [("book/flip/b",), ("flip/a",)]
    assert rows(list_frames(f"{tmp_path}/flip/*.jpg"), "video_id", "label") == [("a", "flip")]


def test_a_directory_whose_name_looks_like_a_pattern_is_the_root(tmp_path):
    touch(tmp_path, "[1] flip?/a_1.jpg", "flip/*/b_1.jpg")
    assert rows(list_frames(f"{tmp_path}/[1] flip?"), "video_id") == [("a",)]
    assert rows(list_frames(f"{tmp_path}/flip/*"), "video_id") == [("b",)]


def test_hidden_and_other_files_are_misnamed_and_say_why(tmp_path):
    touch(tmp_path, "a_1.jpg", "._a_1.jpg", "README.txt", "a.jpg")
    assert [(row["uri"].rpartition("/")[2], row["reason"][:9]) for row in list_misnamed(tmp_path)] == [
        ("._a_1.jpg", "hidden: i"),
        ("README.txt", "not an im"),
        ("a.jpg", "not named"),
    ]


def list_misnamed(root):
    return list_frames(str(root)).misnamed.to_pylist()


def test_a_file_not_named_in_utf_8_is_misnamed(tmp_path):
    touch(tmp_path, "a_1.jpg")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff_1.jpg")).touch()
    (row,) = list_misnamed(tmp_path)
    assert row == {
        "uri": rf"{tmp_path}/\udcff_1.jpg",
        "reason": "not named in UTF-8, as paths in tables are",
    }


def test_links_that_lead_back_up_end_and_broken_ones_are_frames(tmp_path):
    touch(tmp_path, "flip/a_1.jpg")
    (tmp_path / "flip/up").symlink_to(tmp_path)
    (tmp_path / "flip/a_2.jpg").symlink_to("nowhere")
    assert rows(list_frames(str(tmp_path)), "video_id", "frame_number") == [("flip/a", 1), ("flip/a", 2)]


def test_no_files_at_all_says_so(tmp_path):
    with pytest.raises(InputError, match=f"^No files were found below {tmp_path}: check the path"):
        list_frames(str(tmp_path))


def test_no_frames_among_the_files_names_the_first(tmp_path):
    touch(tmp_path, "b.jpg", "a.txt")
    with pytest.raises(InputError, match=rf"None of the 2 files below .*{tmp_path}/a\.txt is not an image"):
        list_frames(str(tmp_path))


def test_a_missing_directory_is_a_storage_error(tmp_path):
    with pytest.raises(StorageError, match=r"Can't list .*none: there is no such file, directory or bucket"):
        list_frames(f"{tmp_path}/none")


def test_one_of_the_two_sources_must_be_given(tmp_path):
    touch(tmp_path, "a_1.jpg")
    assert load_manifest(str(tmp_path), None).frames.num_rows == 1
    assert load_manifest(None, csv(tmp_path, "uri", "a_1.jpg")).frames.num_rows == 1
    with pytest.raises(InputError, match="Neither frames nor a manifest were given"):
        load_manifest(None, None)


def test_rows_come_some_at_a_time_whether_listed_or_read(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_ROWS_AT_A_TIME", 2)
    names = ["a_1.jpg", "a_2.jpg", "b_1.jpg", "x.txt", "y.txt"]
    touch(tmp_path, *names)
    table = csv(tempfile.mkdtemp(dir=tmp_path.parent), "uri", *(f"{tmp_path}/{name}" for name in names))
    for uris in ((str(tmp_path), None), (None, table)):
        pieces = list(manifest_rows(*uris))
        assert [piece.frames.num_rows + piece.misnamed.num_rows for piece in pieces] == [2, 2, 1]
        assert sum(piece.frames.num_rows for piece in pieces) == 3


def test_a_manifest_goes_before_frames(tmp_path):
    assert source("/frames/", f"{tmp_path}/m.csv") == f"{tmp_path}/m.csv"
    assert source("/frames/", None) == "/frames"


@pytest.mark.parametrize("at_a_time", [1, 2, 3, 100])
def test_a_manifest_is_the_same_however_many_rows_are_made_at_a_time(tmp_path, monkeypatch, at_a_time):
    touch(tmp_path, *(f"{'ab'[i % 2]}_{i}.jpg" for i in range(7)), "x.txt", "y.txt")
    whole = list_frames(str(tmp_path))
    monkeypatch.setattr(module, "_ROWS_AT_A_TIME", at_a_time)
    again = list_frames(str(tmp_path))
    assert again.frames.equals(whole.frames)
    assert again.misnamed.equals(whole.misnamed)


# ---------------------------------------------------------------------------------------- tables


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_only_the_column_uri_is_needed(tmp_path, kind):
    uris = ["training/flip/a_1.jpg", "testing/notflip/b_2.jpg"]
    path = csv(tmp_path, "uri", *uris) if kind == "csv" else parquet(tmp_path, uri=uris)
    assert rows(read_manifest(path), "uri", "video_id", "frame_number", "label", "split") == [
        (f"{tmp_path}/training/flip/a_1.jpg", "flip/a", 1, "flip", "train"),
        (f"{tmp_path}/testing/notflip/b_2.jpg", "notflip/b", 2, "notflip", "test"),
    ]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_what_the_table_says_goes_before_what_the_path_says(tmp_path, kind):
    given = {"uri": "flip/a_1.jpg", "video_id": "0007", "frame_number": 5, "label": "notflip", "split": "val"}
    line = ",".join(map(str, given.values()))
    columns = {name: [value] for name, value in given.items()}
    path = csv(tmp_path, ",".join(given), line) if kind == "csv" else parquet(tmp_path, **columns)
    (row,) = read_manifest(path).frames.to_pylist()
    assert row == {**given, "uri": f"{tmp_path}/flip/a_1.jpg", "version": None}


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
    storage.write("memory://lists/v1/m.csv", b"uri\nflip/a_1.jpg\n../frames/flip/b_1.jpg\n")
    assert sorted(read_manifest("memory://lists/v1/m.csv").frames["uri"].to_pylist()) == [
        "memory://lists/frames/flip/b_1.jpg",
        "memory://lists/v1/flip/a_1.jpg",
    ]


def test_videos_are_named_below_the_directory_that_all_uris_share(tmp_path):
    path = csv(tmp_path, "uri", "/data/x/train/flip/a_1.jpg", "/data/x/book/b_1.jpg")
    assert rows(read_manifest(path), "video_id") == [("book/b",), ("flip/a",)]
    path = csv(tmp_path, "uri", "/data/testing/flip/a_1.jpg", "/data/testing/flip/sub/b_1.jpg")
    assert rows(read_manifest(path), "video_id", "label", "split") == [
        ("a", "flip", "test"),
        ("sub/b", "flip", "test"),
    ]


def test_misnamed_files_become_frames_where_the_table_names_them(tmp_path):
    path = csv(tmp_path, "uri,video_id,frame_number", "train/flip/img.jpg,v,3", "train/notflip/img.jpg,,4")
    manifest = read_manifest(path)
    assert rows(manifest, "video_id", "frame_number", "label") == [("v", 3, "flip")]
    assert manifest.misnamed["uri"].to_pylist() == [f"{tmp_path}/train/notflip/img.jpg"]


def test_a_frame_that_is_listed_twice_is_two_rows(tmp_path):
    assert read_manifest(csv(tmp_path, "uri", "a_1.jpg", "a_1.jpg")).frames.num_rows == 2


def test_rows_are_sorted_whatever_their_order_in_the_table(tmp_path):
    path = csv(tmp_path, "uri", "b_1.jpg", "a_10.jpg", "a_9.jpg")
    assert rows(read_manifest(path), "video_id", "frame_number") == [("a", 9), ("a", 10), ("b", 1)]


def test_whole_numbers_may_be_written_as_pandas_writes_them(tmp_path):
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
        (["path,label", "a_1.jpg,flip"], r"has no column uri: it has path, label\."),
        (["uri,uri", "a_1.jpg,b_1.jpg"], "has more than one column uri: leave one"),
        (["uri,label,label", "a_1.jpg,flip,flip"], "has more than one column label: leave one"),
        (["uri"], "has no rows: nothing can be read"),
        ([], "is neither Parquet nor CSV with a header: Empty CSV file"),
        (["uri,label", "a_1.jpg,flip,1"], "is neither Parquet nor CSV with a header: .*column"),
        (["uri,label", "a_1.jpg,1"], "label '1' of .*/a_1.jpg is none of flip, notflip"),
        (["uri,split", "a_1.jpg,dev"], "split 'dev' of .*/a_1.jpg is none of train, val, test"),
        (["uri,frame_number", "a_1.jpg,x"], "frame_number 'x' of .*/a_1.jpg is no whole number"),
        (["uri,frame_number", "a_1.jpg,-1"], "frame_number '-1' of"),
        (["uri,frame_number", "a_1.jpg,1.5"], "frame_number '1.5' of"),
        (["uri,frame_number", f"a_1.jpg,{10**18}"], "is no whole number of at most 18 digits"),
        (["uri,label", ",flip"], "has a row without uri: fill it in or remove the row"),
        (["uri", "a.jpg", "b.jpg"], "None of the 2 files below .* is a frame"),
    ],
)
def test_a_table_that_can_not_be_used_says_what_is_wrong(tmp_path, lines, complaint):
    with pytest.raises(InputError, match=complaint):
        read_manifest(csv(tmp_path, *lines))


def test_a_column_that_is_no_text_is_refused(tmp_path):
    with pytest.raises(
        InputError, match=r"a column uri of type list<.*>: it must be text in UTF-8 or numbers"
    ):
        read_manifest(parquet(tmp_path, uri=[["a_1.jpg"]]))


def test_text_that_is_no_utf8_is_refused(tmp_path):
    offsets, characters = pa.py_buffer(b"\0\0\0\0\7\0\0\0"), pa.py_buffer(b"\x80a_1.jp")
    with pytest.raises(InputError, match=r"a column uri of type string: it must be text in UTF-8"):
        read_manifest(
            parquet(tmp_path, uri=pa.Array.from_buffers(pa.string(), 1, [None, offsets, characters]))
        )


def test_a_zero_byte_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"uri '~\\x00' holds a zero byte"):
        read_manifest(csv(tmp_path, "uri", "~\0"))


def test_columns_that_nobody_asked_for_are_not_read(tmp_path, monkeypatch):
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
def test_what_is_no_table_is_refused(tmp_path, data):
    (tmp_path / "m").write_bytes(data)
    with pytest.raises(InputError, match="is neither Parquet nor CSV with a header: "):
        read_manifest(f"{tmp_path}/m")


def test_a_missing_manifest_is_a_storage_error(tmp_path):
    with pytest.raises(StorageError, match=r"Can't read the manifest .*/none\.csv: there is no such file"):
        read_manifest(f"{tmp_path}/none.csv")


# ---------------------------------------------------------------------------------------- identity


def table_of(*uris):
    rows = [(ListedFile(uri, None), parse_frame(uri, Root())) for uri in uris]
    return gathered(rows).frames


def test_equal_rows_have_one_fingerprint_however_they_are_chunked():
    whole = table_of("a_1.jpg", "flip/b_2.jpg", "c_3.jpg")
    pieces = pa.concat_tables([whole.slice(0, 1), whole.slice(1)])
    assert fingerprint(whole) == fingerprint(pieces)
    assert len(fingerprint(whole)) == 64


def test_a_fingerprint_never_changes_between_versions():
    table = pa.table(
        [["ü/v", "b"], [1, 2], ["a'b", "c"], ["flip", None], [None, "val"], ["1 bytes", None]],
        schema=MANIFEST,
    )
    assert fingerprint(table) == "edab4393a6a72ffed4f0113b6a7c041d2843c759e50c0f8354c0c44e079f787c"


def test_any_other_row_is_another_fingerprint():
    tables = [
        table_of("a_1.jpg"),
        table_of("a_2.jpg"),
        table_of("flip/a_1.jpg"),
        table_of("a_1.jpg", "a_1.jpg"),
    ]
    assert len({fingerprint(table) for table in tables}) == len(tables)


def test_a_manifest_counts_its_videos():
    table = table_of("a_1.jpg", "a_2.jpg", "b_1.jpg")
    assert Manifest(table, MISNAMED.empty_table()).videos == 2
