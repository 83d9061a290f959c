"""Facts about `flipbatch.frames.film_pixels`."""

from __future__ import annotations

import io

import av
import numpy as np
import pytest

from flipbatch.frames.film_pixels import fit_frame, orientation, rgb_pixels
from flipbatch.frames.fitting import InputSize, fit_pixels, upright
from flipbatch.frames.rejection import RejectedError
from tests.films import film, mirrored, number_in, picture_of


def first_frame(data):
    with av.open(io.BytesIO(data), "r") as container:
        return next(container.decode(video=0))


def frame_of(pixels, pixel_format="yuv444p", colorspace=1, full=True):
    """A frame that holds given colours, by FFmpeg's own conversion."""
    rgb = av.VideoFrame.from_ndarray(pixels, format="rgb24")
    span = "JPEG" if full else "MPEG"
    frame = rgb.reformat(format=pixel_format, dst_colorspace=colorspace, dst_color_range=span)
    frame.colorspace, frame.color_range = colorspace, 2 if full else 1
    return frame


COLOURS = np.repeat(np.repeat(np.random.default_rng(3).integers(0, 256, (6, 8, 3), np.uint8), 16, 0), 16, 1)


@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("colorspace", [1, 5, 6])
def test_colours_are_those_of_the_film(colorspace, full):
    found = rgb_pixels(frame_of(COLOURS, "yuv420p", colorspace, full))
    assert np.abs(found[8::16, 8::16].astype(int) - COLOURS[8::16, 8::16]).max() <= 6


@pytest.mark.parametrize("eighths", [1, 2, 4, 8])
def test_a_scaled_frame_is_the_mean_of_blocks(eighths):
    down, across = np.mgrid[60:180:96j, 60:180:128j]
    smooth = np.stack([down, across, 200 - down / 2], axis=2).astype(np.uint8)
    frame, block = frame_of(smooth, "yuv420p"), 8 // eighths
    whole = rgb_pixels(frame).astype(float)
    means = whole.reshape(96 // block, block, 128 // block, block, 3).mean(axis=(1, 3))
    assert np.abs(rgb_pixels(frame, eighths) - means).max() <= 4


@pytest.mark.parametrize(("height", "width"), [(98, 130), (50, 34), (2, 2)])
def test_sizes_need_not_be_multiples_of_the_block(height, width):
    frame = frame_of(np.full((height, width, 3), 90, np.uint8), "yuv420p")
    pixels = rgb_pixels(frame, 1)
    assert pixels.shape == (-(-height // 8), -(-width // 8), 3)
    assert np.abs(pixels.astype(int) - 90).max() <= 2


@pytest.mark.parametrize("pixel_format", ["yuv422p", "yuv444p", "yuv420p10le", "nv12", "gray", "rgb24"])
def test_other_layouts_of_samples_are_converted(pixel_format):
    frame = av.VideoFrame.from_ndarray(picture_of(77), format="rgb24").reformat(format=pixel_format)
    assert number_in(rgb_pixels(frame, 4)) == 77


@pytest.mark.parametrize(("rotation", "expected"), [(0, 1), (90, 8), (180, 3), (270, 6), (-90, 6)])
def test_rotation_in_the_metadata_is_obeyed(rotation, expected):
    upright = picture_of(77, 128, 96)
    stored = np.rot90(upright, -rotation // 90)
    frame = first_frame(film(pictures=[np.ascontiguousarray(stored)] * 3, rotation=rotation))
    assert orientation(frame) == expected
    canvas = np.empty((64, 48, 3), np.uint8)
    fit_frame(canvas, frame, InputSize(64, 48))
    assert np.abs(canvas.astype(int) - fit_pixels(upright, InputSize(64, 48))).mean() < 6


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        ((-1, 0, 0, 1), 2),
        ((1, 0, 0, -1), 4),
        ((0, 1, 1, 0), 5),
        ((0, -1, -1, 0), 7),
        ((0, 1, -1, 0), 6),
        ((0.97, 0.23, -0.23, 0.97), 1),
        ((0, 0, 0, 0), 1),
    ],
)
def test_a_mirrored_film_is_shown_as_players_show_it(matrix, expected):
    assert orientation(first_frame(mirrored(film(3), matrix))) == expected


def test_a_film_of_a_front_camera_is_mirrored_and_not_turned():
    pictures = [np.ascontiguousarray(picture_of(77)[:, ::-1])] * 3
    frame = first_frame(mirrored(film(pictures=pictures), (-1, 0, 0, 1)))
    assert number_in(upright(rgb_pixels(frame), orientation(frame))) == 77


def test_a_frame_of_too_many_pixels_is_rejected(monkeypatch):
    monkeypatch.setattr("flipbatch.frames.rejection.check_pixels.__defaults__", (1000,))
    with pytest.raises(RejectedError, match="at most 1,000"):
        fit_frame(np.empty((4, 4, 3), np.uint8), frame_of(COLOURS), InputSize(4, 4))
