"""Facts about `flipbatch.frames.decode`: every format in, pixels or a rejection out."""

from __future__ import annotations

import resource
import struct
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from flipbatch.frames import decode as module
from flipbatch.frames.decode import DECODER_FAULT, Rejection, decode
from flipbatch.schema import Status
from tests.frames.pictures import (
    COLOUR,
    EOI,
    FRAME,
    INPUT,
    OTHERS,
    SMALL,
    area_average,
    difference,
    encode,
    grey,
    pixels,
    png,
    png16,
    rejection,
    scene,
    smooth,
)


def test_a_frame_looks_alike_as_jpeg_and_as_png():
    jpeg = encode(scene(1280, 720), quality=98)
    assert difference(pixels(jpeg), pixels(encode(scene(1280, 720), "PNG"))) < 1


def ycck_jpeg(cmyk: np.ndarray) -> bytes:
    """As Photoshop writes it: inverted, luminance and chroma of the first three, marked as transform 2."""
    ycc = np.asarray(Image.fromarray(cmyk[..., :3]).convert("YCbCr"))
    stored = np.concatenate([255 - ycc, cmyk[..., 3:]], axis=2)
    data = bytearray(encode(Image.fromarray(stored, "CMYK"), quality=95, subsampling=0))
    data[data.index(b"Adobe") + 11] = 2
    return bytes(data)


def truth(image: Image.Image) -> np.ndarray:
    return area_average(np.asarray(image.convert("RGB")), 60, 40)


@pytest.mark.parametrize(
    ("data", "wanted", "levels"),
    [
        pytest.param(encode(COLOUR), truth(COLOUR), 2, id="jpeg"),
        pytest.param(encode(COLOUR, progressive=True), truth(COLOUR), 2, id="progressive jpeg"),
        pytest.param(encode(COLOUR, restart_marker_blocks=2), truth(COLOUR), 2, id="jpeg with restarts"),
        pytest.param(encode(COLOUR, keep_rgb=True), truth(COLOUR), 2, id="rgb jpeg"),
        pytest.param(encode(COLOUR, subsampling="4:2:2"), truth(COLOUR), 2, id="jpeg 4:2:2"),
        pytest.param(encode(grey()), truth(grey()), 2, id="grey jpeg"),
        pytest.param(encode(COLOUR.convert("CMYK")), truth(COLOUR), 3, id="cmyk jpeg"),
        pytest.param(ycck_jpeg(np.asarray(COLOUR.convert("CMYK"))), truth(COLOUR), 3, id="ycck jpeg"),
        pytest.param(encode(COLOUR, "PNG"), truth(COLOUR), 1, id="png"),
        pytest.param(encode(grey(), "PNG"), truth(grey()), 1, id="grey png"),
        pytest.param(encode(COLOUR.quantize(256), "PNG"), truth(COLOUR), 6, id="palette png"),
        pytest.param(encode(grey().convert("1"), "PNG"), truth(grey().convert("1")), 1, id="1-bit png"),
        pytest.param(png16(smooth().astype(np.uint16) * 257), truth(COLOUR), 1, id="16-bit rgb png"),
        pytest.param(png16(np.asarray(grey(), np.uint16) * 257), truth(grey()), 1, id="16-bit grey png"),
        pytest.param(encode(COLOUR, "WEBP"), truth(COLOUR), 3, id="webp"),
        pytest.param(encode(COLOUR, "WEBP", lossless=True), truth(COLOUR), 1, id="lossless webp"),
        pytest.param(encode(COLOUR, "BMP"), truth(COLOUR), 1, id="bmp"),
        pytest.param(encode(COLOUR.quantize(256), "BMP"), truth(COLOUR), 6, id="palette bmp"),
        pytest.param(encode(COLOUR, "TIFF"), truth(COLOUR), 1, id="tiff"),
        pytest.param(encode(COLOUR, "TIFF", compression="tiff_lzw"), truth(COLOUR), 1, id="lzw tiff"),
        pytest.param(encode(COLOUR.convert("CMYK"), "TIFF"), truth(COLOUR), 1, id="cmyk tiff"),
        pytest.param(
            encode(np.asarray(grey(), np.uint16) * 257, "TIFF"), truth(grey()), 1, id="16-bit grey tiff"
        ),
    ],
)
def test_every_colour_mode_is_close_to_its_rgb(data, wanted, levels):
    assert difference(pixels(data, SMALL), wanted) <= levels


def test_bytes_behind_the_picture_do_not_matter():
    data = encode(scene(240, 160))
    wanted = pixels(data)
    for tail in (b"\0" * 1000, data, b"motion photo: ftypmp42" * 50, EOI):
        assert (pixels(data + tail) == wanted).all()


def test_an_empty_file_is_corrupt():
    assert rejection(b"") == Rejection(Status.CORRUPT, "the file is empty")


