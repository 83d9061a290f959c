"""The common part of servers in front of an S3 server: address, start and end, refusals."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypeVar
from urllib.parse import urlsplit


class Proxy(ThreadingHTTPServer):
    """A server in front of the server at `target`."""

    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, target: str, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.target = urlsplit(target).netloc

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request, client_address):
        """Print nothing: clients may close a connection early."""


class ProxyHandler(BaseHTTPRequestHandler):
    """Answers as S3 does, and logs nothing."""

    protocol_version = "HTTP/1.1"

    def refuse(self, status: int, code: str) -> None:
        body = f'<?xml version="1.0"?>\n<Error><Code>{code}</Code></Error>'.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format, *args):
        pass


AnyServer = TypeVar("AnyServer", bound=ThreadingHTTPServer)


@contextmanager
def running(proxy: AnyServer) -> Iterator[AnyServer]:
    """Run a proxy, or any server, until the end of the block."""
    thread = threading.Thread(target=proxy.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        with suppress(OSError):
            proxy.shutdown()
            proxy.server_close()
        thread.join()
