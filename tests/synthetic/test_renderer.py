"""One rendered moment of a scene, what it says of itself, and the difference between the two labels."""

from dataclasses import replace

import numpy as np
import pytest

from flipbatch.synthetic.dataset import video_scene
from flipbatch.synthetic.frame_state import Region
from flipbatch.synthetic.renderer import SceneRenderer

ROWS = 240


@pytest.fixture(scope="module")
def scene():
    return video_scene(seed=3, label="flip", video=1)


@pytest.fixture(scope="module")
def renderer(scene):
    return SceneRenderer(scene, ROWS)


@pytest.mark.parametrize("rows", [96, 240, 960])
def test_a_frame_is_an_rgb_picture_of_the_asked_height(scene, rows):
    frame = SceneRenderer(scene, rows).render(0.5)
    assert frame.shape == (rows, round(rows * 9 / 16), 3)
    assert frame.dtype == np.uint8
    assert 20 < frame.mean() < 235


def test_the_same_scene_and_time_give_the_same_pixels_after_another_frame(scene, renderer):
    renderer.render(0.9)
    assert np.array_equal(renderer.render(0.2), SceneRenderer(scene, ROWS).render(0.2))


def test_the_picture_changes_with_time(renderer):
    difference = np.abs(renderer.render(0.2).astype(int) - renderer.render(0.8))
    assert (difference > 30).mean() > 0.01


def test_the_page_in_the_air_is_the_difference_between_the_labels(scene, renderer):
    flat = SceneRenderer(replace(scene, label="notflip"), ROWS)
    difference = np.abs(renderer.render(0.5).astype(int) - flat.render(0.5))
    assert (difference > 30).mean() > 0.02


def test_a_flip_shows_a_page_and_its_lift_and_angle(renderer, scene):
    state = renderer.render_with_state(0.5).state
    assert state.angle == pytest.approx(scene.turns[0].angle(0.5 + scene.exposure / 2))
    assert 0.2 < state.lift < 2
    assert 0 < state.visible < state.paper < 1
    assert 0 <= state.hidden <= 1


def test_without_a_page_in_the_air_none_is_visible(scene):
    state = SceneRenderer(replace(scene, label="notflip"), ROWS).render_with_state(0.5).state
    assert np.isnan(state.angle)
    assert (state.lift, state.visible, state.hidden) == (0, 0, 0)
    assert state.paper > 0.1


def test_without_hands_nothing_is_hidden(scene):
    state = SceneRenderer(replace(scene, hands=()), ROWS).render_with_state(0.5).state
    assert state.hidden == 0


def test_regions_say_what_each_pixel_shows(scene):
    shown = SceneRenderer(scene, ROWS).render_with_state(0.5)
    assert shown.regions.shape == shown.pixels.shape[:2]
    assert np.mean(shown.regions == Region.AIR) == pytest.approx(shown.state.visible)
    flat = SceneRenderer(replace(scene, label="notflip", hands=()), ROWS).render_with_state(0.5)
    assert set(np.unique(flat.regions)) == {Region.OTHER, Region.RESTING}


def test_resting_pages_are_brighter_than_what_is_around_them_on_a_dark_table(scene):
    dark = replace(scene.place, color=(20.0, 20.0, 20.0), floor=(5.0, 5.0, 5.0))
    shown = SceneRenderer(replace(scene, label="notflip", hands=(), place=dark), ROWS).render_with_state(0.5)
    assert shown.pixels[shown.regions == Region.RESTING].mean() > 3 * shown.pixels[shown.regions == 0].mean()


def test_a_longer_exposure_blurs_more(scene):
    states = [
        SceneRenderer(replace(scene, exposure=share), ROWS).render_with_state(0.5).state
        for share in (0.005, 0.08)
    ]
    assert states[0].blur < states[1].blur


def test_what_hides_the_light_casts_a_shadow(scene):
    lit = replace(
        scene, label="notflip", hands=(), light=replace(scene.light, ambient=0.3, direction=(0, 0, 1))
    )
    open_book, tilted = (
        SceneRenderer(replace(lit, book=replace(lit.book, right=replace(lit.book.right, tilt=tilt))), ROWS)
        for tilt in (0.0, 85.0)
    )
    assert tilted.render(0.5).mean() < open_book.render(0.5).mean()


def test_without_hands_turn_and_shake_only_noise_changes(scene):
    still = replace(scene, label="notflip", hands=(), camera=replace(scene.camera, shake=0.0))
    renderer = SceneRenderer(still, ROWS)
    difference = np.abs(renderer.render(0.1).astype(int) - renderer.render(0.9))
    assert 0 < difference.mean() < scene.film.noise * 3


@pytest.mark.parametrize("time", [-0.1, 1.1])
def test_a_time_outside_the_clip_is_refused(renderer, time):
    with pytest.raises(ValueError, match="between 0 and 1"):
        renderer.render(time)
