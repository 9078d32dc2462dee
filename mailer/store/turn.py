"""Queries about turns and cursors: who reads back from a provider, one at a time, and how far it has been read."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mailer.source import Cursor, Span, Turn
from mailer.store.database import Database
from mailer.store.tables import cursors, turns


def begin(
    database: Database, connection: Connection, provider: str, *, turn_id: str, until: datetime, now: datetime
) -> bool:
    """Take the right to read from a provider until then; no if somebody has it, or it asked to be left alone."""
    new = database.insert(turns).values(provider=provider).on_conflict_do_nothing(index_elements=["provider"])
    connection.execute(new)
    free = (
        turns.c.provider == provider,
        sa.or_(turns.c.turn_until.is_(None), turns.c.turn_until <= now),
        sa.or_(turns.c.not_before.is_(None), turns.c.not_before <= now),
    )
    taken = sa.update(turns).where(*free).values(turn_id=turn_id, turn_until=until)
    return connection.execute(taken).rowcount == 1


def hold(connection: Connection, provider: str, *, turn_id: str, until: datetime) -> bool:
    """Keep a turn for longer; no if it was over and somebody else has it."""
    mine = (turns.c.provider == provider, turns.c.turn_id == turn_id)
    return connection.execute(sa.update(turns).where(*mine).values(turn_until=until)).rowcount == 1


def end(
    connection: Connection, provider: str, *, turn_id: str, error: str | None, not_before: datetime | None,
    now: datetime,
) -> None:  # fmt: skip
    """Let others read, and write down how it went."""
    mine = (turns.c.provider == provider, turns.c.turn_id == turn_id)
    went = {"read_at": now, "failing_since": None} if error is None else {
        "failing_since": sa.func.coalesce(turns.c.failing_since, sa.literal(now, turns.c.failing_since.type))
    }  # fmt: skip
    left = {"turn_id": None, "turn_until": None, "not_before": not_before, "error": error and error[:64]}
    connection.execute(sa.update(turns).where(*mine).values(**left, **went))


def all_of_them(connection: Connection) -> list[Turn]:
    """Return how the reading of each provider stands."""
    return [
        Turn(
            provider=row.provider, not_before=row.not_before, read_at=row.read_at, error=row.error,
            failing_since=row.failing_since,
        )
        for row in connection.execute(sa.select(turns).order_by(turns.c.provider))
    ]  # fmt: skip


def cursor(connection: Connection, provider: str, source: str) -> Cursor | None:
    """Return how far a source has been read; None: never."""
    c = cursors.c
    row = connection.execute(sa.select(cursors).where(c.provider == provider, c.source == source)).one_or_none()
    if row is None:
        return None
    span = Span(row.span_since, row.span_until) if row.span_since and row.span_until else None
    return Cursor(read_until=row.read_until, span=span, page=row.page, rest_until=row.rest_until)


def save(database: Database, connection: Connection, provider: str, source: str, found: Cursor) -> None:
    """Write down how far a source has been read."""
    values = {
        "read_until": found.read_until, "page": found.page, "rest_until": found.rest_until,
        "span_since": found.span.since if found.span else None, "span_until": found.span.until if found.span else None,
    }  # fmt: skip
    statement = database.insert(cursors).values(provider=provider, source=source, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["provider", "source"], set_=values))
