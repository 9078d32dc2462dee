"""A connection of waitress's, only stricter: deadlines, and no request that two readers could read differently.

A proxy in front of us reads a request too. Where it could find another end of the request than we do, somebody else's
next request would be ours to misread (request smuggling); so what RFC 9112 leaves to choice is refused here.
"""

from __future__ import annotations

import json
import re
import time
from typing import Any

from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.task import ErrorTask, WSGITask
from waitress.utilities import BadRequest, RequestEntityTooLarge

from mailer import log

_log = log.get("api.access")

# Seconds from the first byte of a request: to the end of its headers, and to the end of its body. 36 MB in the latter
# is 2.4 Mbit/s.
HEADERS, BODY = 20, 120

# A body that is too large is read away up to here, so that its sender gets to see the answer.
DRAIN = 100_000_000
# The line before a chunk, and what follows the last one.
CHUNK_LINE = 1024

_HOST = re.compile(r"([A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{0,5})?")
_FOLDED = re.compile(rb"\r\n[ \t]")
_CODING = re.compile(rb"(?i)\r\ntransfer-encoding:[ \t]*([^\r]*?)[ \t]*(?=\r\n)")


class Drain:
    """Reads a body of known length and keeps nothing of it."""

    completed = False
    error = None

    def __init__(self, length: int, buffer: Any) -> None:
        self._left, self._buffer = length, buffer

    def received(self, data: bytes) -> int:
        """Return how much of `data` belongs to the body."""
        taken = min(len(data), self._left)
        self._left -= taken
        self.completed = not self._left
        return taken

    def getfile(self) -> Any:
        """Return the body: nothing."""
        return self._buffer.getfile()

    def getbuf(self) -> Any:
        """Return the body's buffer, which is empty."""
        return self._buffer


class Parser(HTTPRequestParser):  # type: ignore[misc] # waitress ships no types
    """waitress's parser, for whom less is valid."""

    completed: bool
    body_rcv: Any
    error: Any

    def __init__(self, adj: Any) -> None:
        super().__init__(adj)
        self.begun = time.time()

    def received(self, data: bytes) -> int:
        """Take in what came, and return how much of it belongs to this request."""
        consumed: int = super().received(data)
        if not self.completed and self.chunked:
            self.error = self._wrong_chunks()
            self.completed = self.error is not None
        if self.completed:
            # waitress would wait for a body that does not come, or that nobody wants.
            self.expect_continue = False
        return consumed

    def parse_header(self, header_plus: bytes) -> None:
        """Raise ParsingError where there is any doubt."""
        if _FOLDED.search(header_plus):
            raise ParsingError("A header may not be folded")
        codings = _CODING.findall(header_plus)
        try:
            super().parse_header(header_plus)
        except ValueError:
            raise ParsingError("The URI or the Content-Length is invalid") from None
        if self.version not in ("1.0", "1.1"):
            raise ParsingError("Only HTTP/1.0 and HTTP/1.1 are spoken here")
        if codings and (self.version, [coding.lower() for coding in codings]) != ("1.1", [b"chunked"]):
            raise ParsingError("Transfer-Encoding is invalid")
        if self.chunked and "CONTENT_LENGTH" in self.headers:
            raise ParsingError("Content-Length and Transfer-Encoding exclude each other")
        # HTTP/1.0 knows no Host.
        if not _HOST.fullmatch(self.headers.get("HOST", "" if self.version == "1.1" else "none")):
            raise ParsingError("Host is missing or invalid")
        if self.adj.max_body < self.content_length < DRAIN:
            self.body_rcv = Drain(self.content_length, self.body_rcv.getbuf())

    def _wrong_chunks(self) -> Any:
        body = self.body_rcv
        if len(body) > self.adj.max_body:
            return RequestEntityTooLarge(f"at most {self.adj.max_body} bytes are taken")
        # waitress copies them with each piece that comes, which would keep its loop busy.
        if max(len(body.control_line), len(body.trailer)) > CHUNK_LINE:
            return BadRequest("Chunk line or trailer is too long")
        return None


class Answer(WSGITask):  # type: ignore[misc] # waitress ships no types
    """An answer of the application."""

    def build_response_header(self) -> bytes:
        """Return the headers; a process that stops asks to be left."""
        if self.channel.adj.stopping():
            self.request.headers["CONNECTION"] = "close"
        header: bytes = super().build_response_header()
        return header


class Refusal(ErrorTask):  # type: ignore[misc] # waitress ships no types
    """The answer to what is no request."""

    def execute(self) -> None:
        """Answer as the API does (RFC 9457)."""
        error = self.request.error
        # A coding that we do not know is 501 in RFC 9112, but no fault of ours that somebody should be woken for.
        status, reason = (400, "Bad Request") if error.code == 501 else (error.code, error.reason)
        problem = {"type": "about:blank", "title": reason, "status": status, "detail": error.body}
        body = json.dumps(problem).encode()
        # Not the detail: it may show a header, and the header may hold a key.
        _log.info("request.refused", status=status, ip=self.channel.addr[0])
        self.status = f"{status} {reason}"
        self.response_headers += [("Content-Type", "application/problem+json"), ("X-Content-Type-Options", "nosniff")]
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class Channel(HTTPChannel):  # type: ignore[misc] # waitress ships no types
    """One connection."""

    parser_class, task_class, error_task_class = Parser, Answer, Refusal

    @property
    def busy(self) -> bool:
        """True while a request is being served, or while its body comes in."""
        return bool(self.requests or self.total_outbufs_len or (self.request and self.request.headers_finished))

    def overdue(self, now: float) -> bool:
        """True if the request that is coming in takes too long about it, or nobody reads the answer."""
        if self.requests:
            # Whoever does not read a large answer holds the thread that writes it.
            return bool(self.total_outbufs_len and now - self.last_activity > BODY)
        if self.request is None:
            return False
        return bool(now - self.request.begun > (BODY if self.request.headers_finished else HEADERS))
