"""The transport: carries a request over HTTP and tells *not accepted* from *unknown*. The only importer of requests."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable

import requests
import requests.adapters

from mailer.errors import ProviderError, TemporarilyRefused, Unanswered
from mailer.ports import HttpRequest, HttpResponse

# A provider's answer is a few hundred bytes; more is a proxy's error page, and its beginning is enough.
MAX_ANSWER = 64 * 1024


class HttpTransport:
    """A Transport on requests, with one session (and its pool of connections) a thread.

    Args:
        connect_timeout: seconds to reach the provider.
        read_timeout: seconds between two pieces of its answer, and for the whole body of it.
        clock: a monotonic clock, seconds.
    """

    def __init__(
        self, *, connect_timeout: float, read_timeout: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._timeouts = (connect_timeout, read_timeout)
        self._clock = clock
        self._local = threading.local()

    def send(self, request: HttpRequest) -> HttpResponse:
        """Return the answer, whatever its status. Redirects are not followed and nothing is sent twice.

        Raises:
            TemporarilyRefused: the request never left whole (DNS, refused, connect timeout, TLS, cut while sending).
            Unanswered: it left, and no answer came back whole.
        """
        # How far the body was read from here is how far it can have got: before its last byte was handed to the
        # socket no provider can have accepted it, whatever the exception is called.
        body = io.BytesIO(request.body)
        try:
            answer = self._session().request(
                request.method, request.url, data=body, headers=dict(request.headers),
                timeout=self._timeouts, allow_redirects=False, stream=True,
            )  # fmt: skip
        except requests.RequestException as error:
            raise self._failure(error, left=body.tell() >= len(request.body)) from None
        with answer:
            return HttpResponse(
                status=answer.status_code,
                headers={name.lower(): value for name, value in answer.headers.items()},
                body=self._read(answer),
            )

    def _read(self, answer: requests.Response) -> bytes:
        deadline = self._clock() + self._timeouts[1]
        body = bytearray()
        try:
            for piece in answer.iter_content(4096):
                body += piece
                if len(body) > MAX_ANSWER:
                    return bytes(body[:MAX_ANSWER])
                if self._clock() > deadline:
                    raise Unanswered("slow_answer", status=answer.status_code)
        except requests.RequestException as error:
            raise Unanswered("answer_cut", status=answer.status_code, detail=type(error).__name__) from None
        return bytes(body)

    def _failure(self, error: requests.RequestException, *, left: bool) -> ProviderError:
        detail = type(error).__name__
        if left:
            return Unanswered("read_timeout" if isinstance(error, requests.Timeout) else "no_answer", detail=detail)
        code = "connect_timeout" if isinstance(error, requests.Timeout) else "no_connection"
        return TemporarilyRefused(code, detail=detail)

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = requests.Session()
            # Without this, requests looks into ~/.netrc and overwrites our Authorization header.
            session.auth = _no_auth
            adapter = requests.adapters.HTTPAdapter(pool_connections=8, pool_maxsize=2, max_retries=0)
            session.mount("https://", adapter)
            session.mount("http://", adapter)
            self._local.session = session
        return session


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request
