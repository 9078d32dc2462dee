"""What one call to a provider came to. Three answers and no fourth: *unknown* is never treated as *no*."""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """The outcome of an attempt (design.md section 5). `STARTED` is an attempt that has none yet."""

    STARTED = "started"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    NOT_ACCEPTED = "not_accepted"
    UNKNOWN = "unknown"
