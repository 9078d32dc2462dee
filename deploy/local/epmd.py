"""Erlang's port mapper, by which the nodes of one machine find each other: a private one, in the foreground.

Erlang would start a daemon of its own that nobody stops; with `-start_epmd false` it uses this one.
"""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

from deploy.local.error import NotInstalledError
from deploy.local.port import LOOPBACK
from deploy.local.process import Process


def program() -> str:
    """Path of epmd. Raises NotInstalledError."""
    found = shutil.which("epmd")
    places = [Path(found)] if found else sorted(Path("/usr/lib/erlang").glob("erts-*/bin/epmd"))
    if not places:
        raise NotInstalledError("epmd (Erlang) is not installed")
    return str(places[-1])


def command(port: int) -> list[str]:
    """epmd in the foreground, on 127.0.0.1 only. Relaxed: it may be ended while nodes are registered."""
    return [program(), "-address", LOOPBACK, "-port", str(port), "-relaxed_command_check"]


def answers(port: int) -> bool:
    """True if a port mapper there answers NAMES_REQ, by its own port to begin with."""
    try:
        with socket.create_connection((LOOPBACK, port), 1) as connection:
            connection.sendall(b"\x00\x01n")
            return connection.recv(4) == port.to_bytes(4)
    except OSError:
        return False


class Epmd:
    """A private port mapper; the nodes of a cluster share one."""

    def __init__(self, *, port: int, log: Path) -> None:
        self.port = port
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8"}
        self._process = Process(name="epmd", command=command(port), log=log, environment=environment)

    @property
    def process(self) -> Process:
        """The program behind it."""
        return self._process

    def start(self) -> None:
        """Returns when it answers."""
        self._process.start()
        self._process.wait_ready(lambda: answers(self.port), timeout=10)

    def stop(self) -> None:
        """Ends it; the nodes it knew go on and find the next one on the same port."""
        self._process.stop(timeout=5)
