"""The API's processes: how they start, are replaced and end, and what they keep from whom."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest

from deploy.local import port
from deploy.local.port import wait_until
from tests.integration.hostile import head
from tests.integration.web import HONEST, Web, lives, send, serve

HALF = len(HONEST) // 2


@pytest.fixture
def start(sqlite_url: str, tmp_path: Path) -> Iterator[Callable[..., Web]]:
    """Give a way to start the API with options of gunicorn's."""
    with ExitStack() as stack:

        def started(*options: str, **more: object) -> Web:
            folder = tmp_path / "web"
            folder.mkdir()
            running: AbstractContextManager[Web] = serve(folder, sqlite_url, *options, **more)  # type: ignore[arg-type]
            return stack.enter_context(running)

        yield started


def begun(web: Web) -> socket.socket:
    """Return a connection on which half of an honest request has been sent."""
    connection = web.connect()
    connection.sendall(head(f"Content-Length: {len(HONEST)}") + HONEST[:HALF])
    time.sleep(0.3)
    return connection


def answer(connection: socket.socket) -> http.client.HTTPResponse:
    response = http.client.HTTPResponse(connection)
    response.begin()
    response.read()
    return response


def closed(connection: socket.socket, *, since: float) -> float:
    """Return how many seconds after `since` the server closes this."""
    assert connection.recv(1) == b""
    return time.monotonic() - since


def test_what_is_under_way_ends_when_the_process_is_asked_to_end(start: Callable[..., Web]) -> None:
    web = start()
    before = web.stored()
    with web.client() as idle, begun(web) as connection, web.connect():  # the third one says nothing
        assert send(idle).getheader("Connection") is None
        os.kill(web.process.pid, signal.SIGTERM)
        assert wait_until(lambda: not port.answers(web.port), timeout=5), "it still takes new connections"
        late = send(idle)
        assert (late.status, late.getheader("Connection")) == (202, "close")
        time.sleep(2.5)
        connection.sendall(HONEST[HALF:])
        response = answer(connection)
    assert (response.status, response.headers["Connection"]) == (202, "close")
    assert wait_until(lambda: not web.process.running, timeout=10)
    assert (web.process.status, web.stored()) == (0, before + 3)


def test_a_body_that_never_ends_does_not_hold_a_process_that_is_asked_to_end(start: Callable[..., Web]) -> None:
    web = start("--graceful-timeout", "3")
    since = time.monotonic()
    with begun(web):
        os.kill(web.process.pid, signal.SIGTERM)
        assert wait_until(lambda: not web.process.running, timeout=13)
    assert time.monotonic() - since > 2.5


def test_a_process_without_work_does_not_wait_for_any(start: Callable[..., Web]) -> None:
    web = start("--graceful-timeout", "60")
    os.kill(web.process.pid, signal.SIGTERM)
    assert wait_until(lambda: not web.process.running, timeout=30)


def test_new_processes_take_over_and_nobody_notices(start: Callable[..., Web]) -> None:
    web = start()
    old, before = web.workers(), web.stored()
    statuses: list[int] = []
    stop = threading.Event()

    def load() -> None:
        with web.client() as client:
            while not stop.is_set():
                statuses.append(send(client).status)

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(2):
        time.sleep(1)
        os.kill(web.process.pid, signal.SIGHUP)
    assert wait_until(lambda: len(web.workers()) == 2 and not web.workers() & old, timeout=15)
    time.sleep(1)
    stop.set()
    for thread in threads:
        thread.join()
    assert len(statuses) > 50
    assert set(statuses) == {202}
    assert web.stored() == before + len(statuses)


def test_a_process_is_replaced_after_so_many_requests(start: Callable[..., Web]) -> None:
    web = start("--max-requests", "20", workers=1)
    before = web.stored()
    with web.client() as client:
        assert [send(client).status for _ in range(70)] == [202] * 70
    assert web.stored() == before + 70
    again = [line for line in web.lines() if line["message"] == "Autorestarting worker after current request."]
    assert len(again) == 3


def test_processes_whose_arbiter_was_killed_end_themselves(start: Callable[..., Web]) -> None:
    web = start()
    workers = web.workers()
    assert len(workers) == 2
    os.kill(web.process.pid, signal.SIGKILL)
    assert wait_until(lambda: not any(lives(pid) for pid in workers), timeout=15)


def test_connections_have_deadlines(start: Callable[..., Web]) -> None:
    """Drips count as a sign of life for a connection; for a request they do not."""
    web = start("-k", "tests.integration.quick.QuickWorker")
    with web.connect() as silent, web.connect() as headers, web.connect() as body:
        headers.sendall(b"POST /v1/messages HTTP/1.1\r\nX-Slow: ")
        body.sendall(head("Content-Length: 1000"))
        since = time.monotonic()
        assert 0.9 < closed(headers, since=since) < 4.5
        body.sendall(b" ")
        assert 4.9 < closed(body, since=since) < 8.5
        assert 8.9 < closed(silent, since=since) < 13
    assert web.honest() == 202


@pytest.mark.parametrize(("proxies", "ip"), [("0", "127.0.0.1"), ("1", "3.3.3.3"), ("2", "2.2.2.2")])
def test_the_callers_address_is_believed_from_as_many_proxies_as_configured(
    start: Callable[..., Web], proxies: str, ip: str
) -> None:
    web = start(environment={"MAILER_TRUSTED_PROXIES": proxies})
    forwarded = {"X-Forwarded-For": "1.1.1.1, 2.2.2.2, 3.3.3.3", "X-Request-ID": "forwarded"}
    assert web.honest(**forwarded) == 202
    [line] = [line for line in web.lines() if line.get("request_id") == "forwarded" and line["message"] == "request"]
    assert line["ip"] == ip


def test_the_server_says_neither_what_it_is_made_of_nor_which_version(start: Callable[..., Web]) -> None:
    web = start()
    with web.connect() as connection:
        connection.sendall(b"nonsense\r\n\r\n")
        refused = answer(connection)
    with web.client() as client:
        taken = send(client)
    for response in (refused, taken):
        assert response.headers["Server"] == "mailer"
        assert "Via" not in response.headers
    assert {line["process"] for line in web.lines()} == {"web"}
    assert [line["status"] for line in web.lines() if line["message"] == "request.refused"] == [400]
