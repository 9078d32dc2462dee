"""The proxy: a line that can be cut and hung, and works otherwise."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator

import pytest

from deploy.local.port import wait_until
from deploy.local.proxy import Proxy


class Echo(socketserver.BaseRequestHandler):
    """Sends back what it gets."""

    def handle(self) -> None:
        """Serve one connection."""
        while data := self.request.recv(65_536):
            self.request.sendall(data)


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    """Give a proxy before an echo server."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with Proxy(server.server_address[1]) as proxy:
            yield proxy
        server.shutdown()


def connect(proxy: Proxy) -> socket.socket:
    """Return a connection through it."""
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=3)


def echo(connection: socket.socket, data: bytes) -> bytes:
    """Return what comes back."""
    connection.sendall(data)
    found = b""
    while len(found) < len(data):
        piece = connection.recv(len(data))
        assert piece, f"the connection ended after {len(found)} bytes"
        found += piece
    return found


def test_it_carries_both_ways_and_ends_as_its_ends_do(proxy: Proxy) -> None:
    with connect(proxy) as connection:
        assert echo(connection, b"x" * 1_000_000) == b"x" * 1_000_000
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""


def test_cut_resets_what_is_open_and_refuses_what_comes(proxy: Proxy) -> None:
    with connect(proxy) as connection:
        echo(connection, b"hello")
        proxy.cut()
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
        with pytest.raises(ConnectionRefusedError):
            connect(proxy)
    proxy.mend()
    with connect(proxy) as connection:
        assert echo(connection, b"again") == b"again"


def test_hang_swallows_nothing_but_time(proxy: Proxy) -> None:
    with connect(proxy) as old:
        echo(old, b"hello")
        proxy.hang()
        with connect(proxy) as new:
            for connection in (old, new):
                connection.sendall(b"late")
                connection.settimeout(0.3)
                with pytest.raises(TimeoutError):
                    connection.recv(4)
            proxy.mend()
            for connection in (old, new):
                connection.settimeout(3)
                assert connection.recv(4) == b"late"


def test_it_leaves_no_thread_behind(proxy: Proxy) -> None:
    before = threading.active_count()
    for _ in range(20):
        with connect(proxy) as connection:
            echo(connection, b"hello")
    proxy.close()
    assert wait_until(lambda: threading.active_count() <= before, timeout=5)
