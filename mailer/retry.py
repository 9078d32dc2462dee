"""When to come back: exponential backoff with full jitter, as pure decisions."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

# "try again after 120 seconds", "try again after Mon, 20 Dec 2021 20:33:21 UTC": Mailgun says it in words.
_IN_WORDS = re.compile(r"try again after (?:(\d+) seconds|(.+? UTC))")

# No provider asks for more; a stray value (epoch seconds, say) must not put a mail to sleep for years.
LONGEST = 3600.0


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential backoff with full jitter.

    Attributes:
        base: seconds, the ceiling of the first pause.
        maximum: seconds, the ceiling of every pause.
    """

    base: float
    maximum: float

    def pause(self, *, retry: int, uniform: Callable[[float, float], float]) -> int:
        """Return the whole seconds to wait before retry number `retry` (0 for the first).

        Never below 1: a delay between 0 and 1 second is lost by a quorum queue (celery.md, trap 3).
        """
        # 2**retry overflows a float long after the ceiling is reached.
        ceiling = min(self.maximum, self.base * 2 ** min(retry, 32))
        return max(1, round(uniform(0, ceiling)))


def retry_after(header: str | None, text: str = "", *, now: datetime, longest: float = LONGEST) -> float | None:
    """Return the seconds a provider (or an endpoint) asks us to wait, from its Retry-After header or else its words.

    The header may be seconds or an HTTP date (RFC 9110 section 10.2.3). None when nothing usable is said; never more
    than `longest`.
    """
    words = _IN_WORDS.search(text)
    said = (header or (words[1] or words[2] if words else "")).strip()
    if not said:
        return None
    seconds = float(said[:10]) if said.isascii() and said.isdigit() else _seconds_until(said, now=now)
    return None if seconds is None else min(max(seconds, 0.0), longest)


def _seconds_until(date: str, *, now: datetime) -> float | None:
    try:
        moment = parsedate_to_datetime(date.replace("UTC", "GMT"))
        return (moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds()
    except (ValueError, OverflowError):
        return None
