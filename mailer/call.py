"""One call to one provider, and the outcome of it, whatever happens."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from mailer import log
from mailer.errors import ProviderError, TemporarilyRefused, Unanswered
from mailer.ledger import Attempt
from mailer.outcome import Outcome
from mailer.ports import HttpRequest, HttpResponse, Provider, Receipt, Transport

_log = log.get(__name__)


def make(
    attempt: Attempt,
    request: HttpRequest,
    *,
    provider: Provider,
    transport: Transport,
    clock: Callable[[], datetime],
    latest: datetime,
    test: bool = False,
    timer: Callable[[], float] = time.monotonic,
) -> tuple[Attempt, ProviderError | None]:
    """Send the request; return the attempt with its outcome, and the error unless it was accepted.

    Not after `latest`: whoever was stopped between claim and call (a database that hung, a machine that slept) has
    lost the right to call.
    """
    begun = timer()
    error: ProviderError | None = None
    try:
        if clock() > latest:
            raise TemporarilyRefused("late_start")
        response = transport.send(request)
        receipt = _receipt(provider, response, test=test, now=clock())
    except ProviderError as failure:
        error = failure
        wait = failure.retry_after
        attempt = replace(
            attempt,
            outcome=failure.outcome,
            status_code=failure.status,
            error_code=failure.code,
            error=failure.detail or None,
            not_before=clock() + timedelta(seconds=wait) if wait else None,
        )
    else:
        attempt = replace(
            attempt,
            outcome=Outcome.ACCEPTED,
            status_code=receipt.status,
            provider_message_id=receipt.provider_message_id,
        )
    return replace(attempt, duration_ms=round((timer() - begun) * 1000)), error


def _receipt(provider: Provider, response: HttpResponse, *, test: bool, now: datetime) -> Receipt:
    try:
        return provider.receipt(response, test=test, now=now)
    except ProviderError:
        raise
    except Exception as fault:
        # A fault of ours in reading an answer must not cost the knowledge that there was one.
        _log.exception("answer.unreadable", provider=provider.name, status=response.status)
        raise Unanswered("unreadable_answer", status=response.status, detail=type(fault).__name__) from fault
