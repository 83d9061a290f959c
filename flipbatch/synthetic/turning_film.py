"""Films in which several pages of a book are turned, one after the other, with the truth about each frame.

A film is a sequence of clips of one place: a page turns, the hand withdraws, nothing happens, the hand comes
back, and the next page turns. Pages, hands and camera shake go on from clip to clip. The same seed gives the
same frames. Knows scenes and frame numbers. Does not know files, codecs or models.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import NamedTuple

import numpy as np

from flipbatch.synthetic.mix import DESK, Mix
from flipbatch.synthetic.paper import lift, turning_sheet
from flipbatch.synthetic.renderer import SHAKE_SPEEDS, SceneRenderer, followed_point
from flipbatch.synthetic.sample_clip import sample_scene
from flipbatch.synthetic.scaled_random import ScaledRandom
from flipbatch.synthetic.scene import Hand, Label, Scene, Turn, Vector
from flipbatch.synthetic.stream import SMALLEST_LIFT

TURN_SECONDS = (0.5, 1.5)
"""How long a page is on its way, from one stack to the other."""
REST_SECONDS = (0.8, 3.0)
"""How long all pages rest, before the first turn, between two turns and after the last one."""
REACH_SECONDS = 0.4
"""How long a hand takes to a page or away from it, where a rest is long enough."""
EXPOSURE_SECONDS = (1 / 120, 1 / 24)
FORWARDS = 0.85
"""Share of films whose reader goes on in the book; in the others, the pages are turned back."""
LAID, TURNED = 0.0, 180.0
"""Angles of a page on the right and on the left stack."""


class Event(NamedTuple):
    """The frames in which one page is visibly in the air.

    Attributes
    ----------
    first, last : int
        Frame numbers, both of the event.
    """

    first: int
    last: int


@dataclass(frozen=True)
class Clip:
    """Consecutive frames of one scene.

    Attributes
    ----------
    scene : Scene
    frames : int
    """

    scene: Scene
    frames: int

    @property
    def times(self) -> list[float]:
        """The time of each frame in the clip, 0 to 1."""
        return [(frame + 0.5) / self.frames for frame in range(self.frames)]

    def is_flip(self, time: float) -> bool:
        """Return whether a page is in the air, and lifted so far that people would say so."""
        scene = self.scene
        sheets = (turning_sheet(scene.book, turn, time) for turn in scene.turns if scene.label == "flip")
        return any(lift(scene.book, sheet) >= SMALLEST_LIFT for sheet in sheets)


@dataclass(frozen=True)
class TurningFilm:
    """A film of page turns; its frames are numbered from 0.

    Attributes
    ----------
    clips : tuple of Clip
    frames_per_second : float
    """

    clips: tuple[Clip, ...]
    frames_per_second: float

    @property
    def flips(self) -> list[bool]:
        """Whether each frame shows a flip: a page is lifted by `stream.SMALLEST_LIFT` page widths."""
        return [clip.is_flip(time) for clip in self.clips for time in clip.times]

    @property
    def events(self) -> list[Event]:
        """The page turns, one for each clip in which a page turns."""
        starts = accumulate((clip.frames for clip in self.clips), initial=0)
        found = []
        for start, clip in zip(starts, self.clips, strict=False):
            frames = [start + frame for frame, time in enumerate(clip.times) if clip.is_flip(time)]
            found += [Event(frames[0], frames[-1])] if frames else []
        return found

    def render(self, height: int = 240, every: int = 1) -> Iterator[np.ndarray]:
        """Yield frames 0, `every`, 2 `every` and so on: uint8 RGB (height, width, 3).

        The width is `height` times the scene's aspect, which is 9/16 in films of `mix.DESK`.
        """
        start = 0
        for clip in self.clips:
            renderer = SceneRenderer(clip.scene, height)
            for time in clip.times[-start % every :: every]:
                yield renderer.render(time)
            start += clip.frames


def sample_turning_film(
    seed: int, turns: int = 5, *, frames_per_second: float = 30, mix: Mix = DESK
) -> TurningFilm:
    """Return a random film.

    Parameters
    ----------
    seed
        Seed of all random numbers, 0 or more.
    turns
        Number of pages that are turned, 0 or more.
    frames_per_second
        Above 0.
    mix
        Shares of what scenes show. One page is in the air at a time, whatever it says.
    """
    place, action = (np.random.default_rng([seed, part, 7]) for part in range(2))
    scene = sample_scene("flip", mix, ScaledRandom(place, 1.0), ScaledRandom(action, 1.0))
    director = _Director(scene, turns, frames_per_second, action)
    return TurningFilm(tuple(_with_one_shake(director.clips())), frames_per_second)


class _Director:
    """Says what happens in the clips of a film: one person with one habit of turning pages."""

    def __init__(self, scene: Scene, turns: int, frames_per_second: float, rng: np.random.Generator) -> None:
        self._scene, self._turns, self._rate, self._rng = scene, turns, frames_per_second, rng
        self._forwards = rng.random() < FORWARDS
        self._exposure = rng.uniform(*EXPOSURE_SECONDS)
        self._resting = tuple(hand for hand in scene.hands if hand.motion == "rest")
        self._turner = next((hand for hand in scene.hands if hand.motion != "rest"), None)
        self._at = None if self._turner is None else self._turner.start

    def clips(self) -> Iterator[Clip]:
        """Yield a rest before each turn, the turn, and a rest after the last one."""
        for number in range(self._turns):
            turn = self._path()
            yield from self._rest(self._page(number), self._grasped(turn, 0.0))
            yield self._turn(min(self._page(number), self._page(number + 1)), turn)
            self._at = self._grasped(turn, 1.0)
        yield from self._rest(self._page(self._turns), self._at)

    def _page(self, number: int) -> int:
        """Return the number of the left page after so many turns."""
        return self._scene.first_page + 2 * (number if self._forwards else self._turns - number)

    def _path(self) -> Turn:
        start, end = (LAID, TURNED) if self._forwards else (TURNED, LAID)
        bend = float(self._rng.choice([-1, 1], p=[0.3, 0.7]) * self._rng.uniform(10, 110))
        bends = bend, bend * float(self._rng.uniform(-0.9, 1.0))
        return replace(self._scene.turns[0], start=start, end=end, bend=bends)

    def _grasped(self, turn: Turn, time: float) -> Vector | None:
        """Return where the hand is that holds a page on its way."""
        if self._turner is None:
            return None
        x, y, z = followed_point(turning_sheet(self._scene.book, turn, time), self._turner.grasp).tolist()
        return x, y, z

    def _turn(self, page: int, turn: Turn) -> Clip:
        hands = [] if self._turner is None else [replace(self._turner, motion="follow")]
        return self._clip("flip", page, self._frames(TURN_SECONDS), hands, turn)

    def _rest(self, page: int, target: Vector | None) -> Iterator[Clip]:
        """Yield clips in which the hand withdraws, waits and reaches for `target`; one without a hand."""
        frames, turner = self._frames(REST_SECONDS), self._turner
        if turner is None or self._at is None or target is None:
            yield self._clip("notflip", page, frames, [], self._scene.turns[0])
            return
        reach = min(round(REACH_SECONDS * self._rate), frames // 3)
        stops = pairwise([self._at, turner.start, turner.start, target])
        for length, (start, end) in zip([reach, frames - 2 * reach, reach], stops, strict=True):
            hand = replace(turner, motion="rest" if start == end else "cross", start=start, end=end)
            if length:
                yield self._clip("notflip", page, length, [hand], self._scene.turns[0])

    def _frames(self, seconds: tuple[float, float]) -> int:
        return max(1, round(self._rng.uniform(*seconds) * self._rate))

    def _clip(self, label: Label, page: int, frames: int, hands: Sequence[Hand], turn: Turn) -> Clip:
        scene = replace(
            self._scene,
            label=label,
            first_page=page,
            turns=(turn,),
            hands=(*self._resting, *hands),
            exposure=self._exposure * self._rate / frames,
        )
        return Clip(scene, frames)


def _with_one_shake(clips: Iterable[Clip]) -> Iterator[Clip]:
    """Yield clips whose camera goes on where it was at the end of the clip before."""
    for number, clip in enumerate(clips):
        camera = clip.scene.camera
        x, y = (
            phase + 2 * np.pi * speed * number
            for phase, speed in zip(camera.phases, SHAKE_SPEEDS, strict=True)
        )
        moved = replace(camera, phases=(x, y))
        yield replace(clip, scene=replace(clip.scene, camera=moved))
