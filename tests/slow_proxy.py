"""A server that stands before another one: slow, and at times refusing. It counts what passes."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

CHUNK = 65_536


class SlowProxy(ThreadingHTTPServer):
    """Answers every request `latency` seconds late.

    `requests`, `most_in_flight` and `bytes_sent` are what was seen so far. The next requests are answered
    with `refusals`, pairs of a status and an S3 error code, until those are used up.
    """

    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, target: str, latency: float = 0.0) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target, self.latency = urlsplit(target).netloc, latency
        self.refusals: list[tuple[int, str]] = []
        self.requests = self.most_in_flight = self.bytes_sent = self._in_flight = 0
        self._counting = threading.Lock()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @contextmanager
    def counted(self) -> Iterator[None]:
        with self._counting:
            self.requests += 1
            self._in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self._in_flight)
        try:
            yield
        finally:
            with self._counting:
                self._in_flight -= 1

    def sent(self, size: int) -> None:
        with self._counting:
            self.bytes_sent += size

    def handle_error(self, request, client_address):
        """Say nothing: clients may leave in the middle."""


class _Handler(BaseHTTPRequestHandler):
    server: SlowProxy  # pyright: ignore[reportIncompatibleVariableOverride]
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        with self.server.counted():
            time.sleep(self.server.latency)
        # Counted until here: once the answer is on its way, its reader may send the next request.
        if self.server.refusals:
            self._refuse(*self.server.refusals.pop(0))
        else:
            self._forward()

    def _refuse(self, status, code):
        body = f'<?xml version="1.0"?>\n<Error><Code>{code}</Code></Error>'.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _forward(self):
        upstream = http.client.HTTPConnection(self.server.target)
        upstream.request("GET", self.path, headers=dict(self.headers))
        answer = upstream.getresponse()
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            self.send_header(name, value)
        self.end_headers()
        while data := answer.read(CHUNK):
            self.wfile.write(data)
            self.server.sent(len(data))
        upstream.close()

    def log_message(self, format, *args):
        pass


@contextmanager
def slow_proxy(target: str, latency: float = 0.0) -> Iterator[SlowProxy]:
    """Run a proxy in front of a server."""
    proxy = SlowProxy(target, latency)
    thread = threading.Thread(target=proxy.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        with suppress(OSError):
            proxy.shutdown()
            proxy.server_close()
        thread.join()
