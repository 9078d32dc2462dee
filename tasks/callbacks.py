"""`tasks.publish_events` and `tasks.call_endpoints`: applications are told what became of their mails."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping

from mailer import bootstrap, log, request_id
from mailer.calling import Waiting
from mailer.client.task import announce
from mailer.errors import BrokerUnavailable, StoreUnavailable
from mailer.settings import CALL_TASK, TELL_TASK
from tasks.app import app

_log = log.get(__name__)

# What waits longer is left to the sweep, which looks more often than that.
_SOON = 60.0
# Endpoints that one task calls, if they are well.
_TOGETHER = 25
# Seconds between two announcements of this process that there is something to number.
_RARELY = 0.5


@app.task(name=TELL_TASK)
def publish_events() -> None:
    """Number what has happened into its feed, and have the endpoints called that wait for it."""
    try:
        publish()
    except StoreUnavailable as error:
        _log.warning("store.unavailable", error=str(error))  # the sweep comes again


@app.task(name=CALL_TASK)
def call_endpoints(ids: list[str]) -> int:
    """Tell endpoints what waits for them; for how many there is more. The sweep finds those that nobody calls."""
    try:
        return sum(_go_on(again) for again in bootstrap.caller().call(ids))
    except StoreUnavailable as error:
        _log.warning("store.unavailable", endpoints=len(ids), error=str(error))
        return len(ids)


def _go_on(again: Mapping[Waiting, float]) -> int:
    """Have endpoints called again that there is more for; return how many."""
    wake(waiting for waiting, seconds in again.items() if seconds == 0)
    for waiting, seconds in again.items():
        if 0 < seconds <= _SOON:
            wake([waiting], countdown=seconds)
    return len(again)


def publish() -> None:
    """Number what has happened, and have the endpoints called that wait for it. Raises StoreUnavailable."""
    wake(bootstrap.caller().publish())


def wake(endpoints: Iterable[Waiting], *, countdown: float = 0) -> None:
    """Publish that these are to be called, many of them together; what the broker does not take is the sweep's."""
    found = sorted(endpoints)
    well = [waiting.endpoint_id for waiting in found if not waiting.alone]
    groups = [well[start : start + _TOGETHER] for start in range(0, len(well), _TOGETHER)]
    rid = request_id.current() or request_id.clean(None)
    try:
        for group in (*groups, *([waiting.endpoint_id] for waiting in found if waiting.alone)):
            announce(call_endpoints, CALL_TASK, request_id=rid, countdown=countdown, ids=group)
    except BrokerUnavailable as error:
        _log.warning("broker.unavailable", error=str(error))


class _Rarely:
    """Says yes at most once in so many seconds."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._next, self._lock = seconds, 0.0, threading.Lock()

    def __call__(self) -> bool:
        with self._lock:
            now = time.monotonic()
            if now < self._next:
                return False
            self._next = now + self._seconds
            return True


_now_and_then = _Rarely(_RARELY)


def publish_soon() -> None:
    """Have what has happened numbered by somebody else; of many in a row, the last are the sweep's."""
    if not _now_and_then():
        return
    try:
        announce(publish_events, TELL_TASK, request_id=request_id.current() or request_id.clean(None))
    except BrokerUnavailable as error:
        _log.warning("broker.unavailable", error=str(error))
