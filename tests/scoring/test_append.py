"""Facts about ``--append``: the tables are those of one run over all frames."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flipbatch.errors import OutputError
from flipbatch.runtime.run_directory import RunDirectory
from flipbatch.scoring import append, finish, job, merge
from flipbatch.scoring.dry_run import dry_run
from flipbatch.scoring.job import ScoreOptions
from tests.faults.harness import Fault, Job
from tests.films import film
from tests.scoring.conftest import contents, score

TABLES = ("predictions", "videos", "metrics.json", "misnamed.parquet", "_SUCCESS")


def tables(out: Path) -> dict[str, bytes]:
    """The bytes of a run's results."""
    found = [path for name in TABLES for path in [out / name, *(out / name).rglob("*")] if path.is_file()]
    return {str(path.relative_to(out)): path.read_bytes() for path in found}


@pytest.fixture
def folder(tmp_path: Path, manifest: Path) -> Path:
    """260 frames of 10 videos, in several shards."""
    files = [line.partition(",")[0] for line in manifest.read_text().splitlines()[1:]]
    frames = tmp_path / "frames"
    frames.mkdir()
    for number in range(260):
        shutil.copy(files[number % len(files)], frames / f"v{number // 26:02d}_{number % 26:03d}.jpg")
    return frames


@pytest.fixture
def options(folder: Path, bundles: tuple[str, str]) -> Callable[..., ScoreOptions]:
    """Return the options of a run over the folder."""
    return lambda out, **more: ScoreOptions(
        frames=str(folder), models=bundles[:1], out=str(out), executor="local", **more
    )


def change(folder: Path) -> None:
    """Add frames of a new video and of an old one, and a film; remove a video; replace a frame."""
    whole = folder / "v00_000.jpg"
    for name in ("v03_1000", "a_1", "z_9"):
        shutil.copy(whole, folder / f"{name}.jpg")
    (folder / "film.mp4").write_bytes(film(5))
    for path in folder.glob("v05_*"):
        path.unlink()
    (folder / "v07_003.jpg").write_bytes(whole.read_bytes() + b"\xff\xd8appended by a phone\xff\xd9")


def decoded(patch: pytest.MonkeyPatch) -> list[str]:
    """Note the frames that are decoded."""
    from flipbatch.scoring import score_shard

    seen: list[str] = []
    whole = score_shard.load_frames

    def noting(uris: list[str], *more: Any) -> Any:
        seen.extend(uris)
        return whole(uris, *more)

    patch.setattr(score_shard, "load_frames", noting)
    return seen


