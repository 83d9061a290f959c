"""Facts about `flipbatch.frames.film_index`."""

from __future__ import annotations

import io

import numpy as np
import pytest

from flipbatch.frames.film_index import film_index, index_of
from flipbatch.schema import Status
from flipbatch.storage import ReplacedError
from tests.films import film, sound, trimmed


def of(data):
    return index_of(io.BytesIO(data))


@pytest.mark.parametrize(
    ("codec", "container"),
    [("libx264", "mp4"), ("libx264", "mov"), ("libx264", "mkv"), ("libvpx-vp9", "webm")],
)
def test_every_frame_has_its_time(codec, container):
    index = of(film(20, codec, container, rate=25))
    np.testing.assert_allclose(index.seconds, np.arange(20) / 25, atol=1e-3)
    assert index.key_frames[0]
    assert index.complaint is None


def test_times_may_vary():
    times = [0, 10, 50, 90, 91, 400, 1000]
    np.testing.assert_allclose(of(film(7, times=times)).seconds, np.array(times) / 1000)


def test_hidden_frames_of_vp8_are_not_counted():
    data = film(40, "libvpx", "webm", options={"auto-alt-ref": "1", "lag-in-frames": "16"})
    assert of(data).frames == 40


@pytest.mark.parametrize(
    ("data", "status", "why"),
    [
        (b"", Status.CORRUPT, "the file is empty"),
        (b"no film at all", Status.CORRUPT, "can't be opened as a film"),
        (b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n/etc/hostname\n", Status.CORRUPT, "can't be opened as a film"),
        (sound(), Status.UNSUPPORTED, "the film has no video stream"),
    ],
    ids=["empty", "text", "playlist", "sound"],
)
def test_what_is_no_film_has_no_frames_and_says_why(data, status, why):
    index = of(data)
    assert index.frames == 0
    assert index.missing(0).status is status
    assert why in index.missing(0).error


def test_a_film_that_is_cut_short_says_so():
    data = film(60, container_options={"movflags": "faststart"})
    index = of(data[: len(data) * 2 // 3])
    assert 0 < index.frames < 60
    assert "cut short" in index.missing(index.frames).error


@pytest.mark.parametrize(("codec", "container"), [("libx264", "mkv"), ("libvpx-vp9", "webm")])
def test_a_film_without_a_table_of_frames_that_is_cut_short_says_so(codec, container):
    data = film(60, codec, container)
    assert "cut short: it says 2.0 s" in of(data[: len(data) * 2 // 3]).missing(0).error


@pytest.mark.parametrize("bframes", ["0", "2"])
def test_a_film_that_a_phone_trimmed_is_whole(bframes):
    index = of(trimmed(film(60, options={"bf": bframes}), first=10, milliseconds=1000))
    assert (index.frames, index.complaint) == (30, None)


def test_a_trimmed_film_that_is_cut_short_says_so():
    data = trimmed(film(60, container_options={"movflags": "faststart"}), first=10, milliseconds=1000)
    assert "cut short" in of(data[: len(data) * 2 // 3]).missing(0).error


@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_a_film_of_one_long_frame_is_whole(container):
    index = of(film(1, container=container, rate=1))
    assert (index.frames, index.complaint) == (1, None)


def test_a_film_that_was_replaced_is_read_again(tmp_path):
    path = tmp_path / "a.mp4"
    for frames in (5, 7):
        path.write_bytes(film(frames))
        assert film_index(str(path)).frames == frames


def test_a_number_behind_the_last_frame_is_missing():
    assert of(film(5)).missing(7).error == "the film has 5 frames, numbered from 0: no 7"


def test_an_empty_file_is_no_error_of_the_storage(tmp_path):
    (tmp_path / "a.mp4").touch()
    assert film_index(f"{tmp_path}/a.mp4").missing(0).error == "the file is empty"


def test_another_version_of_a_film_is_refused(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(film(5))
    with pytest.raises(ReplacedError):
        film_index(str(path), "1 bytes")
