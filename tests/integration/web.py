"""The API as in production: gunicorn with its configuration file, on a database of the test's own."""

from __future__ import annotations

import http.client
import json
import os
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from deploy.local import port
from deploy.local.process import Process
from mailer.store import Database
from mailer.store.tables import messages
from tests.factories import fields
from tests.integration.nodes import program

KEY = "hostile-key"
HONEST = json.dumps(fields()).encode()
HEADERS = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Web:
    """A running API and the database behind it."""

    process: Process
    port: int
    database: Database

    def connect(self) -> socket.socket:
        """Return a new connection to it."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def client(self) -> closing[http.client.HTTPConnection]:
        """Give an HTTP client of it, which keeps its connection until the end of the block."""
        return closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=20))

    def honest(self, **headers: str) -> int:
        """Hand over a message as any application would, on a connection of its own; return the status."""
        with self.client() as client:
            return send(client, **headers).status

    def stored(self) -> int:
        """Count the messages in the database."""
        with self.database.engine.connect() as connection:
            return connection.execute(select(func.count()).select_from(messages)).scalar_one()

    def lines(self) -> list[dict[str, Any]]:
        """Return what it has logged; every line is JSON."""
        return [json.loads(line) for line in self.process.log.read_text().splitlines()]

    def workers(self) -> set[int]:
        """Return the process ids of the workers that live."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return {int(pid) for pid in children.split()}


def send(client: http.client.HTTPConnection, **headers: str) -> http.client.HTTPResponse:
    """Hand over a message; return the answer, read to its end."""
    client.request("POST", "/v1/messages", HONEST, HEADERS | headers)
    response = client.getresponse()
    response.read()
    return response


@contextmanager
def serve(
    folder: Path, database_url: str, *options: str, workers: int = 2, environment: dict[str, str] | None = None
) -> Iterator[Web]:
    """Give a running API with these options of gunicorn's; its broker is a folder."""
    for name in ("messages", "control"):
        (folder / name).mkdir()
    number = port.free_port()
    settings = {
        "CELERY_BROKER_URL": "filesystem://", "MAILER_BROKER_DIR": str(folder), "MAILER_VAR": str(folder),
        "DATABASE_URL": database_url, "MAILER_API_KEY": KEY, "SENDGRID_API_KEY": "SG.k",
        "PORT": str(number), "MAILER_BIND": "127.0.0.1", "WEB_CONCURRENCY": str(workers),
    }  # fmt: skip
    command = ["-m", "gunicorn", "-c", "deploy/gunicorn.conf.py", *options, "api:create_app()"]
    process = program("web", command, environment=settings | (environment or {}), logs=folder)
    process.start()
    database = Database(database_url)
    try:
        process.wait_ready(lambda: port.answers(number), timeout=30)
        web = Web(process=process, port=number, database=database)
        # The arbiter listens before its workers are there.
        assert [web.honest() for _ in range(4)] == [202] * 4
        yield web
    finally:
        process.stop()
        database.close()


def lives(pid: int) -> bool:
    """Tell whether there is a process with this id."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
