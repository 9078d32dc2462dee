"""What comes in over HTTP, and the ways of ending it, of which an answer is only one."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP request, read to its end.

    Attributes:
        headers: names in lower case.
        body: empty when `size` is beyond what the server keeps.
        size: bytes of the body on the wire.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    size: int


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers and body; Content-Length is the server's."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Trickle:
    """An answer sent byte by byte, `interval` seconds apart; when released, the rest goes at once."""

    answer: Answer
    interval: float
    released: threading.Event


@dataclass(frozen=True, slots=True)
class Silence:
    """No byte of an answer: wait up to `seconds`, or until released, then close the connection."""

    seconds: float = 0
    released: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True, slots=True)
class Reset:
    """No byte of an answer: the connection is torn down, the caller sees ECONNRESET."""


Response = Answer | Trickle | Silence | Reset


def json_answer(status: int, value: Any, *headers: tuple[str, str]) -> Answer:
    """Return `value` as JSON."""
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return Answer(status, (("Content-Type", "application/json"), *headers), body)


def text_answer(status: int, text: str, *headers: tuple[str, str]) -> Answer:
    """Return `text` as plain text."""
    return Answer(status, (("Content-Type", "text/plain; charset=utf-8"), *headers), text.encode())


def nginx_answer(status: int, *headers: tuple[str, str]) -> Answer:
    """Return the HTML page that nginx, in front of both providers, gives of its own."""
    title = f"{status} {phrase(status)}"
    page = (
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n"
        f"<center><h1>{title}</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    )
    return Answer(status, (("Content-Type", "text/html"), *headers), page.encode())


def phrase(status: int) -> str:
    """Return the reason phrase, `Unknown` for a status nobody registered."""
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return "Request Entity Too Large"  # nginx's words, whatever this Python calls it
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
