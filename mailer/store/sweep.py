"""Queries about the sweep itself: what it left, and when it last ran."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mailer.delivery import EnvelopeStatus, Lane
from mailer.ledger import Overdue, Sweep
from mailer.store.database import Database
from mailer.store.tables import envelopes, sweeps
from mailer.view import Backlog

# Counting a million overdue envelopes every few seconds would be a load of its own.
_COUNTED = 10_000
_ONLY = 1
# A sweep that is longer ago says nothing about now.
_FRESH = timedelta(minutes=2)


def overdue(connection: Connection, *, now: datetime) -> Overdue:
    """Return how much is due (counted up to 10,000 a lane), and since when the longest waiting has been."""
    count, oldest = 0, []
    for lane in Lane:
        due = (
            sa.select(envelopes.c.wake_at)
            .where(envelopes.c.lane == lane.value, envelopes.c.wake_at <= now)
            .order_by(envelopes.c.wake_at)
            .limit(_COUNTED)
            .subquery()
        )
        row = connection.execute(sa.select(sa.func.count(), sa.func.min(due.c.wake_at))).one()
        count += row[0]
        oldest += [row[1]] if row[1] else []
    return Overdue(count=count, oldest_at=min(oldest, default=None))


def backlog(connection: Connection, *, lane: Lane, queue: str, now: datetime) -> Backlog:
    """Return what waits for a worker in a lane. The depth is the latest sweep's, 0 where that is too old to count."""
    waiting = (
        envelopes.c.lane == lane.value, envelopes.c.status == EnvelopeStatus.QUEUED.value,
        envelopes.c.attempts == 0, envelopes.c.next_attempt_at.is_(None),
    )  # fmt: skip
    oldest = sa.select(envelopes.c.created_at).where(*waiting).order_by(envelopes.c.created_at).limit(1)
    swept = last(connection)
    fresh = swept is not None and swept.ran_at > now - _FRESH
    return Backlog(
        oldest_at=connection.execute(oldest).scalar_one_or_none(),
        depth=swept.depths.get(queue, 0) if swept is not None and fresh else 0,
    )


def note(database: Database, connection: Connection, done: Sweep) -> None:
    """Remember the latest sweep, in place of the one before."""
    values = {
        "ran_at": done.ran_at, "seconds": done.seconds, "woken": done.woken, "buried": done.buried,
        "left": done.left.count, "oldest_at": done.left.oldest_at, "depths": dict(done.depths),
    }  # fmt: skip
    statement = database.insert(sweeps).values(id=_ONLY, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=values))


def last(connection: Connection) -> Sweep | None:
    """Return the latest sweep."""
    row = connection.execute(sa.select(sweeps).where(sweeps.c.id == _ONLY)).one_or_none()
    if row is None:
        return None
    return Sweep(
        ran_at=row.ran_at, seconds=row.seconds, woken=row.woken, buried=row.buried,
        left=Overdue(count=row.left, oldest_at=row.oldest_at), depths=row.depths,
    )  # fmt: skip
