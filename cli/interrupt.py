"""Signals around something that must be put right again."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_ENDS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def interruptible() -> Iterator[Callable[[], None]]:
    """Let SIGTERM end the block as Ctrl-C does: by KeyboardInterrupt, so that what it opened is closed.

    Yields:
        What raises it once more if it was raised before: an exception that comes where nobody can catch it (in a
        destructor, say) is dropped by Python. To be called now and then by whoever waits.
    """
    asked = threading.Event()

    def end(*_: object) -> None:
        asked.set()
        raise KeyboardInterrupt

    def look() -> None:
        if asked.is_set():
            raise KeyboardInterrupt

    before = {sign: signal.signal(sign, end) for sign in _ENDS}
    try:
        yield look
    finally:
        for sign, handler in before.items():
            signal.signal(sign, handler)


@contextmanager
def not_now() -> Iterator[None]:
    """Do not let the block be ended by a signal; it takes seconds at most."""
    before = {sign: signal.signal(sign, signal.SIG_IGN) for sign in _ENDS}
    try:
        yield
    finally:
        for sign, handler in before.items():
            signal.signal(sign, handler)
