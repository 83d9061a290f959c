"""Facts about `flipbatch.scoring.build_manifest`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from flipbatch import storage
from flipbatch.errors import InputError, StorageError
from flipbatch.frames import external_sort, row_batches
from flipbatch.frames.manifest import load_manifest
from flipbatch.frames.manifest_fingerprint import manifest_fingerprint
from flipbatch.scoring.build_manifest import build_manifest, building_here, building_in_subprocess
from flipbatch.scoring.manifest_parts import read_shard

NAMES = [f"{'ba'[i % 2]}_{i}.jpg" for i in range(90)]


@pytest.fixture
def frames(tmp_path):
    """90 frames of 2 videos, half of them labelled, and 3 other files."""
    for name in [*(f"flip/{name}" for name in NAMES[:45]), *NAMES[45:], "x.txt", "c.jpg", ".hidden_1.jpg"]:
        storage.write(f"{tmp_path}/frames/{name}", b"")
    return f"{tmp_path}/frames"


@pytest.fixture
def scratch(tmp_path):
    (tmp_path / "scratch").mkdir()
    return tmp_path / "scratch"


def rows_of(folder, built):
    return [
        row
        for shard in range(built.plan.shards)
        for row in read_shard(f"{folder}/{built.folder}", built.plan, shard).to_pylist()
    ]


def test_a_built_manifest_is_the_one_that_is_built_in_memory(frames, tmp_path, scratch):
    whole = load_manifest(frames, None)
    built = build_manifest(frames, None, None, f"{tmp_path}/out", scratch)
    assert rows_of(f"{tmp_path}/out", built) == whole.frames.to_pylist()
    assert (built.manifest_fingerprint, built.videos) == (manifest_fingerprint(whole.frames), whole.videos)
    assert (built.frames, built.misnamed, built.labels) == (90, 3, {"flip": 45, None: 45})
    assert pq.read_table(tmp_path / "out" / built.folder / "misnamed.parquet").equals(whole.misnamed)


def test_files_are_the_same_bytes_however_rows_come(frames, tmp_path, scratch, monkeypatch):
    one = build_manifest(frames, None, None, f"{tmp_path}/one", scratch)
    monkeypatch.setattr(row_batches, "ROWS_PER_BATCH", 7)
    monkeypatch.setattr(external_sort, "BYTES_PER_RUN", 1)
    monkeypatch.setattr(external_sort, "ROWS_PER_SLICE", 3)
    monkeypatch.setattr(external_sort, "RUNS_AT_A_TIME", 4)
    two = build_manifest(frames, None, None, f"{tmp_path}/two", scratch)
    assert one == two
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def contents(folder: Path):
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_a_limit_keeps_the_first_frames_and_what_was_misnamed(frames, tmp_path, scratch):
    built = build_manifest(frames, None, 50, f"{tmp_path}/out", scratch)
    first = load_manifest(frames, None).frames.slice(0, 50)
    assert rows_of(f"{tmp_path}/out", built) == first.to_pylist()
    assert (built.frames, built.misnamed, built.manifest_fingerprint) == (50, 3, manifest_fingerprint(first))
    assert build_manifest(frames, None, 1000, None, scratch).frames == 90


def test_without_a_folder_nothing_is_written(frames, tmp_path, scratch):
    before = sorted(tmp_path.rglob("*"))
    counted = build_manifest(frames, None, None, None, scratch)
    assert sorted(tmp_path.rglob("*")) == before
    assert counted == build_manifest(frames, None, None, f"{tmp_path}/out", scratch)


def test_no_frames_are_refused_with_the_first_file_and_nothing_is_written(tmp_path, scratch):
    for name in ("b.txt", "a.txt"):
        storage.write(f"{tmp_path}/frames/{name}", b"")
    why = r"None of the 2 files below .*/frames/a\.txt is not an image or a film"
    with pytest.raises(InputError, match=why):
        build_manifest(f"{tmp_path}/frames", None, None, f"{tmp_path}/out", scratch)
    with pytest.raises(InputError, match="No files were found below"):
        build_manifest(str(scratch), None, None, f"{tmp_path}/out", scratch)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("start", [building_here, building_in_subprocess])
def test_it_may_be_built_here_or_in_a_subprocess(start, frames, tmp_path, scratch):
    with start(frames, None, 60, f"{tmp_path}/out") as building:
        built = building()
    assert built == build_manifest(frames, None, 60, None, scratch)
    assert rows_of(f"{tmp_path}/out", built) == load_manifest(frames, None).frames.to_pylist()[:60]


def test_an_error_of_the_subprocess_is_raised_here(tmp_path):
    with (
        building_in_subprocess(f"{tmp_path}/none", None, None, f"{tmp_path}/out") as building,
        pytest.raises(StorageError, match=r"Can't list .*none: there is no such file"),
    ):
        building()


def test_every_file_has_the_schema_version(frames, tmp_path, scratch):
    build_manifest(frames, None, None, f"{tmp_path}/out", scratch)
    files = list((tmp_path / "out").rglob("*.parquet"))
    versions = {pq.read_schema(file).metadata[b"flipbatch.schema_version"] for file in files}
    assert len(files) == 2
    assert versions == {b"2"}


def test_building_imports_neither_ray_nor_torch():
    program = (
        "import sys, flipbatch.scoring.build_manifest as _\n"
        "print({'ray', 'torch', 'duckdb', 'cv2', 'pandas'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_a_video_in_two_groups_is_refused_wherever_its_rows_are_cut(tmp_path, scratch, monkeypatch):
    monkeypatch.setattr(external_sort, "BYTES_PER_RUN", 1)
    monkeypatch.setattr(external_sort, "ROWS_PER_SLICE", 1)
    lines = ["uri,group", *(f"a_{i}.jpg,{'desk' if i < 6 else 'shelf'}" for i in range(9))]
    storage.write(f"{tmp_path}/m.csv", "\n".join(lines).encode())
    with pytest.raises(InputError, match=r"puts video a into two groups, desk and shelf: give all frames"):
        build_manifest(None, f"{tmp_path}/m.csv", None, f"{tmp_path}/out", scratch)
    assert not (tmp_path / "out").exists()
