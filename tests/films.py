"""Films whose frames show their own number: eight stripes, one for each bit, black or white."""

from __future__ import annotations

import io
import struct
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.stream import Disposition

HEIGHT, WIDTH = 96, 128


def picture_of(number, height=HEIGHT, width=WIDTH):
    """An RGB picture that shows a number below 256."""
    bits = [(number >> bit) & 1 for bit in range(8)]
    row = np.repeat(np.array(bits, np.uint8) * 160 + 40, width // 8)
    return np.repeat(np.broadcast_to(row, (height, len(row)))[..., None], 3, axis=2).copy()


def number_in(pixels):
    """The number that a picture shows, upright, whatever its size."""
    grey = np.asarray(pixels, np.float32).mean(axis=(0, 2))
    stripes = grey.reshape(8, -1).mean(axis=1)
    return sum(int(value > 120) << bit for bit, value in enumerate(stripes))


def film(frames=40, codec="libx264", container="mp4", **settings):
    """The bytes of a film that shows its numbers, or the `pictures` of the settings."""
    pictures = settings.pop("pictures", None) or [picture_of(number) for number in range(frames)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"film.{container}"
        write_film(str(path), pictures, codec, **settings)
        return path.read_bytes()


def write_film(
    path,
    pictures,
    codec="libx264",
    key_every=12,
    times=None,
    options=None,
    rotation=0,
    rate=30,
    container_options=None,
):
    """Write RGB pictures as a film; `times` are those of its frames, in thousandths of a second."""
    with av.open(path, "w", options=container_options or {}) as output:
        stream: Any = output.add_stream(codec, rate=rate, options={"g": str(key_every), **(options or {})})
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        if rotation:
            stream.set_display_rotation(rotation)
        stream.codec_context.time_base = Fraction(1, 1000 if times else rate)
        for number, pixels in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts = times[number] if times else number
            frame.time_base = stream.codec_context.time_base
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


def without_start(data, packets, container="mov"):
    """The film without its first packets: it starts with frames that build on what is not there."""
    file = io.BytesIO()
    with av.open(io.BytesIO(data), "r") as source, av.open(file, "w", format=container) as output:
        stream: Any = output.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(source.demux(source.streams.video[0])):
            if packet.size and number >= packets:
                packet.stream = stream
                output.mux(packet)
    return file.getvalue()


def two_streams(first, second, container="mp4"):
    """A film of the video streams of two films, of which the second is marked as the default."""
    file = io.BytesIO()
    with (
        av.open(io.BytesIO(first), "r") as one,
        av.open(io.BytesIO(second), "r") as other,
        av.open(file, "w", format=container) as output,
    ):
        sources = one.streams.video[0], other.streams.video[0]
        streams: list[Any] = [output.add_stream_from_template(source) for source in sources]
        streams[0].disposition, streams[1].disposition = Disposition(0), Disposition.default
        for film, source, stream in zip((one, other), sources, streams, strict=True):
            for packet in film.demux(source):
                if packet.size:
                    packet.stream = stream
                    output.mux(packet)
    return file.getvalue()


def trimmed(data, first, milliseconds):
    """An MP4 of which the edit list shows a part only, from a frame on, as phones trim."""
    entry = data.index(b"elst") + 12
    (start,) = struct.unpack(">i", data[entry + 4 : entry + 8])
    ticks = 512  # of a frame, at 30 frames/s
    return data[:entry] + struct.pack(">Ii", milliseconds, start + first * ticks) + data[entry + 8 :]


def mirrored(data, matrix):
    """An MP4 of another matrix of display: a, b, c and d of ISO/IEC 14496-12, section 6.2.2."""
    start = data.index(b"tkhd") + 44
    a, b, c, d = (round(value * 2**16) for value in matrix)
    return data[:start] + struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 2**30) + data[start + 36 :]


def sound(seconds=1):
    """The bytes of a film without pictures."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as output:
        stream: Any = output.add_stream("aac", rate=48_000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.rate = 48_000
        for number in range(seconds * 46):
            frame.pts = number * 1024
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return file.getvalue()
