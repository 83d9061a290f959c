"""Event files as TensorBoard reads them: values, steps, resumed and damaged files, other storage."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from flipbatch import storage
from flipbatch.tracking.event_file import EventFile, picture, scalar


def points(folder: Path, tag: str = "loss") -> list[tuple[int, float]]:
    """Return steps and values as TensorBoard reads them."""
    events = EventAccumulator(str(folder)).Reload()
    return [(event.step, event.value) for event in events.Scalars(tag)]


def file_in(folder: Path) -> EventFile:
    return EventFile(str(folder / "events.out.tfevents.test"))


def test_tensorboard_reads_values_and_steps(tmp_path: Path) -> None:
    file = file_in(tmp_path)
    file.add(1, [scalar("loss", 0.5), scalar("f1", 0.75)])
    file.add(2, [scalar("loss", 0.25)])
    assert points(tmp_path) == [(1, 0.5), (2, 0.25)]
    assert points(tmp_path, "f1") == [(1, 0.75)]


def test_tensorboard_reads_pictures(tmp_path: Path) -> None:
    file_in(tmp_path).add(3, [picture("frames/01", b"a picture", 20, 10)])
    (found,) = EventAccumulator(str(tmp_path)).Reload().Images("frames/01")
    assert (found.step, found.width, found.height, found.encoded_image_string) == (3, 10, 20, b"a picture")


def test_what_a_file_has_is_not_written_again(tmp_path: Path) -> None:
    for _ in range(2):
        file = file_in(tmp_path)
        file.add_all([(step, scalar("loss", step / 8)) for step in (1, 2, 3)])
    assert points(tmp_path) == [(1, 0.125), (2, 0.25), (3, 0.375)]


@given(kept=st.integers(0, 200))
@settings(max_examples=25, deadline=None)
def test_a_file_that_was_cut_anywhere_is_continued(kept: int, tmp_path_factory) -> None:
    folder = tmp_path_factory.mktemp("cut")
    wanted = [(step, scalar("loss", step / 8)) for step in (1, 2, 3)]
    file_in(folder).add_all(wanted)
    path = folder / "events.out.tfevents.test"
    path.write_bytes(path.read_bytes()[:kept])
    file_in(folder).add_all(wanted)
    assert points(folder) == [(1, 0.125), (2, 0.25), (3, 0.375)]


def test_a_file_grows_in_place(tmp_path: Path) -> None:
    file = file_in(tmp_path)
    file.add(1, [scalar("loss", 1)])
    before = (tmp_path / "events.out.tfevents.test").stat().st_ino
    file.add(2, [scalar("loss", 0.5)])
    assert (tmp_path / "events.out.tfevents.test").stat().st_ino == before


def test_other_storage_has_the_whole_file(remote: str, tmp_path: Path) -> None:
    uri = f"{remote}/events.out.tfevents.test"
    for step in (1, 2):
        EventFile(uri).add(step, [scalar("loss", step)])
    (tmp_path / "events.out.tfevents.test").write_bytes(storage.read(uri))
    assert points(tmp_path) == [(1, 1.0), (2, 2.0)]
