"""What can be read back from a provider, page by page: events that webhooks lost, addresses that it does not mail."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from mailer.event import Event, Quarantined
from mailer.suppression import Reason


@dataclass(frozen=True, slots=True)
class Source:
    """Something of a provider's that can be read back.

    Attributes:
        name: unique within its provider, e.g. `events`.
        rest: seconds that it is left alone after it has been read to its end, where reading it again costs much.
    """

    name: str
    rest: float = 0.0


@dataclass(frozen=True, slots=True)
class Span:
    """From when to when something happened; both aware, both included, to the second."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """An address that a provider does not mail any more.

    Attributes:
        email: in lower case.
        at: since when, aware.
        detail: the provider's words, shortened, with addresses masked; may be empty.
    """

    email: str = field(repr=False)
    reason: Reason
    at: datetime
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of a source.

    Attributes:
        bad: its pieces that are neither.
        next: names the page after it, for nobody but its provider; None: this is the last.
    """

    events: tuple[Event, ...] = ()
    listed: tuple[Listed, ...] = ()
    bad: tuple[Quarantined, ...] = ()
    next: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """How far a source has been read.

    Attributes:
        read_until: all that happened before has been read.
        span: of the reading under way; None: none is.
        page: of that reading, what comes next; None: it begins.
        rest_until: the source is not to be read again before.
    """

    read_until: datetime
    span: Span | None = None
    page: str | None = None
    rest_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """How the reading of a provider stands.

    Attributes:
        read_at: when everything had last been read without an error; None: never.
        error: the latest error since then.
        failing_since: when the errors began that have not ended.
    """

    provider: str
    not_before: datetime | None = None
    read_at: datetime | None = None
    error: str | None = None
    failing_since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """A suppression that was lifted here, and that the providers are to forget too.

    Attributes:
        attempts: how often they have been asked in vain.
    """

    id: str
    email: str = field(repr=False)
    reason: Reason
    created_at: datetime
    attempts: int
