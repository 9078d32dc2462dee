"""What log and operator are told of an envelope's way: a line an attempt, alarms for what a person should look at."""

from __future__ import annotations

from mailer import log
from mailer.alarm import Alarm
from mailer.delivery import EnvelopeInput
from mailer.errors import AccountRefused, ProviderError, SenderRefused
from mailer.ledger import Attempt, Move, Work
from mailer.outcome import Outcome
from mailer.suppression import NO_TO_LEFT, NOBODY_LEFT

_log = log.get(__name__)

# Ends that a person should look at.
_ALARMS = {
    EnvelopeInput.FAIL: "envelope.failed",
    EnvelopeInput.GIVE_UP: "envelope.unknown",
    EnvelopeInput.EXPIRE: "envelope.expired",
}


def attempt(work: Work, done: Attempt) -> None:
    """Write the one line of an attempt that has an outcome."""
    say = _log.warning if done.outcome is Outcome.UNKNOWN else _log.info
    say(
        "attempt",
        envelope_id=work.id,
        attempt_id=done.id,
        request_id=work.request_id,
        provider=done.provider,
        duration_ms=done.duration_ms,
        status=done.status_code,
        outcome=done.outcome.value,
        error=done.error_code,
        retry=done.number - 1,
        possible_duplicate=done.possible_duplicate,
    )


def refusal(alarm: Alarm, work: Work, done: Attempt, error: ProviderError | None) -> None:
    """Raise the alarm of a provider that refuses us, whatever mail it was."""
    about = {
        "envelope_id": work.id, "request_id": work.request_id, "provider": done.provider, "status": done.status_code,
        "reason": done.error_code,
    }  # fmt: skip
    if isinstance(error, AccountRefused):
        alarm("provider.account_refused", **about)
    elif isinstance(error, SenderRefused):
        alarm("provider.sender_refused", domain=work.message.sender.domain, **about)


def end(
    alarm: Alarm, move: Move, happened: EnvelopeInput, *, request_id: str | None = None, last: Attempt | None = None
) -> None:
    """Raise the alarm of a mail that was not sent, or of which nobody knows."""
    as_wanted = happened is EnvelopeInput.FAIL and move.reason in (NOBODY_LEFT, NO_TO_LEFT)
    if happened in _ALARMS and not as_wanted:
        about = {"provider": last.provider, "status": last.status_code, "reason": last.error_code} if last else {}
        alarm(_ALARMS[happened], **{"envelope_id": move.id, "request_id": request_id, "reason": move.reason, **about})
