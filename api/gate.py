"""Refuses new messages while too many wait already: saying so early is better than promising what cannot be kept."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from mailer import log
from mailer.delivery import Lane
from mailer.errors import MailerError
from mailer.intake import Intake
from mailer.settings import Settings

_log = log.get(__name__)

# Seconds that what was found holds.
_HOLDS = 2.0
# Seconds after which a caller may try again.
RETRY_AFTER = 60


class TooMuchWaiting(MailerError):
    """More waits in this lane than the operator wants to promise."""


class Gate:
    """Looks at the backlog of each lane every other second, and lets in or not."""

    def __init__(self, intake: Intake, settings: Settings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._intake = intake
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._found: dict[Lane, tuple[float, str]] = {}

    def check(self, lane: Lane) -> None:
        """Return if a message of this lane may come in.

        Raises:
            TooMuchWaiting: it may not; says why.
            StoreUnavailable: nobody knows.
        """
        until, why = self._found.get(lane, (0.0, ""))
        if self._clock() >= until:
            why = self._look(lane)
        if why:
            raise TooMuchWaiting(why)

    def _look(self, lane: Lane) -> str:
        _, before = self._found.get(lane, (0.0, ""))
        # One looks, the others go by what was found last: a database that hangs must not hold up all of them here.
        if not self._lock.acquire(blocking=False):
            return before
        try:
            self._found[lane] = (self._clock() + _HOLDS, before)
            why = self._reason(lane)
            if why:
                _log.warning("backlog", lane=lane.value, reason=why)
            self._found[lane] = (self._clock() + _HOLDS, why)
        finally:
            self._lock.release()
        return why

    def _reason(self, lane: Lane) -> str:
        seconds, depth = self._settings.backlog(lane)
        if not seconds and not depth:
            return ""
        found = self._intake.backlog(lane)
        age = self._intake.age(found).total_seconds()
        if seconds and age > seconds:
            return f"the oldest {lane.value} message has been waiting for {age:.0f} s, at most {seconds:g} are promised"
        if depth and found.depth > depth:
            return f"{found.depth} {lane.value} messages are waiting, at most {depth} are taken"
        return ""
