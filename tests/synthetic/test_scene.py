"""Random scenes and the geometry of their pages."""

import numpy as np
import pytest

from flipbatch.synthetic.dataset import frame_time, video_scene
from flipbatch.synthetic.geometry import resting_sheet, turning_sheet

FLIPS = [video_scene(7, "flip", video) for video in range(1, 200)]
OTHERS = [video_scene(7, "notflip", video) for video in range(1, 200)]


def test_the_same_seed_draws_the_same_scene():
    assert video_scene(7, "flip", 3) == video_scene(7, "flip", 3)
    assert video_scene(7, "flip", 3) != video_scene(8, "flip", 3)


def test_the_page_of_every_flip_frame_is_in_the_air():
    angles = [scene.turn.angle(frame_time(frame, 8)) for scene in FLIPS for frame in range(1, 9)]
    assert min(angles) > 15
    assert max(angles) < 165


def test_hands_are_as_frequent_without_a_turn_as_with_one():
    counts = [np.bincount([len(scene.hands) for scene in scenes], minlength=3) for scenes in (FLIPS, OTHERS)]
    assert np.abs(counts[0] - counts[1]).max() < 30
    assert min(counts[0].min(), counts[1].min()) > 0


@pytest.mark.parametrize("label", ["flip", "notflip"])
def test_light_and_camera_know_nothing_of_the_label(label):
    scenes = FLIPS if label == "flip" else OTHERS
    assert np.mean([scene.light.gains[1] for scene in scenes]) == pytest.approx(0.88, abs=0.06)
    assert np.mean([scene.camera.shake for scene in scenes]) == pytest.approx(0.006, abs=0.001)


def test_a_page_in_the_air_keeps_its_width_and_stays_above_the_table():
    for scene in FLIPS[:20]:
        sheet = turning_sheet(scene.book, scene.turn, 0.5)
        length = np.linalg.norm(np.diff(sheet.upper, axis=0), axis=1).sum()
        assert length == pytest.approx(scene.book.page_width)
        assert min(sheet.upper[:, 2].min(), sheet.lower[:, 2].min()) > 0


def test_resting_pages_end_at_the_height_of_their_stack():
    book = FLIPS[0].book
    for side, thickness in zip((-1, 1), book.thickness, strict=True):
        edge = resting_sheet(book, side).outer_edge(0.5)
        assert edge[2] == pytest.approx(thickness)
        assert np.sign(edge[0]) == side
