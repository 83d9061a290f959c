"""What lens, sensor and codec do to a picture.

Knows whole pictures; knows nothing about what they show.
"""

from functools import lru_cache

import cv2
import numpy as np
import simplejpeg

from flipbatch.synthetic.scene import Film

NOISE_MARGIN = 64
"""Number of pixels by which the noise is shifted at most."""


class Lens:
    """The part of the camera that is the same for all frames of a scene.

    Parameters
    ----------
    film
    width, height
        Size of the frame in pixels.
    """

    def __init__(self, film: Film, width: int, height: int) -> None:
        self._film, self._width, self._height = film, width, height
        self._curve = _tone_curves(film)
        self._vignette = _vignette(film.vignette, width, height)
        self._blur = film.defocus * max(width, height)

    def expose(self, linear: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the frame, uint8, of a float32 RGB picture (height, width, 3) of 0 to 255."""
        film = self._film
        if self._blur > 0.25:
            linear = cv2.GaussianBlur(linear, (0, 0), self._blur)
        if film.vignette > 0.02:
            linear = linear * self._vignette
        image = cv2.LUT(np.clip(linear, 0, 255).astype(np.uint8), self._curve)
        if abs(film.saturation - 1) > 0.03:
            image = _saturate(image, film.saturation)
        image = self._lower_resolution(image)
        _add_noise(image, film.noise, rng)
        if film.sharpening > 0.05:
            smooth = cv2.GaussianBlur(image, (0, 0), 1.0)
            image = cv2.addWeighted(image, 1 + film.sharpening, smooth, -film.sharpening, 0)
        return self._compress(image)

    def _lower_resolution(self, image: np.ndarray) -> np.ndarray:
        """Return the picture as a codec of fewer pixels keeps it, at those pixels."""
        if self._film.resolution > 0.97:
            return image
        size = (
            max(8, round(self._width * self._film.resolution)),
            max(8, round(self._height * self._film.resolution)),
        )
        return cv2.resize(image, size, interpolation=cv2.INTER_AREA)

    def _compress(self, image: np.ndarray) -> np.ndarray:
        """Return the picture after the codec, at the frame's size."""
        if self._film.quality < 97:
            data = simplejpeg.encode_jpeg(image, quality=self._film.quality, colorsubsampling="420")
            image = simplejpeg.decode_jpeg(data)
        if image.shape[:2] == (self._height, self._width):
            return image
        return cv2.resize(image, (self._width, self._height), interpolation=cv2.INTER_CUBIC)


def _tone_curves(film: Film) -> np.ndarray:
    """Return the tone curves of the three channels as a table of (1, 256, 3) uint8 values."""
    levels = np.linspace(0, 1, 256)[:, None] * np.array(film.gains)
    curved = np.clip(levels, 0, 1) ** film.gamma
    curved = 0.5 + (curved - 0.5) * film.contrast
    lifted = film.lift / 255 + curved * (1 - film.lift / 255)
    return np.clip(lifted * 255, 0, 255).astype(np.uint8)[None]


def _saturate(image: np.ndarray, saturation: float) -> np.ndarray:
    """Move colours away from grey, or towards it."""
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return cv2.addWeighted(image, saturation, grey, 1 - saturation, 0)


def _vignette(strength: float, width: int, height: int) -> np.ndarray:
    """Return gains over the frame, float32 (height, width, 1)."""
    y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    return (1 - strength * (x * x + y * y) / 2).astype(np.float32)[..., None]


def _add_noise(image: np.ndarray, strength: float, rng: np.random.Generator) -> None:
    """Add the sensor's noise, in grey levels, to a uint8 picture, in place."""
    height, width = image.shape[:2]
    top, left = rng.integers(0, NOISE_MARGIN, 2)
    side = 256 if max(height, width) <= 256 else 2048
    tile = _noise_tile(side + NOISE_MARGIN)[top : top + height, left : left + width]
    share = strength / 16
    cv2.addWeighted(image, 1.0, tile, share, -128 * share, dst=image)


@lru_cache(maxsize=2)
def _noise_tile(side: int) -> np.ndarray:
    """Return noise of 16 grey levels around 128, slightly blurred as phones do. It is always the same."""
    rng = np.random.default_rng(20240229)
    noise = cv2.GaussianBlur(rng.standard_normal((side, side, 3), np.float32), (0, 0), 0.6)
    return np.clip(128 + noise * (16 / noise.std()), 0, 255).astype(np.uint8)
