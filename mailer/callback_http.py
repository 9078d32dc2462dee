"""The transport of callbacks: POSTs to URLs that strangers chose, over connections that lead where they may.

On http.client and not on requests: it opens no connection by itself, so the socket is ours, and there are no proxies,
redirects, cookies or .netrc to be switched off.
"""

from __future__ import annotations

import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.client import HTTPConnection, HTTPException, HTTPResponse, IncompleteRead

import certifi
from urllib3.util.wait import wait_for_read

from mailer import clock, masking
from mailer.callback import Fault, Told
from mailer.deadline import Deadline
from mailer.destination import PORTS, Destination, destination, may_connect
from mailer.errors import ForbiddenDestination
from mailer.retry import retry_after

TIMEOUT = 15.0
MAX_ANSWER = 64 * 1024
EXCERPT = 500
# Seconds: an endpoint may ask for a day of peace, not for a year.
LONGEST_WAIT = 86_400.0

# Of a name with more addresses only so many are tried.
_MOST_ADDRESSES = 4
_HERE = ("127.0.0.1", "::1")

# Returns the addresses of a name; raises OSError if it has none.
Resolve = Callable[[str], Sequence[str]]


def resolve(name: str) -> list[str]:
    """Return the addresses that this machine's resolver knows for a name, in the order to try them.

    Raises:
        OSError: it knows none, or does not answer.
    """
    # The dot: this name and no other. Search domains would try hooks.example.com.our.internal first.
    found = socket.getaddrinfo(f"{name}.", None, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    return [str(address[0]) for *_, address in found]


class CallbackTransport:
    """Sends callbacks. Safe for many threads; a Line belongs to one.

    Args:
        ports: that a URL may name.
        localhost: the development switch of mailer/destination.py.
        timeout: seconds for a whole call: name, connection, TLS, answer.
        tls: whom to trust; None: the certificate authorities that requests trusts.
        resolve: asks for a name's addresses.
        now: the time, for a Retry-After that is a date.
    """

    def __init__(
        self,
        *,
        ports: frozenset[int] = PORTS,
        localhost: bool = False,
        timeout: float = TIMEOUT,
        tls: ssl.SSLContext | None = None,
        resolve: Resolve = resolve,
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        self._ports, self._localhost, self._timeout = ports, localhost, timeout
        self._tls = tls or ssl.create_default_context(cafile=certifi.where())
        self._resolve, self._now = resolve, now

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Told:
        """POST once over a connection of its own; whatever the endpoint does wrong is in what is returned."""
        with self.line(url) as line:
            return line.post(headers, body)

    @contextmanager
    def line(self, url: str) -> Iterator[Line]:
        """Give a line for several POSTs to one URL; its connection is closed at the end."""
        try:
            where = destination(url, ports=self._ports, localhost=self._localhost)
        except ForbiddenDestination:
            # It was allowed when it was registered; the rules have changed.
            where = None
        line = Line(where, self._addresses, tls=self._tls, timeout=self._timeout, now=self._now)
        try:
            yield line
        finally:
            line.close()

    def _addresses(self, where: Destination, deadline: Deadline) -> list[str]:
        """Return the addresses that may be connected to: all that the host has, or none."""
        if where.is_address:
            found: Sequence[str] = (where.host,)
        elif where.host == "localhost":
            found = _HERE
        else:
            found = _resolved(self._resolve, where.host, deadline.left())
        if not all(may_connect(address, localhost=self._localhost) for address in found):
            raise _Failed(Fault.FORBIDDEN_ADDRESS)
        return list(dict.fromkeys(found))[:_MOST_ADDRESSES]


class Line:
    """A connection to one destination, opened when it is needed, kept for the next POST while both sides like it.

    The name is resolved at the first POST and never again: a connection that is opened anew goes to the same addresses.
    """

    def __init__(
        self,
        where: Destination | None,
        addresses: Callable[[Destination, Deadline], list[str]],
        *,
        tls: ssl.SSLContext,
        timeout: float,
        now: Callable[[], datetime],
    ) -> None:
        self._where, self._ask, self._tls, self._timeout, self._now = where, addresses, tls, timeout, now
        self._addresses: list[str] = []
        self._connection: HTTPConnection | None = None

    def post(self, headers: Mapping[str, str], body: bytes) -> Told:
        """POST once. Redirects are not followed, nothing is sent twice, and of the answer 64 kB are read.

        Raises nothing that the endpoint could be blamed for.
        """
        begun = time.monotonic()
        answer, error = _Answer(), None
        with Deadline(self._timeout) as deadline:
            try:
                self._exchange(headers, body, answer, deadline)
            except _Failed as failure:
                error = failure.fault
        if deadline.over and error is not Fault.DNS:
            error = Fault.TIMEOUT if answer.status is None else Fault.TOO_SLOW
        elif error is None and answer.status is not None and 300 <= answer.status < 400:
            error = Fault.REDIRECTED
        if error or not answer.kept:
            self.close()
        return Told(
            status=answer.status,
            duration_ms=round((time.monotonic() - begun) * 1000),
            excerpt=_excerpt(bytes(answer.body)),
            error=error,
            retry_after=retry_after(answer.retry_after, now=self._now(), longest=LONGEST_WAIT),
        )

    def close(self) -> None:
        """Close the connection, if there is one; the next POST opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _exchange(self, headers: Mapping[str, str], body: bytes, answer: _Answer, deadline: Deadline) -> None:
        if self._where is None:
            raise _Failed(Fault.FORBIDDEN_ADDRESS)
        connection = self._connected(self._where, deadline)
        with _failing_as(Fault.NO_ANSWER):
            connection.request("POST", self._where.target, body, {**headers, "host": self._where.authority})
        with _failing_as(Fault.NO_ANSWER, garbage=Fault.NOT_HTTP), connection.getresponse() as response:
            answer.take(response)

    def _connected(self, where: Destination, deadline: Deadline) -> HTTPConnection:
        kept = self._connection
        # Something to read before anything was asked is the other side's goodbye.
        if kept is not None and not wait_for_read(kept.sock, timeout=0):
            kept.sock.settimeout(deadline.left())
            with _failing_as(Fault.TIMEOUT):
                deadline.watch(kept.sock)
            return kept
        self.close()
        self._addresses = self._addresses or self._ask(where, deadline)
        connection = HTTPConnection(where.host, where.port)
        # It must never look for the host by itself.
        connection.auto_open = False
        connection.sock = self._open(where, deadline)
        self._connection = connection
        return connection

    def _open(self, where: Destination, deadline: Deadline) -> socket.socket:
        with _failing_as(Fault.NO_CONNECTION):
            plain = _dial(self._addresses, where.port, deadline)
        found = plain
        try:
            with _failing_as(Fault.TLS):
                plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                plain.settimeout(deadline.left())
                deadline.watch(plain)
                if where.scheme == "https":
                    # Wrapped first and watched, so that a handshake that trickles is cut as well. The name is checked,
                    # whatever the address; for an address in the URL, the certificate must name that.
                    found = self._tls.wrap_socket(plain, server_hostname=where.host, do_handshake_on_connect=False)
                    deadline.watch(found)
                    found.do_handshake()
        except BaseException:
            found.close()
            raise
        return found


@dataclass(slots=True)
class _Answer:
    """An answer as far as it has come."""

    status: int | None = None
    retry_after: str | None = None
    body: bytearray = field(default_factory=bytearray)
    kept: bool = False

    def take(self, response: HTTPResponse) -> None:
        self.status, self.retry_after = response.status, response.headers.get("retry-after")
        # read1, which never asks for more than there is: a chunk's length may be a lie.
        while len(self.body) < MAX_ANSWER and (piece := response.read1(MAX_ANSWER - len(self.body))):
            self.body += piece
        if response.length and len(self.body) < MAX_ANSWER:
            raise IncompleteRead(b"")
        # The other side may go on only if all of this answer was read.
        self.kept = not response.will_close and (response.isclosed() or response.length == 0)


class _Failed(Exception):
    def __init__(self, fault: Fault) -> None:
        super().__init__(fault)
        self.fault = fault


@contextmanager
def _failing_as(fault: Fault, *, garbage: Fault | None = None) -> Iterator[None]:
    """Say what it means when a step fails, and when it fails because what came cannot be read."""
    try:
        yield
    except TimeoutError:
        raise _Failed(Fault.TIMEOUT) from None
    except (OSError, IncompleteRead):
        raise _Failed(fault) from None
    except (HTTPException, ValueError):
        if garbage is None:
            raise
        raise _Failed(garbage) from None


def _dial(addresses: Sequence[str], port: int, deadline: Deadline) -> socket.socket:
    """Return a connection to the first address that takes one; each has its share of the time."""
    for last, address in zip(range(len(addresses) - 1, -1, -1), addresses, strict=True):
        try:
            return socket.create_connection((address, port), timeout=deadline.left() / (last + 1))
        except OSError:
            if not last:
                raise
    raise OSError("no address")


def _resolved(resolve: Resolve, name: str, seconds: float) -> Sequence[str]:
    """Ask in a thread of its own: nothing else ends a resolver that hangs. The thread ends when the resolver does."""
    answer: queue.SimpleQueue[Sequence[str] | None] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answer.put(resolve(name))
        except (OSError, UnicodeError):
            answer.put(None)

    threading.Thread(target=ask, name="callback-dns", daemon=True).start()
    try:
        found = answer.get(timeout=seconds)
    except queue.Empty:
        found = None
    if not found:
        raise _Failed(Fault.DNS)
    return found


def _excerpt(body: bytes) -> str:
    """Return the beginning of an answer, fit to be stored and shown to people."""
    # Masked before it is cut, or the cut would make half an address of one; and not all of it, for the time that takes.
    text = masking.text(body[: 4 * EXCERPT].decode(errors="replace"))
    return "".join(char if char.isprintable() else " " for char in text[:EXCERPT])
