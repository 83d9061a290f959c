"""Facts about `flipbatch.frames.film_rows`: films in a listing and in a table."""

from __future__ import annotations

from unittest.mock import Mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flipbatch.errors import InputError
from flipbatch.frames.film_index import index_of
from flipbatch.frames.film_rows import Thinning
from flipbatch.frames.manifest import Notes, list_frames, manifest_rows, read_manifest
from tests.films import film, sound


def put(folder, **films):
    for name, data in films.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".mp4").write_bytes(data)


def test_a_film_is_a_video_with_one_row_per_frame(tmp_path):
    put(tmp_path, training__flip__book=film(5))
    frames = list_frames(str(tmp_path)).frames
    assert frames["frame_number"].to_pylist() == [0, 1, 2, 3, 4]
    assert set(frames["video_id"].to_pylist()) == {"flip/book"}
    assert frames["uri"][3].as_py() == f"{tmp_path}/training/flip/book.mp4#frame=3"
    assert (frames["label"][0].as_py(), frames["split"][0].as_py()) == ("flip", "train")
    np.testing.assert_allclose(frames["seconds"].to_numpy(), np.arange(5) / 30)
    assert frames["key_frame"][0].as_py() is True


def test_films_and_images_stand_side_by_side(tmp_path):
    put(tmp_path, b=film(2))
    (tmp_path / "a_7.jpg").write_bytes(b"")
    frames = list_frames(str(tmp_path)).frames
    assert frames["video_id"].to_pylist() == ["a", "b", "b"]
    assert frames["seconds"].null_count == frames["key_frame"].null_count == 1


@pytest.mark.parametrize("data", [b"no film", sound()], ids=["text", "sound"])
def test_what_is_no_film_is_one_row_without_a_time(tmp_path, data):
    put(tmp_path, a=data)
    (row,) = list_frames(str(tmp_path)).frames.to_pylist()
    assert (row["frame_number"], row["seconds"], row["key_frame"]) == (0, None, None)


def test_a_film_that_is_cut_short_has_a_row_more(tmp_path):
    data = film(60, container_options={"movflags": "faststart"})
    put(tmp_path, a=data[: len(data) * 2 // 3])
    seconds = list_frames(str(tmp_path)).frames["seconds"].to_pylist()
    assert 1 < len(seconds) < 60
    assert seconds.count(None) == 1
    assert seconds[-1] is None


def test_a_table_may_name_frames_of_films_or_whole_films(tmp_path):
    put(tmp_path, a=film(3), b=film(2))
    table = tmp_path / "m.csv"
    table.write_text(
        "uri,label,group\na.mp4#frame=2,flip,desk\na.mp4#frame=9,notflip,desk\nb.mp4,notflip,desk\n"
    )
    frames = read_manifest(str(table)).frames
    keys = zip(*(frames[name].to_pylist() for name in ("video_id", "frame_number", "label")), strict=True)
    assert list(keys) == [("a", 2, "flip"), ("a", 9, "notflip"), ("b", 0, "notflip"), ("b", 1, "notflip")]
    assert frames["seconds"].to_pylist() == pytest.approx([2 / 30, None, 0, 1 / 30])
    assert set(frames["group"].to_pylist()) == {"desk"}


def test_a_film_that_a_table_names_and_that_is_not_there_is_a_row(tmp_path):
    put(tmp_path, a=film(1))
    (tmp_path / "m.csv").write_text("uri\na.mp4\nnone.mp4\n")
    frames = read_manifest(f"{tmp_path}/m.csv").frames
    assert frames["uri"].to_pylist() == [f"{tmp_path}/a.mp4#frame=0", f"{tmp_path}/none.mp4#frame=0"]


def test_a_table_in_any_order_reads_each_film_once(tmp_path, monkeypatch):
    monkeypatch.setattr("flipbatch.frames.film_index.index_of", read := Mock(wraps=index_of))
    put(tmp_path, **{f"v{number}": film(3) for number in range(70)})
    rows = [f"v{video}.mp4#frame={frame}\n" for frame in range(3) for video in range(70)]
    (tmp_path / "m.csv").write_text("uri\n" + "".join(rows))
    frames = read_manifest(f"{tmp_path}/m.csv").frames
    assert frames["seconds"].to_pylist() == pytest.approx([0, 1 / 30, 2 / 30] * 70)
    assert read.call_count == 70


def rows_of(folder, thinning):
    batches = manifest_rows(str(folder), None, Notes(), thinning)
    return [number for rows in batches for number in rows.frames["frame_number"].to_pylist()]


def test_films_are_thinned_out_and_images_are_not(tmp_path):
    put(tmp_path, a=film(10))
    (tmp_path / "b_7.jpg").write_bytes(b"")
    assert sorted(rows_of(tmp_path, Thinning(every=4))) == [0, 4, 7, 8]
    assert sorted(rows_of(tmp_path, Thinning(per_second=10))) == [0, 3, 6, 7, 9]


times = st.lists(st.integers(1, 3000), max_size=50).map(lambda gaps: np.cumsum(gaps) / 1000)


@given(times, st.floats(0.1, 100))
def test_the_first_frame_of_each_interval_is_chosen(seconds, per_second):
    chosen = Thinning(per_second=per_second).chosen(seconds)
    rounding = min(0.001 * per_second, 0.25) + 1e-6
    intervals = np.floor((seconds - seconds[:1]) * per_second + rounding)
    _, first = np.unique(intervals, return_index=True)
    assert chosen.tolist() == first.tolist()


@pytest.mark.parametrize("rate", [24, 25, 30, 48, 50, 60, 120])
@pytest.mark.parametrize("step", [1, 2, 3])
def test_times_in_whole_milliseconds_are_thinned_out_as_exact_ones(rate, step):
    seconds = np.round(np.arange(600) / rate, 3)
    assert Thinning(per_second=rate / step).chosen(seconds).tolist() == list(range(0, 600, step))


def test_two_ways_of_thinning_out_are_refused():
    with pytest.raises(InputError, match="give one of them"):
        Thinning(2, 3.0)


def test_many_films_keep_their_order(tmp_path):
    put(tmp_path, **{f"v{number:02d}": film(2) for number in range(20)})
    frames = list_frames(str(tmp_path)).frames
    assert frames["video_id"].to_pylist() == [f"v{number:02d}" for number in range(20) for _ in range(2)]
