"""The use cases: submit a message, deliver an envelope, sweep up what nobody woke. No SQL, no HTTP, no Celery."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from mailer import breaker, call, ids, log, routing, step
from mailer.alarm import Alarm
from mailer.delivery import EnvelopeInput, EnvelopeStatus, Lane
from mailer.errors import AccountRefused, Conflict, ProviderError, SenderRefused, StoreUnavailable
from mailer.ledger import Attempt, Claim, Due, MessageView, Move, Result, Submission, Work
from mailer.message import Message
from mailer.outcome import Outcome
from mailer.policy import Policy, history
from mailer.ports import Envelope, HttpRequest, Provider, Store, Transport
from mailer.routing import Call, Pause, Routing
from mailer.step import Finished, Step

_log = log.get(__name__)

# Clocks of two machines differ: a wake-up that comes this much early is not sent back to sleep.
_SKEW = timedelta(seconds=2)

# Ends that a person should look at.
_ALARMS = {
    EnvelopeInput.FAIL: "envelope.failed",
    EnvelopeInput.GIVE_UP: "envelope.unknown",
    EnvelopeInput.EXPIRE: "envelope.expired",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The service's own numbers, seconds.

    Attributes:
        lease_seconds: how long a claim is believed; longer than any provider call.
        breaker_seconds: how long a provider that refused us is left alone.
        deadline: how long a message of a lane is tried when it brings no `expires_at`.
    """

    lease_seconds: float
    breaker_seconds: float
    deadline: Callable[[Lane], float]


