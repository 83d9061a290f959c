"""All textures of a scene, drawn once and put into one atlas.

Knows scenes and which picture covers what. Does not know positions, light or time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from flipbatch.synthetic.atlas import Atlas, Tile
from flipbatch.synthetic.frame_state import Region
from flipbatch.synthetic.page import draw_page
from flipbatch.synthetic.scene import Scene
from flipbatch.synthetic.surfaces import draw_skin, draw_stack, draw_table


@dataclass(frozen=True)
class Detail:
    """How finely things are drawn, in pixels.

    Attributes
    ----------
    atlas
        Height of every texture.
    page
        Width of a printed page, before it gets the atlas' height.
    table
        Side of the table's texture.
    shadow_map
        Side of the shadow map.
    """

    atlas: int
    page: int
    table: int
    shadow_map: int


SMALL, LARGE = Detail(256, 180, 256, 176), Detail(1024, 720, 768, 640)
MOST_SMALL_ROWS = 480
"""Most rows of a frame for which `SMALL` is enough."""


def detail_of(rows: int) -> Detail:
    """Return how finely a frame of so many rows is drawn."""
    return SMALL if rows <= MOST_SMALL_ROWS else LARGE


@dataclass(frozen=True)
class Textures:
    """The textures of a scene.

    Attributes
    ----------
    atlas
        uint8 RGB: all of them.
    left, right
        The resting pages.
    air
        Both sides of each page in the air; the first is seen while the page is on the right stack.
    stack, cover, table, floor, skin
    sleeve
        None is a bare arm.
    objects
        Of what lies on the table.
    """

    atlas: np.ndarray
    left: Tile
    right: Tile
    air: Sequence[tuple[Tile, Tile]]
    stack: Tile
    cover: Tile
    table: Tile
    floor: Tile
    skin: Tile
    sleeve: Tile | None
    objects: Sequence[Tile]

    @property
    def regions(self) -> Mapping[Region, list[Tile]]:
        """The textures of each region of a frame; all others are `Region.OTHER`."""
        return {
            Region.RESTING: [self.left, self.right],
            Region.AIR: [tile for sides in self.air for tile in sides],
            Region.HAND: [tile for tile in (self.skin, self.sleeve) if tile is not None],
        }


def draw_textures(scene: Scene, detail: Detail) -> Textures:
    """Draw all textures of a scene."""
    book, place, atlas = scene.book, scene.place, Atlas(detail.atlas)
    turning = len(scene.turns) if scene.label == "flip" else 0
    pages = [
        atlas.add(draw_page(book, scene.first_page + number, detail.page))
        for number in range(2 * turning + 2)
    ]
    stack = atlas.add(draw_stack(book.paper, book.right.thickness, book.seed, 128))
    skin = atlas.add(draw_skin(scene.skin, scene.seed, 64))
    sleeve = None if scene.sleeve is None else atlas.add(draw_skin(scene.sleeve, scene.seed + 1, 32))
    cover, floor = atlas.add_color(book.cover), atlas.add_color(place.floor)
    table = atlas.add(draw_table(place, detail.table))
    rng = np.random.default_rng([scene.seed, 5])
    objects = [atlas.add_color(tuple(rng.uniform(10, 240, 3))) for _ in range(place.objects)]
    left, *air, right = (atlas.tile(page) for page in pages)
    return Textures(
        atlas=atlas.picture(),
        left=left,
        right=right,
        air=list(zip(air[::2], air[1::2], strict=True)),
        stack=atlas.tile(stack),
        cover=atlas.tile(cover),
        table=atlas.tile(table),
        floor=atlas.tile(floor),
        skin=atlas.tile(skin),
        sleeve=None if sleeve is None else atlas.tile(sleeve),
        objects=[atlas.tile(one) for one in objects],
    )
