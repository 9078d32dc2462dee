"""Queries about callbacks: what waits for an endpoint, what it was told, what it is told again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from mailer import ids
from mailer.calling import Call, Called, Waiting
from mailer.endpoint import Endpoint, place
from mailer.event import FeedType
from mailer.feed import CallbackAttempt, CallbackState, FeedEvent
from mailer.store import endpoint, feed
from mailer.store.database import Database
from mailer.store.tables import callback_attempts, callbacks, endpoints, events
from mailer.view import Place

PENDING, DELIVERED, FAILED = "pending", "delivered", "failed"

# What was told, or given up, is kept so long; and what waits for an endpoint that is not called any more.
KEPT = timedelta(days=30)
HELD = timedelta(days=7)


def enqueue(
    connection: Connection, project_id: str, told: Sequence[Row[Any]], *, test: bool, now: datetime
) -> set[Waiting]:
    """Let every endpoint that wants them wait for events (`seq`, `type`, `callback_url`); return those endpoints.

    One that was switched off by hand, or is gone, waits for nothing: it may have them told again once it is back.
    """
    wanting = [e for e in endpoint.listed(connection, project_id, test=test) if _waits(e)]
    rows = [row for e in wanting for event in told if (row := _row(e, event, now=now)) is not None]
    if rows:
        connection.execute(sa.insert(callbacks), rows)
    told_of = {row["endpoint_id"] for row in rows}
    return {Waiting(e.id, alone=e.in_trouble) for e in wanting if e.id in told_of}


def _waits(e: Endpoint) -> bool:
    return e.disabled_reason is None or e.rest_until is not None


def _row(e: Endpoint, event: Row[Any], *, now: datetime) -> dict[str, Any] | None:
    url = place(e, FeedType(event.type), event.callback_url)
    if url is None:
        return None
    return _new(e, event.seq, url, now=now)


def _new(e: Endpoint, seq: int | None, url: str, *, now: datetime) -> dict[str, Any]:
    return {
        "id": ids.new(), "project_id": e.project_id, "endpoint_id": e.id, "event_seq": seq,
        "url": url if url != e.url else None, "status": PENDING, "attempts": 0, "tries": 0, "next_at": now,
        "created_at": now,
    }  # fmt: skip


def test(connection: Connection, e: Endpoint, *, now: datetime) -> str:
    """Let an endpoint wait for a test; return its id."""
    row = _new(e, None, e.url, now=now)
    connection.execute(sa.insert(callbacks), [row])
    return str(row["id"])


def due(connection: Connection, called: Sequence[Endpoint], *, limit: int, now: datetime) -> dict[str, list[Call]]:
    """Return what endpoints are to be told now, the longest waiting first; to one that fails, one thing."""
    urls = {e.id: e.url for e in called}
    some = connection.execute(_waiting(list(urls), limit=2 * limit, now=now)).all()
    if len(some) == 2 * limit and len(called) > 1:
        # There is a lot for some; that must not keep the others waiting.
        some = [row for id in urls for row in connection.execute(_waiting([id], limit=limit, now=now)).all()]
    found: dict[str, list[Row[Any]]] = {}
    for row in some:
        found.setdefault(row.endpoint_id, []).append(row)
    chosen = [row for e in called for row in found.get(e.id, [])[: 1 if e.failures else limit]]
    told = _told(connection, [row.event_seq for row in chosen if row.event_seq is not None])
    calls: dict[str, list[Call]] = {}
    for row in chosen:
        calls.setdefault(row.endpoint_id, []).append(
            Call(
                id=row.id, endpoint_id=row.endpoint_id, url=row.url or urls[row.endpoint_id],
                event=told.get(row.event_seq), attempts=row.attempts, tries=row.tries, since=row.since,
                created_at=row.created_at,
            )
        )  # fmt: skip
    return calls


def _waiting(endpoint_ids: Sequence[str], *, limit: int, now: datetime) -> sa.Select[Any]:
    c = callbacks.c
    return (
        sa.select(c.id, c.endpoint_id, c.event_seq, c.url, c.attempts, c.tries, c.since, c.created_at)
        .where(c.endpoint_id.in_(endpoint_ids), sa.text("callbacks.status = 'pending'"), c.next_at <= now)
        .order_by(c.next_at, c.event_seq)
        .limit(limit)
    )


def _told(connection: Connection, seqs: Sequence[int]) -> dict[int, FeedEvent]:
    if not seqs:
        return {}
    return {row.seq: feed.event(row) for row in connection.execute(feed.shown().where(events.c.seq.in_(seqs)))}


def record(connection: Connection, calls: Sequence[Called]) -> None:
    """Write down what came of calls, and when they are made again."""
    if not calls:
        return
    connection.execute(sa.insert(callback_attempts), [
        {
            "callback_id": c.call.id, "number": c.call.attempts + 1, "at": c.at, "duration_ms": c.duration_ms,
            "status_code": c.status_code, "error": c.error, "excerpt": c.excerpt[:500],
        }
        for c in calls
    ])  # fmt: skip
    connection.execute(
        sa.update(callbacks).where(callbacks.c.id == sa.bindparam("_id")).values(
            status=sa.bindparam("_status"), attempts=sa.bindparam("_attempts"), tries=sa.bindparam("_tries"),
            since=sa.bindparam("_since"), next_at=sa.bindparam("_next_at"), done_at=sa.bindparam("_done_at"),
        ),
        [
            {
                "_id": c.call.id, "_status": _status(c), "_attempts": c.call.attempts + 1,
                "_tries": c.call.tries + 1, "_since": c.call.since or c.at, "_next_at": c.next_at,
                "_done_at": c.at if c.next_at is None else None,
            }
            for c in calls
        ],
    )  # fmt: skip


def _status(called: Called) -> str:
    if called.told:
        return DELIVERED
    return FAILED if called.next_at is None else PENDING


def next_at(connection: Connection, endpoint_ids: Sequence[str]) -> dict[str, datetime]:
    """Return when the next callback of endpoints is due, of those that something waits for."""
    c = callbacks.c
    query = sa.select(c.endpoint_id, sa.func.min(c.next_at, type_=c.next_at.type).label("at")).where(
        c.endpoint_id.in_(endpoint_ids), sa.text("callbacks.status = 'pending'")
    )
    return {row.endpoint_id: row.at for row in connection.execute(query.group_by(c.endpoint_id))}


def log(
    connection: Connection, e: Endpoint, *, status: str | None, after: Place | None, limit: int
) -> list[CallbackState]:
    """Return what an endpoint was told and is to be told, the newest first."""
    c = callbacks.c
    query = _shown().where(c.endpoint_id == e.id)
    if status is not None:
        query = query.where(c.status == status)
    if after is not None:
        there = sa.tuple_(sa.literal(after.created_at, c.created_at.type), sa.literal(after.id, c.id.type))
        query = query.where(sa.tuple_(c.created_at, c.id) < there)
    rows = connection.execute(query.order_by(c.created_at.desc(), c.id.desc()).limit(limit))
    return [_state(row) for row in rows]


def get(connection: Connection, e: Endpoint, id: str) -> CallbackState | None:
    """Return one callback of an endpoint."""
    row = connection.execute(_shown().where(callbacks.c.endpoint_id == e.id, callbacks.c.id == id)).one_or_none()
    return None if row is None else _state(row)


def attempts(connection: Connection, id: str) -> list[CallbackAttempt]:
    """Return the attempts of a callback, the first first."""
    query = sa.select(callback_attempts).where(callback_attempts.c.callback_id == id)
    return [_attempt(row) for row in connection.execute(query.order_by(callback_attempts.c.number))]


def _shown() -> sa.Select[Any]:
    last = callback_attempts
    return (
        sa.select(
            callbacks, events.c.id.label("event_id"), events.c.position, events.c.type,
            *(last.c[name] for name in ("at", "duration_ms", "status_code", "error", "excerpt")),
        )
        .select_from(callbacks)
        .outerjoin(events, events.c.seq == callbacks.c.event_seq)
        .outerjoin(last, sa.and_(last.c.callback_id == callbacks.c.id, last.c.number == callbacks.c.attempts))
    )  # fmt: skip


def _state(row: Row[Any]) -> CallbackState:
    return CallbackState(
        id=row.id, event_id=row.event_id, sequence=row.position, type=FeedType(row.type or FeedType.TEST),
        status=row.status, attempts=row.attempts, created_at=row.created_at, next_at=row.next_at, done_at=row.done_at,
        last=_attempt(row) if row.at is not None else None,
    )  # fmt: skip


def _attempt(row: Row[Any]) -> CallbackAttempt:
    return CallbackAttempt(
        at=row.at, duration_ms=row.duration_ms, status_code=row.status_code, error=row.error, excerpt=row.excerpt
    )


def replay(connection: Connection, e: Endpoint, id: str, *, now: datetime) -> bool:
    """Tell an endpoint of one event again; tell whether there is such a callback."""
    mine = (callbacks.c.endpoint_id == e.id, callbacks.c.id == id)
    return connection.execute(sa.update(callbacks).where(*mine).values(_again(now))).rowcount == 1


def replay_events(
    database: Database, connection: Connection, e: Endpoint, seqs: Iterable[Row[Any]], *, now: datetime
) -> int:
    """Tell an endpoint of events (`seq`, `type`, `callback_url`) that it wants, again or for the first time."""
    wanted = [row for event in seqs if (row := _row(e, event, now=now)) is not None]
    if not wanted:
        return 0
    mine = (callbacks.c.endpoint_id == e.id, callbacks.c.event_seq.in_([row["event_seq"] for row in wanted]))
    known = set(
        connection.execute(
            sa.update(callbacks).where(*mine).values(_again(now)).returning(callbacks.c.event_seq)
        ).scalars()
    )
    new = [row for row in wanted if row["event_seq"] not in known]
    if new:
        statement = database.insert(callbacks).on_conflict_do_nothing(index_elements=["endpoint_id", "event_seq"])
        connection.execute(statement, new)
    return len(wanted)


def _again(now: datetime) -> dict[str, Any]:
    return {"status": PENDING, "tries": 0, "since": None, "next_at": now, "done_at": None}


def forget(connection: Connection, *, now: datetime, limit: int) -> int:
    """Delete up to `limit` callbacks that came to rest long ago, or whose endpoint was deleted, and give up what waits
    in vain; return how many of the most.
    """
    deleted = endpoint.deleted(connection)
    old = sa.select(callbacks.c.id).where(callbacks.c.done_at <= now - KEPT).limit(limit)
    orphans = sa.select(callbacks.c.id).where(callbacks.c.endpoint_id.in_(deleted)).limit(limit)
    count, gone = (
        connection.execute(sa.delete(callbacks).where(callbacks.c.id.in_(x))).rowcount for x in (old, orphans)
    )
    if deleted and not gone:
        connection.execute(sa.delete(endpoints).where(endpoints.c.id.in_(deleted)))
    silent = sa.select(endpoints.c.id).where(endpoints.c.disabled_at <= now - HELD)
    vain = (
        callbacks.c.endpoint_id.in_(silent),
        sa.text("callbacks.status = 'pending'"),
        callbacks.c.next_at <= now - HELD,
    )
    some = sa.select(callbacks.c.id).where(*vain).limit(limit)
    given_up = sa.update(callbacks).where(callbacks.c.id.in_(some)).values(status=FAILED, next_at=None, done_at=now)
    return max(count, gone, connection.execute(given_up).rowcount)
