"""Facts about `flipbatch.frames.isolation`: a file that ends the process, or hangs, is a rejection."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from flipbatch.frames import isolation
from flipbatch.frames.decode import InputSize, Rejection, decode
from flipbatch.frames.isolation import decode_inline, isolated, time_limited
from flipbatch.schema import Status
from tests.conftest import jpeg

SIZE = InputSize(60, 34)
GOOD = jpeg(flip=True, seed=0)


def decoded(decoder, data):
    out = np.zeros((SIZE.height, SIZE.width, 3), np.uint8)
    return decoder(data, SIZE, out), out


def poisoned(data, size):
    """A decoder whose process some files end, and which hangs over others."""
    if data in (b"SIGSEGV", b"SIGKILL"):
        os.kill(os.getpid(), signal.Signals[data.decode()])
    while data == b"hangs":
        pass
    return decode(data, size)


def spinning():
    with time_limited() as decoder:
        isolation.decode_inline = lambda *_: [None for _ in iter(int, 1)]
        decoder(b"", SIZE, np.zeros(0, np.uint8))


@pytest.mark.parametrize("guard", [time_limited, isolated])
def test_pixels_and_rejections_are_those_of_the_decoder(guard):
    with guard() as decoder:
        refusal, pixels = decoded(decoder, GOOD)
        assert refusal is None
        np.testing.assert_array_equal(pixels, decoded(decode_inline, GOOD)[1])
        assert decoded(decoder, GOOD[:900])[0] == decoded(decode_inline, GOOD[:900])[0]


@pytest.mark.parametrize(("how", "status"), [("SIGSEGV", "corrupt"), ("SIGKILL", "unreadable")])
def test_a_file_that_ends_the_process_is_a_rejection_and_the_next_is_decoded(how, status, monkeypatch):
    monkeypatch.setattr(isolation, "_decode", poisoned)
    with isolated() as decoder:
        refusal, _ = decoded(decoder, how.encode())
        why = f"it can't be decoded: it ended the process ({how}), 2 times"
        assert refusal == Rejection(Status(status), why)
        assert decoded(decoder, GOOD)[0] is None


def test_a_file_that_hangs_is_a_rejection(monkeypatch):
    monkeypatch.setattr(isolation, "_decode", poisoned)
    monkeypatch.setattr(isolation, "LONGEST_DECODE_SECONDS", 0.2)
    with isolated() as decoder:
        refusal, _ = decoded(decoder, b"hangs")
        assert refusal == Rejection(
            Status.CORRUPT, "it can't be decoded: it took longer than 1 seconds, 2 times"
        )
        assert decoded(decoder, GOOD)[0] is None


def test_a_process_that_decodes_too_long_ends():
    program = (
        "from flipbatch.frames import isolation; from tests.frames.test_isolation import spinning;"
        "isolation.LONGEST_DECODE_SECONDS = 0.2; spinning()"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -signal.SIGPROF


def test_the_time_limit_ends_with_the_block():
    with time_limited() as decoder:
        decoded(decoder, GOOD)
        assert signal.getitimer(signal.ITIMER_PROF)[0] > 1
    assert signal.getitimer(signal.ITIMER_PROF)[0] == 0
