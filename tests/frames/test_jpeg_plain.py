"""Facts about `flipbatch.frames.jpeg_plain`, and files that are whole although a decoder warns of them."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from flipbatch.frames import jpeg as module
from flipbatch.frames.decode import Rejection, decode
from flipbatch.frames.jpeg_plain import plain_jpeg
from flipbatch.frames.jpeg_segments import DHT, DQT, SOS, end_of_code, segments
from flipbatch.schema import Status
from tests.frames.pictures import EOI, SMALL, difference, encode, exif, pixels, rejection, scene

PICTURE = scene(240, 136)
"""Small: reading code takes time."""
WHOLE = encode(PICTURE)
RESTARTS = encode(PICTURE, restart_marker_rows=1)
PROGRESSIVE = encode(PICTURE, progressive=True)
SAMPLES = {"baseline": WHOLE, "restarts": RESTARTS, "progressive": PROGRESSIVE}
STRAYS = [b"\0\0", b"\x12\x34", bytes(608), b"a scanner's note " * 30]
RST3 = b"\xff\xd3"


def segment(marker: int, payload: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def put(data: bytes, place: bytes | int, more: bytes) -> bytes:
    """Put bytes in before the first marker of a kind, or at a place."""
    at = data.index(place) if isinstance(place, bytes) else place
    return data[:at] + more + data[at:]


def set_at(data: bytes, at: int, more: bytes) -> bytes:
    return data[:at] + more + data[at + len(more) :]


def scan_header(data: bytes) -> int:
    """The place of the last three bytes of the first scan's header."""
    return next(one.end for one in segments(data) if one.marker == SOS) - 3


def adobe(transform: int) -> bytes:
    return segment(0xEE, b"Adobe\0\x64\0\0\0\0" + bytes([transform]))


def without_jfif(data: bytes) -> bytes:
    return data[:2] + data[20:]


def icc(number: int, total: int) -> bytes:
    return segment(0xE2, b"ICC_PROFILE\0" + bytes([number, total]) + b"profile")


HARMLESS: dict[str, Callable[[bytes], bytes]] = {
    "JFIF 2.01": lambda data: set_at(data, 11, b"\2"),
    "JFIF 0.9": lambda data: set_at(data, 11, b"\0\x09"),
    "parts of an ICC profile are missing": lambda data: put(data, 20, icc(2, 3)),
    "an ICC profile has a part 0": lambda data: put(data, 20, icc(0, 0)),
    "an ICC profile has a part twice": lambda data: put(data, 20, icc(1, 2) * 2),
    "an unknown Adobe transform": lambda data: put(without_jfif(data), 2, adobe(7)),
    "an unknown Adobe transform before the scan": lambda data: put(without_jfif(data), b"\xff\xda", adobe(2)),
    "two bytes before the tables": lambda data: put(data, b"\xff\xdb", b"ab"),
    "a zero that no marker needs": lambda data: put(data, b"\xff\xdb", b"\xff\0"),
    "noise before the scan": lambda data: put(data, b"\xff\xda", bytes(range(1, 200))),
    "noise after the start": lambda data: put(data, 2, b"noise \xff\0 and fill \xff\xff\xff"),
    "two starts": lambda data: put(data, 2, b"\xff\xd8"),
    "strays, fill bytes and an empty comment": lambda data: put(data, 20, b"x\xff\xff\xff\xfe\0\2\xff"),
}


@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize("what", HARMLESS)
def test_what_moves_no_pixel_does_not_spoil_the_picture(what, sample):
    changed = HARMLESS[what](SAMPLES[sample])
    with pytest.raises(module.RejectedError):
        module._decode(np.empty((60, 40, 3), np.uint8), changed, SMALL)
    assert np.array_equal(pixels(changed, SMALL), pixels(SAMPLES[sample], SMALL))


@pytest.mark.parametrize("tail", [b"\0\0\0", b"\1\2\3", b"\0\x3f\x11", b"\x3f\0\0"])
@pytest.mark.parametrize("sample", ["baseline", "restarts"])
def test_a_sequential_scan_has_all_coefficients_whatever_its_header_says(sample, tail):
    data = SAMPLES[sample]
    changed = set_at(data, scan_header(data), tail)
    assert np.array_equal(pixels(changed, SMALL), pixels(data, SMALL))


@pytest.mark.parametrize("strays", STRAYS, ids=len)
@pytest.mark.parametrize("sample", SAMPLES)
def test_bytes_after_the_last_block_are_strays(sample, strays):
    data = SAMPLES[sample]
    for end in (strays + EOI, strays + b"\xff\xfe\0\5abc" + EOI, b"\xff\xfe\0\5abc" + strays + EOI):
        assert np.array_equal(pixels(data[:-2] + end, SMALL), pixels(data, SMALL))


@pytest.mark.parametrize("strays", STRAYS, ids=len)
def test_bytes_before_a_restart_are_strays(strays):
    changed = put(RESTARTS, RST3, strays)
    assert np.array_equal(pixels(changed, SMALL), pixels(RESTARTS, SMALL))


