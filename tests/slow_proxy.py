"""A server in front of another one: slow, and at times refusing. It counts what passes."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from tests.proxy import Proxy, ProxyHandler, running

CHUNK = 65_536


class SlowProxy(Proxy):
    """Answers every request `latency` seconds late.

    `requests`, `most_in_flight` and `bytes_sent` are counts so far. The next requests are answered with
    `refusals`, pairs of a status and an S3 error code, until those are used up.
    """

    def __init__(self, target: str, latency: float = 0.0) -> None:
        super().__init__(target, _Handler)
        self.latency = latency
        self.refusals: list[tuple[int, str]] = []
        self.requests = self.most_in_flight = self.bytes_sent = self._in_flight = 0
        self._counting = threading.Lock()

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


class _Handler(ProxyHandler):
    server: SlowProxy  # pyright: ignore[reportIncompatibleVariableOverride]

    def _answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.server.counted():
            time.sleep(self.server.latency)
        # A request is in flight until here: after the answer, its client may send the next one.
        if self.server.refusals:
            self.refuse(*self.server.refusals.pop(0))
        else:
            self._forward(body)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _answer  # noqa: N815  (the library's names)

    def _forward(self, body: bytes):
        upstream = http.client.HTTPConnection(self.server.target)
        upstream.request(self.command, self.path, body or None, dict(self.headers))
        answer = upstream.getresponse()
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            self.send_header(name, value)
        self.end_headers()
        while data := answer.read(CHUNK):
            # Counted first: the client may go on as soon as the bytes are on their way.
            self.server.sent(len(data))
            self.wfile.write(data)
        upstream.close()


def slow_proxy(target: str, latency: float = 0.0) -> AbstractContextManager[SlowProxy]:
    """Run a proxy in front of a server."""
    return running(SlowProxy(target, latency))
