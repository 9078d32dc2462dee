"""Telling applications: events are numbered into their feeds, and endpoints called, each by one at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from mailer import callback, endpoint, ids, log
from mailer.alarm import Alarm
from mailer.callback import GIVE_UP_AFTER
from mailer.callback_http import CallbackTransport
from mailer.calling import Called, Turn, Waiting
from mailer.endpoint import Endpoint
from mailer.round import Answer, Round, made, webhook_id
from mailer.store.caller import CallerStore

_log = log.get(__name__)

# Seconds after which an endpoint in trouble is looked after again for which there was no thread.
_NO_ROOM = 1.0
# Events that are numbered in one transaction.
_BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How much is done at once.

    Attributes:
        calls: to one endpoint at the same time.
        threads: that one turn uses, for however many endpoints.
        batch: to one endpoint in a turn; a killed worker makes so many again.
        turn_seconds: no call of a turn begins later.
        lease_seconds: how long a turn is believed to go on.
        troubled: how many endpoints in trouble are called at the same time by this process.
    """

    calls: int
    threads: int
    batch: int
    turn_seconds: float
    lease_seconds: float
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

    def publish(self) -> set[Waiting]:
        """Number what is not in its feed yet; return the endpoints that are to be told.

        Several at once become one: whoever waits while others number is served by whoever goes next.
        """
        waiting: set[Waiting] = set()

        def number() -> None:
            more = True
            while more:
                more, found = self._store.number(limit=_BATCH, now=self._clock())
                waiting.update(found)

        self._numbering.do(number)
        return waiting

    def call(self, endpoints: Sequence[str]) -> Iterator[dict[Waiting, float]]:
        """Tell endpoints what waits for them; yield, as it turns out, those with more to tell, and in how many seconds.

        Each endpoint is called by one at a time: who comes while another one calls it has nothing to do. What a killed
        worker was telling is told again, under the same id. One in trouble is called only where it is the only one.
        """
        alone = len(endpoints) == 1
        now = self._clock()
        turn = Turn(id=ids.new(), until=now + timedelta(seconds=self._pace.lease_seconds))
        begun = self._store.begin(endpoints, turn, well=not alone, now=now)
        if alone and begun and begun[0].in_trouble:
            yield from self._with_patience(begun[0], turn)
        else:
            yield from self._turn(begun, turn)

    def overdue(self, *, older_than: float, limit: int) -> set[Waiting]:
        """Return endpoints that should have been told something so many seconds ago."""
        now = self._clock()
        return self._store.overdue(before=now - timedelta(seconds=older_than), now=now, limit=limit)

    def forget(self, *, limit: int) -> int:
        """Delete what is too old to be of use; return how many callbacks."""
        return self._store.forget(now=self._clock(), limit=limit)

    def _with_patience(self, called: Endpoint, turn: Turn) -> Iterator[dict[Waiting, float]]:
        """Call one in trouble, which takes long: only some threads are for such."""
        if not self._room.acquire(blocking=False):
            # Written down, so that of all who want to call it one comes back.
            now = self._clock()
            rest_until = now + timedelta(seconds=_NO_ROOM)
            self._store.record([called.id], [], turn=turn, after=lambda e: replace(e, rest_until=rest_until), now=now)
            yield {Waiting(called.id, alone=True): _NO_ROOM}
            return
        try:
            yield from self._turn([called], turn)
        finally:
            self._room.release()

    def _turn(self, begun: Sequence[Endpoint], turn: Turn) -> Iterator[dict[Waiting, float]]:
        now = self._clock()
        end = now + timedelta(seconds=self._pace.turn_seconds)
        due = self._store.due(begun, limit=self._pace.batch, now=now)
        # Of many together each gets its share of the threads.
        lanes = max(1, min(self._pace.calls, self._pace.threads // max(1, len(begun))))
        rounds = [
            Round(
                e, due.get(e.id, ()), transport=self._transport, end=end, clock=self._clock,
                # One that fails is asked with one first.
                lanes=1 if e.failures else lanes,
            )
            for e in begun
        ]  # fmt: skip
        for over in made(rounds):
            yield self._recorded(over, turn)

    def _recorded(self, over: Sequence[Round], turn: Turn) -> dict[Waiting, float]:
        """Write down what came of rounds, and let others call their endpoints; return when there is more to tell."""
        now = self._clock()
        told = {each.endpoint.id: each.answers for each in over}

        def after(e: Endpoint) -> Endpoint:
            pause = callback.pause(e.failures + 1, self._uniform)
            return endpoint.after(e, [answer.told for answer in told[e.id]], now=now, pause=pause)

        calls = [self._outcome(answer, each.endpoint, now=now) for each in over for answer in each.answers]
        ended = self._store.record(list(told), calls, turn=turn, after=after, now=now)
        for each in over:
            self._report(each.endpoint.id, each.answers)
            if each.endpoint.id not in ended:
                _log.warning("callback.turn_lost", endpoint_id=each.endpoint.id)
        self._warn(each.endpoint for each in ended.values() if each.switched_off)
        return {
            Waiting(id, alone=each.endpoint.in_trouble): max((each.next_at - self._clock()).total_seconds(), 0.0)
            for id, each in ended.items()
            if each.next_at is not None
        }

    def _outcome(self, answer: Answer, called: Endpoint, *, now: datetime) -> Called:
        call, told = answer.call, answer.told
        # As long as it is the endpoint that fails, everything waits for it.
        given_up = not called.failures and now - (call.since or answer.at) >= GIVE_UP_AFTER
        done = told.ok or given_up
        seconds = callback.pause(call.tries + 1, self._uniform, asked=told.retry_after)
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

    def _report(self, id: str, answers: Iterable[Answer]) -> None:
        for a in answers:
            say = _log.info if a.told.ok else _log.warning
            say(
                "callback",
                endpoint_id=id,
                event_id=webhook_id(a.call),
                message_id=a.call.event.message_id if a.call.event else None,
                request_id=a.call.event.request_id if a.call.event else None,
                attempt=a.call.attempts + 1,
                status=a.told.status,
                error=a.told.error,
                duration_ms=a.told.duration_ms,
            )

    def _warn(self, switched_off: Iterable[Endpoint]) -> None:
        for e in switched_off:
            self._alarm("endpoint.disabled", endpoint_id=e.id, project_id=e.project_id, reason=e.disabled_reason)


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
