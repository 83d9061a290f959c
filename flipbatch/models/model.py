"""A trained model for use in Python: images in, a data frame of probabilities out.

Knows how a bundle, the frame loader and a predictor are put together. Does not know runs or Ray.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from flipbatch.errors import InputError
from flipbatch.evaluation.threshold import is_flip
from flipbatch.frames.fitting import InputSize
from flipbatch.frames.load import Source, load_frames, start_reading
from flipbatch.frames.pillow_formats import fit_image
from flipbatch.frames.rejection import RejectedError
from flipbatch.models.bundle import Bundle, load_bundle
from flipbatch.models.predictor import Predictor
from flipbatch.schema import Label, Status

if TYPE_CHECKING:
    from torch import nn

ImageInput = str | PathLike[str] | bytes | npt.NDArray[np.uint8] | Image.Image
"""A path or URI, the content of an image file, pixels (height, width, 3) uint8 RGB, or a Pillow image."""

IMAGES_AT_A_TIME = 256
"""Bounds memory: 256 images of 240x135 pixels take 25 MB."""


class Model:
    """A model bundle that predicts in this process, on one core.

    Parameters
    ----------
    bundle : Bundle

    Attributes
    ----------
    name : str
    threshold : float
        A probability at or above it is ``flip``.
    model_card : dict
        The content of ``model.json``.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self.name = bundle.name
        self.threshold = bundle.calibration.threshold
        self.model_card: Mapping[str, Any] = bundle.model_card()

    @classmethod
    def load(cls, uri: str) -> Model:
        """Load the bundle at a URI.

        Raises
        ------
        BundleError
            If it is missing, damaged or made by a newer version.
        """
        return cls(load_bundle(uri)[0])

    def __repr__(self) -> str:
        return f"<Model {self.name}, threshold {self.threshold:.3f}>"

    @cached_property
    def module(self) -> nn.Module:
        """The torch module, in evaluation mode: (N, 3, height, width) pixels of 0 to 255 to (N,) logits.

        The calibrated probability is ``sigmoid(logit / temperature + offset)`` with the two numbers of the
        model card.
        """
        return self._bundle.network()

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width of the pixels that the module takes."""
        return self._bundle.input_size.height, self._bundle.input_size.width

    def predict(self, images: ImageInput | Iterable[ImageInput]) -> pd.DataFrame:
        """Predict images of any size.

        Parameters
        ----------
        images : str, path, bytes, ndarray, Pillow image, or an iterable of these
            Paths and URIs are read, and bytes decoded, as by scoring. Arrays are (height, width, 3) or
            (N, height, width, 3), uint8, RGB, 0 to 255.

        Returns
        -------
        pandas.DataFrame
            One row per image, in the order given: ``uri`` (None for bytes and pixels), ``status`` and
            ``error`` as in ``predictions/``, ``flip_probability`` (float32, NaN unless the status is
            ``ok``) and ``prediction`` (``flip``, ``notflip`` or None).

        Raises
        ------
        InputError
            If an array is not uint8 RGB, a Pillow image has a mode that is not read or too many pixels, or an
            item is none of the kinds above.
        """
        iterator = iter(_as_images(images))
        parts = []
        while some := list(islice(iterator, IMAGES_AT_A_TIME)):
            parts.append(self._predict(some))
        return pd.concat(parts, ignore_index=True) if parts else self._predict([])

    @cached_property
    def _predictor(self) -> Predictor:
        return Predictor(self._bundle)

    def _predict(self, images: Sequence[ImageInput]) -> pd.DataFrame:
        size = self._bundle.input_size
        pixels = np.zeros((len(images), size.height, size.width, 3), np.uint8)
        status, error = [Status.OK] * len(images), list[str | None]([None] * len(images))
        uris = [fspath(image) if isinstance(image, str | PathLike) else None for image in images]
        files = [row for row, image in enumerate(images) if isinstance(image, str | PathLike | bytes)]
        loaded = load_frames([uris[row] or "" for row in files], [size], _contents(images))[size]
        for place, row in enumerate(files):
            status[row], error[row] = loaded.status[place], loaded.error[place]
            pixels[row] = loaded.pixels[place]
        for row in set(range(len(images))) - set(files):
            pixels[row] = _fitted(images[row], size)
        return self._table(uris, status, error, pixels)

    def _table(
        self,
        uris: list[str | None],
        status: list[Status],
        error: list[str | None],
        pixels: npt.NDArray[np.uint8],
    ) -> pd.DataFrame:
        ok = np.array([one is Status.OK for one in status], dtype=bool)
        probabilities = np.full(len(ok), np.nan, np.float32)
        probabilities[ok] = self._predictor.probabilities(pixels[ok])
        words = np.where(is_flip(probabilities, self.threshold), str(Label.FLIP), str(Label.NOTFLIP))
        columns = {
            "uri": uris,
            "status": [str(one) for one in status],
            "error": error,
            "flip_probability": probabilities,
            "prediction": [word if good else None for word, good in zip(words.tolist(), ok, strict=True)],
        }
        return pd.DataFrame(columns)


def _contents(images: Sequence[ImageInput]) -> Iterator[Source]:
    """Yield what is decoded of each image that is a file."""
    read = start_reading([fspath(image) for image in images if isinstance(image, str | PathLike)])
    for image in images:
        if isinstance(image, bytes):
            yield image
        elif isinstance(image, str | PathLike):
            yield next(read)


def _as_images(images: ImageInput | Iterable[ImageInput]) -> Iterator[ImageInput]:
    """Yield single images; an array of four dimensions is a batch."""
    if isinstance(images, str | PathLike | bytes | Image.Image) or (
        isinstance(images, np.ndarray) and images.ndim != 4
    ):
        yield images  # pyright: ignore[reportReturnType]
    else:
        yield from images


def _fitted(image: object, size: InputSize) -> npt.NDArray[np.uint8]:
    try:
        return fit_image(_as_pillow(image), size)
    except RejectedError as error:
        raise InputError(f"An image can't be predicted: {error}.") from error


def _as_pillow(image: object) -> Image.Image:
    if isinstance(image, Image.Image):
        return image
    if isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3:
        return Image.fromarray(image)
    what = f"an array {image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
    raise InputError(
        f"An image is a path, bytes, a Pillow image, or an array (height, width, 3) of uint8 RGB, not {what}."
    )
