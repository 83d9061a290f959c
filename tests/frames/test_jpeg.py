"""Facts about `flipbatch.frames.jpeg`."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from flipbatch.frames import jpeg as module
from flipbatch.frames.jpeg_segments import segments
from flipbatch.schema import Status
from tests.frames.pictures import (
    EOI,
    FRAME,
    SMALL,
    difference,
    encode,
    exif,
    pixels,
    rejection,
    scene,
)


def test_a_scale_that_gives_the_input_size_is_neither_resized_nor_copied(monkeypatch):
    monkeypatch.setattr(module, "place", lambda *_: pytest.fail("resized or copied"))
    pixels(encode(scene(1920, 1080)))


def test_exif_is_read_in_both_byte_orders_and_behind_other_segments():
    data = encode(scene(240, 160), exif=exif(6, ">"), comment=b"a comment")
    app0 = b"\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
    assert module._orientation(data) == 6
    assert module._orientation(data[:2] + app0 + b"\xff\xff" + data[2:]) == 6


@given(st.binary(max_size=80))
@settings(max_examples=100, deadline=None)
def test_broken_exif_does_not_spoil_the_picture(noise):
    plain = encode(scene(60, 40))
    exif_segment = b"\xff\xe1" + struct.pack(">H", len(noise) + 12) + b"Exif\0\0II*\0" + noise
    pixels(plain[:2] + exif_segment + plain[2:], SMALL)


def test_a_multi_picture_jpeg_gives_its_first():
    first, second = Image.fromarray(scene(240, 160)), Image.new("RGB", (240, 160))
    data = encode(first, "MPO", save_all=True, append_images=[second], quality=90)
    assert difference(pixels(data), pixels(encode(first))) < 1


INSIDE = st.floats(0.1, 0.9)


@given(st.integers(0, len(FRAME) - 3))
@settings(max_examples=150, deadline=None)
def test_a_truncated_jpeg_is_corrupt_wherever_it_ends(end):
    assert rejection(FRAME[:end]).status is Status.CORRUPT


@given(INSIDE)
@settings(max_examples=50, deadline=None)
def test_a_truncated_jpeg_with_an_end_marker_is_corrupt(share):
    assert rejection(FRAME[: int(len(FRAME) * share)] + EOI).status is Status.CORRUPT


@given(INSIDE)
@settings(max_examples=50, deadline=None)
def test_a_jpeg_with_an_early_end_marker_is_corrupt(share):
    at = int(len(FRAME) * share)
    assert rejection(FRAME[:at] + EOI + FRAME[at + 2 :]).status is Status.CORRUPT


@given(INSIDE)
@settings(max_examples=50, deadline=None)
def test_a_jpeg_with_zeros_inside_is_corrupt(share):
    at = int((len(FRAME) - 4096) * share)
    assert rejection(FRAME[:at] + bytes(4096) + FRAME[at + 4096 :]).status is Status.CORRUPT


def test_a_sector_of_zeros_is_a_hole_wherever_it_is():
    starts = range(700, len(FRAME) - 600, 512)
    assert all(module._has_hole(FRAME[:at] + bytes(512) + FRAME[at + 512 :]) for at in starts)


@pytest.mark.parametrize("options", [{}, {"optimize": True}, {"progressive": True}, {"subsampling": 0}])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_blank_picture_has_no_hole(options, mode):
    pixels(encode(Image.new(mode, (2000, 3000)), **options))


def test_zeros_outside_the_picture_are_not_a_hole():
    segment = b"\xff\xe2" + struct.pack(">H", 5002) + bytes(5000)
    pixels(FRAME[:2] + segment + FRAME[2:] + bytes(5000))


@pytest.mark.parametrize(
    "options", [{"progressive": True}, {"restart_marker_blocks": 20}], ids=["progressive", "restarts"]
)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_truncated_progressive_jpegs_and_restarts_are_corrupt(options, share):
    data = encode(scene(640, 360), **options)
    end = int(len(data) * share)
    assert rejection(data[:end]).status is Status.CORRUPT
    assert rejection(data[:end] + EOI).status is Status.CORRUPT


def test_a_damaged_cmyk_jpeg_is_corrupt():
    data = encode(Image.fromarray(scene(640, 360)).convert("CMYK"))
    assert rejection(data[: len(data) // 2] + EOI).status is Status.CORRUPT


def tiny_jpeg(marker: int, scans: int, components: int = 1) -> bytes:
    """A JPEG with one table and a number of empty scans of one component each."""
    frame = struct.pack(">HBHHB", 8 + 3 * components, 8, 64, 64, components)
    frame += b"".join(bytes([one + 1, 0x11, 0]) for one in range(components))
    scan = b"\xff\xda\0\x08\1\1\0\0\0\0"
    return (
        b"\xff\xd8\xff\xdb\0\x43\0"
        + b"\1" * 64
        + b"\xff"
        + bytes([marker])
        + frame
        + scan * scans
        + b"\xff\xd9"
    )


@pytest.mark.parametrize("marker", [0xC9, 0xCA])
def test_arithmetic_coding_is_unsupported(marker):
    refused = rejection(tiny_jpeg(marker, scans=1))
    assert (refused.status, refused.error) == (Status.UNSUPPORTED, "an arithmetic-coded JPEG")


@pytest.mark.parametrize(("marker", "components"), [(0xC2, 1), (0xC0, 3)])
def test_a_jpeg_of_too_many_scans_is_unsupported(marker, components):
    refused = rejection(tiny_jpeg(marker, 501, components))
    assert (refused.status, refused.error) == (Status.UNSUPPORTED, "a JPEG of more than 500 scans")


def test_a_jpeg_of_too_many_segments_is_unsupported():
    refused = rejection(FRAME[:2] + b"\xff\xfe\0\2" * 1000 + FRAME[2:])
    assert (refused.status, refused.error) == (Status.UNSUPPORTED, "a JPEG of more than 1000 segments")


def test_fill_bytes_in_a_header_are_skipped_at_once():
    filled = FRAME[:2] + b"\xff" * 1000 + FRAME[2:]
    assert np.array_equal(pixels(filled), pixels(FRAME))
    assert [one[:2] for one in segments(filled)] == [one[:2] for one in segments(FRAME)]
