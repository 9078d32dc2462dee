"""The values of a replay: what is to be sent again, and what that would mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from mailer.delivery import EnvelopeStatus, Lane


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which messages at rest are to be replayed; an empty field leaves it open.

    Attributes:
        provider: of the last attempt.
        error: the error code of the last attempt, or why the message rests.
        since: it came to rest then or later.
        until: it came to rest before.
        limit: at most so many, the longest resting first.
        allow_duplicates: also those that a provider may have taken.
    """

    ids: tuple[str, ...] = ()
    statuses: tuple[EnvelopeStatus, ...] = ()
    provider: str | None = None
    error: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    limit: int | None = None
    allow_duplicates: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """How many of a kind."""

    status: str
    error: str | None
    count: int
    oldest_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One that would be replayed."""

    id: str
    status: str
    error: str | None
    provider: str | None
    since: datetime
    possible_duplicate: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a replay would do.

    Attributes:
        groups: by status and last error, most first.
        possible_duplicates: how many of them some provider may have taken already.
        left_out: how many more match, but may have been taken, and duplicates were not allowed.
    """

    groups: tuple[Group, ...]
    possible_duplicates: int
    left_out: int
    examples: tuple[Example, ...]

    @property
    def total(self) -> int:
        """How many would be replayed."""
        return sum(group.count for group in self.groups)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is written with every message that is replayed.

    Attributes:
        who: the operator's name.
        why: in their words; may be empty.
        deadline: seconds that a message of a lane is tried, where its own end has passed or is near.
    """

    who: str
    why: str
    deadline: Callable[[Lane], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What became of dead calls that were published again.

    Attributes:
        ids: those that the broker confirmed.
        refused: those that are not valid any more, with the reason; they are kept.
    """

    ids: tuple[str, ...]
    refused: tuple[tuple[str, str], ...]
