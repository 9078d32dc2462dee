"""Telling applications: events are numbered into their feeds, and endpoints called, each by one at a time."""

from __future__ import annotations

import functools
import json
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta

from mailer import callback, endpoint, ids, log
from mailer.alarm import Alarm
from mailer.callback import GIVE_UP_AFTER, Told
from mailer.callback_http import CallbackTransport, Line
from mailer.endpoint import IN_TROUBLE, Disabled, Endpoint
from mailer.event import FeedType
from mailer.ledger import Call, Called
from mailer.resource import FeedEvent, plain
from mailer.store.caller import CallerStore

_log = log.get(__name__)

# Events that are numbered in one transaction.
_BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How much is done at once.

    Attributes:
        calls: to one endpoint at the same time.
        batch: calls of which the outcome is stored together; a killed worker makes so many again.
        turn_seconds: how long an endpoint is called before others get the thread.
        lease_seconds: how long a turn is believed to go on.
        slow_seconds: an endpoint whose calls take longer counts as one in trouble.
        troubled: how many endpoints in trouble are called at the same time by this process.
    """

    calls: int
    batch: int
    turn_seconds: float
    lease_seconds: float
    slow_seconds: float = 2.0
    troubled: int


class Caller:
    """The use cases of callbacks, for workers."""

    def __init__(
        self,
        *,
        store: CallerStore,
        transport: CallbackTransport,
        pace: Pace,
        alarm: Alarm,
        clock: Callable[[], datetime],
        uniform: Callable[[float, float], float],
    ) -> None:
        self._store = store
        self._transport = transport
        self._pace = pace
        self._alarm = alarm
        self._clock = clock
        self._uniform = uniform
        self._numbering = _Together()
        self._room = threading.BoundedSemaphore(pace.troubled)
        self._slow: set[str] = set()

    def publish(self) -> Sequence[str]:
        """Number what is not in its feed yet; return the endpoints that are to be told.

        Several at once become one: whoever waits while others number is served by whoever goes next.
        """
        waiting: set[str] = set()

        def number() -> None:
            count = _BATCH
            while count == _BATCH:
                count, found = self._store.number(limit=_BATCH, now=self._clock())
                waiting.update(found)

        self._numbering.do(number)
        return sorted(waiting)

    def call(self, id: str) -> float | None:
        """Tell an endpoint what waits for it; return in how many seconds there is more, None if nothing waits.

        One at a time: who comes while another one calls it has nothing to do. What a killed worker was telling is told
        again, under the same id.
        """
        turn_id, now = ids.new(), self._clock()
        until = now + timedelta(seconds=self._pace.lease_seconds)
        called = self._store.begin(id, turn_id=turn_id, until=until, now=now)
        if called is None:
            return None
        troubled = called.failures > 0 or id in self._slow
        if troubled and not self._room.acquire(blocking=False):
            # Endpoints in trouble take long: only some threads are theirs.
            self._store.end(id, turn_id=turn_id)
            return 1.0
        try:
            rest_until = self._turn(called, turn_id, end=now + timedelta(seconds=self._pace.turn_seconds))
        finally:
            if troubled:
                self._room.release()
            next_at = self._store.end(id, turn_id=turn_id)
        if next_at is None:
            return None
        return max((max(next_at, rest_until or next_at) - self._clock()).total_seconds(), 0.0)

    def overdue(self, *, older_than: float, limit: int) -> Sequence[str]:
        """Return endpoints that should have been told something so many seconds ago."""
        now = self._clock()
        return self._store.overdue(before=now - timedelta(seconds=older_than), now=now, limit=limit)

    def forget(self, *, limit: int) -> int:
        """Delete what is too old to be of use; return how many callbacks."""
        return self._store.forget(now=self._clock(), limit=limit)

    def _turn(self, called: Endpoint, turn_id: str, *, end: datetime) -> datetime | None:
        """Call an endpoint until nothing is due, its time is over or it is in trouble; until when it then rests."""
        while True:
            # One that fails is asked with one first.
            limit = 1 if called.failures else self._pace.batch
            due = self._store.due(called, limit=limit, now=self._clock())
            answers = self._make(called, due, end=end)
            now = self._clock()
            found = self._store.record(
                called.id,
                [self._outcome(a, now=now) for a in answers],
                turn_id=turn_id,
                after=functools.partial(self._after, [a.told for a in answers], now),
                now=now,
            )
            if found is None:
                _log.warning("callback.turn_lost", endpoint_id=called.id)
                return None
            self._report(called, found, answers)
            called = found
            resting = found.rest_until is not None and found.rest_until > now
            if len(due) < limit or len(answers) < len(due) or now >= end or resting or _is_off(found):
                return found.rest_until

    def _make(self, called: Endpoint, due: Sequence[Call], *, end: datetime) -> list[_Answer]:
        """Make calls, several at once, until it is time to stop or too many have failed; in the order of answers."""
        left, answers, lock = list(reversed(due)), list[_Answer](), threading.Lock()
        keys = called.signs_with(now=self._clock())

        def next_call() -> Call | None:
            with lock:
                failed = sum(not a.told.ok for a in answers)
                return left.pop() if left and failed < IN_TROUBLE and self._clock() < end else None

        def lane() -> None:
            with ExitStack() as open_lines:
                lines: dict[str, Line] = {}
                while (call := next_call()) is not None:
                    if call.url not in lines:
                        lines[call.url] = open_lines.enter_context(self._transport.line(call.url))
                    at, body = self._clock(), _body(call)
                    headers = callback.headers(keys, id=_webhook_id(call), at=at, body=body)
                    told = lines[call.url].post(headers, body)
                    with lock:
                        answers.append(_Answer(call=call, at=at, told=told))

        count = min(len(due), 1 if called.failures else self._pace.calls)
        if count <= 1:
            lane()
            return answers
        with ThreadPoolExecutor(count) as pool:
            for done in [pool.submit(lane) for _ in range(count)]:
                done.result()
        return answers

    def _after(self, answers: Sequence[Told], now: datetime, called: Endpoint) -> Endpoint:
        pause = callback.pause(called.failures + 1, self._uniform)
        return endpoint.after(called, answers, now=now, pause=pause)

    def _outcome(self, answer: _Answer, *, now: datetime) -> Called:
        call, told = answer.call, answer.told
        done = told.ok or now - call.since >= GIVE_UP_AFTER
        seconds = callback.pause(call.attempts + 1, self._uniform, asked=told.retry_after)
        return Called(
            call=call,
            at=answer.at,
            duration_ms=told.duration_ms,
            status_code=told.status,
            error=told.error,
            excerpt=told.excerpt,
            told=told.ok,
            next_at=None if done else now + timedelta(seconds=seconds),
        )

    def _report(self, was: Endpoint, now: Endpoint, answers: Sequence[_Answer]) -> None:
        for a in answers:
            say = _log.info if a.told.ok else _log.warning
            say(
                "callback",
                endpoint_id=was.id,
                event_id=_webhook_id(a.call),
                message_id=a.call.event.message_id if a.call.event else None,
                request_id=a.call.event.request_id if a.call.event else None,
                attempt=a.call.attempts + 1,
                status=a.told.status,
                error=a.told.error,
                duration_ms=a.told.duration_ms,
            )
        if answers:
            mean = sum(a.told.duration_ms for a in answers) / len(answers) / 1000
            (self._slow.add if mean > self._pace.slow_seconds else self._slow.discard)(was.id)
        if now.disabled_reason and not was.disabled_reason:
            self._alarm("endpoint.disabled", endpoint_id=was.id, project_id=was.project_id, reason=now.disabled_reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    call: Call
    at: datetime
    told: Told


class _Together:
    """Lets work that several threads ask for at once be done once for all who wait."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counting = threading.Lock()
        self._asked = 0
        self._done = 0

    def do(self, work: Callable[[], None]) -> None:
        """Return once `work` has been done from its beginning to its end since this was called."""
        with self._counting:
            self._asked += 1
            mine = self._asked
        with self._lock:
            if self._done >= mine:
                return
            with self._counting:
                until = self._asked
            work()
            self._done = until


def _webhook_id(call: Call) -> str:
    return call.event.id if call.event else call.id


def _body(call: Call) -> bytes:
    event = call.event or FeedEvent(
        id=call.id, sequence=None, type=FeedType.TEST, occurred_at=call.created_at, detail="a test that was asked for"
    )
    data = plain(event)
    return json.dumps({"type": data["type"], "timestamp": data["occurred_at"], "data": data}).encode()


def _is_off(endpoint: Endpoint) -> bool:
    return endpoint.disabled_reason not in (None, Disabled.FAILING)
