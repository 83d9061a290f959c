"""Versions of the packages that a result may depend on.

Knows package names. Does not know what is computed with them.
"""

from __future__ import annotations

import platform
from importlib.metadata import version

from flipbatch.runtime.native_decoder import MODULE, native_version

VERSION = "0.2.0"
"""Of flipbatch itself."""


def versions() -> dict[str, str]:
    """Return the version of flipbatch, its native decoder, Python and each package, by name."""
    packages = ("torch", "torchvision", "openvino", "ray", "simplejpeg", "pillow", "numpy", "pyarrow")
    return {
        "flipbatch": VERSION,
        MODULE: native_version(),
        "python": platform.python_version(),
        **{package: version(package) for package in packages},
    }
