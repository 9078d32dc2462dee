"""The one clock: UTC and aware. Everything else takes the time as an argument."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


def now() -> datetime:
    """Return the current time, aware, in UTC."""
    return datetime.now(UTC)


# The shared time, our wall clock and our steady clock at one moment; replaced as a whole.
Anchor = tuple[datetime, datetime, float]


class SharedClock:
    """The time that all workers agree on: the database's, kept up with by our own monotonic clock in between.

    A worker whose own clock is an hour off would take every other worker's calls for dead.

    Args:
        read: asks the database; None where our own clock is everybody's.
        failed: what it raises when the database is away: then time goes on from the last answer.
    """

    # Seconds after which the database is asked again; after which, if it did not answer; and by which our own two
    # clocks may differ before it is asked at once (somebody set the clock, or the machine slept).
    EVERY = 60.0
    AGAIN = 5.0
    JUMP = 1.0
    # A question that takes longer says too little.
    SLOW = 2.0

    def __init__(
        self,
        read: Callable[[], datetime | None],
        *,
        wall: Callable[[], datetime] = now,
        steady: Callable[[], float] = time.monotonic,
        failed: tuple[type[Exception], ...] = (),
    ) -> None:
        self._read, self._wall, self._steady, self._failed = read, wall, steady, failed
        self._anchor: Anchor | None = None
        self._asking = threading.Lock()
        self._not_before = float("-inf")

    def __call__(self) -> datetime:
        """Return the current time.

        Raises:
            Exception: what `read` raises, if it has never answered yet: no other time will do.
        """
        anchor, wall, steady = self._anchor, self._wall(), self._steady()
        if anchor is None or (steady >= self._not_before and self._is_old(anchor, wall, steady)):
            anchor = self._asked(anchor)
        return anchor[0] + timedelta(seconds=self._steady() - anchor[2])

    def _is_old(self, anchor: Anchor, wall: datetime, steady: float) -> bool:
        passed = steady - anchor[2]
        return passed > self.EVERY or abs((wall - anchor[1]).total_seconds() - passed) > self.JUMP

    def _asked(self, anchor: Anchor | None) -> Anchor:
        """Return what the clock goes by from now on."""
        # One asks, the others go on by the last answer while there is one.
        if anchor is None:
            self._asking.acquire()
        elif not self._asking.acquire(blocking=False):
            return anchor
        try:
            found, took = self._question()
            if took > self.SLOW:
                # The mistake may be half of that. A second question finds the connection open.
                found, took = self._question()
            if took <= self.SLOW or anchor is None:
                self._anchor = anchor = found
            else:
                self._not_before = self._steady() + self.AGAIN
        except self._failed:
            self._not_before = self._steady() + self.AGAIN
            if anchor is None:
                raise
        finally:
            self._asking.release()
        return anchor

    def _question(self) -> tuple[Anchor, float]:
        """Ask; return the anchor, and how long that took."""
        begun = self._steady()
        shared = self._read()
        wall, ended = self._wall(), self._steady()
        # Our own clock is read at the end; the database's was somewhere between.
        return ((shared, wall, (begun + ended) / 2) if shared else (wall, wall, ended)), ended - begun


def rfc3339(moment: datetime) -> str:
    """Return an aware time as RFC 3339 in UTC with milliseconds, e.g. `2026-11-24T09:30:00.000Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
