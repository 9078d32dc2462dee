"""The listeners: plain threads on sockets, so that a refused, reset or silent connection is a real one.

Not Werkzeug's server: it closes every connection after one answer and waits ten milliseconds before, while a pooled
connection that goes stale is one of the things to be tried out here.
"""

from __future__ import annotations

import io
import socket
import socketserver
import struct
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import cast
from urllib.parse import parse_qsl, unquote, urlsplit

from sandbox.wire import Answer, Request, Reset, Response, Silence, Trickle, phrase, text_answer

App = Callable[[Request], Response]

MAX_KEPT = 64 * 1024 * 1024
"""Bytes of a body that are kept; a longer one is read to its end, so that its sender can read the 413."""

_CHUNK = 1024 * 1024
_RELEASE_CHECK = 1.0
_NO_LINGER = struct.pack("ii", 1, 0)


class Listener:
    """One address and port; may be closed, so that connections are refused, and opened again."""

    def __init__(self, host: str, port: int, app: App) -> None:
        self._address = (host, port)
        self._app = app
        self._server: _Server | None = None
        self._lock = threading.Lock()

    def open(self) -> None:
        """Listen, if it does not yet. Raises OSError when the address is taken."""
        with self._lock:
            if self._server is None:
                server = _Server(self._address, self._app)
                threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
                self._server = server

    def close(self) -> None:
        """Refuse from now on: idle connections are cut, busy ones end with their answer."""
        with self._lock:
            if self._server is not None:
                self._server.shutdown()
                self._server.server_close()
                self._server.cut_idle()
                self._server = None


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    request_queue_size = 1024
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], app: App) -> None:
        self.app = app
        self.closing = False
        self._idle: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(address, _Handler)

    def idle(self, connection: socket.socket) -> None:
        """Note that the connection waits for a request; a closing server ends it."""
        with self._lock:
            self._idle.add(connection)
            if self.closing:
                _cut(connection)

    def busy(self, connection: socket.socket) -> None:
        """Note that a request of the connection is being answered, or that it is gone."""
        with self._lock:
            self._idle.discard(connection)

    def cut_idle(self) -> None:
        """End the connections that wait for a request."""
        with self._lock:
            self.closing = True
            for connection in self._idle:
                _cut(connection)

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002 - its base's signature
        """Say nothing of callers who went away: tests have them by the hundred."""
        if not isinstance(sys.exc_info()[1], OSError):
            traceback.print_exc()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self._server = cast(_Server, self.server)
        self._server.idle(self.connection)

    def finish(self) -> None:
        self._server.busy(self.connection)
        super().finish()

    def _serve(self) -> None:
        self._server.busy(self.connection)
        request = self._request()
        try:
            response = self._server.app(request)
        except Exception:  # noqa: BLE001 - whatever it is, the caller gets an answer and the developer the trace
            traceback.print_exc()
            response = text_answer(500, "The sandbox itself failed; its log says why.")
        self._respond(response)
        if not self.close_connection:
            self._server.idle(self.connection)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _serve  # noqa: N815 - the base's names

    def _request(self) -> Request:
        url = urlsplit(self.path)
        body, size = self._body()
        return Request(
            method=self.command,
            path=unquote(url.path),
            query=dict(parse_qsl(url.query, keep_blank_values=True)),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=body,
            size=size,
        )

    def _body(self) -> tuple[bytes, int]:
        """Return the body and its length; of too long a one the length only."""
        kept, size = io.BytesIO(), 0
        for piece in self._pieces():
            size += len(piece)
            if size <= MAX_KEPT:
                kept.write(piece)
        return (kept.getvalue() if size <= MAX_KEPT else b""), size

    def _pieces(self) -> Iterator[bytes]:
        chunked = "chunked" in self.headers.get("Transfer-Encoding", "").lower()
        length = self._chunk_length() if chunked else int(self.headers.get("Content-Length") or 0)
        while length:
            left = length
            while left:
                piece = self.rfile.read(min(left, _CHUNK))
                if not piece:
                    raise ConnectionResetError("the caller left in the middle of its request")
                left -= len(piece)
                yield piece
            length = self._next_chunk() if chunked else 0
        if chunked:
            while self.rfile.readline(_CHUNK).strip():
                continue  # trailers

    def _chunk_length(self) -> int:
        return int(self.rfile.readline(_CHUNK).split(b";")[0], 16)

    def _next_chunk(self) -> int:
        self.rfile.readline(_CHUNK)  # the line break that ends a chunk
        return self._chunk_length()

    def _respond(self, response: Response) -> None:
        match response:
            case Answer():
                self.wfile.write(self._bytes(response))
            case Trickle():
                self._trickle(response)
            case Silence():
                self._wait(response)
                self.close_connection = True
            case Reset():
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
                self.rfile.close()  # holds the socket open otherwise
                self.connection.close()
                self.close_connection = True

    def _bytes(self, answer: Answer) -> bytes:
        self.close_connection = self.close_connection or self._server.closing
        lines = [f"HTTP/1.1 {answer.status} {phrase(answer.status)}", f"Date: {self.date_time_string()}"]
        lines += [f"{name}: {value}" for name, value in answer.headers]
        if answer.status != 204:
            lines.append(f"Content-Length: {len(answer.body)}")
        lines.append(f"Connection: {'close' if self.close_connection else 'keep-alive'}")
        head = "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n"
        return head if self.command == "HEAD" else head + answer.body

    def _trickle(self, trickle: Trickle) -> None:
        data = self._bytes(trickle.answer)
        for position in range(len(data)):
            if trickle.released.wait(trickle.interval):
                self.wfile.write(data[position:])
                return
            self.wfile.write(data[position : position + 1])

    def _wait(self, silence: Silence) -> None:
        """Say nothing until the time is over, the fault is switched off, or the caller has given up."""
        left = silence.seconds
        while left > 0 and not silence.released.wait(min(left, _RELEASE_CHECK)) and not self._caller_left():
            left -= _RELEASE_CHECK

    def _caller_left(self) -> bool:
        try:
            return not self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def log_message(self, format: str, *args: object) -> None:
        """Keep no access log: the inbox is the log."""


def _cut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # already gone
