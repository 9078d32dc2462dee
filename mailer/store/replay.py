"""Queries about what rests and is sent again: counted, shown, put back to queued."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from mailer import delivery, ids, masking
from mailer.delivery import DeliveryStatus, EnvelopeInput, EnvelopeStatus, Lane
from mailer.outcome import Outcome
from mailer.replay import Example, Group, Order, Plan, Wanted
from mailer.store.tables import attempts, deliveries, envelopes, messages, notes

NOTE = "replayed"

# A message whose own end comes sooner than that would hardly be tried again.
NEAR = timedelta(hours=1)

_EXAMPLES = 5
_DETAIL = 300

_last = attempts.alias("last")
_tried = attempts.alias("tried")
_error = sa.func.coalesce(_last.c.error_code, envelopes.c.reason)


def plan(connection: Connection, wanted: Wanted) -> Plan:
    """Return what a replay of these would do."""
    chosen = _chosen(wanted).limit(wanted.limit).subquery()
    kind = (chosen.c.status, chosen.c.error, chosen.c.doubtful)
    count, oldest = sa.func.count().label("number"), sa.func.min(chosen.c.updated_at).label("oldest")
    groups = sa.select(*kind, count, oldest).group_by(*kind)
    rows = connection.execute(groups).all()
    examples = connection.execute(_chosen(wanted).limit(min(_EXAMPLES, wanted.limit or _EXAMPLES)))
    return Plan(
        groups=_groups(rows),
        possible_duplicates=sum(row.number for row in rows if row.doubtful),
        left_out=0 if wanted.allow_duplicates else _left_out(connection, wanted),
        examples=tuple(_example(row) for row in examples),
    )


def replay(connection: Connection, wanted: Wanted, order: Order, *, limit: int, now: datetime) -> list[str]:
    """Put up to `limit` of them back to queued, due at once, and write down by whom; return their ids.

    What somebody else moves meanwhile is left to them.
    """
    rows = _lock(connection, wanted, limit=limit)
    if not rows:
        return []
    found = [row.id for row in rows]
    statement = sa.update(envelopes).where(envelopes.c.id.in_(found), _resting())
    # `next_attempt_at` in the past: a new round of providers may begin at once. `wake_at`: the sweep wakes it, in its
    # own pace, so that a hundred thousand of them do not flood the broker.
    values = {
        "status": delivery.target(EnvelopeInput.REPLAY).value, "next_attempt_at": now, "wake_at": now, "reason": None,
        "updated_at": now,
    }  # fmt: skip
    moved = set(connection.execute(statement.values(values).returning(envelopes.c.id)).scalars())
    _take_back_deliveries(connection, moved, now=now)
    for lane in Lane:
        _prolong(connection, [r.id for r in rows if r.id in moved and r.lane == lane], order.deadline(lane), now=now)
    connection.execute(sa.insert(notes), [_note(row, order, now=now) for row in rows if row.id in moved])
    return sorted(moved)


def _lock(connection: Connection, wanted: Wanted, *, limit: int) -> Sequence[Row[Any]]:
    """Return what is to be replayed, the longest resting first, and let nobody else move it before we do."""
    query = _chosen(wanted).limit(limit).with_for_update(of=envelopes, skip_locked=True)
    return connection.execute(query).all()


def _chosen(wanted: Wanted) -> sa.Select[Any]:
    """Select what is wanted, the longest resting first."""
    return _matching(wanted, doubtful=None if wanted.allow_duplicates else False).order_by(
        envelopes.c.updated_at, envelopes.c.id
    )


def _left_out(connection: Connection, wanted: Wanted) -> int:
    matching = _matching(wanted, doubtful=True).subquery()
    count: int = connection.execute(sa.select(sa.func.count()).select_from(matching)).scalar_one()
    return count


def _matching(wanted: Wanted, *, doubtful: bool | None) -> sa.Select[Any]:
    e = envelopes.c
    columns = (e.id, e.project_id, e.lane, e.status, e.reason, e.updated_at, _last.c.provider)
    query = (
        sa.select(*columns, _error.label("error"), _doubtful().label("doubtful"))
        .select_from(envelopes)
        .outerjoin(_last, sa.and_(_last.c.envelope_id == e.id, _last.c.number == e.attempts))
        .where(_resting())
    )
    if wanted.ids:
        query = query.where(e.id.in_(wanted.ids))
    if wanted.statuses:
        query = query.where(e.status.in_([s.value for s in wanted.statuses]))
    if wanted.provider:
        query = query.where(_last.c.provider == wanted.provider)
    if wanted.error:
        query = query.where(sa.or_(_last.c.error_code == wanted.error, e.reason == wanted.error))
    if wanted.since:
        query = query.where(e.updated_at >= wanted.since)
    if wanted.until:
        query = query.where(e.updated_at < wanted.until)
    if doubtful is not None:
        query = query.where(_doubtful() if doubtful else ~_doubtful())
    return query


def _resting() -> sa.ColumnElement[bool]:
    """The condition that an envelope rests and may be replayed, in the words of the partial index."""
    e = envelopes.c
    sources = [s.value for s in delivery.sources(EnvelopeInput.REPLAY)]
    # One that waits for news has a time set, and is not at rest.
    news = sa.and_(e.status == EnvelopeStatus.UNKNOWN.value, e.next_attempt_at.is_not(None))
    return sa.and_(e.wake_at.is_(None), sa.text("envelopes.status <> 'accepted'"), e.status.in_(sources), ~news)


def _doubtful() -> sa.ColumnElement[bool]:
    """The condition that some provider may have taken the mail already."""
    open_ends = (Outcome.UNKNOWN.value, Outcome.STARTED.value)
    return sa.exists().where(_tried.c.envelope_id == envelopes.c.id, _tried.c.outcome.in_(open_ends))


def _take_back_deliveries(connection: Connection, moved: set[str], *, now: datetime) -> None:
    sources = [s.value for s in delivery.BEFORE_REPLAY]
    statement = sa.update(deliveries).where(deliveries.c.envelope_id.in_(moved), deliveries.c.status.in_(sources))
    connection.execute(statement.values(status=DeliveryStatus.QUEUED.value, reason=None, updated_at=now))


def _prolong(connection: Connection, moved: list[str], seconds: float, *, now: datetime) -> None:
    """Give those whose end has passed or is near their lane's time again."""
    mine = sa.select(envelopes.c.message_id).where(envelopes.c.id.in_(moved))
    statement = sa.update(messages).where(messages.c.id.in_(mine), messages.c.expires_at < now + NEAR)
    connection.execute(statement.values(expires_at=now + timedelta(seconds=seconds)))


def _note(row: Row[Any], order: Order, *, now: datetime) -> dict[str, Any]:
    was = f"{row.status} ({row.error})" if row.error else row.status
    detail = masking.text(f"by {order.who}, was {was}" + (f": {order.why}" if order.why else ""))
    return {
        "id": ids.new(), "project_id": row.project_id, "envelope_id": row.id, "at": now, "kind": NOTE,
        "detail": detail[:_DETAIL],
    }  # fmt: skip


def _groups(rows: Sequence[Row[Any]]) -> tuple[Group, ...]:
    """Return the groups without the doubt, which is counted apart."""
    found: dict[tuple[str, str | None], Group] = {}
    for row in rows:
        known = found.get((row.status, row.error))
        found[row.status, row.error] = Group(
            status=row.status, error=row.error, count=row.number + (known.count if known else 0),
            oldest_at=min(row.oldest, known.oldest_at) if known else row.oldest,
        )  # fmt: skip
    return tuple(sorted(found.values(), key=lambda g: (-g.count, g.status, g.error or "")))


def _example(row: Row[Any]) -> Example:
    return Example(
        id=row.id, status=row.status, error=row.error, provider=row.provider, since=row.updated_at,
        possible_duplicate=row.doubtful,
    )  # fmt: skip
