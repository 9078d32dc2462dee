"""Signals around something that must be put right again."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

_ENDS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def terminated_is_interrupted() -> Iterator[None]:
    """Let SIGTERM end the block as Ctrl-C does: by an exception, so that what it opened is closed."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def not_now() -> Iterator[None]:
    """Do not let the block be ended by a signal; it takes seconds at most."""
    before = {sign: signal.signal(sign, signal.SIG_IGN) for sign in _ENDS}
    try:
        yield
    finally:
        for sign, handler in before.items():
            signal.signal(sign, handler)
