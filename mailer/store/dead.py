"""Queries about the deaths of an envelope's task. Calls that were stored nowhere are in dead_call.py."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mailer.ledger import Move
from mailer.store import envelope, replay
from mailer.store.database import Database
from mailer.store.notes import write
from mailer.store.tables import notes

_KIND = "dead"


def bury(
    database: Database, connection: Connection, id: str, *, note_id: str, reason: str, move: Move | None, now: datetime
) -> bool | None:
    """Note the death of an envelope's task, and move the envelope if no call of it runs.

    Returns:
        Whether it moved; None where this death was noted before.
    """
    if not write(database, connection, id, note_id=note_id, kind=_KIND, detail=reason, now=now):
        return None
    return move is not None and bool(envelope.move(connection, [move], now=now, where=envelope.idle()))


def deaths(connection: Connection, id: str) -> int:
    """Return how often an envelope's task has died, since somebody replayed it if they did."""
    replays = sa.select(notes.c.at).where(notes.c.envelope_id == id, notes.c.kind == replay.NOTE)
    replayed = connection.execute(replays.order_by(notes.c.at.desc()).limit(1)).scalar_one_or_none()
    query = sa.select(sa.func.count()).where(notes.c.envelope_id == id, notes.c.kind == _KIND)
    return connection.execute(query if replayed is None else query.where(notes.c.at >= replayed)).scalar_one()
