"""Decodes the frames of one film, in the order in which they are shown.

A frame that builds on a damaged one is rejected like it, up to the next key frame: FFmpeg would show it with
a guess of what is missing. Decoding goes on from frame to frame; it starts anew at a key frame only for a
frame that lies before the last one, or far behind it.

Knows packets, and pictures as FFmpeg gives them. Does not know storage, numbers of frames or models.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from av.container import InputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from flipbatch.frames.rejection import RejectedError
from flipbatch.schema import Status

_FAR_SECONDS = 4.0
"""A frame so far behind the last one is sought, not decoded up to: films have a key frame every 1 to 10 s."""

_DAMAGED = "the film is damaged here: the frame, or one that it builds on, can't be decoded"


class FilmReader:
    """Decodes frames of an open film.

    Parameters
    ----------
    container, stream
        Of `film_container.open_film`.
    """

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        self._container, self._stream = container, stream
        base: Any = stream.time_base
        self._ticks_per_second = base.denominator / base.numerator
        self._pictures: Iterator[tuple[int, VideoFrame | None]] = iter(())
        self._shown: tuple[int, VideoFrame | None] | None = None
        self._may_skip = True
        self._began = 0
        self._damage = _Damage()

    def picture(self, seconds: float) -> VideoFrame:
        """Return the frame that is shown at a time of `film_index.FilmIndex`.

        Raises
        ------
        RejectedError
            If it, or a frame that it builds on, can't be decoded.
        OSError
            As the storage raises it.
        """
        wanted = round(seconds * self._ticks_per_second)
        if self._must_seek(wanted):
            self._seek(wanted)
        found = self._advance(wanted)
        if found is None and self._may_lack_references(wanted):
            self._seek(self._began - 1)
            found = self._advance(wanted)
        if found is None:
            raise RejectedError(Status.CORRUPT, _DAMAGED)
        return found

    def _advance(self, wanted: int) -> VideoFrame | None:
        """Decode up to a frame; return it, or None if it is damaged or not there."""
        while self._shown is None or self._shown[0] < wanted:
            following = next(self._pictures, None)
            if following is None:
                return None
            self._shown = following
        return self._shown[1] if self._shown[0] == wanted else None

    def _may_lack_references(self, wanted: int) -> bool:
        """Return whether decoding started at the key frame before: some frames build on those before it."""
        return not self._is_start(self._began) and self._damage.is_first_group(wanted)

    # ------------------------------------------------------------------------------------ position

    def _must_seek(self, wanted: int) -> bool:
        if self._shown is None or wanted < self._shown[0]:
            return True
        return self._may_skip and wanted - self._shown[0] > _FAR_SECONDS * self._ticks_per_second

    def _seek(self, wanted: int) -> None:
        """Start at a key frame that is shown no later than `wanted`."""
        before, back = self._shown, 0.0
        while True:
            target = wanted - round(back * self._ticks_per_second)
            packets = self._packets_from(target)
            first = next(packets, None)
            if (first is not None and first.pts is not None and first.pts <= wanted) or self._is_start(
                target
            ):
                break
            back = max(1.0, 2 * back)  # containers look for times of decoding, which may be earlier
        if before is not None and first is not None and (first.pts or 0) <= before[0] <= wanted:
            self._may_skip = False  # key frames are too rare: going on would have been cheaper
        self._shown, self._damage = None, _Damage()
        self._began = target if first is None or first.pts is None else first.pts
        self._pictures = self._decoded(first, packets)

    def _is_start(self, target: int) -> bool:
        return target <= (self._stream.start_time or 0)

    def _packets_from(self, target: int) -> Iterator[Any]:
        target = max(target, self._stream.start_time or 0)
        try:
            self._container.seek(target, stream=self._stream)
        except FFmpegError:  # no key frame before
            with suppress(FFmpegError):  # no index: the packets are those from here on
                self._container.seek(target, stream=self._stream, backward=False)
        return _packets(self._container, self._stream)

    # ------------------------------------------------------------------------------------ decoding

    def _decoded(self, first: Any, packets: Iterator[Any]) -> Iterator[tuple[int, VideoFrame | None]]:
        """Yield frames with their times in ticks, in the order shown; None for a damaged one."""
        codec, damage = self._stream.codec_context, self._damage
        codec.flush_buffers()
        for packet in _then(first, packets):
            damage.start(packet)
            for frame in _decode(codec, packet, damage):
                if frame.pts is not None:
                    yield frame.pts, None if damage.reaches(frame) else frame


class _Damage:
    """Which frames of a run of packets are damaged, or build on damaged ones.

    A packet is decoded after all that it builds on. Frames that are stored after a key frame, but shown
    before it, may build on the frames before the key frame.
    """

    def __init__(self) -> None:
        self._stored = dict[int, tuple[int, int]]()  # by time: the number of the packet, and of its key frame
        self._keys: list[int] = []
        self._first = dict[int, int]()  # by key frame: the first damaged packet
        self._packet = -1

    def start(self, packet: Any) -> None:
        """Note a packet before it is decoded."""
        self._packet += 1
        if packet.is_keyframe or not self._keys:
            self._keys.append(packet.pts if packet.pts is not None else -1)
        if packet.pts is not None:
            self._stored[packet.pts] = self._packet, len(self._keys) - 1
        if packet.is_corrupt:
            self.found()

    def is_first_group(self, time: int) -> bool:
        """Return whether a frame is shown before the second key frame."""
        return len(self._keys) < 2 or time < self._keys[1]

    def found(self) -> None:
        """Note that the last packet is damaged."""
        self._first.setdefault(len(self._keys) - 1, self._packet)

    def reaches(self, frame: VideoFrame) -> bool:
        """Return whether a frame is damaged, or may build on a damaged one; forget those before it."""
        number, key = self._stored.pop(frame.pts or 0, (self._packet, len(self._keys) - 1))
        if frame.is_corrupt:
            self._first[key] = min(number, self._first.get(key, number))
        leads = frame.pts is not None and frame.pts < self._keys[key]
        return self._first.get(key, number + 1) <= number or (leads and key - 1 in self._first)


# ---------------------------------------------------------------------------------------- packets


def _packets(container: InputContainer, stream: VideoStream) -> Iterator[Any]:
    """Yield the packets from the container's position on, the empty one at the end included."""
    try:
        yield from container.demux(stream)
    except FFmpegError:
        return


def _then(first: Any, others: Iterator[Any]) -> Iterator[Any]:
    if first is not None:
        yield first
        yield from others


def _decode(codec: Any, packet: Any, damage: _Damage) -> list[VideoFrame]:
    try:
        return codec.decode(packet if packet.size else None)
    except FFmpegError:
        damage.found()
        return []
