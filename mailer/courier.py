"""How one envelope is delivered: what its state asks for, the claim, the call, the outcome."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from mailer import breaker, call, ids, log, report, routing, step, suppression
from mailer.alarm import Alarm
from mailer.delivery import EnvelopeInput, EnvelopeStatus
from mailer.inquiry import Inquirer
from mailer.ledger import Attempt, Claim, Move, Result, Work
from mailer.outcome import Outcome
from mailer.policy import Policy, history
from mailer.ports import Envelope, HttpRequest, Provider, Store, Transport
from mailer.recorder import Kept, Recorder
from mailer.routing import Call, Pause, Routing
from mailer.step import Finished, Step

_log = log.get(__name__)

# A wake-up that comes this much early is not sent back to sleep.
_SKEW = timedelta(seconds=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How long things are believed, seconds.

    Attributes:
        call_seconds: the longest one provider call takes.
        lease_seconds: how long a claim is believed; the call, and the time it may take to begin.
        doubt_seconds: how long, once its lease is over, an attempt is left to whoever may still hold its answer.
        breaker_seconds: how long a provider that refused us is left alone.
    """

    call_seconds: float
    lease_seconds: float
    doubt_seconds: float
    breaker_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Courier:
    """Takes envelopes one step further each time it is asked to.

    Attributes:
        silent: returns the providers that a new route is to call last.
    """

    store: Store
    providers: Mapping[str, Provider]
    transport: Transport
    routing: Routing
    policy: Policy
    terms: Terms
    recorder: Recorder
    inquirer: Inquirer
    alarm: Alarm
    clock: Callable[[], datetime]
    silent: Callable[[], Collection[str]] = frozenset

    def deliver(self, id: str) -> Step:
        """Take one envelope one step further: at most one provider call that sends.

        Safe to call at any time, any number of times, at once: the claim decides who calls.
        """
        # Somebody else may move it, take the probe, or suppress a recipient between reading and claiming: look again.
        for _ in range(4):
            work = self.store.load([id]).get(id)
            if work is None:
                self.alarm("envelope.missing", envelope_id=id)
                return Finished("missing")
            done = self._advance(work)
            if done is not None:
                return done
        return Finished("taken")

    def _advance(self, work: Work) -> Step | None:
        """Make the step that the envelope's state asks for; None if it was moved by somebody else meanwhile."""
        now = self.clock()
        if work.status is EnvelopeStatus.SENDING:
            return self._doubt(work, now=now)
        if work.at_rest:
            return Finished(work.status)
        if work.accepted:
            # A late answer said yes while the next call was already under way; that one did not say yes.
            return self._settle(work, Move(id=work.id, input=EnvelopeInput.ACCEPT), now=now)
        early = work.next_attempt_at is not None and work.next_attempt_at > now + _SKEW
        if work.status is EnvelopeStatus.UNKNOWN and (found := self._inquire(work, early=early)):
            return found
        # An inquiry takes its time, and a call's lease begins now.
        now = self.clock()
        return self._wait(work) if early and now < work.expires_at else self._go_on(work, now=now)

    def _wait(self, work: Work) -> Step:
        """Leave it to whoever comes at its time; whoever woke it too early has put that off."""
        if work.next_attempt_at is not None:
            self.store.hasten([work.id], at=self.policy.wake_at(work.next_attempt_at))
        return Finished("waiting")

    def _inquire(self, work: Work, *, early: bool) -> Step | None:
        """Ask the providers that left us in the dark; None if it is time to go on without an answer."""
        found = self.inquirer.ask(work, closed=breaker.closed_until(work))
        if found is not None:
            report.attempt(work, found)
            return self._recorded(work, Result(attempt=found, move=Move(id=work.id, input=EnvelopeInput.ACCEPT)))
        if not early:
            return None
        self.store.look_again(work.id, at=self.policy.look_at(work, now=self.clock()))
        return Finished("waiting")

    def _go_on(self, work: Work, *, now: datetime) -> Step | None:
        """Call the next provider of the route, or wait until one may be called; or end it, if its time is over."""
        if now >= work.expires_at:
            return self._settle(work, self.policy.over(work, unknowns=work.unknowns), now=now)
        if work.barred:
            self._leave_out(work, now=now)
            return None
        if reason := suppression.end(r.role for r in work.recipients):
            return self._settle(work, self.policy.nobody(work, reason=reason), now=now)
        work = self._routed(work)
        tried = [history(a) for a in work.attempts]
        resting = work.next_attempt_at is not None
        what = routing.next_step(work.route, tried, breaker.closed_until(work), resting=resting, now=now)
        return self._pause(work, what, now=now) if isinstance(what, Pause) else self._call(work, what, now=now)

    def _leave_out(self, work: Work, *, now: datetime) -> None:
        """Write down who is not to be mailed any more; what then is to be done is seen on looking again."""
        if self.store.suppress(work.id, work.barred, seen=len(work.attempts), now=now):
            _log.info("recipients.suppressed", envelope_id=work.id, count=len(work.barred))

    def _routed(self, work: Work) -> Work:
        """Return the work with its route, chosen now if this is the first attempt, less providers that are off."""
        route = work.route or self.routing.route(
            list(self.providers), uniform=self.policy.uniform, silent=self.silent()
        )
        # A provider taken out of service since is not called; if none is left, those of today are.
        usable = tuple(p for p in route if p in self.providers) or tuple(self.providers)
        return replace(work, route=usable)

    def _pause(self, work: Work, pause: Pause, *, now: datetime) -> Step | None:
        at = self.policy.pause(work, pause, now=now)
        seen = len(work.attempts)
        if not self.store.postpone(work.id, seen=seen, until=at, wake_at=self.policy.wake_at(at), now=now):
            return None
        _log.info("envelope.postponed", envelope_id=work.id, until=at.isoformat())
        return step.later(at, work.attempts, "waiting", now=now)

    def _call(self, work: Work, what: Call, *, now: datetime) -> Step | None:
        provider = self.providers[what.provider]
        attempt = Attempt(
            id=ids.new(),
            number=len(work.attempts) + 1,
            round=what.round,
            provider=what.provider,
            started_at=now,
            lease_until=now + timedelta(seconds=self.terms.lease_seconds),
            # Written down before it can happen: an earlier call may have sent this mail already.
            possible_duplicate=work.unknowns > 0,
        )
        # Before the claim, so that a fault of ours in building it costs no attempt.
        request = provider.request(Envelope.of_work(work, attempt_id=attempt.id))
        if not self._claim(work, attempt, now=now):
            return None
        return self._send(work, attempt, request, provider)

    def _claim(self, work: Work, attempt: Attempt, *, now: datetime) -> bool:
        claim = Claim(
            id=work.id,
            project_id=work.project_id,
            request_id=work.request_id,
            created_at=work.created_at,
            route=work.route,
            seen=len(work.attempts),
            attempt=attempt,
            probes=breaker.concerning(work, attempt.provider),
            test=work.test,
            emails=tuple(r.address.key for r in work.recipients),
            bars=suppression.in_the_way(work.message),
        )
        return work.id in self.store.claim([claim], now=now + _SKEW)

    def _send(self, work: Work, attempt: Attempt, request: HttpRequest, provider: Provider) -> Step:
        # A call that began later would still run when its lease is over.
        latest = attempt.lease_until - timedelta(seconds=self.terms.call_seconds)
        done, error = call.make(
            attempt,
            request,
            provider=provider,
            transport=self.transport,
            clock=self.clock,
            latest=latest,
            test=work.test,
        )
        now = self.clock()
        until = now + timedelta(seconds=self.terms.breaker_seconds)
        opened, closed = breaker.lesson(work, done, error, until=until)
        closed_until = breaker.closed_until(work)
        closed_until |= {b.provider: b.open_until for b in opened}
        move = self.policy.after(work, done, closed_until=closed_until, now=now)
        report.attempt(work, done)
        report.refusal(self.alarm, work, done, error)
        return self._recorded(work, Result(attempt=done, move=move, opened=opened, closed=closed))

    def _doubt(self, work: Work, *, now: datetime) -> Step | None:
        """Give up an attempt whose call can no longer be running: its outcome is unknown, never *no*.

        Not at the first look: the database was there at that moment, so whoever holds an answer that it could not
        store (mailer/spool.py) gets the time to do so.
        """
        current = next((a for a in work.attempts if a.id == work.attempt_id), None)
        if current is None:
            return Finished("sending")
        doubt = timedelta(seconds=self.terms.doubt_seconds)
        if current.lease_until > now:
            self.store.hasten([work.id], at=current.lease_until)
            return Finished("sending")
        if current.doubted_at is None:
            self.store.doubt(work.id, attempt_id=current.id, wake_at=now + doubt, now=now)
            return Finished("sending")
        if current.doubted_at + doubt > now:
            self.store.hasten([work.id], at=current.doubted_at + doubt)
            return Finished("sending")
        lost = replace(current, outcome=Outcome.UNKNOWN, error_code="worker_lost")
        move = self.policy.after(work, lost, closed_until=breaker.closed_until(work), now=now)
        result = Result(attempt=lost, move=move)
        # Not by way of the spool, where the answer itself may lie: this is no knowledge, and can be found out again.
        happened = self.store.record([result], now=now).get(work.id)
        if happened is None:
            return None
        report.attempt(work, lost)
        return self._followed(work, result, happened)

    def _recorded(self, work: Work, result: Result) -> Step:
        """Store an outcome and return the step that follows."""
        happened = self.recorder.record(result)
        if isinstance(happened, Kept):
            # Stored with its attempt, or kept on disk: either way the envelope goes on by other hands.
            _log.warning("attempt.kept", envelope_id=work.id, attempt_id=result.attempt.id, how=happened.value)
            return Finished(happened.value)
        return self._followed(work, result, happened)

    def _followed(self, work: Work, result: Result, happened: EnvelopeInput) -> Step:
        report.end(self.alarm, result.move, happened, request_id=work.request_id, last=result.attempt)
        # An earlier attempt may have been answered with a late yes meanwhile: then that is what happened.
        tried = (*(a for a in work.attempts if a.id != result.attempt.id), result.attempt)
        return step.after(replace(result.move, input=happened), tried, now=self.clock())

    def _settle(self, work: Work, move: Move, *, now: datetime) -> Step | None:
        if work.id not in self.store.settle([replace(move, seen=len(work.attempts))], now=now):
            return None
        report.end(self.alarm, move, move.input, request_id=work.request_id)
        return step.after(move, work.attempts, now=now)
