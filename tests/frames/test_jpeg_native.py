"""Facts about `flipbatch.frames.jpeg_native` and the native decoder behind it."""

from __future__ import annotations

import itertools
import shutil
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import simplejpeg
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from flipbatch.frames import jpeg_native
from flipbatch.frames.decode import InputSize, decode
from flipbatch.frames.jpeg_native import Outcome, decode_eighth, native_size
from flipbatch.runtime.native_decoder import NATIVE_DECODER
from tests.faults.hostile import hostile_cases
from tests.frames.pictures import EOI, FRAME, INPUT, SMALL, encode, pixels, rejection, scene

SOURCES = Path(jpeg_native.__file__).parent / "native"
COMPILER = shutil.which("gcc")
SCAN = b"\xff\xda"

pytestmark = pytest.mark.skipif(
    NATIVE_DECODER is None and COMPILER is None, reason="without a compiler, there is no native decoder"
)


def eighth(data: bytes) -> np.ndarray | Outcome:
    size = native_size(data)
    if size is None:
        return Outcome.LEFT
    canvas = np.empty((-(-size[0] // 8), -(-size[1] // 8), 3), np.uint8)
    outcome = decode_eighth(canvas, data)
    return canvas if outcome is Outcome.DECODED else outcome


def by_libjpeg(data: bytes, shape: tuple[int, ...]) -> np.ndarray:
    return simplejpeg.decode_jpeg(data, "RGB", min_height=shape[0], min_width=shape[1], strict=True)


def is_same(data: bytes) -> bool:
    own = eighth(data)
    assert isinstance(own, np.ndarray), own
    return np.array_equal(own, by_libjpeg(data, own.shape))


def noisy(height: int, width: int, seed: int, grain: int) -> np.ndarray:
    """Return a smooth picture with noise."""
    chance = np.random.default_rng(seed)
    few = Image.fromarray(chance.integers(0, 256, (3, 4, 3), dtype=np.uint8))
    smooth = np.asarray(few.resize((width, height), Image.Resampling.BICUBIC), np.int64)
    return (smooth + chance.integers(-grain, grain + 1, smooth.shape)).clip(0, 255).astype(np.uint8)


PICTURES = st.builds(
    noisy,
    st.integers(1, 150),
    st.integers(9, 150),  # simplejpeg chooses another scale for a result of one pixel
    st.integers(0, 2**32),
    st.sampled_from([0, 8, 90, 255]),
)
RESTARTS = st.sampled_from(
    [{}, {"restart_marker_rows": 1}, *({"restart_marker_blocks": n} for n in (1, 2, 7))]
)
SAMPLINGS = ["444", "422", "420", "440", "411"]


def test_it_is_built_wherever_there_is_a_compiler():
    assert NATIVE_DECODER is not None, "install again: `uv sync --reinstall-package flipbatch`"


@given(PICTURES, RESTARTS, st.integers(1, 100), st.integers(0, 2))
@settings(max_examples=150, deadline=None)
def test_pixels_are_those_of_libjpeg_to_the_last_bit(picture, restarts, quality, sampling):
    assert is_same(encode(picture, quality=quality, subsampling=sampling, **restarts))


@given(PICTURES, st.integers(1, 100), st.sampled_from(SAMPLINGS))
@settings(max_examples=100, deadline=None)
def test_so_they_are_for_each_usual_sampling(picture, quality, sampling):
    assert is_same(simplejpeg.encode_jpeg(picture, quality, "RGB", sampling))


@given(PICTURES, RESTARTS, st.integers(1, 100))
@settings(max_examples=30, deadline=None)
def test_and_for_grey_pictures(picture, restarts, quality):
    assert is_same(encode(Image.fromarray(picture).convert("L"), quality=quality, **restarts))


@given(st.lists(st.tuples(PICTURES, st.booleans()), min_size=2, max_size=4))
@settings(max_examples=30, deadline=None)
def test_a_picture_may_have_other_tables_than_the_last_one(pictures):
    for picture, own_tables in pictures:
        assert is_same(encode(picture, optimize=own_tables))


def test_a_large_picture_is_read_from_three_places():
    assert len(FRAME) > 50_000
    assert is_same(FRAME)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_large_blank_picture_is_decoded_though_each_block_looks_like_the_next(mode):
    assert is_same(encode(Image.new(mode, (4000, 3000), 90 if mode == "L" else (90, 80, 70))))


@pytest.mark.parametrize("kind", [{"progressive": True}, {"subsampling": "4:1:0"}])
def test_other_kinds_are_left_to_another_decoder(kind):
    data = encode(scene(240, 160), **({} if "subsampling" in kind else kind))
    data = data.replace(b"\x01\x22\x00", b"\x01\x42\x00") if "subsampling" in kind else data
    assert native_size(data) is None


def test_cmyk_is_left_to_another_decoder():
    assert native_size(encode(Image.new("CMYK", (80, 60)))) is None


def test_a_blank_picture_whose_code_is_all_zeros_is_no_damage():
    data = encode(Image.new("L", (2000, 2000), 90), optimize=True)
    assert bytes(512) in data
    assert eighth(data) is Outcome.DECODED_WITH_ZEROS
    assert np.unique(pixels(data, InputSize(250, 250))).tolist() == [90]


def test_a_hole_of_zeros_in_a_frame_is_damage():
    data = bytearray(encode(scene(1920, 1080)))
    middle = len(data) // 2
    for size, at in itertools.product((512, 4096), range(middle, middle + 40_000, 5_000)):
        damaged = data[:at] + bytes(size) + data[at + size :]
        assert rejection(bytes(damaged), INPUT)


def test_a_hole_behind_a_byte_of_ones_is_damage_too():
    data = encode(scene(1920, 1080))
    start = data.find(SCAN)
    ones = [at for at in range(start, len(data) - 5_000) if data[at : at + 2] == b"\xff\0"]
    for at in ones[:: max(1, len(ones) // 60)]:
        assert rejection(data[: at + 1] + bytes(512) + data[at + 513 :], INPUT)


def test_a_side_that_libjpeg_does_not_read_is_left_to_it():
    assert native_size(encode(Image.new("L", (65_500, 8)))) == (8, 65_500)
    data = encode(Image.new("L", (65_500, 8)))
    assert native_size(data.replace((65_500).to_bytes(2), (65_501).to_bytes(2), 1)) is None


def test_a_second_picture_behind_the_end_is_allowed():
    assert is_same(FRAME + FRAME[:999])


@given(st.integers(0, len(FRAME) - 3))
@settings(max_examples=100, deadline=None)
def test_a_truncated_file_is_never_decoded(end):
    assert not isinstance(eighth(FRAME[:end]), np.ndarray)
    assert not isinstance(eighth(FRAME[:end] + EOI), np.ndarray)


SMALL_FRAMES = [encode(scene(96, 64), restart_marker_blocks=blocks) for blocks in (0, 1, 5)]


@given(st.sampled_from(SMALL_FRAMES), st.floats(0, 1), st.binary(max_size=6), st.integers(0, 6))
@settings(max_examples=400, deadline=None)
def test_what_libjpeg_refuses_is_never_decoded(data, share, put, removed):
    start = data.find(SCAN)
    at = start + int(share * (len(data) - start))
    damaged = data[:at] + put + data[at + removed :]
    own = eighth(damaged)
    if isinstance(own, np.ndarray):
        by_libjpeg(damaged, own.shape)  # raises where it refuses


def blocks(bits: str) -> bytes:
    """Return a grey picture of one block with the usual tables, and this code."""
    data = encode(Image.new("L", (8, 8)))
    code = int(bits + "1" * (-len(bits) % 8), 2).to_bytes(-(-len(bits) // 8))
    return data[: data.find(SCAN) + 10] + code.replace(b"\xff", b"\xff\0") + EOI


DC_ZERO, END, SIXTEEN_ZEROS = "00", "1010", "11111111001"  # T.81, tables K.3 and K.5


def test_a_block_by_hand_is_decoded():
    assert is_same(blocks(DC_ZERO + END))
    assert is_same(blocks(DC_ZERO + 3 * SIXTEEN_ZEROS + END))


def test_a_block_of_more_than_64_coefficients_is_damage_though_libjpeg_accepts_it():
    data = blocks(DC_ZERO + 4 * SIXTEEN_ZEROS)
    assert by_libjpeg(data, (1, 1)).shape[2] == 3
    assert eighth(data) is Outcome.DAMAGED
    assert "code that no encoder writes" in rejection(data, InputSize(1, 1)).error


def test_bits_that_are_no_code_are_damage():
    assert eighth(blocks(DC_ZERO + 16 * "1")) is Outcome.DAMAGED


@pytest.mark.parametrize("data", [FRAME, encode(scene(1080, 1920)), encode(scene(700, 900))])
def test_without_the_native_decoder_pixels_are_the_same(monkeypatch, data):
    found = pixels(data)
    monkeypatch.setattr(jpeg_native, "NATIVE_DECODER", None)
    assert np.array_equal(pixels(data), found)


def test_a_buffer_of_another_size_is_not_filled():
    canvas = np.zeros((5, 5, 3), np.uint8)
    assert decode_eighth(canvas, FRAME) is Outcome.LEFT
    assert not canvas.any()


def test_a_small_file_can_not_claim_memory():
    height_and_width = b"\xff\xc0\x00\x11\x08" + (60_000).to_bytes(2) + (1_600).to_bytes(2)
    at = FRAME.find(b"\xff\xc0")
    data = FRAME[:at] + height_and_width + FRAME[at + 9 :]
    assert native_size(data) == (60_000, 1_600)
    assert rejection(data, SMALL)


# ---------------------------------------------------------------------------------------- fuzzing


OPTIONS: list[dict[str, Any]] = [{}, {"restart_marker_blocks": 3}, {"optimize": True}]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Write small pictures of all kinds, and the JPEGs of the hostile files."""
    folder = tmp_path_factory.mktemp("corpus")
    hostile = [data for _, data, _ in hostile_cases() if data[:2] == b"\xff\xd8" and len(data) < 40_000]
    plain = [
        encode(noisy(60, 70, seed, 30), quality=30 + seed, subsampling=seed % 3, **options)
        for seed in range(12)
        for options in OPTIONS
    ]
    for number, data in enumerate(plain + hostile):
        (folder / f"{number}.jpg").write_bytes(data)
    return folder


@pytest.fixture(scope="module")
def fuzzer(tmp_path_factory):
    """Build the native decoder and its fuzzer with sanitizers."""
    program = tmp_path_factory.mktemp("fuzzer") / "fuzzer"
    sources = [source for source in SOURCES.glob("*.c") if source.name != "module.c"]
    sanitizers = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-DFLIPBATCH_ONE_VARIANT"]
    own = Path(__file__).with_name("native_fuzz.c")
    command = [
        str(COMPILER),
        "-std=c11",
        "-O1",
        "-g",
        *sanitizers,
        f"-I{SOURCES}",
        "-o",
        program,
        own,
        *sources,
    ]
    subprocess.run(command, check=True)
    return program


def fuzz(fuzzer: Path, corpus: Path, runs: int, seed: int) -> list[int]:
    """Return how many files had each outcome; the sanitizers end the program at the first fault."""
    files = sorted(str(file) for file in corpus.iterdir())
    done = subprocess.run([fuzzer, str(runs), str(seed), *files], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return [int(number) for number in done.stdout.split()]


FUZZED = partial(pytest.param, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])


@pytest.mark.skipif(COMPILER is None, reason="gcc builds the fuzzer")
@pytest.mark.parametrize(("runs", "seed"), [(30_000, 1), FUZZED(5_000_000, 2), FUZZED(5_000_000, 3)])
def test_no_damaged_file_makes_a_sanitizer_stop_the_decoder(fuzzer, corpus, runs, seed):
    outcomes = fuzz(fuzzer, corpus, runs, seed)
    assert sum(outcomes) == runs
    assert all(outcomes[:5])  # decoded, left, and each kind of damage


def test_decoding_uses_the_native_decoder(monkeypatch):
    monkeypatch.setattr(simplejpeg, "decode_jpeg", lambda *_, **__: pytest.fail("decoded by simplejpeg"))
    assert isinstance(decode(FRAME, InputSize(80, 45)), np.ndarray)
