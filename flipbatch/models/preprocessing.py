"""How a file becomes a network's input, in numbers: scoring must do what training did.

Knows constants; knows no network, and does nothing itself: `frames.decode` decodes, `normalise` normalises.
"""

from __future__ import annotations

from typing import Any

from flipbatch.frames.decode import PAD_COLOUR

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Channel mean and standard deviation of RGB in 0 to 1, as torchvision's ImageNet weights expect them."""


def preprocessing() -> dict[str, Any]:
    """Return what a bundle's card says of it: bundles that say otherwise were trained on other pixels."""
    return {
        "decode": "JPEG at the cheapest DCT scale that covers the input; EXIF orientation applied",
        "fit": "aspect kept, centred, padded",
        "padding": list(PAD_COLOUR),
        "colour": "RGB",
        "mean": list(IMAGENET_MEAN),
        "std": list(IMAGENET_STD),
    }
