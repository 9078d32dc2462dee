"""Circuit breakers: which providers are left alone, and what an answer teaches about them. Pure decisions."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from mailer.errors import AccountRefused, ProviderError, SenderRefused
from mailer.ledger import Attempt, Breaker, Work
from mailer.outcome import Outcome


def concerning(work: Work, provider: str | None = None) -> tuple[Breaker, ...]:
    """Return the breakers that this envelope meets: a provider's for everything, and for its own From domain."""
    scopes = ("", work.message.sender.domain)
    found = (b for b in work.breakers if b.scope in scopes and provider in (None, b.provider))
    return tuple(sorted(found, key=lambda b: (b.provider, b.scope)))


def closed_until(work: Work) -> dict[str, datetime]:
    """Return until when each provider is to be left alone, as far as this envelope is concerned."""
    return {b.provider: b.open_until for b in sorted(concerning(work), key=lambda b: b.open_until)}


def lesson(
    work: Work, attempt: Attempt, error: ProviderError | None, *, until: datetime
) -> tuple[tuple[Breaker, ...], tuple[Breaker, ...]]:
    """Return the breakers that an answer opens, `until` then, and those that it closes.

    Args:
        work: as it was when the call was decided: a breaker of its provider was past its time, so this was its probe.
        attempt: with its outcome.
        error: what the provider said instead of yes.
        until: when a provider that is left alone is to be probed.
    """
    probed = concerning(work, attempt.provider)
    if isinstance(error, AccountRefused):
        return (Breaker(provider=attempt.provider, scope="", open_until=until, reason=error.code),), ()
    if isinstance(error, SenderRefused):
        # It knew the account well enough to refuse the sender.
        domain = work.message.sender.domain
        refused = Breaker(provider=attempt.provider, scope=domain, open_until=until, reason=error.code)
        return (refused,), tuple(b for b in probed if b.scope == "")
    if attempt.outcome in (Outcome.ACCEPTED, Outcome.REJECTED):
        return (), probed
    # A probe that proves nothing: left alone for as long again.
    return tuple(replace(b, open_until=until) for b in probed), ()
