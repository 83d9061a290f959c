"""Renders one moment of a scene as a phone films it, at any size.

A frame is the mean of several pictures of the exposure: that blurs what moves and smooths edges. The same
scene, size and time give the same pixels. Knows no files and no frame numbers.
"""

from __future__ import annotations

import cv2
import numpy as np

from flipbatch.synthetic.atlas import Tile
from flipbatch.synthetic.book import book_block, box, page_in_the_air, resting_page, table_top
from flipbatch.synthetic.film import Lens
from flipbatch.synthetic.frame_state import FrameState, Region, Rendered
from flipbatch.synthetic.hand import HandSurface
from flipbatch.synthetic.mesh import Mesh, between, joined
from flipbatch.synthetic.paper import Sheet, lift, turning_sheet
from flipbatch.synthetic.scene import Hand, Scene
from flipbatch.synthetic.shadow import Shadows
from flipbatch.synthetic.surfaces import draw_backdrop
from flipbatch.synthetic.textures import detail_of, draw_textures
from flipbatch.synthetic.view import FAR, Seen, View

FEWEST_PICTURES, MOST_PICTURES = 3, 9
"""Bounds of the number of pictures that are averaged."""
PIXEL_SPREAD = 1.5
"""Side of the square, in pixels, from which a pixel gets its light: a lens and a downscaled film blur so."""
PIXELS_PER_PICTURE = 2.2
"""Largest movement in pixels, of a frame of 240 rows, between two of the averaged pictures."""
SHAKE_SPEEDS = (1.3, 0.9)
"""Periods of the hand shake to the right and down in a clip."""


def followed_point(sheet: Sheet, grasp: float) -> np.ndarray:
    """Return the contact point, in cm, of a hand that holds a page in the air by its outer edge."""
    tip = sheet.outer_edge(grasp)
    return tip + np.array([-0.8 * np.sign(tip[0]), 0.0, 0.3])


