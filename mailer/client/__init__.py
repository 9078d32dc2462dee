"""The Python client over HTTP. `send_email`, the client through the broker, is in mailer.client.task."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from mailer.errors import ConfigurationError, InvalidMessage, MailerError, Problem, ProviderError
from mailer.http import HttpTransport
from mailer.ports import HttpRequest, HttpResponse, Transport

# A message with a thousand recipients and as many problems is far below this.
_MAX_ANSWER = 10_000_000

_FINAL = frozenset({"accepted", "failed", "canceled", "expired"})


class ServiceError(MailerError):
    """The service did not do what was asked.

    Attributes:
        status: HTTP status, None when no answer came.
        problem: the problem+json body (RFC 9457), empty when there was none.
    """

    def __init__(self, text: str, *, status: int | None = None, problem: Mapping[str, Any] | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.problem = dict(problem or {})


class Mailer:
    """A client of the service's HTTP API.

    Args:
        url: the service's base address, e.g. `http://127.0.0.1:8000`.
        api_key: sent as a bearer token.
        timeout: seconds to connect, and between two pieces of an answer.

    Raises:
        ConfigurationError: the address or the key cannot be one.
    """

    def __init__(self, url: str, api_key: str, *, timeout: float = 10.0, transport: Transport | None = None) -> None:
        if not url.startswith(("http://", "https://")):
            raise ConfigurationError(f"{url!r} is no address: it begins with http:// or https://")
        if not api_key:
            raise ConfigurationError("an API key is needed")
        self._url = url.rstrip("/")
        self._key = api_key
        self._transport = transport or HttpTransport(
            connect_timeout=timeout, read_timeout=timeout, max_answer=_MAX_ANSWER
        )

    def send(self, *, request_id: str | None = None, **message: Any) -> str:
        """Hand a message over and return its id; from then on it is the service's responsibility.

        Args:
            request_id: to be found again in every log line, sent as `X-Request-ID`.
            message: the fields of the HTTP body; `from_` for `from`, bytes for an attachment's content.

        Raises:
            InvalidMessage: every wrong field; nothing was stored.
            ServiceError: refused, or no answer (then the message may or may not have been stored).
        """
        from mailer.client.body import encode

        headers = {"X-Request-ID": request_id} if request_id else {}
        return str(self._request("POST", "/v1/messages", body=encode(message), headers=headers)["id"])

    def get(self, id: str) -> dict[str, Any]:
        """Return what is known about a message: the body of `GET /v1/messages/{id}`."""
        return self._request("GET", f"/v1/messages/{quote(id, safe='')}")

    def wait(
        self,
        id: str,
        timeout: float = 60.0,
        *,
        interval: float = 0.2,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> dict[str, Any]:
        """Return the message as soon as its sending has come to rest.

        Args:
            timeout: seconds to wait at the most.
            interval: seconds between two looks.

        Raises:
            TimeoutError: it still moves.
        """
        end = clock() + timeout
        while not _at_rest(message := self.get(id)):
            if clock() >= end:
                raise TimeoutError(f"message {id} is still {message['status']} after {timeout:g} seconds")
            sleep(interval)
        return message

    def _request(
        self, method: str, path: str, *, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        sent = {"Authorization": f"Bearer {self._key}", "Accept": "application/json", **(headers or {})}
        if body:
            sent["Content-Type"] = "application/json"
        try:
            answer = self._transport.send(HttpRequest(method, self._url + path, sent, body))
        except ProviderError as error:
            raise ServiceError(f"no answer from {self._url}: {error}") from None
        return _read(answer)


def _at_rest(message: Mapping[str, Any]) -> bool:
    """Tell whether the message no longer moves by itself; `unknown` may be waiting for news, until a time."""
    waiting = message["status"] == "unknown" and message["next_attempt_at"] is not None
    return message["status"] in _FINAL or (message["status"] == "unknown" and not waiting)


def _read(answer: HttpResponse) -> dict[str, Any]:
    try:
        data = json.loads(answer.body)
    except ValueError:
        data = None
    if not isinstance(data, dict):
        raise ServiceError(f"answer {answer.status} is not JSON", status=answer.status)
    if answer.status < 300:
        return data
    wrong = data.get("errors")
    if answer.status == 422 and isinstance(wrong, list):
        raise InvalidMessage(tuple(Problem(e["pointer"], e["detail"], e["code"]) for e in wrong))
    text = str(data.get("detail") or data.get("title") or "refused")
    raise ServiceError(f"{answer.status}: {text}", status=answer.status, problem=data)
