"""Facts about `flipbatch.frames.places`: which frames share an offset."""

from __future__ import annotations

import pyarrow as pa
import pytest

from flipbatch.frames.names import FrameName, Root, default_group, parse_frame
from flipbatch.frames.places import place_of, row_places


def place_of_path(path: str) -> str:
    frame = parse_frame(path, Root())
    assert isinstance(frame, FrameName)
    return place_of(frame.video_id, default_group(frame.video_id))


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("0002_12.jpg", "."),
        ("flip/0002_12.jpg", "."),
        ("notflip/0002_12.jpg", "."),
        ("testing/flip/0002_12.jpg", "."),
        ("training/label=no-flip/0003_1.jpg", "."),
        ("desk/0002_12.jpg", "desk"),
        ("desk/flip/0002_12.jpg", "desk"),
        ("desk/testing/notflip/0002_12.jpg", "desk"),
        ("flip/desk/0002_12.jpg", "desk"),
        ("split=dev/desk/left/flip/0002_12.jpg", "desk/left"),
    ],
)
def test_the_place_of_a_path_is_its_directory_without_label_and_split(path: str, place: str) -> None:
    assert place_of_path(path) == place


def test_a_group_of_a_table_is_the_place() -> None:
    assert place_of("flip/0002", "desk") == place_of("0007", "desk") == "desk"
    assert place_of("desk/flip/0002", "desk/0002") == "desk"  # the default group: a run's manifest has it


def test_rows_have_the_place_of_their_video() -> None:
    videos = ["a/flip/1", "a/flip/1", "a/notflip/1", "b/2", "c/3"]
    groups = ["a/1", "a/1", "a/1", "mine", "c/3"]
    table = pa.table({"video_id": videos, "group": groups})
    places = row_places(pa.concat_tables([table.slice(0, 2), table.slice(2)]))
    assert [places.names[code] for code in places.codes] == ["a", "a", "a", "mine", "c"]


def test_no_rows_have_no_place() -> None:
    empty = pa.table({"video_id": pa.array([], pa.string()), "group": pa.array([], pa.string())})
    assert (row_places(empty).names, len(row_places(empty).codes)) == ([], 0)
