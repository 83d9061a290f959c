"""An endless stream of labelled frames at training size; no frame comes twice.

Scene number i depends on (seed, i) only: any process can render any part. Knows nothing about networks or
files.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import numpy as np

from flipbatch.synthetic.frame_state import FrameState
from flipbatch.synthetic.mix import WORLD, Mix
from flipbatch.synthetic.renderer import SceneRenderer
from flipbatch.synthetic.sample_clip import sample_scene
from flipbatch.synthetic.scaled_random import ScaledRandom
from flipbatch.synthetic.scene import Scene

SMALLEST_LIFT = 0.16
"""Page widths by which a page must be lifted to be called a flip: people call less of it either."""
SMALLEST_PAGE = 0.012
"""Share of the frame that a page in the air must cover."""
MOST_HIDDEN = 0.75
"""Share of a page in the air that hands may hide."""
SMALLEST_PAPER = 0.07
"""Share of the frame that pages must cover, in both labels: else there is no book to judge."""


@dataclass(frozen=True)
class RenderedFrame:
    """One frame of the stream.

    Attributes
    ----------
    pixels
        uint8 RGB (height, width, 3); it fits the stream's size on one side.
    is_flip
        Whether a page is in the air.
    state
        What the frame shows exactly.
    regions
        uint8 (height, width): the `Region` that each pixel shows.
    scene
        Number of its scene. Scenes 2n and 2n + 1 show one place.
    """

    pixels: np.ndarray
    is_flip: bool
    state: FrameState
    regions: np.ndarray
    scene: int

    @property
    def is_clear(self) -> bool:
        """Whether people would agree on the label: a page that is barely lifted or hidden is left out."""
        state = self.state
        if state.paper < SMALLEST_PAPER:
            return False
        shows_page = state.visible >= SMALLEST_PAGE and state.hidden <= MOST_HIDDEN
        return not self.is_flip or (shows_page and state.lift >= SMALLEST_LIFT)


def stream_scene(seed: int, number: int, mix: Mix = WORLD) -> Scene:
    """Return scene `number` of a stream: even numbers are ``flip``, odd ones ``notflip``."""
    label = "notflip" if number % 2 else "flip"
    place = np.random.default_rng([seed, number // 2, 2])
    clip = np.random.default_rng([seed, number, 3])
    return sample_scene(label, mix, ScaledRandom(place, 1.0), ScaledRandom(clip, 1.0))


def scene_frames(
    seed: int,
    number: int,
    *,
    frames_per_scene: int = 4,
    size: tuple[int, int] = (240, 135),
    mix: Mix = WORLD,
) -> Iterator[RenderedFrame]:
    """Yield the frames of one scene of a stream; the parameters are those of `rendered_frames`."""
    scene = stream_scene(seed, number, mix)
    renderer = SceneRenderer(scene, min(size[0], round(size[1] / scene.aspect)))
    times = np.random.default_rng([seed, number, 4]).uniform(0, 1, frames_per_scene)
    for time in times.tolist():
        pixels, state, regions = renderer.render_with_state(time)
        yield RenderedFrame(pixels, scene.label == "flip", state, regions, number)


def rendered_frames(
    seed: int,
    *,
    first_scene: int = 0,
    step: int = 1,
    frames_per_scene: int = 4,
    size: tuple[int, int] = (240, 135),
    mix: Mix = WORLD,
) -> Iterator[RenderedFrame]:
    """Yield frames without end.

    Parameters
    ----------
    seed
        Seed of the stream, 0 or more.
    first_scene, step
        The scenes first_scene, first_scene + step, …: processes share a stream by different first ones.
    frames_per_scene
        Number of moments of each scene.
    size
        Height and width that a frame fits into, in pixels.
    mix
        Shares of what scenes show.
    """
    for number in count(first_scene, step):
        yield from scene_frames(seed, number, frames_per_scene=frames_per_scene, size=size, mix=mix)
