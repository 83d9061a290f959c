"""What small pixels say about a frame as a picture of a page: how sharp it is, and roughly what is where.

Knows pixels. Does not know probabilities, films or tables.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from flipbatch.schema import THUMBNAIL

_GREEN = 1
"""The channel that counts: cameras sample green most densely."""


class Appearance(NamedTuple):
    """What N frames look like.

    Attributes
    ----------
    sharpness : ndarray
        (N,), float32, 0 or more: the energy of the gradient, the mean squared difference of neighbouring
        pixels in both directions, in grey levels squared. It compares frames of one film, at one size.
        Source: M. Subbarao, T. Choi and A. Nikzad, Focusing techniques, Optical Engineering 32(11), 1993.
    thumbnails : ndarray
        (N, 12, 9), uint8: the mean of each block of the frame.
    """

    sharpness: npt.NDArray[np.float32]
    thumbnails: npt.NDArray[np.uint8]


def appearance_of(pixels: npt.NDArray[np.uint8]) -> Appearance:
    """Return what frames look like.

    Parameters
    ----------
    pixels
        (N, height, width, 3), uint8, RGB, at least 2 x 2 pixels. Bars around a picture do no harm: they are
        the same in all frames of a film.
    """
    sharpness = np.empty(len(pixels), np.float32)
    thumbnails = np.empty((len(pixels), *THUMBNAIL), np.uint8)
    for frame, rgb in enumerate(pixels):  # one at a time: a frame's green stays in the cache
        green = np.ascontiguousarray(rgb[..., _GREEN])
        sharpness[frame] = _gradient_energy(green)
        thumbnails[frame] = _thumbnail(green)
    return Appearance(sharpness, thumbnails)


def _gradient_energy(green: npt.NDArray[np.uint8]) -> float:
    across = cv2.norm(green[:, 1:], green[:, :-1], cv2.NORM_L2SQR)
    down = cv2.norm(green[1:], green[:-1], cv2.NORM_L2SQR)
    return (across + down) / green.size


def _thumbnail(green: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    every_second = green[::2]  # enough for a mean, at half the cost
    return np.asarray(cv2.resize(every_second, THUMBNAIL[::-1], interpolation=cv2.INTER_AREA), np.uint8)
