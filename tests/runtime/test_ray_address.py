"""Facts about `flipbatch.runtime.ray_address`. The addresses are real: sockets of this process."""

from __future__ import annotations

import http.server
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from flipbatch.errors import JobError
from flipbatch.runtime import ray_address
from flipbatch.runtime.ray_address import check_answer


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No Ray ran here, none needs a token, and no test waits; returns Ray's directory."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.setattr(ray_address, "ANSWER_SECONDS", 0.3)
    (tmp_path / "ray").mkdir()
    return tmp_path / "ray"


@pytest.fixture
def closed() -> Iterator[str]:
    with socket.socket() as bound:  # nothing else gets its port, and nothing listens
        bound.bind(("", 0))
        yield f"localhost:{bound.getsockname()[1]}"


def complaint(monkeypatch: pytest.MonkeyPatch, address: str) -> str:
    """Return the sentence about an address in RAY_ADDRESS."""
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(JobError) as error:
        check_answer()
    assert "RAY_ADDRESS=local starts an own Ray" in str(error.value)
    return str(error.value)


def test_without_an_address_an_own_ray_is_started() -> None:
    assert not check_answer()


def test_the_address_local_starts_an_own_ray_beside_one_that_died(
    monkeypatch: pytest.MonkeyPatch, environment: Path, closed: str
) -> None:
    (environment / "ray_current_cluster").write_text(closed)
    monkeypatch.setenv("RAY_ADDRESS", "local")
    assert not check_answer()


def test_the_file_of_a_ray_that_died_is_named(environment: Path, closed: str) -> None:
    file = environment / "ray_current_cluster"
    file.write_text(closed)
    with pytest.raises(
        JobError, match=f"^{file} says that a Ray is at {closed}, but nothing listens at {closed}: if"
    ):
        check_answer()


def test_a_port_where_nothing_listens_is_named(monkeypatch: pytest.MonkeyPatch, closed: str) -> None:
    said, port = complaint(monkeypatch, closed), closed.rpartition(":")[2]
    assert re.search(rf"RAY_ADDRESS is {closed}, but nothing listens at [0-9.]+:{port}: correct", said)


def test_a_socket_that_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("", 0)) as silent:
        address = f"localhost:{silent.getsockname()[1]}"
        assert "no Ray answers there within" in complaint(monkeypatch, address)


def test_an_http_server_is_not_a_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    with http.server.HTTPServer(("", 0), http.server.SimpleHTTPRequestHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"localhost:{server.server_port}"
        assert "what listens there is not a Ray" in complaint(monkeypatch, address)
        server.shutdown()


def test_a_host_without_an_address_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "the host name in no.invalid:1 can't be resolved" in complaint(monkeypatch, "no.invalid:1")


@pytest.mark.parametrize(
    "address",
    ["host", "host:", "host:port", ":6379", "host:0", "host:65536", "::1:1", "h:２７", "grpc://h:1"],
)
def test_an_address_is_a_host_and_a_port(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    assert f"RAY_ADDRESS is {address}, which is not HOST:PORT" in complaint(monkeypatch, address)


def test_the_address_of_a_dashboard_is_not_one_of_a_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "only `ray job submit` takes" in complaint(monkeypatch, "http://127.0.0.1:8265")
    assert "only `ray job submit` takes" in complaint(monkeypatch, "HTTP://127.0.0.1:8265")


def test_a_ray_client_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Ray Data does not run through a Ray client" in complaint(monkeypatch, "ray://127.0.0.1:10001")
