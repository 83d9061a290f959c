"""Labels, splits, statuses and table columns that other programs rely on, each defined once.

Knows names and types. Does not know how values are computed or stored.
"""

from __future__ import annotations

from enum import StrEnum

import pyarrow as pa

SCHEMA_VERSION = 2
"""The version of all tables and JSON files. Version 1 had neither this number nor groups."""


class Label(StrEnum):
    """What a frame shows. ``FLIP`` is the positive class everywhere."""

    FLIP = "flip"
    NOTFLIP = "notflip"


class Split(StrEnum):
    """How training uses a frame."""

    TRAIN = "train"
    VAL = "val"
    TEST = "test"


class Status(StrEnum):
    """The outcome of a frame: ``OK``, or why it has no probability."""

    OK = "ok"
    MISSING = "missing"
    UNREADABLE = "unreadable"
    CORRUPT = "corrupt"
    TOO_LARGE = "too_large"
    UNSUPPORTED = "unsupported"


TRANSIENT = frozenset({Status.MISSING, Status.UNREADABLE})
"""Another attempt may succeed: the storage failed, or the file was replaced after it was listed."""

MANIFEST = pa.schema(
    [
        pa.field("video_id", pa.string(), nullable=False),
        pa.field("frame_number", pa.int64(), nullable=False),
        pa.field("uri", pa.string(), nullable=False),
        pa.field("label", pa.string()),
        pa.field("split", pa.string()),
        pa.field("version", pa.string()),
        pa.field("group", pa.string(), nullable=False),
        pa.field("seconds", pa.float64()),
        pa.field("key_frame", pa.bool_()),
    ]
)
"""One row per frame, in the order of `ORDER`. A file whose version differs was replaced after it was listed.
Frames of one group (a book, a place or a recording) look alike: splits and intervals never divide a group,
and a video is in one group. ``seconds`` is the time in the film at which a frame is shown, ``key_frame``
whether it can be decoded without the frames before it; both are null for images."""

FILM_FACTS = ["seconds", "key_frame"]
"""Columns of `MANIFEST` that the film itself says: neither a table of the user nor a fingerprint has them."""

ORDER = [("video_id", "ascending"), ("frame_number", "ascending"), ("uri", "ascending")]
"""The order of rows of frames, for `pyarrow.Table.sort_by`."""

