"""Queries about removals: suppressions that were lifted here, until every provider has forgotten them too."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mailer.source import Removal
from mailer.store.tables import suppression_removals
from mailer.suppression import Reason

_r = suppression_removals.c


def due(connection: Connection, *, limit: int, now: datetime, until: datetime) -> list[Removal]:
    """Return removals whose time has come, each to one caller; nobody else gets them before `until`."""
    waiting = sa.select(suppression_removals).where(_to_do(), _r.next_at <= now).order_by(_r.next_at).limit(limit)
    found = [
        Removal(id=row.id, email=row.email, reason=Reason(row.reason), created_at=row.created_at, attempts=row.attempts)
        for row in connection.execute(waiting.with_for_update(skip_locked=True))
    ]
    _change(connection, [removal.id for removal in found], next_at=until)
    return found


def done(connection: Connection, id: str, *, error: str | None, now: datetime) -> None:
    """Write down that there is nothing more to do; with an `error`, because it was given up."""
    _change(connection, [id], done_at=now, last_error=error and error[:300])


def again(connection: Connection, id: str, *, at: datetime, error: str) -> None:
    """Let a removal be tried again."""
    _change(connection, [id], next_at=at, last_error=error[:300], attempts=_r.attempts + 1)


def _change(connection: Connection, ids: list[str], **values: object) -> None:
    if ids:
        connection.execute(sa.update(suppression_removals).where(_r.id.in_(ids)).values(**values))


def _to_do() -> sa.ColumnElement[bool]:
    # In the words of the partial index.
    return sa.text("suppression_removals.done_at IS NULL")  # type: ignore[return-value]
