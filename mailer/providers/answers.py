"""What an HTTP status means where a provider's own page says nothing more precise (design.md section 5)."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from mailer import masking, retry
from mailer.errors import (
    AccountRefused,
    ProviderError,
    Rejected,
    SenderRefused,
    TemporarilyRefused,
    Unanswered,
)
from mailer.ports import HttpResponse

_BY_STATUS: dict[int, type[ProviderError]] = {
    400: Rejected,
    401: AccountRefused,
    402: AccountRefused,
    403: SenderRefused,
    404: SenderRefused,
    405: AccountRefused,
    408: TemporarilyRefused,
    413: Rejected,
    415: AccountRefused,
    422: Rejected,
    429: TemporarilyRefused,
    503: TemporarilyRefused,
}


def error_class(status: int) -> type[ProviderError]:
    """Return what a status that is not the documented yes says about the mail."""
    if known := _BY_STATUS.get(status):
        return known
    if 300 <= status < 400:
        return AccountRefused  # a wrong base address: true of every mail
    if 400 <= status < 500:
        return TemporarilyRefused  # refused for a reason we do not know: not this mail's fault for sure
    return Unanswered  # 5xx, and any 2xx that is not the documented yes


def error(
    response: HttpResponse, kind: type[ProviderError], words: str, *, now: datetime, code: str | None = None
) -> ProviderError:
    """Build the error of this answer, with the provider's words shortened and masked."""
    return kind(
        code or str(response.status),
        status=response.status,
        detail=masking.text(printable(words))[:300],
        retry_after=retry.retry_after(response.headers.get("retry-after"), words, now=now),
    )


def printable(words: str) -> str:
    """Return a provider's words as any database and log takes them: no control character, no half surrogate."""
    return "".join(c if c.isprintable() else " " for c in words)


def unexpected(response: HttpResponse) -> str:
    """Return what to tell the operator of an answer to a probe that says nothing about the key."""
    if 300 <= response.status < 400:
        return f"answered {response.status}: the base address is wrong"
    if response.status in (408, 429) or response.status >= 500:
        return f"answered {response.status}: it has an outage, or limits our calls"
    return f"answered {response.status}, which is none of its documented answers: the base address may be wrong"


def parse(response: HttpResponse) -> Any:
    """Return the JSON body, or None where it is none (413 pages, proxies, plain words)."""
    return load(response.body)


def load(body: bytes) -> Any:
    """Return a body as JSON, or None where it is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
