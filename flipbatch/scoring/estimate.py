"""How long scoring would take: a few frames are read, decoded and predicted in this process.

Knows frames, models and clocks. Does not know runs or Ray: the number of cores is given.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from flipbatch.frames.isolation import time_limited
from flipbatch.frames.load import load_frames, start_reading
from flipbatch.models.bundle import Bundle
from flipbatch.models.predictor import Predictor
from flipbatch.runtime.wording import about, counted

FRAMES_AT_A_TIME = 16
"""As many warm up, and as many are timed."""

START_SECONDS = {"ray": 8, "local": 1}
"""Until the first frame is decoded, by executor."""


@dataclass(frozen=True)
class Rate:
    """A measured rate.

    Attributes
    ----------
    per_second : float
        Frames/s of one core.
    frames : int
        How many were timed.
    """

    per_second: float
    frames: int


def sample_of(rows: pa.Table) -> pa.Table:
    """Return as many rows as are measured: the first ones, and as many from the middle."""
    middle = max(FRAMES_AT_A_TIME, rows.num_rows // 2)
    return pa.concat_tables([rows.slice(0, FRAMES_AT_A_TIME), rows.slice(middle, FRAMES_AT_A_TIME)])


def measure_rate(rows: pa.Table, bundles: Sequence[Bundle]) -> Rate:
    """Score a few frames, and return the rate of the last of them.

    Parameters
    ----------
    rows : pyarrow.Table
        `schema.MANIFEST`, at least one. Only those of `sample_of` are read.
    bundles : sequence of Bundle
    """
    predictors = [Predictor(bundle) for bundle in bundles]
    sample = sample_of(rows)
    _score(sample.slice(0, FRAMES_AT_A_TIME), predictors)
    timed = sample.slice(FRAMES_AT_A_TIME) if sample.num_rows > FRAMES_AT_A_TIME else sample
    started = time.perf_counter()
    _score(timed, predictors)
    return Rate(timed.num_rows / (time.perf_counter() - started), timed.num_rows)


def _score(rows: pa.Table, predictors: Sequence[Predictor]) -> None:
    uris, versions, seconds = (rows[name].to_pylist() for name in ("uri", "version", "seconds"))
    sizes = list(dict.fromkeys(one.input_size for one in predictors))
    with time_limited() as decoder:
        frames = load_frames(uris, sizes, start_reading(uris, versions, seconds), decoder)
    for predictor in predictors:
        loaded = frames[predictor.input_size]
        predictor.probabilities(loaded.pixels[loaded.ok])


def estimate_line(frames: int, rate: Rate, cores: int, start_seconds: float) -> str:
    """Return the estimate for a number of frames as a line."""
    per_second = rate.per_second * cores
    return (
        f"time: about {about(start_seconds + frames / per_second)} on {counted(cores, 'core')} "
        f"({per_second:,.0f} frames/s, estimated from {counted(rate.frames, 'frame')})"
    )
