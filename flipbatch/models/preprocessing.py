"""The numbers of preprocessing, which a bundle records so that scoring does exactly what training did.

Knows numbers only. `frames.decode` decodes, `normalise` normalises, and each network crops its window.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from flipbatch.frames.decode import PAD_COLOUR

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Channel means and standard deviations of RGB in 0 to 1 that torchvision's ImageNet weights expect."""

SMALLEST_DEVIATION = 1.0
"""In grey levels of 0 to 255. Its square is added to the variance of a frame that is standardised: noise of
rounding in a flat frame must not become contrast."""


class Window(NamedTuple):
    """A rectangle of pixels, ends excluded."""

    top: int
    left: int
    bottom: int
    right: int


def mobilenet_window(height: int, width: int) -> Window:
    """Return the centre crop that `mobilenet_v2` takes: 224x128 of 240x135, the same share of other sizes.

    Its layers halve five times and round up. 32 divides 224 and 128, so that they cost 14 % less.
    """
    tall, wide = max(1, round(height * 224 / 240)), max(1, round(width * 128 / 135))
    top, left = (height - tall) // 2, (width - wide) // 2
    return Window(top, left, top + tall, left + wide)


def preprocessing() -> dict[str, Any]:
    """Return the ``preprocessing`` of a model card. A bundle with another one was trained on other pixels."""
    return {
        "decode": "JPEG at the cheapest DCT scale that covers the input; EXIF orientation applied",
        "fit": "aspect kept, centred, padded",
        "padding": list(PAD_COLOUR),
        "colour": "RGB",
        "mean": list(IMAGENET_MEAN),
        "std": list(IMAGENET_STD),
        "mobilenet_window": list(mobilenet_window(240, 135)),
    }
