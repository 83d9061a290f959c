"""Facts about `flipbatch.frames.fitting`."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from flipbatch.frames.fitting import PAD_COLOUR, InputSize, plan_fit
from tests.frames.pictures import (
    INPUT,
    area_average,
    difference,
    encode,
    exif,
    full,
    pixels,
    scene,
)


@pytest.mark.parametrize(
    ("height", "eighths"), [(1920, 1), (1919, 1), (1912, 2), (960, 2), (720, 4), (240, 8), (100, 8)]
)
def test_the_scale_is_the_smallest_that_covers(height, eighths):
    plan = plan_fit(height, height * 9 // 16, 1, InputSize(240, 1000))
    assert plan.eighths == eighths
    assert plan.scaled.height >= min(plan.fitted.height, height)


def test_a_small_frame_is_enlarged():
    data = encode(scene(120, 68), "PNG")
    wanted = Image.fromarray(scene(120, 68)).resize((136, 240), Image.Resampling.BILINEAR)
    assert difference(pixels(data, InputSize(240, 136)), np.asarray(wanted)) < 4


@given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 40), st.integers(1, 40), st.integers(1, 8))
@settings(max_examples=60, deadline=None)
def test_any_shape_fills_any_input(height, width, input_height, input_width, orientation):
    data = encode(scene(70, 70)[:height, :width], exif=exif(orientation))
    pixels(data, InputSize(input_height, input_width))


@pytest.mark.parametrize(
    ("height", "width", "kind"), [(600, 800, "JPEG"), (600, 800, "PNG"), (800, 200, "JPEG")]
)
def test_another_aspect_is_centred_between_grey_bars(height, width, kind):
    result = pixels(encode(np.full((height, width, 3), 255, np.uint8), kind), InputSize(240, 160))
    inside = (result > 250).all(axis=2)
    (rows,), (columns,) = np.nonzero(inside.any(axis=-1)), np.nonzero(inside.any(axis=0))
    assert abs(rows[0] - (239 - rows[-1])) <= 1
    assert abs(columns[0] - (159 - columns[-1])) <= 1
    assert (len(rows) / len(columns)) == pytest.approx(height / width, rel=0.02)
    assert (result[~inside] == PAD_COLOUR).all()


def test_a_long_strip_keeps_at_least_one_pixel():
    assert (pixels(encode(np.full((2, 4000, 3), 255, np.uint8), "PNG")) == 255).any()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_each_orientation_is_turned_as_pillow_turns_it(kind, orientation):
    data = encode(scene(240, 160), kind, exif=exif(orientation))
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    size = InputSize(upright.height // 2, upright.width // 2)
    wanted = area_average(np.asarray(upright), size.height, size.width)
    assert difference(pixels(data, size), wanted) < 2


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_turned_frame_is_scaled_by_its_upright_sides(orientation):
    upright = scene(1920, 1080)
    stored = ImageOps.exif_transpose(Image.open(io.BytesIO(encode(upright, exif=exif(UNDO[orientation])))))
    data = encode(stored, exif=exif(orientation))
    assert difference(pixels(data), area_average(upright, 240, 135)) < 1.5


UNDO = {1: 1, 3: 3, 6: 8, 8: 6}


def test_an_input_has_pixels():
    with pytest.raises(ValueError, match="no pixels"):
        InputSize(0, 5)


@pytest.mark.parametrize(
    ("height", "width", "size"),
    [
        (1280, 720, INPUT),
        (1919, 1077, INPUT),
        (1000, 563, INPUT),
        (1920, 1080, InputSize(224, 126)),
        (1920, 1080, InputSize(320, 180)),
        (1920, 1080, InputSize(720, 405)),
    ],
)
def test_other_scales_are_close_to_the_area_average(height, width, size):
    data = encode(scene(height, width))
    wanted = area_average(full(data), size.height, size.width)
    assert difference(pixels(data, size), wanted) < 4  # sharp letters: plain bilinear resizing is 2 to 3 off


def test_an_eighth_is_the_area_average_of_the_full_picture():
    data = encode(scene(1920, 1080))
    assert difference(pixels(data), area_average(full(data), 240, 135)) < 0.5