MISNAMED = pa.schema(
    [
        pa.field("uri", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
    ]
)
"""Listed files that are not frames: each listed file is in this table or in `MANIFEST`."""

MISNAMED_ORDER = [("uri", "ascending")]

PREDICTIONS = pa.schema(
    [
        pa.field("video_id", pa.string(), nullable=False),
        pa.field("frame_number", pa.int64(), nullable=False),
        pa.field("uri", pa.string(), nullable=False),
        pa.field("label", pa.string()),
        pa.field("status", pa.string(), nullable=False),
        pa.field("error", pa.string()),
        pa.field("flip_probability", pa.float32()),
        pa.field("prediction", pa.string()),
    ]
)
"""One row per manifest row and model, in the order of the manifest."""

VIDEOS = pa.schema(
    [
        pa.field("model", pa.string(), nullable=False),
        pa.field("video_id", pa.string(), nullable=False),
        pa.field("label", pa.string()),
        pa.field("frames", pa.int64(), nullable=False),
        pa.field("scored", pa.int64(), nullable=False),
        pa.field("errors", pa.int64(), nullable=False),
        pa.field("predicted_flip_frames", pa.int64(), nullable=False),
        pa.field("mean_probability", pa.float64()),
        pa.field("max_probability", pa.float32()),
        pa.field("prediction", pa.string()),
        pa.field("tp", pa.int64(), nullable=False),
        pa.field("fp", pa.int64(), nullable=False),
        pa.field("fn", pa.int64(), nullable=False),
        pa.field("tn", pa.int64(), nullable=False),
        pa.field("precision", pa.float64()),
        pa.field("recall", pa.float64()),
        pa.field("f1", pa.float64()),
        pa.field("group", pa.string(), nullable=False),
    ]
)
"""One row per (model, video). F1 is null for a video with neither flip labels nor flip predictions."""

EVENTS = pa.schema(
    [
        pa.field("model", pa.string(), nullable=False),
        pa.field("video_id", pa.string(), nullable=False),
        pa.field("event", pa.int64(), nullable=False),
        pa.field("first_frame", pa.int64(), nullable=False),
        pa.field("last_frame", pa.int64(), nullable=False),
        pa.field("peak_frame", pa.int64(), nullable=False),
        pa.field("peak_probability", pa.float32(), nullable=False),
        pa.field("peak_uri", pa.string(), nullable=False),
        pa.field("frames", pa.int64(), nullable=False),
        pa.field("first_seconds", pa.float64()),
        pa.field("last_seconds", pa.float64()),
        pa.field("peak_seconds", pa.float64()),
        pa.field("group", pa.string(), nullable=False),
    ]
)
"""One row per (model, video, page turn). ``event`` counts the turns of a video from 0, ``frames`` the rows of
the manifest in it; ``first_frame``, ``last_frame`` and ``peak_frame`` are frame numbers. ``peak_probability``
is smoothed. Seconds are null for images. A video of one frame has no turns."""

STILLS = pa.schema(
    [
        pa.field("model", pa.string(), nullable=False),
        pa.field("video_id", pa.string(), nullable=False),
        pa.field("still", pa.int64(), nullable=False),
        pa.field("first_frame", pa.int64(), nullable=False),
        pa.field("last_frame", pa.int64(), nullable=False),
        pa.field("frames", pa.int64(), nullable=False),
        pa.field("frame_number", pa.int64()),
        pa.field("uri", pa.string()),
        pa.field("seconds", pa.float64()),
        pa.field("sharpness", pa.float32()),
        pa.field("flip_probability", pa.float32()),
        pa.field("group", pa.string(), nullable=False),
    ]
)
"""One row per (model, video, stretch without a page turn): before, between and after the turns of a video, or
all of a video without any. ``frame_number``, ``uri``, ``seconds``, ``sharpness`` and ``flip_probability`` are
of the frame to keep, null where no frame of the stretch could be decoded; ``seconds`` is null for images,
``sharpness`` for frames that an older version scored. A video of one frame has no stills."""

THUMBNAIL = (12, 9)
"""Rows and columns of a thumbnail. They divide 240 x 135 pixels, for which the mean of a block is fast."""

FRAME_FACTS = pa.schema(
    [
        pa.field("seconds", pa.float64()),
        pa.field("sharpness", pa.float32()),
        pa.field("thumbnail", pa.binary(THUMBNAIL[0] * THUMBNAIL[1])),
    ]
)
"""What shards keep of a frame for page turns and stills; no table that users read has the thumbnail. Shards
that an older version wrote have none of these columns."""

SPLITS = pa.schema(
    [
        pa.field("video_id", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("frames", pa.int64(), nullable=False),
        pa.field("group", pa.string(), nullable=False),
    ]
)
"""How many frames of each video a training run used in each split."""

FAILURES = pa.schema(
    [
        pa.field("uri", pa.string(), nullable=False),
        pa.field("status", pa.string(), nullable=False),
        pa.field("error", pa.string(), nullable=False),
    ]
)
"""Training frames that could not be decoded, with the reason."""

ADAPTATION = pa.schema(
    [
        pa.field("model", pa.string(), nullable=False),
        pa.field("place", pa.string(), nullable=False),
        pa.field("frames", pa.int64(), nullable=False),
        pa.field("sampled", pa.int64(), nullable=False),
        pa.field("scored", pa.int64(), nullable=False),
        pa.field("offset", pa.float64(), nullable=False),
        pa.field("histogram", pa.list_(pa.int32()), nullable=False),
    ]
)
"""Of a run with ``--adapt``, one row per (model, place), sorted. ``offset`` is subtracted from the calibrated
logit of every frame of the place. It is estimated from ``scored`` frames, those of ``sampled`` frames that
could be decoded, out of the place's ``frames``; ``histogram`` counts their logits, in the bins of
`evaluation.adaptation.LogitHistogram`. A place is a manifest's ``group`` or else a directory, see
`frames.places`.

``adaptation`` in ``run.json`` sums the table up: ``folder`` and ``digest`` (SHA-256) of the file that the run
reads, ``frames_per_place`` (most that are sampled), ``places``, ``frames`` (sampled, in all), and
``models.<name>`` with ``smallest``, ``median`` and ``largest`` offset and, where there are few places,
``offsets`` by place. ``metrics.json`` has the same without the file; null without ``--adapt``."""

COLUMNS = frozenset(
    {"model"}.union(
        *(
            table.names
            for table in (PREDICTIONS, VIDEOS, EVENTS, STILLS, SPLITS, FAILURES, MISNAMED, ADAPTATION)
        )
    )
)
"""Of all tables that users read; ``model`` is also the key of the folders of predictions."""
