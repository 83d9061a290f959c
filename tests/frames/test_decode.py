"""Facts about `flipbatch.frames.decode`. Every image is made here, in memory."""

from __future__ import annotations

import io
import resource
import struct
import warnings
import zlib
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageOps

from flipbatch.frames import decode as module
from flipbatch.frames.decode import MAX_ERROR_LENGTH, PAD_COLOUR, InputSize, Rejection, decode
from flipbatch.schema import Status

INPUT = InputSize(240, 135)
SMALL = InputSize(60, 40)
EOI = b"\xff\xd9"


@lru_cache
def scene(height: int, width: int) -> np.ndarray:
    """A page-like picture: light falling off, lines of letters, a coloured object, some grain."""
    rows, columns = np.mgrid[0:height, 0:width]
    light = 230 - 90 * rows / height - 50 * (columns / width) ** 2
    image = Image.fromarray(np.stack([light, light * 0.95, light * 0.85], axis=2).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    step = max(6, height // 60)
    for top in range(step, height - step, 2 * step):
        draw.text((width // 10, top), "pages turn, frames tell " * 9, fill=(40, 40, 50), font_size=step)
    draw.ellipse((width // 2, height // 2, width * 0.9, height * 0.8), fill=(190, 120, 100))
    grain = np.random.default_rng(0).normal(0, 4, (height, width, 1))
    return np.clip(np.asarray(image) + grain, 0, 255).astype(np.uint8)


def encode(image: Image.Image | np.ndarray, kind: str = "JPEG", **options) -> bytes:
    image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    file = io.BytesIO()
    image.save(file, kind, **({"quality": 90} if kind == "JPEG" else {}) | options)
    return file.getvalue()


def pixels(data: bytes, size: InputSize = INPUT) -> np.ndarray:
    result = decode(data, size)
    assert isinstance(result, np.ndarray), result
    assert result.shape == (size.height, size.width, 3)
    assert result.dtype == np.uint8
    assert result.flags.c_contiguous
    return result


def rejection(data: bytes, size: InputSize = INPUT) -> Rejection:
    result = decode(data, size)
    assert isinstance(result, Rejection)
    assert result.error.isprintable()
    assert 0 < len(result.error) <= MAX_ERROR_LENGTH
    return result


def area_average(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """The careful and slow way: every pixel decoded, areas averaged."""
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BOX))


def difference(one: np.ndarray, other: np.ndarray) -> float:
    """Mean absolute difference, in grey levels."""
    return float(np.abs(one.astype(int) - other.astype(int)).mean())


def full(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


# Scale


def test_an_eighth_is_the_area_average_of_the_full_picture():
    data = encode(scene(1920, 1080))
    assert difference(pixels(data), area_average(full(data), 240, 135)) < 0.5


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


def test_a_scale_that_hits_the_input_is_not_resized(monkeypatch):
    monkeypatch.setattr(module, "_resize", lambda *_: pytest.fail("resized"))
    monkeypatch.setattr(module, "_place", lambda *_: pytest.fail("copied"))
    pixels(encode(scene(1920, 1080)))


@pytest.mark.parametrize(
    ("height", "eighths"), [(1920, 1), (1919, 1), (1912, 2), (960, 2), (720, 4), (240, 8), (100, 8)]
)
def test_the_scale_is_the_smallest_that_covers(height, eighths):
    plan = module._plan(height, height * 9 // 16, 1, InputSize(240, 1000))
    assert plan.eighths == eighths
    assert plan.scaled.height >= min(plan.fitted.height, height)


def test_a_small_frame_is_enlarged():
    data = encode(scene(120, 68), "PNG")
    wanted = Image.fromarray(scene(120, 68)).resize((136, 240), Image.Resampling.BILINEAR)
    assert difference(pixels(data, InputSize(240, 136)), np.asarray(wanted)) < 4


def test_a_frame_looks_alike_as_jpeg_and_as_png():
    jpeg = encode(scene(1280, 720), quality=98)
    assert difference(pixels(jpeg), pixels(encode(scene(1280, 720), "PNG"))) < 1


@given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 40), st.integers(1, 40), st.integers(1, 8))
@settings(max_examples=60, deadline=None)
def test_any_shape_fills_any_input(height, width, input_height, input_width, orientation):
    data = encode(scene(70, 70)[:height, :width], exif=exif(orientation))
    pixels(data, InputSize(input_height, input_width))


# Fit


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


# Orientation


def exif(orientation: int, order: str = "<") -> bytes:
    description = Image.Exif()
    description[0x0112] = orientation
    description.endian = order
    return description.tobytes()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_each_orientation_lands_like_the_reference(kind, orientation):
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


def test_exif_is_read_in_both_byte_orders_and_behind_other_segments():
    data = encode(scene(240, 160), exif=exif(6, ">"), comment=b"a comment")
    app0 = b"\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
    assert module._jpeg_orientation(data) == 6
    assert module._jpeg_orientation(data[:2] + app0 + b"\xff\xff" + data[2:]) == 6


@given(st.binary(max_size=80))
@settings(max_examples=100, deadline=None)
def test_broken_exif_does_not_spoil_the_picture(noise):
    plain = encode(scene(60, 40))
    exif_segment = b"\xff\xe1" + struct.pack(">H", len(noise) + 12) + b"Exif\0\0II*\0" + noise
    pixels(plain[:2] + exif_segment + plain[2:], SMALL)


# Colour


def png(height: int, width: int, depth: int, colour: int, rows: bytes) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def png16(values: np.ndarray) -> bytes:
    """uint16, (height, width) or (height, width, 3)."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    return png(values.shape[0], values.shape[1], 16, 0 if values.ndim == 2 else 2, rows)


def ycck_jpeg(cmyk: np.ndarray) -> bytes:
    """As Photoshop writes it: inverted, luminance and chroma of the first three, marked as transform 2."""
    ycc = np.asarray(Image.fromarray(cmyk[..., :3]).convert("YCbCr"))
    stored = np.concatenate([255 - ycc, cmyk[..., 3:]], axis=2)
    data = bytearray(encode(Image.fromarray(stored, "CMYK"), quality=95, subsampling=0))
    data[data.index(b"Adobe") + 11] = 2
    return bytes(data)


def smooth() -> np.ndarray:
    """Colours without fine structure, so that any way of scaling agrees; (120, 80, 3)."""
    rows, columns = np.mgrid[0:120, 0:80]
    return np.stack([rows * 2, columns * 3, 240 - rows], axis=2).astype(np.uint8)


def grey() -> Image.Image:
    return Image.fromarray(smooth()).convert("L")


def truth(image: Image.Image) -> np.ndarray:
    return area_average(np.asarray(image.convert("RGB")), 60, 40)


COLOUR = Image.fromarray(smooth())


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


def test_16_bits_are_scaled_not_clipped():
    ramp = np.linspace(0, 65535, 120 * 80).reshape(120, 80).astype(np.uint16)
    result = pixels(png16(ramp), SMALL).astype(int)
    assert result.min() <= 1
    assert result.max() >= 254
    assert abs(result.mean() - 127.5) < 1


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_what_is_transparent_gets_the_colour_of_the_bars(mode, kind):
    image = Image.new(mode, (80, 120), "white")
    image.putalpha(Image.fromarray(np.repeat([[0, 255]], 40, axis=1).astype(np.uint8).repeat(120, 0)))
    result = pixels(encode(image, kind, **({"lossless": True} if kind == "WEBP" else {})), SMALL)
    assert (result[:, 25:] == 255).all()
    assert difference(result[:, :15], np.full((60, 15, 3), PAD_COLOUR)) == 0


@pytest.mark.parametrize(("mode", "colour"), [("P", 0), ("1", 0), ("L", 0), ("RGB", (0, 0, 0))])
def test_one_colour_may_be_transparent(mode, colour):
    data = encode(Image.new(mode, (80, 120), colour), "PNG", transparency=colour)
    assert (pixels(data, SMALL) == PAD_COLOUR).all()


# Several pictures in one file


def test_bytes_behind_the_picture_do_not_matter():
    data = encode(scene(240, 160))
    wanted = pixels(data)
    for tail in (b"\0" * 1000, data, b"motion photo: ftypmp42" * 50, EOI):
        assert (pixels(data + tail) == wanted).all()


def test_a_multi_picture_jpeg_gives_its_first():
    first, second = Image.fromarray(scene(240, 160)), Image.new("RGB", (240, 160))
    data = encode(first, "MPO", save_all=True, append_images=[second], quality=90)
    assert difference(pixels(data), pixels(encode(first))) < 1


@pytest.mark.parametrize("kind", ["WEBP", "PNG", "TIFF"])
def test_an_animation_gives_its_first_picture(kind):
    first, second = Image.new("RGB", (80, 120), "white"), Image.new("RGB", (80, 120))
    data = encode(first, kind, save_all=True, append_images=[second])
    assert (pixels(data, SMALL) >= 254).all()


# Damage

FRAME = encode(scene(640, 360))
OTHERS = {
    "PNG": encode(scene(120, 80), "PNG"),
    "WebP": encode(scene(120, 80), "WEBP"),
    "lossless WebP": encode(scene(120, 80), "WEBP", lossless=True),
    "BMP": encode(scene(120, 80), "BMP"),
    "TIFF": encode(scene(120, 80), "TIFF"),
    "LZW TIFF": encode(scene(120, 80), "TIFF", compression="tiff_lzw"),
    "deflated TIFF": encode(scene(120, 80), "TIFF", compression="tiff_adobe_deflate"),
    "packbits TIFF": encode(scene(120, 80), "TIFF", compression="packbits"),
}
INSIDE = st.floats(0.1, 0.9)


def test_an_empty_file_is_corrupt():
    assert rejection(b"") == Rejection(Status.CORRUPT, "the file is empty")


@given(st.integers(0, len(FRAME) - 3))
@settings(max_examples=150, deadline=None)
def test_a_truncated_jpeg_is_corrupt_wherever_it_ends(end):
    assert rejection(FRAME[:end]).status is Status.CORRUPT


@given(INSIDE)
@settings(max_examples=50, deadline=None)
def test_an_end_marker_does_not_heal_a_truncated_jpeg(share):
    assert rejection(FRAME[: int(len(FRAME) * share)] + EOI).status is Status.CORRUPT


@given(INSIDE)
@settings(max_examples=50, deadline=None)
def test_an_early_end_marker_is_seen(share):
    at = int(len(FRAME) * share)
    assert rejection(FRAME[:at] + EOI + FRAME[at + 2 :]).status is Status.CORRUPT


@given(INSIDE)
@settings(max_examples=50, deadline=None)
def test_zeros_inside_a_jpeg_are_seen(share):
    at = int((len(FRAME) - 4096) * share)
    assert rejection(FRAME[:at] + bytes(4096) + FRAME[at + 4096 :]).status is Status.CORRUPT


def test_a_sector_of_zeros_is_seen_wherever_it_lies():
    starts = range(700, len(FRAME) - 600, 512)
    assert all(module._has_hole(FRAME[:at] + bytes(512) + FRAME[at + 512 :]) for at in starts)


@pytest.mark.parametrize("options", [{}, {"optimize": True}, {"progressive": True}, {"subsampling": 0}])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_blank_picture_has_no_hole(options, mode):
    pixels(encode(Image.new(mode, (2000, 3000)), **options))


def test_zeros_outside_the_picture_are_no_hole():
    segment = b"\xff\xe2" + struct.pack(">H", 5002) + bytes(5000)
    pixels(FRAME[:2] + segment + FRAME[2:] + bytes(5000))


@pytest.mark.parametrize(
    "options", [{"progressive": True}, {"restart_marker_blocks": 20}], ids=["progressive", "restarts"]
)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_other_jpegs_are_read_as_strictly(options, share):
    data = encode(scene(640, 360), **options)
    end = int(len(data) * share)
    assert rejection(data[:end]).status is Status.CORRUPT
    assert rejection(data[:end] + EOI).status is Status.CORRUPT


def test_a_damaged_cmyk_jpeg_is_corrupt():
    data = encode(Image.fromarray(scene(640, 360)).convert("CMYK"))
    assert rejection(data[: len(data) // 2] + EOI).status is Status.CORRUPT


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
        assert isinstance(decode(bytes(mutant), SMALL), np.ndarray | Rejection)


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


# What is not taken


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
def test_a_promise_of_too_many_pixels_is_refused_by_the_header(kind):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refusal = rejection(huge(kind))
    assert refusal.status is Status.TOO_LARGE
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB


def test_too_many_bytes_are_refused_unopened(monkeypatch):
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
def test_what_is_no_image_we_take_is_unsupported_and_named(data, word):
    refusal = rejection(data)
    assert refusal.status is Status.UNSUPPORTED
    assert word in refusal.error


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(with_sof(FRAME, 4, b"\x0c"), id="12-bit jpeg"),
        pytest.param(with_sof(FRAME, 1, b"\xc3"), id="lossless jpeg"),
        pytest.param(with_sof(FRAME, 11, b"\x31"), id="jpeg of odd subsampling"),
        pytest.param(encode(Image.new("F", (80, 120)), "TIFF"), id="float tiff"),
        pytest.param(encode(Image.new("I", (80, 120)), "TIFF"), id="32-bit tiff"),
        pytest.param(encode(COLOUR, "TIFF", compression="jpeg"), id="jpeg in tiff"),
        pytest.param(encode(grey().convert("1"), "TIFF", compression="group4"), id="fax tiff"),
        pytest.param(OTHERS["BMP"][:30] + b"\1" + OTHERS["BMP"][31:], id="run-length bmp"),
    ],
)
def test_features_that_would_be_guesswork_are_unsupported(data):
    assert rejection(data).status is Status.UNSUPPORTED


# The buffer


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
def test_an_unfit_buffer_is_the_callers_mistake(out):
    with pytest.raises(ValueError, match="out must be"):
        decode(FRAME, INPUT, out)


def test_an_input_has_pixels():
    with pytest.raises(ValueError, match="no pixels"):
        InputSize(0, 5)


# ---------------------------------------------------------------------------------------- effort


def tiny_jpeg(marker: int, scans: int, components: int = 1) -> bytes:
    """A JPEG of no tables to speak of, with so many empty scans of one component each."""
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
def test_arithmetic_coding_is_not_read_it_decodes_files_without_pixels(marker):
    refused = rejection(tiny_jpeg(marker, scans=1))
    assert (refused.status, refused.error) == (Status.UNSUPPORTED, "an arithmetic-coded JPEG")


@pytest.mark.parametrize(("marker", "components"), [(0xC2, 1), (0xC0, 3)])
def test_a_jpeg_of_too_many_scans_is_not_read(marker, components):
    refused = rejection(tiny_jpeg(marker, 501, components))
    assert (refused.status, refused.error) == (Status.UNSUPPORTED, "a JPEG of more than 500 scans")


def test_a_jpeg_of_too_many_segments_is_not_read():
    refused = rejection(FRAME[:2] + b"\xff\xfe\0\2" * 1000 + FRAME[2:])
    assert (refused.status, refused.error) == (Status.UNSUPPORTED, "a JPEG of more than 1000 segments")


def test_bytes_that_fill_a_header_are_passed_over_at_once():
    filled = FRAME[:2] + b"\xff" * 1000 + FRAME[2:]
    assert np.array_equal(pixels(filled), pixels(FRAME))
    assert [one[:2] for one in module._jpeg_segments(filled)] == [
        one[:2] for one in module._jpeg_segments(FRAME)
    ]


def test_a_webp_may_have_half_as_many_pixels():
    wide = b"RIFF\x1c\0\0\0WEBPVP8L\x10\0\0\0/\xfe\xff\xf4\x15\x88\x88\x08" + bytes(8)
    assert rejection(wide).status is Status.TOO_LARGE
