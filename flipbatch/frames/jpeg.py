"""A JPEG becomes pixels at the smallest scale that covers the input, and is rejected at any sign of damage.

A strict decoder refuses a file for anything that its library warns of. Some of that moves no pixel: such a
file is decoded again, as strictly, without it. `jpeg_plain` says what it is, docs/decisions.md why.

Knows how files are decoded and what decoders complain of; the layout of a file is in `jpeg_segments`. Knows
no other format.
"""

from __future__ import annotations

import re
import struct
from io import BytesIO
from itertools import islice

import numpy as np
import simplejpeg
from PIL.JpegImagePlugin import JpegImageFile

from flipbatch.frames.fitting import (
    ORIENTATION_TAG,
    UPRIGHT,
    InputSize,
    Plan,
    known_orientation,
    place,
    plan_fit,
)
from flipbatch.frames.jpeg_code import UncheckedError
from flipbatch.frames.jpeg_native import Outcome, decode_eighth, native_size
from flipbatch.frames.jpeg_plain import plain_jpeg
from flipbatch.frames.jpeg_segments import (
    APP1,
    APPLICATION,
    DHT,
    FRAMES,
    SOF0,
    SOF1,
    SOS,
    Frame,
    Segment,
    read_frame,
    segments,
)
from flipbatch.frames.rejection import RejectedError, check_pixels, decoder_errors
from flipbatch.schema import Status

MAX_SCANS = 500
"""A JPEG of more scans could take hours to decode: cameras and encoders make about ten."""

MAX_SEGMENTS = 1000
"""No real JPEG has more segments before its pixels: the largest colour profile, 16 MB, takes 255."""

_END = b"\xff\xd9"
_SCAN = b"\xff\xda"
_ARITHMETIC = {0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF}

_SECTOR = 512  # bytes of a disk's sector: the smallest gap in a file

# What libjpeg-turbo (jerror.h) says first of files that may be whole; of all others, it says something else
# first. Both need more than these words: damage may follow.
_LEFT_OVER = "extraneous bytes before marker"
_NO_HEIGHT = "a JPEG whose header does not say its height"
_UNUSUAL = "a JPEG of unusual chroma subsampling"
_BROKEN_HEADER = "the JPEG's header is broken or cut short"
_USUAL_LUMA = {(1, 1), (2, 1), (2, 2), (1, 2), (4, 1), (1, 4)}  # 4:4:4, 4:2:2, 4:2:0, 4:4:0, 4:1:1, 4:4:1
_MAY_BE_WHOLE = re.compile(
    f"{_LEFT_OVER}|{_UNUSUAL}|{_NO_HEIGHT}|unknown JFIF revision|bad ICC marker"
    "|Adobe color transform|Invalid SOS parameters for sequential|two SOI markers"
)


def decode_jpeg(canvas: np.ndarray, data: bytes, size: InputSize) -> None:
    """Decode any JPEG strictly, CMYK included; straight into the canvas where the scale gives its size.

    The fast options of the decoder are off: they change neither pixels nor time at 1/8, and add 0.3 grey
    levels of error at 1/2.

    Parameters
    ----------
    canvas
        Filled in place: uint8, C-contiguous, (size.height, size.width, 3).
    data
        The whole file.
    size
        Height and width of the canvas.

    Raises
    ------
    RejectedError
    """
    try:
        _decode(canvas, data, size)
    except RejectedError as refused:
        if not _MAY_BE_WHOLE.search(refused.rejection.error):
            raise
        _decode_plain(canvas, data, size, refused)


def _decode(canvas: np.ndarray, data: bytes, size: InputSize, orientation: int | None = None) -> None:
    """Decode a file strictly; its own orientation counts where none is given."""
    height, width = native_size(data) or _read_any_size(data)
    check_pixels(height, width)
    plan = plan_fit(height, width, orientation or _orientation(data), size)
    if plan.fills(size):
        _decode_scaled(canvas, data, plan)
    else:
        pixels = np.empty((plan.scaled.height, plan.scaled.width, 3), np.uint8)
        _decode_scaled(pixels, data, plan)
        place(canvas, pixels, plan)


def _decode_scaled(pixels: np.ndarray, data: bytes, plan: Plan) -> None:
    """Decode at the scale of the plan; `pixels` have its size."""
    outcome = decode_eighth(pixels, data) if plan.eighths == 1 else Outcome.LEFT
    if outcome is Outcome.DECODED:
        return
    if outcome is not Outcome.DECODED_WITH_ZEROS:
        least = {"min_height": plan.scaled.height, "min_width": plan.scaled.width}
        with decoder_errors("JPEG"):
            simplejpeg.decode_jpeg(data, "RGB", **least, buffer=pixels, strict=True)
    if outcome is Outcome.DAMAGED:
        raise RejectedError(Status.CORRUPT, "the JPEG has code that no encoder writes")
    if _has_hole(data):
        raise RejectedError(Status.CORRUPT, "the JPEG has a block of zero bytes inside its image data")


