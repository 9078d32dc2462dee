"""Asking a provider what became of a call that it never answered, while `on_unknown=wait` waits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from mailer import log
from mailer.errors import ProviderError
from mailer.ledger import Attempt, Work
from mailer.outcome import Outcome
from mailer.ports import Envelope, Provider, Transport

_log = log.get(__name__)


def ask(work: Work, *, providers: Mapping[str, Provider], transport: Transport) -> Attempt | None:
    """Return an *unknown* attempt that turns out to have been accepted, or None: to find nothing proves nothing."""
    for attempt in work.attempts:
        provider = providers.get(attempt.provider)
        if provider is None or attempt.outcome is not Outcome.UNKNOWN:
            continue
        found = _asked(work, attempt, provider, transport)
        if found is not None:
            return replace(attempt, outcome=Outcome.ACCEPTED, provider_message_id=found)
    return None


def _asked(work: Work, attempt: Attempt, provider: Provider, transport: Transport) -> str | None:
    envelope = Envelope.of_work(work, attempt_id=attempt.id)
    request = provider.inquiry(envelope)
    if request is None:
        return None  # this one cannot be asked; it tells of its own accord, by an event
    try:
        return provider.found(transport.send(request), envelope)
    except ProviderError as error:
        _log.warning("inquiry.failed", envelope_id=work.id, provider=attempt.provider, error=error.code)
        return None
