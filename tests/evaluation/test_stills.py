"""Facts about `flipbatch.evaluation.stills`."""

from __future__ import annotations

from flipbatch.evaluation.stills import EDGE, MOST_COMPARED, still_table
from flipbatch.schema import STILLS
from tests.evaluation.films import TURN, film, smooth, thumbnails


def stills_of(*films):
    return still_table(smooth(*films), "m").to_pylist()


def rest(sharpness, levels=None, **columns):
    """A video without turns."""
    cells = thumbnails(levels or [100] * len(sharpness))
    probabilities = columns.pop("probabilities", [0.1] * len(sharpness))
    return film("a", probabilities, sharpness=sharpness, thumbnail=cells, **columns)


def test_a_turn_divides_a_video_into_two_stills():
    stills = stills_of(film("a", TURN))
    assert [(still["still"], still["first_frame"], still["last_frame"]) for still in stills] == [
        (0, 0, 39),
        (1, 60, 99),
    ]
    assert still_table(smooth(film("a", TURN)), "m").schema == STILLS


def test_a_video_without_turns_is_one_still():
    (still,) = stills_of(rest([1.0, 3.0, 2.0]))
    assert (still["frames"], still["uri"], still["sharpness"]) == (3, "a_1.jpg", 3)
    assert (still["frame_number"], still["group"], still["seconds"]) == (1, "book", None)


def test_a_video_of_one_frame_has_no_stills():
    assert stills_of(rest([1.0])) == []


def test_a_sharp_frame_that_a_hand_covers_is_not_kept():
    (still,) = stills_of(rest([1.0, 9.0, 2.0, 1.0, 1.0], [100, 30, 100, 101, 99]))
    assert still["frame_number"] == 2


def test_of_equally_sharp_frames_the_first_is_kept():
    (still,) = stills_of(rest([1.0, 2.0, 2.0]))
    assert still["frame_number"] == 1


def test_frames_beside_a_turn_are_not_kept_where_there_are_others():
    sharpness = [1.0] * 20
    sharpness[EDGE - 1], sharpness[EDGE], sharpness[-1] = 5.0, 2.0, 9.0
    (still,) = stills_of(rest(sharpness))
    assert still["frame_number"] == EDGE


def test_the_probability_is_that_of_the_frame_alone():
    (still,) = stills_of(rest([1.0, 3.0], probabilities=[0.1, 0.25]))
    assert still["flip_probability"] == 0.25


def test_a_film_says_at_which_second():
    (still,) = stills_of(rest([1.0, 3.0], seconds=[0.0, 0.5]))
    assert still["seconds"] == 0.5


def test_frames_that_could_not_be_decoded_are_not_kept():
    (still,) = stills_of(rest([None, 1.0, None], probabilities=[None, 0.1, None]))
    assert (still["frame_number"], still["frames"]) == (1, 3)


def test_a_stretch_without_a_decoded_frame_has_no_frame_to_keep():
    (still,) = stills_of(film("a", [None, None]))
    kept = ("frame_number", "uri", "seconds", "sharpness", "flip_probability")
    assert {still[name] for name in kept} == {None}
    assert (still["first_frame"], still["last_frame"]) == (0, 1)


def test_of_a_long_stretch_evenly_spaced_frames_are_compared():
    sharpness = [1.0] * (2 * MOST_COMPARED)
    sharpness[3001], sharpness[3000 + EDGE] = 9.0, 2.0
    (still,) = stills_of(rest(sharpness))
    assert still["frame_number"] == 3000 + EDGE


def test_without_sharpness_the_least_probable_flip_is_kept():
    (still,) = stills_of(film("a", [0.2, 0.1, 0.2]))
    assert (still["frame_number"], still["sharpness"]) == (1, None)