class SceneRenderer:
    """Renders moments of one scene.

    Parameters
    ----------
    scene
        The scene that is filmed.
    height
        Number of rows of a frame; the scene's aspect gives the columns.
    """

    def __init__(self, scene: Scene, height: int = 1920) -> None:
        self._scene = scene
        self._width, self._height = max(1, round(height * scene.aspect)), height
        camera, longer = scene.camera, max(self._width, height)
        self._view = View(
            camera.position, camera.target, camera.roll, camera.focal * longer, self._width, height
        )
        self._towards = np.array(camera.position) / np.linalg.norm(camera.position)
        self._lens = Lens(scene.film, self._width, height)
        detail = detail_of(height)
        self._shadows = Shadows(scene.light, self._view, detail.shadow_map)
        self._backdrop = draw_backdrop(scene.place, self._width, height).astype(np.float32)
        self._textures = draw_textures(scene, detail)
        self._still = self._book()
        self._around = self._surroundings()
        self._hands = [
            (hand, HandSurface(hand, self._textures.skin, self._textures.sleeve)) for hand in scene.hands
        ]

    def _book(self) -> Mesh:
        scene, textures = self._scene, self._textures
        return joined(
            [
                resting_page(scene.book, -1, textures.left, scene.light, self._towards),
                resting_page(scene.book, 1, textures.right, scene.light, self._towards),
                book_block(scene.book, textures.stack, textures.cover, scene.light),
            ]
        )

    def _surroundings(self) -> Seen | None:
        """Draw what is around the book, once for all frames."""
        if self._scene.place.surroundings == "air":
            return None
        rng = np.random.default_rng([self._scene.place.seed, 6])
        parts = [table_top(self._scene.place, self._textures.table, self._textures.floor, self._scene.light)]
        parts.extend(self._object(rng, tile) for tile in self._textures.objects)
        return self._view.see(self._view.in_front(joined(parts)))

    def _object(self, rng: np.random.Generator, tile: Tile) -> Mesh:
        """Return something that lies beside the book."""
        book = self._scene.book
        away = np.array([book.page_width * 1.1, book.page_height * 0.55]) * rng.uniform(1.05, 2.2, 2)
        angle = rng.uniform(0, 2 * np.pi)
        centre = away * 1.35 * (np.cos(angle), np.sin(angle))
        size = rng.uniform(0.8, 16), rng.uniform(0.8, 16), rng.choice([0.2, 1.0, 8.0]) * rng.uniform(0.5, 1.2)
        return box(
            (float(centre[0]), float(centre[1])), size, float(rng.uniform(0, np.pi)), tile, self._scene.light
        )

    def render(self, time: float) -> np.ndarray:
        """Render the moment `time`, 0 to 1.

        Returns
        -------
        numpy.ndarray
            uint8 RGB of shape (height, width, 3).

        Raises
        ------
        ValueError
            If `time` is out of range.
        """
        return self.render_with_state(time).pixels

    def render_with_state(self, time: float) -> Rendered:
        """Render the moment `time`, and say what is to be seen in it.

        Raises
        ------
        ValueError
            If `time` is out of range.
        """
        if not 0 <= time <= 1:
            raise ValueError(f"The time in a clip must be between 0 and 1, not {time}.")
        movement = self._movement(time)
        before, after = self._view.in_front(self._mesh(time)), self._mesh(time + self._scene.exposure)
        nearest = self._shadows.cast(between(before, after, 0.5))
        pictures = self._pictures(movement)
        views = [
            self._view.see(
                between(before, after, (index + 0.5) / pictures), self._shift(time, index), self._around
            )
            for index in range(pictures)
        ]
        linear = np.zeros((self._height, self._width, 3), np.float32)
        for seen, lit in zip(views, self._lights(views, nearest), strict=True):
            cv2.accumulate(self._colored(seen, lit), linear)
        rng = np.random.default_rng([self._scene.seed, round(time * 1e6)])
        frame = self._lens.expose(linear / pictures, rng)
        regions = self._regions(views[pictures // 2])
        return Rendered(frame, self._state(time, movement, regions), regions)

    def _lights(self, views: list[Seen], nearest: np.ndarray) -> list[np.ndarray]:
        """Return the light in each picture. Where little moves, they share one: less than a pixel differs."""
        if len(views) == FEWEST_PICTURES:
            return [self._shadows.light(nearest, views[FEWEST_PICTURES // 2])] * FEWEST_PICTURES
        return [self._shadows.light(nearest, seen) for seen in views]

    def _pictures(self, movement: float) -> int:
        wanted = movement * 240 / PIXELS_PER_PICTURE
        return int(np.clip(np.ceil(wanted), FEWEST_PICTURES, MOST_PICTURES))

    def _mesh(self, time: float) -> Mesh:
        return joined([self._still, *self._pages(time), *self._hand_meshes(time)])

    def _sheets(self, time: float) -> list[Sheet]:
        scene = self._scene
        return (
            [turning_sheet(scene.book, turn, time) for turn in scene.turns] if scene.label == "flip" else []
        )

    def _pages(self, time: float) -> list[Mesh]:
        scene = self._scene
        return [
            page_in_the_air(sheet, tiles, scene.light, self._towards, scene.book.translucency)
            for sheet, tiles in zip(self._sheets(time), self._textures.air, strict=True)
        ]

    def _hand_meshes(self, time: float) -> list[Mesh]:
        return [surface.at(self._hand_place(hand, time), self._scene.light) for hand, surface in self._hands]

    def _hand_place(self, hand: Hand, time: float) -> np.ndarray:
        """Return the position of the hand's contact point, in cm."""
        if hand.motion == "follow":
            return followed_point(turning_sheet(self._scene.book, self._scene.turns[0], time), hand.grasp)
        share = time * time * (3 - 2 * time)
        start, end = np.array(hand.start), np.array(hand.end)
        rise = np.array([0, 0, 3.0 * np.sin(np.pi * min(share, 1.0))]) if hand.motion == "cross" else 0.0
        return start + share * (end - start) + rise

    def _movement(self, time: float) -> float:
        """Return the largest movement during the exposure, as a share of the frame's longer side."""
        before, after = (self._moving_points(t) for t in (time, time + self._scene.exposure))
        if not len(before):
            return 0.0
        moved = self._view.project(after) - self._view.project(before)
        return float(np.linalg.norm(moved, axis=1).max()) / max(self._width, self._height)

    def _moving_points(self, time: float) -> np.ndarray:
        points = [self._hand_place(hand, time)[None] for hand, _ in self._hands]
        points += [np.stack([sheet.upper[-1], sheet.lower[-1]]) for sheet in self._sheets(time)]
        return np.concatenate(points) if points else np.zeros((0, 3))

    def _colored(self, seen: Seen, lit: np.ndarray) -> np.ndarray:
        """Return the light that comes from each pixel: float32 RGB of 0 to 255 and more."""
        height, width = self._textures.atlas.shape[:2]
        across, down, half = cv2.split(seen.texture)
        cv2.multiply(across, width, dst=across)
        cv2.multiply(down, height, dst=down)
        # Positions in the atlas are half a pixel more than its indices. A tile's border leaves room for that.
        color = cv2.remap(self._textures.atlas, across, down, cv2.INTER_LINEAR)
        # In the shade, the ambient light remains: half * 2 * (ambient + (1 - ambient) * lit).
        ambient = self._scene.light.ambient
        shade = cv2.multiply(half, cv2.addWeighted(lit, 2 - 2 * ambient, lit, 0, 2 * ambient))
        color = cv2.multiply(color, cv2.merge([shade, shade, shade]), dtype=cv2.CV_32F)
        return cv2.copyTo(self._backdrop, (seen.distance >= FAR).astype(np.uint8), color)

    def _shift(self, time: float, index: int) -> tuple[float, float]:
        """Return the movement of the picture in pixels: hand shake, and another part of a pixel each time."""
        camera = self._scene.camera
        reach = camera.shake * max(self._width, self._height)
        x, y = (
            reach * np.sin(2 * np.pi * speed * time + phase)
            for speed, phase in zip(SHAKE_SPEEDS, camera.phases, strict=True)
        )
        # The golden ratios of one and two dimensions spread any number of points evenly.
        across, down = (index * 0.7549) % 1 - 0.5, (index * 0.5698) % 1 - 0.5
        return float(x + PIXEL_SPREAD * across), float(y + PIXEL_SPREAD * down)

    def _regions(self, seen: Seen) -> np.ndarray:
        """Return what each pixel shows, a `Region`."""
        across = seen.texture[..., 0]
        regions = np.zeros(across.shape, np.uint8)
        for region, tiles in self._textures.regions.items():
            for tile in tiles:
                regions[cv2.inRange(across, tile.left, tile.left + tile.width) > 0] = region
        regions[seen.distance >= FAR] = Region.OTHER
        return regions

    def _state(self, time: float, movement: float, regions: np.ndarray) -> FrameState:
        """Return what a frame shows; a page that hands may hide is drawn once more without them."""
        scene, area = self._scene, regions.size
        shown = int(np.count_nonzero(regions == Region.AIR))
        paper = (shown + int(np.count_nonzero(regions == Region.RESTING))) / area
        if scene.label == "notflip":
            return FrameState(float("nan"), 0.0, 0.0, 0.0, movement, paper)
        middle = time + scene.exposure / 2
        whole = shown
        if self._hands:
            pages = self._view.in_front(joined([self._still, *self._pages(middle)]))
            bare = self._regions(self._view.see(pages, self._shift(time, 0)))
            whole = max(whole, int(np.count_nonzero(bare == Region.AIR)))
        return FrameState(
            angle=scene.turns[0].angle(middle),
            lift=max(lift(scene.book, sheet) for sheet in self._sheets(middle)),
            visible=shown / area,
            hidden=1 - shown / whole if whole else 0.0,
            blur=movement,
            paper=paper,
        )
