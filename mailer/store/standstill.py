"""Queries about what does not move. They read what is alive or rests unaccepted, by its indexes, never all there is."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mailer.delivery import EnvelopeStatus
from mailer.ledger import Breaker
from mailer.standstill import Kind, Standstill, Still, Stillness
from mailer.store import sweep
from mailer.store.tables import breakers, dead_calls, envelopes

# Past its time by more than that, an envelope is stuck; by less, the sweep is about to come.
LATE = timedelta(minutes=1)

_MOVING = "moving"


def look(connection: Connection, *, limit: int, now: datetime) -> Stillness:
    """Return all that stands still, with up to `limit` examples of each kind."""
    alive, moving = _alive(connection, now=now)
    found = [*alive, *_resting(connection), *_dead(connection)]
    examples = [s for kind in dict.fromkeys(f.kind for f in found) for s in _examples(connection, kind, limit, now=now)]
    return Stillness(
        at=now, moving=moving, standstills=tuple(found), examples=tuple(examples), breakers=_open(connection, now=now),
        swept=sweep.last(connection),
    )  # fmt: skip


def _classified(now: datetime) -> sa.Subquery:
    """Every envelope that is not at rest, with the kind of its standstill."""
    e = envelopes.c
    over, waiting = e.wake_at <= now, e.next_attempt_at > now
    ready = sa.func.coalesce(e.next_attempt_at, e.updated_at)
    kind = sa.case(
        (sa.and_(over, e.status == EnvelopeStatus.SENDING.value), Kind.PAST_LEASE.value),
        (over, Kind.OVERDUE.value),
        (e.status == EnvelopeStatus.UNKNOWN.value, Kind.NEWS.value),
        # Put off without having been tried: only providers that are left alone do that.
        (sa.and_(waiting, e.status == EnvelopeStatus.QUEUED.value, e.attempts == 0), Kind.LEFT_ALONE.value),
        (sa.and_(waiting, e.status == EnvelopeStatus.QUEUED.value), Kind.RETRY.value),
        (sa.and_(ready <= now - LATE, e.status == EnvelopeStatus.QUEUED.value), Kind.BACKLOG.value),
        else_=_MOVING,
    )
    since = sa.case((over, e.wake_at), else_=e.updated_at)
    columns = (e.id, e.request_id, e.lane, e.reason, e.wake_at, e.next_attempt_at)
    # In a subquery, so that the expression stands once: PostgreSQL would take its parameters for two different ones.
    return (
        sa.select(*columns, kind.label("kind"), sa.type_coerce(since, e.wake_at.type).label("since"))
        .where(e.wake_at.is_not(None))
        .subquery()
    )


def _alive(connection: Connection, *, now: datetime) -> tuple[list[Standstill], int]:
    c = _classified(now).c
    late = sa.func.sum(sa.case((c.wake_at <= now - LATE, 1), else_=0))
    query = sa.select(
        c.kind, c.reason, sa.func.count(), late, sa.func.min(c.since), sa.func.min(c.next_attempt_at)
    ).group_by(c.kind, c.reason)
    rows = connection.execute(query.order_by(sa.func.count().desc())).all()
    found = [
        Standstill(kind=Kind(kind), reason=reason, count=count, late=int(late or 0), oldest_at=oldest, until=until)
        for kind, reason, count, late, oldest, until in rows
        if kind != _MOVING
    ]
    order = list(Kind)
    return sorted(found, key=lambda s: order.index(s.kind)), sum(row[2] for row in rows if row[0] == _MOVING)


def _resting(connection: Connection) -> list[Standstill]:
    e = envelopes.c
    query = sa.select(e.reason, sa.func.count(), sa.func.min(e.updated_at)).where(_rests()).group_by(e.reason)
    return [
        Standstill(kind=Kind.RESTING, reason=reason, count=count, late=0, oldest_at=oldest)
        for reason, count, oldest in connection.execute(query.order_by(sa.func.count().desc()))
    ]


def _rests() -> sa.ColumnElement[bool]:
    # The words of the partial index.
    not_accepted = sa.text("envelopes.status <> 'accepted'")
    return sa.and_(envelopes.c.wake_at.is_(None), not_accepted, envelopes.c.status == EnvelopeStatus.UNKNOWN.value)


def _dead(connection: Connection) -> list[Standstill]:
    c = dead_calls.c
    query = sa.select(c.reason, sa.func.count(), sa.func.min(c.died_at)).group_by(c.reason)
    return [
        Standstill(kind=Kind.DEAD, reason=reason, count=count, late=0, oldest_at=oldest)
        for reason, count, oldest in connection.execute(query.order_by(sa.func.count().desc()))
    ]


def _examples(connection: Connection, kind: Kind, limit: int, *, now: datetime) -> list[Still]:
    rows = connection.execute(_those(kind, now=now).limit(limit))
    return [
        Still(
            kind=kind, id=row.id, request_id=row.request_id, lane=row.lane, reason=row.reason, since=row.since,
            until=row.until,
        )
        for row in rows
    ]  # fmt: skip


def _those(kind: Kind, *, now: datetime) -> sa.Select[Any]:
    """Select the envelopes (or calls) of one kind, the longest standing first."""
    if kind is Kind.DEAD:
        d = dead_calls.c
        columns: tuple[Any, ...] = (d.id, d.request_id, sa.null().label("lane"), d.reason, d.died_at.label("since"))
        return sa.select(*columns, sa.null().label("until")).order_by(d.died_at)
    if kind is Kind.RESTING:
        e = envelopes.c
        columns = (e.id, e.request_id, e.lane, e.reason, e.updated_at.label("since"), sa.null().label("until"))
        return sa.select(*columns).where(_rests()).order_by(e.updated_at)
    c = _classified(now).c
    columns = (c.id, c.request_id, c.lane, c.reason, c.since, c.next_attempt_at.label("until"))
    return sa.select(*columns).where(c.kind == kind.value).order_by(c.wake_at)


def _open(connection: Connection, *, now: datetime) -> tuple[Breaker, ...]:
    query = sa.select(breakers).where(breakers.c.open_until > now).order_by(breakers.c.provider, breakers.c.scope)
    return tuple(
        Breaker(provider=r.provider, scope=r.scope, open_until=r.open_until, reason=r.reason)
        for r in connection.execute(query)
    )
