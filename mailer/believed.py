"""What was read a moment ago and is believed for as long: for what is asked at every request and changes by hand."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

V = TypeVar("V")

# Things that are remembered at once; more are read again.
_MOST = 10_000


class Believed(Generic[V]):
    """Values by their names, each read again after some seconds. What is not there is not remembered.

    Args:
        read: returns a value, None if there is none of that name.
        seconds: how long it is believed.
    """

    def __init__(
        self, read: Callable[[str], V | None], *, seconds: float, steady: Callable[[], float] = time.monotonic
    ) -> None:
        self._read, self._seconds, self._steady = read, seconds, steady
        self._known: dict[str, tuple[V, float]] = {}
        self._lock = threading.Lock()

    def get(self, name: str) -> V | None:
        """Return the value, at most so many seconds old."""
        known = self._known.get(name)
        if known is not None and self._steady() < known[1]:
            return known[0]
        value = self._read(name)
        if value is not None:
            with self._lock:
                if len(self._known) >= _MOST:
                    self._known.clear()
                self._known[name] = value, self._steady() + self._seconds
        return value

    def forget(self) -> None:
        """Read everything again."""
        with self._lock:
            self._known.clear()
