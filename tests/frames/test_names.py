"""Facts about `flipbatch.frames.names`."""

from __future__ import annotations

import unicodedata
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from flipbatch.frames.names import (
    IMAGE_EXTENSIONS,
    FrameName,
    Root,
    default_group,
    parse_frame,
    read_folders,
)
from flipbatch.frames.words import LABEL_WORDS, SPLIT_WORDS, normal
from flipbatch.schema import Label, Split

NOWHERE = Root()

# Any text, with new lines, quotes and underscores more often than chance would have them.
video_ids = st.text(
    st.characters(codec="utf-8", exclude_characters="/") | st.sampled_from("\n\"'_. "), min_size=1
)
frame_numbers = st.integers(0, 10**18 - 1)
spellings = st.sampled_from([str, str.upper, str.title, lambda word: f"label={quote(word)}"])
folders = st.lists(st.sampled_from([*LABEL_WORDS, *SPLIT_WORDS, "book", "0002", "Flip", "TEST"]), max_size=4)
extensions = st.sampled_from(sorted(IMAGE_EXTENSIONS)).flatmap(lambda e: st.sampled_from([e, e.upper()]))


def name_of(path, root=NOWHERE):
    name = parse_frame(path, root)
    assert isinstance(name, FrameName), name
    return name


def words_of(path, root=NOWHERE):
    name = name_of(path, root)
    return name.label, name.split


# ---------------------------------------------------------------------------------------- any name


@given(video_ids, frame_numbers, extensions)
def test_a_name_has_the_parts_that_the_path_was_made_of(video_id, number, extension):
    assume(not video_id.startswith("."))
    name = name_of(f"{video_id}_{number}.{extension}")
    assert name == FrameName(unicodedata.normalize("NFC", video_id), number, None, None)


@given(folders, video_ids, st.integers(0, 10**6), st.integers(1, 18))
def test_a_name_in_folders_ends_with_its_video_id(folders, video_id, number, digits):
    assume(not video_id.startswith("."))
    name = name_of("/".join([*folders, f"{video_id}_{number:0{digits}d}.jpg"]))
    assert name.video_id.rpartition("/")[2] == unicodedata.normalize("NFC", video_id)
    assert name.frame_number == number
    assert name.video_id.count("/") == len(folders) - (name.split is not None)


@given(st.text())
def test_reading_a_path_never_raises(path):
    parsed = parse_frame(path, NOWHERE)
    assert isinstance(parsed, FrameName) or "\n" not in parsed


@given(st.text())
def test_reading_a_root_never_raises(path):
    assert isinstance(Root.of(path), Root)


# ---------------------------------------------------------------------------------------- the file's name


def test_a_flat_directory_gives_the_video_id_alone():
    assert name_of("0002_000000012.jpg") == FrameName("0002", 12, None, None)


def test_the_frame_number_follows_the_last_underscore():
    assert name_of("my_book_2_007.jpg") == FrameName("my_book_2", 7, None, None)


def test_dots_and_upper_case_extensions_are_part_of_names():
    assert name_of("v1.2_3.JPEG") == FrameName("v1.2", 3, None, None)


@pytest.mark.parametrize(
    "file", ["0002.jpg", "_12.jpg", "0002_.jpg", "0002_12a.jpg", "0002_-1.jpg", "0002_1.5.jpg", "0002-12.jpg"]
)
def test_other_names_do_not_fit_the_scheme(file):
    assert parse_frame(file, NOWHERE) == (
        "not named VideoID_FrameNumber: an underscore and at most 18 digits must end the name"
    )


def test_a_frame_number_has_at_most_18_digits():
    assert name_of(f"v_{'9' * 18}.jpg").frame_number == 10**18 - 1
    assert isinstance(parse_frame(f"v_{'1' * 19}.jpg", NOWHERE), str)


def test_digits_of_other_scripts_are_not_a_frame_number():
    assert isinstance(parse_frame("v_١٢.jpg", NOWHERE), str)


