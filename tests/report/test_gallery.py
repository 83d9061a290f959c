"""Facts about the frames that a report shows."""

from __future__ import annotations

import io
from base64 import b64decode
from pathlib import Path

from PIL import Image

from flipbatch.evaluation.examples import FrameExample, FrameExamples
from flipbatch.report.gallery import FALSE, MISSED, MOST_THUMBNAILS, UNCERTAIN, galleries
from tests.conftest import FRAME_HEIGHT, FRAME_WIDTH, jpeg


def write(folder: Path, count: int) -> tuple[FrameExample, ...]:
    """Write frames; return them as examples."""
    for number in range(count):
        (folder / f"v_{number}.jpg").write_bytes(jpeg(flip=True, seed=number))
    return tuple(example(folder / f"v_{number}.jpg", number) for number in range(count))


def example(file: Path, number: int = 0) -> FrameExample:
    return FrameExample(0.1, "v", number, str(file), "flip", 0.1)


def test_half_of_the_thumbnails_are_missed_flips(tmp_path: Path) -> None:
    frames = write(tmp_path, 6)
    found = galleries({"m": FrameExamples(missed=frames, false=frames)}, 4)["m"]
    assert [(one.title, len(one.shots)) for one in found] == [(MISSED, 2), (FALSE, 2)]
    assert found[0].shots[0].text == "Frame 0 of video v, flip, flip probability 0.100"


def test_without_labels_the_least_certain_frames_are_shown(tmp_path: Path) -> None:
    (found,) = galleries({"m": FrameExamples(uncertain=write(tmp_path, 3))}, 2)["m"]
    assert (found.title, len(found.shots)) == (UNCERTAIN, 2)


def test_a_model_without_mistakes_and_a_page_without_thumbnails_show_none(tmp_path: Path) -> None:
    assert galleries({"m": FrameExamples()}, 24) == {"m": []}
    assert galleries({"m": FrameExamples(missed=write(tmp_path, 1))}, 0) == {"m": []}


def test_many_models_share_the_thumbnails_of_a_page(tmp_path: Path) -> None:
    frames = write(tmp_path, 40)
    examples = FrameExamples(missed=frames, false=frames)
    found = galleries({f"m{number}": examples for number in range(4)}, 1000)
    assert sum(len(one.shots) for kinds in found.values() for one in kinds) == MOST_THUMBNAILS


def test_a_frame_that_cannot_be_read_is_left_out_with_a_sentence(tmp_path: Path) -> None:
    (good,) = write(tmp_path, 1)
    (damaged := tmp_path / "damaged.jpg").write_bytes(jpeg(flip=True, seed=1)[:500])
    missed = (example(tmp_path / "gone.jpg"), good, example(damaged))
    (found,) = galleries({"m": FrameExamples(missed=missed)}, 24)["m"]
    assert len(found.shots) == 1
    assert found.note == "2 more frames can't be shown: they can't be read again."


def test_a_thumbnail_is_a_small_jpeg_without_bars(tmp_path: Path) -> None:
    (found,) = galleries({"m": FrameExamples(missed=write(tmp_path, 1))}, 24)["m"]
    picture = found.shots[0].picture
    with Image.open(io.BytesIO(b64decode(picture.data.partition(",")[2]))) as image:
        assert (image.width, image.height) == (picture.width, picture.height) == (126, 224)
    assert picture.width / picture.height == FRAME_WIDTH / FRAME_HEIGHT
