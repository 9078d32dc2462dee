"""What a stranger may send: the real server answers 4xx or closes, stores nothing, and goes on serving the others."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

import pytest

from deploy.local.postgres import PostgresCluster
from tests.conftest import TEMPLATE
from tests.integration.hostile import CASES, CLOSED, Case, head
from tests.integration.web import Web, serve

# A bound for "not blocked", not a benchmark.
BLOCKED = 2.0


@pytest.fixture(scope="module")
def server(postgres: PostgresCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """Give one API for all, two processes, on a database of its own."""
    postgres.create_database("hostile", template=TEMPLATE)
    with serve(tmp_path_factory.mktemp("hostile"), postgres.url("hostile")) as web:
        yield web
    postgres.drop_database("hostile")


@dataclass(slots=True)
class Slow:
    """Clients that hold connections and send next to nothing; one that is thrown out comes back."""

    connect: Callable[[], socket.socket]
    held: list[tuple[socket.socket, bytes]] = field(default_factory=list)

    def open(self, count: int, begin: bytes, drip: bytes) -> None:
        """Open connections that begin like this and add a drip each second."""
        for _ in range(count):
            self.held.append((self._begun(begin), drip))

    def drip(self, stop: threading.Event) -> None:
        """Let every connection send its drip, until told to stop."""
        while not stop.wait(1):
            for connection, drip in self.held:
                connection.send(drip)

    def alive(self) -> int:
        """Count those that the server still holds."""
        return sum(_open(connection) for connection, _ in self.held)

    def close(self) -> None:
        """Let go of all."""
        for connection, _ in self.held:
            connection.close()

    def _begun(self, begin: bytes) -> socket.socket:
        connection = self.connect()
        connection.sendall(begin)
        return connection


def _open(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(1) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_hostile_request_is_refused_and_nothing_is_stored(server: Web, case: Case) -> None:
    before = server.stored()
    status, kind = answer(server, case.data())
    print(f"answer: {case.id} {status or 'closed'}")
    assert status in case.answers
    assert status is CLOSED or (400 <= status < 500 and kind == "application/problem+json")
    assert server.stored() == before
    assert (server.honest(), server.stored()) == (202, before + 1)


def answer(server: Web, data: bytes) -> tuple[int | None, str | None]:
    """Send this and nothing more; return the answer's status and type, or CLOSED, once the connection is closed."""
    with server.connect() as connection:
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # closed while we were sending; an answer may be there all the same
        response = http.client.HTTPResponse(connection)
        try:
            response.begin()
            body = response.read()
            # Whatever was hidden behind the request has had its chance when the connection ends.
            while connection.recv(65_536):
                pass
        except (http.client.RemoteDisconnected, ConnectionError):
            return CLOSED, None
        assert str(response.status).encode() in body
        return response.status, response.headers["Content-Type"]


def test_two_hundred_slow_clients_do_not_hold_up_honest_ones(server: Web) -> None:
    slow, stop, took = Slow(server.connect), threading.Event(), [0.0]
    with ExitStack() as stack:
        stack.callback(slow.close)
        slow.open(100, b"", b"")
        slow.open(50, head("Content-Length: 1000") + b"{", b" ")
        slow.open(50, b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nX-Slow: ", b"y")
        dripping = threading.Thread(target=slow.drip, args=(stop,))
        dripping.start()
        stack.callback(dripping.join)
        stack.callback(stop.set)
        for _ in range(200):
            begun = time.monotonic()
            status = server.honest()
            took.append(time.monotonic() - begun)
            assert (status, took[-1] < BLOCKED) == (202, True), f"{status} after {took[-1]:.2f} s"
        assert slow.alive() == 200
    print(f"slowest of 200 honest requests: {max(took):.3f} s")


def test_none_of_it_was_a_fault_of_ours(server: Web) -> None:
    """The last one: a connection that is closed because we stumbled would count as refused above."""
    assert [line for line in server.lines() if line["level"] in ("error", "critical")] == []
