"""Rendered films to page turns and stills: the walk of somebody who films a book."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
import simplejpeg

import flipbatch
from flipbatch.cli import main
from flipbatch.errors import InputError
from flipbatch.extraction.job import ExtractOptions, extract
from flipbatch.synthetic.turning_film import sample_turning_film
from tests.films import film, write_film

KINDS = [("mp4", "libx264", 0), ("webm", "libvpx-vp9", 0), ("mov", "libx264", 90), ("mkv", "libx264", 0)]
OPTIONS = {
    "libx264": {"crf": "18", "preset": "veryfast"},
    "libvpx-vp9": {"crf": "20", "b": "0", "deadline": "realtime", "cpu-used": "8"},
}


def render(folder: Path, turns: int, seed: int) -> list[tuple[str, str]]:
    """Write a film; return the uri and the label of each frame."""
    extension, codec, rotation = KINDS[seed % len(KINDS)]
    rendered = sample_turning_film(seed, turns)
    stored = [np.rot90(pixels, -rotation // 90) for pixels in rendered.render(240)]
    even = [np.ascontiguousarray(one[: len(one) // 2 * 2, : one.shape[1] // 2 * 2]) for one in stored]
    name = f"book{seed:02d}.{extension}"
    write_film(str(folder / name), even, codec, key_every=60, rotation=rotation, options=OPTIONS[codec])
    labels = ("flip" if flips else "notflip" for flips in rendered.flips)
    return [(f"{name}#frame={number}", label) for number, label in enumerate(labels)]


def walk(folder: Path, films: int, turns: int, each: Callable[[partial, range], list]) -> dict:
    """Render films, score them, extract their stills; return the metrics."""
    rows = [row for film in each(partial(render, folder, turns), range(films)) for row in film]
    with (folder / "truth.csv").open("w") as file:
        csv.writer(file).writerows([("uri", "label"), *rows])
    inputs = ["--manifest", f"{folder}/truth.csv", "--model", "pretrained:mobilenet_v2"]
    assert main(["score", *inputs, "--out", f"{folder}/scored", "--executor", "local", "-q"]) == 0
    pages = f"{folder}/pages"
    assert main(["extract", "--stills", f"{folder}/scored", "--out", pages, "--processes", "1", "-q"]) == 0
    return json.loads((folder / "scored/metrics.json").read_text())["models"]["mobilenet_v2"]


def in_turn(function: partial, seeds: range) -> list:
    return list(map(function, seeds))


def side_by_side(function: partial, seeds: range) -> list:
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        return list(pool.map(function, seeds))


def test_the_turns_of_a_film_are_found_and_each_page_becomes_a_picture(tmp_path: Path) -> None:
    metrics = walk(tmp_path, 1, 2, in_turn)
    assert (metrics["events"]["true"], metrics["events"]["matched"]) == (2, 2)
    stills = flipbatch.read_stills(f"{tmp_path}/scored")
    pictures = sorted((tmp_path / "pages").glob("*.jpg"))
    assert [int(path.stem[-9:]) for path in pictures] == sorted(stills["frame_number"].tolist())
    assert simplejpeg.decode_jpeg(pictures[0].read_bytes()).shape == (240, 134, 3)


def test_a_stretch_without_a_whole_frame_has_no_picture(tmp_path: Path) -> None:
    films, pages = tmp_path / "films", tmp_path / "pages"
    films.mkdir()
    damaged = film(5, container_options={"movflags": "faststart"})
    films.joinpath("bad.mp4").write_bytes(damaged[: damaged.index(b"mdat") + 4] + bytes(len(damaged)))
    films.joinpath("good.mp4").write_bytes(film(5))
    score = ["score", "--model", "pretrained:cnn_model", "--executor", "local", "--max-error-rate", "1", "-q"]
    for frames, out in ((films, "both"), (films / "bad.mp4", "one")):
        assert main([*score, "--frames", str(frames), "--out", f"{tmp_path}/{out}"]) == 0
    extract(ExtractOptions(str(pages), stills=f"{tmp_path}/both"))
    assert {path.name[:4] for path in pages.glob("*.jpg")} == {"good"}
    with pytest.raises(InputError, match="has no stills"):
        extract(ExtractOptions(f"{tmp_path}/none", stills=f"{tmp_path}/one"))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_forty_films_of_five_turns_give_their_turns(tmp_path: Path) -> None:
    metrics = walk(tmp_path, 40, 5, side_by_side)
    assert metrics["events"]["true"] == 200
    assert metrics["events"]["f1"] >= 0.95
