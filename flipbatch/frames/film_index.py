"""The index of a film: when each of its frames is shown, and which of them are key frames.

The packets of the film are read, none is decoded. Frames are numbered from 0 in the order in which they are
shown. A film that is cut short gets one frame more, which has no time: its row says what is missing.

Knows packets. Does not know rows, labels or pixels.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import IO, Any

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream
from numpy.typing import NDArray

from flipbatch import storage
from flipbatch.frames.film_container import film_errors, open_film
from flipbatch.frames.rejection import RejectedError, Rejection
from flipbatch.runtime.wording import counted
from flipbatch.schema import Status

_SHORTFALL_SECONDS = 2.0
"""The duration in a header is that of the longest stream, such as of the sound: so much may lie between."""

_CLOCK = re.compile(r"(\d+):(\d+):(\d+\.?\d*)")

_SHOWN = 0x10
"""In the first byte of a packet of VP8: the frame is shown (RFC 6386, section 9.1)."""


@dataclass(frozen=True)
class FilmIndex:
    """The frames of a film.

    Attributes
    ----------
    seconds : ndarray
        (N,), float64, ascending: when each frame is shown.
    key_frames : ndarray
        (N,), bool: whether it can be decoded without the frames before it.
    complaint : Rejection or None
        What is wrong with the film; it is said of frame N.
    """

    seconds: NDArray[np.float64]
    key_frames: NDArray[np.bool_]
    complaint: Rejection | None = None

    @property
    def frames(self) -> int:
        """The number of frames."""
        return len(self.seconds)

    def missing(self, number: int) -> Rejection:
        """Return why there is no frame of this number."""
        has = counted(self.frames, "frame")
        return self.complaint or Rejection(
            Status.CORRUPT, f"the film has {has}, numbered from 0: no {number}"
        )


def no_film(why: Rejection) -> FilmIndex:
    """Return the index of what is no film: frame 0 is missing, and why."""
    return FilmIndex(np.empty(0), np.empty(0, np.bool_), why)


def film_index(uri: str, version: str | None = None) -> FilmIndex:
    """Read the index of a film, or return it if it was read lately and the film is the same.

    Raises
    ------
    OSError
        As the storage raises it; `storage.ReplacedError` if the film is of another version.
    """
    return _index(uri, version, storage.local_state(uri))


@lru_cache(maxsize=64)
def _index(uri: str, version: str | None, _: object) -> FilmIndex:
    with storage.open_version(uri, version) as file:
        return index_of(file)


def index_of(file: IO[bytes]) -> FilmIndex:
    """Read the index of an open film; of one that can't be opened, the index says why.

    Raises
    ------
    OSError
        As the storage raises it.
    """
    try:
        with open_film(file) as opened, film_errors():
            return _read(*opened)
    except RejectedError as error:
        return no_film(error.rejection)


def _read(container: InputContainer, stream: VideoStream) -> FilmIndex:
    packets = _Packets()
    try:
        for packet in container.demux(stream):
            packets.add(packet, stream)
    except FFmpegError as error:
        why = f"the film is damaged behind {counted(packets.stored, 'frame')}: {error.strerror}"
        return packets.index(stream, why)
    return packets.index(stream, packets.shortfall(container, stream))


class _Packets:
    """The times of packets, in the order in which they are stored."""

    def __init__(self) -> None:
        self.times: list[int] = []
        self.keys: list[bool] = []
        self.stored = 0
        self.without_time = 0
        self.end = 0

    def add(self, packet: Any, stream: VideoStream) -> None:
        if not packet.size:  # the one that ends the stream
            return
        self.stored += 1
        if packet.is_discard or (stream.codec_context.name == "vp8" and not bytes(packet)[0] & _SHOWN):
            return
        if packet.pts is None:
            self.without_time += 1
            return
        self.times.append(packet.pts)
        self.keys.append(packet.is_keyframe)
        self.end = max(self.end, packet.pts + (packet.duration or 0))

    def index(self, stream: VideoStream, why: str | None) -> FilmIndex:
        times, first = np.unique(np.array(self.times, np.int64), return_index=True)
        base: Any = stream.time_base
        seconds = times * base.numerator / base.denominator
        keys = np.array(self.keys, np.bool_)[first]
        return FilmIndex(seconds, keys, None if why is None else Rejection(Status.CORRUPT, why))

    def shortfall(self, container: InputContainer, stream: VideoStream) -> str | None:
        """Return what a film lacks of what its header says."""
        if self.without_time:
            return f"{counted(self.without_time, 'frame')} of the film have no time, and are not read"
        if not self.times:
            return "the film has no frames"
        expected = self._expected(stream)
        if expected > self.stored:
            return f"the film is cut short: {self.stored:,} of its {expected:,} frames are there"
        return self._short_duration(container, stream)

    def _expected(self, stream: VideoStream) -> int:
        """Return how many frames an MP4 says it has, without those that its edit list leaves out, or 0.

        Phones trim a film by such a list: its duration is then that of the rest, and FFmpeg's table of frames
        has no others. A damaged table is shorter, too, but leaves a part of the duration empty.
        """
        shown = self.end - min(self.times)
        if shown * (1 + 2 / len(self.times)) < (stream.duration or 0):
            return stream.frames
        return min(stream.frames, len(stream.index_entries))

    def _short_duration(self, container: InputContainer, stream: VideoStream) -> str | None:
        base: Any = stream.time_base
        end = self.end * base.numerator / base.denominator
        duration, tolerance = _duration(container, stream)
        if stream.frames or duration - end <= tolerance + 2 * end / len(self.times):
            return None
        return f"the film is cut short: it says {duration:.1f} s, and its frames end at {end:.1f} s"


def _duration(container: InputContainer, stream: VideoStream) -> tuple[float, float]:
    """Return the seconds that a film says it lasts, or 0, and by how many the last frame may come before."""
    own = _CLOCK.match(stream.metadata.get("DURATION", ""))  # Matroska has it as a text
    if own is not None:
        hours, minutes, seconds = map(float, own.groups())
        return 3600 * hours + 60 * minutes + seconds, 0.1
    return (container.duration or 0) / av.time_base, _SHORTFALL_SECONDS
