"""Names, layout, repeatability and errors of rendered data sets."""

from pathlib import Path

import pytest
import simplejpeg

from flipbatch.synthetic.dataset import render_dataset


def render(directory: Path, **changes) -> int:
    settings = {
        "videos_per_split": {"training": 1, "testing": 1},
        "frames_per_video": 1,
        "seed": 5,
        "processes": 1,
    }
    return render_dataset(directory, **{**settings, **changes})


def written_files(directory: Path) -> dict[str, bytes]:
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in directory.rglob("*.jpg")}


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    directory = tmp_path_factory.mktemp("frames")
    assert render(directory) == 4
    return written_files(directory)


def test_folders_are_split_and_label_and_videos_are_numbered_over_all_splits(frames):
    assert sorted(frames) == [
        "testing/flip/0002_000000001.jpg",
        "testing/notflip/0002_000000001.jpg",
        "training/flip/0001_000000001.jpg",
        "training/notflip/0001_000000001.jpg",
    ]


def test_frames_are_jpegs_of_1080_by_1920_pixels(frames):
    for data in frames.values():
        height, width, colorspace, _ = simplejpeg.decode_jpeg_header(data)
        assert (height, width, colorspace) == (1920, 1080, "YCbCr")
        assert 100_000 < len(data) < 500_000


def test_all_frames_differ(frames):
    assert len(set(frames.values())) == len(frames)


def test_the_number_of_processes_changes_no_byte(frames, tmp_path):
    render(tmp_path, processes=2)
    assert written_files(tmp_path) == frames


def test_another_seed_gives_other_frames(frames, tmp_path):
    render(tmp_path, seed=6, videos_per_split={"training": 1})
    assert set(written_files(tmp_path).values()).isdisjoint(frames.values())


def test_more_videos_of_a_split_do_not_change_the_first_ones(frames, tmp_path):
    render(tmp_path, videos_per_split={"training": 2})
    name = "training/flip/0001_000000001.jpg"
    assert written_files(tmp_path)[name] == frames[name]


def test_progress_is_frames_written_and_the_total(tmp_path):
    seen: list[tuple[int, int]] = []
    render(tmp_path, videos_per_split={"validation": 1}, progress=lambda *counts: seen.append(counts))
    assert seen == [(1, 2), (2, 2)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"videos_per_split": {"train": 1}}, "Unknown split 'train'"),
        ({"videos_per_split": {"training": -1, "testing": 3}}, "must not be negative"),
        ({"videos_per_split": {}}, "Ask for 1 to 9,999 videos"),
        ({"videos_per_split": {"training": 9_000, "testing": 1_000}}, "Ask for 1 to 9,999 videos"),
        ({"frames_per_video": 0}, "frames_per_video must be at least 1"),
        ({"seed": -1}, "seed must not be negative"),
        ({"processes": 0}, "processes must be at least 1"),
    ],
)
def test_wrong_arguments_are_refused_before_any_file_is_written(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        render(tmp_path, **changes)
    assert not written_files(tmp_path)