def test_bytes_before_each_table_of_a_progressive_jpeg_are_strays():
    good, place, ends = pixels(PROGRESSIVE, SMALL), 2, []
    while found := list(segments(PROGRESSIVE, place)):
        place = end_of_code(PROGRESSIVE, found[-1].end)
        ends += [one.start for one in found]
    assert len(ends) > 15
    assert all(np.array_equal(pixels(put(PROGRESSIVE, end, bytes(40)), SMALL), good) for end in ends)


def test_a_hidden_height_is_read_behind_the_scan():
    frame = WHOLE.index(b"\xff\xc0")
    hidden = set_at(WHOLE, frame + 5, b"\0\0")
    assert np.array_equal(
        pixels(hidden[:-2] + segment(0xDC, struct.pack(">H", 240)) + EOI, SMALL), pixels(WHOLE, SMALL)
    )
    refused = rejection(hidden, SMALL)
    assert (refused.status, refused.error) == (
        Status.UNSUPPORTED,
        "a JPEG whose header does not say its height",
    )


def test_exif_before_and_after_strays_turns_the_picture():
    turned = encode(PICTURE, exif=exif(6))
    upright = pixels(turned, SMALL)
    assert not np.array_equal(upright, pixels(WHOLE, SMALL))
    for place in (2, b"\xff\xdb"):
        assert np.array_equal(pixels(put(turned, place, b"abc"), SMALL), upright)


def test_rgb_and_cmyk_keep_their_colours():
    for image in (Image.fromarray(PICTURE), Image.fromarray(PICTURE).convert("CMYK")):
        data = encode(image, keep_rgb=True)
        assert np.array_equal(pixels(put(data, b"\xff\xdb", b"abc"), SMALL), pixels(data, SMALL))


# ---------------------------------------------------------------------------------------- what stays refused


@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize("what", HARMLESS)
def test_a_harmless_header_does_not_hide_damage(what, sample):
    changed = HARMLESS[what](SAMPLES[sample])
    for share in (0.4, 0.7, 0.95):
        cut = changed[: int(len(changed) * share)]
        assert rejection(cut, SMALL).status is Status.CORRUPT
        assert rejection(cut + EOI, SMALL).status is Status.CORRUPT
        assert rejection(cut + b"stray bytes" + EOI, SMALL).status is Status.CORRUPT


def test_lost_code_before_a_restart_is_not_stray():
    at = RESTARTS.index(RST3)
    for lost in (2, 5, 40):
        refused = rejection(RESTARTS[: at - lost] + b"\xff\0" * lost + RESTARTS[at:], SMALL)
        assert refused.status is Status.CORRUPT


def test_restart_markers_out_of_order_are_damage():
    parts = RESTARTS.index(RST3), RESTARTS.index(b"\xff\xd4"), RESTARTS.index(b"\xff\xd5")
    third, fourth = RESTARTS[parts[0] : parts[1]], RESTARTS[parts[1] : parts[2]]
    swapped = RESTARTS[: parts[0]] + fourth + third + RESTARTS[parts[2] :]
    assert rejection(swapped, SMALL).status is Status.CORRUPT
    assert rejection(put(swapped, b"\xff\xdb", b"abc"), SMALL).status is Status.CORRUPT


def test_blocks_behind_the_picture_are_not_stray():
    frame = WHOLE.index(b"\xff\xc0")
    refused = rejection(set_at(WHOLE, frame + 5, struct.pack(">H", 200)), SMALL)
    assert refused.status is Status.CORRUPT
    assert refused.error.endswith("(the code does not end with ones)") or refused.error.endswith("are left)")


def test_a_segment_whose_marker_is_damaged_is_not_stray():
    turned = encode(PICTURE, exif=exif(6))
    at = turned.index(b"\xff\xe1")
    for marker in (b"\x7f\xe1", b"\xff\0", b"\xff\xd0", b"\xff\xff"):
        assert rejection(set_at(turned, at, marker), SMALL).status is Status.CORRUPT


def test_a_thumbnail_is_not_read_for_the_picture():
    thumbnail = encode(scene(80, 60))
    data = WHOLE[:2] + segment(0xE1, b"Exif\0\0" + thumbnail) + WHOLE[2:]
    assert np.array_equal(pixels(put(data, 2, b"ab"), SMALL), pixels(WHOLE, SMALL))
    ends_in_thumbnail = data.index(thumbnail) + 25
    cut_short = set_at(data, 4, struct.pack(">H", ends_in_thumbnail - 4))
    assert rejection(cut_short, SMALL).status is Status.CORRUPT


def test_a_jpeg_without_an_end_is_corrupt():
    for sample in SAMPLES.values():
        for tail in (b"", b"\xff", bytes(600)):
            assert rejection(sample[:-2] + tail, SMALL).status is Status.CORRUPT
            assert rejection(put(sample[:-2], 2, b"ab") + tail, SMALL).status is Status.CORRUPT