class Service:
    """The use cases over one store, one transport and the providers there are."""

    def __init__(
        self,
        *,
        store: Store,
        providers: Mapping[str, Provider],
        transport: Transport,
        routing: Routing,
        policy: Policy,
        terms: Terms,
        alarm: Alarm,
        clock: Callable[[], datetime],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store = store
        self._providers = providers
        self._transport = transport
        self._routing = routing
        self._policy = policy
        self._terms = terms
        self._alarm = alarm
        self._clock = clock
        self._sleep = sleep

    def submit(self, message: Message, *, project_id: str, request_id: str, id: str | None = None) -> str:
        """Store a message, queued, and return its id. When this returns, the message is our responsibility.

        Submitting the same message under the same id again changes nothing.

        Raises:
            Conflict: the id belongs to another message.
            StoreUnavailable: nothing was stored.
        """
        now = self._clock()
        deadline = now + timedelta(seconds=self._terms.deadline(message.lane))
        submission = Submission(
            id=id or ids.new(),
            project_id=project_id,
            request_id=request_id,
            message=message,
            created_at=now,
            expires_at=message.expires_at or deadline,
            wake_at=self._policy.wake_at(now),
        )
        if self._store.submit([submission])[submission.id] != message.fingerprint:
            self._alarm("envelope.conflict", envelope_id=submission.id, request_id=request_id)
            raise Conflict(f"id {submission.id} belongs to another message")
        return submission.id

    def view(self, id: str, *, project_id: str) -> MessageView | None:
        """Return what is known about a message of this project, None if it has no such message."""
        return self._store.view(id, project_id=project_id) if ids.is_id(id) else None

    def sweep(self, *, limit: int, again_in: float) -> list[Due]:
        """Return envelopes whose wake-up was lost or is due, to be delivered; each again after `again_in` seconds.

        What is to become of each is decided where everything is: in `deliver`.
        """
        now = self._clock()
        return self._store.wake(limit=limit, now=now, again_at=now + timedelta(seconds=again_in))

    def hasten(self, envelope_ids: Sequence[str]) -> None:
        """Let the next sweep look after these: their wake-up could not be published.

        Raises nothing: they are stored, and without this they are only later.
        """
        try:
            self._store.hasten(envelope_ids, at=self._clock())
        except StoreUnavailable as error:
            _log.warning("store.unavailable", error=str(error))

    def deliver(self, id: str) -> Step:
        """Take one envelope one step further: at most one provider call.

        Safe to call at any time, any number of times, at once: the claim decides who calls.
        """
        # Somebody else may move it, or take the probe, between reading and claiming: then look again.
        for _ in range(3):
            work = self._store.load([id]).get(id)
            if work is None:
                self._alarm("envelope.missing", envelope_id=id)
                return Finished("missing")
            done = self._advance(work)
            if done is not None:
                return done
        return Finished("taken")

    def _advance(self, work: Work) -> Step | None:
        """Make the step that the envelope's state asks for; None if it was moved by somebody else meanwhile."""
        now = self._clock()
        if work.status is EnvelopeStatus.SENDING:
            return self._lapse(work, now=now)
        if work.at_rest:
            return Finished(work.status)
        if work.accepted:
            # A late answer said yes while the next call was already under way; that one did not say yes.
            return self._settle(work, Move(id=work.id, input=EnvelopeInput.ACCEPT), now=now)
        if now >= work.expires_at:
            return self._settle(work, self._policy.over(work, unknowns=work.unknowns), now=now)
        if work.next_attempt_at is not None and work.next_attempt_at > now + _SKEW:
            return Finished("waiting")
        return self._go_on(self._routed(work), now=now)

    def _go_on(self, work: Work, *, now: datetime) -> Step | None:
        """Call the next provider of the route, or wait until one may be called."""
        tried = [history(a) for a in work.attempts]
        resting = work.next_attempt_at is not None
        what = routing.next_step(work.route, tried, breaker.closed_until(work), resting=resting, now=now)
        return self._pause(work, what, now=now) if isinstance(what, Pause) else self._call(work, what, now=now)

    def _routed(self, work: Work) -> Work:
        """Return the work with its route, chosen now if this is the first attempt, less providers that are off."""
        route = work.route or self._routing.route(list(self._providers), uniform=self._policy.uniform)
        # A provider taken out of service since is not called; if none is left, those of today are.
        usable = tuple(p for p in route if p in self._providers) or tuple(self._providers)
        return replace(work, route=usable)

    def _pause(self, work: Work, pause: Pause, *, now: datetime) -> Step | None:
        at = self._policy.pause(work, pause, now=now)
        seen = len(work.attempts)
        if not self._store.postpone(work.id, seen=seen, until=at, wake_at=self._policy.wake_at(at), now=now):
            return None
        _log.info("envelope.postponed", envelope_id=work.id, until=at.isoformat())
        return step.later(at, work.attempts, "waiting", now=now)

    def _call(self, work: Work, what: Call, *, now: datetime) -> Step | None:
        provider = self._providers[what.provider]
        attempt = Attempt(
            id=ids.new(),
            number=len(work.attempts) + 1,
            round=what.round,
            provider=what.provider,
            started_at=now,
            lease_until=now + timedelta(seconds=self._terms.lease_seconds),
            # Written down before it can happen: an earlier call may have sent this mail already.
            possible_duplicate=work.unknowns > 0,
        )
        # Before the claim, so that a fault of ours in building it costs no attempt.
        request = provider.request(_envelope(work, attempt))
        if not self._claim(work, attempt, now=now):
            return None
        return self._send(work, attempt, request, provider)

    def _claim(self, work: Work, attempt: Attempt, *, now: datetime) -> bool:
        claim = Claim(
            id=work.id,
            project_id=work.project_id,
            request_id=work.request_id,
            route=work.route,
            seen=len(work.attempts),
            attempt=attempt,
            probes=breaker.concerning(work, attempt.provider),
        )
        return work.id in self._store.claim([claim], now=now + _SKEW)

    def _send(self, work: Work, attempt: Attempt, request: HttpRequest, provider: Provider) -> Step:
        done, error = call.make(attempt, request, provider=provider, transport=self._transport, clock=self._clock)
        now = self._clock()
        until = now + timedelta(seconds=self._terms.breaker_seconds)
        opened, closed = breaker.lesson(work, done, error, until=until)
        closed_until = breaker.closed_until(work)
        closed_until |= {b.provider: b.open_until for b in opened}
        move = self._policy.after(work, done, closed_until=closed_until, now=now)
        _log.info("attempt", **_line(work, done))
        happened = self._record(Result(attempt=done, move=move, opened=opened, closed=closed), now=now)
        if happened is None:
            # The lease ran out and somebody else went on; what we learned is kept with the attempt.
            _log.warning("attempt.late", envelope_id=work.id, attempt_id=done.id, outcome=done.outcome)
            return Finished("late")
        self._warn(work, done, error, happened)
        # An earlier attempt may have been answered with a late yes meanwhile: then that is what happened.
        return step.after(replace(move, input=happened), (*work.attempts, done), now=now)

    def _record(self, result: Result, *, now: datetime) -> EnvelopeInput | None:
        """Store the outcome; a database that is away for a moment is waited for, since the call cannot be repeated."""
        for pause in (0.2, 1, 3):
            try:
                return self._store.record([result], now=now).get(result.move.id)
            except StoreUnavailable:
                _log.warning("store.unavailable", envelope_id=result.move.id, attempt_id=result.attempt.id)
                self._sleep(pause)
        return self._store.record([result], now=now).get(result.move.id)

    def _lapse(self, work: Work, *, now: datetime) -> Step | None:
        """Give up an attempt whose call can no longer be running: its outcome is unknown, never *no*."""
        current = next((a for a in work.attempts if a.id == work.attempt_id), None)
        if current is None or current.lease_until > now:
            return Finished("sending")
        lost = replace(current, outcome=Outcome.UNKNOWN, error_code="worker_lost")
        move = self._policy.after(work, lost, closed_until=breaker.closed_until(work), now=now)
        happened = self._store.record([Result(attempt=lost, move=move)], now=now).get(work.id)
        if happened is None:
            return None
        _log.warning("attempt", **_line(work, lost))
        self._warn(work, lost, None, happened)
        return step.after(
            replace(move, input=happened), (*(a for a in work.attempts if a.id != lost.id), lost), now=now
        )

    def _settle(self, work: Work, move: Move, *, now: datetime) -> Step | None:
        if work.id not in self._store.settle([move], now=now):
            return None
        self._warn(work, None, None, move.input, reason=move.reason)
        return step.after(move, work.attempts, now=now)

    def _warn(
        self,
        work: Work,
        attempt: Attempt | None,
        error: ProviderError | None,
        happened: EnvelopeInput,
        *,
        reason: str | None = None,
    ) -> None:
        """Tell the operator what a person should look at."""
        about: dict[str, object] = {"envelope_id": work.id, "request_id": work.request_id, "reason": reason}
        if attempt is not None:
            about |= {"provider": attempt.provider, "status": attempt.status_code, "reason": attempt.error_code}
        if isinstance(error, AccountRefused):
            self._alarm("provider.account_refused", **about)
        elif isinstance(error, SenderRefused):
            self._alarm("provider.sender_refused", domain=work.message.sender.domain, **about)
        if happened in _ALARMS:
            self._alarm(_ALARMS[happened], **about)


def _envelope(work: Work, attempt: Attempt) -> Envelope:
    return Envelope(
        id=work.id,
        attempt_id=attempt.id,
        project_id=work.project_id,
        message=work.message,
        recipients=work.recipients,
        request_id=work.request_id,
    )


def _line(work: Work, attempt: Attempt) -> dict[str, object]:
    return {
        "envelope_id": work.id,
        "attempt_id": attempt.id,
        "request_id": work.request_id,
        "provider": attempt.provider,
        "duration_ms": attempt.duration_ms,
        "status": attempt.status_code,
        "outcome": attempt.outcome.value,
        "error": attempt.error_code,
        "retry": attempt.number - 1,
        "possible_duplicate": attempt.possible_duplicate,
    }
