"""Random scenes: what depends on the label, and what does not."""

import numpy as np
import pytest

from flipbatch.synthetic.dataset import frame_time, video_scene
from flipbatch.synthetic.mix import DESK, WORLD
from flipbatch.synthetic.scaled_random import ScaledRandom

SCENES = {label: [video_scene(7, label, video) for video in range(1, 200)] for label in ("flip", "notflip")}
WORLD_SCENES = {
    label: [video_scene(7, label, video, mix=WORLD) for video in range(1, 400)]
    for label in ("flip", "notflip")
}


def test_the_same_seed_gives_the_same_scene():
    assert video_scene(7, "flip", 3) == video_scene(7, "flip", 3)
    assert video_scene(7, "flip", 3) != video_scene(8, "flip", 3)


def test_the_page_is_in_the_air_in_every_frame_of_a_flip_on_a_desk():
    angles = [scene.turns[0].angle(frame_time(frame, 8)) for scene in SCENES["flip"] for frame in range(1, 9)]
    assert min(angles) > 15
    assert max(angles) < 165


@pytest.mark.parametrize("scenes", [SCENES, WORLD_SCENES])
def test_hands_are_equally_frequent_in_both_labels(scenes):
    counts = [
        np.bincount([len(s.hands) for s in scenes[label]], minlength=4) for label in ("flip", "notflip")
    ]
    assert np.abs(counts[0] - counts[1]).max() < 0.15 * len(scenes["flip"])


def test_both_labels_of_a_place_show_the_same_place():
    for flip, notflip in zip(WORLD_SCENES["flip"], WORLD_SCENES["notflip"], strict=True):
        for name in ("camera", "film", "light", "place", "book", "skin", "sleeve", "aspect"):
            assert getattr(flip, name) == getattr(notflip, name)


def test_a_desk_has_none_of_the_ingredients_of_the_world():
    for scene in SCENES["flip"]:
        assert (scene.aspect, scene.place.surroundings, len(scene.turns)) == (9 / 16, "table", 1)
        assert scene.book.print == "prose"
        assert (scene.book.left.tilt, scene.book.left.curl, scene.place.objects) == (0, 0, 0)


def test_leaving_an_ingredient_out_removes_it_alone():
    mix = WORLD.without("held")
    scenes = [video_scene(7, "flip", video, mix=mix) for video in range(1, 100)]
    assert {scene.place.surroundings for scene in scenes} == {"table"}
    assert len({scene.aspect for scene in scenes}) > 2


def test_the_world_has_all_surroundings_prints_and_formats():
    scenes = WORLD_SCENES["flip"]
    assert {scene.place.surroundings for scene in scenes} == {"table", "air"}
    assert {scene.book.print for scene in scenes} == {"prose", "textbook", "notebook", "blank"}
    assert {scene.light.pattern for scene in scenes} == {"none", "edge", "stripes", "leaves"}
    assert len({scene.aspect for scene in scenes}) == 6


def test_less_variety_pulls_values_towards_the_middle():
    wide, narrow = (ScaledRandom(np.random.default_rng(3), share).uniform(2, 4, 50) for share in (1.0, 0.5))
    assert narrow - 3 == pytest.approx((wide - 3) / 2)
    assert ScaledRandom(np.random.default_rng(3), 0.0).normal(7, 2) == 7


def test_a_mix_is_made_of_shares():
    assert DESK.without("sun") == DESK
    assert all(0 <= share <= 1 for share in vars(WORLD).values())
