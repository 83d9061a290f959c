"""A path becomes a video, a frame number, a label and a split; a video has a default group.

Knows the naming scheme ``VideoID_FrameNumber.ext`` and which folders count; knows no words (`words` does), no
storage, and opens no file.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TypeVar

from flipbatch.errors import printable
from flipbatch.frames.film_uris import film_frame, is_film
from flipbatch.frames.words import label_of_folder, split_of_folder
from flipbatch.schema import Label, Split

IMAGE_EXTENSIONS = frozenset(
    {"jpg", "jpeg", "jpe", "jfif", "jif", "pjpeg", "pjp", "png", "webp", "bmp", "dib", "tif", "tiff"}
)
"""Files with another extension are not frames. The first bytes tell the format, not the extension."""

Word = TypeVar("Word", Label, Split)

# 18 digits always fit an int64. [0-9] and not \d, which takes the digits of every script.
_STEM = re.compile(r"(?P<video>.+)_(?P<number>[0-9]{1,18})", re.DOTALL)


@dataclass(frozen=True, eq=False)
class Folders:
    """What the folders in the path of a frame say about it.

    Attributes
    ----------
    path : str
        The folders below the root, each followed by ``/``.
    video_prefix : str
        The start of the video_id: the folders without their split component, each followed by ``/``.
    label : Label or None
    split : Split or None
    """

    path: str
    video_prefix: str
    label: Label | None
    split: Split | None


@dataclass(frozen=True)
class FrameName:
    """What the path of a frame says about it.

    Attributes
    ----------
    video_id : str
        The frame's directory below the root, without its split component, ``/``, and the VideoID; in
        Unicode's form NFC, because one name may be stored in two forms.
    frame_number : int
        What follows the last underscore, 0 to 10**18 - 1.
    label : Label or None
    split : Split or None
    group : str or None
        Book, place or recording, where a table gives it; None means `default_group` of the video.
    film : bool
        Whether the path is that of a whole film, all of whose frames these facts are of.
    folders : Folders or None
        The folders that were read; None where there is no path.
    """

    video_id: str
    frame_number: int
    label: Label | None
    split: Split | None
    group: str | None = None
    film: bool = False
    folders: Folders | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Root:
    """What the last components of the listed directory say about every frame below it."""

    label: Label | None = None
    split: Split | None = None

    @classmethod
    def of(cls, path: str) -> Root:
        """Return what a root's last component says, and the one above it where the last is such a word.

        ``…/testing/flip`` gives label and split; ``/home/test/frames`` gives neither.
        """
        components = [part for part in path.split("/") if part][-2:]
        if not components or not (label_of_folder(components[-1]) or split_of_folder(components[-1])):
            return cls()
        return cls(label=_nearest(components, label_of_folder), split=_nearest(components, split_of_folder))


def parse_frame(relative_path: str, root: Root) -> FrameName | str:
    """Return what the path of a frame says about it.

    Parameters
    ----------
    relative_path : str
        Path below the root, components separated by ``/``.
    root : Root
        Gives label and split where the path itself has none.

    Returns
    -------
    FrameName or str
        The frame's name, or one line that says why the file does not fit the scheme.
    """
    name = relative_path.rpartition("/")[2]
    if name.startswith("."):
        return "hidden: its name starts with a dot"
    if is_film(name):
        return _film_name(relative_path, root)
    if (frame := film_frame(relative_path)) is not None:
        return replace(_film_name(frame.film, root), frame_number=frame.number, film=False)
    if not is_image(name):
        return f"not an image or a film: its {_extension(name)}"
    match = _STEM.fullmatch(name.rpartition(".")[0])
    if match is None:
        return "not named VideoID_FrameNumber: an underscore and at most 18 digits must end the name"
    folders = read_folders(relative_path, root)
    return FrameName(
        video_id=composed(folders.video_prefix + match["video"]),
        frame_number=int(match["number"]),
        label=folders.label,
        split=folders.split,
        folders=folders,
    )


def _film_name(relative_path: str, root: Root) -> FrameName:
    """Return what the path of a film says about its frames: a film is one video."""
    folders = read_folders(relative_path, root)
    return FrameName(
        video_id=composed(folders.video_prefix + relative_path.rpartition("/")[2].rpartition(".")[0]),
        frame_number=0,
        label=folders.label,
        split=folders.split,
        film=True,
        folders=folders,
    )


def is_image(name: str) -> bool:
    """Return whether the name of a file ends as that of an image does."""
    _, dot, extension = name.rpartition(".")
    return bool(dot) and extension.lower() in IMAGE_EXTENSIONS


def _extension(name: str) -> str:
    extension = name.rpartition(".")[2] if "." in name else ""
    return f"extension is .{printable(extension)}" if extension else "name has no extension"


def composed(text: str) -> str:
    """Return a text in Unicode's form NFC: ``é`` as one character and as two are one name."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


@lru_cache(maxsize=4096)
def default_group(video_id: str) -> str:
    """Return the group of a video where no table gives one: its id without its label folder.

    ``flip/0002`` and ``notflip/0002`` may show one book in one place: both are in group ``0002``.

    Parameters
    ----------
    video_id : str
        Not empty.

    Returns
    -------
    str
        Not empty.
    """
    *folders, name = video_id.split("/")
    return "/".join([*_without(folders, label_of_folder), name]) or video_id


def read_folders(relative_path: str, root: Root) -> Folders:
    """Return what the folders of a path say; the file's own name does not matter.

    Parameters
    ----------
    relative_path : str
        Path of a file below the root, components separated by ``/``.
    root : Root
        Gives label and split where the folders have none.
    """
    return _read_folders(relative_path[: relative_path.rfind("/") + 1], root)


@lru_cache(maxsize=4096)
def _read_folders(path: str, root: Root) -> Folders:
    folders = path.split("/")[:-1]
    return Folders(
        path=path,
        video_prefix="".join(f"{folder}/" for folder in _without(folders, split_of_folder)),
        label=_nearest(folders, label_of_folder) or root.label,
        split=_nearest(folders, split_of_folder) or root.split,
    )


def _nearest(components: Sequence[str], meaning: Callable[[str], Word | None]) -> Word | None:
    found = (meaning(component) for component in reversed(components))
    return next((word for word in found if word is not None), None)


def _without(folders: list[str], meaning: Callable[[str], Label | Split | None]) -> list[str]:
    """Return the folders without the last one that has a meaning: the label or split was read from it."""
    for index in reversed(range(len(folders))):
        if meaning(folders[index]) is not None:
            return folders[:index] + folders[index + 1 :]
    return folders
