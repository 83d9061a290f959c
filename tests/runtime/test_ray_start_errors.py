"""Facts about `flipbatch.runtime.ray_start_errors`. Ray's own functions raise most of the errors."""

from __future__ import annotations

from pathlib import Path

import pytest
from ray._common.utils import try_to_create_directory
from ray._private.utils import check_version_info
from ray.exceptions import AuthenticationError

from flipbatch.errors import JobError
from flipbatch.runtime.ray_start_errors import check_directory, start_error


@pytest.fixture(autouse=True)
def _directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))


@pytest.mark.parametrize(("ray", "python"), [("2.1.0", "3.11.7"), ("2.60.0", "3.1.0")])
def test_other_versions_are_one_sentence(ray: str, python: str) -> None:
    with pytest.raises(RuntimeError) as error:
        check_version_info({"ray_version": ray, "python_version": python}, "node 1.2.3.4")
    sentence = str(start_error(error.value, running=True))
    assert (
        f"Can't connect to Ray: Version mismatch: The cluster was started with: Ray: {ray}; Python: {python}"
        in sentence
    )
    assert "Use the same versions of Ray and of Python on both sides" in sentence


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "ray").touch()
    with pytest.raises(OSError, match="exists") as error:
        try_to_create_directory(str(tmp_path / "ray"))
    sentence = str(start_error(error.value, running=False))
    assert sentence.startswith(
        f"Can't start Ray: File exists: {tmp_path}/ray. Ray writes to {tmp_path}/ray: set RAY_TMPDIR"
    )


def test_a_full_disk_says_so() -> None:
    with pytest.raises(OSError, match="No space") as error, open("/dev/full", "w") as full:
        full.write("token")
    assert "free space there, or set RAY_TMPDIR" in str(start_error(error.value, running=False))


def test_an_error_that_ray_wrapped_is_found() -> None:
    text = 'No GCS.\nTraceback (most recent call last):\n  File "x", line 1, in f\n    g()\nRpcError: gone'
    error = ConnectionError("Failed to connect")
    error.__cause__ = RuntimeError(text)
    assert str(start_error(error, running=True)).startswith("Can't connect to Ray: No GCS. RpcError: gone.")


def test_an_unreadable_token_says_where_ray_looks_for_it() -> None:
    sentence = str(start_error(AuthenticationError("the file can't be opened"), True))
    assert (
        "can't be opened. Check RAY_AUTH_TOKEN, the file RAY_AUTH_TOKEN_PATH or ~/.ray/auth_token" in sentence
    )


def test_an_unknown_error_at_the_start_names_the_logs(tmp_path: Path) -> None:
    sentence = str(start_error(Exception("timed out\nearly."), running=False))
    assert (
        sentence
        == f"Can't start Ray: timed out; early. Ray's logs are in {tmp_path}/ray/session_latest/logs."
    )


@pytest.mark.parametrize("directory", ["~/x", "relative/x", ""])
def test_a_directory_that_is_not_absolute_is_refused_before_the_start(
    monkeypatch: pytest.MonkeyPatch, directory: str
) -> None:
    monkeypatch.setenv("RAY_TMPDIR", directory)
    with pytest.raises(JobError, match=r"RAY_TMPDIR is '.*', which is not an absolute path: set it to one"):
        check_directory()


def test_the_first_of_two_directories_is_checked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TMPDIR", "relative")
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    check_directory()
    monkeypatch.delenv("RAY_TMPDIR")
    with pytest.raises(JobError, match="TMPDIR is 'relative'"):
        check_directory()


def test_a_path_that_is_not_utf_8_says_so() -> None:
    with pytest.raises(UnicodeEncodeError) as error:
        "\udcff".encode()
    assert "in UTF-8 only: rename the path" in str(start_error(error.value, running=False))
