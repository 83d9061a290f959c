"""Facts about `flipbatch.frames.table_columns`, `table_text` and `table_cells`."""

from __future__ import annotations

import gzip
import re

import pytest

from flipbatch.errors import InputError
from flipbatch.frames.manifest import read_manifest
from tests.frames.manifests import csv, parquet, rows


def read(tmp_path, *lines):
    (row,) = read_manifest(csv(tmp_path, *lines)).frames.to_pylist()
    return row


@pytest.mark.parametrize("name", ["Label", " label", "LABEL ", "\ufefflabel", "la-bel"])
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_column_counts_in_any_spelling(tmp_path, name, kind):
    uris, labels = ["flip/a_1.jpg", "notflip/a_1.jpg"], ["notflip", " Flip"]
    lines = [f"{uri},{label}" for uri, label in zip(uris, labels, strict=True)]
    path = (
        csv(tmp_path, f"uri,{name}", *lines)
        if kind == "csv"
        else parquet(tmp_path, **{"uri": uris, name: labels})
    )
    assert rows(read_manifest(path), "video_id", "label") == [("flip/a", "notflip"), ("notflip/a", "flip")]


def test_blanks_after_the_commas_of_a_csv_are_not_read(tmp_path):
    row = read(tmp_path, "label, uri, Video-ID, frame number", "no flip, a_1.jpg, v, 3")
    assert row == {
        **row,
        "uri": f"{tmp_path}/a_1.jpg",
        "video_id": "v",
        "frame_number": 3,
        "label": "notflip",
    }


def test_usual_words_are_read_in_cells_as_in_folders(tmp_path):
    row = read(tmp_path, "uri,label,split", "a_1.jpg,Not-Flip,dev")
    assert (row["label"], row["split"]) == ("notflip", "val")


def test_blank_cells_are_empty(tmp_path):
    row = read(tmp_path, "uri,video_id,label,group", "flip/a_1.jpg,  , ,\t")
    assert (row["video_id"], row["label"], row["group"]) == ("a", "flip", "a")


def test_columns_that_are_not_used_are_one_line(tmp_path):
    manifest = read_manifest(csv(tmp_path, "uri,scene,label,width,,status", "a_1.jpg,s,flip,3,4,ok"))
    assert manifest.notes == ("4 columns of the manifest are not used: scene, width, (no name), status.",)


def test_a_table_of_our_own_is_a_manifest(tmp_path):
    path = parquet(
        tmp_path,
        video_id=["v"],
        frame_number=[1],
        uri=["a_1.jpg"],
        label=["flip"],
        status=["ok"],
        error=[None],
        flip_probability=[0.5],
        prediction=["flip"],
        version=["e"],
        shard=[0],
    )
    manifest = read_manifest(path)
    assert rows(manifest, "video_id", "label", "version") == [("v", "flip", None)]
    assert manifest.notes[0].startswith("6 columns of the manifest are not used: status, error")


@pytest.mark.parametrize(
    "name", ["labels", "lable", "class", "target", "y", "frame", "video", "subset", "groups", "frame_nr"]
)
def test_a_column_that_may_mean_ours_is_refused(tmp_path, name):
    with pytest.raises(InputError, match=rf"has a column '{name}' and no column \w+: rename it to \w+ if"):
        read_manifest(csv(tmp_path, f"uri,{name}", "a_1.jpg,1"))


def test_a_column_that_may_mean_ours_is_unused_beside_ours(tmp_path):
    manifest = read_manifest(csv(tmp_path, "uri,label,labels", "a_1.jpg,flip,x"))
    assert manifest.notes == ("1 column of the manifest is not used: labels.",)


def test_two_columns_of_one_meaning_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"more than one column label \('label', 'Label'\): leave one"):
        read_manifest(csv(tmp_path, "uri,label,Label", "a_1.jpg,flip,flip"))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_csv_may_come_from_a_spreadsheet(tmp_path, delimiter, encoding):
    path = tmp_path / "m.csv"
    path.write_text(f"URI{delimiter}Label\nflip/\u00fc_1.jpg{delimiter}notflip\n", encoding=encoding)
    assert rows(read_manifest(str(path)), "video_id", "label") == [("\u00fc", "notflip")]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_ids_that_pandas_made_floats_are_integers(tmp_path, kind):
    if kind == "csv":
        path = csv(tmp_path, "uri,video_id,group", "a_1.jpg,1.0,2.0", "b_1.jpg,,", "c_1.jpg,3.0,2.0")
    else:
        columns = {"video_id": [1.0, None, 3.0], "group": [2.0, float("nan"), 2.0]}
        path = parquet(tmp_path, uri=["a_1.jpg", "b_1.jpg", "c_1.jpg"], **columns)
    assert rows(read_manifest(path), "video_id", "group") == [("1", "2"), ("3", "2"), ("b", "b")]


