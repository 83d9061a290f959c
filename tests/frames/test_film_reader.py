"""Facts about `flipbatch.frames.film_reader`."""

from __future__ import annotations

import io
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flipbatch.frames.film_container import open_film
from flipbatch.frames.film_index import index_of
from flipbatch.frames.film_pixels import rgb_pixels
from flipbatch.frames.film_reader import FilmReader
from flipbatch.frames.rejection import RejectedError
from tests.films import film, number_in, picture_of, two_streams, without_start

OPEN_GOP = {"x264-params": "open-gop=1:bframes=3"}
FILMS = {
    "h264": film(),
    "h264 open": film(container="mov", options=OPEN_GOP),
    "h265": film(codec="libx265", options={"x265-params": "log-level=none:open-gop=1:bframes=4"}),
    "vp9": film(codec="libvpx-vp9", container="webm"),
    "vp8": film(codec="libvpx", container="webm", options={"auto-alt-ref": "1", "lag-in-frames": "16"}),
    "one key frame": film(key_every=1000, options={"x264-params": "scenecut=0"}),
}


@contextmanager
def reading(data):
    seconds = index_of(io.BytesIO(data)).seconds
    with open_film(io.BytesIO(data)) as opened:
        reader = FilmReader(*opened)
        yield lambda number: number_in(rgb_pixels(reader.picture(float(seconds[number]))))


@pytest.mark.parametrize("name", FILMS)
def test_the_frames_come_in_their_order(name):
    with reading(FILMS[name]) as number_at:
        assert [number_at(number) for number in range(40)] == list(range(40))


@given(st.sampled_from(sorted(FILMS)), st.lists(st.integers(0, 39), max_size=6))
@settings(max_examples=40, deadline=None)
def test_any_frame_is_found_wherever_the_reader_is(name, numbers):
    with reading(FILMS[name]) as number_at:
        assert [number_at(number) for number in numbers] == numbers


def test_a_frame_far_behind_is_found_by_its_key_frame():
    data = film(times=[1000 * number for number in range(40)])
    with reading(data) as number_at:
        assert [number_at(number) for number in (0, 1, 30, 31, 39, 5)] == [0, 1, 30, 31, 39, 5]


@pytest.mark.parametrize("container", ["mov", "matroska"])
def test_a_film_that_starts_without_a_key_frame_is_read_from_its_first_one(container):
    data = without_start(film(40, container="mov"), 3, container)
    for start in range(5, 37):  # those before build on packets that are not there
        with reading(data) as number_at:
            assert [number_at(number) for number in range(start, 37)] == list(range(start + 3, 40))


@pytest.mark.parametrize("container", ["mp4", "matroska"])
def test_of_several_video_streams_the_default_one_is_read(container):
    small = film(pictures=[picture_of(200, 48, 64)] * 3)
    with reading(two_streams(small, film(12), container)) as number_at:
        assert [number_at(number) for number in range(12)] == list(range(12))


def noisy(frames):
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 25, (frames, 96, 128, 3))
    return [np.clip(picture_of(n) + noise[n], 0, 255).astype(np.uint8) for n in range(frames)]


def number_or_reason(number_at, number):
    try:
        return number_at(number)
    except RejectedError as error:
        return error.rejection.error


def test_damage_rejects_the_frames_up_to_the_next_key_frame_and_no_other():
    data = bytearray(film(60, key_every=20, pictures=noisy(60), options={"x264-params": "scenecut=0"}))
    middle = len(data) * 2 // 5
    data[middle : middle + 64] = b"\xff" * 64
    with reading(bytes(data)) as number_at:
        found = [number_or_reason(number_at, number) for number in range(60)]
    wrong = [number for number in range(60) if found[number] != number]
    assert wrong
    assert all("the film is damaged here" in str(found[number]) for number in wrong)
    assert min(wrong) >= 20
    assert max(wrong) < 40


def test_a_time_between_two_frames_is_no_frame():
    with open_film(io.BytesIO(FILMS["h264"])) as opened, pytest.raises(RejectedError):
        FilmReader(*opened).picture(0.05)


@given(
    st.sampled_from(sorted(FILMS)),
    st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=8)),
        min_size=1,
        max_size=8,
    ),
)
@settings(max_examples=60, deadline=None)
def test_a_film_with_any_bytes_replaced_gives_frames_or_reasons(name, changes):
    data = bytearray(FILMS[name])
    for place, new in changes:
        start = int(place * len(data))
        data[start : start + len(new)] = new
    index = index_of(io.BytesIO(bytes(data)))
    assert 0 <= index.frames <= 80
    try:
        with reading(bytes(data)) as number_at:
            found = [number_or_reason(number_at, number) for number in range(index.frames)]
    except RejectedError as error:
        found = [error.rejection.error]
    assert all(isinstance(one, int | str) for one in found)
