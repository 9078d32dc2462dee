"""An application's endpoint: real HTTP, answers as it is told to, keeps what it was told."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# What a path answers: a status, or something that writes the answer itself.
Answer = int | Callable[[BaseHTTPRequestHandler], None]


@dataclass(frozen=True, slots=True)
class Got:
    """One POST: when, where, and what."""

    at: float
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        """What a repetition is known by."""
        return self.headers["webhook-id"]

    @property
    def json(self) -> Any:
        """Return the body."""
        return json.loads(self.body)


@dataclass
class Receiver:
    """What the endpoints of this server answer, by path, and what they got."""

    url: str = ""
    answers: dict[str, Answer] = field(default_factory=dict)
    got: list[Got] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def at(self, path: str) -> list[Got]:
        """Return what came to one path, the first first."""
        return [each for each in list(self.got) if each.path == path]

    def wait(self, count: int, path: str | None = None, *, seconds: float = 20) -> list[Got]:
        """Return what came, as soon as it is so many or the time is over."""
        end = time.monotonic() + seconds
        while True:
            found = list(self.got) if path is None else self.at(path)
            if len(found) >= count or time.monotonic() > end:
                return found
            time.sleep(0.02)

    def hang(self, _: BaseHTTPRequestHandler) -> None:
        """Never answer."""
        self.ended.wait(60)

    def slow(self, request: BaseHTTPRequestHandler) -> None:
        """Answer, but not at once."""
        self.ended.wait(0.2)
        request.wfile.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")

    def very_slow(self, request: BaseHTTPRequestHandler) -> None:
        """Answer, but late."""
        self.ended.wait(2.2)
        self.slow(request)

    def trickle(self, request: BaseHTTPRequestHandler) -> None:
        """Answer a letter every now and then."""
        request.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(1000):
            if self.ended.wait(0.2):
                return
            request.wfile.write(b".")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a caller who goes away is what some tests are about."""


@contextmanager
def receiver() -> Iterator[Receiver]:
    """Give a running one."""
    here = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            body = self.rfile.read(length)
            if len(body) < length:
                # Its sender was killed in the middle; no application would take that.
                self.close_connection = True
                return
            headers = {name.lower(): value for name, value in self.headers.items()}
            here.got.append(Got(time.time(), self.path, headers, body))
            answer = here.answers.get(self.path, 200)
            if callable(answer):
                self.close_connection = True
                answer(self)
                return
            self.send_response(answer)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = _Server(("127.0.0.1", 0), Handler)
    here.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield here
    finally:
        here.ended.set()
        server.shutdown()
        thread.join()
        server.server_close()
