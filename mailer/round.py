"""The calls of one endpoint that are made together, several at a time, until it is time to stop."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime

from mailer import callback
from mailer.callback import Told
from mailer.callback_http import CallbackTransport, Line
from mailer.calling import Call
from mailer.endpoint import IN_TROUBLE, Endpoint
from mailer.event import FeedType
from mailer.feed import FeedEvent
from mailer.resource import plain

# Seconds after which rounds that are over do not wait for the others any more.
_WAVE = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A call that was made, when, and what came of it."""

    call: Call
    at: datetime
    told: Told


class Round:
    """Calls to one endpoint.

    Args:
        due: in the order in which they are to be made.
        lanes: how many are made at the same time.
        end: no call begins later.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        due: Sequence[Call],
        *,
        transport: CallbackTransport,
        lanes: int,
        end: datetime,
        clock: Callable[[], datetime],
    ) -> None:
        self.endpoint = endpoint
        self.answers: list[Answer] = []
        self.lanes = min(len(due), lanes)
        self._left = list(reversed(due))
        self._transport, self._end, self._clock = transport, end, clock
        self._keys = endpoint.signs_with(now=clock())
        self._lock = threading.Lock()

    def lane(self) -> None:
        """Make calls one after the other, as long as there are any and it makes sense."""
        with ExitStack() as opened:
            lines: dict[str, Line] = {}
            while (call := self._next()) is not None:
                if call.url not in lines:
                    lines[call.url] = opened.enter_context(self._transport.line(call.url))
                at, body = self._clock(), _body(call)
                told = lines[call.url].post(callback.headers(self._keys, id=webhook_id(call), at=at, body=body), body)
                with self._lock:
                    self.answers.append(Answer(call=call, at=at, told=told))

    def _next(self) -> Call | None:
        with self._lock:
            failed = sum(not answer.told.ok for answer in self.answers)
            return self._left.pop() if self._left and failed < IN_TROUBLE and self._clock() < self._end else None


def made(rounds: Iterable[Round]) -> Iterator[list[Round]]:
    """Make the calls of several endpoints at once, and yield rounds as they are over: none waits for a slow one."""
    ready = [each for each in rounds if not each.lanes]
    working = [each for each in rounds if each.lanes]
    if ready:
        yield ready
    if len(working) == 1 and working[0].lanes == 1:
        working[0].lane()
        yield working
        return
    if working:
        yield from _waves(working)


def _waves(working: Sequence[Round]) -> Iterator[list[Round]]:
    with ThreadPoolExecutor(sum(each.lanes for each in working)) as pool:
        running = {each: [pool.submit(each.lane) for _ in range(each.lanes)] for each in working}
        wait([future for futures in running.values() for future in futures], timeout=_WAVE)
        while running:
            over = [each for each, futures in running.items() if all(future.done() for future in futures)]
            for each in over:
                _raise(running.pop(each))
            if over:
                yield over
            else:
                left = [future for futures in running.values() for future in futures if not future.done()]
                wait(left, return_when=FIRST_COMPLETED)


def _raise(futures: Iterable[Future[None]]) -> None:
    for future in futures:
        future.result()


def webhook_id(call: Call) -> str:
    """Return what a callback is known by, however often it comes."""
    return call.event.id if call.event else call.id


def _body(call: Call) -> bytes:
    event = call.event or FeedEvent(
        id=call.id, sequence=None, type=FeedType.TEST, occurred_at=call.created_at, detail="a test that was asked for"
    )
    data = plain(event)
    return json.dumps({"type": data["type"], "timestamp": data["occurred_at"], "data": data}).encode()
