"""The model that MLflow loads: ``mlflow.pyfunc.load_model("models:/flipbatch-cnn_model/1").predict(frames)``.

Knows how MLflow loads and calls a model. Does not know tracking servers; imports no MLflow.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from flipbatch.errors import InputError
from flipbatch.models.model import Model

URI, IMAGE = "uri", "image"
"""Columns of the input: a path or URI, and the content of an image file. A row has one of the two."""

_COLUMNS = f"give a path or URI in {URI}, or the content of an image file as bytes in {IMAGE}"


class PageFlipModel:
    """What ``mlflow.pyfunc.load_model`` wraps.

    Parameters
    ----------
    model : Model
    """

    def __init__(self, model: Model) -> None:
        self._model = model

    def predict(self, model_input: Any, params: object = None) -> pd.DataFrame:
        """Predict frames.

        Parameters
        ----------
        model_input : pandas.DataFrame
            Column ``uri`` (str: a path or URI of an image, or of the frame of a film) or ``image`` (bytes:
            the content of an image file), or both, where ``uri`` counts in rows without ``image``. Or
            whatever `Model.predict` takes.
        params : object
            Not used.

        Returns
        -------
        pandas.DataFrame
            One row per frame, in the order given, as of `Model.predict`.

        Raises
        ------
        InputError
            If there is neither column, or a row has neither.
        """
        images = _images(model_input) if isinstance(model_input, pd.DataFrame) else model_input
        return self._model.predict(images)


def _images(frame: pd.DataFrame) -> list[str | bytes]:
    if not {IMAGE, URI} & set(frame.columns):
        raise InputError(f"The input has neither of the columns {URI} and {IMAGE}: {_COLUMNS}.")
    nothing = [None] * len(frame)
    pairs = zip(*(frame.get(name, nothing) for name in (IMAGE, URI)), strict=True)
    return [_image(number, image, uri) for number, (image, uri) in enumerate(pairs)]


def _image(row: int, image: object, uri: object) -> str | bytes:
    if isinstance(image, bytes):
        return image
    if isinstance(uri, str):
        return uri
    raise InputError(f"Row {row} of the input has no frame: {_COLUMNS}.")


def _load_pyfunc(path: str) -> PageFlipModel:  # pyright: ignore[reportUnusedFunction]
    """Load a bundle, as MLflow asks a loader module to."""
    return PageFlipModel(Model.load(path))
