"""What a provider told us later about a mail, in our words."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from mailer.bounce import BounceClass
from mailer.delivery import DeliveryStatus


class EventType(StrEnum):
    """What happened. `unknown`: something that we keep without understanding it."""

    ACCEPTED = "accepted"
    DEFERRED = "deferred"
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    UNSUBSCRIBED = "unsubscribed"
    OPENED = "opened"
    CLICKED = "clicked"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


class FeedType(StrEnum):
    """What an application is told of: the providers' events, and what ends here without any.

    `outcome_unknown`: it rests, and nobody knows whether a provider took it. `duplicate_delivered`: two attempts have
    reached one recipient. `endpoint_disabled`: an endpoint is not called any more. `test`: asked for.
    """

    ACCEPTED = "accepted"
    DEFERRED = "deferred"
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    UNSUBSCRIBED = "unsubscribed"
    OPENED = "opened"
    CLICKED = "clicked"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    SUPPRESSED = "suppressed"
    FAILED = "failed"
    CANCELED = "canceled"
    EXPIRED = "expired"
    OUTCOME_UNKNOWN = "outcome_unknown"
    DUPLICATE_DELIVERED = "duplicate_delivered"
    ENDPOINT_DISABLED = "endpoint_disabled"
    TEST = "test"


# Who tells what no provider does.
OURS = "mailer"

_BY_MACHINES_TOO = frozenset({EventType.OPENED, EventType.CLICKED})
_WITH_A_CAUSE = frozenset({EventType.BOUNCED, EventType.DEFERRED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened to one mail.

    Attributes:
        provider_event_id: the same each time the provider tells of it; what duplicates are known by.
        provider_message_id: the provider's id of the mail, as its receipt gave it.
        envelope_id: ours, and so are `attempt_id` and `project_id`; None where the mail was not sent by us.
        recipient: as the provider writes it, so its case may differ from ours; None where it names nobody.
        occurred_at: aware, in UTC.
        raw_type: the provider's word.
        permanent: of a bounce, whether the address is bad for good; None for everything else.
        bounce_class: of a bounce, and of a deferral that gives a reason, what stood in the way.
        machine: whether a machine opened or clicked (privacy proxies, scanners), and no person.
        detail: the provider's words, shortened, with addresses masked; may be empty.
        url: that was clicked. It may hold a secret of the application's, so it belongs in no log.

    Raises:
        ValueError: from the constructor, if it would contradict itself.
    """

    type: EventType
    provider: str
    provider_event_id: str
    occurred_at: datetime
    raw_type: str
    provider_message_id: str | None = None
    envelope_id: str | None = None
    attempt_id: str | None = None
    project_id: str | None = None
    recipient: str | None = field(default=None, repr=False)
    permanent: bool | None = None
    bounce_class: BounceClass | None = None
    machine: bool = False
    detail: str = ""
    url: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        bounced = self.type is EventType.BOUNCED
        if self.occurred_at.utcoffset() != timedelta():
            raise ValueError("the time of an event is aware, in UTC")
        if not self.provider_event_id or not self.raw_type:
            raise ValueError("an event has an id and the provider's word")
        if (self.permanent is not None) != bounced or (bounced and self.bounce_class is None):
            raise ValueError("a bounce, and nothing else, is permanent or not, and has a class")
        if self.bounce_class and self.type not in _WITH_A_CAUSE:
            raise ValueError("only what was not delivered has a class")
        if self.machine and self.type not in _BY_MACHINES_TOO:
            raise ValueError("machines open and click")


def state(event: Event) -> DeliveryStatus | None:
    """Return what an event says of its recipient; None where it says nothing about the mail's arrival."""
    if event.type is EventType.BOUNCED and not event.permanent:
        return DeliveryStatus.DEFERRED
    return _STATES.get(event.type)


_STATES = {
    EventType.ACCEPTED: DeliveryStatus.ACCEPTED,
    EventType.DEFERRED: DeliveryStatus.DEFERRED,
    EventType.REJECTED: DeliveryStatus.REJECTED,
    EventType.DELIVERED: DeliveryStatus.DELIVERED,
    # Nobody opens, clicks or unsubscribes from what has not arrived.
    EventType.OPENED: DeliveryStatus.DELIVERED,
    EventType.CLICKED: DeliveryStatus.DELIVERED,
    EventType.UNSUBSCRIBED: DeliveryStatus.DELIVERED,
    EventType.BOUNCED: DeliveryStatus.BOUNCED,
    EventType.COMPLAINED: DeliveryStatus.COMPLAINED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """A piece of a webhook that is no event: kept for a person to look at, while the rest goes its way.

    Attributes:
        reason: what is wrong with it, in a few words, never its content.
        raw: the piece, shortened; may hold addresses, so it belongs in no log.
    """

    provider: str
    reason: str
    raw: str = field(repr=False)
