"""The values that are asked for and shown: a message, lists of them, what was told of it, what waits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mailer.delivery import DeliveryStatus, EnvelopeStatus, Lane, OnUnknown, Role
from mailer.ledger import Attempt
from mailer.suppression import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryView:
    """The state of a message for one recipient.

    Attributes:
        reason: of one that is suppressed: why.
    """

    email: str
    role: Role
    status: DeliveryStatus
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageView:
    """What is known about a message."""

    id: str
    project_id: str
    request_id: str
    status: EnvelopeStatus
    lane: Lane
    on_unknown: OnUnknown
    test: bool
    created_at: datetime
    updated_at: datetime
    send_at: datetime | None
    expires_at: datetime
    expires_chosen: bool
    next_attempt_at: datetime | None
    reason: str | None
    possible_duplicates: int
    stream: str
    ignore_suppressions: bool
    tags: tuple[str, ...]
    metadata: Mapping[str, str]
    recipients: tuple[DeliveryView, ...]
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageLine:
    """A message as a list shows it.

    Attributes:
        recipients: the first few.
        recipient_count: how many there are in all.
        provider: who was called last; None before the first attempt.
    """

    id: str
    status: EnvelopeStatus
    reason: str | None
    lane: Lane
    test: bool
    request_id: str
    created_at: datetime
    updated_at: datetime
    send_at: datetime | None
    provider: str | None
    recipients: tuple[DeliveryView, ...]
    recipient_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place in a list: after this one, which is older than those before it."""

    created_at: datetime
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which messages a list shows, the newest first; every condition that is given holds.

    Attributes:
        since: accepted at or after.
        until: accepted before.
        after: the last one of the page before.
    """

    project_id: str
    test: bool = False
    status: EnvelopeStatus | None = None
    recipient: str | None = None
    tag: str | None = None
    provider: str | None = None
    request_id: str | None = None
    metadata_key: str | None = None
    metadata_value: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    after: Place | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class SuppressionSelection:
    """Which suppressions a list shows, the newest first; every condition that is given holds.

    Attributes:
        email, domain: in lower case.
        stream: exactly; empty: those that hold in every stream.
        after: the last one of the page before.
    """

    project_id: str
    test: bool = False
    email: str | None = None
    domain: str | None = None
    reason: Reason | None = None
    stream: str | None = None
    after: Place | None = None
    limit: int = 50

    @classmethod
    def matching(cls, text: str | None, **conditions: Any) -> SuppressionSelection:
        """Return those of an address, or of a whole domain where it is written as `*@example.com`; None: any."""
        found = (text or "").lower()
        domain = found.removeprefix("*@") if found.startswith("*@") else None
        return cls(email=None if domain is not None else found or None, domain=domain, **conditions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An event of a message as it is shown: what, when, by whom, about whom, through which attempt."""

    at: datetime
    type: str
    provider: str
    recipient: str | None
    detail: str
    attempt_id: str | None
    machine: bool
    bounce_class: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """What a webhook held that is no event.

    Attributes:
        webhook_id: what it can be read again with; None: of a time when that was not kept.
        raw: the piece, shortened; holds addresses, so it is shown masked.
    """

    id: str
    webhook_id: str | None
    provider: str
    received_at: datetime
    reason: str
    raw: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What waits for a worker in one lane.

    Attributes:
        oldest_at: since when the longest waiting has been; None: nothing waits.
        depth: messages in the lane's queue when the sweep last looked.
    """

    oldest_at: datetime | None
    depth: int
