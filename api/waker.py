"""Waking a worker after a message is on disk. It costs latency when it fails, never a message."""

from __future__ import annotations

import time
from collections.abc import Callable

from mailer import log
from mailer.client.task import SendEmail, wake
from mailer.delivery import Lane
from mailer.errors import BrokerUnavailable

_log = log.get(__name__)

# After a failure nobody tries for so many seconds: a broker that hangs would hold up every request for its timeout,
# and the sweep wakes what was not woken.
QUIET = 5.0


class Waker:
    """Publishes wake-ups, and leaves a broker that failed alone for a moment."""

    def __init__(self, task: SendEmail, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._task = task
        self._clock = clock
        self._quiet_until = float("-inf")

    def wake(self, id: str, *, lane: Lane, request_id: str) -> bool:
        """Wake a worker for a stored envelope; tell whether the broker confirmed."""
        if self._clock() < self._quiet_until:
            return False
        try:
            wake(self._task, id, lane=lane, request_id=request_id)
        except BrokerUnavailable as error:
            self._quiet_until = self._clock() + QUIET
            _log.warning("broker.unavailable", envelope_id=id, error=str(error))
            return False
        return True
