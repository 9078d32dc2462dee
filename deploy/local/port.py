"""TCP ports of this machine: find a free one, see whether one is taken, wait until one answers."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Callable

from deploy.local.error import PortInUseError

# From 32768 on Linux hands ports to outgoing connections: a server restarted there may find its own taken.
FIRST, LAST = 20000, 32767
LOOPBACK = "127.0.0.1"


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """True if a server could listen there now; sockets in TIME_WAIT do not count."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind((host, port))
            candidate.listen(1)
        except OSError:
            return False
    return True


def free_port() -> int:
    """A free port below the ephemeral range; drawn at random, so that two callers rarely draw the same."""
    for _ in range(1000):
        port = random.randint(FIRST, LAST)  # noqa: S311 - not a secret
        if is_free(port):
            return port
    raise PortInUseError(f"no free port between {FIRST} and {LAST} on {LOOPBACK}")


def require_free(port: int, host: str = LOOPBACK, *, variable: str = "") -> None:
    """Raises PortInUseError; it names the environment variable that moves us elsewhere, if there is one."""
    if not is_free(port, host):
        advice = f"; set {variable} to another one" if variable else ""
        raise PortInUseError(f"port {port} on {host} is in use{advice}")


def answers(port: int, host: str = LOOPBACK, *, timeout: float = 1.0) -> bool:
    """True if something accepts a connection there."""
    try:
        socket.create_connection((host, port), timeout).close()
    except OSError:
        return False
    return True


def wait_until(condition: Callable[[], bool], *, timeout: float, interval: float = 0.05) -> bool:
    """True as soon as `condition()` holds, False after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(interval)
    return True
