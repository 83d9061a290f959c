"""A TensorBoard event file: values by tag and step, to which those that it lacks are appended.

Knows the format of the file. Does not know what the values mean.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterable, Iterator
from typing import Any

from tensorboardX.proto import event_pb2, summary_pb2
from tensorboardX.record_writer import masked_crc32c

from flipbatch import storage

# These classes are made at import: type checkers know none.
Event: Any = event_pb2.Event  # pyright: ignore[reportAttributeAccessIssue]
Summary: Any = summary_pb2.Summary  # pyright: ignore[reportAttributeAccessIssue]

Value = Any
"""A ``Summary.Value``: a tag, and a scalar or a picture."""

_LENGTH, _CHECKSUM = struct.Struct("<Q"), struct.Struct("<I")
_VERSION = Event(file_version="brain.Event:2")


def scalar(tag: str, value: float) -> Value:
    """Return a number with its tag."""
    return Summary.Value(tag=tag, simple_value=value)


def picture(tag: str, jpeg: bytes, height: int, width: int) -> Value:
    """Return an RGB picture with its tag; height and width are in pixels."""
    image = Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=jpeg)
    return Summary.Value(tag=tag, image=image)


class EventFile:
    """An event file at any URI, of one writer at a time.

    On a local disk it grows in place, so that TensorBoard follows a run, also after it is resumed. Elsewhere
    the whole file is put.

    Parameters
    ----------
    uri : str
        Normalised. A file that is there is continued; what an interrupted write left at its end is cut off.

    Raises
    ------
    OSError
        If the file is there and can't be read.
    """

    def __init__(self, uri: str) -> None:
        self._uri = uri
        found = storage.read(uri) if storage.exists(uri) else b""
        events = list(_events(found))
        self._data = found[: sum(size for _, size in events)]
        self._recorded = {(value.tag, event.step) for event, _ in events for value in event.summary.value}

    def has_step(self, step: int) -> bool:
        """Return whether the file has any value of a step."""
        return any(found == step for _, found in self._recorded)

    def add(self, step: int, values: Iterable[Value]) -> None:
        """Append values of a step, without those whose tag the file has at this step.

        Raises
        ------
        StorageError
        """
        self.add_all([(step, value) for value in values])

    def add_all(self, values: Iterable[tuple[int, Value]]) -> None:
        """Append values with their steps, as `add` does, in one write.

        Raises
        ------
        StorageError
        """
        new = [(step, value) for step, value in values if (value.tag, step) not in self._recorded]
        if not new:
            return
        now = time.time()
        events = [Event(wall_time=now, step=step, summary=Summary(value=[value])) for step, value in new]
        self._append(b"".join(map(_record, events if self._data else [_VERSION, *events])))
        self._recorded |= {(value.tag, step) for step, value in new}

    def _append(self, data: bytes) -> None:
        if self._data and storage.is_local(self._uri):
            with storage.storage_errors(f"write {self._uri}"), open(self._uri, "r+b") as file:
                file.truncate(len(self._data))
                file.seek(len(self._data))
                file.write(data)
        else:
            storage.write(self._uri, self._data + data)
        self._data += data


# ------------------------------------------------------------------------------ records
# A record is the length of its data, a checksum of the length, the data, and a checksum of the data:
# https://www.tensorflow.org/tutorials/load_data/tfrecord


def _record(event: Any) -> bytes:
    data = event.SerializeToString()
    length = _LENGTH.pack(len(data))
    return length + _checksum(length) + data + _checksum(data)


def _checksum(data: bytes) -> bytes:
    return _CHECKSUM.pack(masked_crc32c(data))


def _events(data: bytes) -> Iterator[tuple[Any, int]]:
    """Yield the events of a file and the bytes of their records, up to the first that is not complete."""
    start = 0
    while len(data) - start >= _LENGTH.size:
        (length,) = _LENGTH.unpack_from(data, start)
        size = _LENGTH.size + _CHECKSUM.size + length + _CHECKSUM.size
        body = data[start + _LENGTH.size + _CHECKSUM.size : start + size - _CHECKSUM.size]
        if start + size > len(data) or data[start + size - _CHECKSUM.size : start + size] != _checksum(body):
            return
        yield Event.FromString(body), size
        start += size