def test_ids_with_decimals_that_mean_something_stay(tmp_path):
    path = csv(tmp_path, "uri,video_id", "a_1.jpg,1.0", "b_1.jpg,1.5", "c_1.jpg,02")
    assert rows(read_manifest(path), "video_id") == [("02",), ("1.0",), ("1.5",)]


def test_ids_that_lost_digits_as_floats_are_refused(tmp_path):
    with pytest.raises(
        InputError, match="column video_id of type double with numbers above 9007199254740992"
    ):
        read_manifest(parquet(tmp_path, uri=["a_1.jpg"], video_id=[2.0**60]))


@pytest.mark.parametrize("word", ["NaN", "nan", "NA", "N/A", "<NA>", "null", "NULL", "None", " NaN ", r"\N"])
def test_words_for_nothing_are_empty_cells_and_are_said(tmp_path, word):
    columns = "uri,video_id,group,frame_number,label,split"
    others = ",".join([word] * 5)
    manifest = read_manifest(csv(tmp_path, columns, "train/flip/a_1.jpg,1.0,2.0,3.0,,", f"b_4.jpg,{others}"))
    assert rows(manifest, "video_id", "group", "frame_number", "label", "split") == [
        ("1", "2", 3, "flip", "train"),
        ("b", "b", 4, None, None),
    ]
    assert f"5 cells of the manifest are read as empty: {word.strip()}." in manifest.notes
    assert rows(read_manifest(csv(tmp_path, "uri,video_id", f"a_1.jpg,{word}x")), "video_id") != [("a",)]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_blanks_around_cells_are_not_read(tmp_path, kind):
    cells = {"uri": "a_1.jpg", "video_id": "x ", "group": " g", "frame_number": " 7 ", "split": "dev "}
    line = ",".join(cells.values())
    columns = {name: [cell] for name, cell in cells.items()}
    path = csv(tmp_path, ",".join(cells), line) if kind == "csv" else parquet(tmp_path, **columns)
    assert rows(read_manifest(path), "video_id", "group", "frame_number", "split") == [("x", "g", 7, "val")]


@pytest.mark.parametrize("number", ["1e+16", "1.2345678901234568e+17", "9007199254740994.0", "1.0E16"])
@pytest.mark.parametrize("column", ["video_id", "group", "frame_number"])
def test_ids_that_lost_digits_in_a_csv_are_refused(tmp_path, column, number):
    with pytest.raises(InputError, match=rf"column {column} with numbers written as floats, such as"):
        read_manifest(csv(tmp_path, f"uri,{column}", f"a_1.jpg,{number}", "b_1.jpg,2.0"))


@pytest.mark.parametrize("name", ["1e16", "12e4567", "1e5", "9007199254740993"])
def test_ids_that_are_no_floats_stay(tmp_path, name):
    assert read(tmp_path, "uri,video_id", f"a_1.jpg,{name}")["video_id"] == name


@pytest.mark.parametrize(
    ("name", "column"),
    [
        *((name, "label") for name in ("annotations", "page_flip", "has_flip", "flip?", "label_str", "lbl")),
        *((name, "label") for name in ("label (flip)", "labelled", "gold", "isFlip", "flip_probability")),
        *((name, "split") for name in ("is_training", "train/test", "isTrain", "test_fold", "istraining")),
    ],
)
def test_a_column_that_speaks_of_labels_or_splits_is_refused_while_ours_is_missing(tmp_path, name, column):
    with pytest.raises(InputError, match=rf"has a column {re.escape(repr(name))} and no column {column}: "):
        read_manifest(csv(tmp_path, f"uri,{name}", "a_1.jpg,1"))
    assert "not used" in read_manifest(csv(tmp_path, f"uri,{column},{name}", "a_1.jpg,,1")).notes[0]


@pytest.mark.parametrize("name", ["latest", "device", "contestant", "dataset", "width", "prediction"])
def test_other_columns_are_not_used(tmp_path, name):
    assert "not used" in read_manifest(csv(tmp_path, f"uri,{name}", "a_1.jpg,1")).notes[0]


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (gzip.compress(b"uri\na_1.jpg\n", mtime=0), "is gzip: unpack it"),
        (b'{"uri": "a_1.jpg"}\n', "is JSON: save it as CSV or Parquet"),
        (b' [\n {"uri": "a_1.jpg"}]', "is JSON: save it as CSV or Parquet"),
        (b"PK\x03\x04xl/workbook", "is Excel or ZIP: save it as CSV or Parquet"),
        (b"ARROW1\0\0", "is Arrow or Feather: save it as"),
    ],
)
def test_another_format_is_named(tmp_path, data, complaint):
    (tmp_path / "m").write_bytes(data)
    with pytest.raises(InputError, match=f"/m {complaint}"):
        read_manifest(f"{tmp_path}/m")


def test_a_row_with_too_many_cells_is_named_by_its_number(tmp_path):
    with pytest.raises(InputError, match="Row #3: Expected 2 columns, got 3"):
        read_manifest(csv(tmp_path, "uri,label", "a_1.jpg,flip", "b_1.jpg,flip,1"))
