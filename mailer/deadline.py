"""The end of a call: when its time is over, its socket is shut down, and whoever waits there wakes with an error.

The timeouts of sockets are for each single read; an answer that trickles would outlive any lease.
"""

from __future__ import annotations

import socket
import threading
import time

# Those of all threads.
_running: set[Deadline] = set()


class Deadline:
    """The time that one call has; a context manager around it.

    Attributes:
        over: whether the call was cut. What it got by then may look whole: headers that were cut look like headers
            that ended.
    """

    def __init__(self, seconds: float) -> None:
        self.over = False
        self._until = time.monotonic() + seconds
        self._timer = threading.Timer(seconds, self.cut)
        self._timer.daemon = True
        self._socket: socket.socket | None = None

    def __enter__(self) -> Deadline:
        _running.add(self)
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        _running.discard(self)
        self._socket = None

    def left(self) -> float:
        """Return the seconds that are left, as a socket's timeout: never 0, which would mean not to wait at all."""
        return max(self._until - time.monotonic(), 0.001)

    def watch(self, found: socket.socket | None) -> None:
        """Say which socket the call uses, None: not connected yet; raise if its time was over before anything was sent.

        The socket and not the connection: an answer that ends with its connection takes the socket along.

        Raises:
            TimeoutError: the time is over.
        """
        # In this order, and in the other one in `cut`: whichever comes second sees what the first has done.
        self._socket = found
        if self.over:
            raise TimeoutError("the call's deadline passed while connecting")

    def cut(self) -> None:
        """End the call now."""
        self.over = True
        found = self._socket
        if found is not None:
            try:
                # The plain socket's method: the TLS one would also take its state from under the waiting thread.
                socket.socket.shutdown(found, socket.SHUT_RDWR)
            except OSError:
                return  # it has just ended by itself


def cut_running() -> int:
    """End every call of this process that is under way, as its own deadline would; return how many.

    For a process that is about to be killed: a call that ends as *unknown* now is written down, one that is killed is
    found out when its lease is over.
    """
    running = list(_running)
    for deadline in running:
        deadline.cut()
    return len(running)
