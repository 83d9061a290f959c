"""A data set of rendered videos: directories of labelled JPEG frames.

    directory/<training|validation|testing>/<flip|notflip>/<VideoID>_<FrameNumber>.jpg

Each frame depends on (seed, label, video, frame) only. The number of processes and the order of work change
no byte. Knows nothing about reading such a directory.
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from multiprocessing import get_context
from os import cpu_count
from pathlib import Path
from typing import get_args

import numpy as np
import simplejpeg

from flipbatch.runtime.pool_process import set_up
from flipbatch.synthetic.mix import DESK, Mix
from flipbatch.synthetic.sample_clip import sample_scene
from flipbatch.synthetic.scaled_random import ScaledRandom
from flipbatch.synthetic.scene import Label, Scene

SPLITS = ("training", "validation", "testing")
LABELS: tuple[Label, ...] = get_args(Label)
JPEG_QUALITY = 90
ROWS = 1920
"""Rows of a frame. Scenes are portrait, 9:16."""
DRAWN_ROWS = 640
"""Rows that frames are drawn with at most; larger ones are enlarged: at 1920, a ninth of the time."""
MOST_VIDEOS, MOST_FRAMES = 9_999, 999_999_999


@dataclass(frozen=True)
class VideoJob:
    """One video to write.

    Attributes
    ----------
    directory
        Directory of its frames.
    seed, label, video
        They determine the scene. `video` is the VideoID, unique within the label.
    frames
        Number of its frames.
    variety
        Spread of the scenes, 0 to 1.
    mix
        Shares of what scenes show.
    rows
        Rows of a frame, in pixels.
    """

    directory: Path
    seed: int
    label: Label
    video: int
    frames: int
    variety: float
    mix: Mix
    rows: int


def render_dataset(
    directory: Path,
    *,
    videos_per_split: Mapping[str, int],
    frames_per_video: int,
    seed: int,
    variety: float = 1.0,
    mix: Mix = DESK,
    rows: int = ROWS,
    processes: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Render videos and write their frames.

    Parameters
    ----------
    directory
        Parent of the splits' directories. Existing frames of the same names are overwritten.
    videos_per_split
        Number of videos per label in each of `training`, `validation` and `testing`, such as
        ``{"training": 20, "testing": 8}``. VideoIDs are unique within a label, over all splits.
    frames_per_video
        Number of frames of each video, numbered from 1.
    seed
        Seed of all random numbers, 0 or more. The same seed gives the same bytes.
    variety
        Spread of the scenes, 0 to 1. A smaller value is easier to learn from few videos.
    mix
        Shares of what scenes show: by default a book on a desk. `mix.WORLD` has books anywhere.
    rows
        Rows of a frame, in pixels.
    processes
        Number of worker processes. None is one per CPU, 1 renders in the calling process.
    progress
        Called with (frames written, frames in total) after each video.

    Returns
    -------
    int
        Number of frames written.

    Raises
    ------
    ValueError
        If a split is unknown or a number is out of range.
    """
    _check(videos_per_split, frames_per_video, seed, processes)
    if not 0 <= variety <= 1:
        raise ValueError(f"variety must be between 0 and 1, not {variety}.")
    if rows < 16:
        raise ValueError(f"A frame has at least 16 rows, not {rows}.")
    like = VideoJob(Path(directory), seed, "flip", 0, frames_per_video, variety, mix, rows)
    jobs = list(_plan(like, videos_per_split))
    written, total = 0, len(jobs) * frames_per_video
    for frames in _write_all(jobs, processes or cpu_count() or 1):
        written += frames
        if progress is not None:
            progress(written, total)
    return written


def _check(
    videos_per_split: Mapping[str, int], frames_per_video: int, seed: int, processes: int | None
) -> None:
    unknown = sorted(set(videos_per_split) - set(SPLITS))
    if unknown:
        raise ValueError(f"Unknown split {unknown[0]!r}: choose among {', '.join(SPLITS)}.")
    if any(count < 0 for count in videos_per_split.values()):
        raise ValueError("The number of videos of a split must not be negative.")
    if not 0 < sum(videos_per_split.values()) <= MOST_VIDEOS:
        raise ValueError(f"Ask for 1 to {MOST_VIDEOS:,} videos per label over all splits.")
    if not 0 < frames_per_video <= MOST_FRAMES:
        raise ValueError(f"frames_per_video must be at least 1, not {frames_per_video}.")
    if seed < 0:
        raise ValueError(f"The seed must not be negative, not {seed}.")
    if processes is not None and processes < 1:
        raise ValueError(f"processes must be at least 1, not {processes}.")


def _plan(like: VideoJob, videos_per_split: Mapping[str, int]) -> Iterator[VideoJob]:
    """Yield the videos of each label, numbered from 1 over all splits."""
    for label in LABELS:
        video = 0
        for split in SPLITS:
            for _ in range(videos_per_split.get(split, 0)):
                video += 1
                yield replace(like, directory=like.directory / split / label, label=label, video=video)


def _write_all(jobs: list[VideoJob], processes: int) -> Iterator[int]:
    """Write videos; yield the number of frames of each finished one."""
    if processes == 1:
        yield from map(write_video, jobs)
        return
    # Forked workers are unsafe if the parent has running threads. Spawned ones are not.
    context = get_context("spawn")
    with ProcessPoolExecutor(min(processes, len(jobs)), context, set_up) as pool:
        pending = [pool.submit(write_video, job) for job in jobs]
        try:
            for done in as_completed(pending):
                yield done.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def write_video(job: VideoJob) -> int:
    """Render one video and write its frames; return their number."""
    import cv2

    from flipbatch.synthetic.renderer import SceneRenderer

    job.directory.mkdir(parents=True, exist_ok=True)
    scene = video_scene(job.seed, job.label, job.video, job.variety, job.mix)
    renderer = SceneRenderer(scene, min(job.rows, DRAWN_ROWS))
    size = (round(job.rows * scene.aspect), job.rows)
    for frame in range(1, job.frames + 1):
        pixels = renderer.render(frame_time(frame, job.frames))
        if job.rows > DRAWN_ROWS:
            pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_CUBIC)
        name = f"{job.video:04d}_{frame:09d}.jpg"
        (job.directory / name).write_bytes(
            simplejpeg.encode_jpeg(pixels, quality=JPEG_QUALITY, colorsubsampling="420")
        )
    return job.frames


def video_scene(seed: int, label: Label, video: int, variety: float = 1.0, mix: Mix = DESK) -> Scene:
    """Return the scene of a video. The `flip` and the `notflip` video of one number show the same place."""
    place = np.random.default_rng([seed, video])
    clip = np.random.default_rng([seed, video, LABELS.index(label)])
    return sample_scene(label, mix, ScaledRandom(place, variety), ScaledRandom(clip, variety))


def frame_time(frame: int, frames: int) -> float:
    """Return the time of frame `frame` (from 1) of `frames`: the middle of its share of the clip."""
    return (frame - 0.5) / frames