@pytest.mark.parametrize("file", ["notes_1.txt", "0002_1", "0002_1.jpg.part", "flip/a_1.avi", ""])
def test_a_file_that_is_not_an_image_says_so(file):
    assert str(parse_frame(file, NOWHERE)).startswith(
        ("not an image or a film: its extension is .", "not an image or a film: its name")
    )


@pytest.mark.parametrize(
    ("name", "why"),
    [("a_1.txt", "extension is .txt"), ("a_1.tar.GZ", "extension is .GZ"), ("a_1", "name has no extension")],
)
def test_a_file_that_is_no_image_says_its_own_extension(name, why):
    assert parse_frame(f"b.c/{name}", NOWHERE) == f"not an image or a film: its {why}"


@pytest.mark.parametrize("file", [".DS_Store", "._0002_000000012.jpg", "flip/.0002_1.jpg"])
def test_hidden_files_are_not_frames(file):
    assert parse_frame(file, NOWHERE) == "hidden: its name starts with a dot"


# ---------------------------------------------------------------------------------------- label and split


@pytest.mark.parametrize(
    ("folder", "label"),
    [
        ("flip", Label.FLIP),
        ("notflip", Label.NOTFLIP),
        ("not_flip", Label.NOTFLIP),
        ("NotFlip", Label.NOTFLIP),
        ("Flips", Label.FLIP),
        ("no-flip", Label.NOTFLIP),
        ("noflip", Label.NOTFLIP),
        ("Not Flip", Label.NOTFLIP),
        ("non_flips", Label.NOTFLIP),
        ("label=flip", Label.FLIP),
        ("Class=not%20flip", Label.NOTFLIP),
    ],
)
def test_a_folder_gives_the_label(folder, label):
    assert words_of(f"{folder}/a_1.jpg") == (label, None)


@pytest.mark.parametrize(
    ("folder", "split"),
    [
        ("training", Split.TRAIN),
        ("testing", Split.TEST),
        ("Validation", Split.VAL),
        ("val", Split.VAL),
        ("dev", Split.VAL),
        ("eval", Split.TEST),
        ("evaluation", Split.TEST),
        ("tests", Split.TEST),
        ("held-out", Split.TEST),
        ("HoldOut", Split.TEST),
        ("training_set", Split.TRAIN),
        ("traindata", Split.TRAIN),
        ("training_data", Split.TRAIN),
        ("test data", Split.TEST),
        ("dev-dataset", Split.VAL),
        ("valdata", Split.VAL),
        ("trn", Split.TRAIN),
        ("TST", Split.TEST),
        ("split=train", Split.TRAIN),
    ],
)
def test_a_folder_gives_the_split(folder, split):
    assert words_of(f"{folder}/a_1.jpg") == (None, split)


@given(st.sampled_from(sorted(SPLIT_WORDS)), st.sampled_from(["", "Split=", "subset="]), st.booleans())
def test_a_split_in_any_spelling_is_read_and_is_no_part_of_the_video_id(word, key, capitals):
    folder = key + (word.upper() if capitals else word)
    assert name_of(f"flip/{folder}/a_1.jpg") == FrameName("flip/a", 1, Label.FLIP, SPLIT_WORDS[word])


@given(st.sampled_from(sorted(LABEL_WORDS)), st.lists(st.sampled_from([" ", "_", "-", "\ufeff"])))
def test_separators_do_not_change_a_word(word, separators):
    at = len(word) // 2
    assert normal(f"{word[:at]}{''.join(separators)}{word[at:]}") == word


@pytest.mark.parametrize("folder", ["label=1", "label=", "=flip", "kind=flip", "split=3", "0", "true"])
def test_other_hive_folders_mean_nothing(folder):
    assert name_of(f"{folder}/a_1.jpg") == FrameName(f"{folder}/a", 1, None, None)


def test_the_words_nearest_to_the_file_win():
    assert words_of("flip/train/notflip/test/a_1.jpg") == (Label.NOTFLIP, Split.TEST)


def test_a_word_that_is_a_part_of_a_folder_means_nothing():
    assert words_of("flipped/test2/a_1.jpg") == (None, None)


