"""Facts about extracting the frames of films."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import simplejpeg

from flipbatch.cli import main
from flipbatch.errors import InputError, OutputError
from flipbatch.extraction.job import ExtractOptions, extract
from flipbatch.extraction.pictures import file_name
from flipbatch.frames.film_rows import Thinning
from flipbatch.frames.manifest import list_frames
from flipbatch.frames.names import Root, parse_frame
from tests.films import film, number_in, picture_of


@pytest.fixture(scope="module")
def films(tmp_path_factory) -> Path:
    """A labelled film, one that was filmed sideways, and a picture."""
    folder = tmp_path_factory.mktemp("films")
    (folder / "training/flip").mkdir(parents=True)
    (folder / "training/flip/book.mp4").write_bytes(film(20))
    stored = [np.ascontiguousarray(np.rot90(picture_of(number, 128, 96), -1)) for number in range(3)]
    (folder / "side.mov").write_bytes(film(pictures=stored, container="mov", rotation=90))
    (folder / "still_7.jpg").write_bytes(simplejpeg.encode_jpeg(picture_of(9)))
    return folder


def options(films, out, **more):
    return ExtractOptions(str(out), str(films), **{"thinning": Thinning(every=2), **more})


def files(out):
    return sorted(str(path.relative_to(out)) for path in out.rglob("*.jpg"))


def test_frames_become_files_that_are_listed_as_they_were(films, tmp_path):
    done = extract(options(films, tmp_path))
    assert (done.frames, done.written, done.failures) == (13, 13, [])
    assert files(tmp_path)[:2] == ["side_000000000.jpg", "side_000000002.jpg"]
    frames = list_frames(str(tmp_path)).frames.to_pandas()
    book = frames[frames["video_id"] == "flip/book"]
    assert book["frame_number"].tolist() == list(range(0, 20, 2))
    assert set(book["label"]) == {"flip"}
    assert set(book["split"]) == {"train"}


def test_each_file_shows_its_frame_upright_and_images_are_copied(films, tmp_path):
    extract(options(films, tmp_path))
    for path in (tmp_path / "train/flip").glob("*.jpg"):
        assert number_in(simplejpeg.decode_jpeg(path.read_bytes())) == int(path.stem[-9:])
    side = simplejpeg.decode_jpeg((tmp_path / "side_000000002.jpg").read_bytes())
    assert side.shape == (128, 96, 3)
    assert number_in(side) == 2
    copied = tmp_path / "still_000000007.jpg"
    assert copied.read_bytes() == (films / "still_7.jpg").read_bytes()


def test_files_that_are_there_stay_and_only_missing_ones_are_written(films, tmp_path):
    extract(options(films, tmp_path))
    names = files(tmp_path)
    (tmp_path / names[0]).unlink()
    (tmp_path / names[1]).write_bytes(b"mine")
    assert extract(options(films, tmp_path, processes=2)).written == 1
    assert files(tmp_path) == names
    assert (tmp_path / names[1]).read_bytes() == b"mine"


def test_another_extraction_in_the_same_place_is_refused(films, tmp_path):
    extract(options(films, tmp_path))
    with pytest.raises(OutputError, match="every was 2 and is now 3"):
        extract(options(films, tmp_path, thinning=Thinning(every=3)))


def test_a_table_that_has_changed_is_refused(films, tmp_path):
    table = tmp_path / "m.csv"
    table.write_text(f"uri\n{films}/side.mov#frame=0\n")
    extract(ExtractOptions(f"{tmp_path}/out", manifest=str(table)))
    table.write_text(f"uri\n{films}/side.mov#frame=1\n")
    with pytest.raises(OutputError, match="manifest_digest was"):
        extract(ExtractOptions(f"{tmp_path}/out", manifest=str(table)))


def test_a_submitted_job_refuses_a_relative_output(films, monkeypatch, capsys):
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", '{"runtime_env": {"working_dir": "gcs://a.zip"}}')
    assert main(["extract", "--frames", str(films), "--out", "out"]) == 1
    assert "--out" in capsys.readouterr().err


def test_what_can_not_be_decoded_is_listed_and_sets_the_exit_code(tmp_path, capsys):
    (tmp_path / "films").mkdir()
    (tmp_path / "films/a.mp4").write_bytes(b"no film")
    out = tmp_path / "out"
    assert main(["extract", "--frames", f"{tmp_path}/films", "--out", str(out), "--processes", "1"]) == 3
    assert "0 of 1 frame written, 0 were there, 1 failed" in capsys.readouterr().out
    (failure,) = pq.read_table(out / ".flipbatch/failures.parquet").to_pylist()
    assert failure["status"] == "corrupt"


@pytest.mark.parametrize(
    ("video_id", "label", "split", "expected"),
    [
        ("a", None, None, "a_000000012.jpg"),
        ("flip/a", "flip", "val", "val/flip/a_000000012.jpg"),
        ("a", "notflip", None, "notflip/a_000000012.jpg"),
        ("flip/desk/a", "notflip", "test", "test/flip/desk/notflip/a_000000012.jpg"),
        ("train/a", "flip", "val", "flip/train/val/a_000000012.jpg"),
    ],
)
def test_label_and_split_are_folders(video_id, label, split, expected):
    row = {"video_id": video_id, "frame_number": 12, "label": label, "split": split, "uri": "/x.mp4#frame=12"}
    assert file_name(row) == expected
    again = parse_frame(expected, Root())
    assert not isinstance(again, str)
    assert (again.label, again.split, again.frame_number) == (label or again.label, split, 12)


def test_two_films_of_one_name_are_refused_before_a_file_is_written(tmp_path):
    (tmp_path / "films").mkdir()
    for name in ("a.mp4", "a.mov"):
        (tmp_path / "films" / name).write_bytes(film(3))
    with pytest.raises(InputError, match=r"a.mov#frame=0 and .*a.mp4#frame=0 would both be the file a_0"):
        extract(ExtractOptions(f"{tmp_path}/out", f"{tmp_path}/films"))
    (tmp_path / "films/a.mov").rename(tmp_path / "films/b.mov")
    assert extract(ExtractOptions(f"{tmp_path}/out", f"{tmp_path}/films")).written == 6


def test_two_videos_that_would_have_the_same_files_are_refused(films, tmp_path):
    film = f"{films}/side.mov#frame="
    (tmp_path / "table.csv").write_text(f"uri,video_id,label\n{film}0,b,flip\n{film}1,flip/b,flip\n")
    with pytest.raises(InputError, match=r"The videos 'b' and 'flip/b' would both have the files flip/b_\*"):
        extract(ExtractOptions(f"{tmp_path}/out", manifest=f"{tmp_path}/table.csv"))


def test_what_is_passed_over_is_said(films, tmp_path, caplog):
    (tmp_path / "films").mkdir()
    (tmp_path / "films/a.mp4").write_bytes(film(1))
    (tmp_path / "films/notes.txt").touch()
    extract(ExtractOptions(f"{tmp_path}/out", f"{tmp_path}/films"))
    assert "notes.txt" in caplog.text


@pytest.mark.parametrize("video_id", ["../a", "/a", "a//b", "a/../b", "a\\b"])
def test_a_video_id_that_leads_elsewhere_is_refused(video_id):
    row = {"video_id": video_id, "frame_number": 1, "label": None, "split": None, "uri": "/x.mp4#frame=1"}
    with pytest.raises(InputError, match="can't be the name of a file"):
        file_name(row)
