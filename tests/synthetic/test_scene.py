"""Random scenes and the geometry of their pages."""

import numpy as np
import pytest

from flipbatch.synthetic.dataset import frame_time, video_scene
from flipbatch.synthetic.geometry import resting_sheet, turning_sheet
from flipbatch.synthetic.scaled_random import ScaledRandom

FLIP_SCENES = [video_scene(7, "flip", video) for video in range(1, 200)]
NOTFLIP_SCENES = [video_scene(7, "notflip", video) for video in range(1, 200)]


def test_the_same_seed_gives_the_same_scene():
    assert video_scene(7, "flip", 3) == video_scene(7, "flip", 3)
    assert video_scene(7, "flip", 3) != video_scene(8, "flip", 3)


def test_the_page_is_in_the_air_in_every_flip_frame():
    angles = [scene.turn.angle(frame_time(frame, 8)) for scene in FLIP_SCENES for frame in range(1, 9)]
    assert min(angles) > 15
    assert max(angles) < 165


def test_hands_are_equally_frequent_in_both_labels():
    counts = [
        np.bincount([len(scene.hands) for scene in scenes], minlength=3)
        for scenes in (FLIP_SCENES, NOTFLIP_SCENES)
    ]
    assert np.abs(counts[0] - counts[1]).max() < 30
    assert min(counts[0].min(), counts[1].min()) > 0


@pytest.mark.parametrize("label", ["flip", "notflip"])
def test_light_and_camera_do_not_depend_on_the_label(label):
    scenes = FLIP_SCENES if label == "flip" else NOTFLIP_SCENES
    assert np.mean([scene.light.gains[1] for scene in scenes]) == pytest.approx(0.88, abs=0.06)
    assert np.mean([scene.camera.shake for scene in scenes]) == pytest.approx(0.006, abs=0.001)


def test_a_page_in_the_air_has_constant_width_and_is_above_the_table():
    for scene in FLIP_SCENES[:20]:
        sheet = turning_sheet(scene.book, scene.turn, 0.5)
        length = np.linalg.norm(np.diff(sheet.upper, axis=0), axis=1).sum()
        assert length == pytest.approx(scene.book.page_width)
        assert min(sheet.upper[:, 2].min(), sheet.lower[:, 2].min()) > 0


def test_the_outer_edge_of_a_resting_page_has_the_height_of_its_stack():
    book = FLIP_SCENES[0].book
    for side, thickness in zip((-1, 1), book.thickness, strict=True):
        edge = resting_sheet(book, side).outer_edge(0.5)
        assert edge[2] == pytest.approx(thickness)
        assert np.sign(edge[0]) == side


def test_less_variety_pulls_values_towards_the_middle():
    wide, narrow = (ScaledRandom(np.random.default_rng(3), share).uniform(2, 4, 50) for share in (1.0, 0.5))
    assert narrow - 3 == pytest.approx((wide - 3) / 2)
    assert ScaledRandom(np.random.default_rng(3), 0.0).normal(7, 2) == 7
