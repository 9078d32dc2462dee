"""The transport of asyncio, by the rules of mailer/http.py. The only importer of httpx."""

from __future__ import annotations

import asyncio

from mailer.errors import ProviderError, TemporarilyRefused, Unanswered
from mailer.http import MAX_ANSWER
from mailer.ports import HttpRequest, HttpResponse

try:
    import httpx
except ModuleNotFoundError as error:
    raise ImportError(
        "AsyncMailer needs httpx: install this package with its extra `async`, e.g. pip install '.[async]'"
    ) from error

# Before there was a connection nothing can have left. Of everything later httpx does not say how far it got.
_NEVER_LEFT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol, httpx.ProxyError)


class AsyncHttpTransport:
    """An AsyncTransport on httpx, with one pool of connections. It belongs to the event loop that first uses it.

    Args:
        connect_timeout: seconds to reach the service.
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
        self._timeout = httpx.Timeout(read_timeout, connect=connect_timeout, pool=connect_timeout)
        self._total = total_timeout or connect_timeout + 2 * read_timeout
        self._max_answer = max_answer
        self._client: httpx.AsyncClient | None = None

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Return the answer, whatever its status. Redirects are not followed and nothing is sent twice.

        Raises:
            TemporarilyRefused: the request never left (DNS, refused, connect timeout, TLS, no connection free).
            Unanswered: it may have left, and no answer came back whole.
        """
        total = self._total if request.deadline is None else min(self._total, request.deadline)
        try:
            async with asyncio.timeout(total):
                return await self._send(request)
        except TimeoutError:
            raise Unanswered("deadline") from None
        except httpx.HTTPError as error:
            raise _failure(error) from None

    async def close(self) -> None:
        """Close the connections that are kept; the next call opens one again."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _send(self, request: HttpRequest) -> HttpResponse:
        # Made on first use: reading the certificates takes its time, and a client belongs to a loop.
        self._client = self._client or httpx.AsyncClient(timeout=self._timeout)
        async with self._client.stream(
            request.method, request.url, content=request.body or None, headers=dict(request.headers)
        ) as answer:
            body = bytearray()
            async for piece in answer.aiter_bytes():
                body += piece
                if len(body) >= self._max_answer:
                    break
            headers = {name.lower(): value for name, value in answer.headers.items()}
            return HttpResponse(answer.status_code, headers, bytes(body[: self._max_answer]))


def _failure(error: httpx.HTTPError) -> ProviderError:
    timeout = isinstance(error, httpx.TimeoutException)
    if isinstance(error, _NEVER_LEFT):
        return TemporarilyRefused("connect_timeout" if timeout else "no_connection", detail=type(error).__name__)
    return Unanswered("read_timeout" if timeout else "no_answer", detail=type(error).__name__)
