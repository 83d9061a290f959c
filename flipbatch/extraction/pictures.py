"""A frame of a film becomes a JPEG at full size; the name that its file gets.

Knows one frame. Does not know runs or processes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import simplejpeg

from flipbatch import storage
from flipbatch.errors import InputError
from flipbatch.frames.film_decode import film_picture
from flipbatch.frames.film_pixels import orientation, rgb_pixels
from flipbatch.frames.film_uris import FilmFrame, film_frame
from flipbatch.frames.fitting import upright
from flipbatch.frames.names import Root, read_folders
from flipbatch.frames.rejection import RejectedError, Rejection
from flipbatch.frames.unread import unread

Row = dict[str, Any]
"""A row of `schema.MANIFEST`."""


def file_name(row: Row) -> str:
    """Return the path of a frame's file below the output: ``SPLIT/LABEL/VideoID_FrameNumber.jpg``.

    Folders of split and label are left out where there is none, and where the video's id has them; where it
    has other ones, they are the last folders. Listed again, the frame has the same label, split and number;
    one without a label or a split has that of the video's id.

    Raises
    ------
    InputError
        If the video's id leads out of the output.
    """
    video_id = row["video_id"]
    if {"", ".", ".."} & set(video_id.split("/")) or "\\" in video_id:
        raise InputError(
            f"The video id {video_id!r} can't be the name of a file: rename the file that it comes from, or "
            "give another id in a table (--manifest)."
        )
    film = film_frame(row["uri"])
    extension = "jpg" if film else row["uri"].rpartition(".")[2]
    return f"{_folders_and_video(row)}_{row['frame_number']:09d}.{extension}"


def _folders_and_video(row: Row) -> str:
    *folders, video = row["video_id"].split("/")
    there = read_folders(row["video_id"], Root())
    words = [(row["split"], there.split), (row["label"], there.label)]
    first = [word for word, own in words if word and own is None]
    last = [word for word, own in words if word and own not in (None, word)]  # the nearest to the file counts
    return "/".join([*first, *folders, *last, video])


def file_bytes(row: Row, quality: int) -> bytes | Rejection:
    """Return the bytes of a frame's file: an image as it is, a frame of a film upright, as a JPEG.

    Parameters
    ----------
    row : Row
    quality : int
        Of the JPEG, 1 to 100.
    """
    film = film_frame(row["uri"], row["version"], row["seconds"])
    try:
        return storage.read(row["uri"], version=row["version"]) if film is None else jpeg_of(film, quality)
    except RejectedError as error:
        return error.rejection
    except OSError as error:
        return unread(error)


def jpeg_of(frame: FilmFrame, quality: int) -> bytes:
    """Return a frame of a film as a JPEG, upright, at its own size.

    Raises
    ------
    RejectedError, OSError
        As `film_decode.film_picture`.
    """
    picture = film_picture(frame)
    pixels = np.ascontiguousarray(upright(rgb_pixels(picture), orientation(picture)))
    return simplejpeg.encode_jpeg(pixels, quality=quality, colorsubsampling="420")
