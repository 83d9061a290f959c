"""A film is opened: its container, its video stream, and what is wrong with it.

FFmpeg, through PyAV, reads MP4, QuickTime, Matroska and WebM, and no other container: a playlist that is
named like a film could make it open other files. Bytes come from a Python file, never from a path or a URL.

Knows containers and the errors of FFmpeg. Does not know frames' numbers, storage or pixels.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any

import av
import av.logging
from av.container import InputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream

from flipbatch.frames.decode import DECODER_FAULT
from flipbatch.frames.rejection import RejectedError, check_pixels
from flipbatch.schema import Status

log = logging.getLogger(__name__)

av.logging.set_level(None)  # FFmpeg would print every damaged packet

_DEMUXERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm"
_READ = "MP4, QuickTime, Matroska and WebM are read"
_BUFFER_BYTES = 2**20

# FFmpeg conceals damage by default; with these it reports it.
_STRICT = {"err_detect": "crccheck+bitstream+buffer+explode", "threads": "1"}


@contextmanager
def film_errors() -> Iterator[None]:
    """Turn every error but those of storage into a `RejectedError`: one film may not end a run."""
    try:
        yield
    except FFmpegError as error:  # before OSError and MemoryError: some of FFmpeg's are both
        reason = str(error.strerror or error).rstrip(".")
        raise RejectedError(Status.CORRUPT, f"FFmpeg can't read the film: {reason}") from error
    except (OSError, RejectedError, MemoryError):
        raise
    except Exception as error:
        log.debug("A film made the reader fail.", exc_info=True)
        raise RejectedError(Status.CORRUPT, f"{DECODER_FAULT}: {error!r}") from error


@contextmanager
def open_film(file: IO[bytes]) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a film and its video stream; close it with the block.

    Of several video streams it is the first that is marked as the default, or else the first.

    Parameters
    ----------
    file
        Seekable, in binary.

    Raises
    ------
    RejectedError
        If it is no film, has no video stream, or its pictures are too large.
    OSError
        As the storage raises it.
    """
    container = _open(file)
    try:
        with film_errors():
            stream = _video_stream(container)
        yield container, stream
    finally:
        with suppress(FFmpegError):
            container.close()


def _open(file: IO[bytes]) -> InputContainer:
    if not file.seek(0, io.SEEK_END):
        raise RejectedError(Status.CORRUPT, "the file is empty")  # FFmpeg would seek before its start
    file.seek(0)
    options = {"format_whitelist": _DEMUXERS}
    try:
        return av.open(file, "r", options=options, buffer_size=_BUFFER_BYTES, metadata_errors="replace")
    except FFmpegError as error:
        reason = str(error.strerror or error).rstrip(".")
        raise RejectedError(Status.CORRUPT, f"it can't be opened as a film: {reason}; {_READ}") from error


def _video_stream(container: InputContainer) -> VideoStream:
    pictures = [stream for stream in container.streams.video if not _is_cover(stream)]
    if not pictures:
        raise RejectedError(Status.UNSUPPORTED, "the film has no video stream")
    stream = next(filter(_is_default, pictures), pictures[0])
    codec: Any = stream.codec_context
    if codec is None:
        raise RejectedError(Status.UNSUPPORTED, "the film's video has a codec that FFmpeg does not know")
    check_pixels(codec.height, codec.width)
    codec.options = dict(_STRICT)
    codec.thread_count = 1  # a worker has one core
    return stream


def _is_cover(stream: VideoStream) -> bool:
    """Return whether a stream is a picture of a cover."""
    return _has(stream, "attached_pic")


def _is_default(stream: VideoStream) -> bool:
    """Return whether players show this stream unless somebody chooses another one."""
    return _has(stream, "default")


def _has(stream: VideoStream, mark: str) -> bool:
    disposition: Any = stream.disposition
    return bool(disposition & getattr(type(disposition), mark))
