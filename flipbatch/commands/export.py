"""Write a trained model in a format that other programs run.

Parses, calls the library and sets the exit code.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from flipbatch.runtime.command_line import DONE
from flipbatch.runtime.standard_streams import show

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from flipbatch.frames.fitting import InputSize

SUMMARY = "write a model as ONNX"
DESCRIPTION = (
    "Write a model bundle as one ONNX file, which takes uint8 RGB frames (N, height, width, 3) and returns "
    "calibrated probabilities of a flip (N,). The file is checked by ONNX Runtime against the bundle, on "
    "random and on rendered frames."
)
EPILOG = "Exit codes: 0 done, 1 failed (the message says what to do), 2 wrong arguments."
GO_ON = "Nothing was written: the same command exports again."


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the command's arguments to its parser."""
    command.add_argument("bundle", metavar="BUNDLE", help="a bundle, OUT/models/NAME, or pretrained:NAME")
    command.add_argument("--format", choices=["onnx"], default="onnx", help="of the file (default: onnx)")
    command.add_argument("--out", required=True, metavar="URI", help="the file that is written")


def main(arguments: argparse.Namespace) -> int:
    """Export; return the exit code."""
    from flipbatch.errors import redacted
    from flipbatch.models.onnx_export import export_onnx

    difference = export_onnx(arguments.bundle, arguments.out, rendered_frames)
    show(
        [
            f"written to {redacted(arguments.out)}",
            f"largest difference of a probability from the bundle's: {difference:.1e}",
        ]
    )
    return DONE


def rendered_frames(size: InputSize) -> npt.NDArray[np.uint8]:
    """Return rendered frames of an input size, (8, height, width, 3), uint8, RGB; each time the same."""
    import numpy as np

    from flipbatch.frames.fitting import fit_pixels
    from flipbatch.synthetic.stream import scene_frames

    shape = size.height, size.width
    scenes = [scene_frames(0, scene, frames_per_scene=2, size=shape) for scene in range(4)]
    return np.stack([fit_pixels(frame.pixels, size) for frames in scenes for frame in frames])
