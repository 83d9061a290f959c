"""Positions of pages: resting on a stack, and in the air."""

import numpy as np
import pytest

from flipbatch.synthetic.dataset import video_scene
from flipbatch.synthetic.mix import WORLD
from flipbatch.synthetic.paper import lift, resting_sheet, turning_sheet

DESK_SCENES = [video_scene(7, "flip", video) for video in range(1, 30)]
WORLD_SCENES = [video_scene(7, "flip", video, mix=WORLD) for video in range(1, 100)]


def test_a_page_in_the_middle_of_a_turn_has_constant_width():
    for scene in DESK_SCENES:
        sheet = turning_sheet(scene.book, scene.turns[0], 0.5)
        length = np.linalg.norm(np.diff(sheet.upper, axis=0), axis=1).sum()
        assert length == pytest.approx(scene.book.page_width, rel=0.05)


def test_a_page_in_the_air_is_above_the_resting_pages():
    for scene in WORLD_SCENES:
        for side in (-1, 1):
            rest = resting_sheet(scene.book, side).upper
            edge = turning_sheet(scene.book, scene.turns[0], 0.3).upper
            here = (side * edge[:, 0] > 0) & (side * edge[:, 0] < side * rest[-1, 0])
            floor = np.interp(side * edge[here, 0], side * rest[:, 0], rest[:, 2])
            assert (edge[here, 2] > floor).all()


def test_the_outer_edge_of_a_flat_resting_page_has_the_height_of_its_stack():
    book = DESK_SCENES[0].book
    for side, half in ((-1, book.left), (1, book.right)):
        edge = resting_sheet(book, side).outer_edge(0.5)
        assert edge[2] == pytest.approx(half.thickness)
        assert np.sign(edge[0]) == side


def test_a_page_is_lifted_most_in_the_middle_of_its_turn():
    scene = DESK_SCENES[0]
    lifts = [lift(scene.book, turning_sheet(scene.book, scene.turns[0], time)) for time in (0.0, 0.5, 1.0)]
    assert lifts[1] > max(lifts[0], lifts[2])
