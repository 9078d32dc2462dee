"""What does not move, and why: the values of `python -m mailer stuck`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from mailer.ledger import Breaker, Sweep


class Kind(StrEnum):
    """Why an envelope does not move."""

    OVERDUE = "overdue"  # its wake-up is past its time: nobody woke it
    PAST_LEASE = "past_lease"  # its worker is gone, and nobody has noticed yet
    BACKLOG = "backlog"  # its time has come, and no worker has taken it yet
    RETRY = "retry"  # every provider refused for now; it comes back by itself
    LEFT_ALONE = "left_alone"  # nobody could be called: every provider is left alone
    NEWS = "news"  # unknown, waiting for news from the provider
    RESTING = "resting_unknown"  # unknown, and a person must decide
    DEAD = "dead_call"  # died on the broker before it was stored; a person must decide


# These never move by themselves.
_FOR_A_PERSON = frozenset({Kind.RESTING, Kind.DEAD})


@dataclass(frozen=True, slots=True, kw_only=True)
class Standstill:
    """How many stand still for one reason.

    Attributes:
        reason: the error that it waits or rests after.
        late: how many of them are past their time by more than a minute.
        oldest_at: since when the longest has stood still.
        until: when the first of them is to move.
    """

    kind: Kind
    reason: str | None
    count: int
    late: int
    oldest_at: datetime
    until: datetime | None = None

    @property
    def wrong(self) -> bool:
        """Whether somebody must do something."""
        return self.late > 0 or self.kind in _FOR_A_PERSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Still:
    """One of them."""

    kind: Kind
    id: str
    request_id: str
    lane: str | None
    reason: str | None
    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stillness:
    """All that stands still.

    Attributes:
        at: the time it was looked at.
        moving: how many are under way as they should be.
        breakers: providers that are left alone.
        swept: the latest sweep, None if there was none yet.
    """

    at: datetime
    moving: int
    standstills: tuple[Standstill, ...]
    examples: tuple[Still, ...]
    breakers: tuple[Breaker, ...]
    swept: Sweep | None

    @property
    def wrong(self) -> bool:
        """Whether somebody must do something."""
        return any(s.wrong for s in self.standstills)
