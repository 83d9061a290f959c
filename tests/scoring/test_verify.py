"""Facts about `flipbatch.scoring.verify`: rows in are rows out, and where not, it says so."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flipbatch import storage
from flipbatch.errors import OutputError
from flipbatch.scoring import verify
from flipbatch.scoring.merge import merge_part
from flipbatch.scoring.verify import require_only_parts, verify_part
from tests.scoring.committed_runs import TWO_VIDEOS, scored


@pytest.fixture
def run(tmp_path):
    run = scored(tmp_path, TWO_VIDEOS)
    merge_part(run, 0)
    return run


def change(run, name, how):
    file = Path(run.directory.path(*name.split("/"), "part-00000.parquet"))
    table = pq.read_table(file)
    pq.write_table(how(table).replace_schema_metadata(table.schema.metadata), file)


def test_a_merged_part_is_verified(run):
    verify_part(run, 0)
    require_only_parts(run)


@pytest.mark.parametrize(
    "how",
    [
        lambda rows: rows.slice(1),
        lambda rows: rows.slice(0, 4),
        lambda rows: pa.concat_tables([rows, rows.slice(4)]),
        lambda rows: rows.take([1, 0, 2, 3, 4]),
        lambda rows: rows.slice(0, 0),
        lambda rows: rows.set_column(2, rows.schema.field("uri"), pa.array(["/other"] * 5)),
        lambda rows: rows.set_column(3, rows.schema.field("label"), pa.array([None] * 5, pa.string())),
    ],
)
def test_a_row_that_is_lost_doubled_or_another_is_noticed(run, how):
    change(run, "predictions/model=mobilenet_v2", how)
    with pytest.raises(OutputError, match="does not hold each frame of the manifest once"):
        verify_part(run, 0)


@pytest.mark.parametrize("how", [lambda rows: rows.slice(1), lambda rows: rows.take([1, 0, 2, 3])])
def test_a_video_that_is_lost_or_out_of_order_is_noticed(run, how):
    change(run, "videos", how)
    with pytest.raises(OutputError, match=r"does not count the frames of .*predictions/model=cnn_model"):
        verify_part(run, 0)


@pytest.mark.parametrize("folder", ["videos", "events", "stills"])
def test_a_file_of_another_run_is_noticed(run, tmp_path, folder):
    other = scored(tmp_path / "other", [*TWO_VIDEOS, ("flip", [0.5])])
    merge_part(other, 0)
    path = (folder, "part-00000.parquet")
    Path(run.directory.path(*path)).write_bytes(Path(other.directory.path(*path)).read_bytes())
    with pytest.raises(OutputError, match="is a file of another run"):
        verify_part(run, 0)


def test_a_damaged_or_missing_file_is_noticed(run):
    file = Path(run.directory.path("predictions", "model=cnn_model", "part-00000.parquet"))
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(OutputError, match="is damaged"):
        verify_part(run, 0)
    file.unlink()
    with pytest.raises(OutputError, match="there is no such file"):
        verify_part(run, 0)


@pytest.mark.parametrize("folder", ["events", "stills"])
def test_page_turns_and_stills_that_are_missing_are_noticed(run, folder):
    Path(run.directory.path(folder, "part-00000.parquet")).unlink()
    with pytest.raises(OutputError, match=rf"{folder}/part-00000\.parquet.*there is no such file"):
        verify_part(run, 0)


@pytest.mark.parametrize("folder", ["events", "stills"])
def test_page_turns_and_stills_that_do_not_cover_a_video_are_noticed(tmp_path, folder):
    run = scored(tmp_path, [(None, [0.9] * 20 + [0.1] * 40), (None, [0.5])])
    merge_part(run, 0)
    change(run, folder, lambda rows: rows.slice(1))
    with pytest.raises(OutputError, match=r"stills/part-00000\.parquet do not count the frames of"):
        verify_part(run, 0)


def test_damage_behind_a_whole_footer_is_noticed(run):
    file = Path(run.directory.path("predictions", "model=cnn_model", "part-00000.parquet"))
    data = file.read_bytes()
    file.write_bytes(data[:4] + bytes(60) + data[64:])
    with pytest.raises(OutputError, match=r"part-00000\.parquet is damaged: .* Run the command again"):
        verify_part(run, 0)


@pytest.mark.parametrize(
    "name",
    [
        "videos/part-00001",
        "events/part-00001",
        "stills/other",
        "predictions/other",
        "predictions/model=other/part-00000",
    ],
)
def test_a_file_too_many_is_noticed(run, name):
    file = Path(run.directory.path(*f"{name}.parquet".split("/")))
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(b"")
    with pytest.raises(OutputError, match=r"is not a file of this run: move it away"):
        require_only_parts(run)


@pytest.mark.parametrize(
    "name",
    [
        ".DS_Store",
        "._part",
        ".nfs0001",
        "_temporary/0/x",
        ".ipynb_checkpoints/x.csv",
        ".snapshot/daily/x.parquet",
    ],
)
@pytest.mark.parametrize("folder", ["predictions", "predictions/model=cnn_model", "videos"])
def test_hidden_files_that_no_reader_opens_are_passed_over(run, folder, name):
    storage.write(run.directory.path(folder, name), b"x")
    require_only_parts(run)
    rows = run.frames * len(run.models)
    tables = run.directory.path("predictions")
    assert pq.read_table(tables).num_rows == rows
    assert duckdb.execute(f"SELECT count(*) FROM '{tables}/*/*.parquet'").fetchall() == [(rows,)]


@pytest.mark.parametrize(
    "name",
    ["Thumbs.db", "desktop.ini", "._part-00000.parquet", ".x.parquet", "_x.parquet", ".snapshot/x.parquet"],
)
def test_files_that_a_reader_opens_are_noticed(run, name):
    storage.write(run.directory.path("predictions", "model=cnn_model", name), b"x")
    with pytest.raises(
        OutputError, match=rf"{re.escape(name.split('/')[0])} is not a file of this run: move"
    ):
        require_only_parts(run)


@given(st.lists(st.integers(0, 3), max_size=30), st.lists(st.integers(0, 30), max_size=5), st.data())
def test_rows_compare_and_count_alike_however_they_are_batched(videos, cuts, data):
    names = [f"v{video}" for video in sorted(videos)]
    others = data.draw(st.sampled_from([names, names[1:], [*names, "v4"], names[::-1]]))
    whole, pieces = batches(names, []), batches(others, cuts)
    assert verify._same_rows(iter(whole), iter(pieces)) == (names == others)
    counted = [(name, names.count(name)) for name in sorted(set(names))]
    assert verify._runs(iter(batches(names, cuts))) == counted


def batches(names, cuts):
    rows = pa.record_batch({"video_id": pa.array(names, pa.string())})
    ends = [*sorted(min(cut, len(names)) for cut in cuts), len(names)]
    return [rows.slice(start, end - start) for start, end in zip([0, *ends], ends, strict=False)]
