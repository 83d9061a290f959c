"""Facts about `flipbatch.frames.external_sort`."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flipbatch.errors import StorageError
from flipbatch.frames import external_sort as module
from flipbatch.frames.external_sort import ExternalSort
from flipbatch.schema import MANIFEST, ORDER

# Few of each, so that rows are often equal in one key, in two or in all.
texts = st.one_of(st.sampled_from(["a", "aa", "b", "ä", "\x00", "𐀀", "\uffff", ""]), st.text(max_size=3))
rows = st.tuples(
    texts, st.integers(0, 3), texts, st.sampled_from([None, "flip", "notflip"]), *[st.none()] * 2, texts, *[st.none()] * 2
)


def batch(some):
    columns = zip(*some, strict=True) if some else [[]] * len(MANIFEST)
    return pa.record_batch([pa.array(list(column)) for column in columns], schema=MANIFEST)


def small(patch, rows_per_slice=2, runs_at_a_time=2):
    """Every batch becomes a run of its own."""
    patch.setattr(module, "BYTES_PER_RUN", 1)
    patch.setattr(module, "ROWS_PER_SLICE", rows_per_slice)
    patch.setattr(module, "RUNS_AT_A_TIME", runs_at_a_time)


def sorting(batches, folder):
    sort = ExternalSort(MANIFEST, ORDER, Path(folder))
    for one in batches:
        sort.add(batch(one))
    return sort


@given(st.lists(st.lists(rows, max_size=12), max_size=8), st.integers(1, 5), st.integers(2, 4))
@settings(max_examples=60, deadline=None)
def test_rows_are_sorted_as_arrow_sorts_them_and_equal_rows_keep_their_order(batches, per_slice, at_a_time):
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        small(patch, per_slice, at_a_time)
        sort = sorting(batches, folder)
        sorted_rows = pa.Table.from_batches(sort.sorted(), MANIFEST)
    whole = pa.Table.from_batches(map(batch, batches), MANIFEST).combine_chunks()
    assert sorted_rows.to_pylist() == whole.sort_by(ORDER).to_pylist()
    assert sort.rows == whole.num_rows


def test_rows_may_be_read_twice(tmp_path, monkeypatch):
    small(monkeypatch)
    sort = sorting([[(letter, 1, "u", None, None, None, "g", None, None)] for letter in "hagbfced"], tmp_path)
    first = list(sort.sorted())
    assert [row["video_id"] for some in first for row in some.to_pylist()] == list("abcdefgh")
    assert list(sort.sorted()) == first


def test_few_rows_are_not_written_to_disk(tmp_path):
    sort = sorting([[(letter, 1, "u", None, None, None, "g", None, None)] for letter in "ba"], tmp_path / "sort")
    assert [some.num_rows for some in sort.sorted()] == [2]
    assert not (tmp_path / "sort").exists()


def test_no_rows_are_no_batches(tmp_path):
    assert list(sorting([], tmp_path).sorted()) == []
    assert list(sorting([[]], tmp_path).sorted()) == []


def test_merged_runs_are_removed_and_few_are_left(tmp_path, monkeypatch):
    small(monkeypatch, runs_at_a_time=3)
    sort = sorting([[(str(run), 1, "u", None, None, None, "g", None, None)] for run in range(20)], tmp_path)
    assert len(list(tmp_path.iterdir())) == 20
    assert sum(some.num_rows for some in sort.sorted()) == 20
    assert len(list(tmp_path.iterdir())) == 3


def test_reading_holds_a_slice_of_each_run_and_no_more(tmp_path, monkeypatch):
    small(monkeypatch, rows_per_slice=5, runs_at_a_time=4)
    batches = [[(f"{row:03d}{run}", 1, "u", None, None, None, "g", None, None) for row in range(50)] for run in range(4)]
    sizes = [some.num_rows for some in sorting(batches, tmp_path).sorted()]
    assert sum(sizes) == 200
    assert max(sizes) <= 4 * 5


def test_an_error_about_the_folder_says_what_to_do(tmp_path, monkeypatch):
    small(monkeypatch)
    (tmp_path / "file").touch()
    with pytest.raises(
        StorageError, match=r"Can't sort frames in .*/file: .*Set TMPDIR to a folder with more"
    ):
        sorting([[("a", 1, "u", None, None, None, "g", None, None)]], tmp_path / "file")
