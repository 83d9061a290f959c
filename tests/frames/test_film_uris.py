"""Facts about `flipbatch.frames.film_uris`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flipbatch.frames.film_uris import FILM_EXTENSIONS, FilmFrame, film_frame, is_film


@given(st.text(min_size=1), st.sampled_from(sorted(FILM_EXTENSIONS)), st.integers(0, 10**18 - 1))
def test_the_uri_of_a_frame_names_its_film_and_its_number(stem, extension, number):
    frame = FilmFrame(f"{stem}.{extension}", number)
    assert film_frame(frame.uri) == frame


@pytest.mark.parametrize(
    "uri", ["a.mp4", "a.jpg#frame=3", "a.mp4#frame=", "a.mp4#frame=-1", "a.mp4#frame=3.jpg", "#frame=3", ""]
)
def test_other_files_are_no_frames_of_films(uri):
    assert film_frame(uri) is None


def test_the_extension_of_a_film_has_any_case():
    assert is_film("IMG_1.MOV")
    assert film_frame("IMG_1.MOV#frame=2") == FilmFrame("IMG_1.MOV", 2)
    assert not is_film("mp4")