def test_only_new_frames_are_scored_and_the_tables_are_those_of_one_run(
    folder: Path, options: Callable[..., ScoreOptions], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    score(options(out))
    change(folder)
    with monkeypatch.context() as patch:
        seen = decoded(patch)
        score(options(out, append=True))
    names = sorted(uri.rpartition("/")[2] for uri in seen)
    of_film = [f"film.mp4#frame={number}" for number in range(5)]
    assert names == ["a_1.jpg", *of_film, "v03_1000.jpg", "v07_003.jpg", "z_9.jpg"]
    score(options(tmp_path / "whole"))
    assert tables(out) == tables(tmp_path / "whole")
    assert [path.name for path in out.glob("shards*")] != ["shards"]
    assert len(list(out.glob("shards*"))) == len(list(out.glob("manifest/*"))) == 1


def test_what_changed_is_said(
    folder: Path, options: Callable[..., ScoreOptions], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    score(options(tmp_path / "out"))
    change(folder)
    with caplog.at_level("INFO", "flipbatch"):
        score(options(tmp_path / "out", append=True))
    assert "8 frames are new." in caplog.text
    assert "1 frame was replaced since, and is scored again." in caplog.text
    assert "26 frames of the run are no longer there, and leave its tables:" in caplog.text
    previous = json.loads((tmp_path / "out/run.json").read_text())["previous"]
    assert (previous["new"], previous["replaced"], previous["vanished"]) == (8, 1, 26)


def test_without_changes_nothing_is_done(options: Callable[..., ScoreOptions], tmp_path: Path) -> None:
    metrics = score(options(tmp_path / "out"))
    before = (tmp_path / "out/run.json").stat().st_mtime_ns
    assert score(options(tmp_path / "out", append=True)) == metrics
    assert (tmp_path / "out/run.json").stat().st_mtime_ns == before


def test_append_starts_a_run_where_there_is_none(
    options: Callable[..., ScoreOptions], tmp_path: Path
) -> None:
    score(options(tmp_path / "out"))
    score(options(tmp_path / "other", append=True))
    assert tables(tmp_path / "out") == tables(tmp_path / "other")


def test_frames_can_be_added_again_and_again(
    folder: Path, options: Callable[..., ScoreOptions], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    for round_ in range(3):
        shutil.copy(folder / "v00_000.jpg", folder / f"new{round_}_1.jpg")
        score(options(out, append=True))
    (folder / "new1_1.jpg").unlink()
    score(options(out, append=True))
    score(options(tmp_path / "whole"))
    assert tables(out) == tables(tmp_path / "whole")


def test_a_table_may_have_grown(manifest: Path, bundles: tuple[str, str], tmp_path: Path) -> None:
    table, lines = tmp_path / "m.csv", manifest.read_text().splitlines()
    table.write_text("\n".join(lines[:100]))
    options = ScoreOptions(manifest=str(table), models=bundles[:1], out=f"{tmp_path}/out", executor="local")
    score(options)
    table.write_text("\n".join(lines))
    metrics = score(replace(options, append=True))
    assert metrics["frames"]["total"] == len(lines) - 1
    score(replace(options, out=f"{tmp_path}/whole"))
    assert tables(tmp_path / "out") == tables(tmp_path / "whole")


def test_a_table_may_be_written_anew_again_and_again_with_the_same_rows(
    manifest: Path, bundles: tuple[str, str], tmp_path: Path
) -> None:
    table, text = tmp_path / "m.csv", manifest.read_text()
    table.write_text(text)
    options = ScoreOptions(manifest=str(table), models=bundles[:1], out=f"{tmp_path}/out", executor="local")
    score(options)
    for blank_lines in (1, 2):
        table.write_text(text + "\n" * blank_lines)
        score(replace(options, append=True))
    score(replace(options, out=f"{tmp_path}/whole"))
    assert tables(tmp_path / "out") == tables(tmp_path / "whole")


def test_frames_whose_storage_failed_are_read_again(
    folder: Path, options: Callable[..., ScoreOptions], tmp_path: Path
) -> None:
    target = folder / "v00_000.jpg"
    data = target.read_bytes()
    table = tmp_path / "m.csv"
    table.write_text(f"uri\n{target}\n{folder}/none_1.jpg\n")
    run = replace(options(tmp_path / "out"), frames=None, manifest=str(table))
    assert score(run)["frames"]["errors"]["missing"] == 1
    (folder / "none_1.jpg").write_bytes(data)
    table.write_text(f"uri\n{target}\n{folder}/none_1.jpg\n{folder}/v00_001.jpg\n")
    assert score(replace(run, append=True))["frames"]["errors"]["missing"] == 0


def test_another_model_is_refused(
    options: Callable[..., ScoreOptions], bundles: tuple[str, str], tmp_path: Path
) -> None:
    score(options(tmp_path / "out"))
    with pytest.raises(OutputError, match="belongs to another run"):
        score(replace(options(tmp_path / "out", append=True), models=bundles[1:]))


@pytest.mark.parametrize(
    "fault",
    [
        Fault("renamed", r"/\.?run\.json"),
        Fault("opened", r"/shards-[0-9a-f]+/\.?000000001"),
        Fault("opened", r"/predictions/.*part"),
        Fault("removed", r"000000000\.parquet"),
    ],
    ids=lambda fault: f"{fault.act} {fault.path}",
)
def test_sigkill_then_the_same_command_gives_the_same_tables(
    fault: Fault, folder: Path, options: Callable[..., ScoreOptions], bundles: tuple[str, str], tmp_path: Path
) -> None:
    score(options(tmp_path / "out"))
    change(folder)
    score(options(tmp_path / "whole"))
    inputs = ("--frames", str(folder), "--model", bundles[0], "--out", str(tmp_path / "out"), "--append")
    command = ("-m", "flipbatch.cli", "score", "--executor", "local", "--max-error-rate", "1", *inputs)
    killed = Job(tmp_path / "killed", folder, *command, faults=[fault])
    assert killed.wait() < 0
    assert killed.faults_done == 1
    finished = Job(tmp_path / "finished", folder, *command)
    assert finished.wait() == 0, finished.said
    assert tables(tmp_path / "out") == tables(tmp_path / "whole")


keys = st.lists(st.integers(0, 30), unique=True).map(sorted)


@given(keys, keys)
def test_rows_of_one_key_are_paired(old: list[int], new: list[int]) -> None:
    def rows(keys: list[int]) -> Any:
        return iter([append.Row(("v", key, "u"), None, 0) for key in keys])

    found = [
        (one and one.key[1], other and other.key[1]) for one, other in append._pairs(rows(old), rows(new))
    ]
    expected = [(key if key in old else None, key if key in new else None) for key in sorted({*old, *new})]
    assert found == expected


def test_the_file_of_ranges_names_the_shards_with_rows(
    folder: Path, options: Callable[..., ScoreOptions], tmp_path: Path
) -> None:
    score(options(tmp_path / "out"))
    shutil.copy(folder / "v00_000.jpg", folder / "zz_1.jpg")
    score(options(tmp_path / "out", append=True))
    (ranges,) = (tmp_path / "out").glob("manifest/*/previous_shards.parquet")
    rows = pq.read_table(ranges).to_pylist()
    assert all(0 <= row["first"] <= row["stop"] for row in rows)
    assert rows[0]["first"] == 0


# ---------------------------------------------------------------------------------------- dry run, retry


def test_a_dry_run_says_what_would_be_appended_and_writes_nothing(
    folder: Path, options: Callable[..., ScoreOptions], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    score(options(out))
    change(folder)
    before = contents(out)
    lines = dry_run(options(out, append=True))
    assert lines[:3] == [
        f"would append to {out}",
        "8 frames are new.",
        "1 frame was replaced since, and is scored again.",
    ]
    assert lines[3].startswith("26 frames of the run are no longer there")
    assert any(line.startswith("time: about") for line in lines)
    assert contents(out) == before


def test_a_dry_run_without_changes_says_so(options: Callable[..., ScoreOptions], tmp_path: Path) -> None:
    score(options(tmp_path / "out"))
    lines = dry_run(options(tmp_path / "out", append=True, retry_errors=True))
    assert lines[0].startswith("No frame was added, replaced or removed since")
    assert lines[1] == "frames to read again: 0"


def test_a_retry_reads_frames_again_also_if_none_is_new(
    folder: Path, bundles: tuple[str, str], tmp_path: Path
) -> None:
    uris = sorted(map(str, folder.glob("v00_*")))
    (tmp_path / "frames.csv").write_text("\n".join(["uri", *uris]))
    gone = (folder / "v00_003.jpg").rename(tmp_path / "gone")
    wanted = ScoreOptions(
        manifest=str(tmp_path / "frames.csv"), models=bundles[:1], out=str(tmp_path / "out"), executor="local"
    )
    assert score(wanted)["frames"]["errors"]["missing"] == 1
    gone.rename(folder / "v00_003.jpg")
    assert score(replace(wanted, append=True))["frames"]["errors"]["missing"] == 1
    found = score(replace(wanted, append=True, retry_errors=True))
    assert found["frames"]["errors"]["missing"] == 0


# ---------------------------------------------------------------------------------------- two at once


def during(patch: pytest.MonkeyPatch, module: Any, name: str, act: Callable[[], object]) -> None:
    """Act once, directly before a function is called for the first time."""
    whole, acts = getattr(module, name), [act]

    def call(*arguments: Any, **more: Any) -> Any:
        while acts:
            acts.pop()()
        return whole(*arguments, **more)

    patch.setattr(module, name, call)


STEPS = [
    (job, "remove_old_parts"),
    (job, "score_with_progress"),
    (merge, "verify_part"),
    (job, "finish_run"),
    (finish, "_metrics"),
    (RunDirectory, "finish"),
]


@pytest.mark.parametrize(("module", "step"), STEPS)
def test_of_two_appends_at_once_the_later_one_wins_or_finishes(
    module: Any,
    step: str,
    folder: Path,
    options: Callable[..., ScoreOptions],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Frames arrive under way, and another command lists them and appends them all."""
    out, later = tmp_path / "out", options(tmp_path / "out", append=True)
    score(options(out))
    change(folder)

    def append_more() -> None:
        shutil.copy(folder / "v00_000.jpg", folder / "y_1.jpg")
        score(later)

    with monkeypatch.context() as patch:
        during(patch, module, step, append_more)
        with pytest.raises(OutputError, match="Another command has taken up new frames"):
            score(later)
    score(later)
    score(options(tmp_path / "whole"))
    assert tables(out) == tables(tmp_path / "whole")


def test_an_append_that_was_listed_before_another_one_is_refused(
    folder: Path, options: Callable[..., ScoreOptions], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, later = tmp_path / "out", options(tmp_path / "out", append=True)
    score(options(out))
    change(folder)
    with monkeypatch.context() as patch:
        during(patch, append, "compare", lambda: score(later))
        with pytest.raises(OutputError, match="Another command has taken up new frames"):
            score(later)
    score(options(tmp_path / "whole"))
    assert tables(out) == tables(tmp_path / "whole")


@pytest.mark.parametrize(("owner", "step"), STEPS[-2:])
def test_an_append_that_was_killed_is_not_finished_by_the_command_beside_it(
    owner: Any,
    step: str,
    folder: Path,
    options: Callable[..., ScoreOptions],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out, later = tmp_path / "out", options(tmp_path / "out", append=True)
    score(options(out))
    change(folder)

    def start_and_end(*arguments: Any) -> None:
        assert append.start_append(*arguments)
        raise KeyboardInterrupt

    def append_more() -> None:
        shutil.copy(folder / "v00_000.jpg", folder / "y_1.jpg")
        monkeypatch.setattr(job, "start_append", start_and_end)
        with pytest.raises(KeyboardInterrupt):
            score(later)

    with monkeypatch.context() as patch:
        during(patch, owner, step, append_more)
        with pytest.raises(OutputError, match="Another command has taken up new frames"):
            score(later)
    monkeypatch.undo()
    assert not RunDirectory.at(str(out)).is_finished
    score(later)
    score(options(tmp_path / "whole"))
    assert tables(out) == tables(tmp_path / "whole")
