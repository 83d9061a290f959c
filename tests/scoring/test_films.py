"""Facts about scoring films: each frame is a row once, whatever ends the command."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import boto3
import pandas as pd
import pyarrow.parquet as pq
import pytest

import flipbatch
from flipbatch.errors import OutputError
from flipbatch.frames.film_rows import Thinning
from flipbatch.scoring.job import ExecutorName, ScoreOptions
from tests.faults.harness import Fault
from tests.films import film, picture_of, sound
from tests.scoring.conftest import contents, kill_and_repeat, score

LONG = 300
COLUMNS = ["video_id", "frame_number", "status", "error", "flip_probability", "prediction"]


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A long film, a short one with rotation, one that is damaged, and one that is none."""
    folder = tmp_path_factory.mktemp("films")
    pictures = [picture_of(number % 256) for number in range(LONG)]
    (folder / "long.mp4").write_bytes(
        film(pictures=pictures, key_every=24, options={"x264-params": "scenecut=0"})
    )
    (folder / "turned.webm").write_bytes(film(20, "libvpx-vp9", "webm"))
    (folder / "none.mov").write_bytes(sound())
    data = bytearray(film(40))
    data[len(data) // 2 : len(data) // 2 + 40] = b"\xff" * 40
    (folder / "damaged.mp4").write_bytes(data)
    return folder


@pytest.fixture(scope="module")
def options(films: Path, bundles: tuple[str, str]) -> Callable[..., ScoreOptions]:
    """Return the options of a run over all films."""
    return lambda out, **more: ScoreOptions(
        frames=str(films), models=bundles[:1], out=str(out), executor="local", **more
    )


@pytest.fixture(scope="module")
def undisturbed(options: Callable[..., ScoreOptions], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing disturbed."""
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    score(options(out))
    return out


def test_every_frame_of_every_film_is_a_row(undisturbed: Path) -> None:
    rows = flipbatch.read_predictions(str(undisturbed))
    numbers = {name: of_film["frame_number"].tolist() for name, of_film in rows.groupby("video_id")}
    assert numbers["long"] == list(range(LONG))
    assert numbers["turned"] == list(range(20))
    assert rows["status"].tolist().count("ok") >= LONG + 20
    none = rows.set_index("video_id").loc["none"].to_dict()
    assert (none["status"], none["error"]) == ("unsupported", "the film has no video stream")


def test_damaged_frames_are_rows_that_say_so(undisturbed: Path) -> None:
    rows = flipbatch.read_predictions(str(undisturbed))
    status = rows.set_index("video_id").loc["damaged", "status"].tolist()
    assert 1 <= status.count("corrupt") < 40
    assert set(status) == {"ok", "corrupt"}


def test_a_long_film_is_divided_before_key_frames(undisturbed: Path) -> None:
    (part,) = undisturbed.glob("manifest/*/part-*.parquet")
    rows = pq.read_table(part).to_pandas()
    starts = rows[rows["video_id"] == "long"].groupby("shard").first()
    assert len(starts) >= 2
    assert starts["key_frame"].all()


def test_a_film_gives_the_probabilities_that_its_frames_give(
    undisturbed: Path, films: Path, bundles: tuple[str, str]
) -> None:
    model = flipbatch.load_model(bundles[0])
    uris = [f"{films}/long.mp4#frame={number}" for number in (0, 100, 299)]
    rows = flipbatch.read_predictions(str(undisturbed)).set_index("uri")
    found = model.predict(uris)["flip_probability"].to_numpy()
    assert found == pytest.approx(rows.loc[uris, "flip_probability"].to_numpy(), abs=1e-5)


def test_a_film_may_be_thinned_out_and_a_resume_must_do_the_same(
    options: Callable[..., ScoreOptions], tmp_path: Path
) -> None:
    metrics = score(options(tmp_path / "out", thinning=Thinning(every=50)))
    assert metrics["frames"]["total"] == 6 + 1 + 1 + 1
    with pytest.raises(OutputError, match="every was 50 and is now 60"):
        score(options(tmp_path / "out", thinning=Thinning(every=60)))


@pytest.mark.parametrize(
    "fault",
    [
        Fault("opened", r"/manifest/.*part-00000"),
        Fault("opened", r"/shards/\.?000000001"),
        Fault("renamed", r"/shards/\.?000000002"),
        Fault("opened", r"/videos/\.?part"),
        Fault("opened", r"/\.?metrics\.json"),
    ],
    ids=lambda fault: f"{fault.act} {fault.path}",
)
def test_sigkill_then_the_same_command_gives_the_same_bytes(
    fault: Fault, films: Path, bundles: tuple[str, str], undisturbed: Path, tmp_path: Path
) -> None:
    arguments = ("--frames", str(films), "--model", bundles[0])
    assert kill_and_repeat(fault, arguments, tmp_path) == contents(undisturbed)


def rows_of(out: str) -> pd.DataFrame:
    """Return the predictions of a run, without what depends on where its films are."""
    return flipbatch.read_predictions(out).filter(items=COLUMNS)


def rows_on_s3(executor: ExecutorName, films: Path, bundle: str, s3_server: str) -> pd.DataFrame:
    """Copy the films to S3, score them there, and return the predictions."""
    client = boto3.client("s3", endpoint_url=s3_server)
    client.create_bucket(Bucket=f"films-{executor}")
    for path in films.iterdir():
        client.upload_file(str(path), f"films-{executor}", f"in/{path.name}")
    inputs = f"s3://films-{executor}/in", f"s3://films-{executor}/out"
    score(ScoreOptions(frames=inputs[0], models=(bundle,), out=inputs[1], executor=executor))
    return rows_of(inputs[1])


def test_films_on_s3_give_the_rows_of_local_ones(
    films: Path, bundles: tuple[str, str], undisturbed: Path, s3_server: str
) -> None:
    found = rows_on_s3("local", films, bundles[0], s3_server)
    assert found.equals(rows_of(str(undisturbed)))


@pytest.mark.usefixtures("ray_session")
def test_so_they_do_on_ray(films: Path, bundles: tuple[str, str], undisturbed: Path, s3_server: str) -> None:
    found = rows_on_s3("ray", films, bundles[0], s3_server)
    assert found.equals(rows_of(str(undisturbed)))
