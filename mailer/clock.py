"""The one clock: UTC and aware. Everything else takes the time as an argument."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


def now() -> datetime:
    """Return the current time, aware, in UTC."""
    return datetime.now(UTC)


class SharedClock:
    """The time that all workers agree on: the database's, kept up with by our own monotonic clock in between.

    A worker whose own clock is an hour off would take every other worker's calls for dead.

    Args:
        read: asks the database; None where our own clock is everybody's. May raise: then the last answer goes on.
    """

    # Seconds after which the database is asked again; after which, if it did not answer; and by which our own two
    # clocks may differ before it is asked at once (somebody set the clock, or the machine slept).
    EVERY = 60.0
    AGAIN = 5.0
    JUMP = 1.0

    def __init__(
        self,
        read: Callable[[], datetime | None],
        *,
        wall: Callable[[], datetime] = now,
        steady: Callable[[], float] = time.monotonic,
        failed: tuple[type[Exception], ...] = (),
    ) -> None:
        self._read, self._wall, self._steady, self._failed = read, wall, steady, failed
        # (shared time, own wall clock, own steady clock) at one moment; replaced as a whole.
        self._anchor: tuple[datetime, datetime, float] | None = None
        self._not_before = float("-inf")

    def __call__(self) -> datetime:
        """Return the current time."""
        anchor, wall, steady = self._anchor, self._wall(), self._steady()
        if steady >= self._not_before and (anchor is None or self._is_old(anchor, wall, steady)):
            anchor = self._asked(anchor, wall, steady)
        return anchor[0] + timedelta(seconds=steady - anchor[2]) if anchor else wall

    def _is_old(self, anchor: tuple[datetime, datetime, float], wall: datetime, steady: float) -> bool:
        passed = steady - anchor[2]
        return passed > self.EVERY or abs((wall - anchor[1]).total_seconds() - passed) > self.JUMP

    def _asked(
        self, anchor: tuple[datetime, datetime, float] | None, wall: datetime, steady: float
    ) -> tuple[datetime, datetime, float] | None:
        try:
            shared = self._read()
        except self._failed:
            self._not_before = self._steady() + self.AGAIN
            return anchor
        # Between question and answer: the mistake is half of what the question took.
        middle = (steady + self._steady()) / 2
        self._anchor = (shared or wall, wall, middle if shared else steady)
        return self._anchor


def rfc3339(moment: datetime) -> str:
    """Return an aware time as RFC 3339 in UTC with milliseconds, e.g. `2026-11-24T09:30:00.000Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
