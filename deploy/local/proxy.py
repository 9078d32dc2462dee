"""A TCP proxy whose line can be cut, or swallow what is sent: a network that fails, for tests."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from typing import Self

from deploy.local.port import LOOPBACK, free_port

_RESET = struct.pack("ii", 1, 0)


class Proxy:
    """A line to host:port through this process; `port` is its near end on 127.0.0.1."""

    def __init__(self, port: int, host: str = LOOPBACK) -> None:
        self.port = free_port()
        self._far = (host, port)
        self._flows = threading.Event()
        self._flows.set()
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listener = self._listen()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def cut(self) -> None:
        """Reset what is open and refuse what comes."""
        _shut(self._listener)
        with self._lock:
            torn = list(self._open)
        for end in torn:
            _reset(end)
        self._flows.set()

    def hang(self) -> None:
        """Keep what is open, accept what comes, and forward nothing; what is sent meanwhile arrives after `mend`."""
        self._flows.clear()

    def mend(self) -> None:
        """Make the line good again."""
        if self._listener.fileno() == -1:
            self._listener = self._listen()
        self._flows.set()

    def close(self) -> None:
        """End it for good."""
        self.cut()

    def _listen(self) -> socket.socket:
        listener = socket.create_server((LOOPBACK, self.port), backlog=128)
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return listener

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):  # the listener was closed: cut
            while True:
                near, _ = listener.accept()
                threading.Thread(target=self._connect, args=(near,), daemon=True).start()

    def _connect(self, near: socket.socket) -> None:
        with self._lock:
            self._open.add(near)
        self._flows.wait()
        try:
            far = socket.create_connection(self._far, timeout=5)
        except OSError:
            _reset(near)
            return
        far.settimeout(None)
        with self._lock:
            self._open.add(far)
        back = threading.Thread(target=self._carry, args=(far, near), daemon=True)
        back.start()
        self._carry(near, far)
        back.join()
        with self._lock:
            self._open -= {near, far}
        for end in (near, far):
            end.close()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        """Forward one direction until its end, and tell the other side of it."""
        try:
            target.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while data := source.recv(65_536):
                self._flows.wait()
                target.sendall(data)
            self._flows.wait()
            target.shutdown(socket.SHUT_WR)
        except OSError:
            # Torn, on one side or by us: then both sides are.
            for end in (source, target):
                _reset(end)


def _shut(listener: socket.socket) -> None:
    with contextlib.suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)  # wakes whoever accepts there
    listener.close()


def _reset(end: socket.socket) -> None:
    """Tear a connection down; whoever reads there wakes too."""
    with contextlib.suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        # Reading only: that wakes our reader and says nothing. Writing too would send a polite end before the reset.
        end.shutdown(socket.SHUT_RD)
    end.close()
