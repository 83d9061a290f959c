"""Facts about `flipbatch.frames.folder_notes`."""

from __future__ import annotations

import pytest

from flipbatch.frames import row_batches
from flipbatch.frames.manifest import list_frames, read_manifest
from tests.frames.manifests import csv, touch


def notes(tmp_path, *names):
    touch(tmp_path, *names)
    return list_frames(str(tmp_path)).notes


@pytest.mark.parametrize("rows_per_batch", [1, 2, 100])
def test_frames_without_split_beside_others_are_one_line(tmp_path, monkeypatch, rows_per_batch):
    monkeypatch.setattr(row_batches, "ROWS_PER_BATCH", rows_per_batch)
    names = ["train/a_1.jpg", "extra/v/b_1.jpg", "extra/w/b_1.jpg", "c_1.jpg"]
    (line,) = notes(tmp_path, *names)
    assert line.startswith("3 frames have no split, others have one: training counts them as train.")
    assert set(line.partition("Their folders: ")[2].rstrip(".").split(", ")) == {"the root", "extra/"}


def test_frames_without_label_beside_others_are_one_line(tmp_path):
    (line,) = notes(tmp_path, "flip/a_1.jpg", "notflip/a_1.jpg", "test/b_1.jpg", "test/b_2.jpg")[:1]
    assert line == (
        "2 frames have no label, others have one: F1 and training leave them out. Their folders: test/."
    )


def test_nothing_is_said_where_all_frames_are_alike(tmp_path):
    assert notes(tmp_path, "a/x_1.jpg", "b/x_1.jpg") == ()
    touch(tmp_path / "labelled", "train/flip/a_1.jpg", "dev/no_flip/a_1.jpg")
    assert list_frames(f"{tmp_path}/labelled").notes == ()


def test_the_label_of_a_cell_is_a_label(tmp_path):
    path = csv(tmp_path, "uri,label,split", "flip/a_1.jpg,,train", "b/c_1.jpg,flip,val")
    assert read_manifest(path).notes == ()


@pytest.mark.parametrize(
    ("path", "start"),
    [
        (
            "train/test/a_1.jpg",
            "2 frames are below folders of several splits, the one nearest to the file counts: ",
        ),
        (
            "flip/notflip/a_1.jpg",
            "2 frames are below folders of both labels, the one nearest to the file counts: ",
        ),
    ],
)
def test_words_that_disagree_are_one_line(tmp_path, path, start):
    assert notes(tmp_path, path, path.replace("a_1", "a_2")) == (start + path.rpartition("/")[0] + "/.",)


def test_words_that_agree_are_not_said(tmp_path):
    assert notes(tmp_path, "train/training_set/flips/label=flip/a_1.jpg") == ()


@pytest.mark.parametrize(
    "folder",
    [
        "label=1",
        "split=fold3",
        "kind=flip",
        "flipped",
        "train_1",
        "test-2",
        "group=desk",
        "trainval",
        "devtest",
        "evalFrames",
    ],
)
def test_a_folder_that_looks_like_a_word_is_one_line(tmp_path, folder):
    assert notes(tmp_path, f"x/{folder}/v/a_1.jpg", f"x/{folder}/w/a_1.jpg") == (
        f"2 frames are in a folder whose name looks like a label, split or group but is not read: {folder}/.",
    )


def test_a_folder_that_looks_like_a_split_is_not_said_below_a_split(tmp_path):
    assert notes(tmp_path, "train/test_book/a_1.jpg") == ()


@pytest.mark.parametrize("folders", [("pos", "neg"), ("Yes", "No"), ("0", "1"), ("positive", "other")])
def test_folders_that_other_data_sets_have_for_labels_are_said_if_no_frame_has_one(tmp_path, folders):
    names = [f"{folder}/v_{number}.jpg" for folder in folders for number in (1, 2)]
    (line,) = notes(tmp_path, *names)
    assert line.startswith(
        f"{4 - 2 * ('other' in folders)} frames are in a folder whose name looks like a label"
    )
    assert f"{folders[0]}/" in line
    touch(tmp_path, "flip/w_1.jpg")
    assert "looks like" not in " ".join(list_frames(str(tmp_path)).notes)


def test_folders_that_count_are_no_labels(tmp_path):
    assert notes(tmp_path, "0/a_1.jpg", "1/a_1.jpg", "2/a_1.jpg") == ()
    touch(tmp_path / "one", "0/a_1.jpg")
    assert list_frames(f"{tmp_path}/one").notes == ()


def test_a_frame_in_two_doubtful_folders_counts_once(tmp_path):
    (line,) = notes(tmp_path, "test-2/pos/a_1.jpg")
    assert line.startswith("1 frame is in a folder")
    assert line.endswith(": test-2/, pos/.")