# ---------------------------------------------------------------------------------------- refused files


def _decode_plain(canvas: np.ndarray, data: bytes, size: InputSize, refused: RejectedError) -> None:
    """Decode a refused file without what moves no pixel, or refuse it again.

    Where bytes are left in a scan, or only Pillow has its sampling, its code is read, which takes about 0.1 s
    for a frame of 0.3 MB.
    """
    _check_effort(data)
    orientation = _orientation(data)
    try:
        plain = plain_jpeg(data)
    except ValueError as error:
        raise _damaged(refused, error) from error
    doubt = _decode_or_doubt(canvas, plain, size, orientation)
    if doubt is None:
        return
    try:
        whole = plain_jpeg(plain, check_code=True)
    except UncheckedError as error:
        raise RejectedError(doubt.rejection.status, f"{doubt.rejection.error} ({error})") from error
    except ValueError as error:
        raise _damaged(doubt, error) from error
    if _UNUSUAL in doubt.rejection.error:
        _decode_unusual(canvas, whole, size, orientation)
    else:
        _decode(canvas, whole, size, orientation)


def _damaged(refused: RejectedError, damage: ValueError) -> RejectedError:
    """Return the refusal of a file in which damage was found.

    The decoder says of any unusable header that its chroma subsampling is unusual.
    """
    first = refused.rejection.error
    what = "the JPEG is damaged" if re.search(f"{_UNUSUAL}|{_NO_HEIGHT}", first) else first
    return RejectedError(Status.CORRUPT, f"{what} ({damage})")


def _decode_or_doubt(
    canvas: np.ndarray, data: bytes, size: InputSize, orientation: int
) -> RejectedError | None:
    """Decode a file strictly; return the refusal where only reading its code can tell whether it is right."""
    try:
        _decode(canvas, data, size, orientation)
    except RejectedError as error:
        if not re.search(f"{_LEFT_OVER}|{_UNUSUAL}", error.rejection.error):
            raise
        return error
    return None


