"""Queries about events: each is stored once, and moves its recipient and its attempt forward, never back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from mailer import delivery, ids
from mailer.api_key import DEFAULT_PROJECT
from mailer.delivery import EnvelopeInput
from mailer.event import OURS, Event, EventType, FeedType, Quarantined, state
from mailer.ledger import Attempt, Move, Result
from mailer.outcome import Outcome
from mailer.store import envelope, feed, learning
from mailer.store.database import Database
from mailer.store.message import attempts_of
from mailer.store.notes import write
from mailer.store.tables import deliveries, envelopes, events, messages, quarantined
from mailer.view import Piece, Told

# An attempt that nobody knows the outcome of, or not yet: any event about it proves that it was taken.
_OPEN = frozenset({Outcome.UNKNOWN, Outcome.STARTED})


def take(
    database: Database, connection: Connection, told: Sequence[Event], *, soft_bounces: int, now: datetime
) -> list[str]:
    """Store events that are not stored yet, and what follows; return the envelopes that an event has ended.

    Args:
        soft_bounces: after so many mails that bounced temporarily an address counts as bad; 0: never.
    """
    accepted: list[str] = []
    new: list[Event] = []
    owners = _owners(connection, told)
    undecided = _undecided(connection, list(owners))
    for event in sorted(told, key=lambda e: (e.envelope_id or "", e.occurred_at)):
        owner = owners.get(event.envelope_id or "")
        if not _insert(database, connection, event, owner, now=now) or owner is None:
            continue
        new.append(event)
        _move_recipient(connection, event, now=now)
        attempt = undecided.get(event.attempt_id or "")
        if attempt is not None and _prove(database, connection, event, owner.id, attempt, now=now):
            accepted.append(owner.id)
        if event.type is EventType.DELIVERED:
            _note_duplicate(database, connection, event, owner, now=now)
    learning.learn(database, connection, new, most=soft_bounces, now=now)
    return accepted


def unknown(connection: Connection, told: Sequence[Event]) -> list[Event]:
    """Return the events that are not stored yet; all of one provider."""
    if not told:
        return []
    ids = {event.provider_event_id[:255] for event in told}
    mine = (events.c.provider == told[0].provider, events.c.provider_event_id.in_(ids))
    known = set(connection.execute(sa.select(events.c.provider_event_id).where(*mine)).scalars())
    return [event for event in told if event.provider_event_id[:255] not in known]


def put_aside(
    database: Database, connection: Connection, bad: Sequence[Quarantined], *, webhook_id: str | None, now: datetime
) -> int:
    """Keep what is no event, once however often it is read; return how many are new.

    Args:
        webhook_id: what it was in: it takes the place of what was none when that was read before. None: it was asked
            for, and can be asked for again.
    """
    known: set[str] = set()
    if webhook_id is not None:
        before = sa.delete(quarantined).where(quarantined.c.webhook_id == webhook_id)
        known.update(connection.execute(before.returning(quarantined.c.id)).scalars())
    new = 0
    for number, piece in enumerate(bad):
        id = ids.derived(f"{webhook_id} {number}" if webhook_id else f"{piece.provider} {piece.raw} 0")
        statement = database.insert(quarantined).values(
            id=id, webhook_id=webhook_id, provider=piece.provider, received_at=now, reason=piece.reason[:300],
            raw=piece.raw,
        )  # fmt: skip
        statement = statement.on_conflict_do_nothing(index_elements=["id"])
        written = connection.execute(statement.returning(quarantined.c.id)).scalar_one_or_none() is not None
        new += written and id not in known
    return new


def pieces(connection: Connection, *, since: datetime | None, limit: int) -> list[Piece]:
    """Return what was put aside, the newest first."""
    query = sa.select(quarantined).order_by(quarantined.c.received_at.desc(), quarantined.c.id).limit(limit)
    query = query if since is None else query.where(quarantined.c.received_at >= since)
    return [
        Piece(
            id=row.id, webhook_id=row.webhook_id, provider=row.provider, received_at=row.received_at,
            reason=row.reason, raw=row.raw,
        )
        for row in connection.execute(query)
    ]  # fmt: skip


def of(connection: Connection, id: str) -> list[Told]:
    """Return what providers told of an envelope, in order of time. What happened here is told by its notes."""
    query = sa.select(events).where(events.c.envelope_id == id, events.c.provider != OURS)
    query = query.order_by(events.c.occurred_at, events.c.seq)
    return [
        Told(
            at=row.occurred_at, type=row.type, provider=row.provider, recipient=row.recipient, detail=row.detail,
            attempt_id=row.attempt_id, machine=row.machine, bounce_class=row.bounce_class,
        )
        for row in connection.execute(query)
    ]  # fmt: skip


def _owners(connection: Connection, told: Sequence[Event]) -> dict[str, Row[Any]]:
    """Return the envelopes that events are about, locked, as far as they are ours."""
    named = {event.envelope_id for event in told if event.envelope_id is not None and ids.is_id(event.envelope_id)}
    if not named:
        return {}
    query = (
        sa.select(envelopes.c.id, envelopes.c.project_id, messages.c.test)
        .join(messages, messages.c.id == envelopes.c.message_id)
        .where(envelopes.c.id.in_(named))
        # In one order everywhere: two webhooks must not wait for each other.
        .order_by(envelopes.c.id)
    )
    rows: Sequence[Row[Any]] = connection.execute(query.with_for_update(of=envelopes)).all()  # type: ignore[assignment]
    return {row.id: row for row in rows}


def _undecided(connection: Connection, envelope_ids: Sequence[str]) -> dict[str, Attempt]:
    """Return the attempts of envelopes that nobody knows the outcome of, by id: any event about one decides it."""
    found = attempts_of(connection, envelope_ids) if envelope_ids else {}
    return {a.id: a for tried in found.values() for a in tried if a.outcome in _OPEN}


def _insert(database: Database, connection: Connection, event: Event, owner: Row[Any] | None, *, now: datetime) -> bool:
    attempt = event.attempt_id if event.attempt_id and ids.is_id(event.attempt_id) else None
    statement = database.insert(events).values(
        id=ids.new(), project_id=owner.project_id if owner else DEFAULT_PROJECT, test=bool(owner and owner.test),
        public=owner is not None, provider=event.provider, provider_event_id=event.provider_event_id[:255],
        type=event.type.value, raw_type=event.raw_type[:64], envelope_id=owner.id if owner else None,
        attempt_id=attempt if owner else None, recipient=event.recipient, occurred_at=event.occurred_at,
        received_at=now, permanent=event.permanent, machine=event.machine,
        bounce_class=event.bounce_class.value if event.bounce_class else None, detail=event.detail[:400],
        url=event.url,
    )  # fmt: skip
    new = statement.on_conflict_do_nothing(index_elements=["provider", "provider_event_id"]).returning(events.c.seq)
    return connection.execute(new).scalar_one_or_none() is not None


def _move_recipient(connection: Connection, event: Event, *, now: datetime) -> None:
    status = state(event)
    if status is None or event.recipient is None:
        return
    lighter = [s.value for s in delivery.outweighed(status)]
    mine = (
        deliveries.c.envelope_id == event.envelope_id,
        sa.func.lower(deliveries.c.email) == event.recipient.lower(),
        deliveries.c.status.in_(lighter),
    )
    connection.execute(sa.update(deliveries).where(*mine).values(status=status.value, updated_at=now))


def _prove(
    database: Database, connection: Connection, event: Event, owner_id: str, attempt: Attempt, *, now: datetime
) -> bool:
    """Write down that an attempt was taken, if an event is what tells it; tell whether that ended the sending."""
    if event.type is EventType.UNKNOWN:
        return False
    told = replace(
        attempt, outcome=Outcome.ACCEPTED, provider_message_id=attempt.provider_message_id or event.provider_message_id
    )
    result = Result(attempt=told, move=Move(id=owner_id, input=EnvelopeInput.ACCEPT))
    return bool(envelope.record(database, connection, [result], now=now))


def _note_duplicate(
    database: Database, connection: Connection, event: Event, owner: Row[Any], *, now: datetime
) -> None:
    """Write down that two attempts have reached one recipient: the risk that `failover` takes has come true."""
    delivered = (
        events.c.envelope_id == owner.id,
        events.c.type == EventType.DELIVERED.value,
        sa.func.lower(events.c.recipient) == (event.recipient or "").lower(),
    )
    ways = connection.execute(sa.select(sa.func.count(sa.distinct(events.c.attempt_id))).where(*delivered)).scalar_one()
    if ways > 1:
        kind, detail = FeedType.DUPLICATE_DELIVERED, f"{ways} attempts have delivered it to one recipient"
        who = (event.recipient or "").lower()
        note_id = ids.derived(f"twice {owner.id} {who}")
        if write(database, connection, owner.id, note_id=note_id, kind=kind.value, detail=detail, now=now):
            feed.occur(connection, owner.id, kind, [event.recipient], detail=detail, now=now)
