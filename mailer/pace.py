"""How often a provider is asked: evenly, at most so many times a second."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Pace:
    """Lets whoever asks a provider wait for its turn; shared by the threads of a process.

    Args:
        rate: requests a second, for each provider.
    """

    def __init__(
        self, rate: float, *, steady: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._between = 1 / rate
        self._steady, self._sleep = steady, sleep
        self._next: dict[str, float] = {}
        self._lock = threading.Lock()

    def wait(self, provider: str) -> None:
        """Return when this provider may be asked."""
        with self._lock:
            now = self._steady()
            at = max(now, self._next.get(provider, now))
            self._next[provider] = at + self._between
        if at > now:
            self._sleep(at - now)
