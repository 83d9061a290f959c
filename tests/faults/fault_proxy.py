"""A proxy for an S3 server: it injects errors, broken connections and timeouts, and counts them."""

from __future__ import annotations

import http.client
import random
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager

from tests.proxy import Proxy, ProxyHandler, running

SILENT_SECONDS = 12
"""Longer than a reader waits for the next byte."""

REFUSALS = {
    "503 SlowDown": (503, "SlowDown"),
    "500 InternalError": (500, "InternalError"),
    "403 AccessDenied": (403, "AccessDenied"),
}
HALF, RESET, LOST, SILENT = "half a body", "connection reset", "answer lost", "silence"

Chooser = Callable[[str, str], str | None]
"""From method and path to what goes wrong, or None."""


class FaultProxy(Proxy):
    """Passes requests on, but for those that `choose` names a fault for; `faults` counts them."""

    def __init__(self, target: str) -> None:
        super().__init__(target, _Handler)
        self.choose: Chooser = lambda method, path: None
        self.faults: Counter[str] = Counter()
        self.counting = threading.Lock()

    def fault_for(self, method: str, path: str) -> str | None:
        with self.counting:
            fault = self.choose(method, path)
            if fault is not None:
                self.faults[fault] += 1
        return fault


class _Handler(ProxyHandler):
    server: FaultProxy  # pyright: ignore[reportIncompatibleVariableOverride]

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.server.fault_for(self.command, self.path)
        if fault in REFUSALS:
            self.refuse(*REFUSALS[fault])
        elif fault == RESET:
            self._reset()
        elif fault == SILENT:
            time.sleep(SILENT_SECONDS)
            self._reset()
        else:
            self._forward(body, fault)

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = _answer  # noqa: N815  (the library's names)

    def _reset(self) -> None:
        # Closing with this option sends RST instead of the usual end.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def _forward(self, body: bytes, fault: str | None) -> None:
        upstream = http.client.HTTPConnection(self.server.target)
        upstream.request(self.command, self.path, body or None, dict(self.headers))
        answer = upstream.getresponse()
        data = answer.read()
        upstream.close()
        if fault == LOST:
            self._reset()
            return
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() != "transfer-encoding":
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if fault == HALF else data)
        if fault == HALF:
            self.wfile.flush()
            self._reset()


def fault_proxy(target: str) -> AbstractContextManager[FaultProxy]:
    """Run a proxy in front of a server."""
    return running(FaultProxy(target))


def by_chance(share: float, faults: list[str], seed: int) -> Chooser:
    """Disturb a share of all requests."""
    chance = random.Random(seed)
    return lambda method, path: chance.choice(faults) if chance.random() < share else None
