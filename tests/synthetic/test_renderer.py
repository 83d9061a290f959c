"""One rendered moment of a scene, and the difference between the two labels."""

from dataclasses import replace

import numpy as np
import pytest

from flipbatch.synthetic.dataset import video_scene
from flipbatch.synthetic.renderer import SceneRenderer


@pytest.fixture(scope="module")
def scene():
    return video_scene(seed=3, label="flip", video=1)


@pytest.fixture(scope="module")
def renderer(scene):
    return SceneRenderer(scene)


def test_a_frame_is_a_portrait_rgb_picture(renderer):
    frame = renderer.render(0.5)
    assert frame.shape == (1920, 1080, 3)
    assert frame.dtype == np.uint8
    assert 20 < frame.mean() < 235


def test_the_same_scene_and_time_give_the_same_pixels_after_another_frame(scene, renderer):
    renderer.render(0.9)
    assert np.array_equal(renderer.render(0.2), SceneRenderer(scene).render(0.2))


def test_the_picture_changes_with_time(renderer):
    difference = np.abs(renderer.render(0.2).astype(int) - renderer.render(0.8))
    assert (difference > 30).mean() > 0.01


def test_the_page_in_the_air_is_the_difference_between_the_labels(scene, renderer):
    flat = SceneRenderer(replace(scene, label="notflip"))
    difference = np.abs(renderer.render(0.5).astype(int) - flat.render(0.5))
    assert (difference > 30).mean() > 0.02


def test_without_hands_turn_and_shake_only_noise_changes(scene):
    still = SceneRenderer(replace(scene, label="notflip", hands=(), camera=replace(scene.camera, shake=0.0)))
    difference = np.abs(still.render(0.1).astype(int) - still.render(0.9))
    assert 0 < difference.mean() < scene.light.noise * 2


@pytest.mark.parametrize("time", [-0.1, 1.1])
def test_a_time_outside_the_clip_is_refused(renderer, time):
    with pytest.raises(ValueError, match="between 0 and 1"):
        renderer.render(time)
