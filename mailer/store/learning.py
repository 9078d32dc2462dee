"""Queries that learn from events whom not to mail any more.

After all else of a transaction: what is locked here (an address) is locked after every envelope, in one order
everywhere, so that two webhooks never wait for each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mailer import ids, masking, suppression
from mailer.event import Event, EventType
from mailer.store import suppression as suppressions
from mailer.store.database import Database
from mailer.store.tables import contents, deliveries, envelopes, events, messages, suppression_removals
from mailer.suppression import EVERY, SOFT, WHOLE, Reason, Suppression

# Temporary bounces are looked for among so many of the latest mails to an address.
_LATEST = 1_000
# Temporary bounces after which an address counts as bad, where nobody says otherwise.
SOFT_BOUNCES = 5


@dataclass(frozen=True, slots=True)
class _Mail:
    """What is known of the mail that an event is about."""

    project_id: str
    test: bool
    stream: str


def learn(database: Database, connection: Connection, told: Sequence[Event], *, most: int, now: datetime) -> None:
    """Suppress whom these events, stored just now and about mails of ours, say that it is time to.

    Args:
        most: after so many mails in a row that bounced temporarily an address counts as bad; 0: never.
    """
    taught = [e for e in told if e.recipient and (suppression.lesson(e) or (most and suppression.is_soft(e)))]
    for event in sorted(taught, key=lambda e: ((e.recipient or "").lower(), e.occurred_at)):
        mail = _mail(connection, event)
        if mail is None:
            continue
        if (reason := suppression.lesson(event)) is not None:
            stream = EVERY if reason in WHOLE else mail.stream
            _add(database, connection, event, mail, reason, stream=stream, detail=event.detail, now=now)
        elif (count := _soft(connection, event, mail)) >= most:
            detail = f"{count} mails in a row bounced temporarily, the last one: {event.bounce_class} {event.detail}"
            _add(database, connection, event, mail, Reason.BOUNCED, stream=EVERY, detail=detail, now=now)


def _add(
    database: Database, connection: Connection, event: Event, mail: _Mail, reason: Reason, *,
    stream: str, detail: str, now: datetime,
) -> None:  # fmt: skip
    found = Suppression(
        id=ids.new(), project_id=mail.project_id, test=mail.test, email=(event.recipient or "").lower(), stream=stream,
        reason=reason, source=event.provider, detail=masking.text(detail.strip())[: suppressions.DETAIL],
        created_at=now,
    )  # fmt: skip
    suppressions.insert(database, connection, [found])


def _mail(connection: Connection, event: Event) -> _Mail | None:
    """Return the mail that an event is about; None if its recipient is none of that mail's."""
    stream = contents.c.content["stream"].as_string()
    named = sa.exists().where(
        deliveries.c.envelope_id == envelopes.c.id, sa.func.lower(deliveries.c.email) == (event.recipient or "").lower()
    )
    query = (
        sa.select(messages.c.project_id, messages.c.test, messages.c.lane, stream.label("stream"))
        .join(envelopes, envelopes.c.message_id == messages.c.id)
        .join(contents, contents.c.message_id == messages.c.id)
        .where(envelopes.c.id == event.envelope_id, named)
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else _Mail(row.project_id, row.test, row.stream or row.lane)


def _soft(connection: Connection, event: Event, mail: _Mail) -> int:
    """Return how many mails to the event's recipient have bounced temporarily since the last one arrived.

    Counted anew each time from what is stored, so it is the same in whichever order events come, and however often.
    Since somebody has lifted a suppression of the address, it counts from there.
    """
    email = (event.recipient or "").lower()
    _serialize(connection, f"{mail.project_id} {mail.test} {email}")
    to_them = (
        sa.select(deliveries.c.envelope_id)
        .join(envelopes, envelopes.c.id == deliveries.c.envelope_id)
        .join(messages, messages.c.id == envelopes.c.message_id)
        .where(deliveries.c.project_id == mail.project_id, sa.func.lower(deliveries.c.email) == email)
        .where(messages.c.test == mail.test)
        .order_by(deliveries.c.created_at.desc())
        .limit(_LATEST)
        .subquery()
    )
    about = (
        events.c.envelope_id.in_(sa.select(to_them.c.envelope_id)),
        sa.func.lower(events.c.recipient) == email,
    )
    arrived = sa.select(sa.func.max(events.c.occurred_at)).where(*about, events.c.type == EventType.DELIVERED.value)
    lifted = sa.select(sa.func.max(suppression_removals.c.created_at)).where(
        suppression_removals.c.project_id == mail.project_id, suppression_removals.c.email == email
    )
    since = [connection.execute(query).scalar_one() for query in (arrived, lifted)]
    bounced = sa.select(sa.func.count(sa.distinct(events.c.envelope_id))).where(
        *about, events.c.type == EventType.BOUNCED.value, events.c.permanent.is_(False),
        events.c.bounce_class.in_(sorted(c.value for c in SOFT)),
        *(events.c.occurred_at > moment for moment in since if moment is not None),
    )  # fmt: skip
    count: Any = connection.execute(bounced).scalar_one()
    return int(count)


def _serialize(connection: Connection, name: str) -> None:
    """Let two who count the same address do so one after the other: each must see what the other has stored."""
    if connection.dialect.name != "sqlite":  # there is one writer at a time there
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(name, 1))))
