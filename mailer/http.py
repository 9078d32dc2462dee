"""The transport: carries a request over HTTP and tells *not accepted* from *unknown*. The only importer of requests."""

from __future__ import annotations

import io
import os
import socket
import threading
import weakref
from typing import Any

import requests
import requests.adapters
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from mailer.deadline import Deadline
from mailer.errors import ProviderError, TemporarilyRefused, Unanswered
from mailer.ports import HttpRequest, HttpResponse

# A provider's answer is a few hundred bytes; more is a proxy's error page, and its beginning is enough.
MAX_ANSWER = 64 * 1024


class HttpTransport:
    """A Transport on requests, with one session (and its pool of connections) a thread.

    Args:
        connect_timeout: seconds to reach the provider.
        read_timeout: seconds between two pieces of its answer.
        total_timeout: seconds for the whole call, however it trickles; None: connect plus twice the read timeout.
        max_answer: bytes of an answer that are read.
    """

    def __init__(
        self,
        *,
        connect_timeout: float,
        read_timeout: float,
        total_timeout: float | None = None,
        max_answer: int = MAX_ANSWER,
    ) -> None:
        self._max_answer = max_answer
        self._timeouts = (connect_timeout, read_timeout)
        self._total = total_timeout or connect_timeout + 2 * read_timeout
        self._local = threading.local()
        # Of every thread, for `close`; a thread that has ended takes its own with it.
        self._sessions: weakref.WeakSet[requests.Session] = weakref.WeakSet()

    def send(self, request: HttpRequest) -> HttpResponse:
        """Return the answer, whatever its status. Redirects are not followed and nothing is sent twice.

        Raises:
            TemporarilyRefused: the request never left whole (DNS, refused, connect timeout, TLS, cut while sending).
            Unanswered: it left, and no answer came back whole.
        """
        # How far the body was read from here is how far it can have got: before its last byte was handed to the
        # socket no provider can have accepted it, whatever the exception is called.
        body = io.BytesIO(request.body)
        total = self._total if request.deadline is None else min(self._total, request.deadline)
        connect, read = self._timeouts
        with Deadline(total) as deadline:
            _current.deadline = deadline
            try:
                with self._session().request(
                    # Without a body nothing is sent as one: a stream of no length would be chunked, and GET has none.
                    request.method, request.url, data=body if request.body else None, headers=dict(request.headers),
                    timeout=(min(connect, total), min(read, total)), allow_redirects=False, stream=True,
                ) as answer:  # fmt: skip
                    response = HttpResponse(
                        status=answer.status_code,
                        headers={name.lower(): value for name, value in answer.headers.items()},
                        body=_beginning(answer, self._max_answer),
                    )
            except requests.RequestException as error:
                left = body.tell() >= len(request.body) if request.body else _connected(error)
                raise _failure(error, left=left, cut=deadline.over) from None
        if deadline.over:
            # Headers that were cut look like headers that ended.
            raise Unanswered("deadline", status=response.status)
        return response

    def close(self) -> None:
        """Close the connections that are kept; the next call opens one again."""
        for session in list(self._sessions):
            session.close()

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        # A process that was forked would write into its parent's connections.
        if session is None or self._local.process != os.getpid():
            session = requests.Session()
            # Without this, requests looks into ~/.netrc and overwrites our Authorization header.
            session.auth = _no_auth
            for scheme in ("https://", "http://"):
                session.mount(scheme, _Adapter(pool_connections=8, pool_maxsize=2, max_retries=0))
            self._local.session, self._local.process = session, os.getpid()
            self._sessions.add(session)
        return session


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _beginning(answer: requests.Response, limit: int) -> bytes:
    body = bytearray()
    for piece in answer.iter_content(4096):
        body += piece
        if len(body) >= limit:
            break
    return bytes(body[:limit])


def _connected(error: requests.RequestException) -> bool:
    """Tell whether there was a connection, of a request that has no body to go by."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return not isinstance(reason, NewConnectionError | ConnectTimeoutError)


def _failure(error: requests.RequestException, *, left: bool, cut: bool) -> ProviderError:
    timeout = isinstance(error, requests.Timeout)
    if left:
        code = "deadline" if cut else "read_timeout" if timeout else "no_answer"
        return Unanswered(code, detail=type(error).__name__)
    code = "deadline" if cut else "connect_timeout" if timeout else "no_connection"
    return TemporarilyRefused(code, detail=type(error).__name__)


# The deadline of each thread's call, for its connection to find; the next call brings its own.
_current = threading.local()


class _Watched:
    sock: socket.socket | None

    def request(self, *args: Any, **options: Any) -> None:
        self._watched()
        super().request(*args, **options)  # type: ignore[misc]

    def connect(self) -> None:
        super().connect()  # type: ignore[misc]
        self._watched()

    def _watched(self) -> None:
        deadline: Deadline | None = getattr(_current, "deadline", None)
        if deadline is not None:
            deadline.watch(self.sock)


class _Http(_Watched, HTTPConnection):
    pass


class _Https(_Watched, HTTPSConnection):
    pass


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _Http


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _Https


_POOLS = {"http": _HttpPool, "https": _HttpsPool}


class _Adapter(requests.adapters.HTTPAdapter):
    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **options: Any) -> Any:
        manager = super().proxy_manager_for(*args, **options)
        manager.pool_classes_by_scheme = _POOLS
        return manager