@given(
    st.binary(max_size=300), st.sampled_from([b"", b"\xff\xd8\xff", *[data[:30] for data in OTHERS.values()]])
)
@settings(max_examples=200, deadline=None)
def test_noise_is_never_a_picture(noise, beginning):
    rejection(beginning + noise)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_no_mutation_raises(data):
    valid = data.draw(st.sampled_from([encode(scene(60, 40)), *OTHERS.values()]))
    mutant = bytearray(valid)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, min(len(mutant), data.draw(st.sampled_from([200, 10**9]))) - 1))
        mutant[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        decoded = decode(bytes(mutant), SMALL)
    assert not isinstance(decoded, Rejection) or DECODER_FAULT not in decoded.error


def test_no_flipped_bit_of_a_jpeg_header_is_a_fault_of_the_decoder():
    valid = encode(scene(24, 16))
    for bit in range(8 * (valid.index(b"\xff\xda") + 14)):
        mutant = bytearray(valid)
        mutant[bit // 8] ^= 1 << bit % 8
        decoded = decode(bytes(mutant), SMALL)
        assert not isinstance(decoded, Rejection) or DECODER_FAULT not in decoded.error


def test_a_fault_of_the_decoder_is_a_row(monkeypatch):
    def broken(*_: object) -> None:
        raise IndexError("out of range")

    monkeypatch.setattr("flipbatch.frames.decode.decode_jpeg", broken)
    found = rejection(encode(scene(24, 16)))
    assert found == Rejection(Status.CORRUPT, f"{DECODER_FAULT}: IndexError('out of range')")


def test_a_reason_is_the_same_each_time():
    for data in (
        FRAME[:5000],
        OTHERS["PNG"][:40],
        OTHERS["TIFF"][:40],
        OTHERS["WebP"][:40],
        OTHERS["BMP"][:40],
    ):
        assert rejection(data) == rejection(data)
        assert "0x" not in rejection(data).error


def with_sof(data: bytes, at: int, value: bytes) -> bytes:
    start = data.index(b"\xff\xc0") + at
    return data[:start] + value + data[start + len(value) :]


def huge(kind: str) -> bytes:
    side = 60_000
    if kind == "JPEG":
        return with_sof(FRAME, 5, struct.pack(">HH", side, side))
    if kind == "PNG":
        return png(side, side, 8, 2, b"")
    if kind == "WebP":
        body = b"WEBPVP8X" + struct.pack("<II", 10, 0) + (16_382).to_bytes(3, "little") * 2 + bytes(40)
        return b"RIFF" + struct.pack("<I", len(body)) + body
    if kind == "BMP":
        return OTHERS["BMP"][:18] + struct.pack("<II", side, side) + OTHERS["BMP"][26:]
    tags = {256: side, 257: side, 258: 8, 259: 1, 262: 1, 273: 200, 277: 1, 278: side, 279: side**2}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    return struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + entries + bytes(200)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WebP", "BMP", "TIFF"])
def test_a_header_with_too_many_pixels_is_rejected_without_allocating_them(kind):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refusal = rejection(huge(kind))
    assert refusal.status is Status.TOO_LARGE
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB


def test_too_many_bytes_are_rejected_unopened(monkeypatch):
    monkeypatch.setattr(module, "MAX_BYTES", 1000)
    assert rejection(FRAME).status is Status.TOO_LARGE


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (encode(COLOUR, "GIF"), "GIF"),
        (b"%PDF-1.7 and so on and on", "PDF"),
        (b"It was a dark and stormy night.", "It was a"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "heic"),
        (bytes(5000), "begins with"),
        (b"RIFF\0\0\0\0AVI LIST", "RIFF"),
    ],
)
def test_a_file_of_another_kind_is_unsupported_and_named(data, word):
    refusal = rejection(data)
    assert refusal.status is Status.UNSUPPORTED
    assert word in refusal.error


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(with_sof(FRAME, 4, b"\x0c"), id="12-bit jpeg"),
        pytest.param(with_sof(FRAME, 1, b"\xc3"), id="lossless jpeg"),
        pytest.param(encode(Image.new("F", (80, 120)), "TIFF"), id="float tiff"),
        pytest.param(encode(Image.new("I", (80, 120)), "TIFF"), id="32-bit tiff"),
        pytest.param(encode(COLOUR, "TIFF", compression="jpeg"), id="jpeg in tiff"),
        pytest.param(encode(grey().convert("1"), "TIFF", compression="group4"), id="fax tiff"),
        pytest.param(OTHERS["BMP"][:30] + b"\1" + OTHERS["BMP"][31:], id="run-length bmp"),
    ],
)
def test_ambiguous_features_are_unsupported(data):
    assert rejection(data).status is Status.UNSUPPORTED


@pytest.mark.parametrize("data", [encode(scene(1920, 1080)), FRAME, OTHERS["PNG"], encode(scene(90, 160))])
def test_a_given_buffer_is_filled_and_returned(data):
    batch = np.zeros((3, 240, 135, 3), np.uint8)
    slot = batch[1]
    assert decode(data, INPUT, slot) is slot
    assert (batch[1] == pixels(data)).all()
    assert not batch[[0, 2]].any()


@pytest.mark.parametrize(
    "out",
    [np.zeros((135, 240, 3), np.uint8), np.zeros((240, 135, 3)), np.zeros((240, 270, 3), np.uint8)[:, ::2]],
)
def test_a_buffer_that_does_not_fit_is_a_value_error(out):
    with pytest.raises(ValueError, match="out must be"):
        decode(FRAME, INPUT, out)
