"""Facts about `flipbatch.frames.pillow_formats`."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from flipbatch.frames.decode import PAD_COLOUR
from flipbatch.schema import Status
from tests.frames.pictures import (
    OTHERS,
    SMALL,
    difference,
    encode,
    pixels,
    png16,
    rejection,
)


def test_16_bits_are_scaled_not_clipped():
    ramp = np.linspace(0, 65535, 120 * 80).reshape(120, 80).astype(np.uint16)
    result = pixels(png16(ramp), SMALL).astype(int)
    assert result.min() <= 1
    assert result.max() >= 254
    assert abs(result.mean() - 127.5) < 1


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparent_pixels_get_the_colour_of_the_bars(mode, kind):
    image = Image.new(mode, (80, 120), "white")
    image.putalpha(Image.fromarray(np.repeat([[0, 255]], 40, axis=1).astype(np.uint8).repeat(120, 0)))
    result = pixels(encode(image, kind, **({"lossless": True} if kind == "WEBP" else {})), SMALL)
    assert (result[:, 25:] == 255).all()
    assert difference(result[:, :15], np.full((60, 15, 3), PAD_COLOUR)) == 0


@pytest.mark.parametrize(("mode", "colour"), [("P", 0), ("1", 0), ("L", 0), ("RGB", (0, 0, 0))])
def test_one_colour_may_be_transparent(mode, colour):
    data = encode(Image.new(mode, (80, 120), colour), "PNG", transparency=colour)
    assert (pixels(data, SMALL) == PAD_COLOUR).all()


@pytest.mark.parametrize("kind", ["WEBP", "PNG", "TIFF"])
def test_an_animation_gives_its_first_picture(kind):
    first, second = Image.new("RGB", (80, 120), "white"), Image.new("RGB", (80, 120))
    data = encode(first, kind, save_all=True, append_images=[second])
    assert (pixels(data, SMALL) >= 254).all()


@pytest.mark.parametrize("kind", OTHERS)
@given(st.floats(0, 1))
@settings(max_examples=40, deadline=None)
def test_a_truncated_file_of_another_format_is_corrupt(kind, share):
    data = OTHERS[kind]
    assert rejection(data[: int((len(data) - 5) * share)]).status is Status.CORRUPT


@given(st.integers(60, len(OTHERS["PNG"]) - 20), st.integers(1, 255))
@settings(max_examples=50, deadline=None)
def test_a_png_is_checked_to_the_bit(at, change):
    data = bytearray(OTHERS["PNG"])
    data[at] ^= change
    assert rejection(bytes(data)).status is Status.CORRUPT


def test_a_webp_may_have_half_as_many_pixels():
    wide = b"RIFF\x1c\0\0\0WEBPVP8L\x10\0\0\0/\xfe\xff\xf4\x15\x88\x88\x08" + bytes(8)
    assert rejection(wide).status is Status.TOO_LARGE
