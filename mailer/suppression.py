"""Suppressions: addresses that are not mailed, and why; whom that keeps from which message. Values and rules, pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from mailer.bounce import BounceClass
from mailer.delivery import Lane, Role
from mailer.event import Event, EventType
from mailer.message import Message


class Reason(StrEnum):
    """Why an address is not mailed; of several that hold, the first is shown."""

    BOUNCED = "bounced"
    COMPLAINED = "complained"
    UNSUBSCRIBED = "unsubscribed"
    MANUAL = "manual"


# The stream of a suppression that holds in every stream.
EVERY = ""

# What decides of a suppression: its reason and its stream.
Bar = tuple[Reason, str]

# These say something about the address itself, so they hold in every stream.
WHOLE = frozenset({Reason.BOUNCED, Reason.COMPLAINED})

NOBODY_LEFT = "every recipient is suppressed"
NO_TO_LEFT = "no recipient in `to` is left"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """An address that is not mailed.

    Attributes:
        test: whether it holds for the messages of test keys, or for the others.
        email: in lower case.
        stream: where it holds: a lane's name or a named stream; empty: in every stream.
        source: who said so: a provider's name, `api`, `csv`, `cli`.
        detail: more about why, in a few words, with addresses masked.
    """

    id: str
    project_id: str
    test: bool
    email: str = field(repr=False)
    stream: str
    reason: Reason
    source: str
    detail: str
    created_at: datetime


def in_the_way(message: Message) -> frozenset[Bar]:
    """Return which suppressions of a recipient keep a message from being sent to it.

    Whoever has unsubscribed still gets transactional mail, unless it was the message's own named stream.
    """
    if message.ignore_suppressions:
        return frozenset()
    stream = message.in_stream
    bars = {(reason, EVERY) for reason in (*WHOLE, Reason.MANUAL)} | {(Reason.MANUAL, stream)}
    if message.lane is Lane.BULK:
        bars |= {(Reason.UNSUBSCRIBED, EVERY), (Reason.UNSUBSCRIBED, stream)}
    elif stream != message.lane.value:
        bars |= {(Reason.UNSUBSCRIBED, stream)}
    return frozenset(bars)


def first(reasons: Iterable[Reason]) -> Reason | None:
    """Return the one of several reasons that is shown; None of none."""
    return min(reasons, key=list(Reason).index, default=None)


def end(left: Iterable[Role]) -> str | None:
    """Return why nothing can be sent to those who are left; None if it can.

    Both providers refuse a mail without a `to`, and to make one out of a `cc` would show what was not to be shown.
    """
    roles = set(left)
    if Role.TO in roles:
        return None
    return NO_TO_LEFT if roles else NOBODY_LEFT


# Of these a server says what it thinks of us, or of the content: nothing about the address.
_ABOUT_US = frozenset({BounceClass.BLOCKED, BounceClass.SPAM, BounceClass.POLICY})


def lesson(event: Event) -> Reason | None:
    """Return why the recipient of a mail is not to be mailed any more; None if an event is no reason for that."""
    if event.type is EventType.BOUNCED:
        return Reason.BOUNCED if event.permanent and event.bounce_class not in _ABOUT_US else None
    return {EventType.COMPLAINED: Reason.COMPLAINED, EventType.UNSUBSCRIBED: Reason.UNSUBSCRIBED}.get(event.type)


# Temporary bounces of these classes count towards a permanent one.
SOFT = frozenset(BounceClass) - _ABOUT_US


def is_soft(event: Event) -> bool:
    """Tell whether an event is a temporary bounce that says something about the address."""
    return event.type is EventType.BOUNCED and not event.permanent and event.bounce_class in SOFT
