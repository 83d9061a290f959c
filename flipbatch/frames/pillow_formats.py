"""PNG, WebP, BMP and TIFF become pixels by Pillow; files whose damage or meaning is unclear are rejected.

Knows these formats and Pillow. Does not know JPEG.
"""

from __future__ import annotations

import warnings
from io import BytesIO

import numpy as np
from PIL import Image, ImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import BITSPERSAMPLE, PHOTOMETRIC_INTERPRETATION, TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from flipbatch.frames.completeness import require_png_rows, require_tiff_pieces
from flipbatch.frames.fitting import (
    ORIENTATION_TAG,
    PAD_COLOUR,
    UPRIGHT,
    InputSize,
    known_orientation,
    place,
    plan_fit,
)
from flipbatch.frames.rejection import MAX_PIXELS, RejectedError, check_pixels, decoder_errors
from flipbatch.schema import Status

MAX_WEBP_PIXELS = 50_000_000
"""WebP takes 19 bytes per pixel while decoding, the others up to 12."""

# Files are opened by class: `Image.open` has limits and warnings of its own.
_PLUGINS: dict[str, type[ImageFile.ImageFile]] = {
    "PNG": PngImageFile,
    "WebP": WebPImageFile,
    "BMP": BmpImageFile,
    "TIFF": TiffImageFile,
}

# JPEG and fax inside a TIFF are decoded without any check for damage, so they are not read.
_TIFF_COMPRESSIONS = {"raw", "packbits", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "lzma", "zstd"}

_BMP_RUN_LENGTHS = {1, 2}  # run-length compressions: Pillow fills in missing bytes

_BLACK_IS_ZERO = 1

_MODES = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr"}
_GREY_16 = "I;16"  # the first letters of Pillow's modes of 16-bit grey


def decode_by_pillow(canvas: np.ndarray, data: bytes, size: InputSize, kind: str) -> None:
    """Decode the whole picture, then halve it as JPEGs are halved, so that a frame looks alike in both.

    Parameters
    ----------
    canvas
        Filled in place: uint8, C-contiguous, (size.height, size.width, 3).
    data
        The whole file.
    size
        Height and width of the canvas.
    kind
        ``PNG``, ``WebP``, ``BMP`` or ``TIFF``.

    Raises
    ------
    RejectedError
    """
    # Pillow warns about metadata, which is not used here. All threads share one list of filters: at worst, a
    # warning of another thread is shown or hidden.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = _load(data, kind)
        orientation = _orientation(image)
    _fit(canvas, image, orientation, size, kind)


def fit_image(image: Image.Image, size: InputSize) -> np.ndarray:
    """Fit an image of Pillow into an input, as a file of the same pixels is fitted.

    Parameters
    ----------
    image
        Any mode that is read from files.
    size
        Height and width of the result.

    Returns
    -------
    uint8 array (size.height, size.width, 3), RGB, 0 to 255.

    Raises
    ------
    RejectedError
        If the mode is not read, or the image has too many pixels.
    """
    check_pixels(image.height, image.width)
    if image.mode not in _MODES and not image.mode.startswith(_GREY_16):
        raise RejectedError(Status.UNSUPPORTED, f"an image of mode {image.mode} is not read")
    canvas = np.empty((size.height, size.width, 3), np.uint8)
    _fit(canvas, image, _orientation(image), size, "image")
    return canvas


def _fit(canvas: np.ndarray, image: Image.Image, orientation: int, size: InputSize, kind: str) -> None:
    plan = plan_fit(image.height, image.width, orientation, size)
    with decoder_errors(kind):
        image = _over_pad_colour(_with_own_values(image).reduce(8 // plan.eighths))
    place(canvas, np.asarray(image), plan)


def _load(data: bytes, kind: str) -> ImageFile.ImageFile:
    """Return the first picture of a file, loaded."""
    with decoder_errors(kind):
        image = _PLUGINS[kind](BytesIO(data))
    check_pixels(image.height, image.width, MAX_WEBP_PIXELS if kind == "WebP" else MAX_PIXELS)
    if reason := _why_not_read(image):
        raise RejectedError(Status.UNSUPPORTED, f"{reason} is not read")
    with decoder_errors(kind):
        if isinstance(image, PngImageFile):
            PngImageFile(BytesIO(data)).verify()  # loading alone skips the checksums of pixels
            require_png_rows(data)
        if isinstance(image, TiffImageFile):
            require_tiff_pieces(image)
        image.load()
    return image


def _why_not_read(image: ImageFile.ImageFile) -> str | None:
    """Return the feature of an opened image that is ambiguous, or would hide damage when loaded."""
    compression = image.info.get("compression")
    if isinstance(image, TiffImageFile) and compression not in _TIFF_COMPRESSIONS:
        return f"a TIFF with {compression} compression"
    if isinstance(image, BmpImageFile) and compression in _BMP_RUN_LENGTHS:
        return "a run-length BMP"
    sixteen = image.mode.startswith(_GREY_16)
    if sixteen and isinstance(image, TiffImageFile) and not _is_plain_grey16(image):
        return "a TIFF of unusual 16-bit grey"
    return None if sixteen or image.mode in _MODES else f"an image of mode {image.mode}"


def _is_plain_grey16(image: TiffImageFile) -> bool:
    tags = image.tag_v2
    return tags.get(BITSPERSAMPLE) == (16,) and tags.get(PHOTOMETRIC_INTERPRETATION) == _BLACK_IS_ZERO


def _orientation(image: Image.Image) -> int:
    """Return the Exif orientation of a loaded image; Pillow turns a TIFF upright when it loads it."""
    try:
        return known_orientation(image.getexif().get(ORIENTATION_TAG))
    except Exception:  # damaged metadata does not matter for the pixels
        return UPRIGHT


def _with_own_values(image: Image.Image) -> Image.Image:
    """Return an image whose pixels have 8-bit values of their own, without palette: these can be averaged."""
    if image.mode.startswith(_GREY_16):
        # Pillow would clip to 255. It takes the high byte of 16-bit colour, and so does this.
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        return image.convert("RGBA")
    return image.convert("RGB") if image.mode in {"1", "P"} else image


def _over_pad_colour(image: Image.Image) -> Image.Image:
    """Return an RGB image; transparent pixels show `PAD_COLOUR`, as the bars do."""
    if image.mode != "RGBA":
        return image.convert("RGB")
    ground = Image.new("RGB", image.size, PAD_COLOUR)
    ground.paste(image, mask=image.getchannel("A"))
    return ground
