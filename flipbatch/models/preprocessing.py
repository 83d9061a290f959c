"""How a file becomes a network's input, in numbers: scoring must do what training did.

Knows numbers, and does nothing itself: `frames.decode` decodes, `normalise` normalises, networks look.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from flipbatch.frames.decode import PAD_COLOUR

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Channel mean and standard deviation of RGB in 0 to 1, as torchvision's ImageNet weights expect them."""


class Window(NamedTuple):
    """A rectangle of pixels, ends excluded."""

    top: int
    left: int
    bottom: int
    right: int


def mobilenet_window(height: int, width: int) -> Window:
    """Return the middle that `mobilenet_v2` looks at: 224x128 of 240x135, the same share of other sizes.

    Its layers halve five times and round up: 32 divides 224 and 128, and they cost 14 % less.
    """
    tall, wide = max(1, round(height * 224 / 240)), max(1, round(width * 128 / 135))
    top, left = (height - tall) // 2, (width - wide) // 2
    return Window(top, left, top + tall, left + wide)


def preprocessing() -> dict[str, Any]:
    """Return what a bundle's card says of it: bundles that say otherwise were trained on other pixels."""
    return {
        "decode": "JPEG at the cheapest DCT scale that covers the input; EXIF orientation applied",
        "fit": "aspect kept, centred, padded",
        "padding": list(PAD_COLOUR),
        "colour": "RGB",
        "mean": list(IMAGENET_MEAN),
        "std": list(IMAGENET_STD),
        "mobilenet_window": list(mobilenet_window(240, 135)),
    }
