"""Queries about the feed: what an application is told, numbered for each project without gaps, in order of commit.

A sequence of the database's own would do neither: its numbers are taken before their transactions commit, so a reader
who has seen 7 may find 6 only later, and never look back. Here an event is stored without a number, and numbered once
it can be seen, by one at a time (docs/decisions/feed.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from mailer import ids
from mailer.calling import Waiting
from mailer.event import OURS, FeedType
from mailer.feed import FeedEvent
from mailer.store import callback, endpoint
from mailer.store.tables import contents, envelopes, events, feeds, messages

# Events that one request looks through for those of some types.
LOOKED_THROUGH = 10_000
# Callbacks that one transaction lets wait.
_ROWS = 5_000
# Whoever numbers holds this row.
_GATE = (feeds.c.project_id == "", feeds.c.test.is_(False))


def occur(
    connection: Connection,
    envelope_id: str,
    type: FeedType,
    recipients: Sequence[str | None],
    *,
    detail: str = "",
    now: datetime,
) -> None:
    """Store what happened here, and that no provider tells, to each of these recipients."""
    if not recipients:
        return
    query = sa.select(messages.c.project_id, messages.c.test).join(envelopes, envelopes.c.message_id == messages.c.id)
    owner = connection.execute(query.where(envelopes.c.id == envelope_id)).one()
    rows = [
        _own(owner.project_id, type, test=owner.test, detail=detail, now=now)
        | {"envelope_id": envelope_id, "recipient": recipient}
        for recipient in recipients
    ]
    connection.execute(sa.insert(events), rows)


def announce(
    connection: Connection, project_id: str, type: FeedType, *, test: bool, detail: str, now: datetime
) -> None:
    """Store what happened to the project, and to no message of it."""
    connection.execute(sa.insert(events), [_own(project_id, type, test=test, detail=detail, now=now)])


def _own(project_id: str, type: FeedType, *, test: bool, detail: str, now: datetime) -> dict[str, Any]:
    id = ids.new()
    return {
        "id": id, "project_id": project_id, "test": test, "public": True, "provider": OURS, "provider_event_id": id,
        "type": type.value, "raw_type": type.value, "occurred_at": now, "received_at": now, "machine": False,
        "detail": detail[:400],
    }  # fmt: skip


def number(connection: Connection, *, limit: int, now: datetime) -> tuple[bool, set[Waiting]]:
    """Give up to `limit` events their places in their feeds, and let every endpoint wait for those it wants.

    Returns:
        Whether there may be more, and the endpoints that have something to be told.
    """
    connection.execute(sa.select(feeds.c.last).where(*_GATE).with_for_update())
    # Each may become a row for each endpoint of its project: what one transaction writes is bounded.
    limit = min(limit, max(1, _ROWS // max(1, endpoint.crowd(connection))))
    untold = (
        sa.select(
            events.c.seq,
            events.c.project_id,
            events.c.type,
            messages.c.callback_url,
            (events.c.envelope_id.is_(None) & (events.c.provider != OURS)).label("foreign"),
            # Processes of the version before tell nothing of it.
            sa.func.coalesce(messages.c.test, events.c.test).label("test"),
        )
        .select_from(events)
        .outerjoin(envelopes, envelopes.c.id == events.c.envelope_id)
        .outerjoin(messages, messages.c.id == envelopes.c.message_id)
        .where(sa.text("events.public AND events.position IS NULL"))
        .order_by(events.c.seq)
        .limit(limit)
    )
    rows: Sequence[Row[Any]] = connection.execute(untold).all()
    waiting: set[Waiting] = set()
    if foreign := [row.seq for row in rows if row.foreign]:
        connection.execute(sa.update(events).where(events.c.seq.in_(foreign)).values(public=False))
    ours = sorted((row for row in rows if not row.foreign), key=_owner)
    for (project_id, test), found in groupby(ours, key=_owner):
        new: list[Row[Any]] = list(found)
        last = _reserve(connection, project_id, len(new), test=test)
        connection.execute(
            sa.update(events)
            .where(events.c.seq == sa.bindparam("_seq"))
            .values(position=sa.bindparam("_position"), test=sa.bindparam("_test")),
            [{"_seq": row.seq, "_position": last + place, "_test": test} for place, row in enumerate(new, start=1)],
        )
        waiting |= callback.enqueue(connection, project_id, new, test=test, now=now)
    return len(rows) == limit, waiting


def _owner(row: Row[Any]) -> tuple[str, bool]:
    # Sorting is stable, so events of one feed stay in their order.
    return row.project_id, row.test


def _reserve(connection: Connection, project_id: str, count: int, *, test: bool) -> int:
    """Return the number before the first of `count` new ones."""
    mine = (feeds.c.project_id == project_id, feeds.c.test == test)
    last: int | None = connection.execute(sa.select(feeds.c.last).where(*mine)).scalar_one_or_none()
    if last is None:
        connection.execute(sa.insert(feeds).values(project_id=project_id, test=test, last=count))
        return 0
    connection.execute(sa.update(feeds).where(*mine).values(last=last + count))
    return last


def last(connection: Connection, project_id: str, *, test: bool) -> int:
    """Return the number of the latest event of a feed, 0 before the first."""
    query = sa.select(feeds.c.last).where(feeds.c.project_id == project_id, feeds.c.test == test)
    return connection.execute(query).scalar_one_or_none() or 0


def page(
    connection: Connection, project_id: str, *, test: bool, after: int, limit: int, types: Sequence[FeedType] = ()
) -> list[FeedEvent]:
    """Return events of a feed behind a place, the oldest first."""
    query = shown().where(events.c.project_id == project_id, events.c.test == test, events.c.position > after)
    if types:
        # Not further than that: where nothing matches, a request would read all there is.
        query = query.where(events.c.type.in_([t.value for t in types]), events.c.position <= after + LOOKED_THROUGH)
    return [event(row) for row in connection.execute(query.order_by(events.c.position).limit(limit))]


def span(
    connection: Connection, project_id: str, *, test: bool, since: datetime, until: datetime, limit: int
) -> Sequence[Row[Any]]:
    """Return the events (`seq`, `type`, `callback_url`) of a feed that came in a time, the oldest first."""
    e = events.c
    query = (
        sa.select(e.seq, e.type, messages.c.callback_url)
        .select_from(events)
        .outerjoin(envelopes, envelopes.c.id == e.envelope_id)
        .outerjoin(messages, messages.c.id == envelopes.c.message_id)
        .where(e.project_id == project_id, e.test == test, e.received_at >= since, e.received_at < until)
        .where(e.position.is_not(None))
        .order_by(e.received_at, e.position)
        .limit(limit)
    )
    found: Sequence[Row[Any]] = connection.execute(query).all()  # type: ignore[assignment]
    return found


def shown(*columns: sa.ColumnElement[Any]) -> sa.Select[Any]:
    """Select events with what is shown of their messages, and whatever else."""
    return (
        sa.select(
            events,
            envelopes.c.message_id,
            messages.c.request_id,
            # Not the whole content, which may be large.
            contents.c.content["tags"].label("tags"),
            contents.c.content["metadata"].label("metadata"),
            *columns,
        )
        .select_from(events)
        .outerjoin(envelopes, envelopes.c.id == events.c.envelope_id)
        .outerjoin(messages, messages.c.id == envelopes.c.message_id)
        .outerjoin(contents, contents.c.message_id == messages.c.id)
    )


def event(row: Row[Any]) -> FeedEvent:
    """Return an event of `shown`."""
    return FeedEvent.model_construct(
        id=row.id, sequence=row.position, type=FeedType(row.type), occurred_at=row.occurred_at,
        message_id=row.message_id, recipient=row.recipient, provider=None if row.provider == OURS else row.provider,
        permanent=row.permanent, bounce_class=row.bounce_class, machine=row.machine, detail=row.detail, url=row.url,
        request_id=row.request_id, tags=row.tags or [], metadata=row.metadata or {},
    )  # fmt: skip