def test_a_word_in_the_file_itself_means_nothing():
    assert name_of("flip_1.jpg") == FrameName("flip", 1, None, None)


def test_the_split_is_not_part_of_the_video_id():
    one, other = name_of("training/flip/0002_000000012.jpg"), name_of("testing/flip/0002_000000013.jpg")
    assert one.video_id == other.video_id == "flip/0002"
    assert (one.split, other.split) == (Split.TRAIN, Split.TEST)


def test_the_label_is_part_of_the_video_id():
    assert name_of("training/notflip/0002_000000012.jpg").video_id == "notflip/0002"


def test_only_the_split_that_was_read_is_left_out_of_the_video_id():
    assert name_of("test/book/train/a_1.jpg") == FrameName("test/book/a", 1, None, Split.TRAIN)


def test_folders_are_read_for_files_of_any_name():
    folders = read_folders("training/flip/img.gif", NOWHERE)
    assert (folders.video_prefix, folders.label, folders.split) == ("flip/", Label.FLIP, Split.TRAIN)


# ---------------------------------------------------------------------------------------- the root


def test_the_folders_go_before_the_root():
    root = Root.of("/data/testing/flip")
    assert words_of("a_1.jpg", root) == (Label.FLIP, Split.TEST)
    assert words_of("training/notflip/a_1.jpg", root) == (Label.NOTFLIP, Split.TRAIN)


def test_the_root_is_not_part_of_the_video_id():
    assert name_of("0002_1.jpg", Root.of("/data/testing/flip")).video_id == "0002"


@pytest.mark.parametrize(
    ("path", "root"),
    [
        ("/data/testing/flip", Root(Label.FLIP, Split.TEST)),
        ("s3://bucket/flip/train", Root(Label.FLIP, Split.TRAIN)),
        ("/data/notflip/", Root(Label.NOTFLIP)),
        ("/data/split=dev/label=flip", Root(Label.FLIP, Split.VAL)),
        ("/data/testing", Root(split=Split.TEST)),
        ("/train/test", Root(split=Split.TEST)),
        ("/flip/testing/book", Root()),
        ("/home/test/x", Root()),
        ("/home/flip/frames", Root()),
        ("/", Root()),
        ("", Root()),
    ],
)
def test_a_root_gives_what_its_last_component_says_and_the_one_above(path, root):
    assert Root.of(path) == root


# ---------------------------------------------------------------------------------------- groups

plain_folders = st.lists(st.sampled_from(["book", "0002", "flipped", "train", "a b"]), max_size=3)
components = st.text(st.characters(codec="utf-8", exclude_characters="/"), min_size=1)


@given(plain_folders, plain_folders, st.sampled_from(sorted(LABEL_WORDS)), spellings, components)
def test_the_default_group_of_a_video_is_the_same_under_every_label(above, below, word, spell, video):
    plain = "/".join([*above, *below, video])
    assert default_group("/".join([*above, spell(word), *below, video])) == plain
    assert default_group(plain) == plain


@given(video_ids)
def test_a_default_group_is_never_empty(video_id):
    assert default_group(video_id)


@given(st.lists(components, min_size=1, max_size=4))
def test_a_default_group_has_at_most_one_component_less_and_keeps_the_last(parts):
    group = default_group("/".join(parts)).split("/")
    assert len(parts) - 1 <= len(group) <= len(parts)
    assert group[-1] == parts[-1]


@pytest.mark.parametrize(
    ("video_id", "group"),
    [
        ("a/flip/v", "a/v"),
        ("a/notflip/v", "a/v"),
        ("a/not_flip/v", "a/v"),
        ("a/Not-Flip/v", "a/v"),
        ("flip/notflip/v", "flip/v"),
        ("flip", "flip"),
        ("flip/", "flip/"),
        ("flipped/v", "flipped/v"),
    ],
)
def test_only_the_label_folder_nearest_to_the_video_is_left_out_of_its_group(video_id, group):
    assert default_group(video_id) == group
