"""The transport of asyncio, over real sockets that misbehave: as its sister, but more careful about what left."""

from __future__ import annotations

import asyncio
import time

import pytest

from deploy.local import port
from mailer.async_http import AsyncHttpTransport
from mailer.errors import ProviderError, TemporarilyRefused, Unanswered
from mailer.ports import HttpRequest, HttpResponse
from tests.unit.test_http import Behaviour, answers, hang, read_then_close, read_then_reset, server

OK = b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\nX-One: 1\r\n\r\n{}"


def send(url: str, *, times: int = 1, deadline: float | None = None, max_answer: int = 1000) -> HttpResponse:
    async def use() -> HttpResponse:
        transport = AsyncHttpTransport(connect_timeout=1, read_timeout=0.3, max_answer=max_answer)
        try:
            for _ in range(times):
                answer = await transport.send(HttpRequest("POST", url, {"X-A": "b"}, b"{}", deadline=deadline))
        finally:
            await transport.close()
        return answer

    return asyncio.run(use())


def test_an_answer_comes_back_whatever_its_status() -> None:
    with server(answers(OK)) as url:
        found = send(url)
    assert (found.status, found.headers["x-one"], found.body) == (202, "1", b"{}")
    with server(answers(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")) as url:
        assert send(url).status == 302


def test_a_connection_is_kept() -> None:
    def two(connection: object) -> None:
        for _ in range(2):
            answers(OK)(connection)  # type: ignore[arg-type]

    with server(two) as url:
        assert send(url, times=2).status == 202


def test_no_connection_means_that_nothing_left() -> None:
    with pytest.raises(TemporarilyRefused) as caught:
        send(f"http://127.0.0.1:{port.free_port()}/")
    assert caught.value.code == "no_connection"


@pytest.mark.parametrize(
    ("behaviour", "code"), [(hang, "read_timeout"), (read_then_close, "no_answer"), (read_then_reset, "no_answer")]
)
def test_no_answer_means_that_nobody_knows(behaviour: Behaviour, code: str) -> None:
    with server(behaviour) as url, pytest.raises(Unanswered) as caught:
        send(url)
    assert caught.value.code == code


def test_an_answer_that_trickles_has_an_end() -> None:
    def trickle(connection: object) -> None:
        for _ in range(20):
            time.sleep(0.1)
            try:
                connection.send(b"H")  # type: ignore[attr-defined]
            except OSError:
                return

    begun = time.monotonic()
    with server(trickle) as url:
        with pytest.raises(ProviderError) as caught:
            send(url, deadline=0.4)
        assert time.monotonic() - begun < 1
    assert (type(caught.value), caught.value.code) == (Unanswered, "deadline")


def test_only_the_beginning_of_a_long_answer_is_read() -> None:
    with server(answers(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000)) as url:
        assert len(send(url, max_answer=100).body) == 100
