"""What a stranger may send: the real server answers 4xx or closes, stores nothing, and goes on serving the others."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

import pytest
from sqlalchemy import func, select

from deploy.local import port
from deploy.local.postgres import PostgresCluster
from mailer.store import Database
from mailer.store.tables import messages
from tests.conftest import _TEMPLATE
from tests.factories import fields
from tests.integration.nodes import program

KEY = "hostile-key"
HONEST = json.dumps(fields()).encode()
# A bound for "not blocked", not a benchmark.
BLOCKED = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running API and the database behind it."""

    port: int
    database: Database

    def connect(self) -> socket.socket:
        """Return a new connection to it."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)

    def stored(self) -> int:
        """Count the messages in the database."""
        with self.database.engine.connect() as connection:
            return connection.execute(select(func.count()).select_from(messages)).scalar_one()

    def honest(self) -> int:
        """Hand over a message as any application would; return the status."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
            connection.request("POST", "/v1/messages", HONEST, headers)
            return connection.getresponse().status
        finally:
            connection.close()


@pytest.fixture(scope="module")
def server(postgres: PostgresCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Give the API under gunicorn as in production, two processes, on a database of its own."""
    folder = tmp_path_factory.mktemp("hostile")
    for name in ("messages", "control"):
        (folder / name).mkdir()
    postgres.create_database("hostile", template=_TEMPLATE)
    number = port.free_port()
    environment = {
        "CELERY_BROKER_URL": "filesystem://", "MAILER_BROKER_DIR": str(folder), "MAILER_VAR": str(folder),
        "DATABASE_URL": postgres.url("hostile"), "MAILER_API_KEY": KEY, "SENDGRID_API_KEY": "SG.k",
        "PORT": str(number), "MAILER_BIND": "127.0.0.1", "WEB_CONCURRENCY": "2",
    }  # fmt: skip
    command = ["-m", "gunicorn", "-c", "deploy/gunicorn.conf.py", "api:create_app()"]
    process = program("web", command, environment=environment, logs=folder)
    process.start()
    database = Database(postgres.url("hostile"))
    try:
        process.wait_ready(lambda: port.answers(number), timeout=30)
        running = Server(port=number, database=database)
        # The arbiter listens before its workers are there.
        assert [running.honest() for _ in range(4)] == [202] * 4
        yield running
    finally:
        process.stop()
        database.close()
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


def test_two_hundred_slow_clients_do_not_hold_up_honest_ones(server: Server) -> None:
    slow, stop, took = Slow(server.connect), threading.Event(), [0.0]
    with ExitStack() as stack:
        stack.callback(slow.close)
        slow.open(100, b"", b"")
        slow.open(50, _head("POST /v1/messages HTTP/1.1", "Content-Length: 1000") + b"{", b" ")
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


def _head(line: str, *headers: str) -> bytes:
    ours = ("Host: x", f"Authorization: Bearer {KEY}", "Content-Type: application/json")
    return "\r\n".join((line, *ours, *headers, "", "")).encode("latin-1")
