"""Facts about frames of films among the frames that `flipbatch.frames.load` loads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import boto3
import numpy as np
import pytest
import simplejpeg

from flipbatch.frames.decode import InputSize
from flipbatch.frames.film_uris import FilmFrame
from flipbatch.frames.isolation import decode_inline, isolated, time_limited
from flipbatch.frames.load import load_frames, start_reading
from flipbatch.schema import Status
from tests.films import film, number_in, picture_of, sound

SIZE = InputSize(48, 64)


@pytest.fixture
def path(tmp_path):
    (tmp_path / "a.mp4").write_bytes(film(30))
    return f"{tmp_path}/a.mp4"


def test_images_and_frames_of_films_are_loaded_in_one_order(tmp_path, path):
    image = tmp_path / "b_1.jpg"
    image.write_bytes(simplejpeg.encode_jpeg(picture_of(99)))
    loaded = load_frames([f"{path}#frame=4", str(image), f"{path}#frame=2"], [SIZE])[SIZE]
    assert [number_in(pixels) for pixels in loaded.pixels] == [4, 99, 2]
    assert loaded.ok.all()


def test_two_sizes_of_a_frame_are_of_one_frame(path):
    other = InputSize(24, 32)
    loaded = load_frames([f"{path}#frame={number}" for number in range(30)], [SIZE, other])
    for size in (SIZE, other):
        assert [number_in(pixels) for pixels in loaded[size].pixels] == list(range(30))


def test_a_frame_that_the_film_does_not_have_says_so(path):
    loaded = load_frames([f"{path}#frame=30"], [SIZE])[SIZE]
    assert loaded.status == [Status.CORRUPT]
    assert loaded.error == ["the film has 30 frames, numbered from 0: no 30"]


def test_a_film_that_is_gone_is_missing(tmp_path):
    loaded = load_frames([f"{tmp_path}/none.mp4#frame=0"], [SIZE])[SIZE]
    assert loaded.status == [Status.MISSING]


def test_a_film_that_was_replaced_is_unreadable(path):
    loaded = load_frames([path], [SIZE], start_reading([f"{path}#frame=0"], ["7 bytes"], [0.0]))[SIZE]
    assert loaded.status == [Status.UNREADABLE]
    assert "replaced after it was listed" in str(loaded.error[0])


def test_a_film_that_was_replaced_between_two_calls_is_opened_again(tmp_path, path):
    first = load_frames([f"{path}#frame=1"], [SIZE])[SIZE]
    (tmp_path / "a.mp4").write_bytes(film(pictures=[picture_of(50 + number) for number in range(3)]))
    second = load_frames([f"{path}#frame=1", f"{path}#frame=3"], [SIZE])[SIZE]
    assert [number_in(loaded.pixels[0]) for loaded in (first, second)] == [1, 51]
    assert second.error[1] == "the film has 3 frames, numbered from 0: no 3"


def test_a_film_on_s3_that_was_replaced_between_two_calls_is_opened_again(s3_server):
    client = boto3.client("s3", endpoint_url=s3_server)
    client.create_bucket(Bucket="replaced-film")
    for first in (0, 100):
        pictures = [picture_of(first + number) for number in range(3)]
        client.put_object(Bucket="replaced-film", Key="a.mp4", Body=film(pictures=pictures))
        loaded = load_frames(["s3://replaced-film/a.mp4#frame=2"], [SIZE])[SIZE]
        assert (number_in(loaded.pixels[0]), loaded.error) == (first + 2, [None])


def test_several_threads_may_read_films(tmp_path, path):
    (tmp_path / "b.mp4").write_bytes(film(pictures=[picture_of(100 + number) for number in range(30)]))

    def numbers(name):
        loaded = load_frames([f"{tmp_path}/{name}.mp4#frame={number}" for number in range(30)], [SIZE])
        return [number_in(pixels) for pixels in loaded[SIZE].pixels]

    with ThreadPoolExecutor(4) as pool:
        a, b = list(pool.map(numbers, "ab" * 4))[:2]
    assert (a, b) == (list(range(30)), list(range(100, 130)))


def test_a_film_without_pictures_says_so(tmp_path):
    (tmp_path / "s.mov").write_bytes(sound())
    loaded = load_frames([f"{tmp_path}/s.mov#frame=0"], [SIZE])[SIZE]
    assert (loaded.status, loaded.error) == ([Status.UNSUPPORTED], ["the film has no video stream"])


@pytest.mark.parametrize("isolation", [isolated, time_limited])
def test_films_are_decoded_in_isolation_with_the_same_pixels(path, isolation):
    one, other = (np.empty((SIZE.height, SIZE.width, 3), np.uint8) for _ in range(2))
    with isolation() as decoder:
        for number in (3, 4, 29):
            assert decoder(FilmFrame(path, number), SIZE, one) is None
            assert decode_inline(FilmFrame(path, number), SIZE, other) is None
            np.testing.assert_array_equal(one, other)
