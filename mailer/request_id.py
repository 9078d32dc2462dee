"""The id that one request keeps from the HTTP header through every task to the last log line."""

from __future__ import annotations

import re
from contextvars import ContextVar

from mailer import ids

HEADER = "x-request-id"
MAX_LENGTH = 128

# The request or task this thread (or coroutine) is working on.
_current: ContextVar[str | None] = ContextVar("request_id", default=None)

# `@` is left out on purpose: an address used as an id would be masked in the logs and then not be found by grep.
_WILD = re.compile(r"[^A-Za-z0-9._:/+=-]")


def clean(value: object) -> str:
    """Return the caller's id, bounded and harmless, or a new one where nothing usable is left.

    Kept are ASCII letters, digits and `._:/+=-`; at most 128 of them.
    """
    kept = _WILD.sub("", value)[:MAX_LENGTH] if isinstance(value, str) else ""
    return kept or ids.new()


def current() -> str | None:
    """Return the id of the request or task this thread is working on, if any."""
    return _current.get()


def enter(value: str | None) -> None:
    """Say which request this thread works on from here on (None: no request)."""
    _current.set(value)