def damaged(data: bytes, chance: random.Random) -> bytes:
    """Flip a bit, cut or overwrite some of the code."""
    at = chance.randrange(scan_header(data) + 3, len(data) - 40)
    kind = chance.randrange(3)
    if kind == 0:
        return set_at(data, at, bytes([data[at] ^ 1 << chance.randrange(8)]))
    size = chance.randrange(1, 40)
    return set_at(data, at, chance.randbytes(size)) if kind == 1 else data[:at] + data[at + size :]


@pytest.mark.parametrize("sample", SAMPLES)
def test_harmless_changes_hide_no_damage_that_is_found_without_them(sample):
    chance = random.Random(0)
    for _ in range(40):
        harmed = damaged(SAMPLES[sample], chance)
        alone, both = decode(harmed, SMALL), decode(chance.choice([*HARMLESS.values()])(harmed), SMALL)
        if isinstance(alone, Rejection):
            assert isinstance(both, Rejection)
        elif not isinstance(both, Rejection):
            assert np.array_equal(alone, both)


def strict(data: bytes) -> bool:
    """Return whether the decoder has no complaint."""
    try:
        module._decode(np.empty((60, 40, 3), np.uint8), data, SMALL)
    except module.RejectedError:
        return False
    return True


@pytest.mark.parametrize("sample", SAMPLES)
def test_damage_is_not_taken_for_strays(sample):
    chance = random.Random(1)
    harmed = [damaged(SAMPLES[sample], chance) for _ in range(80)]
    found = [data for data in harmed if not strict(data)]
    missed = [data for data in found if not isinstance(decode(data, SMALL), Rejection)]
    assert len(found) > 25
    assert len(missed) <= 1


# ---------------------------------------------------------------------------------------- sampling


def of_planes(factors: list[tuple[int, int]], wrong: int = 0) -> bytes:
    """A JPEG of any sampling: one scan for each component, of a picture of one component."""
    across, down = (max(column) for column in zip(*factors, strict=True))
    data, scans = b"\xff\xd8", b""
    for number, (plane, (x, y)) in enumerate(zip(PICTURE_YCC, factors, strict=False), 1):
        size = -(-plane.width * x // across), -(-plane.height * y // down)
        grey = encode(plane.resize(size, Image.Resampling.BOX))
        tables = [one for one in segments(grey) if one.marker == DHT or (one.marker == DQT and number == 1)]
        data += b"".join(grey[one.start : one.end] for one in tables)
        *_, scan = segments(grey)
        code = grey[scan.end : end_of_code(grey, scan.end) - wrong]
        scans += segment(SOS, bytes([1, number, 0, 0, 63, 0])) + code
    frame = struct.pack(">BHHB", 8, *PICTURE.shape[:2], len(factors))
    frame += b"".join(bytes([number, x << 4 | y, 0]) for number, (x, y) in enumerate(factors, 1))
    return data + segment(0xC0, frame) + scans + EOI


PICTURE_YCC = Image.fromarray(PICTURE).convert("YCbCr").split()
ONE = (1, 1)


@pytest.mark.parametrize(
    "factors",
    [
        [(1, 4), ONE, ONE],
        [(4, 2), ONE, ONE],
        [(3, 1), ONE, ONE],
        [(2, 1), (1, 2), (1, 2)],
        [ONE, (2, 2), (2, 2)],
        [(2, 2), (2, 1), (1, 2)],
        [(4, 1), (2, 1), ONE],
    ],
    ids=str,
)
def test_any_sampling_of_whole_pixels_is_read(factors):
    plain = pixels(of_planes([ONE, ONE, ONE]), SMALL)
    assert difference(pixels(of_planes(factors), SMALL), plain) < 2
    assert isinstance(decode(of_planes(factors, wrong=60), SMALL), Rejection)


@pytest.mark.parametrize("factors", [[(3, 1), (2, 1), ONE], [ONE, ONE], [ONE] * 5], ids=str)
def test_other_samplings_and_colours_are_unsupported(factors):
    refused = rejection(of_planes(factors), SMALL)
    assert refused.status is Status.UNSUPPORTED
    assert "subsampling" in refused.error or "components" in refused.error


# ---------------------------------------------------------------------------------------- code


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"optimize": True, "quality": 30},
        {"subsampling": 0, "quality": 98},
        {"progressive": True, "quality": 98},
        {"progressive": True, "restart_marker_rows": 1},
        {"progressive": True, "subsampling": 0, "quality": 30},
        {"restart_marker_blocks": 1},
    ],
    ids=str,
)
def test_the_code_of_a_whole_file_has_no_strays(options):
    for image in (Image.fromarray(PICTURE), Image.fromarray(PICTURE).convert("L")):
        data = encode(image, **options)
        assert plain_jpeg(data, check_code=True) == plain_jpeg(data)