def _decode_unusual(canvas: np.ndarray, data: bytes, size: InputSize, orientation: int) -> None:
    """Decode by Pillow, which is not strict, a file whose code was read and found whole.

    It is averaged, not decoded at a scale: libjpeg would lose detail that luma has in one direction only.
    """
    frame = _frame(data)
    if _is_usual(frame):
        raise RejectedError(Status.CORRUPT, _BROKEN_HEADER)
    if len(frame.components) != 3:
        raise RejectedError(Status.UNSUPPORTED, f"a JPEG of {len(frame.components)} components")
    check_pixels(frame.height, frame.width)
    plan = plan_fit(frame.height, frame.width, orientation, size)
    try:
        with decoder_errors("JPEG"):
            pixels = np.asarray(JpegImageFile(BytesIO(data)).convert("RGB").reduce(8 // plan.eighths))
    except RejectedError as error:
        if isinstance(error.__cause__, OSError):  # the code is whole, so the library doesn't know its kind
            raise RejectedError(Status.UNSUPPORTED, _UNUSUAL) from error
        raise
    place(canvas, pixels, plan)


def _is_usual(frame: Frame) -> bool:
    """Return whether the strict decoder knows the sampling of a picture."""
    luma, *chroma = [(component.across, component.down) for component in frame.components]
    if len(chroma) not in (0, 2, 3):
        return False
    return not chroma or (set(chroma[:2]) == {(1, 1)} and luma in _USUAL_LUMA)


# ---------------------------------------------------------------------------------------- header


def _read_any_size(data: bytes) -> tuple[int, int]:
    """Return the height and width of the stored picture, of a kind that the native decoder may not know."""
    height, width = _read_size(data)
    check_pixels(height, width)
    _check_effort(data)
    return height, width


def _read_size(data: bytes) -> tuple[int, int]:
    """Return the height and width of the stored picture."""
    try:
        with decoder_errors("JPEG"):
            try:
                height, width, _, _ = simplejpeg.decode_jpeg_header(data, strict=True)
            except KeyError:  # it decodes 4:4:1, but has no name for it
                height, width = _frame(data)[2:4]
    except RejectedError as error:
        if "subsampling" not in error.rejection.error:  # the decoder says this of any unusable header
            raise
        if any(segment.marker in FRAMES and segment.payload[1:3] == bytes(2) for segment in segments(data)):
            raise RejectedError(Status.UNSUPPORTED, _NO_HEIGHT) from error
        if _has_whole_header(data):
            raise RejectedError(Status.UNSUPPORTED, _UNUSUAL) from error
        raise RejectedError(Status.CORRUPT, _BROKEN_HEADER) from error
    return int(height), int(width)


def _frame(data: bytes) -> Frame:
    """Return the header of the picture; the decoder has read it before."""
    return next(read_frame(segment) for segment in segments(data) if segment.marker in FRAMES)


def _has_whole_header(data: bytes) -> bool:
    """Return whether the header goes all the way to the pixels."""
    return any(segment.marker == SOS and segment.end < len(data) for segment in segments(data))


def _check_effort(data: bytes) -> None:
    """Reject files that no camera makes, and whose few bytes would take minutes to decode."""
    found = list(islice(segments(data), MAX_SEGMENTS + 1))
    if len(found) > MAX_SEGMENTS:
        raise RejectedError(Status.UNSUPPORTED, f"a JPEG of more than {MAX_SEGMENTS} segments")
    # An arithmetic decoder never runs out of data: it decodes a file without pixels, too.
    if any(segment.marker in _ARITHMETIC for segment in found):
        raise RejectedError(Status.UNSUPPORTED, "an arithmetic-coded JPEG")
    # Counting the scans of every file would cost a tenth of decoding: most files have one, of all components.
    if not _is_one_scan(found) and data.count(_SCAN) > MAX_SCANS:
        raise RejectedError(Status.UNSUPPORTED, f"a JPEG of more than {MAX_SCANS} scans")


def _is_one_scan(found: list[Segment]) -> bool:
    components = next((segment.payload[5:6] for segment in found if segment.marker in {SOF0, SOF1}), None)
    return components is not None and found[-1].payload[:1] == components


# ---------------------------------------------------------------------------------------- damage


def _has_hole(data: bytes) -> bool:
    """Return whether zeros replace a sector or more of a baseline JPEG's pixels.

    Zeros are valid code. By chance they can give as many blocks as they replaced, and then a strict decoder
    accepts them: one 4 KiB hole of a hundred and one 512-byte hole of twelve in 1080x1920 frames.
    """
    if bytes(_SECTOR // 128) not in data[::128]:  # a fast test that finds every hole, and some others
        return False
    first_symbols: dict[int, int] = {}
    components = 0
    for marker, payload, _, end, _ in segments(data):
        if marker == DHT:
            first_symbols |= _first_symbols(payload)
        elif marker in {SOF0, SOF1}:
            components = payload[5]
        elif marker == SOS and payload[0] == components:
            tables = {0x10 | selector & 0x0F for selector in payload[2 : 2 + 2 * components : 2]}
            flat = all(first_symbols.get(table, 0) == 0 for table in tables)
            return not flat and data.find(bytes(_SECTOR), end, data.find(_END, end)) >= 0
    return False


def _first_symbols(tables: bytes) -> dict[int, int]:
    """Return the symbol that zero bits stand for in each Huffman table.

    Symbol 0 means "no more detail in this block". Where it is the first of all tables of a picture, zeros may
    be a blank area.
    """
    found, position = {}, 0
    while position + 17 < len(tables):
        found[tables[position]] = tables[position + 17]
        position += 17 + sum(tables[position + 1 : position + 17])
    return found


# ---------------------------------------------------------------------------------------- orientation


def _orientation(data: bytes) -> int:
    """Return the Exif orientation; Exif must be among the application segments, before the tables."""
    for marker, payload, _, _, _ in segments(data):
        if marker not in APPLICATION:
            break
        if marker == APP1 and payload.startswith(b"Exif\0\0"):
            return _exif_orientation(payload[6:])
    return UPRIGHT


def _exif_orientation(exif: bytes) -> int:
    """Return the orientation in a TIFF structure; `UPRIGHT` where it has none or is damaged."""
    order = ">" if exif.startswith(b"MM") else "<"
    try:
        (directory,) = struct.unpack_from(order + "I", exif, 4)
        (entries,) = struct.unpack_from(order + "H", exif, directory)
        for entry in range(directory + 2, directory + 2 + 12 * entries, 12):
            tag, value = struct.unpack_from(order + "H6xH", exif, entry)
            if tag == ORIENTATION_TAG:
                return known_orientation(value)
    except struct.error:
        pass
    return UPRIGHT
