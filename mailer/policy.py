"""What follows the outcome of an attempt (design.md section 5). Pure decisions, no I/O, time comes in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from mailer import routing
from mailer.delivery import EnvelopeInput, OnUnknown
from mailer.ledger import Attempt, Move, Work
from mailer.outcome import Outcome
from mailer.retry import Backoff
from mailer.routing import Pause, Tried

# Seconds after which a provider that left us in the dark is first asked; then after twice, four times, ... as many.
FIRST_LOOK = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The numbers behind the decisions; all times are seconds.

    Attributes:
        backoff: the pause between two rounds of providers.
        unknown_limit: after so many *unknown* attempts an envelope rests.
        wait_seconds: how long `on_unknown=wait` waits for news before it fails over.
        grace: how long past its time a wake-up counts as lost.
        uniform: a random number between two others.
    """

    backoff: Backoff
    unknown_limit: int
    wait_seconds: float
    grace: float
    uniform: Callable[[float, float], float]

    def after(self, work: Work, attempt: Attempt, *, closed_until: Mapping[str, datetime], now: datetime) -> Move:
        """Return what happens to the envelope now that `attempt`, its latest, has an outcome.

        Args:
            work: as it was when the attempt began; its own attempts are the earlier ones.
            attempt: with its outcome.
            closed_until: providers to be left alone, with what this attempt taught about its own.
            now: the current time.
        """
        earlier = tuple(a for a in work.attempts if a.id != attempt.id)
        unknowns = sum(a.outcome is Outcome.UNKNOWN for a in (*earlier, attempt))
        reason = attempt.error_code
        if attempt.outcome is Outcome.ACCEPTED:
            return Move(id=work.id, input=EnvelopeInput.ACCEPT)
        if attempt.outcome is Outcome.REJECTED:
            # After an unknown one, "failed" would be a lie: the first provider may have taken it.
            return Move(id=work.id, input=EnvelopeInput.GIVE_UP if unknowns else EnvelopeInput.FAIL, reason=reason)
        if now >= work.expires_at:
            return self.over(work, unknowns=unknowns)
        if attempt.outcome is Outcome.UNKNOWN:
            if work.on_unknown is OnUnknown.FAIL or unknowns >= self.unknown_limit:
                return Move(id=work.id, input=EnvelopeInput.GIVE_UP, reason=reason)
            if work.on_unknown is OnUnknown.WAIT:
                at = min(now + timedelta(seconds=self.wait_seconds), work.expires_at)
                look_at = min(now + timedelta(seconds=FIRST_LOOK), at)
                return Move(id=work.id, input=EnvelopeInput.WAIT, next_attempt_at=at, wake_at=look_at, reason=reason)
        return self._again(work, (*earlier, attempt), closed_until=closed_until, reason=reason, now=now)

    def over(self, work: Work, *, unknowns: int) -> Move:
        """Return the end of an envelope whose time has run out."""
        if unknowns:
            return Move(id=work.id, input=EnvelopeInput.GIVE_UP, reason="expired")
        return Move(id=work.id, input=EnvelopeInput.EXPIRE, reason="expired")

    def nobody(self, work: Work, *, reason: str) -> Move:
        """Return the end of an envelope of which nobody is left who may be mailed."""
        # After an unknown attempt "failed" would be a lie, as above.
        what = EnvelopeInput.GIVE_UP if work.unknowns else EnvelopeInput.FAIL
        return Move(id=work.id, input=what, reason=reason)

    def pause(self, work: Work, pause: Pause, *, now: datetime) -> datetime:
        """Return when to try again: backoff, not before anybody may be called, not after the message's own end."""
        seconds = self.backoff.pause(retry=max(pause.round - 1, 0), uniform=self.uniform)
        at = now + timedelta(seconds=seconds)
        if pause.until is not None and pause.until > at:
            # Not all at the very second at which somebody may be called again.
            at = pause.until + timedelta(seconds=self.uniform(0, self.backoff.base))
        return min(at, work.expires_at)

    def look_at(self, work: Work, *, now: datetime) -> datetime:
        """Return when to ask again for news: as long again as its latest attempt is old, or when the waiting ends."""
        age = max((now - work.attempts[-1].started_at).total_seconds(), FIRST_LOOK)
        return min(now + timedelta(seconds=age), work.next_attempt_at or now)

    def wake_at(self, at: datetime) -> datetime:
        """Return when the sweep takes a wake-up that was due `at` for lost."""
        return at + timedelta(seconds=self.grace)

    def _again(
        self,
        work: Work,
        tried: tuple[Attempt, ...],
        *,
        closed_until: Mapping[str, datetime],
        reason: str | None,
        now: datetime,
    ) -> Move:
        step = routing.next_step(work.route, [history(a) for a in tried], closed_until, resting=False, now=now)
        again = Move(id=work.id, input=EnvelopeInput.RETRY, wake_at=self.wake_at(now), reason=reason)
        if not isinstance(step, Pause):
            return replace(again, provider=step.provider)
        at = self.pause(work, step, now=now)
        return replace(again, next_attempt_at=at, wake_at=self.wake_at(at))


def history(attempt: Attempt) -> Tried:
    """Return what routing needs to know of an attempt."""
    return Tried(attempt.provider, attempt.round, attempt.outcome, attempt.not_before)
