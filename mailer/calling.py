"""The values that callers of endpoints and the store pass each other: whose turn, what is told, what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from mailer.endpoint import Endpoint
from mailer.feed import FeedEvent


class Waiting(NamedTuple):
    """An endpoint that is to be told something.

    Attributes:
        alone: it is in trouble, and called only by itself: others would wait for it.
    """

    endpoint_id: str
    alone: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """Somebody's turn to call endpoints, and until when that is believed."""

    id: str
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A turn at an endpoint that is over.

    Attributes:
        switched_off: it is not called any more since then.
        next_at: when it may be told more; None: nothing waits.
    """

    endpoint: Endpoint
    switched_off: bool
    next_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One event that an endpoint is to be told of.

    Attributes:
        event: None: a test that was asked for.
        attempts: how often it was tried in all.
        tries: how often since it waits, and `since` when; a replay begins anew. None: it was not tried yet.
    """

    id: str
    endpoint_id: str
    url: str = field(repr=False)
    event: FeedEvent | None = field(repr=False)
    attempts: int
    tries: int
    since: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """What came of one call.

    Attributes:
        told: the endpoint took it.
        next_at: when it is tried again; None: it is told, or given up.
        excerpt: the beginning of the answer, with addresses masked.
    """

    call: Call
    at: datetime
    duration_ms: int
    status_code: int | None
    error: str | None
    excerpt: str = field(repr=False)
    told: bool
    next_at: datetime | None
