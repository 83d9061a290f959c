"""Light and lens: brightness of a sheet, brightness over the frame, sensor noise, tone curve.

Knows whole pictures; knows nothing about what they show.
"""

from functools import lru_cache

import cv2
import numpy as np

from flipbatch.synthetic.scene import Light

NEUTRAL = 160
"""The uint8 gain that leaves brightness unchanged."""
NOISE_MARGIN = 64
"""Number of pixels by which the noise is shifted at most."""


def shade_sheet(texture: np.ndarray, slope: np.ndarray, light: Light, *, upside: bool) -> np.ndarray:
    """Shade one printed side of a sheet by its slope against the table.

    Parameters
    ----------
    texture
        The printed side without shade, uint8 of shape (height, width, 3).
    slope
        Angles (radians) along the texture's upper and lower edge, of shape (2, n).
    light
        Direction and strength of the light.
    upside
        Whether it is the side that faces up while the sheet is on the right stack.
    """
    brightness = _brightness(slope, light, 1 if upside else -1).astype(np.float32)
    gains = cv2.resize(brightness * NEUTRAL, (texture.shape[1], texture.shape[0])).astype(np.uint8)
    return cv2.multiply(texture, cv2.merge([gains, gains, gains]), scale=1 / NEUTRAL)


def _brightness(slope: np.ndarray, light: Light, side: int) -> np.ndarray:
    """Return the brightness of paper by its slope: 1 if it is flat. Some light shines through from behind."""
    x, _, z = light.direction
    facing = side * (np.cos(slope) * z - np.sin(slope) * x)
    direct = (1 - light.ambient) * (np.maximum(facing, 0) + 0.35 * np.maximum(-facing, 0)) / z
    return np.minimum(light.ambient * (0.85 + 0.15 * side * np.cos(slope)) + direct, 1.3)


def light_map(light: Light, width: int, height: int) -> np.ndarray:
    """Return gains over the frame, uint8 of shape (height, width, 3). `NEUTRAL` is unchanged."""
    small_height, small_width = 160, 90
    y, x = np.meshgrid(np.linspace(-1, 1, small_height), np.linspace(-0.56, 0.56, small_width), indexing="ij")
    gain = 1 + light.falloff * (x * np.cos(light.falloff_angle) + y * np.sin(light.falloff_angle))
    gain *= 1 - light.vignette * (x * x + y * y) / 1.3
    beyond = x * np.cos(light.patch_angle) + y * np.sin(light.patch_angle) - light.patch_offset
    gain *= 1 + light.patch_gain * np.tanh(beyond / light.patch_softness)
    gains = np.clip(gain[..., None] * np.array(light.gains) * NEUTRAL, 0, 255).astype(np.uint8)
    return cv2.resize(gains, (width, height), interpolation=cv2.INTER_LINEAR)


def add_noise(image: np.ndarray, light: Light, rng: np.random.Generator) -> None:
    """Add the sensor's noise to a uint8 picture, in place."""
    height, width = image.shape[:2]
    top, left = rng.integers(0, NOISE_MARGIN, 2)
    tile = _noise_tile(height + NOISE_MARGIN, width + NOISE_MARGIN)[top : top + height, left : left + width]
    strength = light.noise / 16
    cv2.addWeighted(image, 1.0, tile, strength, -128 * strength, dst=image)


@lru_cache(maxsize=1)
def _noise_tile(height: int, width: int) -> np.ndarray:
    """Return noise of 16 grey levels around 128, slightly blurred as phones do. It is always the same."""
    rng = np.random.default_rng(20240229)
    noise = rng.standard_normal((height, width, 3), np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), 0.6)
    return np.clip(128 + noise * (16 / noise.std()), 0, 255).astype(np.uint8)


def tone_curve(light: Light) -> np.ndarray:
    """Return the phone's tone curve as a table of 256 uint8 values."""
    levels = np.linspace(0, 1, 256) ** light.gamma
    return np.clip(levels * 255, 0, 255).astype(np.uint8)
